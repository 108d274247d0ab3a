"""Fits GFN1-xTB, PBE0/3-21G and PBE0/def2-TZVP labels together and keeps the model of one level.

python recipe.py [OUT [EPOCHS [LEVEL]]]
"""

from __future__ import annotations

import sys
from pathlib import Path

from iia_calc.model.network import NetworkSettings
from iia_calc.training.build import BuildRequest, build_potential
from iia_calc.training.fit import TrainingSettings

labels = Path(__file__).resolve().parents[1] / "labels"
out, epochs, level = [*sys.argv[1:], *["runs/seb-def2-tzvp", "20", "def2-tzvp"][len(sys.argv) - 1 :]]
build_potential(
    BuildRequest(
        labels=(
            *sorted(labels.glob("gfn1-xtb-*.npz.xz")),
            labels / "pbe0-3-21g.npz.xz",
            labels / "pbe0-def2-tzvp.npz.xz",
        ),
        out=Path(out),
        test=(labels / f"pbe0-{level}-held-out.npz.xz",),
        members=3,
        network=NetworkSettings(kind="vectors", angular=2, attention=None, n_interactions=3, n_rbf=12, n_heads=16),
        training=TrainingSettings(
            epochs=int(epochs),
            batch_size=256,
            learning_rate=2e-3,
            optimiser="muon",
            average=0.998,
            validation_share=0.03,
        ),
        target_level=level,
    )
)
