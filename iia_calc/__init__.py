"""SchNet-IIA: a neural-network potential for doped boron clusters, as an ASE calculator."""
