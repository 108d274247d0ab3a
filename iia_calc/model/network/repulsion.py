"""What holds atoms apart where no label reaches: screened nuclear repulsion, and a saturated distance.

A pair repels by the universal ZBL potential (Ziegler, Biersack, Littmark, The Stopping and Range of
Ions in Solids, 1985) times a polynomial that ends it at the pair's bond length. Both fall with the
distance, so the product does too. The network sees a distance that stops shrinking well inside a
bond, so there its force on the pair is exactly zero and the repulsion has the last word, whatever
the network's weights are.

That is as far as a promise for any weights can go: where the network has a force, some weights make it
attract. Farther out, between `saturation_end` and the bond, it is the labels that make a pair repel;
tests/physics/test_repulsion.py measures that on the shipped models.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from ase.data import covalent_radii
from torch import nn

from iia_calc.model.network.settings import RepulsionSettings
from search.errors import check_kind

COULOMB = 14.399645478425668  # e² / 4π ε0, eV Å
SCREENING = ((0.18175, 3.19980), (0.50986, 0.94229), (0.28022, 0.40290), (0.02817, 0.20162))
N_ELEMENTS = 119  # rows of per-element tables; row 0 is padding


class PairConstants(NamedTuple):
    """What the elements of pairs decide, all of one shape but the last two; lengths in Å, energies in eV Å."""

    strength: torch.Tensor
    rate: torch.Tensor
    reach: torch.Tensor
    start: torch.Tensor
    width: torch.Tensor
    inverse_width: torch.Tensor
    exponents: torch.Tensor  # [4]
    screening: torch.Tensor  # [4, 2] amounts, and those of the slope
    # of six numbers that are linear in the distance: exponents of the screening, what is left of the reach, and how far
    # the distance is through its saturation
    factors: torch.Tensor  # [6, ...]
    offsets: torch.Tensor  # [6, ...]
    polynomials: torch.Tensor  # [7, 2, ...] coefficients in `with_slopes`


POLYNOMIALS = ((6, -15, 10, 0, 30, -60, 30), (0, 0.5, -1, 0.5, 0, -2, 3))
"""Of the envelope and of the saturation's lag: coefficients of x⁵, x⁴, x³ and 1, and those of x⁴, x³, x² of a slope."""


class Repulsion(nn.Module):
    """ZBL energies of pairs, and the distances that the network is to see."""

    radii: torch.Tensor
    charge_powers: torch.Tensor
    screening: torch.Tensor

    def __init__(self, settings: RepulsionSettings | None = None):
        super().__init__()
        check_kind("repulsion", settings, RepulsionSettings, type(None))
        self.settings = settings or RepulsionSettings()
        # not in the state_dict: the same for every potential
        radii = torch.tensor(covalent_radii[:N_ELEMENTS], dtype=torch.float64)
        self.register_buffer("radii", radii, persistent=False)
        self.register_buffer("screening", torch.tensor(SCREENING, dtype=torch.float64).T, persistent=False)
        self.register_buffer("charge_powers", torch.arange(N_ELEMENTS, dtype=torch.float64) ** 0.23, persistent=False)

    def bond_lengths(self, Z_i: torch.Tensor, Z_j: torch.Tensor) -> torch.Tensor:
        """Sum of covalent radii, Å."""
        return self.radii[Z_i] + self.radii[Z_j]  # [P]

    def forward(self, Z_i: torch.Tensor, Z_j: torch.Tensor, distances: torch.Tensor) -> torch.Tensor:
        """Repulsion of each pair [P], eV; distances [P] Å."""
        end = self.settings.outer * self.bond_lengths(Z_i, Z_j).to(distances.dtype)  # [P]
        u = (distances / end).clamp(max=1.0)
        envelope = (1 - u) ** 3 * (1 + 3 * u + 6 * u**2)  # 1 at 0, three times flat at 1
        z_i, z_j = Z_i.to(distances.dtype), Z_j.to(distances.dtype)
        x = distances * (z_i**0.23 + z_j**0.23) / 0.46850
        screening = sum(a * torch.exp(-b * x) for a, b in SCREENING)
        return COULOMB * z_i * z_j / distances * screening * envelope  # [P]

    def saturate(self, Z_i: torch.Tensor, Z_j: torch.Tensor, distances: torch.Tensor) -> torch.Tensor:
        """Distances [P] as the network sees them: unchanged at bond lengths, constant deep inside one."""
        bond = self.bond_lengths(Z_i, Z_j).to(distances.dtype)
        start, end = self.settings.saturation_start * bond, self.settings.saturation_end * bond
        width = start - end
        t = ((distances - end) / width).clamp(0.0, 1.0)
        lag = width * (0.5 - t**3 + 0.5 * t**4)  # the slope of -lag is 3t² - 2t³: from 0 to 1, flat at both
        return torch.where(distances < start, start - lag, distances)  # [P]

    @torch.no_grad()
    def constants(self, Z_i: torch.Tensor, Z_j: torch.Tensor, dtype: torch.dtype) -> PairConstants:
        """What the elements decide of pairs; Z_i and Z_j may be of any shapes that broadcast."""
        bond = self.bond_lengths(Z_i, Z_j)
        settings, powers = self.settings, self.charge_powers
        amounts, rates = self.screening.double()  # [4] each
        rate, reach, start = (
            (powers[Z_i] + powers[Z_j]) / 0.46850,
            1 / (settings.outer * bond),
            settings.saturation_start,
        )
        inverse_width = 1 / ((start - settings.saturation_end) * bond)
        zero, ones = torch.zeros_like(bond), torch.ones_like(bond)
        found = PairConstants(
            strength=COULOMB * (Z_i * Z_j).double(),
            rate=rate,
            reach=reach,
            start=start * bond,
            width=(start - settings.saturation_end) * bond,
            inverse_width=inverse_width,
            exponents=-rates,
            screening=torch.stack([amounts, -amounts * rates], 1),
            factors=torch.cat([torch.stack([-b * rate for b in rates]), torch.stack([-reach, inverse_width])]),
            offsets=torch.stack([zero, zero, zero, zero, ones, ones - start * bond * inverse_width]),
            polynomials=bond.new_tensor(POLYNOMIALS).T.reshape(7, 2, *[1] * bond.ndim),
        )
        return PairConstants(*(value.to(dtype) for value in found))

    @torch.no_grad()
    def with_slopes(
        self, pair: PairConstants, d: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
        """`forward` and `saturate` with their derivatives by the distance, written out for use without autograd.

        d [...] Å, of the shape of the constants. Returns repulsion eV, its slope eV/Å, distances seen Å,
        their slope.
        """
        # few operations on larger tensors: of a small cluster each takes about as long
        x = torch.addcmul(pair.offsets, pair.factors, d)  # [6, ...]
        screening = torch.mm(pair.screening.T, x[:4].exp_().view(4, -1)).view(2, *d.shape)
        y = x[4:].clamp_(0.0, 1.0)  # [2, ...] 0 out of the envelope's reach, 1 where nothing is saturated
        y2 = y * y
        p2, p1, p0, rest, q2, q1, q0 = pair.polynomials
        values = torch.addcmul(p0, torch.addcmul(p1, p2, y), y)
        envelope, lag = torch.addcmul(rest, y2 * y, values)
        envelope_slope, seen_slope = torch.addcmul(q0, torch.addcmul(q1, q2, y), y).mul_(y2)
        coulomb = pair.strength / d
        energy = (coulomb * screening[0]).mul_(envelope)
        slope = (screening[1] * pair.rate).mul_(envelope)
        slope.addcmul_(screening[0] * pair.reach, envelope_slope, value=-1).mul_(coulomb).addcdiv_(energy, d, value=-1)
        return energy, slope, torch.maximum(d, pair.start).addcmul_(lag, pair.width, value=-1), seen_slope

    def closest_seen(self, numbers: Sequence[int]) -> float:
        """Shortest distance, Å, that `saturate` can return between atoms of these nuclear charges."""
        shortest = 2 * float(self.radii[list(numbers)].min())
        return 0.5 * (self.settings.saturation_start + self.settings.saturation_end) * shortest
