"""Ways to relax the same clusters on one potential: ASE's loop, our batches, torch-sim's; costs and ends of each."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec

import numpy as np
import torch
from ase import Atoms
from ase.optimize import LBFGS

from iia_calc.model.potential import Potential
from iia_calc.relax.batch import PotentialRelaxer

FMAX, MAX_STEPS = 0.05, 500
TORCH_SIM = find_spec("torch_sim") is not None


@dataclass(frozen=True)
class Outcome:
    """seconds on the clock, cpu_seconds of this process, evaluations of one cluster each, and the ends."""

    seconds: float
    cpu_seconds: float
    evaluations: int
    ends: list[Atoms]

    def reached(self, potential: Potential) -> tuple[float, int]:
        """Mean energy of the ends above free atoms, eV, on `potential`, and how many have no force above FMAX."""
        Z, R, structure = flat(self.ends)
        predicted = potential(Z, R, structure)
        above = predicted.atomic_energies - potential.reference(Z)  # [n_atoms]
        energies = torch.zeros(len(self.ends), dtype=torch.float64).index_add_(0, structure, above)
        forces = predicted.forces.norm(dim=1)
        largest = torch.zeros(len(self.ends), dtype=forces.dtype).scatter_reduce_(0, structure, forces, "amax")
        return float(energies.mean()), int((largest < FMAX + 1e-3).sum())  # two programs round differently


def timed(work: Callable[[], tuple[int, list[Atoms]]]) -> Outcome:
    """What `work`, which returns evaluations and ends, took."""
    wall, cpu = time.perf_counter(), time.process_time()
    evaluations, ends = work()
    return Outcome(time.perf_counter() - wall, time.process_time() - cpu, evaluations, ends)


def ase_loop(structures: Sequence[Atoms], calculator) -> Outcome:
    """ASE's LBFGS, one after another."""

    def work() -> tuple[int, list[Atoms]]:
        evaluations, ends = 0, []
        for structure in structures:
            atoms = Atoms(structure.numbers, structure.positions)
            atoms.calc = calculator
            optimizer = LBFGS(atoms, logfile=None)
            optimizer.run(fmax=FMAX, steps=MAX_STEPS)
            evaluations += optimizer.nsteps + 1
            ends.append(Atoms(atoms.numbers, atoms.positions))
        return evaluations, ends

    return timed(work)


def batched(structures: Sequence[Atoms], potential: Potential) -> Outcome:
    """Our `PotentialRelaxer`."""

    def work() -> tuple[int, list[Atoms]]:
        results = PotentialRelaxer(potential, fmax=FMAX, max_steps=MAX_STEPS).relax(structures)
        return sum(r.n_evaluations for r in results), [r.atoms for r in results]

    return timed(work)


def torch_sim(structures: Sequence[Atoms], potential: Potential, optimizer: str) -> Outcome:
    """torch-sim's optimiser of this name ("lbfgs", "fire"), its settings left as they are."""
    import torch_sim as ts

    from iia_calc.model.interfaces.torch_sim import IIAModel

    class Counted(IIAModel):
        evaluations = 0

        def forward(self, state, **kwargs):
            self.evaluations += state.n_systems
            return super().forward(state, **kwargs)

    model = Counted(potential)

    def work() -> tuple[int, list[Atoms]]:
        state = ts.optimize(
            [Atoms(a.numbers, a.positions) for a in structures],
            model,
            optimizer=ts.Optimizer[optimizer],
            convergence_fn=ts.generate_force_convergence_fn(force_tol=FMAX, include_cell_forces=False),
            max_steps=MAX_STEPS,
        )
        ends = [Atoms(a.numbers, a.positions) for a in state.to_atoms()]
        return model.evaluations, ends

    return timed(work)


def flat(structures: Sequence[Atoms], device: str = "cpu") -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Z [n_atoms], R [n_atoms, 3], batch [n_atoms]."""
    numbers = torch.as_tensor(np.concatenate([atoms.numbers for atoms in structures]), dtype=torch.int64)
    positions = torch.as_tensor(np.concatenate([atoms.positions for atoms in structures]), dtype=torch.float32)
    batch = torch.arange(len(structures)).repeat_interleave(torch.tensor([len(atoms) for atoms in structures]))
    return numbers.to(device), positions.to(device), batch.to(device)
