"""`iia properties`: point groups, free energies and populations of isomers."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from iia_calc.cli import options as o
from iia_calc.cli.command import OF_TABLE, add_command, build, refuse_given
from iia_calc.cli.streams import exit_code

EXAMPLES = """
iia properties SeB8-search
iia properties SeB8-search --what point-groups --tolerance 0.1
iia properties SeB8-search --what thermo --temperature 500 --lowest 50
iia properties SeB8-search --what infrared,electronic --frequencies
iia properties SeB8-search --what ranking --functionals PBE,PBE0,TPSSh \\
    --dft-lowest 3
# after iia search "B7-" --dft 3 --out B7-anion
iia properties B7-anion --what photoelectron --frequencies
iia properties clusters.xyz --what point-groups
"""


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    add_command(app, "properties", properties, EXAMPLES)


def properties(
    source: Annotated[Path, typer.Argument(metavar="FOLDER|FILE", help="Of a search; or structures that ASE reads.")],
    what: Annotated[
        str,
        typer.Option(
            help="With commas: point-groups, thermo; after --dft infrared, electronic, ranking, photoelectron."
        ),
    ] = "point-groups,thermo",
    lowest: Annotated[int, typer.Option(help="Isomers whose vibrations the potential previews.")] = 30,
    tolerance: Annotated[
        float, typer.Option(help="Of point groups: how far atoms may be from where they belong, Å.")
    ] = 0.2,
    temperature: Annotated[float, typer.Option(help="Of the table's free energies and populations, K.")] = 298.15,
    highest: Annotated[float, typer.Option(help="Of populations against temperature, K.")] = 1500.0,
    step: Annotated[float, typer.Option(help="Between two temperatures, K.")] = 50.0,
    soft: Annotated[
        float, typer.Option(help="Modes below count as rotations in the entropy (quasi-RRHO), cm⁻¹; 0: harmonic.")
    ] = 100.0,
    frequencies: Annotated[
        bool, typer.Option("--frequencies", help="DFT's vibrations of confirmed isomers that have none yet.")
    ] = False,
    functionals: Annotated[
        str, typer.Option(help="Whose orders --what ranking compares; CCSD(T), too.")
    ] = "PBE,PBE0,TPSSh,r2SCAN",
    basis: Annotated[str, typer.Option(help="Of --what electronic and ranking.")] = "def2-TZVP",
    diffuse_basis: Annotated[str, typer.Option(help="Of --what photoelectron.")] = "def2-TZVPD",
    dft_lowest: Annotated[
        int | None, typer.Option(help="Confirmed isomers that DFT is asked about. [default: all]")
    ] = None,
    workers: Annotated[
        int | None, typer.Option("--workers", "-j", help="Isomers side by side. [default: one per core]")
    ] = None,
    model: o.Model = None,
    device: o.Device = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Folder. [default: the search's, or FILE-properties]")
    ] = None,
    show: o.Show = 20,
    as_json: o.Json = False,
) -> None:
    """Tell what isomers are like: point groups, zero-point and free energies, populations against temperature.

    Of a search that DFT has confirmed with --frequencies, from DFT's vibrations; else from the potential's own, as a
    preview. DFT tells infrared spectra, dipoles, gaps, charges, spins and bond orders, and whether functionals agree on
    the order; each step is stored, and the same command goes on. The folder receives properties.json, tables (CSV) and
    figures.
    """
    options = locals()
    _check_options(what, as_json)
    from iia_calc.cli.views.console import Live, output, print_json, remarks, stdout_kept_clean

    with stdout_kept_clean(as_json), Live("properties", None) as live:
        from iia_calc.properties.api import find_properties
        from iia_calc.properties.request import PropertiesRequest, names, parse_what

        request = build(PropertiesRequest, options, what=parse_what(what), functionals=names(functionals))

        def show_step(text: str, done: int, total: int) -> None:
            live.update(done, f"{text}, {done} of {total}", live.elapsed, total)

        found = find_properties(request, show_step, live.console.print)
    if as_json:
        print_json(found.as_plain())
    else:
        from iia_calc.cli.views.properties import property_remarks, property_table, titles

        for name, title in titles(found).items():
            output().print(property_table(found.sets[name], title, show))
        for line in property_remarks(found, show):
            remarks().print(line)
    interrupted = any(line.startswith("interrupted") for line in found.remarks)
    remarks().print(f"written to {found.source.folder}: {', '.join(found.files)}")
    if interrupted:
        raise typer.Exit(exit_code())


def _check_options(what: str, as_json: bool) -> None:
    """InputError for options of properties that aren't asked for."""
    from iia_calc.properties.request import OF_DFT, names

    asked = set(names(what))
    for wanted, options in (
        (("point-groups",), ("tolerance",)),
        (("thermo",), ("lowest", "temperature", "highest", "step", "soft", "model", "device")),
        (("thermo", "infrared"), ("frequencies",)),
        (("ranking",), ("functionals",)),
        (("electronic", "ranking"), ("basis",)),
        (("photoelectron",), ("diffuse_basis",)),
        (("thermo", *OF_DFT), ("dft_lowest", "workers")),
    ):
        if not asked & set(wanted):
            refuse_given(f"of {' or '.join(wanted)}; add that to --what", *options)
    if as_json:
        refuse_given(OF_TABLE, "show")
