"""The potential: from atomic numbers and positions to energies and forces, its committee and its files."""
