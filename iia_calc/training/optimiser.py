"""AdamW whose weight matrices move along orthogonalised momentum.

Muon (K. Jordan, 2024; the scale of Liu et al., arXiv:2502.16982): the momentum of a matrix, with all its singular
values made about one, is the step. Everything that is no matrix (biases, the embedding, the last layer) is left to
AdamW. What that costs and earns: benchmarks/ablation.py
--optimiser adamw muon.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import nn

NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)
"""Jordan's polynomial: five turns bring every singular value from (0, 1] to about one."""


class MuonAdamW(torch.optim.AdamW):
    """Muon for matrices, AdamW for the rest; checkpoints as any torch optimiser.

    Parameters
    ----------
    named_parameters : of the whole model.
    lr, weight_decay : of AdamW.
    matrix_ratio : a matrix's learning rate is so many times `lr`; a step's root mean square is 0.2 learning rates,
        as AdamW's is about.
    """

    def __init__(
        self,
        named_parameters: Iterable[tuple[str, nn.Parameter]],
        lr: float,
        weight_decay: float,
        matrix_ratio: float = 4.0,
        momentum: float = 0.95,
    ) -> None:
        matrices: list[nn.Parameter] = []
        others: list[nn.Parameter] = []
        for name, parameter in named_parameters:
            (matrices if is_matrix(name, parameter) else others).append(parameter)
        groups = [{"params": others, "muon": False}]
        if matrices:
            groups.append({"params": matrices, "muon": True, "lr": matrix_ratio * lr})
        super().__init__(groups, lr=lr, weight_decay=weight_decay)
        self.momentum = momentum

    @property
    def peaks(self) -> list[float]:
        """Learning rate of each group, for a schedule that rises to it."""
        return [group["lr"] for group in self.param_groups]

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """One step: Muon for weight matrices, AdamW for the rest."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            if group["muon"]:
                self._move_matrices(group)
        super().step()  # of what still has a gradient
        return loss

    def _move_matrices(self, group: dict[str, Any]) -> None:
        moved = [parameter for parameter in group["params"] if parameter.grad is not None]
        if not moved:
            return
        gradients = [parameter.grad for parameter in moved]
        for parameter in moved:
            parameter.grad, state = None, self.state[parameter]
            if "momentum" not in state:
                state["step"] = torch.zeros(())  # which AdamW looks for in a checkpoint
                state["momentum"] = torch.zeros_like(parameter)
        momenta = [self.state[parameter]["momentum"] for parameter in moved]
        torch._foreach_lerp_(momenta, gradients, 1 - self.momentum)
        ahead = torch._foreach_lerp(gradients, momenta, self.momentum)  # Nesterov's
        torch._foreach_mul_(moved, 1 - group["lr"] * group["weight_decay"])
        places: dict[torch.Size, list[int]] = defaultdict(list)
        for place, parameter in enumerate(moved):
            places[parameter.shape[-2:]].append(place)
        for shape, alike in places.items():
            stacks = [ahead[k].view(-1, *shape) for k in alike]
            turned = orthogonalise(torch.cat(stacks)).split([len(stack) for stack in stacks])
            steps = [step.view_as(moved[k]) for k, step in zip(alike, turned, strict=True)]
            torch._foreach_add_([moved[k] for k in alike], steps, alpha=-0.2 * group["lr"] * max(shape) ** 0.5)


def is_matrix(name: str, parameter: torch.Tensor) -> bool:
    """Whether a parameter [n, m], or a stack [..., n, m] of them, maps features to features."""
    return (
        parameter.ndim >= 2
        and min(parameter.shape[-2:]) >= 16
        and not any(part in name for part in ("embedding", "head"))
    )


def orthogonalise(matrices: torch.Tensor, turns: int = 5) -> torch.Tensor:
    """[k, n, m] with singular values of about one (0.7 to 1.2), the singular vectors kept."""
    a, b, c = NEWTON_SCHULZ
    tall = matrices.shape[1] > matrices.shape[2]
    x = matrices.mT if tall else matrices
    x = x / x.norm(dim=(1, 2), keepdim=True).clamp_min(1e-12)
    if x.is_cuda:  # half the time there; CPUs without instructions for it need twenty times as long
        x = x.bfloat16()
    for _ in range(turns):
        square = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(square, square, square, beta=b, alpha=c), x, beta=a)
    return (x.mT if tall else x).to(matrices.dtype)
