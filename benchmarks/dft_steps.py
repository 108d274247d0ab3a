"""What a DFT relaxation of a search's isomers costs, begun with the potential's curvature and without.

python benchmarks/dft_steps.py SeB7 SeB8 SeB10 --quenches 120 --dft 3

The lowest isomers of a short search of each formula are relaxed at PBE0/3-21G (one thread, largest force 0.05 eV/Å)
by the same optimiser, ASE's BFGS, from its own first guess of the curvature and from the potential's.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from functools import partial
from pathlib import Path

from iia_calc.confirm.api import confirm
from iia_calc.isomers.search import search_isomers
from iia_calc.labels.dft.level import DFTLevel
from iia_calc.model import storage
from iia_calc.model.hessian import second_derivatives


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("formulas", nargs="+")
    parser.add_argument("--quenches", type=int, default=120)
    parser.add_argument("--dft", type=int, default=3, help="isomers of each formula")
    parser.add_argument("--model", default=None)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    curvature = partial(second_derivatives, storage.load(options.model))
    print("| formula | isomer | evaluations without | with | CPU s without | with | energies differ by, meV |")
    print("|---|---|---|---|---|---|---|", flush=True)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for formula in options.formulas:
            found = search_isomers(
                formula,
                out=folder / formula,
                quenches=options.quenches,
                seed=options.seed,
                model=options.model,
                known=False,
                picture=False,
            )
            for isomer in found.isomers[: options.dft]:
                row = []
                for how in (None, curvature):
                    begin = time.process_time()
                    store = folder / f"{formula}-{isomer.rank}-{how is not None}.db"
                    (c,) = confirm([isomer.atoms], DFTLevel(threads=1, gpu=False), store, curvature=how)
                    row.append((c, time.process_time() - begin))
                (a, slow), (b, fast) = row
                apart = "" if a.energy is None or b.energy is None else f"{1e3 * (b.energy - a.energy):+.1f}"
                print(
                    f"| {formula} | {isomer.rank} | {a.steps} | {b.steps} | {slow:.0f} | {fast:.0f} | {apart} |",
                    flush=True,
                )


if __name__ == "__main__":
    main()
