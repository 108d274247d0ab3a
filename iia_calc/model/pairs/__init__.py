"""Which atoms see each other: every pair of small clusters, or a neighbour list."""
