"""Generated files: every answer is right by what was written, or it is a refusal of one line.

What was written is known here, apart from the readers. A file that is cut or in which letters were changed may lose
structures, which is said; it may never give other structures, or energies that belong to others.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.db import connect
from ase.units import Bohr, Hartree, Rydberg, kcal, kJ, mol
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from made_logs import Job, Step, log

from iia_calc.data.gaussian import read_gaussian
from iia_calc.data.readers import read_sets
from search.errors import IIAError

ENERGY_EV = {"Hartree": Hartree, "eV": 1.0, "kcal/mol": kcal / mol, "kJ/mol": kJ / mol, "Ry": Rydberg}
LENGTH_ANGSTROM = {"Ang": 1.0, "Bohr": Bohr, "nm": 10.0}
ATOM_EV = {1: -13.6, 5: -666.0, 13: -6593.0, 34: -65030.0}
"""Rough total energies, eV, so that sizes agree with what files declare."""
SHARED = {"deadline": None, "suppress_health_check": list(HealthCheck)}


def few_and_many(test: Callable[..., None], *inputs) -> tuple[Callable[..., None], Callable[..., None]]:
    """A property with 25 generated inputs for the fast run, always the same ones, and one with 250."""
    few = settings(max_examples=25, derandomize=True, **SHARED)(given(*inputs)(test))
    return few, pytest.mark.slow(settings(max_examples=250, **SHARED)(given(*inputs)(test)))


@st.composite
def clusters(draw, largest: int = 4, fewest: int = 1):
    """numbers [n_atoms] and positions [n, n_atoms, 3], Å, no two atoms near one another; energies [n], eV."""
    numbers = np.array(draw(st.lists(st.sampled_from(sorted(ATOM_EV)), min_size=fewest, max_size=largest)))
    n = draw(st.integers(1, 4))
    shifts = draw(st.lists(st.floats(-0.4, 0.4), min_size=3 * n * len(numbers), max_size=3 * n * len(numbers)))
    grid = 2.0 * np.arange(len(numbers))[:, None] * np.array([1.0, 0.5, 0.25])
    positions = grid + np.round(np.array(shifts).reshape(n, len(numbers), 3), 8)
    total = sum(ATOM_EV[int(z)] for z in numbers)
    binding = draw(st.lists(st.floats(0.0, 5.0), min_size=n, max_size=n))
    return numbers, positions, np.round(total - np.array(binding), 6)


def answer(path: Path, **options):
    """The sets of a file, or None where it is refused in one line."""
    try:
        return read_sets(path, **options)
    except IIAError as error:
        refusal = str(error)
    assert refusal.strip()
    assert "\n" not in refusal
    return None


def structures(sets):
    """(numbers, positions, energy in eV, forces in eV/Å or None) of every structure, sorted by element as written."""
    for item in sets:
        forces = item.forces_in("eV")
        for k in range(len(item)):
            known = None if forces is None or not np.isfinite(forces[k]).all() else forces[k]
            yield item.numbers, item.positions[k], float(item.energies_in("eV")[k]), known


def assert_written(sets, numbers, positions, energies, forces=None, tolerance=1e-6):
    """Every structure that was read is one that was written, with its own energy and forces or without any."""
    order = np.argsort(numbers, kind="stable")
    found = list(structures(sets))
    assert len(found) <= len(positions)
    for z, x, energy, force in found:
        assert z.tolist() == numbers[order].tolist()
        match = [k for k in range(len(positions)) if np.allclose(x, positions[k][order], atol=1e-7)]
        assert match, "a structure that nobody wrote"
        assert np.isnan(energy) or any(abs(energy - energies[k]) <= tolerance for k in match)
        assert force is None or any(np.allclose(force, forces[k][order], atol=tolerance) for k in match)
    return len(found)


@st.composite
def damage(draw, length: int):
    """A function of bytes: cut anywhere, or some of them replaced by what is no digit."""
    if draw(st.booleans()):
        at = draw(st.integers(0, length))
        return lambda data: data[:at]
    places = draw(st.lists(st.integers(0, length - 1), min_size=1, max_size=3, unique=True))
    letters = draw(st.lists(st.sampled_from(list(b"#?x~\xff")), min_size=3, max_size=3))

    def garbled(data: bytes) -> bytes:
        changed = bytearray(data)
        for place, letter in zip(places, letters, strict=False):
            if changed[place] not in b"\r\n":
                changed[place] = letter
        return bytes(changed)

    return garbled


def npz(data):
    numbers, positions, energies = data.draw(clusters())
    unit = data.draw(st.sampled_from(sorted(ENERGY_EV)))
    names = data.draw(st.sampled_from([("R", "E", "z", "F"), ("coords", "energies", "nuclear_charges", "forces")]))
    forces = np.linspace(-1, 1, positions.size).reshape(positions.shape)
    bad = data.draw(st.lists(st.booleans(), min_size=len(positions), max_size=len(positions)))
    written = positions.copy()
    written[np.array(bad), 0, 0] = np.nan
    shape = data.draw(st.sampled_from([(-1,), (-1, 1)]))
    energy = (energies / ENERGY_EV[unit]).reshape(shape)
    arrays = dict(zip(names, (written, energy, numbers, forces / ENERGY_EV[unit]), strict=True))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.NPZ"
        with path.open("wb") as file:
            np.savez(file, e_unit=unit, **arrays)
        sets = answer(path)
        if all(bad):
            assert sets is None
            return
        assert sets is not None
        good = [k for k, wrong in enumerate(bad) if not wrong]
        assert assert_written(sets, numbers, positions[good], energies[good], forces[good]) == len(good)
        assert {item.unit_origin for item in sets} == {"declared"}
        path.write_bytes(data.draw(damage(path.stat().st_size))(path.read_bytes()))
        if (sets := answer(path)) is not None:
            assert_written(sets, numbers, positions[good], energies[good], forces[good])


def ragged_npz(dimensions, kind, odd):
    arrays = {name: np.ones((2,) * n) for name, n in dimensions.items()}
    arrays[odd] = np.ones(arrays[odd].shape).astype(kind)
    with tempfile.TemporaryDirectory() as folder:
        np.savez(Path(folder) / "a.npz", **arrays)
        assert answer(Path(folder) / "a.npz") is None  # atoms in one place, or shapes that don't fit, or no numbers


@st.composite
def xyz_text(draw, numbers, positions, energies, forces, unit, length):
    """Extended XYZ written here: names of columns, line ends and blank lines vary."""
    energy_name, force_name = draw(
        st.sampled_from(
            [("energy", "forces"), ("REF_energy", "REF_forces"), ("dft_energy", "dft_forces"), ("energies", "force")]
        )
    )
    lines = []
    for x, energy, force in zip(positions, energies, forces, strict=True):
        declared = f" energy_unit={unit} length_unit={length}" if unit else ""
        value = energy / ENERGY_EV[unit or "eV"]
        columns = f"Properties=species:S:1:pos:R:3:{force_name}:R:3"
        lines += [str(len(numbers)), f'{columns} {energy_name}={value:.10f}{declared} pbc="F F F"']
        scale = LENGTH_ANGSTROM[length or "Ang"]
        per = ENERGY_EV[unit or "eV"] / scale
        for z, r, f in zip(numbers, x / scale, force / per, strict=True):
            row = [f"{value:16.10f}" for value in (*r, *f)]
            lines.append(" ".join([f"{Atoms([z]).get_chemical_formula():2s}", *row]))
    return draw(st.sampled_from(["\n", "\r\n"])).join(lines) + draw(st.sampled_from(["", "\n", "\n\n"]))


def extxyz(data):
    numbers, positions, energies = data.draw(clusters(fewest=2))
    forces = np.round(np.linspace(-1, 1, positions.size).reshape(positions.shape), 6)
    unit = data.draw(st.sampled_from([None, *sorted(ENERGY_EV)]))
    length = None if unit is None else data.draw(st.sampled_from(sorted(LENGTH_ANGSTROM)))
    text = data.draw(xyz_text(numbers, positions, energies, forces, unit, length))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.XYZ"
        path.write_bytes(text.encode())
        sets = answer(path)
        assert sets is not None
        assert assert_written(sets, numbers, positions, energies, forces, 1e-4) == len(positions)
        if unit is None:  # a damaged name of a unit is another file, not a damaged one
            path.write_bytes(data.draw(damage(len(text.encode())))(text.encode()))
            if (sets := answer(path)) is not None:
                assert_written(sets, numbers, positions, energies, forces, 1e-4)


METHODS = {
    "PBE1PBE/3-21G": ("RPBE1PBE", ()),
    "MP2/6-31G": ("RHF", ("MP2",)),
    "MP3/STO-3G": ("RHF", ("MP2", "MP3")),
    "CCSD(T)/STO-3G": ("RHF", ("MP2", "MP3", "amplitudes", "CCSD(T)")),
    "HF/STO-3G": ("RHF", ()),
}


@st.composite
def jobs(draw):
    """Jobs, and for each the (energy of its method, positions) of its steps."""
    made, truth = [], []
    for _ in range(draw(st.integers(1, 3))):
        method = draw(st.sampled_from(sorted(METHODS)))
        label, names = METHODS[method]
        steps, pairs = [], []
        for k in range(draw(st.integers(1, 3))):
            energy = -49.0 - draw(st.integers(1, 900_000)) * 1e-6
            after = {name: round(energy - 0.01 * (j + 1), 9) for j, name in enumerate(names)}
            positions = np.array([[0.0, 0.0, 0.0], [1.5 + 0.1 * k + 0.01 * len(made), 0.0, 0.0]])
            forces = np.array([[0.1 * energy, 0.0, 0.0], [-0.1 * energy, 0.0, 0.0]]) if draw(st.booleans()) else None
            steps.append(Step(positions, energy, after, forces, kind=draw(st.sampled_from(["Input", "Standard"]))))
            pairs.append((after[names[-1]] if names else energy, positions, forces))
        made.append(Job(f"#P {method} Opt SCF=Tight", steps, label))
        truth.append(pairs)
    return made, truth


def is_pair(found, pair) -> bool:
    """Whether energy, geometry and forces, where there are any, are those of one step."""
    energy, positions, forces = pair
    same = abs(found.energy - energy) < 1e-8 and np.allclose(found.atoms.positions, positions, atol=1e-6)
    return same and (
        found.forces is None or (forces is not None and np.allclose(found.forces * Bohr, forces, atol=1e-8))
    )


def gaussian(data):
    made, truth = data.draw(jobs())
    text = log(made)
    which = data.draw(st.sampled_from(["first", "last"]))
    wanted = truth[0][0] if which == "first" else truth[-1][-1]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "A.LOG"
        path.write_text(text)
        found = read_gaussian(path, which)
        assert found.ended
        assert is_pair(found, wanted)
        changed = data.draw(damage(len(text)))(text.encode())
        assume(changed != text.encode())
        path.write_bytes(changed)
        try:
            found = read_gaussian(path, which)
        except IIAError as error:
            found, refusal = None, str(error)
        if found is None:
            assert "\n" not in refusal
            return
        if len(changed) < len(text):  # cut: an earlier step may be the last, and then the log did not end
            assert any(is_pair(found, pair) for of_job in truth for pair in of_job)
            assert not found.ended or b"Normal termination" in changed[-120:]
        else:
            assert is_pair(found, wanted)


def databases(data):
    numbers, positions, energies = data.draw(clusters())
    unit, length = data.draw(st.sampled_from(sorted(ENERGY_EV))), data.draw(st.sampled_from(sorted(LENGTH_ANGSTROM)))
    scale = LENGTH_ANGSTROM[length]
    forces = np.linspace(-1, 1, positions.size).reshape(positions.shape)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.db"
        with connect(path, use_lock_file=False) as database:
            for x, energy, force in zip(positions, energies, forces, strict=True):
                row = {"energy": np.array([energy / ENERGY_EV[unit]]), "forces": force * scale / ENERGY_EV[unit]}
                database.write(Atoms(numbers, x / scale), data=row)
            database.metadata = {
                "_distance_unit": length,
                "_property_unit_dict": {"energy": unit, "forces": f"{unit}/{length}"},
            }
        whole = path.read_bytes()
        sets = answer(path)
        assert sets is not None
        assert assert_written(sets, numbers, positions, energies, forces) == len(positions)
        if data.draw(st.booleans()):
            path.write_bytes(whole[: data.draw(st.integers(0, len(whole) - 1))])
            if (sets := answer(path)) is not None:
                assert_written(sets, numbers, positions, energies, forces)
        else:  # SQLite has no check sums: changed bytes may be changed numbers, but never a traceback
            places = data.draw(st.lists(st.integers(0, len(whole) - 1), min_size=1, max_size=200))
            changed = bytearray(whole)
            for place in places:
                changed[place] ^= 0xFF
            path.write_bytes(bytes(changed))
            answer(path)


def bytes_of_any_kind(content, suffix):
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / f"a{suffix}").write_bytes(content)
        assert answer(Path(folder) / f"a{suffix}") is None


def text_of_any_kind(content, suffix):
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / f"a{suffix}").write_text(f"1\n{content}\nB 0 0 0\n" if suffix == ".xyz" else content)
        answer(Path(folder) / f"a{suffix}")


test_npz, test_npz_many = few_and_many(npz, st.data())
test_ragged_npz, test_ragged_npz_many = few_and_many(
    ragged_npz,
    st.fixed_dictionaries(
        {name: st.sampled_from([0, 1, 2, 3]) for name in ("R", "E", "z", "F")},
    ),
    st.sampled_from(["f8", "i4", "U3", "O", "c16", "b1"]),
    st.sampled_from(["R", "E", "z", "F"]),
)
test_extxyz, test_extxyz_many = few_and_many(extxyz, st.data())
test_gaussian, test_gaussian_many = few_and_many(gaussian, st.data())
test_databases, test_databases_many = few_and_many(databases, st.data())
test_bytes, test_bytes_many = few_and_many(
    bytes_of_any_kind,
    st.binary(max_size=400),
    st.sampled_from([".npz", ".xyz", ".extxyz", ".db", ".traj", ".log", ".out"]),
)
test_text, test_text_many = few_and_many(text_of_any_kind, st.text(max_size=200), st.sampled_from([".xyz", ".log"]))
