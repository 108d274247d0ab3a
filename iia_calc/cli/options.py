"""Options and arguments of the commands, each type defined once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

# Of several commands
Model = Annotated[
    str | None, typer.Option("--model", "-m", help="A shipped model's name or a model's folder; see `iia info`.")
]
Device = Annotated[str | None, typer.Option(help="cpu or cuda (cuda:1, ...). [default: the GPU where there is one]")]
Seed = Annotated[int, typer.Option(help="The same seed gives the same result on one machine.")]
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON on standard output, nothing else.")]
BatchSize = Annotated[int | None, typer.Option(help="Structures relaxed at once. [default: chosen]")]
Workers = Annotated[int, typer.Option("--workers", "-j", help="Processes.")]
Threads = Annotated[int, typer.Option(help="CPU threads; small clusters gain little from more than one.")]
Fmax = Annotated[float, typer.Option(help="Largest force on any atom of a relaxed structure, eV/Å.")]
Charge = Annotated[int, typer.Option(help="Total charge, e.")]
Multiplicity = Annotated[int | None, typer.Option(help="2S+1. [default: the lowest possible]")]
Functional = Annotated[str, typer.Option(help="With --level dft.")]
Basis = Annotated[str, typer.Option(help="With --level dft.")]
Time = Annotated[str | None, typer.Option("--time", "-t", help="How long: 90s, 2m, 1h30m.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace a file that is there.")]
MethodName = Annotated[str, typer.Option("--method", help="basin-hopping or bee-colony.")]

# Of search
Formula = Annotated[str, typer.Argument(help="For example SeB16, B12 or Se2B10; SeB10- with --dft.")]
SearchTime = Annotated[
    str | None, typer.Option("--time", "-t", help="How long to search: 90s, 2m, 1h30m. [default: 2m]")
]
Quenches = Annotated[
    int | None, typer.Option("--quenches", "-n", help="Relaxations in total, those of earlier calls included.")
]
UntilFound = Annotated[int | None, typer.Option(help="Stop when the lowest was found from so many independent starts.")]
Method = Annotated[
    str | None, typer.Option(help="basin-hopping or bee-colony. [default: basin-hopping; of islands, a mixture]")
]
Starts = Annotated[Path | None, typer.Option(help="Structures of FORMULA to begin with; any file that ASE reads.")]
Known = Annotated[
    bool, typer.Option("--known/--no-known", help="Begin with the known lowest minima of FORMULA and its neighbours.")
]
SearchFolder = Annotated[Path | None, typer.Option("--out", "-o", help="Folder. [default: FORMULA-search]")]
Islands = Annotated[int, typer.Option(help="Searchers of different seeds and settings that pass on their best.")]
IslandWorkers = Annotated[
    int | None, typer.Option("--workers", "-j", help="Processes for the islands. [default: one per core]")
]
Dask = Annotated[
    str | None, typer.Option(help="Compute on the Dask cluster with this scheduler, e.g. tcp://host:8786.")
]
Asynchronous = Annotated[
    bool, typer.Option("--asynchronous", help="Islands never wait for slow workers; two runs will differ.")
]
Extrapolate = Annotated[
    bool, typer.Option("--extrapolate", help="Search even far from all that the model was fitted to.")
]
Show = Annotated[int, typer.Option(help="Isomers in the printed table; the files hold all.")]

# Of its confirmation by DFT
Dft = Annotated[int, typer.Option("--dft", help="Relax the K lowest with PySCF and rank them by that.")]
DftShapes = Annotated[
    bool, typer.Option("--dft-shapes", help="With --dft: the lowest of each shape that the K lowest lack, too.")
]
DftFunctional = Annotated[
    str | None, typer.Option("--functional", help="With --dft. [default: the model's own, or PBE0]")
]
DftBasis = Annotated[
    str | None,
    typer.Option("--basis", help="With --dft: of the relaxation. [default: the model's own, or 3-21G]"),
]
RankingBasis = Annotated[
    str | None,
    typer.Option(
        "--dft-basis",
        help="With --dft: of the single points that rank; none to rank as relaxed. "
        "[default: def2-TZVP where the relaxation's is smaller]",
    ),
]
DftRelax = Annotated[
    str | None,
    typer.Option(
        help="With --dft: relax in full, or by at most so many gradients an isomer. "
        "[default: full in a small basis, 3 from def2-TZVP on]"
    ),
]
Stability = Annotated[
    str | None,
    typer.Option(help="With --dft: SCF solutions tested in all bases, that of the relaxation, or none. [default: all]"),
]
Frequencies = Annotated[bool, typer.Option("--frequencies", help="With --dft: tell minima from saddles.")]
Descend = Annotated[
    bool, typer.Option("--descend", help="With --frequencies: push saddles off, relax and test again, once.")
]
DftWorkers = Annotated[int | None, typer.Option(help="With --dft: isomers side by side. [default: one per core]")]
DftCharge = Annotated[int | None, typer.Option("--charge", help="With --dft: total charge, e. [default: FORMULA's]")]
DftMultiplicity = Annotated[
    int | None, typer.Option("--multiplicity", help="With --dft: 2S+1. [default: the lowest possible]")
]
