"""`iia audit` and `iia convert`: data that others made."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from iia_calc.cli.options import Json
from search.errors import InputError

Unit = Annotated[
    str,
    typer.Option(
        help="Of the energies: hartree, eV or auto (Gaussian logs are hartree, databases and extxyz eV, "
        "and of npz files the energies' size decides)."
    ),
]
Geometry = Annotated[str, typer.Option(help="Of each Gaussian log: first or last.")]


def register(app: typer.Typer) -> None:
    app.command("audit")(audit)
    app.command("convert")(convert)


def audit(
    paths: Annotated[list[Path], typer.Argument(help="npz, Gaussian logs, extxyz, ASE databases, or folders of them.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder of the tables and the figure.")] = Path("audit"),
    clean: Annotated[
        Path | None, typer.Option(help="Write what can be used to this ASE database; what was dropped goes beside it.")
    ] = None,
    drop: Annotated[
        str, typer.Option(help="With --clean: flags to drop, with commas; without it, unusable energies and copies.")
    ] = "",
    check: Annotated[
        int,
        typer.Option(help="Recompute N flagged and N passed structures: is the audit right?"),
    ] = 0,
    check_level: Annotated[str, typer.Option(help="With --check: dft (PBE0/3-21G by PySCF) or gfn1.")] = "dft",
    seed: Annotated[int, typer.Option(help="With --check: of the structures drawn.")] = 0,
    workers: Annotated[int, typer.Option("--workers", "-j", help="With --check: processes.")] = 1,
    unit: Unit = "auto",
    geometry: Geometry = "last",
    as_json: Json = False,
) -> None:
    """Say what data sets are worth: units, names, copies, failed SCF energies, relaxedness, shapes.

    The folder receives audit.csv (a line per set), structures.csv (a line per structure), audit.json
    and audit.png (box plots of the energies). --check keeps check.csv there as it goes: the same command
    goes on after a stop.

        iia audit data/published

        iia audit SeBn/B=20.npz --clean usable.db

        iia audit SeBn/B=16.npz --check 30          # ten seconds to a minute per structure, on one core

        iia audit logs/ --geometry first --json | jq -r '.findings[].text'
    """
    from iia_calc.cli.views.console import Live, output, print_json, remarks, stdout_kept_clean
    from iia_calc.data.clean import DROPPED, check_flags, dropped_path, write_clean
    from iia_calc.data.write import check_target

    names = check_flags([word.strip() for word in drop.split(",") if word.strip()]) or DROPPED
    if drop and clean is None:
        raise InputError("--drop says what --clean leaves out: add --clean FILE.db")
    if clean is not None:
        check_target(clean, (".db",))
    if check < 0 or workers < 1:
        raise InputError(f"--check is {check} and --workers {workers}; they must be at least 0 and 1")
    if check_level not in ("dft", "gfn1"):
        raise InputError(f"--check-level is {check_level!r}; choose dft or gfn1")
    if out.is_file():
        raise InputError(f"--out is the folder of the results, and {out} is a file; name another")
    with stdout_kept_clean(as_json):
        from iia_calc.data import audit as audits
        from iia_calc.data import audit_report as report

        with Live("audit", None) as live:
            found = audits.audit_paths(
                paths, unit, geometry, lambda done, total: live.update(done, f"{done} of {total} sets", 0.0, total)
            )
        report.write(found, out)
        kept = None if clean is None else write_clean(found, clean, names)
        checked = None
        if check:
            from iia_calc.data import recompute as checks

            level = checks.check_level(check_level)
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
            checked = checks.judge(rows)
    if as_json:
        plain = report.as_plain(found)
        if kept is not None:
            plain["clean"] = {"file": str(clean), "kept": kept[0], "dropped": dict(kept[1])}
        if checked is not None:
            plain["check"] = checks.as_plain(checked)
        print_json(plain)
        return
    console = output()
    console.print(report.table(found))
    console.print(report.LEGEND, style="dim")
    console.print()
    for line in report.findings(found):
        console.print(f"• {line}", soft_wrap=True)
    console.print(f"\n{report.summary_line(found, DROPPED)}\n{out}: {', '.join(report.FILES)}")
    if kept is not None and clean is not None:
        why = ", ".join(f"{count} {name}" for name, count in kept[1].most_common()) or "nothing"
        console.print(
            f"{clean}: {kept[0]} structures, energies in eV; {dropped_path(clean)}: dropped for {why}", soft_wrap=True
        )
    if checked is not None:
        for line in checks.sentences(checked, level.name):
            console.print(line, soft_wrap=True)
        remarks().print(f"recomputed energies: {out / 'check.csv'}")


def convert(
    source: Annotated[Path, typer.Argument(help="npz, Gaussian log, extxyz, ASE database, or a folder of them.")],
    target: Annotated[Path, typer.Argument(help="*.npz, *.extxyz or *.db; energies are written in eV.")],
    unit: Unit = "auto",
    geometry: Geometry = "last",
) -> None:
    """Convert structures and energies from one kind of file to another; units are said, never guessed twice.

    Energies leave in eV and forces in eV/Å; each structure keeps its source and its place there. The
    databases are none of labels: no command mixes them with computed energies.

        iia convert SeBn/B=20.npz SeB20.db

        iia convert logs/ SeB20.extxyz --geometry first
    """
    from iia_calc.data.write import convert as convert_file

    sets = convert_file(source, target, unit, geometry)
    for item in sets:
        typer.echo(f"{item.name}: {len(item)} structures of {item.formula}, {item.unit} read as such")
    typer.echo(f"{target}: {sum(len(item) for item in sets)} structures, energies in eV")
