"""`iia md`: molecular dynamics."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from iia_calc.cli import options as o
from iia_calc.cli.command import add_command, refuse_given, save_settings
from iia_calc.cli.streams import exit_code
from search.errors import InputError

if TYPE_CHECKING:
    from iia_calc.dynamics import DynamicsSettings

EXAMPLES = """
iia md SeB16 --temperature 500 --time 5ps
iia md SeB16-search/isomers.extxyz --langevin -T 800 -n 20000 \\
    --out hot.traj
"""


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    add_command(app, "md", md, EXAMPLES)


def md(
    start: o.Start,
    temperature: Annotated[float, typer.Option("--temperature", "-T", help="K; of velocities and bath.")] = 300.0,
    steps: Annotated[int | None, typer.Option("--steps", "-n", help="Number of steps. [default: 1000]")] = None,
    time: Annotated[str | None, typer.Option("--time", "-t", help="Instead of --steps: 500fs, 2ps, 0.1ns.")] = None,
    timestep: Annotated[float, typer.Option(help="fs")] = 1.0,
    langevin: Annotated[bool, typer.Option("--langevin/--nve", help="With a bath, or at constant energy.")] = False,
    friction: Annotated[float, typer.Option(help="Of the bath: --langevin's and the equilibration's, 1/fs.")] = 0.01,
    equilibrate: o.Equilibration = "1ps",
    every: Annotated[int, typer.Option(help="Steps between two frames.")] = 10,
    seed: o.Seed = 0,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Trajectory, .traj or .extxyz. [default: NAME-md.traj]")
    ] = None,
    overwrite: o.Overwrite = False,
    model: o.Model = None,
    device: o.Device = None,
    dtype: Annotated[str, typer.Option(help="float32, or float64: better conservation, twice the time.")] = "float32",
    as_json: o.Json = False,
) -> None:
    """Run molecular dynamics and report the temperature and how well the energy was conserved.

    Ends early, with exit code 1, when the cluster falls apart or a number is no longer finite.
    """
    settings, target = _settings(locals()), out or Path(f"{Path(start).stem}-md.traj")
    if target.exists() and not overwrite:
        raise InputError(f"{target} is there already; give another file with --out, or --overwrite")
    from dataclasses import asdict

    from iia_calc.calculator import IIACalculator
    from iia_calc.cli.views.console import Live, print_json, stdout_kept_clean
    from iia_calc.cli.views.dynamics import moment_line, print_dynamics
    from iia_calc.common.device import checked_device, cpu_threads
    from iia_calc.common.files import check_file_place
    from iia_calc.dynamics import run_dynamics
    from iia_calc.isomers.search import first_structure
    from iia_calc.model.storage import find, read_card

    check_file_place(target)
    card, device = read_card(find(model)), checked_device(device)
    # one small cluster gains nothing from more threads, and loses much where others compute
    with stdout_kept_clean(as_json), cpu_threads(1), Live("md", settings.steps) as live:
        atoms = first_structure(start, model=model, device=device, seed=seed)
        calculator = IIACalculator(model, device=device, dtype=dtype)
        about = {"model": card.name, "level_of_theory": card.level_of_theory}
        with _claim(target, overwrite):
            result = run_dynamics(
                atoms, calculator, settings, target, lambda m: live.update(m.step, moment_line(m), m.seconds), about
            )
    save_settings(target)
    if as_json:
        print_json({"trajectory": str(target), **about, **asdict(result)})
    else:
        print_dynamics(result, target, start, f"{card.name} ({card.level_of_theory})")
    if not result.sound:
        raise typer.Exit(1)
    if result.stopped_by == "interrupted":
        raise typer.Exit(exit_code())


@contextmanager
def _claim(target: Path, overwrite: bool) -> Iterator[None]:
    """The file of the trajectory made, so that no other job begins the same; it goes where nothing was written."""
    try:
        target.open("ab" if overwrite else "xb").close()
    except FileExistsError:
        raise InputError(f"{target} is being written by another job; give another file with --out") from None
    try:
        yield
    finally:
        if target.exists() and not target.stat().st_size:
            target.unlink()


def _settings(options: Mapping[str, Any]) -> DynamicsSettings:
    """From the options; InputError where they make no sense."""
    from iia_calc.cli.duration import parse_simulated
    from iia_calc.dynamics import DynamicsSettings

    if options["dtype"] not in ("float32", "float64"):
        raise InputError(f"--dtype is {options['dtype']!r}; choose float32 or float64")
    steps, time, timestep = options["steps"], options["time"], options["timestep"]
    if steps is not None and time is not None:
        raise InputError("give --steps or --time, not both")
    if not timestep > 0:
        raise InputError(f"timestep is {timestep!r}; it must be above 0 fs")
    if time is not None:
        if (femtoseconds := parse_simulated(time)) < timestep:
            raise InputError(f"--time {time} is shorter than one step of {timestep:g} fs")
        steps = round(femtoseconds / timestep)
    none = options["equilibrate"].strip() in ("0", "none")
    if none and not options["langevin"]:
        refuse_given("of a bath, and there is none; add --langevin, or an equilibration", "friction")
    return DynamicsSettings(
        temperature=options["temperature"],
        steps=1000 if steps is None else steps,
        timestep=timestep,
        ensemble="langevin" if options["langevin"] else "nve",
        friction=options["friction"],
        equilibration=0.0 if none else parse_simulated(options["equilibrate"]),
        seed=options["seed"],
        every=options["every"],
    )
