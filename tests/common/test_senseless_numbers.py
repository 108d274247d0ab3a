"""Numbers that no calculation makes sense of are refused before anything is computed, with what would be right."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from iia_calc.dynamics.settings import DynamicsSettings
from iia_calc.labels.request import LabelRequest
from iia_calc.labels.xtb import XTBLevel
from iia_calc.model.network import NetworkSettings
from iia_calc.properties.request import PropertiesRequest
from iia_calc.report.paper.api import write_paper
from iia_calc.training.evaluation import EvaluationRequest
from iia_calc.training.settings import TrainingSettings
from search.errors import InputError


@pytest.mark.parametrize(
    ("make", "settings", "says"),
    [
        (DynamicsSettings, {"temperature": 1e6}, "temperature is 1000000.0; it must be from 0 to 50000 K"),
        (DynamicsSettings, {"friction": 50.0}, "friction is 50.0 1/fs; it must be at most 1 a step, 1:"),
        (DynamicsSettings, {"friction": 0.6, "timestep": 2.0}, "at most 1 a step, 0.5:"),
        (XTBLevel, {"electronic_temperature": 1e9}, "from 0 to 20000 K"),
        (XTBLevel, {"electronic_temperature": math.nan}, "from 0 to 20000 K"),
        (LabelRequest, {"minima_of": "seb", "formulas": ("SeB3",), "rattle": 40.0}, "from 0 to 1 Å"),
        (LabelRequest, {"minima_of": "seb", "formulas": ("SeB3",), "rattle": math.nan}, "rattle is nan"),
        (NetworkSettings, {"cutoff": 0.2}, "cutoff is 0.2; it must be from 1 to 20 Å"),
        (NetworkSettings, {"cutoff": math.inf}, "cutoff is inf; it must be from 1 to 20 Å"),
        (TrainingSettings, {"energy_weight": math.nan}, "energy_weight is nan"),
        (TrainingSettings, {"force_weight": math.inf}, "force_weight is inf"),
        (TrainingSettings, {"weight_decay": -1.0}, "weight_decay is -1.0; it must be from 0 to 1"),
        (TrainingSettings, {"gradient_clip": 0.0}, "gradient_clip is 0.0; it must be a number above 0"),
        (TrainingSettings, {"max_minutes": -5.0}, "max_minutes is -5.0; it must be a number of minutes above 0"),
        (TrainingSettings, {"max_minutes": 0.0}, "max_minutes is 0.0; it must be a number of minutes above 0"),
        (TrainingSettings, {"epochs": 2.5}, "epochs is 2.5; it must be a whole number of at least 1"),
        (TrainingSettings, {"seed": -1}, "seed is -1; it must be a whole number of at least 0"),
        (PropertiesRequest, {"source": Path(), "step": 1e-9}, "which makes 1500000000000 temperatures"),
        (EvaluationRequest, {"labels": (), "fmax": -1.0}, "fmax is -1.0 eV/Å; it must be a force above 0"),
        (EvaluationRequest, {"labels": (), "fmax": math.nan}, "fmax is nan"),
        (EvaluationRequest, {"labels": (), "largest": 0}, "largest is 0"),
        (write_paper, {"sources": (), "out": "none", "tolerance": 50.0}, "tolerance is 50.0; it must be above 0"),
    ],
)
def test_they_are_refused(make, settings, says, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=says.replace("(", r"\(")):
        make(**settings)
    assert not list(tmp_path.iterdir())
