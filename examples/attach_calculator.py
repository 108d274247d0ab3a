"""Attach the calculator to a cluster: energy, forces, energies per atom, and how sure the committee is.

python examples/attach_calculator.py
"""

import argparse

import numpy as np
from ase import Atoms
from ase.optimize import BFGS

from iia_calc import IIACalculator

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--model", help="a shipped model's name or a folder; by default the shipped one")
parser.add_argument("--quick", action="store_true", help="fewer steps")
options = parser.parse_args()

# SeB7: a hexagon of boron around a boron atom, selenium above it.
angles = np.radians(60 * np.arange(6))
ring = 1.65 * np.column_stack([np.cos(angles), np.sin(angles), np.zeros(6)])
atoms = Atoms("B7Se", np.vstack([ring, (0.0, 0.0, 0.4), (0.0, 0.0, 2.4)]))

atoms.calc = IIACalculator(options.model)  # IIACalculator() loads the shipped potential
print(f"energy        {atoms.get_potential_energy():.4f} eV")
print(f"largest force {np.linalg.norm(atoms.get_forces(), axis=1).max():.3f} eV/Å")
print(f"energies      {np.round(atoms.get_potential_energies(), 2)} eV")

BFGS(atoms, logfile=None).run(fmax=0.02, steps=20 if options.quick else 300)
print(f"relaxed       {atoms.get_potential_energy():.4f} eV")
print(f"Se–B          {atoms.get_distances(7, range(7)).min():.3f} Å")

if "energy_std" in atoms.calc.implemented_properties:  # a committee
    spread = atoms.calc.get_property("energy_std", atoms)
    print(f"committee     ± {1000 * spread / len(atoms):.1f} meV/atom")

try:  # what it doesn't know, it refuses
    carbon = Atoms("C2", [(0, 0, 0), (0, 0, 1.3)], calculator=atoms.calc)
    carbon.get_potential_energy()
except ValueError as error:
    print(f"C2            {error}")
