"""`iia properties`: point groups, free energies and populations of isomers."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from iia_calc.cli import options as o
from iia_calc.cli.command import add_command, build

EXAMPLES = """
iia properties SeB8-search
iia properties SeB8-search --what point-groups --tolerance 0.1
iia properties SeB8-search --what thermo --temperature 500 --lowest 50
iia properties clusters.xyz --what point-groups
"""


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    add_command(app, "properties", properties, EXAMPLES)


def properties(
    source: Annotated[Path, typer.Argument(metavar="FOLDER|FILE", help="Of a search; or structures that ASE reads.")],
    what: Annotated[str, typer.Option(help="With commas: point-groups, thermo.")] = "point-groups,thermo",
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
    preview. The folder receives properties.json, symmetrised.extxyz, populations.csv and populations.png.
    """
    options = locals()
    from iia_calc.cli.views.console import Live, output, print_json, remarks, stdout_kept_clean

    with stdout_kept_clean(as_json), Live("properties", None) as live:
        from iia_calc.properties.api import find_properties
        from iia_calc.properties.request import PropertiesRequest, parse_what

        request = build(PropertiesRequest, options, what=parse_what(what))
        found = find_properties(
            request, lambda text, done, total: live.update(done, f"{text}, {done} of {total}", live.elapsed, total)
        )
    if as_json:
        print_json(found.as_plain())
    else:
        from iia_calc.cli.views.properties import property_remarks, property_table, titles

        for name, title in titles(found).items():
            output().print(property_table(found.sets[name], title, show))
        for line in property_remarks(found, show):
            remarks().print(line)
    remarks().print(f"written to {found.source.folder}: {', '.join(found.files)}")
