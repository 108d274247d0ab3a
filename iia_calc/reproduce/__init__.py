"""The paper's tables and figures again, on its published files: as printed, and as they should have been.

    published sets ──> tasks (sets.py) ──> runs (runs.py, experiments.py) ──> runner.py ──> results.csv
                                                                     figures.py, page.py <──┘

SchNet-IIA: J. Chem. Inf. Model. 2025, 65, 92-100. An experiment is data, a list of rows of runs; a run is
identified by its settings and labels, so one that several tables need is trained once.
"""
