"""Molecular dynamics with ASE: a trajectory, the temperature it had, and how well energy was conserved.

settings.py    what is asked for, and what comes of it
run.py         equilibration and the recorded steps
trajectory.py  the file of frames
"""

from iia_calc.dynamics.run import run_dynamics
from iia_calc.dynamics.settings import DynamicsResult, DynamicsSettings, Moment, energy_drift

__all__ = ["DynamicsResult", "DynamicsSettings", "Moment", "energy_drift", "run_dynamics"]
