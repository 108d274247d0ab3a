"""A file of structures relaxed into another file, with a table of what became of each."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ase.calculators.singlepoint import SinglePointCalculator
from ase.io import write
from rich.table import Table

from iia_calc.common.device import checked_device
from iia_calc.common.structures import read_structures
from search import Relaxed
from search.errors import InputError
from search.geometry.composition import Composition


def relax_file(
    source: str | Path,
    target: str | Path,
    *,
    model: str | Path | None = None,
    device: str | None = None,
    fmax: float = 0.01,
    max_steps: int = 500,
    batch_size: int | None = None,
) -> list[Relaxed]:
    """Relax every frame of `source` and write them all, in their order, to the extended XYZ `target`.

    Each comment line says energy (eV), converged, fmax (eV/Å), steps, fragmented and reason, and of a committee its
    spread of the energy (eV) and of the worst atom's force (eV/Å). Where that exceeds the card's limit a structure
    ends as "uncertain": the potential's surface is relaxed there, but what it says means nothing.

    Raises
    ------
    ValueError, FileNotFoundError : what is wrong with file, model or settings, before anything is computed.
    """
    from iia_calc.model.storage import find, load, read_card
    from iia_calc.relax.batch import PotentialRelaxer, forces_std_limit, uncertain_beyond

    source, target = Path(source), Path(target)
    path = find(model)
    structures = read_structures(source, read_card(path).elements)
    if target.exists() and target.resolve() == source.resolve():
        raise InputError(f"{target} is the input itself; give another file with --out")
    if not target.parent.is_dir():
        raise FileNotFoundError(f"there is no folder {target.parent} to write to")
    potential = load(path, device=checked_device(device))
    relaxer = PotentialRelaxer(potential, fmax=fmax, max_steps=max_steps, batch_size=batch_size)
    # judged at the end alone: a start of one's own may well lie in what is unknown, and end in what is known
    limit = forces_std_limit(potential)
    results = [uncertain_beyond(limit, result) for result in relaxer.relax(structures)]
    write_relaxed(results, target)
    return results


def write_relaxed(results: Sequence[Relaxed], target: Path) -> None:
    """An extended XYZ file, replaced at once."""
    frames = []
    for result in results:
        atoms = result.atoms.copy()
        atoms.info.update(
            converged=result.converged,
            fmax=result.fmax,
            steps=result.n_steps,
            fragmented=result.fragmented,
            reason=result.reason,
        )
        if result.energy_std is not None:
            atoms.info.update(energy_std=result.energy_std, forces_std=result.forces_std)
        atoms.calc = SinglePointCalculator(atoms, energy=result.energy)
        frames.append(atoms)
    partial = target.with_name(f".{target.name}.part")
    write(partial, frames, format="extxyz")
    os.replace(partial, target)


def table(results: Sequence[Relaxed]) -> Table:
    """A row per structure."""
    rows = Table(box=None, header_style="bold", pad_edge=False)
    for heading in ("frame", "energy\neV", "fmax\neV/Å", "steps"):
        rows.add_column(heading, justify="right")
    rows.add_column("formula")
    rows.add_column("state")
    for k, result in enumerate(results):
        state = result.reason + (", in pieces" if result.fragmented else "")
        rows.add_row(
            str(k + 1),
            f"{result.energy:.4f}",
            f"{result.fmax:.4f}",
            str(result.n_steps),
            Composition.parse(result.atoms).formula,
            state,
        )
    return rows


def as_plain(results: Sequence[Relaxed]) -> list[dict[str, Any]]:
    """Plain data for JSON; a number that isn't finite is null."""

    def number(value: float | None) -> float | None:
        return float(value) if value is not None and math.isfinite(value) else None

    return [
        {
            "formula": Composition.parse(result.atoms).formula,
            "energy": number(result.energy),
            "fmax": number(result.fmax),
            "converged": result.converged,
            "steps": result.n_steps,
            "fragmented": result.fragmented,
            "reason": result.reason,
            "committee_deviation": number(result.energy_std),
            "committee_force_deviation": number(result.forces_std),
            "symbols": result.atoms.get_chemical_symbols(),
            "positions": [[number(x) for x in row] for row in result.atoms.positions],
        }
        for result in results
    ]
