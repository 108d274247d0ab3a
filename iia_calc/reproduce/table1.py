"""Table 1: the search for hyperparameters, with Optuna; hopeless trials are pruned.

The paper names a grid and marks a choice in bold, but not how it was searched. "grid" tries the bold column with
one value changed at a time, which is 28 trials of its 22,500; "tpe" lets Optuna's sampler choose among the
paper's values. As corrected the learning rates are others: with the paper's nothing converges.
"""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from iia_calc.model.potential import Potential
from iia_calc.reproduce.experiments import Plan
from iia_calc.reproduce.paper_values import TABLE_1
from iia_calc.reproduce.runner import BARE
from iia_calc.reproduce.sets import Library, element_energies
from iia_calc.training.fit import fit
from search.errors import InputError, MissingPackage

if TYPE_CHECKING:
    import optuna

METHODS = ("grid", "tpe")
CORRECTED_RATES = (1e-3, 3e-3, 3e-4, 1e-4)
"""Learning rates tried as corrected; the first is this project's."""


def search(
    library: Library, plan: Plan, folder: Path, trials: int, method: str, show: Callable[[int, int, str], object]
) -> optuna.Study:
    """Search on SeB20, by the validation MAE of each trial's best epoch. The same call goes on after a stop.

    trials : in all; those finished or pruned before are not repeated.

    Raises
    ------
    ImportError : Optuna isn't there. ValueError : an unknown method.
    """
    if method not in METHODS:
        raise InputError(f"the search method is {method!r}; choose {' or '.join(METHODS)}")
    try:
        import optuna
    except ImportError as error:
        raise MissingPackage("Table 1 needs Optuna: pip install '.[paper]' in the folder of SchNet-IIA") from error
    name = f"table1-{plan.treatment}-{plan.epochs}-{library.limit}-{method}"
    study = _study(name, plan, folder, method)
    values = choices(plan)
    if method == "grid":
        trials = min(trials, len(one_at_a_time(values)))
    task = library.task("SeB20", 0)
    done = (optuna.trial.TrialState.COMPLETE, optuna.trial.TrialState.PRUNED)

    def objective(trial: optuna.Trial) -> float:
        point = {name: trial.suggest_categorical(name, options) for name, options in values.items()}
        finished = len(study.get_trials(states=done))
        training = replace(plan.training, learning_rate=point["learning_rate"])
        shape = {name: value for name, value in point.items() if name != "learning_rate"}
        potential = Potential(plan.network(**shape), element_energies(task.train), BARE)
        losses: list[float] = []

        def epoch(row: dict[str, float]) -> bool:
            losses.append(row["energy"] * task.ev_per_unit)
            show(finished, trials, f"trial {trial.number}: epoch {row['epoch'] + 1:.0f}, {losses[-1]:.3f} eV/atom")
            trial.report(min(losses), len(losses))
            return trial.should_prune()

        place = folder / "trials" / name / str(trial.number)
        held = range(len(task.train), len(task.train) + len(task.validation))
        labelled = (*task.train, *task.validation)
        fit(potential, labelled, place, training, progress=False, validation=held, on_epoch=epoch)
        if len(losses) < plan.epochs:
            raise optuna.TrialPruned
        return min(losses)

    while (left := trials - len(study.get_trials(states=done))) > 0:
        study.optimize(objective, n_trials=min(left, 1))
        write(study, plan, folder, len(task.train))
    show(trials, trials, "done")
    return study


def _study(name: str, plan: Plan, folder: Path, method: str) -> optuna.Study:
    """The search so far, or a new one with the trials it begins with."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    folder.mkdir(parents=True, exist_ok=True)
    study = optuna.create_study(
        study_name=name,
        storage=f"sqlite:///{folder / 'table1.db'}",
        load_if_exists=True,
        sampler=optuna.samplers.TPESampler(seed=0),
        pruner=optuna.pruners.MedianPruner(5, max(1, plan.epochs // 4)),
    )
    if not study.trials:
        values = choices(plan)
        for point in one_at_a_time(values) if method == "grid" else [bold(values)]:
            study.enqueue_trial(point)
    return study


def choices(plan: Plan) -> dict[str, tuple[Any, ...]]:
    """What is tried of each hyperparameter, the bold value first."""
    values: dict[str, tuple[Any, ...]] = dict(TABLE_1)
    if plan.treatment == "corrected":
        values["learning_rate"] = CORRECTED_RATES
    if plan.quick:
        values |= {"n_atom_basis": (16, 8), "n_interactions": (2, 1), "n_rbf": (12, 8), "n_embedding": (40, 60)}
    return values


def bold(values: dict[str, tuple[Any, ...]]) -> dict[str, Any]:
    """The column in bold of Table 1: the first value of each hyperparameter."""
    return {name: options[0] for name, options in values.items()}


def one_at_a_time(values: dict[str, tuple[Any, ...]]) -> list[dict[str, Any]]:
    """The bold column, and it with each other value in turn."""
    changed = [bold(values) | {name: value} for name, options in values.items() for value in options[1:]]
    return [bold(values), *changed]


def write(study: optuna.Study, plan: Plan, folder: Path, n_train: int) -> Path:
    """table1-TREATMENT.csv, best trial first, pruned ones with the epochs they had, all of `n_train` structures."""
    names, rows = list(TABLE_1), []
    for trial in study.trials:
        if trial.state.is_finished() and trial.intermediate_values:
            best = min(trial.intermediate_values.values())
            rows.append(
                {
                    "validation_mae_eV_per_atom": f"{best:.5f}",
                    "epochs": len(trial.intermediate_values),
                    "trained_on": n_train,
                    "state": trial.state.name.lower(),
                    "trial": trial.number,
                    "bold": all(trial.params[name] == value for name, value in bold(choices(plan)).items()),
                    **{name: trial.params[name] for name in names},
                }
            )
    rows.sort(key=lambda row: (row["state"] != "complete", float(row["validation_mae_eV_per_atom"])))
    path = folder / f"table1-{plan.treatment}.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        columns = ["trial", "state", "validation_mae_eV_per_atom", "epochs", "trained_on", "bold", *names]
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    return path
