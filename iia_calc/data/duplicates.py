"""Copies: structures that occur twice, within a set and across sets, and sets that are the same.

"The same" is meant here as a data set needs it, not a search: one geometry, turned, mirrored or
renumbered, to within `Sameness` below, a hundredth of a bond. Sorted distances find the candidates
(copies have equal ones; a tree looks them up), `search.geometry.fingerprint.same` decides.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations_with_replacement

import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from iia_calc.data.geometry import chunks, pair_distances
from iia_calc.data.sets import StructureSet
from search.geometry.composition import bond_lengths
from search.geometry.fingerprint import Fingerprint, Sameness, same

SAME = Sameness(rmsd_tolerance=0.005, displacement_tolerance=0.01)


@dataclass(frozen=True)
class Copies:
    """Groups of copies among all structures of several sets.

    Attributes
    ----------
    group : one [n] int64 per set; equal numbers, in whichever sets, mark copies of one structure.
    """

    group: list[np.ndarray]

    def within(self, s: int) -> np.ndarray:
        """[n] bool: not the first of its group in its own set."""
        first = np.unique(self.group[s], return_index=True)[1]
        repeated = np.ones(len(self.group[s]), dtype=bool)
        repeated[first] = False
        return repeated

    def count_common(self, s: int, t: int) -> int:
        """Structures of set s that set t has, too."""
        return int(np.isin(self.group[s], self.group[t]).sum())


def find_copies(sets: Sequence[StructureSet]) -> Copies:
    """Structures of equal composition, charge, multiplicity and level are compared, whichever set they are in."""
    alike: dict[tuple[object, ...], list[int]] = defaultdict(list)
    for s, item in enumerate(sets):
        alike[np.sort(item.numbers).tobytes(), item.charge, item.multiplicity, item.level].append(s)
    groups: list[np.ndarray] = [np.empty(0, dtype=np.int64)] * len(sets)
    used = 0
    for members in alike.values():
        numbers = np.sort(sets[members[0]].numbers)
        positions = np.concatenate([sets[s].positions[:, np.argsort(sets[s].numbers, kind="stable")] for s in members])
        label = _groups(numbers, positions) + used
        used = int(label.max()) + 1
        ends = np.cumsum([len(sets[s]) for s in members])
        for s, part in zip(members, np.split(label, ends[:-1]), strict=True):
            groups[s] = part
    return Copies(groups)


def content_hash(item: StructureSet) -> str:
    """Equal for sets of equal arrays, whatever their files are called or how they are packed."""
    known = (item.charge, item.multiplicity, item.level) != (None, None, None)
    digest = hashlib.sha256(repr((item.charge, item.multiplicity, item.level)).encode() if known else b"")
    for array in (item.numbers, item.positions, item.energies):
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def _groups(numbers: np.ndarray, positions: np.ndarray) -> np.ndarray:
    """Group number [n] of each structure."""
    n, n_atoms = len(positions), len(numbers)
    if n_atoms == 1:
        return np.zeros(n, dtype=np.int64)
    bond = float(bond_lengths(numbers).min())
    sorted_distances = _sorted_distances(numbers, positions)  # [n, pairs]
    # A displacement of at most δ changes any sorted distance by at most 2δ, and so the root mean square of any
    # part of them; 24 evenly spaced ones are enough to leave few candidates.
    reach = 2.0 * SAME.displacement_tolerance * bond
    columns = np.unique(np.linspace(0, sorted_distances.shape[1] - 1, 24).astype(int))
    pairs = cKDTree(sorted_distances[:, columns]).query_pairs(reach, p=np.inf, output_type="ndarray")
    near = [pair for pair in pairs if np.abs(sorted_distances[pair[0]] - sorted_distances[pair[1]]).max() <= reach]
    prints = {k: Fingerprint(positions[k], numbers) for k in {int(k) for pair in near for k in pair}}
    label, equal = np.arange(n), []
    for a, b in sorted((int(a), int(b)) for a, b in near):
        if label[a] != label[b] and (
            np.array_equal(positions[a], positions[b]) or same(prints[a], prints[b], bond, SAME)
        ):
            equal.append((a, b))
            label[label == label[b]] = label[a]
    rows, cols = (np.array(equal).T if equal else np.empty((2, 0), dtype=int)).astype(int)
    graph = coo_matrix((np.ones(len(rows)), (rows, cols)), shape=(n, n))
    return np.asarray(connected_components(graph, directed=False)[1], dtype=np.int64)


def _sorted_distances(numbers: np.ndarray, positions: np.ndarray) -> np.ndarray:
    """[n, n_atoms (n_atoms − 1)/2], Å, sorted within each pair of elements; numbers must be sorted."""
    blocks = [np.flatnonzero(numbers == z) for z in np.unique(numbers)]
    parts = []
    for x in chunks(positions):
        distances = pair_distances(x)
        lists = []
        for p, q in combinations_with_replacement(blocks, 2):
            part = distances[:, p][:, :, q]
            flat = part[:, *np.triu_indices(len(p), 1)] if p is q else part.reshape(len(x), -1)
            lists.append(np.sort(flat, axis=1))
        parts.append(np.concatenate(lists, axis=1))
    return np.concatenate(parts)
