"""Kernels of the potential in Triton, which GPU builds of PyTorch bring along; `fused` calls them.

Letters: A atoms, W numbers of each atom, C channels, S slots of neighbours; columns are those of the distance table.
"""

from __future__ import annotations

import math

import triton
import triton.language as tl

ROOT = tl.constexpr(2 / math.sqrt(math.pi))


@triton.jit
def saturate(x, value, scale, share, width, BLOCK: tl.constexpr):
    """x [A, W] times scale [A] = 1 / sqrt(1 + share Σ x²)."""
    row = tl.program_id(0).to(tl.int64)
    column = tl.arange(0, BLOCK)
    inside = column < width
    got = tl.load(x + row * width + column, mask=inside, other=0.0)
    factor = 1.0 / tl.sqrt(1.0 + tl.sum(got * got, 0) * share)
    tl.store(value + row * width + column, got * factor, mask=inside)
    tl.store(scale + row, factor)


@triton.jit
def saturate_back(g, value, scale, plus, out, share, width, g_stride, ADD: tl.constexpr, BLOCK: tl.constexpr):
    """The way back of `saturate`, from g [A, W] whose rows are g_stride apart; plus is added."""
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
def bend(z, out, count, tilt, BLOCK: tl.constexpr):
    """z (erf z + tilt)."""
    place = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    inside = place < count
    got = tl.load(z + place, mask=inside, other=0.0)
    tl.store(out + place, got * (tl.math.erf(got) + tilt), mask=inside)


@triton.jit
def bend_slope(g, z, out, count, tilt, BLOCK: tl.constexpr):
    """Its derivative, times g."""
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
def table(
    rows, distances, out, slots, columns, start, per_spacing, pieces, BLOCK_S: tl.constexpr, BLOCK_C: tl.constexpr
):
    """Values [C, S] of cubic pieces at distances [S]."""
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
def table_back(
    rows, distances, g, out, slots, columns, start, per_spacing, pieces, BLOCK_S: tl.constexpr, BLOCK_C: tl.constexpr
):
    """Their derivatives times g [C, S], summed over columns [S]."""
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
def _saturate(beyond, width, inverse_width):
    t = tl.minimum(tl.maximum(beyond * inverse_width + 1.0, 0.0), 1.0)
    lag = ((0.5 * t - 1.0) * t * t * t + 0.5) * width
    return tl.maximum(beyond, 0.0) - lag, t * t * (3.0 - 2.0 * t)


@triton.jit
def meet(
    R,
    far,
    others,
    strengths,
    rates,
    reaches,
    starts,
    widths,
    inverse_widths,
    exponents,
    screening,
    directions,
    inverses,
    energies,
    slopes,
    seen,
    seen_slopes,
    count,
    n,
    BLOCK: tl.constexpr,
):
    """From positions [A, 3]: directions, the core repulsion and the distances that the network sees, with slopes."""
    place = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    inside = place < count
    first, slots = place // n, n * n
    cluster, second = first // n, (first // n) * n + place % n
    dx = tl.load(R + 3 * second, mask=inside, other=0.0) - tl.load(R + 3 * first, mask=inside, other=0.0)
    dy = tl.load(R + 3 * second + 1, mask=inside, other=0.0) - tl.load(R + 3 * first + 1, mask=inside, other=0.0)
    dz = tl.load(R + 3 * second + 2, mask=inside, other=0.0) - tl.load(R + 3 * first + 2, mask=inside, other=0.0)
    squared = dx * dx + dy * dy + dz * dz + tl.load(far + place, mask=inside, other=1.0)
    d = tl.sqrt(tl.where(squared < 1e-8, 1e-8, squared))  # NaN stays NaN
    inverse = tl.load(others + place, mask=inside, other=0.0) / d
    to = directions + 3 * cluster * slots + place - cluster * slots
    tl.store(to, dx * inverse, mask=inside)
    tl.store(to + slots, dy * inverse, mask=inside)
    tl.store(to + 2 * slots, dz * inverse, mask=inside)
    tl.store(inverses + place, inverse, mask=inside)
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
    found, change = _saturate(d - start, width, inverse_width)
    tl.store(energies + place, energy, mask=inside)
    tl.store(slopes + place, slope, mask=inside)
    tl.store(seen + place, found + start, mask=inside)
    tl.store(seen_slopes + place, change, mask=inside)


@triton.jit
def lengths(x, out, softening, width, row_stride, step, C: tl.constexpr, BLOCK: tl.constexpr):
    """sqrt(softening + Σ over C of x²) [A, W]."""
    row = tl.program_id(0).to(tl.int64)
    column = tl.arange(0, BLOCK)
    inside = column < width
    total = tl.zeros([BLOCK], dtype=tl.float32) + softening
    for c in range(C):
        got = tl.load(x + row * row_stride + c * step + column, mask=inside, other=0.0)
        total += got * got
    tl.store(out + row * width + column, tl.sqrt(total), mask=inside)


@triton.jit
def dots(a, b, out, width, a_row, a_step, b_row, b_step, C: tl.constexpr, BLOCK: tl.constexpr):
    """Σ over C of a times b [A, W]."""
    row = tl.program_id(0).to(tl.int64)
    column = tl.arange(0, BLOCK)
    inside = column < width
    total = tl.zeros([BLOCK], dtype=tl.float32)
    for c in range(C):
        here = tl.load(a + row * a_row + c * a_step + column, mask=inside, other=0.0)
        total += here * tl.load(b + row * b_row + c * b_step + column, mask=inside, other=0.0)
    tl.store(out + row * width + column, total, mask=inside)


@triton.jit
def mix_back(
    a,
    b,
    lengths,
    g_lengths,
    gV,
    gates,
    product,
    out,
    width,
    row_stride,
    step,
    gl_stride,
    gate_stride,
    C: tl.constexpr,
    PARTS: tl.constexpr,
    GATED: tl.constexpr,
    PRODUCT: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """Gradients by both parts of what was mixed, side by side."""
    row = tl.program_id(0).to(tl.int64)
    column = tl.arange(0, BLOCK)
    inside = column < width
    ratio = tl.load(g_lengths + row * gl_stride + column, mask=inside, other=0.0)
    ratio /= tl.load(lengths + row * width + column, mask=inside, other=1.0)
    for c in range(C):
        here = row * row_stride + c * step + column
        there = (row * C + c) * PARTS * width + column
        first = tl.load(a + here, mask=inside, other=0.0)
        to_first = first * ratio
        if PRODUCT:
            times = tl.load(product + row * width + column, mask=inside, other=0.0)
            to_first += tl.load(b + here, mask=inside, other=0.0) * times
        tl.store(out + there, to_first, mask=inside)
        if PARTS == 2:
            to_second = tl.zeros([BLOCK], dtype=tl.float32)
            if GATED:
                gate = tl.load(gates + row * gate_stride + column, mask=inside, other=0.0)
                to_second += tl.load(gV + (row * C + c) * width + column, mask=inside, other=0.0) * gate
            if PRODUCT:
                to_second += first * times
            tl.store(out + there + width, to_second, mask=inside)


@triton.jit
def directions_back(
    g,
    Y,
    weights,
    g_weights,
    g_channels,
    clusters,
    slots,
    y_stride,
    gc_stride,
    HEADS: tl.constexpr,
    C: tl.constexpr,
    CHANNELS: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """Gradients by the weights, and by the harmonics of all heads together."""
    cluster = tl.program_id(0).to(tl.int64)
    slot = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    channel = tl.arange(0, CHANNELS)[:, None]
    inside = slot < slots
    both = (channel < C) & inside[None, :]
    place = channel * slots + slot[None, :]
    y = tl.load(Y + cluster * y_stride + place, mask=both, other=0.0)
    total = tl.load(g_channels + cluster * gc_stride + place, mask=both, other=0.0)
    for head in range(HEADS):
        row = head * clusters + cluster
        got = tl.load(g + row * C * slots + place, mask=both, other=0.0)
        weight = tl.load(weights + row * slots + slot, mask=inside, other=0.0)
        tl.store(g_weights + row * slots + slot, tl.sum(got * y, 0), mask=inside)
        total += got * weight[None, :]
    tl.store(g_channels + cluster * gc_stride + place, total, mask=both)


@triton.jit
def meet_back(
    g, directions, inverses, slopes, g_seen, seen_slopes, out, count, slots, WHOLE: tl.constexpr, BLOCK: tl.constexpr
):
    """dE/d(r_j - r_i) from the gradients by directions and distances seen, and the repulsion's slope."""
    place = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    inside = place < count
    at = place + 2 * (place // slots) * slots
    pull = 0.5 * tl.load(slopes + place, mask=inside, other=0.0)
    pull += tl.load(g_seen + place, mask=inside, other=0.0) * tl.load(seen_slopes + place, mask=inside, other=0.0)
    nx = tl.load(directions + at, mask=inside, other=0.0)
    ny = tl.load(directions + at + slots, mask=inside, other=0.0)
    nz = tl.load(directions + at + 2 * slots, mask=inside, other=0.0)
    if WHOLE:
        inverse = tl.load(inverses + place, mask=inside, other=0.0)
        gx = tl.load(g + at, mask=inside, other=0.0)
        gy = tl.load(g + at + slots, mask=inside, other=0.0)
        gz = tl.load(g + at + 2 * slots, mask=inside, other=0.0)
        pull -= (gx * nx + gy * ny + gz * nz) * inverse
        tl.store(out + at, gx * inverse + nx * pull, mask=inside)
        tl.store(out + at + slots, gy * inverse + ny * pull, mask=inside)
        tl.store(out + at + 2 * slots, gz * inverse + nz * pull, mask=inside)
    else:
        tl.store(out + at, nx * pull, mask=inside)
        tl.store(out + at + slots, ny * pull, mask=inside)
        tl.store(out + at + 2 * slots, nz * pull, mask=inside)
