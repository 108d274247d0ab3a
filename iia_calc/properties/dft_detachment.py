"""Photoelectron spectra of confirmed anions: energies of the neutrals in their places, and relaxed from there."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ase import Atoms

from iia_calc.confirm.api import confirm
from iia_calc.confirm.result import Confirmed, write_confirmed
from iia_calc.confirm.settings import Checks
from iia_calc.confirm.workflow import Step
from iia_calc.labels.dft.level import DFTLevel
from iia_calc.properties.dft_calls import state_as_plain
from iia_calc.properties.dft_steps import DFTSteps, bind, level_of_name
from iia_calc.properties.photoelectron import detachment, neutral_multiplicities
from iia_calc.properties.results import IsomerProperties, PropertySet


@dataclass(frozen=True)
class Detachments:
    """Adds photoelectron spectra to the entries of confirmed anions.

    Attributes
    ----------
    found : the anions. steps : computes and stores. folder : receives the neutrals' relaxations and structures.
    basis : of the energies. n_lowest : anions treated. workers, threads : side by side, and of each.
    """

    found: PropertySet
    steps: DFTSteps
    folder: Path
    basis: str
    n_lowest: int | None
    workers: int
    threads: int

    def add(self) -> None:
        """Vertical energies first, then the neutrals' relaxations, then the energies there."""
        entries = self.found.entries[: self.n_lowest]
        jobs = [bind(self._vertical, entry) for entry in entries]
        total = sum(1 + len(neutral_multiplicities(e.subject.final_multiplicity)) for e in entries)
        told = self.steps.map("vertical detachment", total, jobs)
        known = [(entry, energies) for entry, energies in zip(entries, told, strict=True) if energies is not None]
        if self.steps.stopped or not known:
            return
        lowest = [min(energies[1], key=lambda m: energies[1][m]) for _, energies in known]
        neutrals: dict[int, Confirmed] = {}
        for multiplicity in sorted(set(lowest)):
            places = [k for k, m in enumerate(lowest) if m == multiplicity]
            neutrals |= self._relax([known[k][0] for k in places], multiplicity)
        jobs_after = [
            bind(self._adiabatic, entry, energies, m, neutrals.get(entry.subject.rank))
            for (entry, energies), m in zip(known, lowest, strict=True)
        ]
        self.steps.map("adiabatic detachment", len(known), jobs_after)

    @property
    def _energies_by(self) -> DFTLevel:
        level = level_of_name(self.found.isomers.energy_level, self.threads)
        return level.but(basis=self.basis, grid_level=max(3, level.grid_level))

    def _vertical(self, entry: IsomerProperties) -> tuple[float, dict[int, float]] | None:
        """Energies, eV, of the anion, and of the neutral in its place by multiplicity; None where either failed."""
        subject, level = entry.subject, self._energies_by
        anion = self._energy(entry, level, subject.atoms, subject.final_multiplicity)
        neutral = level.but(charge=level.charge + 1)
        vertical = {}
        for multiplicity in neutral_multiplicities(subject.final_multiplicity):
            energy = self._energy(entry, neutral, subject.atoms, multiplicity)
            if energy is not None:
                vertical[multiplicity] = energy
        return None if anion is None or not vertical else (anion, vertical)

    def _relax(self, entries: list[IsomerProperties], multiplicity: int) -> dict[int, Confirmed]:
        """Neutrals of one multiplicity relaxed from the anions' structures, with vibrations, by the anion's rank."""
        level = level_of_name(self.found.isomers.level, self.threads)
        level = level.but(charge=level.charge + 1, multiplicity=multiplicity)
        checks = Checks(None, next_multiplicity=False, stability="none", frequencies=True, descend=True)

        def tell(step: Step) -> None:
            self.steps.tell("neutrals relaxing", step.done, step.total)

        ranks = [entry.subject.rank for entry in entries]
        relaxed = confirm(
            [entry.subject.atoms for entry in entries],
            level,
            self.folder / f"neutral-{multiplicity}.db",
            checks=checks,
            workers=min(self.workers, len(entries)),
            callback=tell,
            ranks=ranks,
        )
        write_confirmed(relaxed, self.folder / f"neutral-{multiplicity}.extxyz", level.name)
        by_rank = {c.model_rank: c for c in relaxed}
        # two anions may relax to one neutral, which was treated once
        return {rank: by_rank[by_rank[rank].same_as or rank] for rank in ranks}

    def _adiabatic(
        self, entry: IsomerProperties, energies: tuple[float, dict[int, float]], multiplicity: int, c: Confirmed | None
    ) -> None:
        anion, vertical = energies
        level, relaxed, after = self._energies_by, None, None
        if c is not None and c.relaxed:
            relaxed = self._energy(entry, level.but(charge=level.charge + 1), c.atoms, multiplicity)
            after = None if c.vibrations is None else c.vibrations.zero_point_energy
            if c.is_saddle:
                entry.doubts.append("the neutral that it relaxes to is a saddle: the adiabatic energy is too high")
        else:
            entry.doubts.append(f"the neutral did not relax ({'no result' if c is None else c.reason})")
        entry.photoelectron = detachment(
            anion,
            vertical,
            relaxed,
            (self._zero_point(entry), after),
            (level.name, self.found.isomers.level),
        )

    def _zero_point(self, entry: IsomerProperties) -> float | None:
        if entry.frequencies is None:
            entry.doubts.append(
                "no vibrations of the anion, so the adiabatic energy has no zero-point part: --frequencies"
            )
            return None
        species = entry.species
        return None if species is None else species.zero_point_energy

    def _energy(self, entry: IsomerProperties, level: DFTLevel, atoms: Atoms, multiplicity: int) -> float | None:
        """Of the lowest stable state, eV, stored; None where it failed, which is told."""
        smaller = level_of_name(self.found.isomers.level, self.threads).but(charge=level.charge)
        start = None if smaller.basis.lower() == level.basis.lower() else smaller
        arguments: tuple[Any, ...] = (level, atoms, multiplicity, start)
        result = self.steps.step({"kind": "functional"}, atoms, level, multiplicity, state_as_plain, *arguments)
        if "failed" in result:
            entry.doubts.append(f"charge {level.charge:+d}, multiplicity {multiplicity} failed: {result['failed']}")
            return None
        return float(result["energy"])
