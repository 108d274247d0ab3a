"""The relaxer of a model or of an ASE calculator, here and on other machines."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from iia_calc.common.device import checked_device
from iia_calc.isomers.calculator import CalculatorRelaxer
from iia_calc.isomers.coverage import check_elements
from iia_calc.isomers.request import SearchRequest
from search.errors import InputError
from search.geometry.composition import Composition
from search.islands.task import WorkerMismatch
from search.relaxers.base import Relaxer

if TYPE_CHECKING:
    from iia_calc.model.committee import Committee
    from iia_calc.relax.batch import PotentialRelaxer


@dataclass(frozen=True)
class RequestRelaxer:
    """What relaxes the structures of a search.

    Attributes
    ----------
    relaxer : of the request's model or calculator.
    described : what run.json says of it.
    committee : of the model; None without one.
    """

    relaxer: Relaxer
    described: dict[str, Any]
    committee: Committee | None

    @classmethod
    def of(cls, request: SearchRequest, device: str | None = None) -> RequestRelaxer:
        """Made here. device : in place of the request's.

        Raises
        ------
        InputError : as `model_relaxer`, and `CalculatorChoice.make`.
        """
        choice = request.chosen_calculator
        if choice is not None:
            said = {"name": choice.path, "settings": dict(choice.settings), "text": str(choice)}
            return cls(CalculatorRelaxer(choice, request.fmax)(), {"calculator": said}, None)
        relaxer, described = model_relaxer(request.composition, request.model, device or request.device, request.fmax)
        return cls(relaxer, described, relaxer.committee)


def relaxer_maker(request: SearchRequest) -> CalculatorRelaxer | ModelRelaxer:
    """What makes the request's relaxer on a worker; a shipped model goes by its name, which every worker knows."""
    from iia_calc.model.storage import code_version, find, models_folder

    if (choice := request.chosen_calculator) is not None:
        return CalculatorRelaxer(choice, request.fmax)
    path = find(request.model)
    shipped = path.resolve().parent == models_folder().resolve()
    name = path.name if shipped else str(path.resolve())
    return ModelRelaxer(request.formula, name, request.device, request.fmax, request.threads, code_version())


def model_relaxer(
    composition: Composition, model: str | Path | None, device: str | None, fmax: float
) -> tuple[PotentialRelaxer, dict[str, Any]]:
    """A batched relaxer over a model, and what run.json says of it. fmax : eV/Å.

    Raises
    ------
    InputError : no such model or device, or the model doesn't know an element of `composition`.
    """
    import torch

    from iia_calc.model.storage import find, load, read_card
    from iia_calc.relax.batch import PotentialRelaxer, forces_std_limit

    path = find(model)
    card = read_card(path)
    check_elements(composition, card.name, card.elements)
    used = checked_device(device)
    potential = load(path, device=used)
    relaxer = PotentialRelaxer(potential, fmax=fmax, forces_std_limit=forces_std_limit(potential))
    return relaxer, {
        "model": {
            "name": card.name,
            "sha256": [member["sha256"] for member in card.members],
            "level_of_theory": card.level_of_theory,
            "data_hash": card.data_hash,
        },
        "device": used,
        "threads": torch.get_num_threads(),  # rounding, and so the search, depends on both
    }


@dataclass(frozen=True)
class ModelRelaxer:
    """Makes the relaxer of a model on a worker, wherever that is; see `model_relaxer`.

    Attributes
    ----------
    formula : whose elements the model must know.
    model : a shipped model's name, or a folder that every worker sees under the same path.
    device : None takes the GPU where a worker has one.
    fmax : eV/Å.
    threads : CPU threads of each worker.
    version : of this package; a worker with another one refuses.

    Raises
    ------
    WorkerMismatch : the worker has no such model or device, or another version.
    """

    formula: str
    model: str
    device: str | None
    fmax: float
    threads: int = 1
    version: str = ""

    def __call__(self) -> Relaxer:
        import torch

        from iia_calc.model.storage import code_version

        if self.version and code_version() != self.version:
            raise WorkerMismatch(f"a worker has schnet-iia {code_version()}, the search runs {self.version}")
        torch.set_num_threads(self.threads)
        try:
            return model_relaxer(Composition.parse(self.formula), self.model, self.device, self.fmax)[0]
        except InputError as error:
            raise WorkerMismatch(f"a worker cannot relax with this model: {error}") from error
