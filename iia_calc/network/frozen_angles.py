"""`AngularInvariants` of a finished network, and its gradient written out. C = L (L + 2) harmonics."""

from __future__ import annotations

import torch

from iia_calc.network.merged import Block


def _degrees(degree: int):
    """Of each degree l: its number from 0, its channels among 1 + C and among C."""
    start = 0
    for number in range(degree):
        stop = start + 2 * number + 3
        yield number, slice(1 + start, 1 + stop), slice(start, stop)
        start = stop


def invariants(block: Block, V: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """V [1 + C, A, F], plain attention first -> s [A, L F] and what the way back needs: V mixed [C, A, F]."""
    _, a, features = V.shape
    mixed = torch.empty_like(V[1:])
    for number, place, mine in _degrees(block.degree):
        torch.mm(V[place].view(-1, features), block.mix[number], out=mixed[mine].view(-1, features))
    products = V[1:] * mixed
    s = V.new_empty(a, block.degree, features)
    for number, _, mine in _degrees(block.degree):
        torch.sum(products[mine], 0, out=s[:, number])
    return s.view(a, -1), mixed


def invariants_back(
    block: Block, gs: torch.Tensor, gv: torch.Tensor, V: torch.Tensor, mixed: torch.Tensor
) -> torch.Tensor:
    """gs = dE/ds [A, L F], gv = dE/dV of the plain attention [A, F] -> dE/dV [1 + C, A, F]."""
    _, a, features = V.shape
    gs = gs.view(a, -1, features)
    gV = torch.empty_like(V)
    gV[0] = gv
    for number, place, mine in _degrees(block.degree):
        g = gs[:, number]  # [A, F]
        torch.mul(mixed[mine], g, out=gV[place])
        through = torch.mul(V[place], g).view(-1, features)
        gV[place].view(-1, features).addmm_(through, block.mix[number].T)
    return gV
