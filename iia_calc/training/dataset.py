"""Labels as flat arrays on the device, and batches of them in SchNetPack's form: no files, no worker processes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pytorch_lightning as lightning
import torch
from schnetpack import properties

from iia_calc.labels.store import LabelledStructure
from iia_calc.model.pairs.clusters import ClusterPairs
from iia_calc.training.levels import reduced_energy
from search.errors import InputError

ENERGY, FORCES = "energy_per_atom", "forces"
"""What is fitted: (E - sum of element energies) / n_atoms, eV, and forces, eV/Å."""
LEVEL, REAL, LAYOUT = "level", "real", "layout"
"""The level of each atom [n_atoms]; 1 for an atom and 0 for padding [n_atoms]; the batch's `ClusterPairs`."""

FAR = 40.0
"""Å: padding atoms stand at least so far from all others and from one another, where nothing interacts."""
WIDTH_STEP = 2
"""Sizes are padded to a multiple of this, so that there are few shapes to capture."""
USUAL = 16
"""Atoms: of larger clusters a batch of fixed shape holds fewer, as memory grows with the square of the size."""


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


class LabelArrays:
    """All labels in flat arrays on a device.

    Parameters
    ----------
    labelled : the labels.
    element_energies : of each level.
    levels : the number of each label's level.
    forces : False where nobody asks for them.

    Raises
    ------
    ValueError : no labels, or an element without an element energy.
    """

    def __init__(
        self,
        labelled: Sequence[LabelledStructure],
        element_energies: Sequence[Mapping[str, float]],
        levels: Sequence[int],
        device: torch.device | str = "cpu",
        forces: bool = True,
    ) -> None:
        if not labelled:
            raise InputError("there are no labels to fit to")
        self.device = torch.device(device)
        self.sizes = np.array([len(item.atoms) for item in labelled])  # [M]
        self.starts = self.sizes.cumsum() - self.sizes  # [M] flat number of each structure's first atom
        reduced = [
            reduced_energy(item.label.energy, item.atoms.numbers, element_energies[level])
            for item, level in zip(labelled, levels, strict=True)
        ]
        centred = [item.atoms.positions - item.atoms.positions.mean(0) for item in labelled]

        def on_device(values: Any, dtype: torch.dtype) -> torch.Tensor:
            return torch.as_tensor(np.asarray(values)).to(self.device, dtype)

        self.Z = on_device(np.concatenate([item.atoms.numbers for item in labelled]), torch.int64)
        self.R = on_device(np.concatenate(centred), torch.float32)
        self.energy = on_device(reduced, torch.float32)
        self.level = on_device(levels, torch.int64)
        self.forces = None
        if forces:
            self.forces = on_device(np.concatenate([item.label.forces for item in labelled]), torch.float32)
        self._layouts: dict[tuple[int, ...], ClusterPairs] = {}

    def batch(self, chosen: np.ndarray, width: int | None = None) -> dict[str, Any]:
        """The labels of these numbers as one batch in SchNetPack's form.

        width : every structure is padded to so many atoms that touch nothing; None leaves them as they are.
        """
        sizes = self.sizes[chosen]
        slots = np.arange(width or sizes.max())[None, :]  # [1, N]
        real = slots < sizes[:, None]  # [B, N]
        places = np.where(real, self.starts[chosen][:, None] + slots, self.starts[chosen][:, None])
        kept = np.ones_like(real) if width else real
        atom = torch.from_numpy(places[kept]).to(self.device)  # [n_atoms]
        rows = torch.from_numpy(chosen).to(self.device)  # [B]
        count = torch.from_numpy(kept.sum(1)).to(self.device)  # [B]
        R, mask = self.R.index_select(0, atom), None
        if width:
            mask = torch.from_numpy(real[kept]).to(self.device, torch.float32)  # [n_atoms]
            away = FAR * (1 + slots + 0 * sizes[:, None])[kept]
            R = torch.where(mask[:, None] > 0, R, torch.from_numpy(away).to(self.device, torch.float32)[:, None])
        made: dict[str, Any] = {
            properties.idx_m: torch.repeat_interleave(
                torch.arange(len(chosen), device=self.device), count, output_size=int(kept.sum())
            ),
            properties.n_atoms: torch.from_numpy(sizes).to(self.device),
            properties.Z: self.Z.index_select(0, atom),
            properties.R: R,
            ENERGY: self.energy.index_select(0, rows),
            LEVEL: self.level.index_select(0, rows).repeat_interleave(count, output_size=int(kept.sum())),
            LAYOUT: self.layout(tuple(kept.sum(1).tolist())),
        }
        if mask is not None:
            made[REAL] = mask
        if self.forces is not None:
            forces = self.forces.index_select(0, atom)
            made[FORCES] = forces if mask is None else forces * mask[:, None]
        return made

    def layout(self, sizes: tuple[int, ...]) -> ClusterPairs:
        """The layout of clusters of these sizes; the last few are kept, as batches repeat."""
        if sizes not in self._layouts:
            if len(self._layouts) >= 64:
                self._layouts.pop(next(iter(self._layouts)))
            self._layouts[sizes] = ClusterPairs(sizes, self.device)
        return self._layouts[sizes]


def batches_of_like_size(
    sizes: np.ndarray, batch_size: int, rng: np.random.Generator, repeats: np.ndarray | None = None
) -> list[np.ndarray]:
    """One epoch: batches of structures of the same size in random order, what is left over in mixed ones.

    repeats : how often an epoch takes each structure, on average.
    """
    order = rng.permutation(_draw(len(sizes), repeats, rng))
    batches, left = [], []
    for size in np.unique(sizes[order]):
        same = order[sizes[order] == size]
        whole = len(same) - len(same) % batch_size
        batches += np.split(same[:whole], whole // batch_size) if whole else []
        left.append(same[whole:])
    mixed = np.concatenate(left)
    batches += [mixed[k : k + batch_size] for k in range(0, len(mixed), batch_size)]
    return [batches[k] for k in rng.permutation(len(batches))]


def batches_of_fixed_shape(
    sizes: np.ndarray, batch_size: int, rng: np.random.Generator, repeats: np.ndarray | None = None
) -> list[tuple[np.ndarray, int]]:
    """One epoch in few shapes: batches with the number of atoms to pad to.

    All batches of one width hold the same number of structures; the last is filled up with others drawn again.
    """
    order = rng.permutation(_draw(len(sizes), repeats, rng))
    widths = -(-sizes[order] // WIDTH_STEP) * WIDTH_STEP
    batches = []
    for width in np.unique(widths):
        same = order[widths == width]
        count = max(1, min(batch_size, int(batch_size * USUAL**2 / width**2)))
        if missing := -len(same) % count:
            same = np.concatenate([same, rng.choice(same, missing)])
        batches += [(part, int(width)) for part in np.split(same, len(same) // count)]
    return [batches[k] for k in rng.permutation(len(batches))]


def _draw(count: int, repeats: np.ndarray | None, rng: np.random.Generator) -> np.ndarray:
    if repeats is None:
        return np.arange(count)
    times = np.floor(repeats).astype(int)
    return np.repeat(np.arange(count), times + (rng.random(count) < repeats - times))


class Batches:
    """What Lightning iterates over: an epoch of training batches, or the validation batches.

    What is drawn depends on `seed` and the epoch's number alone, which Lightning says by `set_epoch`: a fit that goes
    on after a stop sees what it would have seen.
    """

    def __init__(
        self,
        arrays: LabelArrays,
        chosen: np.ndarray,
        batch_size: int,
        seed: int | None,
        repeats: np.ndarray | None = None,
    ) -> None:
        self.arrays, self.chosen, self.batch_size = arrays, chosen, batch_size
        self.seed, self.repeats, self.epoch = seed, repeats, 0
        self.fixed = arrays.device.type == "cuda"
        self.sampler = self.batch_sampler = self  # where Lightning looks for `set_epoch`

    def set_epoch(self, epoch: int) -> None:
        """Say which epoch comes next: its batches depend on it."""
        self.epoch = epoch

    def plan(self, epoch: int) -> list[tuple[np.ndarray, int | None]]:
        """Batches of an epoch: structures of each, and the atoms it is padded to where shapes are fixed."""
        sizes, rng = self.arrays.sizes[self.chosen], np.random.default_rng((self.seed or 0, epoch))
        if self.seed is None:
            order = np.argsort(sizes, kind="stable")
            return [(order[k : k + self.batch_size], None) for k in range(0, len(order), self.batch_size)]
        if self.fixed:
            return [*batches_of_fixed_shape(sizes, self.batch_size, rng, self.repeats)]
        return [(batch, None) for batch in batches_of_like_size(sizes, self.batch_size, rng, self.repeats)]

    def __len__(self) -> int:
        return len(self.plan(self.epoch))

    def __iter__(self) -> Iterator[dict[str, Any]]:
        for places, width in self.plan(self.epoch):
            yield self.arrays.batch(self.chosen[places], width)


class LabelDataModule(lightning.LightningDataModule):
    """Training and validation batches of `arrays`.

    train, validation : numbers of the labels.
    repeats : [n train] how often an epoch takes each, on average; None for once.
    """

    def __init__(
        self,
        arrays: LabelArrays,
        train: np.ndarray,
        validation: np.ndarray,
        batch_size: int,
        seed: int,
        repeats: np.ndarray | None = None,
    ) -> None:
        super().__init__()
        self.batch_size = min(batch_size, len(train))
        self.training = Batches(arrays, train, self.batch_size, seed, repeats)
        self.validating = Batches(arrays, validation, max(self.batch_size, min(4 * self.batch_size, 128)), None)

    @property
    def steps_per_epoch(self) -> int:
        """Batches of an epoch of training."""
        return len(self.training.plan(0))

    def train_dataloader(self) -> Batches:
        """Lightning's hook: the training batches."""
        return self.training

    def val_dataloader(self) -> Batches:
        """Lightning's hook: the validation batches."""
        return self.validating

    def transfer_batch_to_device(self, batch: Any, device: torch.device, dataloader_idx: int) -> Any:
        """Lightning's hook: the batch as it is, for it was made on the device."""
        return batch  # it is made there
