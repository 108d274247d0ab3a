"""Confirmation of a search by DFT: relaxation, spin states, stability and frequencies of its isomers."""
