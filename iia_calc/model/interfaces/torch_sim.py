"""The potential as a model of torch-sim: batched relaxations and molecular dynamics of clusters by its integrators.

Needs the extra `torch-sim`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from ase import Atoms

from iia_calc.common.structures import Accepts
from iia_calc.model import storage
from iia_calc.model.committee import Committee
from iia_calc.model.pairs.clusters import Pairs
from iia_calc.model.potential import Potential, Surface
from search.errors import InputError, MissingPackage

try:
    from torch_sim.models.interface import ModelInterface
    from torch_sim.state import SimState
except ImportError as error:
    raise MissingPackage("torch-sim isn't installed: pip install '.[torch-sim]' in the folder of SchNet-IIA") from error


class IIAModel(ModelInterface):
    """Energies (eV), forces (eV/Å) and energies per atom of many clusters, as torch-sim asks for them.

    States are float64 whatever the network's own type: a float32 energy of 10⁴ eV would have lost its meV. A system
    whose positions aren't finite gets NaN; the others of its batch don't feel it.

    Parameters
    ----------
    model : a folder, the name of a shipped model, a `Potential` or a `Committee`; None for the shipped
        default.
    device : "cpu", "cuda", ...; the CPU by default.
    dtype : "float32" or "float64", of the network.
    energy_from : of a committee, "leader" (one member's price) or "mean" (all members').

    Raises
    ------
    InputError : at first use of a state: elements it doesn't know, a periodic direction, a charge or spin (extras of
        the state) that is not what the potential was fitted for. A spin is a multiplicity, 2S + 1.
    """

    def __init__(
        self,
        model: str | Path | Potential | Committee | None = None,
        *,
        device: str | torch.device | None = None,
        dtype: str = "float32",
        energy_from: str = "leader",
    ) -> None:
        super().__init__()
        if dtype not in ("float32", "float64"):
            raise InputError(f"dtype must be float32 or float64, not {dtype!r}")
        if energy_from not in ("leader", "mean"):
            raise InputError(f"energy_from must be leader or mean, not {energy_from!r}")
        if not isinstance(model, Potential | Committee):
            model = storage.load(model, dtype=getattr(torch, dtype), device=device)
        self.model = model
        self._surface: Surface = model if energy_from == "mean" else model.leader
        self._device, self._dtype = model.device, torch.float64
        self._compute_forces, self._compute_stress = True, False
        self._memory_scales_with = "n_atoms"
        self._last: tuple[torch.Tensor, torch.Tensor, Pairs] | None = None

    def forward(self, state: SimState, **kwargs: Any) -> dict[str, torch.Tensor]:
        """energy [n_systems] eV, forces [n_atoms, 3] eV/Å and energies [n_atoms] eV of a state of clusters.

        kwargs : none that it knows; torch-sim's own models ignore them as well.
        """
        Z, pairs = self._layout(state)
        interaction, forces = self._surface.evaluate(pairs, Z, pairs.centre(state.positions.detach().double()))
        atomic = interaction.double() + self.model.leader.reference(Z)  # [n_atoms]
        return {
            "energy": pairs.sum_structures(atomic).to(self.dtype),
            "forces": forces.to(self.dtype),
            "energies": atomic.to(self.dtype),
        }

    def _layout(self, state: SimState) -> tuple[torch.Tensor, Pairs]:
        """Nuclear charges and layout of a state, kept and unchecked while its systems stay the same."""
        leader = self.model.leader
        if self._last is not None:
            Z, system, pairs = self._last
            if torch.equal(Z, state.atomic_numbers) and torch.equal(system, state.system_idx):
                return Z, pairs if len(pairs.sizes) > 1 else leader.layout(pairs.sizes, state.positions)
        self._check(state)
        Z, system = state.atomic_numbers.long().clone(), state.system_idx.clone()
        pairs = leader.pairs_of(state.positions, system)
        self._last = Z, system, pairs
        return Z, pairs

    def _check(self, state: SimState) -> None:
        """InputError for what the potential would answer with a meaningless number."""
        if bool(state.pbc.any()):
            raise InputError("the state is periodic; this model takes clusters: set pbc=False")
        self.model.leader.check_elements(state.atomic_numbers.long())
        card = self.model.card
        declared = [key for key in ("charge", "spin") if state.has_extras(key)]
        if card is None or not declared:
            return
        accepts = Accepts.of_card(card)
        numbers = state.atomic_numbers.cpu().split(state.n_atoms_per_system.tolist())
        extras = {key: state.system_extras[key].flatten().tolist() for key in declared}
        for system, of_system in enumerate(numbers):
            charge, spin = (int(extras[key][system]) if key in extras else None for key in ("charge", "spin"))
            try:
                accepts.check_electrons(Atoms(of_system.numpy()), charge, spin)
            except InputError as error:
                raise InputError(f"system {system}: {error}") from None
