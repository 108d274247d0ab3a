"""Every model's recipe runs: here for a few seconds of training, in full by hand."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from cli_process import ENVIRONMENT

from iia_calc.model import storage
from iia_calc.model.network import NetworkSettings

MODELS = Path(__file__).parents[2] / "models"
FEW = "gfn1-xtb-model-minima.npz.xz"


@pytest.mark.slow
@pytest.mark.parametrize("recipe", sorted(MODELS.glob("*/recipe.sh")), ids=lambda path: path.parent.name)
def test_recipe(recipe, tmp_path):
    out = tmp_path / "model"
    short = ["--members", "1", "--epochs", "1", "--max-minutes", "0.02"]
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**ENVIRONMENT, "PATH": path, "PYTHONPATH": str(MODELS.parent)}
    if recipe.parent.name.startswith("gfn1"):  # a tenth of its 55,696 labels
        (tmp_path / FEW).symlink_to(MODELS / "labels" / FEW)
        environment["LABELS"] = str(tmp_path)
    done = subprocess.run(
        ["bash", recipe, out, *short], env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=800
    )
    assert done.returncode == 0, done.stderr
    shipped, made = storage.read_card(recipe.parent), storage.read_card(out)
    assert NetworkSettings.from_dict(made.network) == NetworkSettings.from_dict(shipped.network)
    assert made.level_of_theory == shipped.level_of_theory
    assert set(made.elements) == {"B", "Se"}
