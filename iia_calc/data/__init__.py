"""Data that others made: readers with explicit units, conversion, and an audit of what they are worth."""
