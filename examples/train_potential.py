"""Train a potential from nothing: xTB labels of tiny clusters, a small network, a saved model, a calculator.

python examples/train_potential.py        (a few minutes; --quick for a fraction of one)

The two commands it runs are those of the shell; killed, each goes on where it was.
"""

import argparse
import subprocess
import sys
from pathlib import Path

from ase import Atoms

from iia_calc import IIACalculator

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--out", type=Path, default=Path("my-potential"), help="folder of labels, fit and model")
parser.add_argument("--quick", action="store_true", help="fewer labels and epochs")
options = parser.parse_args()


def iia(*arguments: object) -> None:
    """Run a command of the package."""
    print("iia", *arguments)
    subprocess.run([Path(sys.executable).with_name("iia"), *map(str, arguments)], check=True)


options.out.mkdir(exist_ok=True)
labels, model = options.out / "labels.db", options.out / "model"

# 1. Labels: random starts, their relaxation paths, minima and distorted copies, in an ASE database.
formulas = ["B3", "B4", "SeB3"] if options.quick else ["B3", "B4", "B5", "B6", "SeB3", "SeB4", "SeB5", "SeB6"]
iia("label", *formulas, "-n", 60 if options.quick else 600, "-o", labels)

# 2. The network, and the fit: SchNetPack and Lightning do it.
size = ("--features", 16 if options.quick else 64, "--interactions", 3)
length = ("--epochs", 3 if options.quick else 40, "--batch-size", 10)
iia("train", labels, "-o", model, *size, *length, "--validation-share", 0.1)

# 3. The saved model, attached to a cluster.
atoms = Atoms("B3", [(0, 0, 0), (1.55, 0, 0), (0.8, 1.35, 0)], calculator=IIACalculator(model))
print(f"B3 {atoms.get_potential_energy():.3f} eV")
