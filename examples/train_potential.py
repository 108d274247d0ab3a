"""Train a potential from nothing: xTB labels of tiny clusters, a small network, a saved model, a calculator.

python examples/train_potential.py        (a few minutes; --quick for a fraction of one)
"""

import argparse
from pathlib import Path

from ase import Atoms

from iia_calc.calculator import IIACalculator
from iia_calc.labels.sampling import Sampling, Start, sample_start
from iia_calc.labels.store import LabelStore
from iia_calc.labels.xtb import XTBLevel
from iia_calc.model import storage
from iia_calc.model.network import NetworkSettings
from iia_calc.model.potential import Potential
from iia_calc.training.fit import TrainingSettings, fit

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--out", type=Path, default=Path("my-potential"), help="folder of labels, fit and model")
parser.add_argument("--quick", action="store_true", help="fewer labels and epochs")
options = parser.parse_args()

# 1. Labels: random starts, their relaxation paths, minima and distorted copies, in an ASE database.
level = XTBLevel("GFN1-xTB")
store = LabelStore(options.out / "labels.db", level.name)
formulas = ["B3", "B4", "SeB3"] if options.quick else ["B3", "B4", "B5", "B6", "SeB3", "SeB4", "SeB5", "SeB6"]
done = store.finished_starts()
for formula in formulas:
    for index in range(2 if options.quick else 6):
        start = Start(formula, index)
        if start.name not in done:
            store.add(sample_start(start, level, Sampling(path_frames=6)))
print(f"{len(store)} labels of {level.name}")

# 2. The network, and the fit: SchNetPack and Lightning do it; killed, it goes on where it was.
potential = Potential(
    NetworkSettings(n_atom_basis=16 if options.quick else 64, n_interactions=3, cutoff=5.0),
    element_energies={symbol: level.element_energy(symbol) for symbol in ("B", "Se")},
)
settings = TrainingSettings(epochs=3 if options.quick else 40, batch_size=10, optimiser="muon", validation_share=0.1)
errors = fit(potential, list(store.read()), options.out / "fit", settings, progress=False)
print(f"validation errors {1000 * errors['energy']:.0f} meV/atom, {errors['forces']:.2f} eV/Å")

# 3. Saved as weights and a card, loaded into the calculator.
card = {"level_of_theory": level.name, "label_counts": store.counts()}
storage.save(options.out / "model", potential, card)
atoms = Atoms("B3", [(0, 0, 0), (1.55, 0, 0), (0.8, 1.35, 0)], calculator=IIACalculator(options.out / "model"))
print(f"B3 {atoms.get_potential_energy():.3f} eV, xTB {level.label(atoms).energy:.3f} eV")
