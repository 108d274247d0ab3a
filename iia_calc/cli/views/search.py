"""The result of a search on standard output: as tables for a reader, or as JSON for a program."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ase import Atoms

from iia_calc.cli.views.confirmed import confirmed_remarks, confirmed_table, confirmed_title
from iia_calc.cli.views.console import output, print_json, remarks
from iia_calc.cli.views.isomers import files, isomer_remarks, isomer_table, isomer_title, summary
from iia_calc.confirm.ions import warn_left_out
from iia_calc.confirm.result import Confirmed
from iia_calc.isomers.ranking import Isomer
from iia_calc.isomers.search import IsomerSearch
from iia_calc.report.viewer import MISSING, viewer_script
from search.geometry.shape import dopant_bonds, shape_of


def show_search(found: IsomerSearch, confirmed: Sequence[Confirmed] | None, show: int, as_json: bool) -> None:
    """Print what a search found, and what DFT says of it."""
    if as_json:
        print_json(as_plain(found, confirmed, found.run.get("dft")))
    else:
        _print_tables(found, confirmed, show)
    for k, island in enumerate(found.run.get("islands", [])):
        if island["given_up"]:
            remarks().print(f"island {k + 1} was given up: {island['given_up']}; the same command tries it again")
    if (found.folder / "report.html").exists() and viewer_script() is None:
        remarks().print(f"report.html is without 3-D and map: {MISSING}")
    if not found.isomers:
        reasons = "; ".join(found.run.get("warnings", []))
        remarks().print(
            f"no minimum was found: {reasons or 'give it more time, or look at the counts in run.json'}. "
            f"{found.result.n_uncertain} of {found.result.n_quenches} quenches left what the potential knows"
        )
    if confirmed is not None and any(c.reason in ("interrupted", "not started") for c in confirmed):
        remarks().print("DFT was interrupted; the same command goes on")
    elif confirmed is not None and not any(c.rank for c in confirmed):
        remarks().print("DFT ranked none of them: the lines above say why")


def _print_tables(found: IsomerSearch, confirmed: Sequence[Confirmed] | None, show: int) -> None:
    console = output()
    if found.isomers:
        console.print(isomer_table(found.isomers, show, isomer_title(found)))
    for line in isomer_remarks(found.isomers, show):
        console.print(line)
    if confirmed:
        title = confirmed_title(found.result.formula, confirmed, found.run["dft"]["level_of_theory"])
        console.print()
        console.print(confirmed_table(confirmed, found.isomers, title))
        for line in confirmed_remarks(confirmed):
            console.print(line)
        if found.run["dft"]["charge"] and found.level_of_theory is not None:
            left_out = warn_left_out({i.rank: i.relative for i in found.isomers}, {c.model_rank for c in confirmed})
            if left_out:
                console.print(left_out)
    console.print(f"\n{summary(found)}\n{found.folder}: {', '.join(files(found.folder))}")


def as_plain(
    found: IsomerSearch, confirmed: Sequence[Confirmed] | None = None, about: dict[str, Any] | None = None
) -> dict[str, Any]:
    """The whole result as plain data for JSON: energies in eV, lengths in Å.

    about : what `confirm.as_plain` says of `confirmed`; the relaxed structures are added.
    """
    result = found.result
    if confirmed is not None:
        about = about or {}
        pairs = zip(about.get("isomers", [{}] * len(confirmed)), confirmed, strict=True)
        about = {**about, "isomers": [{**plain, **_structure(c.atoms, shape_of(c.atoms))} for plain, c in pairs]}
    return {
        "formula": result.formula,
        "method": result.method,
        "seed": result.seed,
        "stopped_by": result.stopped_by,
        "seconds": result.seconds,
        "counts": found.run["counts"],
        "convergence": result.convergence.as_plain(),
        "folder": str(found.folder),
        "model": found.run.get("model"),
        "calculator": found.run.get("calculator"),
        "level_of_theory": found.level_of_theory,
        "warnings": found.run.get("warnings", []),
        "units": {"energy": "eV", "length": "Å"},
        "best_of_each_shape": {isomer.shape: isomer.rank for isomer in reversed(found.isomers)},
        "isomers": [_isomer(isomer) for isomer in found.isomers],
        "confirmed": about,
    }


def _isomer(isomer: Isomer) -> dict[str, Any]:
    known = isomer.known
    return {
        "rank": isomer.rank,
        "energy": isomer.energy,
        "relative_energy": isomer.relative,
        "relative_energy_error": isomer.relative_error,
        "tied_with_lowest": isomer.tied,
        "relative_energy_per_atom": isomer.relative_per_atom,
        "energy_std": isomer.error,
        "known_region": isomer.known_region,
        "times_found": isomer.times_found,
        "first_quench": isomer.first_quench,
        "known": None
        if known is None
        else {"energy": known.energy, "relative_energy": known.relative, "level_of_theory": known.level},
        **_structure(isomer.atoms, isomer.shape),
    }


def _structure(atoms: Atoms, shape: str) -> dict[str, Any]:
    return {
        "shape": shape,
        "bonds": [
            {"atom": b.index, "symbol": b.symbol, "lengths": [round(d, 4) for d in b.lengths]}
            for b in dopant_bonds(atoms)
        ],
        "symbols": list(atoms.symbols),
        "positions": atoms.positions.round(6).tolist(),
    }
