"""`iia md`: molecular dynamics."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from iia_calc.cli.options import Device, Json, Model, Seed
from search.errors import InputError

UNRELAXED = 0.1
"""eV/Å; a start with a larger force heats up on its way down."""


def register(app: typer.Typer) -> None:
    app.command("md")(md)


def md(
    start: Annotated[
        str,
        typer.Argument(metavar="FILE|FORMULA", help="The first frame of a file, or a formula: a relaxed random start."),
    ],
    temperature: Annotated[float, typer.Option("--temperature", "-T", help="K; of velocities and bath.")] = 300.0,
    steps: Annotated[int | None, typer.Option("--steps", "-n", help="Number of steps. [default: 1000]")] = None,
    time: Annotated[str | None, typer.Option("--time", "-t", help="Instead of --steps: 500fs, 2ps, 0.1ns.")] = None,
    timestep: Annotated[float, typer.Option(help="fs")] = 1.0,
    langevin: Annotated[bool, typer.Option("--langevin/--nve", help="With a bath, or at constant energy.")] = False,
    friction: Annotated[float, typer.Option(help="Of the bath, 1/fs.")] = 0.01,
    equilibrate: Annotated[
        str, typer.Option(help="Langevin dynamics before the recorded steps: 1ps, 500fs; 0 for none.")
    ] = "1ps",
    every: Annotated[int, typer.Option(help="Steps between two frames.")] = 10,
    seed: Seed = 0,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Trajectory, .traj or .extxyz. [default: NAME-md.traj]")
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a trajectory that is there.")] = False,
    model: Model = None,
    device: Device = None,
    dtype: Annotated[
        str, typer.Option(help="float32, or float64 at twice the time, for the last digits of energy conservation.")
    ] = "float32",
    as_json: Json = False,
) -> None:
    """Run molecular dynamics and report the temperature and how well the energy was conserved.

    Ends early, with exit code 1, when the cluster falls apart or a number is no longer finite.

        iia md SeB16 --temperature 500 --time 5ps

        iia md SeB16-search/isomers.extxyz --langevin -T 800 -n 20000 --out hot.traj
    """
    from iia_calc.cli.duration import parse_simulated
    from iia_calc.cli.views.console import Live, output, print_json, stdout_kept_clean

    if dtype not in ("float32", "float64"):
        raise InputError(f"--dtype is {dtype!r}; choose float32 or float64")
    if steps is not None and time is not None:
        raise InputError("give --steps or --time, not both")
    if not timestep > 0:
        raise InputError(f"timestep is {timestep!r}; it must be above 0 fs")
    if time is not None:
        steps = max(1, round(parse_simulated(time) / timestep))
    with stdout_kept_clean(as_json):
        from dataclasses import asdict

        import torch

        from iia_calc.calculator import IIACalculator
        from iia_calc.common.device import checked_device
        from iia_calc.dynamics import DynamicsSettings, run_dynamics
        from iia_calc.isomers.search import first_structure

        torch.set_num_threads(1)  # one small cluster gains nothing from more, and loses much where others compute
        settings = DynamicsSettings(
            temperature,
            1000 if steps is None else steps,
            timestep,
            "langevin" if langevin else "nve",
            friction,
            0.0 if equilibrate.strip() in ("0", "none") else parse_simulated(equilibrate),
            seed,
            every,
        )
        target = out or Path(f"{Path(start).stem}-md.traj")
        if target.exists() and not overwrite:
            raise InputError(f"{target} is there already; give another file with --out, or --overwrite")
        device = checked_device(device)
        atoms = first_structure(start, model=model, device=device, seed=seed)
        with Live(str(atoms.symbols), settings.steps) as live:
            result = run_dynamics(
                atoms,
                IIACalculator(model, device=device, dtype=dtype),
                settings,
                target,
                lambda m: live.update(
                    m.step, f"{m.time:.0f} fs · {m.temperature:.0f} K · E {m.total:.4f} eV", m.seconds
                ),
            )
    if as_json:
        print_json({"trajectory": str(target), **asdict(result)})
    else:
        console = output()
        rate = result.steps / max(result.seconds, 1e-9)
        console.print(f"{result.message}: {result.steps} steps, {rate:.0f} per second")
        console.print(f"mean temperature  {result.temperature:.0f} K")
        if result.drift is not None:
            console.print(f"energy drift  {result.drift:+.2e} eV/atom/ps, fluctuation {result.fluctuation:.1e} eV/atom")
        console.print(f"trajectory  {target}")
        if result.start_force > UNRELAXED:
            console.print(
                f"the start was not relaxed: the largest force on it was {result.start_force:.2f} eV/Å "
                f"(`iia relax {start}` first)"
            )
    if not result.sound:
        raise typer.Exit(1)
    if result.stopped_by == "interrupted":
        raise typer.Exit(130)
