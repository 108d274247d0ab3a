"""Trains runs, each once, and keeps what it found: settings, curve, weights and errors on the test part."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file

from iia_calc.common.files import write_json
from iia_calc.labels.store import LabelledStructure
from iia_calc.model import storage
from iia_calc.model.committee import Committee
from iia_calc.model.network import RepulsionSettings
from iia_calc.model.pairs.within_cutoff import NearPairs
from iia_calc.model.potential import Potential
from iia_calc.reproduce.runs import Run
from iia_calc.reproduce.sets import Library, Task, element_energies
from iia_calc.training.fit import fit, read_curve
from iia_calc.training.transfer import carry_over

BARE = RepulsionSettings(outer=0.02, saturation_start=0.02, saturation_end=0.01)
"""No repulsion, true distances: SchNet as the paper has it. No two atoms come that close."""


@dataclass(frozen=True)
class Outcome:
    """Errors on a run's test part, in eV/atom whatever the file's unit, and what it cost.

    mae, rmse : over structures. constant_mae : of the training part's median, for whoever learns nothing.
    epochs, best_epoch : trained, and the one whose weights were kept (from 1).
    structures : training structures times epochs, sources left out: a cost that no other load disturbs.
    seconds, cpu_seconds : of the fit, sources left out; seconds by the clock until the best epoch's end.
    embedding_shift : how far the fit moved the target's rows of the embedding table, in their lengths.
    """

    id: str
    target: str
    treatment: str
    seed: int
    mae: float
    rmse: float
    constant_mae: float
    epochs: int
    best_epoch: int
    n_train: int
    n_validation: int
    n_test: int
    structures: int
    seconds: float
    cpu_seconds: float
    parameters: int
    embedding_shift: float


class Runner:
    """Runs below `folder`, a folder each; finished ones are not repeated, a stopped one goes on.

    callback : told what is going on, as text, at every epoch.
    """

    def __init__(self, library: Library, folder: Path, callback: Callable[[str], object] | None = None) -> None:
        self.library, self.folder = library, folder
        self.tell = callback or (lambda text: None)
        self._identities: dict[Run, str] = {}

    def identity(self, run: Run) -> str:
        """Twelve hex digits of its settings and of the structures of its sets."""
        if run not in self._identities:
            self._identities[run] = run.identity({name: self.library.content(name) for name in run.sets()})
        return self._identities[run]

    def place(self, run: Run) -> Path:
        """The folder of a run."""
        return self.folder / "runs" / self.identity(run)

    def outcome(self, run: Run) -> Outcome | None:
        """What a finished run found; None for any other."""
        path = self.place(run) / "outcome.json"
        return Outcome(**json.loads(path.read_text())) if path.exists() else None

    def curve(self, run: Run) -> list[dict[str, float]]:
        """Losses and errors of every epoch so far, by name."""
        return read_curve(self.place(run) / "curve.csv")

    def run(self, run: Run) -> Outcome:
        """Train the run and, before it, the sources it needs."""
        if found := self.outcome(run):
            return found
        if run.source is not None:
            self.run(run.source)
        place, task = self.place(run), self.library.task(run.target, run.seed, run.joined)
        place.mkdir(parents=True, exist_ok=True)
        (place / "run.json").write_text(json.dumps(run.as_plain(), indent=1))
        potential = self.initial(run, task)
        before = potential.network.embedding.weight.detach().clone()
        labelled = (*task.train, *task.validation)
        spent_path = place / "cpu_seconds"
        spent = float(spent_path.read_text()) if spent_path.exists() else 0.0
        began = time.process_time()

        def epoch(row: dict[str, float]) -> None:
            spent_path.write_text(str(spent + time.process_time() - began))
            self.tell(f"{run.target} seed {run.seed}: epoch {row['epoch'] + 1:.0f} of {run.training.epochs}")

        held = range(len(task.train), len(labelled))
        fit(potential, labelled, place, run.training, progress=False, validation=held, on_epoch=epoch)
        outcome = self._measure(run, task, potential, before)
        write_json(place / "outcome.json", asdict(outcome))
        for name in ("data.db", "last.ckpt", "curve.png"):
            (place / name).unlink(missing_ok=True)
        shutil.rmtree(place / "log", ignore_errors=True)
        return outcome

    def initial(self, run: Run, task: Task) -> Potential:
        """The potential a run begins with, its element energies those of the task."""
        torch.manual_seed(run.seed)
        unknown = dict.fromkeys(element_energies(task.train), 0.0)
        potential = Potential(run.network, unknown, RepulsionSettings() if run.repulsion else BARE)
        if run.start is not None:
            given = storage.load(run.start)
            carry_over(given.leader if isinstance(given, Committee) else given, potential, "weights")
        elif run.source is not None and run.carry is not None:
            carry_over(self.load_potential(run.source), potential, run.carry)
        inherited = run.start is not None or run.carry == "weights"
        known = interaction_energies(potential, task.train) if inherited else None
        shifted = Potential(run.network, element_energies(task.train, known), potential.repulsion.settings)
        shifted.load_state_dict(potential.state_dict())
        return shifted

    def load_potential(self, run: Run) -> Potential:
        """A finished run's potential, with element energies of zero."""
        names = (run.target, *run.joined)
        symbols = {symbol for name in names for symbol in self.library.structures(name).atoms(0).symbols}
        repulsion = RepulsionSettings() if run.repulsion else BARE
        potential = Potential(run.network, dict.fromkeys(sorted(symbols), 0.0), repulsion)
        potential.load_state_dict(load_file(self.place(run) / "best.safetensors"))
        return potential

    def _measure(self, run: Run, task: Task, potential: Potential, before: torch.Tensor) -> Outcome:
        torch.manual_seed(run.seed)  # the untrained attention draws anew at every call
        sizes = np.array([len(item.atoms) for item in task.test])
        labels = np.array([item.label.energy for item in task.test])
        references = np.array([potential.reference(torch.from_numpy(a.atoms.numbers)).sum() for a in task.test])
        error = (interaction_energies(potential, task.test) + references - labels) / sizes * task.ev_per_unit
        middle = np.median([item.label.energy for item in task.train if len(item.atoms) == sizes[0]])
        curve = self.curve(run)
        chosen = min(curve, key=lambda row: row["loss"])
        numbers = np.unique(task.test[0].atoms.numbers)
        after = potential.network.embedding.weight.detach()
        shift = (after - before)[numbers].norm(dim=1) / before[numbers].norm(dim=1)
        return Outcome(
            id=self.identity(run),
            target=run.target,
            treatment=run.treatment,
            seed=run.seed,
            mae=float(np.abs(error).mean()),
            rmse=float(np.sqrt((error**2).mean())),
            constant_mae=float(np.abs((labels - middle) / sizes).mean() * task.ev_per_unit),
            epochs=len(curve),
            best_epoch=int(chosen["epoch"]) + 1,
            n_train=len(task.train),
            n_validation=len(task.validation),
            n_test=len(task.test),
            structures=len(task.train) * len(curve),
            seconds=float(curve[-1]["seconds"]),
            cpu_seconds=float((self.place(run) / "cpu_seconds").read_text()),
            parameters=sum(p.numel() for p in potential.parameters()),
            embedding_shift=float(shift.mean()),
        )


@torch.no_grad()
def interaction_energies(
    potential: Potential, labelled: Sequence[LabelledStructure], batch_size: int = 64
) -> np.ndarray:
    """Interaction energies [n], in the unit it was fitted in, element energies left out."""
    found = []
    for begin in range(0, len(labelled), batch_size):
        items = [item.atoms for item in labelled[begin : begin + batch_size]]
        R = torch.from_numpy(np.concatenate([atoms.positions for atoms in items])).to(potential.dtype)
        Z = torch.from_numpy(np.concatenate([atoms.numbers for atoms in items]))
        pairs = NearPairs([len(atoms) for atoms in items], R, potential.cutoff)
        found.append(pairs.sum_structures(potential.interaction_energies(pairs, Z, R)).double())
    return torch.cat(found).numpy()
