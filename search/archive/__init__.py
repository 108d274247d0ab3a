"""The minima that a search has found, kept in a database."""
