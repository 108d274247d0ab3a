"""Molecular dynamics with ASE's own integrators: SeB8 heated by a Langevin bath, then left alone.

python examples/molecular_dynamics.py
"""

import argparse
from pathlib import Path

import numpy as np
from ase import units
from ase.io import Trajectory
from ase.md.langevin import Langevin
from ase.md.velocitydistribution import MaxwellBoltzmannDistribution, Stationary, ZeroRotation
from ase.md.verlet import VelocityVerlet

from iia_calc import IIACalculator, search_isomers

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--model", help="a shipped model's name or a folder; by default the shipped one")
parser.add_argument("--temperature", type=float, default=400.0, help="K")
parser.add_argument("--out", type=Path, default=Path("seb8.traj"))
parser.add_argument("--quick", action="store_true", help="a few steps only")
options = parser.parse_args()
steps = 50 if options.quick else 2000

# The lowest isomer of a very short search, which begins with the known ones.
found = search_isomers("SeB8", quenches=16, model=options.model, out=options.out.with_suffix(""), picture=False)
atoms = found.isomers[0].atoms.copy()
atoms.calc = IIACalculator(options.model)

rng = np.random.default_rng(0)
MaxwellBoltzmannDistribution(atoms, temperature_K=options.temperature, rng=rng)
Stationary(atoms)
ZeroRotation(atoms)

bath = Langevin(atoms, 1.0 * units.fs, temperature_K=options.temperature, friction=0.02 / units.fs, rng=rng)
bath.run(steps)
print(f"after the bath {atoms.get_temperature():.0f} K")

dynamics = VelocityVerlet(atoms, 1.0 * units.fs)
energies = []
with Trajectory(str(options.out), "w", atoms) as trajectory:
    dynamics.attach(trajectory.write, interval=10)
    dynamics.attach(lambda: energies.append(atoms.get_total_energy() / len(atoms)), interval=1)
    dynamics.run(steps)

drift = np.polyfit(np.arange(len(energies)) * 1e-3, energies, 1)[0]
print(f"energy drift {drift:+.1e} eV/atom/ps over {steps} fs; trajectory in {options.out}")
