"""Shapes of constructed clusters, each with a neighbour that must come out otherwise."""

from __future__ import annotations

import numpy as np
import pytest
from ase import Atoms
from ase.build import molecule

from search.geometry.shape import SHAPES, dopant_bonds, principal_axes, shape_of

BOND = 1.65


def boron(positions: np.ndarray) -> Atoms:
    return Atoms(f"B{len(positions)}", positions)


def patch(n: int, bowl: float = 0.0) -> np.ndarray:
    """n sites of a triangular lattice nearest to its origin; `bowl` is the depth at the rim, Å."""
    grid = [(a + 0.5 * b, np.sqrt(0.75) * b) for a in range(-6, 7) for b in range(-6, 7)]
    flat = BOND * np.array(sorted(grid, key=lambda p: (round(np.hypot(*p), 6), p)))[:n]
    square = (flat**2).sum(1)
    return np.column_stack([flat, bowl * square / max(square.max(), 1e-9)])


def rings(counts: list[int], rise: float = 0.87) -> np.ndarray:
    """Staggered rings of boron along z."""
    wall = []
    for k, n in enumerate(counts):
        angle = 2 * np.pi * (np.arange(n) + 0.5 * k) / n
        radius = BOND / (2 * np.sin(np.pi / max(counts)))
        wall.append(np.column_stack([radius * np.cos(angle), radius * np.sin(angle), np.full(n, rise * BOND * k)]))
    return np.concatenate(wall)


def spiral(n: int, stretch: tuple[float, float, float] = (1.0, 1.0, 1.0)) -> np.ndarray:
    """n atoms spread evenly over an ellipsoid."""
    k = np.arange(n) + 0.5
    polar, azimuth = np.arccos(1 - 2 * k / n), np.pi * (1 + 5**0.5) * k
    sphere = np.column_stack([np.cos(azimuth) * np.sin(polar), np.sin(azimuth) * np.sin(polar), np.cos(polar)])
    return 0.29 * BOND * np.sqrt(n) * sphere * np.array(stretch)


def icosahedron() -> np.ndarray:
    golden = (1 + 5**0.5) / 2
    corners = [(0, a, b * golden) for a in (-1, 1) for b in (-1, 1)]
    return 0.5 * BOND * np.array([np.roll(corner, k) for corner in corners for k in range(3)])


def seam(n: int) -> np.ndarray:
    """A closed chain of atoms that winds around a sphere: hollow, but no wall."""
    t = np.linspace(0, 2 * np.pi, 20 * n + 1)
    curve = np.column_stack(
        [0.75 * np.cos(t) + 0.25 * np.cos(3 * t), 0.75 * np.sin(t) - 0.25 * np.sin(3 * t), 0.87 * np.sin(2 * t)]
    )
    length = np.append(0, np.cumsum(np.linalg.norm(np.diff(curve, axis=0), axis=1)))
    places = np.interp(np.arange(n) * length[-1] / n, length, t)
    chain = np.column_stack([np.interp(places, t, curve[:, k]) for k in range(3)])
    return chain * BOND / np.linalg.norm(chain[1] - chain[0])


def close_packed(n: int) -> np.ndarray:
    """The n sites of an fcc lattice nearest to one of its atoms."""
    grid = [(a, b, c) for a in range(-4, 5) for b in range(-4, 5) for c in range(-4, 5) if (a + b + c) % 2 == 0]
    return BOND / np.sqrt(2) * np.array(sorted(grid, key=lambda p: (np.dot(p, p), p)))[:n]


CASES = {
    "triangle": (patch(3), "planar"),
    "flat 7": (patch(7), "planar"),
    "flat 19": (patch(19), "planar"),
    "bowl 12, 1.0 Å deep": (patch(12, 1.0), "planar"),
    "bowl 36, 1.2 Å deep": (patch(36, 1.2), "planar"),
    "cup 19, 3 Å deep": (patch(19, 3.0), "compact"),
    "two rings of 7": (rings([7, 7]), "tubular"),
    "two rings of 10 (B20)": (rings([10, 10]), "tubular"),
    "two rings of 12 (B24)": (rings([12, 12]), "tubular"),
    "three rings of 8": (rings([8, 8, 8]), "tubular"),
    "two rings, one capped": (np.vstack([rings([8, 8]), [0, 0, 2.6]]), "tubular"),
    "one ring": (rings([8]), "planar"),
    "icosahedron": (icosahedron(), "cage"),
    "sphere 24": (spiral(24), "cage"),
    "sphere 40": (spiral(40), "cage"),
    "ellipsoid 32": (spiral(32, (0.9, 1.0, 1.2)), "cage"),
    "sphere 24 with an atom inside": (np.vstack([spiral(24), np.zeros((1, 3))]), "compact"),
    "seam of a tennis ball": (seam(12), "compact"),
    "half a sphere": (spiral(60)[:30], "compact"),
    "close-packed 13": (close_packed(13), "compact"),
    "close-packed 19": (close_packed(19), "compact"),
}


@pytest.mark.parametrize("name", CASES)
def test_constructed(name):
    positions, expected = CASES[name]
    rng = np.random.default_rng(0)
    assert shape_of(boron(positions)) == expected
    for _ in range(5):  # thermal noise, any orientation, any order
        turn = np.linalg.qr(rng.normal(size=(3, 3)))[0]
        noisy = (positions + rng.normal(scale=0.04, size=positions.shape)) @ turn + 7.0
        assert shape_of(boron(rng.permutation(noisy))) == expected


def test_small_solids_are_not_flat():
    tetrahedron = BOND / np.sqrt(8) * np.array([(1, 1, 1), (1, -1, -1), (-1, 1, -1), (-1, -1, 1)])
    assert shape_of(boron(tetrahedron)) == "compact"
    assert shape_of(boron(BOND / np.sqrt(2) * np.vstack([np.eye(3), -np.eye(3)]))) == "compact"


def test_the_dopant_does_not_count():
    flat = boron(patch(12))
    assert shape_of(flat + Atoms("Se", [(0.0, 0.0, 1.9)])) == "planar"
    assert shape_of(boron(rings([8, 8])) + Atoms("Se", [(0.0, 0.0, -1.5)])) == "tubular"


def test_bonds_of_the_dopant():
    ring = Atoms("B3Se", [(1.2, 0, 0), (-0.6, 1.04, 0), (-0.6, -1.04, 0), (0, 0, 1.57)])
    (bonds,) = dopant_bonds(ring)
    assert (bonds.index, bonds.symbol, len(bonds.lengths)) == (3, "Se", 3)
    assert bonds.lengths == tuple(sorted(bonds.lengths))
    assert str(bonds) == "3× 1.98"
    assert dopant_bonds(boron(patch(5))) == []
    ring.positions[3, 2] = 9.0
    assert str(dopant_bonds(ring)[0]) == "none"
    ring.positions[3] = (2.9, 0, 0)
    assert str(dopant_bonds(ring)[0]) == "1× 1.70"
    two = dopant_bonds(Atoms("B3Se2", np.vstack([ring.positions, (0, 0, -1.57)])))
    assert [b.index for b in two] == [3, 4]


def test_different_lengths_are_shown_as_a_range():
    angle = Atoms("B2Se", [(0, 0, 0), (3.0, 0, 0), (1.4, 1.4, 0)])
    (bonds,) = dopant_bonds(angle)
    assert str(bonds) == "2× 1.98–2.13"


def test_nonsense_is_refused():
    with pytest.raises(ValueError, match="no atoms"):
        shape_of(Atoms())
    with pytest.raises(ValueError, match="not finite"):
        shape_of(Atoms("B4", np.full((4, 3), np.nan)))


def test_any_host():
    assert shape_of(molecule("C6H6")) in SHAPES
    axes = principal_axes(patch(12))
    assert np.linalg.det(axes) == pytest.approx(1.0)
    assert abs(axes[2, 2]) == pytest.approx(1.0)
