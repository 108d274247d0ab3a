"""What a GPU would compute in hundreds of small steps, as one kernel each: how `kernels` are called.

Every function equals the plain PyTorch code beside which it stands (`Saturated`, `Bend`, `PlainSteps`, `DistanceTable`,
`Repulsion.with_slopes`); tests hold it to that in Triton's interpreter.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import triton

from iia_calc.model.inference import kernels


def saturate(x: torch.Tensor, share: float) -> tuple[torch.Tensor, torch.Tensor]:
    """x [A, ...] -> x / sqrt(1 + share Σ x²), of the sum over each atom's numbers, and that factor [A]."""
    x = x.contiguous()
    value, scale, width = torch.empty_like(x), x.new_empty(len(x)), x[0].numel()
    kernels.saturate[(len(x),)](
        x, value, scale, share, width, BLOCK=triton.next_power_of_2(width), num_warps=_warps(width)
    )
    return value, scale


def saturate_back(
    g: torch.Tensor, value: torch.Tensor, scale: torch.Tensor, share: float, plus: torch.Tensor | None
) -> torch.Tensor:
    """Gradient by x of `saturate`, from that by its result [A, ...]; `plus` is added."""
    if not g[0].is_contiguous():
        g = g.contiguous()
    plus = None if plus is None else plus.contiguous()
    out, width = torch.empty_like(value), value[0].numel()
    kernels.saturate_back[(len(value),)](
        g,
        value,
        scale,
        out if plus is None else plus,
        out,
        share,
        width,
        g.stride(0),
        ADD=plus is not None,
        BLOCK=triton.next_power_of_2(width),
        num_warps=_warps(width),
    )
    return out


def bend(z: torch.Tensor, tilt: float) -> torch.Tensor:
    """z (erf z + tilt)."""
    z = z.contiguous()
    out = torch.empty_like(z)
    kernels.bend[(triton.cdiv(z.numel(), 1024),)](z, out, z.numel(), tilt, BLOCK=1024)
    return out


def bend_slope(g: torch.Tensor, z: torch.Tensor, tilt: float) -> torch.Tensor:
    """Gradient by z of `bend`, from that by its result."""
    g, z = g.contiguous(), z.contiguous()
    out = torch.empty_like(z)
    kernels.bend_slope[(triton.cdiv(z.numel(), 1024),)](g, z, out, z.numel(), tilt, BLOCK=1024)
    return out


def table(rows: torch.Tensor, distances: torch.Tensor, start: float, spacing: float, pieces: int) -> torch.Tensor:
    """Values [C, S] at distances [S] Å; rows [3 (pieces + 1), C] as `DistanceTable` keeps them."""
    slots, columns = distances.numel(), rows.shape[1]
    out = rows.new_empty(columns, slots)
    grid = (triton.cdiv(slots, 64), triton.cdiv(columns, 16))
    kernels.table[grid](
        rows, distances, out, slots, columns, start, 1.0 / spacing, float(pieces), BLOCK_S=64, BLOCK_C=16
    )
    return out


def table_back(
    rows: torch.Tensor, distances: torch.Tensor, g: torch.Tensor, start: float, spacing: float, pieces: int
) -> torch.Tensor:
    """[S]: the sum over columns of g [C, S] times the values' derivatives by the distance."""
    slots, columns = distances.numel(), rows.shape[1]
    out = rows.new_empty(slots)
    kernels.table_back[(triton.cdiv(slots, 64),)](
        rows, distances, g, out, slots, columns, start, 1.0 / spacing, float(pieces), BLOCK_S=64, BLOCK_C=16
    )
    return out


def meet(
    R: torch.Tensor, far: torch.Tensor, others: torch.Tensor, constants: tuple[torch.Tensor, ...]
) -> tuple[torch.Tensor, ...]:
    """Of padded positions R [A, 3] Å, what `Met` holds; far [B, N, N] and others [A, N] as `ClusterPairs` has them."""
    R = R.contiguous()
    b, n, _ = far.shape
    directions, outs = R.new_empty(b, 3, n, n), [torch.empty_like(far) for _ in range(5)]
    count = far.numel()
    kernels.meet[(triton.cdiv(count, 256),)](R, far, others, *constants[:8], directions, *outs, count, n, BLOCK=256)
    return directions, *outs


def meet_back(
    g: torch.Tensor,
    directions: torch.Tensor,
    inverse: torch.Tensor,
    slope: torch.Tensor,
    g_seen: torch.Tensor,
    seen_slope: torch.Tensor,
    whole: bool,
) -> torch.Tensor:
    """dE/d(r_j - r_i) [B, 3, N, N]; g by the directions counts where `whole`, the others are [B, N, N]."""
    out, count = torch.empty_like(directions), slope.numel()
    kernels.meet_back[(triton.cdiv(count, 256),)](
        g.contiguous(),
        directions,
        inverse,
        slope,
        g_seen.contiguous(),
        seen_slope,
        out,
        count,
        directions.shape[2] * directions.shape[3],
        WHOLE=whole,
        BLOCK=256,
    )
    return out


def dots(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """Σ over C of a times b, [A, C, W] each, parts of wider arrays: [A, W]."""
    rows, c, width = a.shape
    out = a.new_empty(rows, width)
    kernels.dots[(rows,)](
        a,
        b,
        out,
        width,
        a.stride(0),
        a.stride(1),
        b.stride(0),
        b.stride(1),
        C=c,
        BLOCK=triton.next_power_of_2(width),
        num_warps=1,
    )
    return out


def lengths(x: torch.Tensor, softening: float) -> torch.Tensor:
    """Of x [A, C, W], a part of a wider array: sqrt(Σ over C of x² + softening) [A, W]."""
    a, c, width = x.shape
    out = x.new_empty(a, width)
    block = triton.next_power_of_2(width)
    kernels.lengths[(a,)](x, out, softening, width, x.stride(0), x.stride(1), C=c, BLOCK=block, num_warps=1)
    return out


def with_lengths(
    s: torch.Tensor, vectors: Sequence[torch.Tensor], softening: float
) -> tuple[torch.Tensor, list[torch.Tensor]]:
    """s [A, F] and beside it the `lengths` [A, W] of each of the vectors, and these by themselves."""
    found = [lengths(x, softening) for x in vectors]
    return torch.cat([s, *found], 1), found


def narrow(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """a times b, as `Steps.narrow`; a GPU has no wish."""
    return torch.bmm(a, b)


def mix_back(
    parts: tuple[torch.Tensor, ...],
    found: torch.Tensor,
    g_found: torch.Tensor,
    gated: tuple[torch.Tensor, torch.Tensor] | None,
    product: torch.Tensor | None,
) -> torch.Tensor:
    """Gradient [A, C, W or 2 W] by both parts of what was mixed, side by side.

    parts : [A, C, W] each, one or two, of one array. found, g_found : lengths [A, W] of the first and their gradient.
    gated : gradient [A, C, W] by the vectors, and the gates [A, W] by which the second part was added to them.
    product : gradient [A, W] by the scalar product of both parts.
    """
    first = parts[0]
    a, c, width = first.shape
    out = first.new_empty(a, c, width * len(parts))
    gV, gates = (first, g_found) if gated is None else (gated[0].contiguous(), gated[1])
    kernels.mix_back[(a,)](
        first,
        parts[-1],
        found,
        g_found,
        gV,
        gates,
        found if product is None else product,
        out,
        width,
        first.stride(0),
        first.stride(1),
        g_found.stride(0),
        gates.stride(0),
        C=c,
        PARTS=len(parts),
        GATED=gated is not None,
        PRODUCT=product is not None,
        BLOCK=triton.next_power_of_2(width),
        num_warps=1,
    )
    return out


def directions_back(
    g: torch.Tensor, Y: torch.Tensor, weights: torch.Tensor, g_weights: torch.Tensor, g_channels: torch.Tensor
) -> None:
    """The way back of weights [H B, N, N] times harmonics Y [B, C, N, N], g [H B, C N, N] by the products.

    Writes g_weights [H B, N, N] and adds to g_channels [B, C, N, N], which like Y is a part of a larger array.
    """
    b, c, n, _ = Y.shape
    kernels.directions_back[(b, triton.cdiv(n * n, 128))](
        g,
        Y,
        weights,
        g_weights,
        g_channels,
        b,
        n * n,
        Y.stride(0),
        g_channels.stride(0),
        HEADS=len(weights) // b,
        C=c,
        CHANNELS=triton.next_power_of_2(c),
        BLOCK=128,
    )


def _warps(width: int) -> int:
    return 1 if width <= 256 else 4
