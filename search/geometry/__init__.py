"""Shapes, sizes and identities of clusters: composition, length scales, seeds, fingerprints."""
