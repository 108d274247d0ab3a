"""Search the low-lying isomers of SeB8 by basin hopping and by the bee colony, and compare the two.

python examples/find_global_minimum.py

The same searches from the shell: iia search SeB8 --method bee-colony --quenches 480 --seed 1 --no-known
"""

import argparse
from pathlib import Path

from iia_calc import search_isomers

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--model", help="a shipped model's name or a folder; by default the shipped one")
parser.add_argument("--formula", default="SeB8")
parser.add_argument("--out", type=Path, default=Path("two-methods"), help="folder; the same command goes on")
parser.add_argument("--quick", action="store_true", help="a few quenches only")
options = parser.parse_args()

for method in ("basin-hopping", "bee-colony"):
    found = search_isomers(
        options.formula,
        method=method,
        quenches=32 if options.quick else 480,
        seed=1,
        known=False,  # as if nobody had searched it before
        model=options.model,
        out=options.out / method,
        callback=lambda p: print(f"  {p.n_quenches} quenches, best {p.best_energy}", end="\r"),
    )
    result = found.result
    rate = result.n_quenches / max(result.seconds, 1e-9)
    print(f"{method}: {len(found.isomers)} minima from {result.n_quenches} quenches, {rate:.1f} per second")
    for isomer in found.isomers[:5]:
        bonds = ", ".join(map(str, isomer.bonds))
        print(f"  {isomer.relative:6.3f} eV  {isomer.shape:8}  Se–B {bonds}  found {isomer.times_found} times")
