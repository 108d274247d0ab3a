"""`AngularInvariants` of a finished network, and its gradient written out. C = L (L + 2) harmonics."""

from __future__ import annotations

import torch

from iia_calc.model.inference.weights import Block
from iia_calc.model.network.attention import within


def invariants(block: Block, V: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor | None]:
    """V [C, A, F] -> s [A, L F], and what the way back needs: V mixed [C, A, F], and the bend of `within` or None."""
    _, a, features = V.shape
    rows = [a * n for n in block.channels]
    mixed = torch.empty_like(V)
    for part, mix, out in zip(_rows(V, rows), block.mix, _rows(mixed, rows), strict=True):
        torch.mm(part, mix, out=out)
    s = V.new_empty(a, block.degree, features)
    products = (V * mixed).split(block.channels)
    for part, out in zip(products, s.unbind(1), strict=True):
        torch.sum(part, 0, out=out)
    if block.limits is None:
        return s.view(a, -1), mixed, None
    limited, bend = within(s.view(a, -1), block.limits)
    return limited, mixed, bend


def invariants_back(
    block: Block, gs: torch.Tensor, gv: torch.Tensor, V: torch.Tensor, mixed: torch.Tensor, bend: torch.Tensor | None
) -> torch.Tensor:
    """gs = dE/ds [A, L F], gv = dE/dv of the plain attention [A, F] -> both as [1 + C, A, F]."""
    c, a, features = V.shape
    if bend is not None:
        gs = torch.addcmul(gs, gs * bend, bend, value=-1.0)
    rows = [a * n for n in block.channels]
    # gs of its own degree beside every harmonic
    g = torch.cat(
        [
            part.expand(n, a, features)
            for part, n in zip(gs.view(a, -1, features).unbind(1), block.channels, strict=True)
        ]
    )
    gV = V.new_empty(c + 1, a, features)
    first, others = gV.split([1, c])
    first.copy_(gv)
    torch.mul(mixed, g, out=others)
    for out, part, mix in zip(_rows(others, rows), _rows(g.mul_(V), rows), block.mix_t, strict=True):
        out.addmm_(part, mix)
    return gV


def convolve(
    w: torch.Tensor, y: torch.Tensor, around: torch.Tensor | None
) -> tuple[torch.Tensor, torch.Tensor | None, torch.Tensor | None]:
    """Sums over neighbours of filters w [B, N, N, Ff] times features y [B, N, Ff].

    around [A, 1 + C, N] : 1 and the harmonics of each atom's neighbours; None without directions.
    Returns the plain sums [A, Ff], those with each harmonic [C, A, Ff], and the terms [A, N, Ff] (or None).
    """
    terms = (w * y.unsqueeze(1)).flatten(0, 1)
    if around is None:
        return terms.sum(1), None, None
    sums = torch.bmm(around, terms).transpose(0, 1).contiguous()  # [1 + C, A, Ff]
    return sums[0], sums[1:], terms


def convolve_back(g: torch.Tensor, around: torch.Tensor, terms: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """g [1 + C, A, Ff] by the sums -> gradients by the terms [A, N, Ff] and by `around` [A, 1 + C, N]."""
    g = g.transpose(0, 1).contiguous()  # [A, 1 + C, Ff]
    return torch.bmm(around.transpose(1, 2), g), torch.bmm(g, terms.transpose(1, 2))


def _rows(values: torch.Tensor, rows: list[int]) -> tuple[torch.Tensor, ...]:
    """[C, A, F] -> [(2 l + 1) A, F] of each degree l."""
    parts: tuple[torch.Tensor, ...] = values.view(-1, values.shape[-1]).split(rows)
    return parts
