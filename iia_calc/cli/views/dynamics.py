"""What a trajectory tells its user."""

from __future__ import annotations

from pathlib import Path

from iia_calc.cli.views.console import output
from iia_calc.dynamics import DynamicsResult, Moment

UNRELAXED = 0.1
"""eV/Å; a start with a larger force heats up on its way down."""


def moment_line(moment: Moment) -> str:
    """250 fs · 312 K · E −70399.263 eV"""
    return f"{moment.time:.0f} fs · {moment.temperature:.0f} K · E {moment.total:.4f} eV"


def print_dynamics(result: DynamicsResult, target: Path, start: str, model: str) -> None:
    """How it ended, the temperature, and how well the energy was conserved.

    model : name of the model and its level of theory.
    """
    console = output()
    rate = result.steps / max(result.seconds, 1e-9)
    console.print(f"{result.message}: {result.steps} steps, {rate:.0f} per second, {model}")
    if result.temperature is not None:
        console.print(f"mean temperature  {result.temperature:.0f} K")
    if result.drift is not None:
        console.print(f"energy drift  {result.drift:+.2e} eV/atom/ps, fluctuation {result.fluctuation:.1e} eV/atom")
    if not result.conserved:
        console.print("the energy is not conserved: take a shorter --timestep, or --dtype float64")
    console.print(f"trajectory  {target}")
    if result.start_force > UNRELAXED:
        console.print(
            f"the start was not relaxed: the largest force on it was {result.start_force:.2f} eV/Å "
            f"(`iia relax {start}` first)"
        )
