"""The paper's tables and figures as lists of runs. Nothing is computed here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from iia_calc.model.network import NetworkSettings
from iia_calc.reproduce import paper_values as printed
from iia_calc.reproduce.runs import Experiment, Row, Run
from iia_calc.reproduce.sets import TREATMENTS, unknown_treatment
from iia_calc.training.fit import TrainingSettings
from search.errors import InputError

SIZES = range(16, 24)
FORMS = ("smooth", "hard", "untrained")
"""Of the attention: ours, the paper's equation, the authors' script."""


@dataclass(frozen=True)
class Plan:
    """How much is spent, the same on every row of a table.

    epochs, seeds : the paper's are 100 and 3.
    limit : structures of each set at most; None for all.
    quick : a network and a training that only show that all works.
    """

    treatment: str
    epochs: int = printed.EPOCHS
    seeds: int = printed.SEEDS
    limit: int | None = None
    quick: bool = False

    def __post_init__(self) -> None:
        if self.treatment not in TREATMENTS:
            raise InputError(unknown_treatment(self.treatment))
        if self.epochs < 1 or self.seeds < 1:
            raise InputError("--epochs and --seeds must be at least 1")

    @classmethod
    def smoke(cls, treatment: str) -> Plan:
        """A plan that takes minutes and shows that all works, and nothing else."""
        return cls(treatment, epochs=2, seeds=1, limit=30, quick=True)

    @property
    def training(self) -> TrainingSettings:
        """As published: Table 1's rate, constant, squared error. As corrected: settings that converge."""
        if self.treatment == "published":
            return TrainingSettings(
                epochs=self.epochs,
                batch_size=printed.BATCH,
                learning_rate=1e-5,
                weight_decay=0.01,
                energy_weight=1.0,
                force_weight=0.0,
                gradient_clip=1e6,
                schedule="constant",
                loss="squared",
            )
        return TrainingSettings(
            epochs=self.epochs, batch_size=printed.BATCH, learning_rate=1e-3, energy_weight=1.0, force_weight=0.0
        )

    def network(self, attention: str | None = None, activation: str = "ssp", **changes: Any) -> NetworkSettings:
        """Table 1's network; plain SchNet unless told otherwise."""
        small = {"n_atom_basis": 16, "n_interactions": 2, "n_rbf": 12} if self.quick else {}
        return NetworkSettings(**{"attention": attention, "activation": activation, **small, **changes})

    def run(self, target: str, network: NetworkSettings | None = None, **changes: Any) -> Run:
        """One training on the set `target`; plain SchNet unless a network is given."""
        network = network or self.network()
        return Run(target, self.treatment, network, changes.pop("training", self.training), **changes)

    def row(self, key: str, label: str, run: Run, numbers: tuple[float, float] | None = None) -> Row:
        """One row of a table: `run` with each seed; numbers are the printed (MAE, RMSE)."""
        return Row(key, label, tuple(reseed(run, seed) for seed in range(self.seeds)), numbers)


def reseed(run: Run, seed: int) -> Run:
    """The same run, sources included, with another seed."""
    source = reseed(run.source, seed) if run.source else None
    return replace(run, seed=seed, source=source, training=replace(run.training, seed=seed))


def table2(plan: Plan) -> Experiment:
    """Transfer to SeB20 from four sources: the embeddings as in the paper, and all weights."""
    rows = [plan.row("none", "no transfer", plan.run("SeB20"), printed.TABLE_2[None])]
    for source in ("B20", "B21", "SeB19", "SeB19-O"):
        for carry in ("embeddings", "weights"):
            run = plan.run("SeB20", source=plan.run(source), carry=carry)
            numbers = printed.TABLE_2[source] if carry == "embeddings" else None
            rows.append(plan.row(f"{source} {carry}", f"{carry} from {source}", run, numbers))
    return Experiment("table2", "Transfer-learning analysis, target SeB20 (Table 2, Fig. 6)", tuple(rows))


def table3(plan: Plan) -> Experiment:
    """The ablation, the attention in three forms; TL carries embeddings over from SeB19."""
    rows = []
    for name, numbers in printed.TABLE_3.items():
        for form in FORMS if "IIA" in name else (None,):
            network = plan.network(form, "smu" if "SMU" in name else "ssp")
            run = plan.run("SeB20", network)
            if "TL" in name:
                run = replace(run, source=plan.run("SeB19", network), carry="embeddings")
            label = name if form is None else f"{name}, {form} attention"
            rows.append(plan.row(label, label, run, numbers))
    return Experiment("table3", "Ablation on SeB20 (Table 3, Fig. 7)", tuple(rows))


def fig4(plan: Plan) -> Experiment:
    """Plain SchNet on each size."""
    rows = [plan.row(f"SeB{n}", f"SeB{n}", plan.run(f"SeB{n}")) for n in SIZES]
    return Experiment("fig4", "Plain SchNet against size (Fig. 4)", tuple(rows))


def continuous(plan: Plan) -> Experiment:
    """Embeddings handed on from each size to the next, beside training each directly."""
    rows, run = list(fig4(plan).rows), plan.run("SeB16")
    for n in SIZES[1:]:
        run = plan.run(f"SeB{n}", source=run, carry="embeddings")
        rows.append(plan.row(f"chain SeB{n}", f"SeB{n}, embeddings handed on from SeB16", run))
    return Experiment("continuous", "Continuous transfer, SeB16 to SeB23 (Fig. 2)", tuple(rows))


def tables3(plan: Plan) -> Experiment:
    """Other systems, SchNet before and SchNet-IIA after."""
    after = plan.network("smooth", "smu")
    rows = []
    for target in ("Ta2N3-", "Ta2N5-", "AlC21", "AlC22"):
        rows.append(plan.row(f"{target} SchNet", f"{target}, SchNet", plan.run(target)))
        rows.append(plan.row(f"{target} IIA + SMU", f"{target}, IIA + SMU", plan.run(target, after)))
    return Experiment("tableS3", "Other systems (Table S3)", tuple(rows))


PRETRAINED, FITTED = "gfn1-directional", "seb-10"
"""Potentials of ours: of GFN1-xTB labels, and that of PBE0/3-21G labels. `best` starts from their weights."""


def best(plan: Plan) -> Experiment:
    """What this project's network makes of SeB20: it sees directions, and can start from pretrained weights."""
    shape = {"n_interactions": 3} if not plan.quick else {}
    network = plan.network("smooth", "smu", angular=2, directions="convolution", distance_logits=True, **shape)
    scratch = plan.run("SeB20", network, repulsion=True)
    rows = [
        plan.row("SchNet", "plain SchNet", plan.run("SeB20")),
        plan.row("directional", "our network, from nothing", scratch),
    ]
    if not plan.quick:
        tuned = replace(plan.training, learning_rate=5e-4)
        for start, labels in ((PRETRAINED, "GFN1-xTB labels"), (FITTED, "our PBE0/3-21G labels")):
            run = replace(scratch, start=start, training=tuned)
            rows.append(plan.row(start, f"our network, pretrained on {labels}", run))
    return Experiment("best", "The best model on SeB20 (not in the paper)", tuple(rows))


EXPERIMENTS: dict[str, Callable[[Plan], Experiment]] = {
    "table2": table2,
    "table3": table3,
    "fig4": fig4,
    "continuous": continuous,
    "tableS3": tables3,
    "best": best,
}
ALIASES = {
    "fig2": "continuous",
    "fig6": "table2",
    "fig7": "table3",
    "tableS4": "table2",
    "tableS5": "table3",
}
"""Figures and tables that come out of the runs of another."""
