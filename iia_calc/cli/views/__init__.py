"""Everything that is printed on a terminal: tables, progress, remarks."""
