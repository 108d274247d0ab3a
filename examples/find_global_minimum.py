"""Search the low-lying isomers of SeB8 by basin hopping and by the bee colony, and compare the two.

python examples/find_global_minimum.py
"""

import argparse
from pathlib import Path

from iia_calc.model.storage import load
from iia_calc.relax.batch import PotentialRelaxer
from search import find_minima
from search.geometry.shape import dopant_bonds, shape_of

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--model", help="a shipped model's name or a folder; by default the shipped one")
parser.add_argument("--formula", default="SeB8")
parser.add_argument("--out", type=Path, help="keep the archives here; the same command goes on")
parser.add_argument("--quick", action="store_true", help="a few quenches only")
options = parser.parse_args()

# Any relaxer will do here: this one relaxes many clusters at once; an ASE calculator is accepted, too.
relaxer = PotentialRelaxer(load(options.model), fmax=0.005)

for method in ("basin-hopping", "bee-colony"):
    result = find_minima(
        options.formula,
        relaxer,
        method,
        quenches=32 if options.quick else 480,
        seed=1,
        archive=options.out and options.out / method,
        callback=lambda p: print(f"  {p.n_quenches} quenches, best {p.best_energy}", end="\r"),
    )
    rate = result.n_quenches / max(result.seconds, 1e-9)
    print(f"{method}: {len(result.minima)} minima from {result.n_quenches} quenches, {rate:.1f} per second")
    for atoms in result.minima[:5]:
        above = atoms.get_potential_energy() - result.best_energy
        bonds = ", ".join(str(b) for b in dopant_bonds(atoms))
        print(f"  {above:6.3f} eV  {shape_of(atoms):8}  Se–B {bonds}  found {atoms.info['times_found']} times")
