"""Find the minima of a cluster with any relaxer: seeds, moves, archive, basin hopping, bee colony."""
