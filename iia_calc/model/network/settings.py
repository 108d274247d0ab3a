"""What describes a network, as plain data that fits into a card."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from iia_calc.model.network.activation import ACTIVATIONS
from iia_calc.model.network.attention import FORMS
from iia_calc.model.network.harmonics import HIGHEST
from search.errors import InputError, positive, within

DIRECTIONS = ("attention", "convolution")
KINDS = ("schnet", "vectors")
SHORTEST_CUTOFF, LONGEST_CUTOFF = 1.0, 20.0
"""Å: within less atoms have no neighbours, and nothing is learned; clusters of more are one neighbourhood."""


@dataclass(frozen=True)
class NetworkSettings:
    """Shape of a SchNet-IIA; defaults are the bold column of Table 1 (J. Chem. Inf. Model. 2025, 65, 92-100).

    Attributes
    ----------
    n_atom_basis : features per atom.
    n_interactions : interaction blocks.
    n_rbf : Gaussians of the radial basis.
    cutoff : Å.
    n_embedding : rows of the embedding table; the nuclear charge is the row.
    n_filters : features inside a convolution; None for `n_atom_basis`.
    attention : "smooth", "hard", "untrained" or None (no attention).
    n_heads : attention heads.
    activation : "smu", "smu-trainable" or "ssp" (shifted softplus).
    distance_logits : attention logits also see the distance.
    angular : largest degree of the spherical harmonics through which directions are seen; 0 for none,
        as in the paper.
    directions : what weighs the directions: "attention", a weight per head, or "convolution", the filters,
        a function of the distance per feature.
    kind : "schnet", the paper's network, or "vectors" (`network.vectors`), whose features have directions:
        `angular` is then the highest degree of its features, 1 or 2.
    n_tensors : of "vectors" with `angular` 2, features of second degree; None for half of `n_atom_basis`.
    softening : of "vectors", in the length sqrt(v² + softening) of a vector or tensor. Where symmetry makes v
        vanish the energy turns round within about its root, so a small one makes sharp peaks there.
    """

    n_atom_basis: int = 128
    n_interactions: int = 5
    n_rbf: int = 40
    cutoff: float = 5.0
    n_embedding: int = 400
    n_filters: int | None = None
    attention: str | None = "smooth"
    n_heads: int = 4
    activation: str = "smu"
    distance_logits: bool = False
    angular: int = 0
    directions: str = "attention"
    kind: str = "schnet"
    n_tensors: int | None = None
    softening: float = 0.01

    def __post_init__(self) -> None:
        for name in ("n_atom_basis", "n_interactions", "n_rbf", "n_embedding", "n_heads"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} must be at least 1, not {getattr(self, name)}")
        within("cutoff", self.cutoff, SHORTEST_CUTOFF, LONGEST_CUTOFF, "Å")
        if self.attention is not None and self.attention not in FORMS:
            raise InputError(f"unknown attention {self.attention!r}; choose {', '.join(FORMS)} or None")
        if self.activation not in ACTIVATIONS:
            raise InputError(f"unknown activation {self.activation!r}; choose {', '.join(ACTIVATIONS)}")
        if self.attention is not None and self.n_atom_basis % self.n_heads:
            raise InputError(f"{self.n_atom_basis} features cannot be shared by {self.n_heads} heads")
        if self.angular not in range(HIGHEST + 1):
            raise InputError(f"angular must be a degree from 0 to {HIGHEST}, not {self.angular}")
        if self.directions not in DIRECTIONS:
            raise InputError(f"unknown directions {self.directions!r}; choose {' or '.join(DIRECTIONS)}")
        if self.kind not in KINDS:
            raise InputError(f"unknown kind of network {self.kind!r}; choose {' or '.join(KINDS)}")
        if self.kind == "vectors":
            self._check_vectors()
            return
        for name in ("angular", "distance_logits"):
            if name == "angular" and self.directions == "convolution":
                continue
            if getattr(self, name) and self.attention not in ("smooth", "hard"):
                raise InputError(f"{name} belongs to a smooth or hard attention, not to {self.attention!r}")

    def _check_vectors(self) -> None:
        positive("softening", self.softening)
        if self.angular not in (1, 2):
            raise InputError(f"a network of vectors needs angular 1 or 2, not {self.angular}")
        if self.attention is not None:
            raise InputError(f"a network of vectors has no attention (None) so far, not {self.attention!r}")
        for width in self.widths:
            if width < 1 or width % self.n_heads:
                raise InputError(f"{width} features cannot be shared by {self.n_heads} heads")

    @property
    def widths(self) -> tuple[int, ...]:
        """Features of each degree from 0 to `angular`, of a network of vectors."""
        tensors = self.n_atom_basis // 2 if self.n_tensors is None else self.n_tensors
        return (self.n_atom_basis, self.n_atom_basis, tensors)[: self.angular + 1]

    @classmethod
    def from_dict(cls, data: Mapping[str, object]) -> NetworkSettings:
        """Read `as_dict`'s result; ValueError lists any key that is not a setting."""
        return cls(**_check_names(cls, data, "network"))

    def as_dict(self) -> dict[str, object]:
        """Plain data for a card."""
        return asdict(self)


@dataclass(frozen=True)
class RepulsionSettings:
    """Core repulsion, all lengths as fractions of a pair's sum of covalent radii.

    Attributes
    ----------
    outer : the ZBL repulsion ends here, smoothly.
    saturation_start : from here inwards the distance that the network sees lags behind the true one.
    saturation_end : from here inwards it is constant: the network exerts no force on the pair,
        and the repulsion acts alone. The default is where labels end (labels/sampling.py).
    """

    outer: float = 1.0
    saturation_start: float = 0.75
    saturation_end: float = 0.65

    def __post_init__(self) -> None:
        if not 0 < self.saturation_end < self.saturation_start:
            raise InputError(
                "saturation_end must be positive and less than saturation_start, "
                f"not {self.saturation_end} and {self.saturation_start}"
            )
        if self.outer < self.saturation_end:
            raise InputError(
                f"outer ({self.outer}) must not be less than saturation_end ({self.saturation_end}): "
                "between the two nothing would hold a pair apart"
            )

    @classmethod
    def from_dict(cls, data: Mapping[str, object]) -> RepulsionSettings:
        """Read `as_dict`'s result; InputError lists any key that is not a setting."""
        return cls(**_check_names(cls, data, "repulsion"))

    def as_dict(self) -> dict[str, object]:
        """Plain data for a card."""
        return asdict(self)


def _check_names(cls: Any, data: Mapping[str, Any], what: str) -> dict[str, Any]:
    names = [field.name for field in fields(cls)]
    if unknown := sorted(set(data) - set(names)):
        raise InputError(f"unknown {what} settings {', '.join(unknown)}; there are {', '.join(names)}")
    return dict(data)
