"""Rehearsal: forces of a cheaper level that a fit goes on seeing, so that it doesn't forget what they taught.

DFT labels are few and lie near minima of small clusters. A fit to them alone, from a network that has seen
what compressed and large clusters do, unlearns just that, and random starts collapse (models/README.md has
figures). So part of the cheaper labels takes part in the fit: forces alone, for energies of two levels don't
mix, and only where these are so large that what the levels differ by hardly counts. The idea is as old as
A. Robins, Connection Science 1995, 7, 123.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from iia_calc.labels.packed import open_labels
from iia_calc.labels.store import LabelledStructure

LEAST_FORCE = 2.0
"""Largest force of a structure, eV/Å, from which on it is worth rehearsing: on SeB_n the forces of GFN1-xTB and
PBE0/3-21G differ by 0.5 to 0.8 eV/Å, whatever their size."""


def draw(paths: Iterable[Path], n: int, seed: int, elements: Iterable[str]) -> list[LabelledStructure]:
    """`n` of the labels in `paths` far from minima, drawn at random; all where there are fewer.

    Raises
    ------
    ValueError : none is, or one has other elements than these.
    """
    labelled = [item for path in paths for item in open_labels(path).read()]
    far = [item for item in labelled if np.linalg.norm(item.label.forces, axis=1).max() >= LEAST_FORCE]
    if not far:
        raise ValueError(
            f"none of the {len(labelled)} labels to rehearse has a force of {LEAST_FORCE} eV/Å or more: they would "
            "only say how two levels differ near minima"
        )
    chosen = np.random.default_rng([seed, 1995]).permutation(len(far))[:n]
    drawn = [far[k] for k in np.sort(chosen)]
    if unknown := {symbol for item in drawn for symbol in item.atoms.get_chemical_symbols()} - set(elements):
        raise ValueError(f"labels to rehearse contain {', '.join(sorted(unknown))}, which the labels to fit don't")
    return drawn
