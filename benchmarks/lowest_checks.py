"""Whether the lowest minima known are minima, and in which spin: frequencies and the next multiplicity, by DFT.

python benchmarks/lowest_checks.py --largest 8 --minutes 35      # what was tested stays; the same command goes on
python benchmarks/lowest_checks.py B7 B8

Of each structure of OUT/lowest.extxyz, at its own level: second derivatives; a saddle is pushed off along its softest
mode and relaxed, and what it falls to takes its place. Then the next multiplicity at the structure's geometry, relaxed
where that is below `RELAXED_BELOW`, and on upwards while a higher one lies lower. OUT receives checks.json,
spins.extxyz (structures of other multiplicities), and lowest.extxyz and lowest.md anew.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.io import read
from lowest_minima import Lowest, gather, lowest_of, read_table

from iia_calc.common.files import write_frames
from iia_calc.confirm.levels import dft_level
from iia_calc.confirm.relaxation import CONVERGED, StoredRelaxation, alike, start_name
from iia_calc.confirm.vibrations import hessian_from_plain, normal_modes
from iia_calc.isomers.checked import SPINS, TABLE, Checked, OtherSpin, checks_of, read_checks, write_checks
from iia_calc.labels.dft.electronic import next_multiplicity
from iia_calc.labels.dft.level import DFTLevel
from iia_calc.labels.level import LabelFailed, multiplicity_of
from iia_calc.labels.store import LabelledStructure, LabelStore
from iia_calc.properties.dft_calls import hessian_of
from search.geometry.composition import Composition
from search.geometry.shape import shape_of

PUSH = 0.15
"""Å by which a saddle's atoms are displaced along its softest mode, at most."""
RELAXED_BELOW = 1.0
"""eV above the lowest multiplicity: other ones that lie higher, at the same geometry, are not relaxed."""
FMAX = 0.02
"""eV/Å, of relaxations here."""
STEPS = 80


class Checks:
    """What is tested of one folder of minima.

    Parameters
    ----------
    out : with lowest.extxyz. basis : of its level. work : folder for the relaxations' labels.
    """

    def __init__(self, out: Path, basis: str, work: Path) -> None:
        self.out, self.work = out, work
        self.level = dft_level("B3", basis=basis).but(threads=1, gpu=False)
        self.checks = read_checks(out)
        self.spins: list[Atoms] = read(out / SPINS, ":") if (out / SPINS).exists() else []

    def test(self, entry: Lowest) -> Lowest:
        """`entry`, or what it falls to, tested."""
        atoms, formula = entry.item.atoms, entry.composition.formula
        if (known := checks_of(atoms, self.checks)) is None or known.frequencies is None:
            known = self._vibrate(atoms, formula, self.level)
        if known.n_imaginary:
            entry = self._descend(entry)
            atoms = entry.item.atoms
        self._test_spins(atoms, entry.item.label.energy)
        return entry

    def _vibrate(self, atoms: Atoms, formula: str, level: DFTLevel) -> Checked:
        plain = hessian_of(level, atoms)
        frequencies, modes = normal_modes(atoms, hessian_from_plain(plain))
        before = self.checks.get(start_name(atoms), Checked(formula))
        found = replace(before, frequencies=tuple(float(f) for f in frequencies), method=plain["method"])
        atoms.arrays["softest"] = modes[0]
        self._keep(atoms, found)
        print(f"{formula} {level.name.rsplit(', ', 1)[1]}: lowest {frequencies[0]:.0f} cm-1", flush=True)
        return found

    def _keep(self, atoms: Atoms, checked: Checked) -> None:
        self.checks[start_name(atoms)] = checked
        write_checks(self.out, self.level.name, self.checks)

    def _descend(self, entry: Lowest) -> Lowest:
        """The lower of the minima that a saddle falls to along its softest mode, either way."""
        saddle, formula = entry.item.atoms, entry.composition.formula
        if "softest" not in saddle.arrays:
            saddle.arrays["softest"] = normal_modes(saddle, hessian_from_plain(hessian_of(self.level, saddle)))[1][0]
        ends: list[LabelledStructure] = []
        ways = [Atoms(saddle.numbers, saddle.positions + sign * PUSH * saddle.arrays["softest"]) for sign in (1, -1)]
        for moved in ways[:1] if alike(*ways) else ways:
            if (end := self._relax(moved, self.level)) is not None:
                ends.append(end)
        if not ends:
            return entry
        lowest = min(ends, key=lambda end: end.label.energy)
        fallen = Lowest(lowest, f"{entry.origin}, pushed off a saddle")
        self._vibrate(fallen.item.atoms, formula, self.level)
        known = self.checks[start_name(saddle)]
        self._keep(saddle, replace(known, falls_to=start_name(fallen.item.atoms)))
        print(f"{formula}: a saddle falls by {entry.item.label.energy - lowest.label.energy:.3f} eV", flush=True)
        return fallen

    def _relax(self, atoms: Atoms, level: DFTLevel) -> LabelledStructure | None:
        """The relaxed structure with its label, at positions as a table has them; None where it didn't converge."""
        spin = level.multiplicity or "lowest"
        self.work.mkdir(parents=True, exist_ok=True)
        store = LabelStore(self.work / f"{self.level.basis}-{spin}.db", level.name)
        relaxation = StoredRelaxation(atoms, [], level, store, FMAX)
        if relaxation.run(STEPS, None) != CONVERGED:
            return None
        last = relaxation.frames[-1]
        return replace(last, atoms=Atoms(last.atoms.numbers, last.atoms.positions.round(8)))

    def _test_spins(self, atoms: Atoms, energy: float) -> None:
        """The next multiplicity, and on upwards while it lies lower."""
        formula, lowest = Composition.parse(atoms).formula, energy
        multiplicity: int | None = multiplicity_of(atoms, 0, None)
        while (multiplicity := next_multiplicity(atoms, 0, multiplicity)) is not None:
            known = self.checks.get(start_name(atoms), Checked(formula))
            if multiplicity not in known.spins:
                spin, end = self._other_spin(atoms, energy, formula, multiplicity)
                if spin is None:
                    return
                known = replace(known, spins={**known.spins, multiplicity: spin})
                self._keep(atoms, known)
                if end is not None:
                    self._vibrate(end.atoms, formula, self.level.but(multiplicity=multiplicity))
            relaxed = known.spins[multiplicity].relaxed
            if relaxed is None or energy + relaxed > lowest:
                return
            lowest = energy + relaxed

    def _other_spin(
        self, atoms: Atoms, energy: float, formula: str, multiplicity: int
    ) -> tuple[OtherSpin | None, LabelledStructure | None]:
        """What is told of it, and the relaxed structure, which is in spins.extxyz then."""
        level = self.level.but(multiplicity=multiplicity)
        try:
            state = level.state(atoms, multiplicity)
        except LabelFailed as error:
            print(f"{formula} 2S+1 = {multiplicity}: {error}", flush=True)
            return None, None
        spin = OtherSpin(round(state.energy - energy, 4), state.s_squared and round(state.s_squared, 3))
        print(f"{formula} 2S+1 = {multiplicity}: {spin.vertical:+.3f} eV at the same geometry", flush=True)
        if spin.vertical > RELAXED_BELOW or (end := self._relax(atoms, level)) is None:
            return spin, None
        spin = replace(spin, relaxed=round(end.label.energy - energy, 4), structure=start_name(end.atoms))
        print(f"{formula} 2S+1 = {multiplicity}: {spin.relaxed:+.3f} eV relaxed", flush=True)
        frame = Atoms(end.atoms.numbers, end.atoms.positions)
        frame.calc = SinglePointCalculator(frame, energy=end.label.energy, forces=end.label.forces)
        frame.info.update(formula=formula, level=level.name, shape=shape_of(frame), multiplicity=multiplicity)
        self.spins.append(frame)
        write_frames(self.out / SPINS, self.spins)
        return spin, end


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("formulas", nargs="*", help="only these")
    parser.add_argument("--largest", type=int, default=8, help="atoms")
    parser.add_argument("--minutes", type=float, default=np.inf, help="of CPU after which nothing more is begun")
    parser.add_argument("--basis", default="3-21G")
    parser.add_argument("--out", type=Path, default=Path("models/lowest"))
    parser.add_argument("--work", type=Path, default=Path("runs/checks"))
    options = parser.parse_args()
    checks = Checks(options.out, options.basis, options.work)
    table = read_table(options.out / TABLE)
    tested = list(table)
    for k in sorted(range(len(table)), key=lambda k: len(table[k].item.atoms)):
        wanted = not options.formulas or table[k].composition.formula in options.formulas
        if wanted and len(table[k].item.atoms) <= options.largest and time.process_time() < 60 * options.minutes:
            tested[k] = checks.test(table[k])
    energies = {symbol: checks.level.element_energy(symbol) for symbol in ("B", "Se")}
    print(gather(lowest_of(tested), energies, checks.level.name, options.out))


if __name__ == "__main__":
    main()
