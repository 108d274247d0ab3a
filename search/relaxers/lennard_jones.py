"""Lennard-Jones clusters: the field's yardstick, relaxed many at once with NumPy alone."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from ase import Atoms

from search.errors import InputError, positive, whole
from search.geometry.pieces import ONE_PIECE, is_fragmented
from search.relaxers.base import Relaxed
from search.relaxers.model_hessian import Springs, model_hessian

FAR = 0.3
"""σ that an atom moves before the model Hessian is made anew."""


class LennardJones:
    """Relaxes clusters of one element under 4ε[(σ/r)¹² − (σ/r)⁶], all pairs, no cutoff.

    Parameters
    ----------
    epsilon, sigma : the potential's energy and length.
    fmax : largest force on any atom of a converged structure, ε/σ.
    max_steps : evaluations per structure.

    Raises
    ------
    ValueError : a parameter that is not positive.
    """

    def __init__(self, epsilon: float = 1.0, sigma: float = 1.0, fmax: float = 1e-3, max_steps: int = 3000) -> None:
        self.epsilon, self.sigma = positive("epsilon", epsilon), positive("sigma", sigma)
        self.fmax, self.max_steps = positive("fmax", fmax), whole("max_steps", max_steps, least=1)
        self.bond_length = 2.0 ** (1.0 / 6.0) * self.sigma
        stiffness = 57.1 * self.epsilon / self.sigma**2  # the second derivative at a pair's minimum
        self._springs = Springs(stiffness, decay=6.0, softest=0.3 * stiffness)
        values = f"epsilon={self.epsilon}, sigma={self.sigma}, fmax={self.fmax}, max_steps={self.max_steps}"
        self.signature = f"LennardJones({values})"

    def evaluate(self, positions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Energies [b] and forces [b, n, 3] of clusters positions [b, n, 3]."""
        norms = (positions**2).sum(2)
        squares = norms[:, :, None] + norms[:, None, :] - 2.0 * positions @ positions.transpose(0, 2, 1)
        np.maximum(squares, 1e-4 * self.sigma**2, out=squares)
        diagonal = np.arange(positions.shape[1])
        squares[:, diagonal, diagonal] = np.inf
        sixth = (self.sigma**2 / squares) ** 3  # [b, n, n]
        twelfth = sixth * sixth
        energies = 2.0 * self.epsilon * (twelfth - sixth).sum((1, 2))
        pull = 24.0 * self.epsilon * (2.0 * twelfth - sixth) / squares
        return energies, pull.sum(2)[:, :, None] * positions - pull @ positions

    def relax(self, structures: Sequence[Atoms]) -> list[Relaxed]:
        """Relaxed copies, in the order given; clusters of one size go together.

        Raises
        ------
        ValueError : a structure with more than one element, or periodic.
        """
        for atoms in structures:
            if len(set(atoms.numbers)) > 1:
                formula = atoms.get_chemical_formula()
                raise InputError(f"Lennard-Jones here knows one kind of atom; {formula} has several")
            if atoms.pbc.any():
                raise InputError("Lennard-Jones here is for clusters; set pbc to False")
        results: list[Relaxed | None] = [None] * len(structures)
        for size in sorted({len(atoms) for atoms in structures}):
            members = [k for k, atoms in enumerate(structures) if len(atoms) == size]
            stack = np.stack([structures[k].positions - structures[k].positions.mean(0) for k in members])
            for k, relaxed in zip(members, self._relax_stack(structures[members[0]].numbers, stack), strict=True):
                results[k] = relaxed
        return [relaxed for relaxed in results if relaxed is not None]

    def _relax_stack(self, numbers: np.ndarray, x: np.ndarray) -> list[Relaxed]:
        """L-BFGS on clusters x [b, n, 3] in lockstep; each that is done leaves the stack."""
        done: list[Relaxed | None] = [None] * len(x)
        index = np.arange(len(x))
        history = _History(len(x), x[0].size)
        energy, force = self.evaluate(x)
        at, inverse = x, self._inverse_hessian(x)
        step = self._cap(history.direction(force, inverse))
        for evaluations in range(1, self.max_steps + 1):
            fmax = np.sqrt((force**2).sum(2).max(1))  # [b]
            finite = np.isfinite(energy) & np.isfinite(fmax)
            leaving = ~finite | (fmax < self.fmax) | (evaluations == self.max_steps)
            for k in np.flatnonzero(leaving):
                done[index[k]] = self._result(numbers, x[k], energy[k], fmax[k], evaluations)
            if leaving.any():
                keep = ~leaving
                index, x, energy, force, step = index[keep], x[keep], energy[keep], force[keep], step[keep]
                at, inverse = at[keep], inverse[keep]
                history.keep(keep)
                if not len(index):
                    break
            trial_energy, trial_force = self.evaluate(x + step)
            # A rise is refused (but for rounding), the step is cut, and the history begins anew.
            better = trial_energy <= energy + 1e-10 * np.maximum(1.0, np.abs(energy))
            history.push(better, step, force - trial_force)
            x = np.where(better[:, None, None], x + step, x)
            energy = np.where(better, trial_energy, energy)
            force = np.where(better[:, None, None], trial_force, force)
            if (far := ((x - at) ** 2).sum(2).max(1) > (FAR * self.sigma) ** 2).any():
                at = np.where(far[:, None, None], x, at)
                inverse[far] = self._inverse_hessian(x[far])
            step = np.where(better[:, None, None], self._cap(history.direction(force, inverse)), 0.2 * step)
        return [relaxed for relaxed in done if relaxed is not None]

    def _inverse_hessian(self, x: np.ndarray) -> np.ndarray:
        """Of the model, [b, 3n, 3n]."""
        inverse: np.ndarray = np.linalg.inv(model_hessian(x, self.bond_length, self._springs))
        return inverse

    def _cap(self, step: np.ndarray) -> np.ndarray:
        """No atom further than 0.3 σ at once."""
        longest = np.sqrt((step**2).sum(2).max(1))[:, None, None]
        return step * np.minimum(1.0, 0.3 * self.sigma / np.maximum(longest, 1e-300))

    def _result(self, numbers: np.ndarray, x: np.ndarray, energy: float, fmax: float, evaluations: int) -> Relaxed:
        finite = bool(np.isfinite(energy) and np.isfinite(fmax))
        converged = finite and bool(fmax < self.fmax)
        reason = "converged" if converged else "step limit" if finite else "non-finite"
        broken = finite and is_fragmented(x, np.full((len(x), len(x)), ONE_PIECE * self.bond_length))
        return Relaxed(
            Atoms(numbers=numbers, positions=x),
            float(energy),
            float(fmax),
            converged,
            evaluations - 1,
            evaluations,
            broken,
            reason,
        )


class _History:
    """The last m steps and force changes of b structures, [m, b, d]; rho is 0 where there is none."""

    def __init__(self, b: int, d: int, m: int = 8) -> None:
        self.s, self.y, self.rho = np.zeros((m, b, d)), np.zeros((m, b, d)), np.zeros((m, b))

    def keep(self, rows: np.ndarray) -> None:
        """Forget the structures that aren't among rows [b] (bool)."""
        self.s, self.y, self.rho = self.s[:, rows], self.y[:, rows], self.rho[:, rows]

    def push(self, rows: np.ndarray, s: np.ndarray, y: np.ndarray) -> None:
        """Add steps s and force changes y [b, n, 3] of rows [b] (bool); the others begin anew."""
        s, y = s.reshape(len(rows), -1), y.reshape(len(rows), -1)
        curvature = np.einsum("bd,bd->b", s, y)
        good = rows & (curvature > 1e-12)
        for stack, new in ((self.s, s), (self.y, y)):
            stack[1:, good] = stack[:-1, good]
            stack[0, good] = new[good]
        self.rho[1:, good] = self.rho[:-1, good]
        self.rho[0, good] = 1.0 / curvature[good]
        self.rho[:, ~rows] = 0.0

    def direction(self, force: np.ndarray, inverse: np.ndarray) -> np.ndarray:
        """Step [b, n, 3] by the two-loop recursion, begun with inverse Hessians [b, d, d] of a model."""
        q = force.reshape(len(force), -1).copy()
        alphas = np.zeros_like(self.rho)
        depth = int((self.rho != 0).any(1).sum())
        for k in range(depth):
            alphas[k] = self.rho[k] * np.einsum("bd,bd->b", self.s[k], q)
            q -= alphas[k][:, None] * self.y[k]
        q = (inverse @ q[:, :, None])[:, :, 0]
        if depth:  # as stiff along the last step as the potential was
            change = self.y[0]
            softness = (change * (inverse @ change[:, :, None])[:, :, 0]).sum(1)
            known = self.rho[0] != 0
            q *= np.where(known, 1.0 / np.where(known, self.rho[0] * softness, 1.0), 1.0)[:, None]
        for k in reversed(range(depth)):
            beta = self.rho[k] * np.einsum("bd,bd->b", self.y[k], q)
            q += (alphas[k] - beta)[:, None] * self.s[k]
        uphill = np.einsum("bd,bd->b", q, force.reshape(len(force), -1)) < 0
        q[uphill] *= -1.0
        step: np.ndarray = q.reshape(force.shape)
        return step
