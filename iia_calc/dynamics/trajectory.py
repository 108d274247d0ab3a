"""Frames of a trajectory, written as they come."""

from __future__ import annotations

from pathlib import Path

from ase import Atoms
from ase.io import Trajectory, write

FORMATS = (".traj", ".xyz", ".extxyz")


class Frames:
    """Writes frames to a .traj or an extended XYZ file, or nowhere."""

    def __init__(self, path: str | Path | None) -> None:
        self.path = None if path is None else Path(path)
        self._binary = None
        if self.path is not None and self.path.suffix == ".traj":
            self._binary = Trajectory(str(self.path), "w")
        elif self.path is not None:
            self.path.unlink(missing_ok=True)

    def add(self, atoms: Atoms) -> None:
        """Append a frame."""
        if self._binary is not None:
            self._binary.write(atoms)
        elif self.path is not None:
            write(self.path, atoms, format="extxyz", append=True)

    def close(self) -> None:
        """End the file; ASE's trajectory has one that stays open."""
        if self._binary is not None:
            self._binary.close()
