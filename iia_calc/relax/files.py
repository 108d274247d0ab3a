"""A file of structures relaxed into another file."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ase.calculators.singlepoint import SinglePointCalculator

from iia_calc.common.device import checked_device
from iia_calc.common.files import check_file_place, write_frames
from iia_calc.common.structures import Accepts, read_clusters
from iia_calc.common.xyz import XYZ_SUFFIXES
from search.errors import InputError
from search.geometry.composition import Composition
from search.relaxers.base import Relaxed

IN_PIECES = "in pieces"


@dataclass(frozen=True)
class RelaxedFile:
    """What became of the structures of a file.

    Attributes
    ----------
    results : of each sound structure, in their order.
    model, level_of_theory : what relaxed them, and what that was fitted to.
    remarks : which structures were set aside and why, and what in the file was not used.
    n_set_aside : how many.
    """

    results: list[Relaxed]
    model: str
    level_of_theory: str
    remarks: list[str]
    n_set_aside: int

    @property
    def complete(self) -> bool:
        """Whether every structure of the file converged."""
        return not self.n_set_aside and all(result.converged for result in self.results)


def relax_file(
    source: str | Path,
    target: str | Path,
    *,
    model: str | Path | None = None,
    device: str | None = None,
    fmax: float = 0.01,
    max_steps: int = 500,
    batch_size: int | None = None,
) -> RelaxedFile:
    """Relax every sound structure of `source` and write them, in their order, to the extended XYZ file `target`.

    Each comment line says energy (eV), converged, fmax (eV/Å), steps, fragmented and reason, model and level of theory,
    and of a committee the expected errors of the energy (eV) and of the worst atom's force (eV/Å), and whether this is
    its known region. Where the latter error exceeds the card's limit a structure ends as "uncertain": the potential's
    surface is relaxed there, but what it says means nothing.

    Parameters
    ----------
    fmax : largest force of a relaxed structure, eV/Å. max_steps : evaluations per structure.

    Raises
    ------
    InputError, FileNotFoundError : what is wrong with file, model or settings, before anything is computed.
    """
    from iia_calc.model.storage import find, load, read_card
    from iia_calc.relax.batch import PotentialRelaxer, forces_std_limit, uncertain_beyond

    source, target = Path(source), Path(target)
    path = find(model)
    card = read_card(path)
    clusters = read_clusters(source, Accepts.of_card(card))
    if target.exists() and target.resolve() == source.resolve():
        raise InputError(f"{target} is the input itself; give another file with --out")
    if target.suffix.lower() not in XYZ_SUFFIXES:
        raise InputError(f"{target} will be extended XYZ: name it {' or '.join(XYZ_SUFFIXES)}")
    check_file_place(target)
    potential = load(path, device=checked_device(device))
    relaxer = PotentialRelaxer(potential, fmax=fmax, max_steps=max_steps, batch_size=batch_size)
    # judged at the end alone: a start of one's own may well lie in what is unknown, and end in what is known
    limit = forces_std_limit(potential)
    results = [whole(uncertain_beyond(limit, result)) for result in relaxer.relax(clusters.atoms)]
    write_relaxed(results, target, {"model": card.name, "level_of_theory": card.level_of_theory})
    return RelaxedFile(results, card.name, card.level_of_theory, clusters.lines(), len(clusters.set_aside))


def whole(result: Relaxed) -> Relaxed:
    """`result`, not converged where it is in pieces: forces vanish between them wherever they lie."""
    if result.converged and result.fragmented:
        return replace(result, converged=False, reason=IN_PIECES)
    return result


def write_relaxed(results: Sequence[Relaxed], target: Path, about: dict[str, Any] | None = None) -> None:
    """Write an extended XYZ file; what the input said under one of our names is kept as input_NAME.

    about : what every comment line says besides.
    """
    frames = []
    for result in results:
        said: dict[str, Any] = {
            "converged": result.converged,
            "fmax": result.fmax,
            "steps": result.n_steps,
            "fragmented": result.fragmented,
            "reason": result.reason,
            **(about or {}),
        }
        if result.energy_std is not None:
            said.update(energy_std=result.energy_std, forces_std=result.forces_std)
        if result.known_region is not None:
            said["known_region"] = result.known_region
        atoms = result.atoms.copy()
        atoms.info.update({f"input_{name}": atoms.info[name] for name in said if name in atoms.info})
        atoms.info.update(said)
        atoms.calc = SinglePointCalculator(atoms, energy=result.energy)
        frames.append(atoms)
    write_frames(target, frames)


def as_plain(relaxed: RelaxedFile) -> list[dict[str, Any]]:
    """Plain data for JSON, an entry a structure: eV, eV/Å and Å; a number that isn't finite is null."""

    def number(value: float | None) -> float | None:
        return float(value) if value is not None and math.isfinite(value) else None

    return [
        {
            "formula": Composition.parse(result.atoms).formula,
            "energy": number(result.energy),
            "level_of_theory": relaxed.level_of_theory,
            "model": relaxed.model,
            "fmax": number(result.fmax),
            "converged": result.converged,
            "steps": result.n_steps,
            "fragmented": result.fragmented,
            "reason": result.reason,
            "energy_std": number(result.energy_std),
            "forces_std": number(result.forces_std),
            "known_region": result.known_region,
            "symbols": list(result.atoms.symbols),
            "positions": [[number(x) for x in row] for row in result.atoms.positions],
        }
        for result in relaxed.results
    ]
