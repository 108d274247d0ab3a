"""Labels packed for keeping: a tenth of the database's size, read by everything that reads a LabelStore."""

from __future__ import annotations

import io
import json
import lzma
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from ase import Atoms

from iia_calc.common.files import replacing
from iia_calc.labels.level import Label
from iia_calc.labels.store import LabelledStructure, LabelStore
from search.errors import InputError

STEPS = {"positions": 1e-5, "forces": 1e-3, "energies": 1e-6}
"""Å, eV/Å and eV to which numbers are rounded where a file doesn't say otherwise."""
FINE_STEPS = {"positions": 1e-6, "forces": 1e-5, "energies": 1e-6}
"""For DFT labels, of which there are few: fine enough for `training.dataset.data_hash`."""
TEXTS = ("start", "origin", "stability", "split", "batch")
"""Columns of few different words: numbers in the arrays, the words in the metadata."""
SUFFIX = ".npz.xz"


class PackedLabels:
    """A read-only file of labels; the same `level`, `element_energies` and `read` as a LabelStore.

    Raises
    ------
    ValueError : not a file of `pack`, or cut short.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        try:
            with lzma.open(self.path) as packed:
                arrays = np.load(io.BytesIO(packed.read()), allow_pickle=False)
                self._arrays = {key: arrays[key] for key in arrays.files}
            self.metadata = json.loads(str(self._arrays["metadata"]))
            self.level: str = self.metadata["level"]
        except FileNotFoundError:
            raise
        except Exception as error:
            raise InputError(f"{self.path} is not a sound file of packed labels: {error}") from error

    def __len__(self) -> int:
        return len(self._arrays["sizes"])

    @property
    def element_energies(self) -> dict[str, float]:
        """Energies, eV, of the free atoms, by symbol."""
        return dict(self.metadata["element_energies"])

    def read(self) -> Iterator[LabelledStructure]:
        """All labels, in the order of the file; energies in eV, forces in eV/Å."""
        arrays = self._arrays
        steps = self.metadata.get("steps", STEPS)
        ends = np.cumsum(arrays["sizes"])
        positions = _join(arrays["positions"]) * steps["positions"]
        forces = _join(arrays["forces"]) * steps["forces"]
        texts = {name: self._texts(name) for name in TEXTS}
        for k, (begin, end) in enumerate(zip(ends - arrays["sizes"], ends, strict=True)):
            yield LabelledStructure(
                Atoms(arrays["numbers"][begin:end], positions[begin:end]),
                Label(float(arrays["energies"][k]) * steps["energies"], forces[begin:end], texts["stability"][k]),
                texts["start"][k],
                texts["origin"][k],
                int(arrays["charge"][k]),
                int(arrays["multiplicity"][k]),
                texts["split"][k],
                texts["batch"][k],
            )

    def _texts(self, name: str) -> list[str]:
        """One column of `TEXTS`; files of earlier versions lack some."""
        if name not in self._arrays:
            return [""] * len(self)
        words = self.metadata[f"{name}s"]
        return [str(words[k]) for k in self._arrays[name]]


def pack(store: LabelStore, path: str | Path, chosen: slice = slice(None)) -> int:
    """Write the labels of `store` (or a slice of them) to `path`; returns how many."""
    return write_packed(path, store.level, store.element_energies, list(store.read())[chosen])


def write_packed(
    path: str | Path,
    level: str,
    element_energies: Mapping[str, float],
    items: Sequence[LabelledStructure],
    steps: Mapping[str, float] = STEPS,
) -> int:
    """Write labels of one level of theory to `path`, whole or not at all; returns how many.

    steps : what numbers are rounded to, `STEPS` or `FINE_STEPS`.

    Raises
    ------
    InputError : the name doesn't end in .npz.xz, or there are no labels.
    """
    path = Path(path)
    if not path.name.endswith(SUFFIX):
        raise InputError(f"packed labels are named *{SUFFIX}, not {path.name}")
    if not items:
        raise InputError(f"there are no labels to pack into {path}")
    words: dict[str, list[str]] = {}
    columns: dict[str, np.ndarray] = {}
    rows = [(item.start, item.origin, item.label.stability, item.split, item.batch) for item in items]
    for name, texts in zip(TEXTS, zip(*rows, strict=True), strict=True):
        found, numbers = np.unique(texts, return_inverse=True)
        words[f"{name}s"], columns[name] = found.tolist(), numbers.astype(np.int32)
    metadata = {"level": level, "element_energies": dict(element_energies), "steps": dict(steps), **words}
    buffer = io.BytesIO()
    np.savez(
        buffer,
        sizes=np.array([len(item.atoms) for item in items], dtype=np.uint16),
        numbers=np.concatenate([item.atoms.numbers for item in items]).astype(np.uint8),
        positions=_split(np.concatenate([item.atoms.positions for item in items]) / steps["positions"]),
        forces=_split(np.concatenate([item.label.forces for item in items]) / steps["forces"]),
        energies=np.array([item.label.energy / steps["energies"] for item in items]).round().astype(np.int64),
        charge=np.array([item.charge for item in items], dtype=np.int8),
        multiplicity=np.array([item.multiplicity for item in items], dtype=np.uint8),
        metadata=np.array(json.dumps(metadata)),
        start=columns["start"],
        origin=columns["origin"],
        stability=columns["stability"],
        split=columns["split"],
        batch=columns["batch"],
    )
    with replacing(path) as part, lzma.open(part, "wb", preset=6) as packed:
        packed.write(buffer.getvalue())
    return len(items)


def open_labels(path: str | Path) -> LabelStore | PackedLabels:
    """A label database (.db) or a file of packed labels (.npz.xz)."""
    return PackedLabels(path) if str(path).endswith(SUFFIX) else LabelStore(path)


def _split(values: np.ndarray) -> np.ndarray:
    """[n, 3] numbers as the four byte planes of int32 [4, 3, n]: like bytes side by side compress well."""
    return np.ascontiguousarray(values.round().astype("<i4").T).view(np.uint8).reshape(3, -1, 4).transpose(2, 0, 1)


def _join(planes: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(planes.transpose(1, 2, 0)).view("<i4")[..., 0].T.astype(float)
