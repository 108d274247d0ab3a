"""Limits of the angular invariants: the largest magnitude of each on the labels, beyond which a soft clamp holds it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch

from iia_calc.labels.store import LabelledStructure
from iia_calc.model.network.attention import UNLIMITED, AngularInvariants
from iia_calc.model.potential import Potential
from iia_calc.training.levels import LevelPotential

BENT_FROM = 2 / 3
"""Of the largest magnitude on labels: from there an invariant is bent, so that it ends at the largest (`within`)."""


def lift_limits(potential: Potential) -> None:
    """Remove all limits, for a fit whose labels may go beyond those of the fit before."""
    for angles in _angles(potential):
        angles.limits.fill_(UNLIMITED)


@torch.no_grad()
def measure_limits(
    potential: Potential,
    labelled: Sequence[LabelledStructure],
    levels: Sequence[int] | None = None,
    batch_size: int = 64,
) -> None:
    """Set the limit of each invariant to the largest magnitude it has on these labels.

    The few labels that have more than two thirds of it, where the bend begins, change a little: crowded ones
    (models/README.md says by how much). Does nothing to a network that doesn't see directions.

    levels : of a `LevelPotential`, the number of each label's level.
    """
    lift_limits(potential)
    modules = _angles(potential)
    largest = [torch.zeros_like(angles.limits) for angles in modules]

    def watch(place: int) -> Callable[[AngularInvariants, tuple[torch.Tensor, ...]], None]:
        def see(module: AngularInvariants, given: tuple[torch.Tensor, ...]) -> None:
            torch.maximum(largest[place], module.invariants(given[0]).abs().amax(0), out=largest[place])

        return see

    handles = [angles.register_forward_pre_hook(watch(place)) for place, angles in enumerate(modules)]
    try:
        ordered = sorted(range(len(labelled)), key=lambda k: len(labelled[k].atoms)) if modules else []
        for begin in range(0, len(ordered), batch_size):
            chosen = ordered[begin : begin + batch_size]
            atoms = [labelled[k].atoms for k in chosen]
            sizes = tuple(len(a) for a in atoms)
            pairs = potential.cluster_pairs(sizes)
            Z = torch.from_numpy(np.concatenate([a.numbers for a in atoms])).to(potential.device, torch.int64)
            R = torch.from_numpy(np.concatenate([a.positions for a in atoms])).to(potential.device, potential.dtype)
            if isinstance(potential, LevelPotential):
                own = torch.tensor([0 if levels is None else levels[k] for k in chosen])
                potential.at(own.repeat_interleave(torch.tensor(sizes)).to(potential.device), pairs)
            potential.interaction_energies(pairs, Z, R)
    finally:
        for handle in handles:
            handle.remove()
    for angles, seen in zip(modules, largest, strict=True):
        # an invariant that is zero on all labels keeps a little room: half of nothing can't be divided by
        angles.limits.copy_(BENT_FROM * seen.clamp_min(1e-6))
    potential.train(potential.training)  # forgets what was merged without them


def _angles(potential: Potential) -> list[AngularInvariants]:
    return [module for module in potential.network.modules() if isinstance(module, AngularInvariants)]
