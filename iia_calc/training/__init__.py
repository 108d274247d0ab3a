"""Fitting potentials with SchNetPack and Lightning. Importing this package imports neither: see `fit`."""
