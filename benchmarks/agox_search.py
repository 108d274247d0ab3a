"""AGOX's basin hopping on a Lennard-Jones cluster until its lowest minimum is found; prints calls and whether it hit.

Run by first_calls.py --agox, with the Python of an environment that has AGOX (pip install agox) and nothing of ours. As
AGOX's own script for clusters, of argon atoms a covalent bond apart (AGOX places atoms by covalent radii), ε = 1 eV.
"""

import json
import sys
from contextlib import suppress

import numpy as np
from agox import AGOX
from agox.databases import Database
from agox.environments import Environment
from agox.evaluators import LocalOptimizationEvaluator
from agox.generators import RattleGenerator
from agox.samplers import MetropolisSampler
from ase import Atoms
from ase.calculators.lj import LennardJones
from ase.data import covalent_radii
from ase.optimize import LBFGS

given = json.loads(sys.argv[1])
sigma = 2 * covalent_radii[18] / 2 ** (1 / 6)  # Å


class Ended(BaseException):
    """The lowest minimum was found, or the calls are spent; no Exception, for AGOX catches those."""


class Counted(LennardJones):
    """Counts its calls and ends the search."""

    calls, hit = 0, False

    def calculate(self, *args, **kwargs):
        super().calculate(*args, **kwargs)
        self.calls += 1
        self.hit = self.results["energy"] <= given["target"] + given["near"]
        if self.hit or self.calls >= given["limit"]:
            raise Ended


counted = Counted(sigma=sigma, epsilon=1.0, rc=100.0 * sigma)
n = int(given["formula"].removeprefix("Ar"))
edge = 2.0 * covalent_radii[18] * (2.0 * n ** (1 / 3) + 1.0)  # room for twice the radius of a compact cluster
environment = Environment(
    template=Atoms("", cell=np.eye(3) * 2 * edge),
    symbols=given["formula"],
    confinement_cell=np.eye(3) * edge,
    confinement_corner=np.full(3, 0.5 * edge),
)
sampler = MetropolisSampler(temperature=0.8, order=3)
evaluator = LocalOptimizationEvaluator(
    counted,
    gets={"get_key": "candidates"},
    optimizer=LBFGS,
    optimizer_run_kwargs={"fmax": 0.01 / sigma, "steps": 500},
    store_trajectory=False,
    constraints=environment.get_constraints(),
    order=2,
)
rattle = RattleGenerator(**environment.get_confinement(), environment=environment, sampler=sampler, order=1)
search = AGOX(rattle, Database(filename="agox.db", order=4), sampler, evaluator, seed=given["seed"])
with suppress(Ended):
    search.run(N_iterations=10**9)
print(json.dumps({"calls": counted.calls, "hit": bool(counted.hit)}))
