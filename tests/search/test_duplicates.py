"""500 minima and their disguised, jittered and quenched copies: no copy kept, no two minima merged.

What the archive says is compared with groups made without it: energies to 1e-6 and sorted distances per
pair of elements to 1e-3, which tight quenches allow.
"""

from itertools import combinations_with_replacement

import numpy as np
import pytest
from ase import Atoms

from search import Archive, BasinHopping, BasinHoppingSettings, Composition, LennardJones, Sameness
from search.archive.minimum import sound
from search.geometry.scale import LengthScale
from tests.search.test_fingerprint import disguise

pytestmark = pytest.mark.slow
FMAX = 1e-6


class BinaryLennardJones(LennardJones):
    """Atoms of two sizes, so that exchanging two of them makes another minimum (homotops)."""

    def __init__(self, numbers, ratio):
        super().__init__(fmax=FMAX)
        size = np.where(numbers == numbers[0], 1.0, ratio)
        self.pairs = 0.5 * (size[:, None] + size[None, :])

    def evaluate(self, positions):
        delta = positions[:, :, None] - positions[:, None]  # [b, n, n, 3]
        squares = np.maximum((delta**2).sum(3), 1e-4)
        diagonal = np.arange(positions.shape[1])
        squares[:, diagonal, diagonal] = np.inf
        sixth = (self.pairs**2 / squares) ** 3
        pull = 24.0 * (2.0 * sixth**2 - sixth) / squares
        return 2.0 * (sixth**2 - sixth).sum((1, 2)), (pull[..., None] * delta).sum(2)

    def relax(self, structures):
        results = super().relax([Atoms("Ar" * len(atoms), atoms.positions) for atoms in structures])
        for atoms, relaxed in zip(structures, results, strict=True):
            relaxed.atoms.numbers[:] = atoms.numbers
        return results


def invariants(atoms, energy):
    """Energy, then sorted distances for each pair of elements."""
    distances, parts = atoms.get_all_distances(), [np.array([energy])]
    blocks = [np.flatnonzero(atoms.numbers == z) for z in np.unique(atoms.numbers)]
    for p, q in combinations_with_replacement(blocks, 2):
        part = distances[np.ix_(p, q)]
        parts.append(np.sort(part[np.triu_indices(len(p), 1)] if p is q else part.ravel()))
    return np.concatenate(parts)


class Groups:
    """Numbers results by what they are the same as."""

    def __init__(self):
        self.kinds = np.empty((0, 0))

    def number(self, relaxed):
        own = invariants(relaxed.atoms, relaxed.energy)
        tolerance = np.full(len(own), 1e-3)
        tolerance[0] = 1e-6
        kinds = self.kinds.reshape(-1, len(own))
        same = np.flatnonzero((np.abs(kinds - own) < tolerance).all(1))
        if not len(same):
            self.kinds = np.vstack([kinds, own])
        return int(same[0]) if len(same) else len(kinds)


def minima(composition, relaxer, n):
    """Sound results of a search that walks far, until they are of `n` groups; each group's first."""
    searcher = BasinHopping(LengthScale.of(composition, relaxer), BasinHoppingSettings(walkers=32, temperature=3.0))
    results, group, groups = [], [], Groups()
    for _ in range(200):
        structures = searcher.ask(32)
        told = relaxer.relax(structures)
        searcher.tell(told)
        whole = [r for r in told if r.converged and not r.fragmented]
        results += whole
        group += [groups.number(relaxed) for relaxed in whole]
        if len(set(group)) >= n:
            break
    return results, group


@pytest.mark.parametrize("formula", ["Ar15", "Kr4Ar9"])
def test_copies_and_distinct_minima(formula):
    rng = np.random.default_rng(0)
    composition = Composition.parse(formula)
    numbers = composition.numbers
    relaxer = BinaryLennardJones(numbers, ratio=1.12)
    results, group = minima(composition, relaxer, 250)
    n = len(set(group))
    assert n >= 250
    bond = relaxer.bond_length
    archive = Archive(None, composition, bond_length=bond)
    entries = [archive.enter(relaxed, k + 1)[0] for k, relaxed in enumerate(results)]
    # The archive's minima are the groups: as many, and one for each.
    assert len(archive) == n
    assert len({(id(entry), number) for entry, number in zip(entries, group, strict=True)}) == n

    firsts = [group.index(number) for number in range(n)]
    scale = LengthScale.of(composition, relaxer)
    jittered = []
    for k, first in enumerate(firsts):
        positions = disguise(results[first].atoms.positions, numbers, rng, mirror=k % 2 == 0)
        jittered.append(scale.atoms(positions + rng.normal(scale=0.01 * bond, size=positions.shape)))
    again = relaxer.relax(jittered)
    back = [
        (first, copy)
        for first, copy in zip(firsts, again, strict=True)
        if sound(copy) and abs(copy.energy - results[first].energy) < 1e-6
    ]
    assert len(back) > 0.97 * n  # the others left shallow minima
    for k, (first, copy) in enumerate(back):
        entry, new = archive.enter(copy, 10_000 + k)
        assert not new
        assert entry is entries[first]
    assert len(archive) == n

    # By option mirror images are two: then only mirrored copies of chiral minima are new, once.
    strict = Archive(None, composition, bond_length=bond, sameness=Sameness(enantiomers="two"))
    for first, _ in back:
        strict.enter(results[first], 1)
    added = []
    for first, _ in back[:100]:
        mirrored = results[first].atoms.copy()
        mirrored.positions[:, 0] *= -1.0
        turned = results[first].atoms.copy()
        turned.positions[:] = disguise(turned.positions, numbers, rng, mirror=False)
        for atoms, may_be_new in ((turned, False), (mirrored, True), (mirrored, False)):
            new = strict.enter(type(results[first])(**{**vars(results[first]), "atoms": atoms}), 2)[1]
            assert may_be_new or not new
            added.append(new)
    assert 10 < sum(added) <= 100
