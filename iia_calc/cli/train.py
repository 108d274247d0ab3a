"""`iia train`: fit a potential to label databases."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from iia_calc.cli import options as o
from iia_calc.cli.command import add_command, build, refuse_given, save_settings

if TYPE_CHECKING:
    from iia_calc.training.build import BuildRequest

EXAMPLES = """
iia train xtb.db -o models/pretrained --epochs 10
iia train dft.db -o models/mine --from models/pretrained \\
    --test dft-test.db --members 3
iia train xtb.db dft.db large-basis.db -o models/mine \\
    --target-level def2-TZVP
"""
OF_NETWORK = (
    "kind",
    "attention",
    "activation",
    "features",
    "interactions",
    "heads",
    "rbf",
    "cutoff",
    "angular",
    "directions",
    "distance_logits",
    "softening",
)
OF_FIT = (
    "start_from",
    "members",
    "epochs",
    "batch_size",
    "learning_rate",
    "optimiser",
    "energy_weight",
    "force_weight",
    "validation_share",
    "max_minutes",
    "seed",
    "workers",
    "leader",
    "notes",
)
"""Options of a new network, and of a fit."""


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    add_command(app, "train", train, EXAMPLES)


def train(
    labels: Annotated[list[Path], typer.Argument(help="Label databases (made by iia label).")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder of the model; OUT-fit beside it holds the fit.")],
    test: Annotated[list[Path] | None, typer.Option(help="Labels of other starts, for the card's errors.")] = None,
    test_batch: Annotated[
        list[str] | None, typer.Option(help="Of TEST: labels of this batch alone; may be given often.")
    ] = None,
    start_from: Annotated[str | None, typer.Option("--from", help="Model to start from (name or folder).")] = None,
    members: Annotated[int, typer.Option(help="Members of the committee.")] = 1,
    kind: Annotated[str, typer.Option(help="schnet, the paper's network, or vectors with directions.")] = "schnet",
    attention: Annotated[str, typer.Option(help="smooth, hard, untrained or none.")] = "smooth",
    activation: Annotated[str, typer.Option(help="smu, smu-trainable or ssp (shifted softplus).")] = "smu",
    features: Annotated[int, typer.Option(help="Features per atom.")] = 128,
    interactions: Annotated[int, typer.Option(help="Interaction blocks.")] = 5,
    heads: Annotated[int, typer.Option(help="Attention heads.")] = 4,
    rbf: Annotated[int, typer.Option(help="Functions of the radial basis.")] = 40,
    cutoff: Annotated[float, typer.Option(help="Å")] = 5.0,
    angular: Annotated[int, typer.Option(help="Degree to which directions are seen; 0 as in the paper.")] = 0,
    directions: Annotated[str, typer.Option(help="Weighed by attention, or by convolution.")] = "attention",
    distance_logits: Annotated[bool, typer.Option(help="Attention logits see the distance, too.")] = False,
    softening: Annotated[float, typer.Option(help="Of vectors: a length is √(v² + this).")] = 0.01,
    epochs: Annotated[int, typer.Option(help="Passes over the labels.")] = 20,
    batch_size: Annotated[int, typer.Option(help="Structures in a step.")] = 20,
    learning_rate: Annotated[float, typer.Option(help="Peak of the one-cycle schedule.")] = 1e-3,
    optimiser: Annotated[str, typer.Option(help="adamw, or muon, which learns more per epoch.")] = "adamw",
    energy_weight: Annotated[float, typer.Option(help="Of the loss in eV/atom.")] = 4.0,
    force_weight: Annotated[float, typer.Option(help="Of the loss in eV/Å.")] = 1.0,
    validation_share: Annotated[float, typer.Option(help="Share of starts that choose the best epoch.")] = 0.05,
    max_minutes: Annotated[float | None, typer.Option(help="Per member; the best epoch so far is kept.")] = None,
    seed: o.Seed = 0,
    workers: Annotated[int, typer.Option("--workers", "-j", help="Members fitted at once, each on one thread.")] = 1,
    threads: Annotated[int | None, typer.Option(help="CPU threads. [default: PyTorch's choice]")] = None,
    device: o.Device = None,
    leader: Annotated[int, typer.Option(help="Member, from 0, whose energy is minimised; can be changed later.")] = 0,
    target_level: Annotated[
        str | None, typer.Option(help="With labels of several levels: part of the name of the one to be fitted.")
    ] = None,
    recalibrate: Annotated[
        bool, typer.Option("--recalibrate", help="Fit nothing: measure anew what the expected errors of OUT are worth.")
    ] = False,
    notes: Annotated[str, typer.Option(help="Kept in the card.")] = "",
) -> None:
    """Fit a SchNet-IIA to labels with SchNetPack and Lightning, and save it with its card.

    The same command goes on after a stop. The weights kept are those of the epoch with the lowest validation loss;
    validation starts are none of the training ones.
    """
    options = locals()
    from iia_calc.cli.views.console import output
    from iia_calc.cli.views.errors import error_table, errors_in_words
    from iia_calc.training.build import build_potential

    request = _request(options)
    errors = build_potential(request)
    if not recalibrate:
        save_settings(out)
    if errors:
        output().print(error_table(errors, f"{out.name} on held-out structures near minima"))
    output().print(f"saved {out}: {errors_in_words(errors)}")


def _check_options(options: Mapping[str, Any]) -> None:
    """InputError for options that don't apply to what is fitted."""
    if options["recalibrate"]:
        refuse_given("of a fit, and --recalibrate fits nothing", *OF_NETWORK, *OF_FIT)
    if options["start_from"] is not None:
        refuse_given("of a new network; that of --from goes on as it is", *OF_NETWORK)
    if options["kind"] == "vectors":
        refuse_given("of schnet; vectors have neither", "directions", "distance_logits")
    else:
        refuse_given("of vectors; add --kind vectors", "softening")
        if options["attention"] == "none":
            refuse_given("of an attention, and there is none", "heads")
    if not options["angular"]:
        refuse_given("of directions, and none are seen; add --angular 1 or more", "directions")


def _request(options: Mapping[str, Any]) -> BuildRequest:
    """From the options; InputError where they make no sense."""
    import torch

    from iia_calc.model.network import NetworkSettings
    from iia_calc.training.build import BuildRequest
    from iia_calc.training.fit import TrainingSettings

    _check_options(options)
    if options["threads"]:
        torch.set_num_threads(options["threads"])
    network = build(
        NetworkSettings,
        options,
        n_atom_basis=options["features"],
        n_interactions=options["interactions"],
        n_heads=options["heads"],
        n_rbf=options["rbf"],
        attention=None if options["attention"] == "none" else options["attention"],
    )
    return build(
        BuildRequest,
        options,
        labels=tuple(options["labels"]),
        test=tuple(options["test"] or ()),
        test_batch=tuple(options["test_batch"] or ()),
        network=network,
        training=build(TrainingSettings, options),
    )
