"""Relaxers: what quenches a trial structure to its minimum."""
