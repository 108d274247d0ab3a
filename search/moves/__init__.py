"""Changes of a structure that a search tries."""
