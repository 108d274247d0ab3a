"""Properties of isomers: symmetry, vibrations, free energies, spectra, and what a paper says of them."""
