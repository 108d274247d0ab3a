"""The table of usable structures: one reason for each, and nothing of the data itself."""

from __future__ import annotations

import csv
import gzip
from dataclasses import replace

import numpy as np
import pytest
from made_data import boron_set

from iia_calc.data.audit import audit_sets
from iia_calc.data.usable import Usable, read, reason_counts, sentences, usable_structures, write


@pytest.fixture
def audit():
    """Of 200 structures: 0 has no energy, 1 is 5 hartree too high, 3 is a copy of 2, 4 is in pieces."""
    made = boron_set(200)
    positions, energies = made.positions.copy(), made.energies.copy()
    energies[0], energies[1] = np.nan, energies[1] + 5.0
    positions[3], energies[3] = positions[2], energies[2]
    positions[4, 0] += 30.0
    return audit_sets([replace(made, positions=positions, energies=energies)])


def test_each_structure_has_one_reason(audit):
    rows = usable_structures(audit)
    assert [row.index for row in rows] == list(range(200))
    assert [row.usable for row in rows[:4]] == ["no", "no", "yes", "no"]
    assert rows[0].reason == "it has no energy"
    assert rows[1].reason == "its energy is above that of the separate atoms"
    assert rows[2].reason == "its energy agrees with its bonds; GFN1-xTB was not asked"
    assert rows[3].reason == f"copy of {rows[2].file} 2"
    assert rows[4].reason.endswith("; in pieces")


def test_xtb_is_asked_of_what_passes_alone(audit):
    asked = []

    def excess(item):
        asked.extend(item.indices.tolist())
        return np.where(item.indices == 7, 0.3, np.where(item.indices == 8, np.nan, 0.2))

    rows = usable_structures(audit, excess)
    assert not {0, 1} & set(asked)
    assert [rows[k].usable for k in (2, 7, 8)] == ["yes", "no", "no"]
    assert rows[2].reason == "its energy agrees with its bonds and with GFN1-xTB"
    assert rows[7].reason == "its energy is more than 0.25 eV/atom above GFN1-xTB's"
    assert rows[8].reason == "GFN1-xTB does not converge for it"


def test_carbon_is_not_held_against_xtb():
    carbon = replace(boron_set(200), numbers=np.full(8, 6))
    rows = usable_structures(audit_sets([carbon]), excess=None)
    assert rows == usable_structures(audit_sets([carbon]), excess=lambda item: pytest.fail("asked"))


def test_the_table_is_small_and_always_the_same(tmp_path):
    rows = [Usable("SeBn/B=16.npz", 0, "yes", "sound"), Usable("SeBn/B=16.npz", 1, "no", "copy of SeBn/B=16.npz 0")]
    path = write(rows, tmp_path / "new" / "usable.csv.gz")
    first = path.read_bytes()
    assert write(rows, path).read_bytes() == first
    assert read(path) == rows
    with gzip.open(path, "rt") as file:
        assert next(csv.reader(file)) == ["file", "index", "usable", "reason"]
    assert read(tmp_path / "absent.csv") == []
    (tmp_path / "other.csv").write_text("a,b\n1,2\n")
    with pytest.raises(ValueError, match="is no table of usable structures"):
        read(tmp_path / "other.csv")


def test_counts_for_people():
    rows = [Usable("a", k, "no", f"copy of a {k}") for k in range(3)] + [Usable("a", 3, "yes", "sound")]
    assert reason_counts(rows) == {("no", "copy of another"): 3, ("yes", "sound"): 1}
    assert list(sentences(rows)) == [
        "1 of 4 structures can be used",
        "     3  unusable: copy of another",
        "     1  usable: sound",
    ]
