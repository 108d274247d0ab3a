"""From label stores to SchNetPack's data module: reduced energies, splits by start, batches of like sizes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import numpy as np
import torch
from ase import Atoms
from schnetpack.data import ASEAtomsData, AtomsDataModule
from schnetpack.transform import CastTo32
from torch.utils.data import Sampler

from iia_calc.labels.store import LabelledStructure
from search.errors import InputError

ENERGY, FORCES = "energy_per_atom", "forces"
"""What is fitted: (E - sum of element energies) / n_atoms, eV, and forces, eV/Å."""


def write_dataset(
    labelled: Iterable[LabelledStructure], element_energies: Mapping[str, float], path: Path, *, forces: bool = True
) -> None:
    """Write a SchNetPack database of reduced energies and, unless told otherwise, forces.

    Raises
    ------
    ValueError : no labels, or an element without an element energy.
    """
    properties: list[dict] = []
    structures: list[Atoms] = []
    for item in labelled:
        symbols = item.atoms.get_chemical_symbols()
        if missing := sorted(set(symbols) - set(element_energies)):
            raise InputError(
                f"no element energy for {', '.join(missing)}; given: {', '.join(sorted(element_energies))}"
            )
        reduced = item.label.energy - sum(element_energies[symbol] for symbol in symbols)
        properties.append({ENERGY: np.array([reduced / len(symbols)])})
        if forces:
            properties[-1][FORCES] = np.asarray(item.label.forces)
        structures.append(item.atoms)
    if not structures:
        raise InputError("there are no labels to fit to")
    path.unlink(missing_ok=True)
    units = {ENERGY: "eV"} | ({FORCES: "eV/Ang"} if forces else {})
    dataset = ASEAtomsData.create(str(path), distance_unit="Ang", property_unit_dict=units)
    with dataset.conn:  # one transaction: SchNetPack alone would make one of every structure
        dataset.add_systems(property_list=properties, atoms_list=structures)


def split_by_start(
    starts: list[str], validation_share: float, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Indices of training and validation labels; all labels of one random start are on one side."""
    names = sorted(set(starts))
    if len(names) < 2:
        raise InputError("a split by start needs labels of at least two starts")
    n_held = min(max(1, round(validation_share * len(names))), len(names) - 1)
    held = {names[k] for k in rng.permutation(len(names))[:n_held]}
    is_held = np.array([start in held for start in starts])
    return np.flatnonzero(~is_held), np.flatnonzero(is_held)


def data_hash(labelled: Iterable[LabelledStructure]) -> str:
    """SHA-256 over numbers, positions, energies and forces, whatever their order."""
    parts = sorted(
        hashlib.sha256(
            item.atoms.numbers.astype(np.int64).tobytes()
            + np.ascontiguousarray(item.atoms.positions).round(6).tobytes()
            + np.round(item.label.energy, 6).tobytes()
            + np.round(item.label.forces, 5).tobytes()
        ).hexdigest()
        for item in labelled
    )
    return hashlib.sha256("".join(parts).encode()).hexdigest()


class SizeBuckets(Sampler[int]):
    """Random order in which neighbours have like sizes, so that padded batches waste little.

    Each epoch draws anew: shuffled, cut into pools of `pool` batches, each pool sorted by size, its
    batches shuffled. What it draws depends on `seed` and the epoch's number alone, which Lightning says by
    `set_epoch`: a fit that goes on after a stop sees what it would have seen.
    """

    def __init__(self, data_source, num_samples: int, sizes: np.ndarray, batch_size: int, seed: int, pool: int = 40):
        self.sizes, self.batch_size, self.pool = np.asarray(sizes), batch_size, pool
        self.seed, self.epoch = seed, 0

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def __len__(self) -> int:
        return len(self.sizes)

    def __iter__(self) -> Iterator[int]:
        rng = np.random.default_rng((self.seed, self.epoch))
        order = rng.permutation(len(self.sizes))
        batches: list[np.ndarray] = []
        for begin in range(0, len(order), self.pool * self.batch_size):
            pool = order[begin : begin + self.pool * self.batch_size]
            pool = pool[np.argsort(self.sizes[pool], kind="stable")]
            batches += [pool[k : k + self.batch_size] for k in range(0, len(pool), self.batch_size)]
        short = [batch for batch in batches if len(batch) < self.batch_size]
        full = [batch for batch in batches if len(batch) == self.batch_size]
        for k in rng.permutation(len(full)):
            yield from full[k].tolist()
        for batch in short:
            yield from batch.tolist()


class _InMemory(ASEAtomsData):
    """Each structure is read from the database once: an epoch of small clusters would else be mostly SQLite."""

    _memory: dict[int, dict[str, torch.Tensor]] | None = None

    def __getitem__(self, idx: int) -> dict[str, torch.Tensor]:
        if self._memory is None:
            self._memory = {}
        if idx not in self._memory:
            self._memory[idx] = super().__getitem__(idx)
        return dict(self._memory[idx])


class LabelDataModule(AtomsDataModule):
    """SchNetPack's data module over a file of `write_dataset`, with a given split.

    train, validation : indices into the file.
    sizes : number of atoms of every structure in the file.
    """

    def __init__(
        self,
        path: Path,
        train: np.ndarray,
        validation: np.ndarray,
        sizes: np.ndarray,
        batch_size: int,
        seed: int,
    ) -> None:
        batch_size = min(batch_size, len(train))
        super().__init__(
            str(path),
            batch_size=batch_size,
            val_batch_size=4 * batch_size,
            num_workers=0,
            split_file=None,
            transforms=[CastTo32()],
            train_sampler_cls=SizeBuckets,
            train_sampler_args={"sizes": sizes[train], "batch_size": batch_size, "seed": seed},
        )
        order = validation[np.argsort(sizes[validation], kind="stable")]
        self.train_idx, self.val_idx = train.tolist(), order.tolist()
        self.test_idx: list[int] = []
        self.dataset: _InMemory | None = None

    def setup(self, stage: str | None = None) -> None:
        if self.dataset is None:
            dataset = self.dataset = _InMemory(self.datapath)
            self._train_dataset = dataset.subset(self.train_idx)
            self._val_dataset = dataset.subset(self.val_idx)
            self._test_dataset = dataset.subset(self.test_idx)
            self._setup_transforms()
