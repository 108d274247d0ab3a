"""From a formula to a folder of ranked isomers: one search, islands of searches, or a Dask cluster."""
