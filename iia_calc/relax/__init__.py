"""Batched relaxation of many clusters at once."""
