"""The running average of a model's weights, which is better than the weights it is made of."""

from __future__ import annotations

import copy

import torch
from torch import nn


class WeightAverage[Model: nn.Module](nn.Module):
    """An exponential average of the parameters of `model`, as a copy of it.

    decay : weight of what was before in each step; less in the first steps, (1 + t) / (10 + t) of step t, so that the
        average of a short fit forgets where it began.

    Buffers are copied. The number of steps is part of the state, so a fit that goes on averages on.
    """

    model: Model

    def __init__(self, model: Model, decay: float):
        super().__init__()
        self.model = copy.deepcopy(model)
        self.model.requires_grad_(False)
        self.decay, self.steps = decay, 0

    @torch.no_grad()
    def update(self, model: nn.Module) -> None:
        """Move the average towards the model's weights after a step."""
        self.steps += 1
        decay = min(self.decay, (1 + self.steps) / (10 + self.steps))
        torch._foreach_lerp_(list(self.model.parameters()), list(model.parameters()), 1 - decay)
        for mine, theirs in zip(self.model.buffers(), model.buffers(), strict=True):
            mine.copy_(theirs)

    def get_extra_state(self) -> int:
        """Steps so far, for the checkpoint."""
        return self.steps

    def set_extra_state(self, state: int) -> None:
        """Go on from a checkpoint's number of steps."""
        self.steps = state
