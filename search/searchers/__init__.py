"""Search methods: basin hopping, the artificial bee colony, and the exchange between searchers."""
