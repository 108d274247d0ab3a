"""Whether an SCF solution is a minimum among all real rotations of its orbitals, and if not, which way down.

Davidson's method for the lowest eigenvalues of the orbital Hessian, started from vectors without any
symmetry (equal spins included), as symmetric ones never see what breaks it. Only signs are wanted,
so it ends as soon as the residual leaves no doubt, which is long before convergence.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np

from iia_calc.labels.dft import gpu

NEGATIVE = -2e-3
"""Hartree; eigenvalues nearer to zero are free rotations seen through a coarse grid."""
COARSE = 0
"""PySCF's grid level that is enough for most signs."""
DOUBTFUL = -1e-2
"""Hartree; an eigenvalue between this and `NEGATIVE` is computed again on the solution's own grid."""
CYCLES = 20


def unstable_orbitals(mean_field: Any, part_spins: bool = True) -> tuple[np.ndarray, ...] | None:
    """Orbitals [2, n_ao, n_mo], spins apart, turned along the lowest instability, one way and the other.

    None where there is none. Both ways go downhill, but to two solutions where charge or spin settles on one side of
    the cluster: of equal energy in a symmetric structure, of different energy in any other. Where they only exchange
    the spins one way is given.

    Of a restricted solution the unrestricted one with equal spins is tested: its rotations hold both
    the internal ones and those from RKS to UKS.

    part_spins : False tests only those that keep a restricted solution restricted; its orbitals are [n_ao, n_mo].
    """
    from pyscf.scf import hf
    from pyscf.soscf import newton_ah

    restricted = np.ndim(mean_field.mo_occ) == 1
    trial = (mean_field.to_uks() if restricted and part_spins else mean_field).copy()
    trial.verbose = 0
    together = restricted and not part_spins
    orbitals, occupied = gpu.to_numpy(trial.mo_coeff), gpu.to_numpy(trial.mo_occ)
    lowest, vector = _lowest_rotation(trial, together, COARSE)
    if DOUBTFUL < lowest < NEGATIVE:
        lowest, vector = _lowest_rotation(trial, together, trial.grids.level)
    if lowest >= NEGATIVE:
        return None
    if together:
        turn = newton_ah.expmat(hf.unpack_uniq_var(vector, occupied))
        return np.asarray(orbitals @ turn), np.asarray(orbitals @ turn.T)  # a rotation's transpose turns back
    split = int((occupied[0] == 0).sum() * (occupied[0] > 0).sum())
    turns = [
        newton_ah.expmat(hf.unpack_uniq_var(x, o)) if x.size else np.eye(len(o))
        for x, o in zip((vector[:split], vector[split:]), occupied, strict=True)
    ]
    ways = tuple(np.array([c @ u for c, u in zip(orbitals, way, strict=True)]) for way in (turns, [u.T for u in turns]))
    exchange = restricted and float(vector[:split] @ vector[split:]) < 0
    return ways[:1] if exchange else ways


def _lowest_rotation(mean_field: Any, together: bool, grid_level: int) -> tuple[float, np.ndarray]:
    """Lowest eigenvalue, Hartree, of the orbital Hessian and its vector [n]; zero and nothing without any rotation.

    together : both spins turn alike. grid_level : PySCF's, of the functional's response.
    """
    trial = mean_field.copy()
    trial.grids = copy.copy(trial.grids)
    trial.grids.level = grid_level
    trial.grids.reset()
    trial.grids.build()
    second_order = gpu.second_order_of(trial)
    hessian = second_order.gen_g_hop_rhf if together else second_order.gen_g_hop_uhf
    orbitals, occupied = gpu.to_numpy(trial.mo_coeff), gpu.to_numpy(trial.mo_occ)
    _, product, diagonal = hessian(trial, gpu.beside(trial, orbitals), gpu.beside(trial, occupied))
    if not diagonal.size:
        return 0.0, np.empty(0)
    return lowest_eigenpair(lambda v: gpu.to_numpy(product(gpu.beside(trial, v))), gpu.to_numpy(diagonal))


def lowest_eigenpair(product: Callable[[np.ndarray], np.ndarray], diagonal: np.ndarray) -> tuple[float, np.ndarray]:
    """Lowest eigenvalue, as well as its sign needs, and its vector [n] of a symmetric matrix.

    product : the matrix times a vector [n]. diagonal : its diagonal, or about that, [n].
    """
    n_roots, n = min(2, diagonal.size), diagonal.size
    rng = np.random.default_rng(0)
    new = np.zeros((min(4, n), n))
    new[np.arange(len(new)), np.argsort(diagonal, kind="stable")[: len(new)]] = 1.0
    new += 0.1 * rng.standard_normal(new.shape) / np.maximum(diagonal, 0.1) / np.sqrt(n)
    basis, images = np.empty((0, n)), np.empty((0, n))
    for _ in range(CYCLES):
        new = _orthonormal(new, basis)
        if not len(new):
            break
        basis = np.concatenate([basis, new])  # [k, n]
        images = np.concatenate([images, [product(v) for v in new]])
        values, mix = np.linalg.eigh(0.5 * (basis @ images.T + images @ basis.T))
        roots = mix[:, :n_roots].T
        residuals = roots @ images - values[:n_roots, None] * (roots @ basis)  # [n_roots, n]
        open_ = np.linalg.norm(residuals, axis=1) > np.maximum(1e-3, 0.5 * np.abs(values[:n_roots]))
        if not open_[0] and (values[0] < NEGATIVE or not open_.any()):
            break
        away = diagonal - values[:n_roots, None]
        new = (residuals / np.where(np.abs(away) < 0.05, 0.05, away))[open_]
    return float(values[0]), mix[:, 0] @ basis


def _orthonormal(new: np.ndarray, basis: np.ndarray) -> np.ndarray:
    """Rows of `new` made orthonormal to `basis` and one another; those that add nothing are left out."""
    kept: list[np.ndarray] = []
    for vector in new:
        vector = vector / np.linalg.norm(vector)
        for _ in range(2):
            vector = vector - (basis @ vector) @ basis
            for other in kept:
                vector = vector - (other @ vector) * other
        if (length := np.linalg.norm(vector)) > 1e-6:
            kept.append(vector / length)
    return np.array(kept).reshape(-1, new.shape[1])
