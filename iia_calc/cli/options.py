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
Multiplicity = Annotated[int | None, typer.Option(help="2S+1. [default: the lowest possible]")]
Functional = Annotated[str, typer.Option(help="With --level dft.")]
Basis = Annotated[str, typer.Option(help="With --level dft.")]
Time = Annotated[str | None, typer.Option("--time", "-t", help="How long: 90s, 2m, 1h30m.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace a file that is there.")]
MethodName = Annotated[str, typer.Option("--method", help="basin-hopping or bee-colony.")]
SearchOrFile = Annotated[Path, typer.Argument(help="Folder of a search, or any file of structures that ASE reads.")]

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
    str | None,
    typer.Option(
        help="basin-hopping, bee-colony, or MODULE:CLASS of your own. [default: basin-hopping; of islands, a mixture]"
    ),
]
Moves = Annotated[
    list[str] | None,
    typer.Option("--move", help="NAME=SHARE of a move, 0 for none, or MODULE:NAME=SHARE of your own; once for each."),
]
Starts = Annotated[Path | None, typer.Option(help="Structures of FORMULA to begin with; any file that ASE reads.")]
AseCalculator = Annotated[
    str | None,
    typer.Option(
        "--calculator",
        help="An ASE calculator in the potential's place, MODULE:CLASS, for any elements: tblite.ase:TBLite.",
    ),
]
CalculatorSettings = Annotated[
    list[str] | None, typer.Option("--set", help="A keyword of the calculator, KEY=VALUE; once for each.")
]
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
Show = Annotated[int, typer.Option(min=1, help="Isomers in the printed table; the files hold all.")]

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

# Of label
LabelFormulas = Annotated[
    list[str] | None,
    typer.Argument(help="Formulas whose random starts are sampled, e.g. SeB8 B12-. [default: SeB3..24 and B3..24]"),
]
LabelStoreFile = Annotated[Path, typer.Option("--out", "-o", help="ASE database; the same command goes on.")]
LevelName = Annotated[str, typer.Option(help="gfn1, gfn2, dft, or MODULE:CLASS of a level of your own.")]
LabelCount = Annotated[
    int | None, typer.Option("--n-labels", "-n", help="How many labels the database is to hold. [default: 1000]")
]
LabelFunctional = Annotated[str | None, typer.Option("--functional", help="With --level dft. [default: PBE0]")]
LabelBasis = Annotated[str | None, typer.Option("--basis", help="With --level dft. [default: 3-21G]")]
LabelStructures = Annotated[
    Path | None, typer.Option(help="Label the structures of this file (anything ASE reads) instead.")
]
MinimaOf = Annotated[
    str | None,
    typer.Option(help="Label what random starts of FORMULAS relax to on this model: the error a search meets."),
]
LowestOf = Annotated[
    int | None, typer.Option(help="With --minima-of: of N starts, only so many of each formula, the lowest.")
]
Rattle = Annotated[float, typer.Option(help="With --minima-of: label a copy of each, rattled by this much, too. Å")]
RelaxationSteps = Annotated[
    int | None, typer.Option(help="Of the relaxation of a random start. [default: 45, and 4 with DFT]")
]
Walls = Annotated[
    bool, typer.Option("--walls", help="Label compressed and pressed-together random starts: what keeps atoms apart.")
]
Recheck = Annotated[
    str | None,
    typer.Option(
        help="Make no labels: test the SCF stability of OUT's (open-shell or all of those not tested yet, or followed:"
        " those once found unstable), and lower those that can be."
    ),
]
RecheckLargest = Annotated[
    int | None, typer.Option(help="With --recheck: leave out clusters of more atoms; small ones come first.")
]
LabelCharge = Annotated[
    int | None, typer.Option(help="Total charge, e. [default: that of formulas or structures, else 0]")
]
ElectronicTemperature = Annotated[
    float | None, typer.Option(help="Electronic temperature, K, with --level gfn1 or gfn2. [default: 1500]")
]

# Of md
Start = Annotated[
    str, typer.Argument(metavar="FILE|FORMULA", help="The first frame of a file; of a formula, its known minimum.")
]
Equilibration = Annotated[str, typer.Option(help="Langevin dynamics before the recorded steps: 1ps; 0 for none.")]
