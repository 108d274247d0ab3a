"""The atlas: a static site of the lowest minima known, one page a formula (`iia atlas`)."""
