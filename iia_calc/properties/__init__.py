"""Properties of isomers: symmetry, vibrations, free energies and spectra."""
