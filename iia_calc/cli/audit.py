"""`iia audit`: what data that others made is worth."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from iia_calc.cli import options as o
from iia_calc.cli.command import add_command, refuse_given, save_settings
from search.errors import InputError

if TYPE_CHECKING:
    import numpy as np

    from iia_calc.data.audit import Audit
    from iia_calc.data.columns import Wanted
    from iia_calc.data.recompute import CheckResult
    from iia_calc.data.sets import StructureSet
    from iia_calc.data.usable import Usable

Unit = Annotated[
    str,
    typer.Option(
        help="Of the energies: hartree, eV, kcal/mol, ... or auto (what the file declares; otherwise Gaussian logs are "
        "hartree, databases and extxyz eV, and of npz files the energies' size decides)."
    ),
]
EnergyColumn = Annotated[
    str | None,
    typer.Option("--energy", help="Column of the energies, or none. [default: the one whose name says so]"),
]
ForcesColumn = Annotated[
    str | None,
    typer.Option("--forces", help="Column of the forces, or none. [default: those that go with the energies]"),
]
Geometry = Annotated[str, typer.Option(help="Of each Gaussian log: first or last.")]
UsableTable = Annotated[
    Path | None,
    typer.Option(
        help="Write whether each structure can be used, and why, to this table (*.csv, *.csv.gz): file, place, yes or "
        "no, one reason; no coordinates, no energies."
    ),
]
AskXTB = Annotated[
    bool,
    typer.Option(
        "--xtb",
        help="With --usable: hold boron and selenium against GFN1-xTB, too, 30 ms a structure; its energies stay in "
        "OUT.",
    ),
]


AUDITS = """
iia audit data/published
iia audit SeBn/B=20.npz --clean usable.db
# some minutes; without --xtb, half a minute
iia audit data/published --usable usable.csv.gz --xtb
# ten seconds to a minute per structure, on one core
iia audit SeBn/B=16.npz --check 30
iia audit logs/ --geometry first --json | jq -r '.findings[].text'
"""


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    add_command(app, "audit", audit, AUDITS)


def audit(
    paths: Annotated[list[Path], typer.Argument(help="npz, Gaussian logs, extxyz, ASE databases, or folders of them.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder of the tables and the figure.")] = Path("audit"),
    clean: Annotated[
        Path | None, typer.Option(help="Write what can be used to this ASE database; what was dropped goes beside it.")
    ] = None,
    drop: Annotated[
        str, typer.Option(help="With --clean: flags to drop, with commas; without it, unusable energies and copies.")
    ] = "",
    usable: UsableTable = None,
    xtb: AskXTB = False,
    check: Annotated[
        int,
        typer.Option(help="Recompute N flagged and N passed structures: is the audit right?"),
    ] = 0,
    check_level: Annotated[str, typer.Option(help="With --check: dft (PBE0/3-21G by PySCF) or gfn1.")] = "dft",
    seed: Annotated[int, typer.Option(help="With --check: of the structures drawn.")] = 0,
    workers: Annotated[int, typer.Option("--workers", "-j", help="With --check: processes.")] = 1,
    unit: Unit = "auto",
    energy: EnergyColumn = None,
    forces: ForcesColumn = None,
    geometry: Geometry = "last",
    as_json: o.Json = False,
) -> None:
    """Say what data sets are worth: units, names, copies, failed SCF energies, relaxedness, shapes.

    The folder receives audit.csv (a line per set), structures.csv (a line per structure), audit.json
    and audit.png (box plots of the energies). --check keeps check.csv there as it goes: the same command
    goes on after a stop. Files that can't be read are named, and the others are used.
    """
    from iia_calc.cli.views.console import print_json, stdout_kept_clean
    from iia_calc.data import audit_report as report
    from iia_calc.data.clean import DROPPED, check_flags, write_clean
    from iia_calc.data.columns import Wanted
    from iia_calc.data.recompute import as_plain

    names = check_flags([word.strip() for word in drop.split(",") if word.strip()]) or DROPPED
    _check_options(out, clean, drop, check, check_level, workers)
    _check_usable(usable, xtb)
    check_geometry(paths)
    with stdout_kept_clean(as_json):
        found = _audit_with_bar(paths, unit, geometry, Wanted(energy, forces))
        report.write(found, out)
        kept = None if clean is None else write_clean(found, clean, names)
        rows = None if usable is None else _write_usable(found, usable, out, xtb)
        checked = _recompute_with_bar(found, check, out, seed, check_level, workers) if check else None
    save_settings(out)
    if as_json:
        plain = report.as_plain(found)
        if kept is not None:
            plain["clean"] = {"file": str(clean), "kept": kept[0], "dropped": dict(kept[1])}
        if rows is not None:
            plain["usable"] = {"file": str(usable), "usable": sum(row.usable == "yes" for row in rows)}
        if checked is not None:
            plain["check"] = as_plain(checked[0])
        print_json(plain)
        return
    _print_audit(found, out)
    _print_usable(rows, usable)
    _print_clean_and_check(clean, kept, checked, out)


def _check_options(out: Path, clean: Path | None, drop: str, check: int, check_level: str, workers: int) -> None:
    """InputError where options make no sense; before anything is read."""
    from iia_calc.data.write import check_target

    if drop and clean is None:
        raise InputError("--drop says what --clean leaves out: add --clean FILE.db")
    if not check:
        refuse_given("of recomputed structures; add --check N", "check_level", "seed", "workers")
    if clean is not None:
        check_target(clean, (".db",))
    if check < 0 or workers < 1:
        raise InputError(f"--check is {check} and --workers {workers}; they must be at least 0 and 1")
    if check_level not in ("dft", "gfn1"):
        raise InputError(f"--check-level is {check_level!r}; choose dft or gfn1")
    if out.is_file():
        raise InputError(f"--out is the folder of the results, and {out} is a file; name another")


def _check_usable(usable: Path | None, xtb: bool) -> None:
    """InputError where the table of usable structures can't be written, or isn't asked for."""
    from iia_calc.data.usable import check_path

    if usable is not None:
        check_path(usable)
    elif xtb:
        raise InputError("--xtb judges for --usable: add --usable FILE.csv")


def check_geometry(paths: list[Path]) -> None:
    """InputError where a geometry of logs is asked for, and there are none."""
    from iia_calc.data.gaussian import SUFFIXES
    from iia_calc.data.readers import files_of

    files = [file for path in paths if path.exists() for file in files_of(path)[0]]
    if files and not any(file.suffix.lower() in SUFFIXES for file in files):
        refuse_given("of Gaussian logs, and there are none; leave it out", "geometry")


def _audit_with_bar(paths: list[Path], unit: str, geometry: str, wanted: Wanted) -> Audit:
    from iia_calc.cli.views.console import Live
    from iia_calc.data import audit as audits

    with Live("audit", None) as live:
        return audits.audit_paths(
            paths, unit, geometry, lambda done, total: live.update(done, f"{done} of {total} sets", 0.0, total), wanted
        )


def _write_usable(found: Audit, path: Path, out: Path, xtb: bool) -> list[Usable]:
    """A line for each structure to `path`; GFN1-xTB's energies are kept in `out`, and a stopped run goes on."""
    from iia_calc.cli.views.console import Live
    from iia_calc.data.usable import usable_structures, write
    from iia_calc.data.xtb_filter import excess_over_xtb

    with Live("GFN1-xTB" if xtb else "usable", None) as live:

        def excess(item: StructureSet) -> np.ndarray:
            def show(done: int, total: int) -> None:
                live.update(done, f"{item.name}: {done} of {total} structures", total=total)

            return excess_over_xtb(item, out, show)

        rows = usable_structures(found, excess if xtb else None)
    write(rows, path)
    return rows


def _print_usable(rows: list[Usable] | None, path: Path | None) -> None:
    from iia_calc.cli.views.console import output
    from iia_calc.data.usable import sentences

    if rows is not None:
        output().print("\n".join([f"\n{path}:", *sentences(rows)]))


def _recompute_with_bar(
    found: Audit, check: int, out: Path, seed: int, level_name: str, workers: int
) -> tuple[CheckResult, str]:
    """How often the audit is right, and the level of theory that says so."""
    from iia_calc.cli.views.console import Live
    from iia_calc.data import recompute as checks

    level = checks.check_level(level_name)
    with Live("check", None) as live:
        rows = checks.recompute(
            [a.item for a in found.sets],
            [a.failed for a in found.sets],
            check,
            out / "check.csv",
            seed,
            level,
            workers,
            callback=lambda done, total: live.update(done, f"{done} of {total} structures", total=total),
        )
    return checks.judge(rows), level.name


def _print_audit(found: Audit, out: Path) -> None:
    from iia_calc.cli.views.audit import audit_table
    from iia_calc.cli.views.console import output
    from iia_calc.data import audit_report as report
    from iia_calc.data.clean import DROPPED

    console = output()
    console.print(audit_table(found))
    console.print(report.LEGEND, style="dim")
    console.print()
    for line in report.findings(found):
        console.print(f"• {line}")
    console.print(f"\n{report.summary_line(found, DROPPED)}\n{out}: {', '.join(report.FILES)}")


def _print_clean_and_check(
    clean: Path | None, kept: tuple[int, Counter[str]] | None, checked: tuple[CheckResult, str] | None, out: Path
) -> None:
    from iia_calc.cli.views.console import output, remarks
    from iia_calc.data.clean import dropped_path
    from iia_calc.data.recompute import sentences

    if kept is not None and clean is not None:
        why = ", ".join(f"{count} {name}" for name, count in kept[1].most_common()) or "nothing"
        line = f"{clean}: {kept[0]} structures, energies in eV; {dropped_path(clean)}: dropped for {why}"
        output().print(line)
    if checked is not None:
        for line in sentences(*checked):
            output().print(line)
        remarks().print(f"recomputed energies: {out / 'check.csv'}")
