"""Point groups and free energies of a set of isomers, with a potential's own vibrations as a preview of DFT's."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from ase import Atoms

from iia_calc.properties.request import PropertiesRequest
from iia_calc.properties.results import PREVIEW, IsomerProperties, PropertySet
from iia_calc.properties.sources import Source
from iia_calc.properties.symmetry import symmetry_of
from iia_calc.properties.thermochemistry import Species, populations
from search.errors import InputError
from search.geometry.composition import Composition

if TYPE_CHECKING:
    from iia_calc.model.committee import Committee
    from iia_calc.model.potential import Potential, Prediction

STATIONARY = 0.05
"""eV/Å: largest force of a structure whose vibrations mean something."""
FLAT = 40.0
"""cm⁻¹; below, the harmonic approximation says little of a mode's entropy."""


def add_symmetry(
    entries: Sequence[IsomerProperties], tolerance: float, tell: Callable[[str, int, int], object]
) -> None:
    """Point groups of all `entries`. tolerance : Å.

    Raises
    ------
    MissingPackage : pymatgen isn't installed.
    """
    for k, entry in enumerate(entries):
        entry.symmetry = found = symmetry_of(entry.subject.atoms, tolerance)
        if found.tolerance < tolerance:
            entry.doubts.append(f"point group at a tolerance of {found.tolerance:.3f} Å: a larger one is ambiguous")
        tell("point groups", k + 1, len(entries))


def preview_vibrations(
    found: PropertySet, source: Source, request: PropertiesRequest, tell: Callable[[str, int, int], object]
) -> list[str]:
    """Frequencies of the lowest isomers by the potential's own second derivatives, and energies where a file has none.

    Returns what a reader must know of them.

    Raises
    ------
    InputError : the potential doesn't know an element or the charge, or there is no such potential.
    """
    from iia_calc.common.device import checked_device
    from iia_calc.model.storage import find, load, read_card

    if source.run and source.model is None and request.model is None:
        return ["another relaxer searched, so there are no vibrations by a potential; --model previews them with one"]
    path = find(request.model or source.model)
    card = read_card(path)
    Composition.parse(source.formula, allowed=card.elements)
    if charged := [s for s in found.isomers.subjects if s.charge != card.charge]:
        raise InputError(
            f"structure {charged[0].model_rank} has charge {charged[0].charge:+d}, and {card.name} knows charge "
            f"{card.charge} only; ask for --what point-groups"
        )
    potential = load(path, device=checked_device(request.device))
    if any(entry.subject.energy is None for entry in found.entries):
        _potential_energies(found, potential, card.level_of_theory)
    chosen = found.entries[: request.lowest]
    relaxed = bool(source.run) and request.model is None
    for k, entry in enumerate(chosen):
        if not relaxed and (force := _largest_force(potential, entry.subject.atoms)) > STATIONARY:
            entry.doubts.append(
                f"not relaxed: forces up to {force:.2f} eV/Å by {card.name}, so its vibrations mean little; iia relax"
            )
        entry.frequencies, entry.method = model_frequencies(potential, entry.subject.atoms), PREVIEW
        tell("vibrations by the potential", k + 1, len(chosen))
    remarks = [
        f"vibrations of the {'model' if source.run else 'file'}'s isomers are a preview by {card.name}'s own second "
        "derivatives, not DFT's: its frequencies are less certain than its energies"
    ]
    if len(chosen) < len(found.entries):
        remarks.append(f"populations are shares of the {len(chosen)} lowest of {len(found.entries)} (--lowest)")
    return remarks


def model_frequencies(potential: Potential | Committee, atoms: Atoms) -> tuple[float, ...]:
    """Frequencies, cm⁻¹, of the potential's own second derivatives; imaginary ones are negative."""
    from iia_calc.confirm.vibrations import normal_modes
    from iia_calc.model.hessian import second_derivatives

    n = len(atoms)
    if n < 2:
        return ()
    frequencies, _ = normal_modes(atoms, second_derivatives(potential, atoms).reshape(n, 3, n, 3))
    return tuple(float(f) for f in frequencies)


def add_free_energies(found: PropertySet, temperature: float, temperatures: list[float], soft: float) -> None:
    """Zero-point energies, ranks with them, free energies and populations, of those that have vibrations.

    Saddles have zero-point energies, but are no isomers: they have no rank and no population.

    Parameters
    ----------
    temperature : K, of the entries. temperatures : K, of populations. soft : cm⁻¹, of quasi-RRHO.
    """
    known: list[tuple[IsomerProperties, Species]] = []
    for entry in found.entries:
        if (species := entry.species) is None:
            continue
        entry.zero_point_energy = species.zero_point_energy
        entry.free_energy = species.free_energy(temperature, soft)
        entry.doubts += vibration_doubts(species)
        if not species.is_saddle:
            known.append((entry, species))
    if not known:
        return
    lowest = min(species.energy + species.zero_point_energy for _, species in known)
    lowest_free = min(entry.free_energy or 0.0 for entry, _ in known)
    for entry in found.entries:
        if (species := entry.species) is not None and entry.free_energy is not None:
            entry.relative_with_zpe = species.energy + species.zero_point_energy - lowest
            entry.relative_free_energy = entry.free_energy - lowest_free
    for rank, (entry, _) in enumerate(sorted(known, key=lambda pair: pair[0].relative_with_zpe or 0.0), 1):
        entry.rank_with_zpe = rank
    each = [species for _, species in known]
    for (entry, _), share in zip(known, populations(each, [temperature], soft)[0], strict=True):
        entry.population = float(share)
    found.temperatures, found.ranks = temperatures, [entry.subject.rank for entry, _ in known]
    found.populations = populations(each, temperatures, soft)


def vibration_doubts(species: Species) -> list[str]:
    """What to mind about the frequencies of one isomer, in words."""
    found = []
    if species.is_saddle:
        found.append(f"a saddle, no isomer: {abs(min(species.frequencies)):.0f}i cm⁻¹; no rank and no population")
    elif any(f < 0 for f in species.frequencies):
        found.append(f"{abs(min(species.frequencies)):.0f}i cm⁻¹ is noise and counts as a real mode of that size")
    soft = sum(0 < f < FLAT for f in species.frequencies)
    if soft:
        found.append(f"{soft} mode{'s' if soft > 1 else ''} below {FLAT:.0f} cm⁻¹, whose entropy is a guess")
    return found


def _potential_energies(found: PropertySet, potential: Potential | Committee, level: str) -> None:
    """Energies of the potential for all of a file whose structures have none."""
    for entry in found.entries:
        energy = float(_prediction(potential, entry.subject.atoms).energy)
        entry.subject = replace(entry.subject, energy=energy)
    found.set_relative_energies()
    found.isomers = replace(found.isomers, energy_level=level)


def _largest_force(potential: Potential | Committee, atoms: Atoms) -> float:
    """On any atom, eV/Å."""
    return float(_prediction(potential, atoms).forces.norm(dim=1).max())


def _prediction(potential: Potential | Committee, atoms: Atoms) -> Prediction:
    """Energy and forces of one structure."""
    import torch

    prediction: Prediction = potential(
        torch.from_numpy(atoms.numbers).to(potential.device),
        torch.from_numpy(atoms.positions).to(potential.device, potential.dtype),
        torch.zeros(len(atoms), dtype=torch.int64, device=potential.device),
    )
    return prediction
