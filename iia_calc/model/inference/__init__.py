"""The network with frozen weights: the same energies and forces as the trained one, several times faster."""
