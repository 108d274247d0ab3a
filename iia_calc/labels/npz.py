"""Labels packed for keeping: a tenth of the database's size, read by everything that reads a LabelStore."""

from __future__ import annotations

import io
import json
import lzma
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from ase import Atoms

from iia_calc.common.files import replacing
from iia_calc.labels.level import Label
from iia_calc.labels.store import LabelledStructure, LabelStore
from search.errors import InputError

POSITION_STEP = 1e-5  # Å
FORCE_STEP = 1e-3  # eV/Å: far below what any potential here resolves
ENERGY_STEP = 1e-6  # eV
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
        return dict(self.metadata["element_energies"])

    def read(self) -> Iterator[LabelledStructure]:
        arrays = self._arrays
        ends = np.cumsum(arrays["sizes"])
        positions, forces = _joined(arrays["positions"]) * POSITION_STEP, _joined(arrays["forces"]) * FORCE_STEP
        for k, (begin, end) in enumerate(zip(ends - arrays["sizes"], ends, strict=True)):
            yield LabelledStructure(
                Atoms(arrays["numbers"][begin:end], positions[begin:end]),
                Label(float(arrays["energies"][k]) * ENERGY_STEP, forces[begin:end]),
                str(self.metadata["starts"][arrays["start"][k]]),
                str(self.metadata["origins"][arrays["origin"][k]]),
                int(arrays["charge"][k]),
                int(arrays["multiplicity"][k]),
            )


def pack(store: LabelStore, path: str | Path, part: slice = slice(None)) -> int:
    """Write the labels of `store` (or a slice of them) to `path`; returns how many."""
    path = Path(path)
    if not path.name.endswith(SUFFIX):
        raise InputError(f"packed labels are named *{SUFFIX}, not {path.name}")
    items = list(store.read())[part]
    starts, start = np.unique([item.start for item in items], return_inverse=True)
    origins, origin = np.unique([item.origin for item in items], return_inverse=True)
    buffer = io.BytesIO()
    np.savez(
        buffer,
        sizes=np.array([len(item.atoms) for item in items], dtype=np.uint16),
        numbers=np.concatenate([item.atoms.numbers for item in items]).astype(np.uint8),
        positions=_split(np.concatenate([item.atoms.positions for item in items]) / POSITION_STEP),
        forces=_split(np.concatenate([item.label.forces for item in items]) / FORCE_STEP),
        energies=np.array([item.label.energy / ENERGY_STEP for item in items]).round().astype(np.int64),
        start=start.astype(np.int32),
        origin=origin.astype(np.uint8),
        charge=np.array([item.charge for item in items], dtype=np.int8),
        multiplicity=np.array([item.multiplicity for item in items], dtype=np.uint8),
        metadata=np.array(
            json.dumps(
                {
                    "level": store.level,
                    "element_energies": store.element_energies,
                    "starts": starts.tolist(),
                    "origins": origins.tolist(),
                }
            )
        ),
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


def _joined(planes: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(planes.transpose(1, 2, 0)).view("<i4")[..., 0].T.astype(float)
