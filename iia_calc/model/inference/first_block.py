"""The first block's sums over neighbours, where what an atom gives depends on its element alone.

    sums[i, c, f] = Σ_e X[e, f] u[i, c, e, h(f)],  u[i, c, e, h] = Σ_j w[h, i, j] Y[c, i, j] of the j of element e

h(f) is the head of feature f. The sums u are small products for each atom, and no array of heads, harmonics and slots
is ever made: a third of the time of the other blocks' sums. What mixes the sums is merged with X, which has a quarter
of the rows.

Letters as in `vectors`; E elements, W features of a degree.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from iia_calc.model.inference.saturated import scale_of


def handed_out(values: torch.Tensor, heads: int, widths: Sequence[int]) -> torch.Tensor:
    """X of all degrees [E H, sum of widths], 0 where a feature isn't of the head, of values [E, sum of widths]."""
    parts = []
    for part in values.split(list(widths), 1):
        by_head = part.view(len(part), heads, -1).transpose(1, 2)  # [E, D, H]
        # [E, D, H, H] with what is of the head alone -> [E H, H D]
        parts.append(torch.diag_embed(by_head).permute(0, 2, 3, 1).reshape(len(part) * heads, -1))
    return torch.cat(parts, 1)


class FirstSums:
    """The sums and their mixing, and the way back.

    Parameters
    ----------
    Y : [B, 1 + C, N, N] the harmonics, the first of degree 0.
    weights : [q, H B, N, N], of each degree from 0.
    given : X of all degrees side by side, `handed_out`, then X of each degree from 1 times what mixes it.
    members : [B, E, N] 1 where an atom is of an element.
    widths : W of each degree from 0. mixed_widths : columns of what mixes each degree from 1.
    """

    def __init__(
        self,
        Y: torch.Tensor,
        weights: torch.Tensor,
        given: torch.Tensor,
        members: torch.Tensor,
        widths: Sequence[int],
        mixed_widths: Sequence[int],
    ) -> None:
        b, channels, n, _ = Y.shape
        self.members, self.n_elements = members, members.shape[1]
        parts = given.split([*widths, *mixed_widths], 1)  # [E H, columns] each
        self.X, self.mixing = parts[: len(widths)], parts[len(widths) :]
        self.u: list[torch.Tensor] = []  # [A C, E H] of each degree from 0
        self.kept: list[tuple[torch.Tensor, torch.Tensor, torch.Tensor]] = []  # of each degree from 1
        self.weights = weights.view(len(weights), -1, b * n, n).transpose(1, 2)  # [q, A, H, N]
        self.counts = [2 * k + 1 for k in range(len(self.X))]
        by_element = Y.new_empty(b, n, channels, self.n_elements, n)
        torch.mul(Y.transpose(1, 2)[:, :, :, None], members[:, None, None], out=by_element)
        rows = [count * self.n_elements for count in self.counts]
        self.Y = by_element.view(b * n, -1, n).split(rows, 1)  # [A, C E, N] each

    def sums(self) -> list[torch.Tensor]:
        """[A, C, W] of each degree from 0."""
        found = []
        for k, X in enumerate(self.X):
            u = torch.bmm(self.Y[k], self.weights[k].transpose(1, 2))  # [A, C E, H]
            self.u.append(u.view(-1, len(X)))
            found.append(torch.mm(self.u[k], X).view(len(u), -1, X.shape[1]))
        return found

    def mix(self, V: Sequence[torch.Tensor]) -> list[torch.Tensor]:
        """The sums [A, C, W] of each degree from 1, saturated and mixed: [A, C, columns]."""
        for v, u, mixing in zip(V, self.u[1:], self.mixing, strict=True):
            scale = scale_of(v)  # [A, 1]
            mixed = torch.mm((u.view(len(v), -1) * scale).view(u.shape), mixing)
            self.kept.append((v, scale, mixed))
        return [mixed.view(*v.shape[:2], -1) for v, _, mixed in self.kept]

    def back_from_mixed(self, k: int, g: torch.Tensor, plus: torch.Tensor | None) -> torch.Tensor:
        """Gradient by u [A C, E H] of degree k + 1, from that by `mix`; `plus` [A, C, W] is that by the sums."""
        v, scale, mixed = self.kept[k]
        X, g = self.X[k + 1], g.view(mixed.shape)
        along = (g * mixed).view(len(v), -1).sum(1, keepdim=True).mul_(scale).mul_(scale)  # [A, 1]
        share, flat = -1 / v.shape[2], v.view(len(v), -1)
        if plus is None:
            by_sum = (flat * along).mul_(share)
        else:
            by_sum = torch.addcmul(plus.view(flat.shape), flat, along, value=share)
        by_u = torch.mm(by_sum.view(-1, X.shape[1]), X.T)
        by_u.view(len(v), -1).addcmul_(torch.mm(g, self.mixing[k].T).view(len(v), -1), scale)
        return by_u

    def back(
        self,
        gs: torch.Tensor,
        by_u: Sequence[torch.Tensor],
        g_weights: torch.Tensor,
        g_channels: Sequence[torch.Tensor],
    ) -> None:
        """From gradients gs [A, W] by the sums of degree 0 and those by u of the others.

        Writes g_weights [q, H B, N, N], adds to g_channels [B, C, N, N].
        """
        b, _, n = self.members.shape
        g_w = g_weights.view(len(g_weights), -1, b * n, n)  # [q, H, A, N]
        for k, g in enumerate((torch.mm(gs, self.X[0].T), *by_u)):
            rows = self.counts[k] * self.n_elements
            g_u = g.view(b * n, rows, -1)  # [A, C E, H]
            g_w[k].copy_(torch.bmm(g_u.transpose(1, 2), self.Y[k]).transpose(0, 1))
            if k > 0:  # that of degree 0 is a constant
                g_Y = torch.bmm(g_u, self.weights[k]).view(b, n, self.counts[k], self.n_elements, n)
                g_Y = g_Y.mul_(self.members[:, None, None]).sum(3)  # [B, N, C, N]
                g_channels[k - 1].add_(g_Y.transpose(1, 2))
