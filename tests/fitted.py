"""A model for tests that need real chemistry: the shipped one, or a small one fitted here and now."""

from __future__ import annotations

import tempfile
from functools import cache
from pathlib import Path

from iia_calc.model import storage


@cache
def model() -> str:
    """Name of the shipped default; where none is shipped yet, the folder of one fitted in half a minute."""
    try:
        return storage.find(None).name
    except storage.ModelError:
        folder = Path(tempfile.mkdtemp(prefix="schnet-iia-test-"))
        return str(fit_small(folder))


def fit_small(folder: Path) -> Path:
    """A committee of two, 16 features, on xTB labels of four small formulas."""
    from iia_calc.labels.sampling import Sampling, Start, sample_start
    from iia_calc.labels.xtb import XTBLevel
    from iia_calc.model.network import NetworkSettings
    from iia_calc.model.potential import Potential
    from iia_calc.training.fit import TrainingSettings, fit

    level = XTBLevel()
    starts = [Start(formula, k) for formula in ("B3", "SeB3", "B4", "SeB4") for k in range(3)]
    sampling = Sampling(max_steps=20, path_frames=6, rattles=(0.05, 0.15))
    labelled = [item for start in starts for item in sample_start(start, level, sampling)]
    members = []
    for seed in range(2):
        potential = Potential(
            NetworkSettings(n_atom_basis=16, n_interactions=2, n_rbf=20),
            {symbol: level.element_energy(symbol) for symbol in ("B", "Se")},
        )
        settings = TrainingSettings(epochs=6, batch_size=8, learning_rate=5e-3, seed=seed, validation_share=0.1)
        fit(potential, labelled, folder / f"fit-{seed}", settings, progress=False)
        members.append(potential)
    storage.save(
        folder / "small",
        members,
        {
            "level_of_theory": level.name,
            "label_counts": dict.fromkeys(("B3", "SeB3", "B4", "SeB4"), len(labelled) // 4),
        },
    )
    return folder / "small"
