"""Formulas: element symbols and counts and nothing else, and the charge at the end of one."""

import numpy as np
import pytest
from ase import Atoms
from ase.data import chemical_symbols
from hypothesis import given, settings
from hypothesis import strategies as st

from search import Composition
from search.errors import InputError, InputTypeError
from search.geometry.composition import parse_formula_and_charge


@pytest.mark.parametrize(
    ("text", "counts"),
    [
        ("SeB16", {"Se": 1, "B": 16}),
        ("B", {"B": 1}),
        ("BBSe", {"B": 2, "Se": 1}),
        ("B10Se2B2", {"B": 12, "Se": 2}),
        ("CO", {"C": 1, "O": 1}),
        ("Co", {"Co": 1}),
        (" B12 ", {"B": 12}),
        (Atoms("B2Se"), {"B": 2, "Se": 1}),
    ],
)
def test_what_is_read(text, counts):
    assert dict(Composition.parse(text).counts) == counts


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("12B", "a count follows its element's symbol"),
        ("SeB0", "a count is 1 or more"),
        ("B012", "a count is 1 or more"),
        ("b12", "no element's symbol begins with 'b'"),
        ("seb16", "no element's symbol begins with 's'"),
        ("B 12", "' ' has no place"),
        ("B12,Se", "',' has no place"),
        ("B1.5", r"'\.' has no place"),
        ("(B2)3", r"'\(' has no place"),
        ("B12+", "one with a charge: give the charge apart"),
        ("B12-", "one with a charge"),
        ("B12−", "one with a charge"),
        ("Xx2", "unknown elements Xx"),
        ("X", "unknown elements X"),
        ("", "no atoms"),
        ("B²", "'²' is no plain character; write 2"),
        ("ＳｅB8", "write S"),
        ("SeB₁₆", "write 1"),
        ("B١٢", "not a chemical formula"),
        (Atoms(), "no atoms"),
    ],
)
def test_what_is_refused(text, message):
    with pytest.raises(InputError, match=message):
        Composition.parse(text)


@pytest.mark.parametrize("thing", [None, 12, ["B"], b"B12"])
def test_what_is_no_formula_at_all(thing):
    with pytest.raises(InputTypeError, match="neither a formula nor Atoms"):
        Composition.parse(thing)


@pytest.mark.parametrize(
    ("text", "formula", "charge"),
    [
        ("B12", "B12", 0),
        ("B12-", "B12", -1),
        ("B12−", "B12", -1),
        ("SeB10+", "SeB10", 1),
        ("B12--", "B12", -2),
        ("B12 2-", "B12", -2),
        ("B12 2+", "B12", 2),
        ("B12 -", "B12", -1),
        ("B122-", "B122", -1),
        ("B-", "B", -1),
        ("SeB10 1+", "SeB10", 1),
    ],
)
def test_charges(text, formula, charge):
    composition, found = parse_formula_and_charge(text)
    assert (composition.formula, found) == (formula, charge)


UNCLEAR = ["B12-2", "B12 -2", "B12+-", "B12 2--", "-B12", "B12 0-", "B12-Se", "B12+2-", "B12^2-", "B 12-"]


@pytest.mark.parametrize("text", UNCLEAR)
def test_charges_that_can_be_read_in_two_ways(text):
    with pytest.raises(InputError, match=r"write one sign per charge|not a chemical formula"):
        parse_formula_and_charge(text)


@pytest.mark.parametrize("text", ["12B-", "SeB0+", "+", "b12-", "B 12-"])
def test_a_charge_makes_no_formula_of_what_is_none(text):
    with pytest.raises(InputError):
        parse_formula_and_charge(text)


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(chemical_symbols[1:]), st.integers(1, 99)), min_size=1, max_size=5),
    st.integers(-3, 3),
)
def test_any_formula_with_any_charge(parts, charge):
    text = "".join(symbol + str(count) for symbol, count in parts)
    numbers = np.concatenate([[chemical_symbols.index(symbol)] * count for symbol, count in parts])
    written = text if not charge else f"{text} {abs(charge)}{'+' if charge > 0 else '-'}"
    composition, found = parse_formula_and_charge(written)
    assert found == charge
    assert sorted(composition.numbers) == sorted(numbers)
    assert Composition.parse(composition.formula) == composition


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet="BSeb0129+- ().,", max_size=8))
def test_any_text_is_read_rightly_or_refused(text):
    """By a rule of its own: of what is accepted, symbols and counts put together again are the text."""
    try:
        composition = Composition.parse(text)
    except InputError:
        return
    total, rest = 0, text.strip()
    while rest:
        symbol = rest[:2] if rest[:2] in chemical_symbols else rest[:1]
        rest = rest[len(symbol) :]
        digits = rest[: len(rest) - len(rest.lstrip("0123456789"))]
        rest = rest[len(digits) :]
        total += int(digits or 1)
        assert symbol in ("B", "Se", "S", "Be", "Sb")
    assert composition.n_atoms == total
