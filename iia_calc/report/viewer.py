"""Isomers in three dimensions, and their map: chemiscope's viewer, put into the page (extra `report`)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ase import Atoms

from iia_calc.report.findings import Entry, Findings, gyration, thickness

MISSING = "chemiscope isn't installed; pip install '.[report]' in the folder of SchNet-IIA, then `iia report FOLDER`"
"""Said where it isn't installed; the page then has drawings in their place."""
SCRIPT = Path("sphinx", "static", "chemiscope.min.js")
"""Of chemiscope's wheel: the whole viewer, which fetches nothing."""
_STYLE = {"bonds": True, "spaceFilling": False, "keepOrientation": False}


def viewer_script() -> str | None:
    """The JavaScript of chemiscope's viewer; None where chemiscope isn't installed."""
    spec = find_spec("chemiscope")
    folders = [] if spec is None else list(spec.submodule_search_locations or [])
    for path in (Path(folder) / SCRIPT for folder in folders):
        if path.is_file():
            return path.read_text(encoding="utf-8").replace("</script", "<\\/script")
    return None


def viewer_data(findings: Findings) -> str:
    """Structures and their numbers as chemiscope reads them, as JSON for a script element.

    First every shown isomer as the potential has it, in order, then as DFT has it those that it relaxed.
    """
    import chemiscope

    entries = findings.shown
    relaxed = [entry for entry in entries if entry.dft is not None and entry.dft.atoms is not None]
    frames = [_bare(entry.atoms) for entry in entries] + [
        _bare(entry.dft.atoms) for entry in relaxed if entry.dft is not None and entry.dft.atoms is not None
    ]
    both = [*entries, *relaxed]
    energies = [entry.relative for entry in entries] + [None if e.dft is None else e.dft.relative for e in relaxed]
    properties: dict[str, Any] = {
        "isomer": _property([e.rank for e in both], "rank by the potential; 1 is the lowest"),
        "thickness": _property([thickness(a) for a in frames], "extent along the flattest direction", "Å"),
        "radius of gyration": _property([gyration(a) for a in frames], "how spread the atoms are", "Å"),
        "shape": _property([e.shape for e in both], "of the host's skeleton"),
        "geometry": _property(["potential"] * len(entries) + ["DFT"] * len(relaxed), "whose structure it is"),
    }
    if None not in energies:
        properties["relative energy"] = _property(energies, "above the lowest, by its own level of theory", "eV")
    if any(entry.times_found for entry in entries):
        properties["times found"] = _property([e.times_found for e in both], "quenches that ended here")
    data = chemiscope.create_input(
        structures=frames,
        properties=properties,
        metadata={"name": f"isomers of {findings.formula}"},
        settings=_settings(properties),
    )
    return _as_script(data)


def structures_data(structures: Sequence[Atoms], name: str) -> str:
    """Structures alone as chemiscope reads them, as JSON for a script element."""
    import chemiscope

    frames = [_bare(atoms) for atoms in structures]
    numbers = _property(list(range(1, len(frames) + 1)), "on the page")
    settings = {"target": "structure", "structure": [_STYLE]}
    data = chemiscope.create_input(
        structures=frames, properties={"isomer": numbers}, metadata={"name": name}, settings=settings
    )
    return _as_script(data)


def dft_places(entries: Sequence[Entry]) -> dict[int, int]:
    """Where the DFT structures of `entries` stand among the viewer's structures, by rank of the isomer."""
    relaxed = [entry.rank for entry in entries if entry.dft is not None and entry.dft.atoms is not None]
    return {rank: len(entries) + k for k, rank in enumerate(relaxed)}


def _settings(properties: dict[str, Any]) -> dict[str, Any]:
    """The map by shape and energy, points coloured by how often they were found; structures as balls and sticks."""
    y = "relative energy" if "relative energy" in properties else "radius of gyration"
    found: dict[str, Any] = {"x": {"property": "thickness"}, "y": {"property": y}, "symbol": "shape"}
    if "times found" in properties:
        found["color"] = {"property": "times found", "mode": "log"}
    return {
        "target": "structure",
        "map": {**found, "palette": "viridis", "size": {"factor": 45}},
        "structure": [_STYLE],
    }


def _as_script(data: Mapping[str, Any]) -> str:
    """JSON that ends no script element."""
    return json.dumps(data, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")


def _property(values: Sequence[Any], description: str, units: str | None = None) -> dict[str, Any]:
    plain = {"target": "structure", "values": list(values), "description": description}
    return plain if units is None else {**plain, "units": units}


def _bare(atoms: Atoms) -> Atoms:
    """Elements and positions alone, to a thousandth of an Å, around the origin."""
    return Atoms(atoms.numbers, (atoms.positions - atoms.positions.mean(0)).round(3))
