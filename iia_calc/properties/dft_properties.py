"""Properties of confirmed isomers by DFT: vibrations, infrared lines, electrons, orders by several functionals."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from iia_calc.confirm.vibrations import HESSIAN, hessian_from_plain, normal_modes
from iia_calc.labels.dft.level import DFTLevel
from iia_calc.properties.certificate import certificate_of
from iia_calc.properties.coupled_cluster import NAME as CCSD_T
from iia_calc.properties.coupled_cluster import T1, coupled_cluster, reference_level
from iia_calc.properties.dft_calls import displaced_dipole, electronic_of, hessian_of, state_as_plain
from iia_calc.properties.dft_steps import DFTSteps, bind, level_of_name
from iia_calc.properties.electronic import ElectronicProperties
from iia_calc.properties.infrared import STEP as DIPOLE_STEP
from iia_calc.properties.infrared import dipole_derivatives, displacements, infrared_spectrum
from iia_calc.properties.request import ELECTRONIC, INFRARED, RANKING, PropertiesRequest
from iia_calc.properties.results import IsomerProperties, PropertySet
from search.geometry.shape import shape_of

SAME_STATE = 0.01
"""eV by which an energy may differ from the confirmation's in the same basis before it counts as another state."""


class DFTProperties:
    """Adds to the entries of a confirmed set what `request` asks DFT for.

    Parameters
    ----------
    found : the confirmed isomers. steps : computes and stores. threads : of PySCF in each process.
    """

    def __init__(self, found: PropertySet, request: PropertiesRequest, steps: DFTSteps, threads: int) -> None:
        self.found, self.request, self.steps = found, request, steps
        self.entries = found.entries[: request.dft_lowest]
        self.level = level_of_name(found.isomers.level, threads)
        final = level_of_name(found.isomers.energy_level, threads)
        self.better = final.but(basis=request.basis, grid_level=max(3, final.grid_level))

    def add(self) -> None:
        """All that is asked for, cheapest first."""
        if self.request.frequencies or INFRARED in self.request.what:
            self.steps.map("DFT frequencies", len(self.entries), [bind(self._vibrate, e) for e in self.entries])
        if INFRARED in self.request.what:
            total = sum(6 * len(entry.subject.atoms) for entry in self.entries)
            self.steps.map(
                "dipoles of displaced structures", total, [bind(self._add_spectrum, e) for e in self.entries]
            )
        if ELECTRONIC in self.request.what:
            self.steps.map("electrons", len(self.entries), [bind(self._electronic, e) for e in self.entries])
        if RANKING in self.request.what:
            self._rank()

    def _hessian(self, entry: IsomerProperties) -> dict[str, Any] | None:
        """Stored, or computed and stored; None where it failed, which is told."""
        atoms = entry.subject.atoms
        return self._or_doubt(
            entry,
            "second derivatives",
            self.steps.step({"kind": HESSIAN}, atoms, self.level, None, hessian_of, self.level, atoms),
        )

    def _vibrate(self, entry: IsomerProperties) -> None:
        if entry.frequencies is not None or len(entry.subject.atoms) < 2:
            return
        if (plain := self._hessian(entry)) is not None:
            frequencies, _ = normal_modes(entry.subject.atoms, hessian_from_plain(plain))
            entry.frequencies, entry.method = tuple(float(f) for f in frequencies), plain["method"]

    def _add_spectrum(self, entry: IsomerProperties) -> None:
        atoms, level = entry.subject.atoms, self.level
        if len(atoms) < 2 or (plain := self._hessian(entry)) is None:
            return
        dipoles = []
        for atom, axis, sign in displacements(atoms):
            about = {"kind": "dipole", "atom": atom, "axis": axis, "sign": sign, "step": DIPOLE_STEP}
            result = self.steps.step(about, atoms, level, None, displaced_dipole, level, atoms, atom, axis, sign)
            if self._or_doubt(entry, "infrared", result) is None:
                return
            dipoles.append(result["dipole"])
        entry.infrared = infrared_spectrum(
            atoms, hessian_from_plain(plain), dipole_derivatives(dipoles), level.name, plain["method"]
        )
        if entry.subject.final_multiplicity != entry.subject.multiplicity:
            entry.doubts.append(
                f"vibrations are of multiplicity {entry.subject.multiplicity}, the energy of "
                f"{entry.subject.final_multiplicity}"
            )

    def _electronic(self, entry: IsomerProperties) -> None:
        subject, level, symmetry = entry.subject, self.better, entry.symmetry
        assert symmetry is not None  # point groups are found first
        result = self.steps.step(
            {"kind": "electronic", "point_group": symmetry.point_group},
            subject.atoms,
            level,
            subject.final_multiplicity,
            electronic_of,
            level,
            subject.atoms,
            subject.final_multiplicity,
            True,
            self._smaller(level),
            symmetry.atoms,
        )
        if self._or_doubt(entry, "electronic", result) is None:
            return
        entry.electronic = told = ElectronicProperties.from_plain(result)
        same_basis = level.basis.lower() == level_of_name(self.found.isomers.energy_level).basis.lower()
        if same_basis and subject.energy is not None and abs(told.energy - subject.energy) > SAME_STATE:
            entry.doubts.append(
                f"its electrons are of a state {told.energy - subject.energy:+.2f} eV from the one that ranked"
            )

    def _rank(self) -> None:
        """Single points of all isomers by all functionals, and the certificate."""
        total = len(self.entries) * len(self.request.functionals)
        levels = {
            name: reference_level(self.better) if name == CCSD_T else self.better.but(functional=name)
            for name in self.request.functionals
        }
        jobs: list[Callable[[], list[float | None]]] = [bind(self._energies, e, levels) for e in self.entries]
        found = self.steps.map("single points by several functionals", total, jobs)
        rows = [row if row is not None else [None] * len(levels) for row in found]
        certificate = certificate_of(
            [entry.subject.rank for entry in self.entries],
            [shape_of(entry.subject.atoms) for entry in self.entries],
            self.better.basis,
            {name: f"{name} of {level.name}" if name == CCSD_T else level.name for name, level in levels.items()},
            {name: [row[k] for row in rows] for k, name in enumerate(levels)},
        )
        self.found.ranking = certificate
        for k, entry in enumerate(self.entries):
            entry.verdict = certificate.verdict(k)

    def _energies(self, entry: IsomerProperties, levels: dict[str, DFTLevel]) -> list[float | None]:
        energies: list[float | None] = []
        atoms, multiplicity = entry.subject.atoms, entry.subject.final_multiplicity
        for name, level in levels.items():
            what = level, atoms, multiplicity
            if name == CCSD_T:
                result = self.steps.step({"kind": CCSD_T}, atoms, level, multiplicity, coupled_cluster, *what)
                if result.get("t1", 0.0) > T1:
                    entry.doubts.append(
                        f"{name} from one determinant is doubtful: its T1 diagnostic is {result['t1']:.3f}"
                    )
            else:
                about = {"kind": "functional"}
                result = self.steps.step(about, atoms, level, multiplicity, state_as_plain, *what, self._smaller(level))
            told = self._or_doubt(entry, name, result)
            energies.append(None if told is None else float(told["energy"]))
        return energies

    def _smaller(self, level: DFTLevel) -> DFTLevel | None:
        """The relaxation's basis with the functional of `level`, whose solution is the guess."""
        smaller = self.level.but(functional=level.functional)
        return None if smaller.basis.lower() == level.basis.lower() else smaller

    def _or_doubt(self, entry: IsomerProperties, what: str, result: dict[str, Any]) -> dict[str, Any] | None:
        if "failed" not in result:
            return result
        entry.doubts.append(f"{what} failed: {result['failed']}")
        return None
