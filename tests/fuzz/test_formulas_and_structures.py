"""Generated formulas, charges and structures: each is read right by a rule of its own, or refused in one line."""

import re
from collections import Counter

import numpy as np
import pytest
from ase import Atoms
from ase.data import chemical_symbols
from clusters import small_potential
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from iia_calc.calculator import IIACalculator
from iia_calc.common.structures import Accepts, check_cluster, check_clusters
from iia_calc.model import storage
from search.errors import InputError
from search.geometry.composition import Composition, parse_formula_and_charge

SHARED = {"deadline": None, "derandomize": True, "suppress_health_check": list(HealthCheck)}
PART = r"[A-Z][a-z]?(?:[1-9][0-9]*)?"
LETTERS = st.text(alphabet="BSeOHNaCl0123456789+-−()[]. _xX\t", max_size=12)
FORMULAS = st.lists(
    st.tuples(st.sampled_from(chemical_symbols[1:]), st.one_of(st.none(), st.integers(1, 400))), min_size=1, max_size=4
).map(lambda parts: "".join(symbol + (str(count) if count else "") for symbol, count in parts))


def generated(*strategies):
    """A test of 40 inputs, and a slow one of 400."""

    def two(test):
        few = settings(max_examples=40, **SHARED)(given(*strategies)(test))
        return few, pytest.mark.slow(settings(max_examples=400, **SHARED)(given(*strategies)(test)))

    return two


def answer(function, *arguments):
    """What a function gives, or None where it refuses in one line."""
    try:
        return function(*arguments)
    except InputError as error:
        refusal = str(error)
    assert refusal
    assert "\n" not in refusal
    return None


def counted(text: str) -> Counter | None:
    """What a formula says, by a regular expression; None where it is none."""
    if not re.fullmatch(f"(?:{PART})+", text):
        return None
    parts = re.findall(r"([A-Z][a-z]?)([0-9]*)", text)
    if any(symbol not in chemical_symbols[1:] for symbol, _ in parts):
        return None
    total: Counter = Counter()
    for symbol, count in parts:
        total[symbol] += int(count or 1)
    return total


def formula_is_right_or_refused(text):
    wanted = counted(text.strip())
    found = answer(Composition.parse, text)
    assert (found is None) == (wanted is None)
    if found is not None:
        assert dict(found.counts) == dict(wanted)
        assert Composition.parse(found.formula) == found


def charge_is_right_or_refused(formula, ending):
    text = formula + ending
    signs = ending.strip().lstrip("123456789").replace("−", "-")
    number = ending.strip()[: len(ending.strip()) - len(signs)]
    sound = bool(signs) and set(signs) in ({"+"}, {"-"}) and (not number or len(signs) == 1)
    found = answer(parse_formula_and_charge, text)
    assert (found is not None) == sound
    if found is not None:
        composition, charge = found
        size = int(number or len(signs))
        assert charge == (size if signs[0] == "+" else -size)
        assert dict(composition.counts) == dict(counted(formula))


test_formulas, test_many_formulas = generated(st.one_of(LETTERS, FORMULAS))(formula_is_right_or_refused)
test_charges, test_many_charges = generated(
    FORMULAS, st.sampled_from(["+", "-", "−", "--", "++", " 2-", " 3+", " -", "+-", "-2", " -2", " 2--", "- -"])
)(charge_is_right_or_refused)

POSITIONS = st.lists(st.tuples(*[st.floats(-4, 4)] * 3), min_size=1, max_size=7)
SPOILERS = st.sampled_from(
    ["nothing", "nan", "infinity", "coincide", "nearly", "dummy", "periodic", "charge", "text charge", "halves", "spin"]
)


@pytest.fixture(scope="module")
def calculator(tmp_path_factory):
    potential = small_potential()
    potential.card = storage.save(tmp_path_factory.mktemp("fuzz") / "tiny", potential, {"level_of_theory": "none"})
    return IIACalculator(potential)


def spoiled(positions, numbers, spoiler) -> tuple[Atoms, bool]:
    """A structure, and whether a neutral potential of B and Se can take it."""
    x = np.array(positions, dtype=float)
    z = np.array([5 if k % 3 else 34 for k in range(len(x))]) if numbers else np.full(len(x), 5)
    if spoiler == "coincide" and len(x) > 1:
        x[-1] = x[0]
    if spoiler == "nearly" and len(x) > 1:
        x[-1] = x[0] + [0.05, 0, 0]
    if spoiler == "nan":
        x[0, 1] = np.nan
    if spoiler == "infinity":
        x[-1, 0] = np.inf
    if spoiler == "dummy":
        z[0] = 0
    atoms = Atoms(z, x)
    if spoiler == "periodic":
        atoms.set_cell([9, 9, 9])
        atoms.pbc = True
    if spoiler in ("charge", "text charge", "halves"):
        atoms.info["charge"] = {"charge": np.int64(-1), "text charge": "minus one", "halves": 0.5}[spoiler]
    if spoiler == "spin":
        atoms.info["spin"] = 1 if z.sum() % 2 else 2  # what the electrons don't allow
    bad = spoiler not in ("nothing", "coincide", "nearly")
    finite = np.where(np.isfinite(x), x, 0.0)
    near = np.linalg.norm(finite[:, None] - finite[None], axis=-1) + 9 * np.eye(len(x))
    return atoms, not bad and bool(np.isfinite(x).all() and near.min() >= 0.1)


def structure_is_computed_or_refused(calculator, positions, numbers, spoiler):
    atoms, sound = spoiled(positions, numbers, spoiler)
    accepts = Accepts(["B", "Se"], 0, "lowest")
    assert (answer(check_cluster, atoms, accepts) is not None) == sound
    kept = [atoms, Atoms("B2", [(0, 0, 0), (1.6, 0, 0)])]
    sorted_out = check_clusters(kept, accepts)
    assert len(sorted_out.kept) == 1 + sound
    assert len(sorted_out.set_aside) == 1 - sound
    if spoiler == "periodic":
        return  # the calculator takes periodic structures
    atoms.calc = calculator
    energy = answer(atoms.get_potential_energy)
    assert (energy is not None) == sound
    if energy is None:
        return
    forces = atoms.get_forces()
    moved = Atoms(atoms.numbers[::-1], atoms.positions[::-1] + np.array([30.0, -2.0, 7.0]), calculator=calculator)
    assert np.isfinite(energy)
    scale = 1e-9 * max(1.0, np.abs(forces).max()) + 1e-7
    assert abs(moved.get_potential_energy() - energy) < scale * 10
    assert np.abs(moved.get_forces()[::-1] - forces).max() < scale * 10
    assert np.abs(forces.sum(0)).max() < scale * 10


@settings(max_examples=40, **SHARED)
@given(POSITIONS, st.booleans(), SPOILERS)
def test_structures(calculator, positions, numbers, spoiler):
    structure_is_computed_or_refused(calculator, positions, numbers, spoiler)


@pytest.mark.slow
@settings(max_examples=400, **SHARED)
@given(POSITIONS, st.booleans(), SPOILERS)
def test_many_structures(calculator, positions, numbers, spoiler):
    structure_is_computed_or_refused(calculator, positions, numbers, spoiler)
