"""Real spherical harmonics as homogeneous polynomials of a direction.

Scaled so that Σ_m Y_lm(a) Y_lm(b) is the Legendre polynomial P_l(a · b). A polynomial of degree l is a
symmetric tensor T met by l copies of the vector, so that values and gradients are plain products, Y(-n) is
(-1)^l Y(n) by itself, and the zero vector of a slot without a neighbour has no harmonics.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import permutations

import torch

from search.errors import InputError

_A, _B, _C = (5 / 8) ** 0.5, (3 / 8) ** 0.5, 15**0.5 / 2
POLYNOMIALS: dict[int, tuple[dict[str, float], ...]] = {  # coefficient of each monomial
    1: ({"x": 1}, {"y": 1}, {"z": 1}),
    2: (
        {"xy": 3**0.5},
        {"yz": 3**0.5},
        {"xz": 3**0.5},
        {"zz": 1, "xx": -0.5, "yy": -0.5},
        {"xx": 3**0.5 / 2, "yy": -(3**0.5) / 2},
    ),
    3: (
        {"xxy": 3 * _A, "yyy": -_A},
        {"xyz": 15**0.5},
        {"yzz": 4 * _B, "xxy": -_B, "yyy": -_B},
        {"zzz": 1, "xxz": -1.5, "yyz": -1.5},
        {"xzz": 4 * _B, "xxx": -_B, "xyy": -_B},
        {"xxz": _C, "yyz": -_C},
        {"xxx": _A, "xyy": -3 * _A},
    ),
}
HIGHEST = max(POLYNOMIALS)


def n_harmonics(degree: int) -> int:
    """How many there are from degree 1 to `degree`."""
    return degree * (degree + 2)


@lru_cache
def tensors(degree: int, dtype: torch.dtype, device: torch.device) -> torch.Tensor:
    """The symmetric tensors of one degree l: [2 l + 1, 3^l]."""
    if degree not in POLYNOMIALS:
        raise InputError(f"there are spherical harmonics of degree 1 to {HIGHEST}, not {degree}")
    with torch.inference_mode(False):  # kept for whoever comes next, a training perhaps
        result = torch.zeros(2 * degree + 1, *[3] * degree, dtype=torch.float64)
        for m, polynomial in enumerate(POLYNOMIALS[degree]):
            for monomial, coefficient in polynomial.items():
                places = set(permutations("xyz".index(axis) for axis in monomial))
                for place in places:
                    result[(m, *place)] = coefficient / len(places)
        return result.view(2 * degree + 1, -1).to(device, dtype)


def spherical_harmonics(n: torch.Tensor, degree: int) -> torch.Tensor:
    """Harmonics of unit vectors [..., 3], degrees 1 to `degree`: [..., degree (degree + 2)]."""
    if not 1 <= degree <= HIGHEST:
        raise InputError(f"there are spherical harmonics of degree 1 to {HIGHEST}, not {degree}")
    power, parts = n, [n]
    for order in range(2, degree + 1):
        power = (power[..., :, None] * n[..., None, :]).flatten(-2)  # [..., 3^order]
        parts.append(power @ tensors(order, n.dtype, n.device).T)
    return torch.cat(parts, -1)


def forms(degree: int, dtype: torch.dtype, device: torch.device) -> list[torch.Tensor]:
    """`tensors` of all degrees from 2 to `degree`."""
    return [tensors(order, dtype, device) for order in range(2, degree + 1)]


class SlotHarmonics:
    """Harmonics of the directions [B, 3, N, N] of all slots of clusters, and the way back.

    known : the tensors (`forms`), where they are at hand.
    values : [B, 1 + C, N, N]; the first channel is `others`, the harmonic of degree 0.
    """

    def __init__(
        self, directions: torch.Tensor, others: torch.Tensor, degree: int, known: list[torch.Tensor] | None = None
    ):
        shape = others.shape
        self.forms = forms(degree, directions.dtype, directions.device) if known is None else known
        self.n = directions.flatten(2)  # [B, 3, N N]
        self.powers, parts = [self.n], [others.view(len(others), 1, -1), self.n]
        for order in range(2, degree + 1):
            power = (self.powers[-1][:, :, None] * self.n[:, None]).flatten(1, 2)  # [B, 3^order, N N]
            self.powers.append(power)
            parts.append(torch.matmul(self.forms[order - 2], power))
        self.values = torch.cat(parts, 1).view(shape[0], -1, *shape[1:])

    def gradient(self, g: torch.Tensor) -> torch.Tensor:
        """dE/dY [B, 1 + C, N, N] -> dE/d direction [B, 3, N, N]."""
        g = g.flatten(2)
        result, start = g[:, 1:4], 4
        for order in range(2, len(self.powers) + 1):
            part = g[:, start : start + 2 * order + 1]
            start += 2 * order + 1
            lowered = torch.matmul(self.forms[order - 2].T, part)  # [B, 3^order, N N]
            lowered = lowered.view(len(g), 3, -1, g.shape[-1]) * self.powers[order - 2][:, None]
            result = result + order * lowered.sum(2)
        return result.view(len(g), 3, *self.values.shape[2:])
