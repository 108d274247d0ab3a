"""Several potentials fitted to the same labels: their spread says where they were not fitted."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from typing import Any, NamedTuple, cast

import torch
from torch import nn

from iia_calc.model.calibration import Calibration
from iia_calc.model.label_distance import LabelDistance, mean_features
from iia_calc.model.pairs.clusters import Pairs
from iia_calc.model.potential import Potential
from search.errors import InputError, InputTypeError, quote


class CommitteePrediction(NamedTuple):
    """Means over the members, as in `Prediction`, and the errors to expect.

    energy_std [n_structures] eV, forces_std [n_atoms] eV/Å: what the committee's `Calibration` makes of the sample
    standard deviation (M - 1) of the members' energies, the distance from the nearest label where it is known, and of
    the root of the summed variances of an atom's three force components. Uncalibrated these are the deviations
    themselves.
    """

    energy: torch.Tensor
    forces: torch.Tensor
    atomic_energies: torch.Tensor
    energy_std: torch.Tensor
    forces_std: torch.Tensor


class Committee(nn.Module):
    """Two or more potentials of the same elements and cutoff; the first is the leader.

    Searches run on the leader, one member's price, and ask all members about what they found.

    Parameters
    ----------
    calibration : what the spread is worth; None leaves it as it is.
    distance : from the nearest label, as the leader's network sees it; None where nobody has measured.
    """

    def __init__(
        self,
        members: Sequence[Potential],
        calibration: Calibration | None = None,
        distance: LabelDistance | None = None,
    ):
        super().__init__()
        if not isinstance(members, Sequence) or not all(isinstance(member, Potential) for member in members):
            raise InputTypeError(f"the members of a committee are {quote(members)}; give a list of Potentials")
        if len(members) < 2:
            raise InputError(f"a committee needs at least two members, not {len(members)}")
        first = members[0]
        for member in members[1:]:
            if member.element_energies != first.element_energies or member.cutoff != first.cutoff:
                raise InputError("the members of a committee must share cutoff, elements and element energies")
        self._members = nn.ModuleList(members)
        self.calibration = calibration or Calibration()
        self.distance = distance
        self.card: Any = None  # the Card of a loaded model

    @property
    def members(self) -> list[Potential]:
        """The potentials, leader first."""
        return [cast(Potential, member) for member in self._members]

    @property
    def leader(self) -> Potential:
        """The member whose energy a search minimises."""
        return self.members[0]

    @property
    def elements(self) -> tuple[str, ...]:
        """Symbols of the elements that it knows, by nuclear charge."""
        return self.leader.elements

    @property
    def cutoff(self) -> float:
        """Å"""
        return self.leader.cutoff

    @property
    def dtype(self) -> torch.dtype:
        """Type of the weights, and so of the forces."""
        return self.leader.dtype

    @property
    def device(self) -> torch.device:
        """Where the weights lie."""
        return self.leader.device

    def freeze(self) -> Committee:
        """For use, not for training: see `Potential.freeze`. Returns itself."""
        for member in self.members:
            member.freeze()
        return self.eval()

    def forward(self, Z: torch.Tensor, R: torch.Tensor, batch: torch.Tensor) -> CommitteePrediction:
        """All members on one batch; arguments and errors as `Potential.forward`."""
        self.leader.check_elements(Z)
        pairs = self.leader.pairs_of(R, batch)
        return self.spread(pairs, Z, pairs.centre(R))

    def spread(self, pairs: Pairs, Z: torch.Tensor, R: torch.Tensor, measure: bool = True) -> CommitteePrediction:
        """All members on a layout made before, without checks.

        measure : the distance from the nearest label counts in `energy_std`; False saves its time.
        """
        each = [member.evaluate(pairs, Z, R) for member in self.members]
        atomic = torch.stack([energies for energies, _ in each]).double()  # [M, n_atoms]
        forces = torch.stack([f for _, f in each])  # [M, n_atoms, 3]
        totals = torch.stack([pairs.sum_structures(energies) for energies in atomic])  # [M, n_structures]
        mean = atomic.mean(0) + self.leader.reference(Z)
        distance = self.label_distance(pairs, Z, R) if measure else None
        return CommitteePrediction(
            energy=pairs.sum_structures(mean),
            forces=forces.mean(0),
            atomic_energies=mean,
            energy_std=self.calibration.energy_std(totals.std(0), pairs.counts, distance),
            forces_std=self.calibration.forces_std(forces.var(0).sum(-1).sqrt()),
        )

    def label_distance(self, pairs: Pairs, Z: torch.Tensor, R: torch.Tensor) -> torch.Tensor | None:
        """Distance [n_structures] from the nearest label, no unit; None where nobody has measured. As `spread`."""
        if self.distance is None or self.calibration.distance_factor == 0.0:
            return None
        means = mean_features(self.leader.features(pairs, Z, R), pairs)
        found: torch.Tensor = self.distance(means).double()
        return found

    def evaluate(self, pairs: Pairs, Z: torch.Tensor, R: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Mean atomic interaction energies and forces, as `Potential.evaluate`."""
        each = [member.evaluate(pairs, Z, R) for member in self.members]
        return torch.stack([e for e, _ in each]).mean(0), torch.stack([f for _, f in each]).mean(0)


def weights_hash(model: Potential | Committee) -> str:
    """How many potentials, and 16 hexadecimal digits of the SHA-256 of their weights: what tells two models apart."""
    digest = sha256()
    for member in model.members:
        for value in member.state_dict().values():
            digest.update(value.cpu().numpy().tobytes())
    return f"{len(model.members)} potentials {digest.hexdigest()[:16]}"
