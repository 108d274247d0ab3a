"""`iia train`: fit a potential to label databases."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from iia_calc.cli.options import Device


def register(app: typer.Typer) -> None:
    app.command("train")(train)


def train(
    labels: Annotated[list[Path], typer.Argument(help="Label databases (made by iia label).")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder of the model; OUT-fit beside it holds the fit.")],
    test: Annotated[list[Path] | None, typer.Option(help="Labels of other starts, for the card's errors.")] = None,
    start_from: Annotated[str | None, typer.Option("--from", help="Model to start from (name or folder).")] = None,
    members: Annotated[int, typer.Option(help="Members of the committee.")] = 1,
    attention: Annotated[str, typer.Option(help="smooth, hard, untrained or none.")] = "smooth",
    activation: Annotated[str, typer.Option(help="smu, smu-trainable or ssp (shifted softplus).")] = "smu",
    features: Annotated[int, typer.Option(help="Features per atom.")] = 128,
    interactions: Annotated[int, typer.Option(help="Interaction blocks.")] = 5,
    heads: Annotated[int, typer.Option(help="Attention heads.")] = 4,
    cutoff: Annotated[float, typer.Option(help="Å")] = 5.0,
    angular: Annotated[int, typer.Option(help="Degree to which directions are seen; 0 as in the paper.")] = 0,
    directions: Annotated[
        str, typer.Option(help="What weighs directions: attention (per head) or convolution (per feature).")
    ] = "attention",
    distance_logits: Annotated[bool, typer.Option(help="Attention logits see the distance, too.")] = False,
    epochs: Annotated[int, typer.Option()] = 20,
    batch_size: Annotated[int, typer.Option()] = 20,
    learning_rate: Annotated[float, typer.Option(help="Peak of the one-cycle schedule.")] = 1e-3,
    optimiser: Annotated[str, typer.Option(help="adamw, or muon, which learns more per epoch.")] = "adamw",
    energy_weight: Annotated[float, typer.Option(help="Of the loss in eV/atom.")] = 4.0,
    force_weight: Annotated[float, typer.Option(help="Of the loss in eV/Å.")] = 1.0,
    validation_share: Annotated[float, typer.Option(help="Share of starts that choose the best epoch.")] = 0.05,
    max_minutes: Annotated[float | None, typer.Option(help="Per member; the best epoch so far is kept.")] = None,
    seed: Annotated[int, typer.Option()] = 0,
    workers: Annotated[
        int, typer.Option("--workers", "-j", help="Members fitted at once, each on one thread and without a bar.")
    ] = 1,
    threads: Annotated[int | None, typer.Option(help="CPU threads; by default PyTorch's choice.")] = None,
    device: Device = None,
    leader: Annotated[
        int,
        typer.Option(help="Member, from 0, whose energy is minimised. On a finished fit the command only reorders."),
    ] = 0,
    target_level: Annotated[
        str | None,
        typer.Option(help="Where labels are of several levels of theory: part of the name of the one to be fitted."),
    ] = None,
    notes: Annotated[str, typer.Option(help="Kept in the card.")] = "",
) -> None:
    """Fit a SchNet-IIA to labels with SchNetPack and Lightning, and save it with its card.

    The same command goes on after a stop. The weights kept are those of the epoch with the lowest
    validation loss; validation starts are none of the training ones.

        iia train xtb.db -o models/pretrained --epochs 10

        iia train dft.db -o models/mine --from models/pretrained --test dft-test.db --members 3

        iia train xtb.db dft.db large-basis.db -o models/mine --target-level def2-TZVP
    """
    import torch

    from iia_calc.model.network import NetworkSettings
    from iia_calc.training.build import BuildRequest, build_potential
    from iia_calc.training.evaluate import print_errors
    from iia_calc.training.fit import TrainingSettings

    if threads:
        torch.set_num_threads(threads)
    request = BuildRequest(
        labels=tuple(labels),
        out=out,
        test=tuple(test or ()),
        start_from=start_from,
        members=members,
        network=NetworkSettings(
            n_atom_basis=features,
            n_interactions=interactions,
            n_heads=heads,
            cutoff=cutoff,
            angular=angular,
            directions=directions,
            distance_logits=distance_logits,
            attention=None if attention == "none" else attention,
            activation=activation,
        ),
        training=TrainingSettings(
            epochs=epochs,
            batch_size=batch_size,
            learning_rate=learning_rate,
            optimiser=optimiser,
            energy_weight=energy_weight,
            force_weight=force_weight,
            validation_share=validation_share,
            max_minutes=max_minutes,
            seed=seed,
        ),
        notes=notes,
        leader=leader,
        target_level=target_level,
        workers=workers,
        device=device,
    )
    errors = build_potential(request)
    if errors:
        print_errors(errors, f"{out.name} on held-out structures near minima")
    typer.echo(f"saved {out}")
