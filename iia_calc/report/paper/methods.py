"""The methods paragraph: how isomers were found and what was computed of them, with every setting and its citation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from iia_calc.properties.thermochemistry import IMAGINARY
from iia_calc.report.paper.citations import find_unlisted, works_of_level
from iia_calc.report.paper.content import PaperSystem

Cite = Callable[[str], str]
"""A citation of a key of `citations.works()`, in the form that the document wants."""

METHODS = {"basin-hopping": "basin hopping", "bee-colony": "an artificial bee colony"}


def methods_paragraphs(system: PaperSystem, tolerance: float, cite: Cite) -> list[str]:
    """Search, confirmation and analysis of one system, a paragraph each. tolerance : Å, of point groups."""
    return [_search(system, cite), _confirmation(system, cite), _analysis(system, tolerance, cite)]


def _search(system: PaperSystem, cite: Cite) -> str:
    run = system.run
    settings, counts, model = run.get("settings", {}), run.get("counts", {}), run.get("model")
    version = _version(run, "schnet-iia")
    islands = settings.get("islands", 1)
    methods = [settings["method"]] if settings.get("method") else list(METHODS)[: 2 if islands > 1 else 1]
    text = f"Isomers of {system.formula} were searched with SchNet-IIA{version} {cite('schnet-iia')} "
    text += "by " + " and ".join(f"{METHODS.get(method, method)}{_cite(method, cite)}" for method in methods)
    if "n_quenches" in counts:
        text += f": {counts['n_quenches']} relaxations gave {counts.get('n_minima', 'several')} distinct "
        text += "minimum" if counts.get("n_minima") == 1 else "minima"
    if "seed" in settings:
        text += f" (seed {settings['seed']}, {islands} island{'s' if islands > 1 else ''}, "
        text += f"largest force {settings.get('fmax', 0.005)} eV/Å)"
    text += "."
    if model is not None:
        text += f" Energies and forces were those of the neural-network potential {model['name']}, fitted to "
        text += model["level_of_theory"]
        text += "; it knows neutral clusters, and so the search ran on the neutral surface." if system.charge else "."
    if settings.get("starts"):
        text += f" The search began with {settings['starts']} given or known structures."
    lowest = (run.get("convergence") or {}).get("lowest_found")
    if lowest:
        text += f" The lowest minimum was reached from {lowest} independent random start{'s' if lowest > 1 else ''}."
    return text


def _confirmation(system: PaperSystem, cite: Cite) -> str:
    run = system.run
    dft, n = run.get("dft", {}), len(system.isomers)
    settings = dft.get("settings") or {}
    text = f"The lowest isomers were relaxed with {system.level}, as implemented in PySCF{_version(run, 'pyscf')} "
    text += f"{_cite_level(system.level, cite)}, and ended in {n} distinct structure{'s' if n > 1 else ''}"
    forces = [
        isomer["fmax"] for isomer in dft.get("isomers", []) if isomer.get("fmax") is not None and isomer.get("rank")
    ]
    text += f", whose largest force is {max(forces):.3f} eV/Å." if forces else "."
    if not system.level.startswith(system.energy_level):  # the name there says no multiplicity
        text += f" Energies are single points with {system.energy_level} {_cite_level(system.energy_level, cite)}."
    stability = settings.get("stability")
    if stability in ("all", "relaxation"):
        where = "in all bases" if stability == "all" else "in the basis of the relaxation"
        text += f" SCF solutions were tested for instabilities {where}, which were followed to stable solutions."
    elif stability == "none":
        text += " SCF solutions were not tested for instabilities."
    if settings.get("next_multiplicity"):
        text += " The lowest multiplicity and the next one were computed, and the lower of both is given."
    missing = sorted({name for level in (system.level, system.energy_level) for name in find_unlisted(level)})
    return text + (f" (Cite {', '.join(missing)} by hand: not in this list.)" if missing else "")


def _analysis(system: PaperSystem, tolerance: float, cite: Cite) -> str:
    text = f"Point groups were found with pymatgen {cite('pymatgen')} at a tolerance of {tolerance:g} Å."
    if not system.has_frequencies:
        return text + " Harmonic frequencies were not computed, so that minima are not told from saddles."
    methods = sorted({entry.method for entry in system.found.entries if entry.method})
    text += f" Harmonic frequencies are of {system.level} ({', '.join(methods)} second derivatives), without scaling; "
    text += (
        f"modes that are imaginary by less than {IMAGINARY:g} cm⁻¹ count as real. Zero-point energies are half their "
    )
    text += (
        f"sum. Populations are those of ideal gases of rigid rotors (ASE{_version(system.run, 'ase')} {cite('ase')}), "
    )
    text += "with the symmetry numbers of the point groups, spin degeneracy, a factor of two for chiral isomers, and "
    return text + f"the quasi-RRHO entropy of modes below 100 cm⁻¹ {cite('quasi-rrho')}."


def _cite_level(name: str, cite: Cite) -> str:
    return "".join(cite(key) for key in works_of_level(name))


def _cite(method: str, cite: Cite) -> str:
    return f" {cite(method)}" if method in METHODS else ""


def _version(run: dict[str, Any], package: str) -> str:
    version = run.get("versions", {}).get(package)
    return f" {version}" if version else ""
