"""A second opinion on published energies, by a potential that never saw any of them.

A potential fitted to labels of our own at the set's level of theory knows what a converged SCF gives. It measures; what
is left out of a set is GFN1-xTB's affair (`xtb_filter.py`), so that no model chooses its own test. Both levels'
conventions differ by a constant of each composition, which is where the differences crowd most: failed SCF energies lie
above, never below.
"""

from __future__ import annotations

import numpy as np
import torch

from iia_calc.data.energy_outliers import crowded_and_scatter
from iia_calc.model.pairs.within_cutoff import NearPairs
from iia_calc.model.potential import Potential


@torch.no_grad()
def excess_over(
    potential: Potential, numbers: np.ndarray, positions: np.ndarray, energies: np.ndarray, batch_size: int = 64
) -> np.ndarray:
    """[n] eV/atom by which `energies` exceed the potential's, after the set's shift.

    numbers : [n_atoms]. positions : [n, n_atoms, 3], Å. energies : [n], eV, at least four.

    Raises
    ------
    ValueError : an element that the potential doesn't know.
    """
    potential.check_elements(torch.from_numpy(numbers))
    n_atoms, expected = len(numbers), []
    for begin in range(0, len(positions), batch_size):
        x = positions[begin : begin + batch_size]
        R = torch.from_numpy(x.reshape(-1, 3)).to(potential.dtype)
        Z = torch.from_numpy(np.tile(numbers, len(x)))
        pairs = NearPairs([n_atoms] * len(x), R, potential.cutoff)
        expected.append(pairs.sum_structures(potential.interaction_energies(pairs, Z, R)).double().numpy())
    above = (energies - np.concatenate(expected)) / n_atoms
    return np.asarray(above - crowded_and_scatter(above)[0])
