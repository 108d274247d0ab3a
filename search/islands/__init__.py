"""Many searchers side by side that pass on their best minima."""
