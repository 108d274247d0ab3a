"""The supporting information of confirmed searches: tables, structures, figures, methods and citations."""
