"""What a GPU would compute in hundreds of small steps, as one Triton kernel each.

Every kernel equals the plain PyTorch code beside which it stands (`Saturated`, `Bend`, `DistanceTable`,
`Repulsion.with_slopes`); tests hold it to that in Triton's interpreter. Letters: A atoms, W numbers of each atom, S
slots, C columns of the table.
"""

from __future__ import annotations

import math

import torch
import triton
import triton.language as tl

ROOT = tl.constexpr(2 / math.sqrt(math.pi))


@triton.jit
def _saturate(x, value, scale, share, width, BLOCK: tl.constexpr):
    row = tl.program_id(0).to(tl.int64)
    column = tl.arange(0, BLOCK)
    inside = column < width
    got = tl.load(x + row * width + column, mask=inside, other=0.0)
    factor = 1.0 / tl.sqrt(1.0 + tl.sum(got * got, 0) * share)
    tl.store(value + row * width + column, got * factor, mask=inside)
    tl.store(scale + row, factor)


@triton.jit
def _saturate_back(g, value, scale, plus, out, share, width, g_stride, ADD: tl.constexpr, BLOCK: tl.constexpr):
    row = tl.program_id(0).to(tl.int64)
    column = tl.arange(0, BLOCK)
    inside = column < width
    got = tl.load(g + row * g_stride + column, mask=inside, other=0.0)
    kept = tl.load(value + row * width + column, mask=inside, other=0.0)
    along = tl.sum(got * kept, 0) * share
    back = (got - kept * along) * tl.load(scale + row)
    if ADD:
        back += tl.load(plus + row * width + column, mask=inside, other=0.0)
    tl.store(out + row * width + column, back, mask=inside)


@triton.jit
def _bend(z, out, count, tilt, BLOCK: tl.constexpr):
    place = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    inside = place < count
    got = tl.load(z + place, mask=inside, other=0.0)
    tl.store(out + place, got * (tl.math.erf(got) + tilt), mask=inside)


@triton.jit
def _bend_slope(g, z, out, count, tilt, BLOCK: tl.constexpr):
    place = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    inside = place < count
    got = tl.load(z + place, mask=inside, other=0.0)
    slope = tl.math.erf(got) + tilt + got * tl.exp(-got * got) * ROOT
    tl.store(out + place, slope * tl.load(g + place, mask=inside, other=0.0), mask=inside)


@triton.jit
def _place(distances, slot, inside, start, per_spacing, pieces):
    d = tl.load(distances + slot, mask=inside, other=0.0)
    u = tl.minimum(tl.maximum((d - start) * per_spacing, 0.0), pieces)
    piece = tl.floor(tl.minimum(u, pieces - 1.0))
    return piece.to(tl.int64), tl.where(d == d, u - piece, d)  # NaN stays NaN, of the first piece


@triton.jit
def _table(
    rows, distances, out, slots, columns, start, per_spacing, pieces, BLOCK_S: tl.constexpr, BLOCK_C: tl.constexpr
):
    slot = tl.program_id(0).to(tl.int64) * BLOCK_S + tl.arange(0, BLOCK_S)
    column = tl.program_id(1) * BLOCK_C + tl.arange(0, BLOCK_C)
    piece, t = _place(distances, slot, slot < slots, start, per_spacing, pieces)
    inside = (slot < slots)[:, None] & (column < columns)[None, :]
    here = rows + (piece * 3 * columns)[:, None] + column[None, :]
    t = t[:, None]
    t2 = t * t
    found = tl.load(here, mask=inside, other=0.0)
    found += tl.load(here + columns, mask=inside, other=0.0) * (t2 * (3.0 - 2.0 * t))
    found += tl.load(here + 2 * columns, mask=inside, other=0.0) * (t * (1.0 - 2.0 * t + t2))
    found += tl.load(here + 5 * columns, mask=inside, other=0.0) * (t2 * (t - 1.0))
    tl.store(out + column[None, :].to(tl.int64) * slots + slot[:, None], found, mask=inside)


@triton.jit
def _table_back(
    rows, distances, g, out, slots, columns, start, per_spacing, pieces, BLOCK_S: tl.constexpr, BLOCK_C: tl.constexpr
):
    slot = tl.program_id(0).to(tl.int64) * BLOCK_S + tl.arange(0, BLOCK_S)
    piece, t = _place(distances, slot, slot < slots, start, per_spacing, pieces)
    total = tl.zeros([BLOCK_S], dtype=tl.float32)
    t = t[:, None]
    for begin in range(0, columns, BLOCK_C):
        column = begin + tl.arange(0, BLOCK_C)
        inside = (slot < slots)[:, None] & (column < columns)[None, :]
        here = rows + (piece * 3 * columns)[:, None] + column[None, :]
        slope = tl.load(here + columns, mask=inside, other=0.0) * (6.0 * t * (1.0 - t))
        slope += tl.load(here + 2 * columns, mask=inside, other=0.0) * (1.0 + t * (3.0 * t - 4.0))
        slope += tl.load(here + 5 * columns, mask=inside, other=0.0) * (t * (3.0 * t - 2.0))
        got = tl.load(g + column[None, :].to(tl.int64) * slots + slot[:, None], mask=inside, other=0.0)
        total += tl.sum(got * slope, 1)
    tl.store(out + slot, total * per_spacing, mask=slot < slots)


@triton.jit
def _screen(x, rate, exponents, screening, K: tl.constexpr):
    first = tl.exp(x * tl.load(exponents + K))
    return first * tl.load(screening + 2 * K), first * tl.load(screening + 2 * K + 1)


@triton.jit
def _repulsion(
    distances,
    strengths,
    rates,
    reaches,
    starts,
    widths,
    inverse_widths,
    exponents,
    screening,
    energies,
    slopes,
    seen,
    seen_slopes,
    count,
    BLOCK: tl.constexpr,
):
    place = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    inside = place < count
    d = tl.load(distances + place, mask=inside, other=1.0)
    rate, reach = tl.load(rates + place, mask=inside, other=0.0), tl.load(reaches + place, mask=inside, other=0.0)
    start, width = tl.load(starts + place, mask=inside, other=0.0), tl.load(widths + place, mask=inside, other=0.0)
    inverse_width = tl.load(inverse_widths + place, mask=inside, other=0.0)
    u = tl.minimum(d * reach, 1.0)
    u = tl.where(d == d, u, d)
    left = 1.0 - u
    envelope = ((u * 6.0 + 3.0) * u + 1.0) * left * left * left
    envelope_slope = -30.0 * u * u * left * left * reach
    x = d * rate
    a0, b0 = _screen(x, rate, exponents, screening, 0)
    a1, b1 = _screen(x, rate, exponents, screening, 1)
    a2, b2 = _screen(x, rate, exponents, screening, 2)
    a3, b3 = _screen(x, rate, exponents, screening, 3)
    amount, change = a0 + a1 + a2 + a3, b0 + b1 + b2 + b3
    coulomb = tl.load(strengths + place, mask=inside, other=0.0) / d
    energy = envelope * coulomb * amount
    slope = (envelope * change * rate + envelope_slope * amount) * coulomb - energy / d
    beyond = d - start
    t = tl.minimum(tl.maximum(beyond * inverse_width + 1.0, 0.0), 1.0)
    t2 = t * t
    lag = ((0.5 * t - 1.0) * t2 * t + 0.5) * width
    tl.store(energies + place, energy, mask=inside)
    tl.store(slopes + place, slope, mask=inside)
    tl.store(seen + place, tl.maximum(beyond, 0.0) - lag + start, mask=inside)
    tl.store(seen_slopes + place, t2 * (3.0 - 2.0 * t), mask=inside)


def saturate(x: torch.Tensor, share: float) -> tuple[torch.Tensor, torch.Tensor]:
    """x [A, ...] -> x / sqrt(1 + share Σ x²), of the sum over each atom's numbers, and that factor [A]."""
    x = x.contiguous()
    value, scale, width = torch.empty_like(x), x.new_empty(len(x)), x[0].numel()
    _saturate[(len(x),)](x, value, scale, share, width, BLOCK=triton.next_power_of_2(width), num_warps=_warps(width))
    return value, scale


def saturate_back(
    g: torch.Tensor, value: torch.Tensor, scale: torch.Tensor, share: float, plus: torch.Tensor | None
) -> torch.Tensor:
    """Gradient by x of `saturate`, from that by its result [A, ...]; `plus` is added."""
    if not g[0].is_contiguous():
        g = g.contiguous()
    plus = None if plus is None else plus.contiguous()
    out, width = torch.empty_like(value), value[0].numel()
    _saturate_back[(len(value),)](
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
    _bend[(triton.cdiv(z.numel(), 1024),)](z, out, z.numel(), tilt, BLOCK=1024)
    return out


def bend_slope(g: torch.Tensor, z: torch.Tensor, tilt: float) -> torch.Tensor:
    """Gradient by z of `bend`, from that by its result."""
    g, z = g.contiguous(), z.contiguous()
    out = torch.empty_like(z)
    _bend_slope[(triton.cdiv(z.numel(), 1024),)](g, z, out, z.numel(), tilt, BLOCK=1024)
    return out


def table(rows: torch.Tensor, distances: torch.Tensor, start: float, spacing: float, pieces: int) -> torch.Tensor:
    """Values [C, S] at distances [S] Å; rows [3 (pieces + 1), C] as `DistanceTable` keeps them."""
    slots, columns = distances.numel(), rows.shape[1]
    out = rows.new_empty(columns, slots)
    grid = (triton.cdiv(slots, 64), triton.cdiv(columns, 16))
    _table[grid](rows, distances, out, slots, columns, start, 1.0 / spacing, float(pieces), BLOCK_S=64, BLOCK_C=16)
    return out


def table_back(
    rows: torch.Tensor, distances: torch.Tensor, g: torch.Tensor, start: float, spacing: float, pieces: int
) -> torch.Tensor:
    """[S]: the sum over columns of g [C, S] times the values' derivatives by the distance."""
    slots, columns = distances.numel(), rows.shape[1]
    out = rows.new_empty(slots)
    _table_back[(triton.cdiv(slots, 64),)](
        rows, distances, g, out, slots, columns, start, 1.0 / spacing, float(pieces), BLOCK_S=64, BLOCK_C=16
    )
    return out


def repulsion(
    constants: tuple[torch.Tensor, ...], d: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """As `Repulsion.with_slopes`."""
    count, outs = d.numel(), [torch.empty_like(d) for _ in range(4)]
    _repulsion[(triton.cdiv(count, 512),)](d, *constants, *outs, count, BLOCK=512)
    return outs[0], outs[1], outs[2], outs[3]


def _warps(width: int) -> int:
    return 1 if width <= 256 else 4
