"""Label databases joined: each label once, one level of theory."""

from __future__ import annotations

import numpy as np
import pytest
from typer.testing import CliRunner

from iia_calc.cli import app
from iia_calc.labels.merge import join
from iia_calc.labels.npz import open_labels, pack
from iia_calc.labels.sampling import Start, sample_start
from iia_calc.labels.store import LabelStore, in_batches
from iia_calc.labels.xtb import XTBLevel

LEVEL = XTBLevel()


@pytest.fixture(scope="module")
def labelled():
    return sample_start(Start("SeB4", 0), LEVEL), sample_start(Start("B4", 1), LEVEL)


def stored(path, *items, level=LEVEL.name):
    store = LabelStore(path, level)
    store.add(items)
    store.add_element_energies({"B": -1.5})
    return path


def test_each_label_once_in_the_order_of_the_files(tmp_path, labelled):
    first, second = labelled
    one, two = stored(tmp_path / "1.db", *first, first[0]), stored(tmp_path / "2.db", first[1], *second)
    out = tmp_path / "out.db"
    assert join([one, two], out) == len(first) + len(second)
    back = list(LabelStore(out).read())
    for item, wanted in zip(back, [*first, *second], strict=True):
        assert np.allclose(item.atoms.positions, wanted.atoms.positions)
        assert (item.start, item.label.energy) == (wanted.start, pytest.approx(wanted.label.energy))
    assert LabelStore(out).element_energies == {"B": -1.5}
    assert join([one, two], out) == 0  # the same call adds nothing


def test_what_other_files_hold_stays_out(tmp_path, labelled):
    first, second = labelled
    one, two = stored(tmp_path / "1.db", *first), stored(tmp_path / "2.db", *second)
    pack(LabelStore(one), tmp_path / "known.npz.xz")  # rounded to 1e-5 Å
    assert join([one, two], tmp_path / "out.db", [tmp_path / "known.npz.xz"]) == len(second)


def test_a_packed_file_grows_and_says_what_a_label_was_made_for(tmp_path, labelled):
    first, second = labelled
    out = tmp_path / "out.npz.xz"
    assert join([stored(tmp_path / "1.db", *first)], out, split="training", batch="rings") == len(first)
    assert join([stored(tmp_path / "2.db", first[0], *second)], out, batch="walls") == len(second)
    back = list(open_labels(out).read())
    assert [(item.split, item.batch) for item in back] == [("training", "rings")] * len(first) + [("", "walls")] * len(
        second
    )
    for item, wanted in zip(back, [*first, *second], strict=True):
        assert np.allclose(item.atoms.positions, wanted.atoms.positions, atol=6e-7)
        assert np.allclose(item.label.forces, wanted.label.forces, atol=6e-6)
    assert in_batches(back, ["walls"]) == back[len(first) :]
    with pytest.raises(ValueError, match="the batches there are: rings, walls"):
        in_batches(back, ["wheels"])
    with pytest.raises(ValueError, match="need another file"):
        join([stored(tmp_path / "3.db", *second, level="PBE0/3-21G")], out)
    assert len(open_labels(out)) == len(back)


def test_charge_and_multiplicity_part_labels(tmp_path, labelled):
    from dataclasses import replace

    item = labelled[0][0]
    one = stored(tmp_path / "1.db", item, replace(item, charge=1, multiplicity=2))
    assert join([one], tmp_path / "out.db") == 2


def test_levels_do_not_mix_and_nothing_is_written(tmp_path, labelled):
    one = stored(tmp_path / "1.db", *labelled[0])
    two = stored(tmp_path / "2.db", *labelled[1], level="PBE0/3-21G")
    with pytest.raises(ValueError, match=r"PBE0/3-21G; .*|.*; PBE0/3-21G"):
        join([one, two], tmp_path / "out.db")
    assert not (tmp_path / "out.db").exists()
    with pytest.raises(ValueError, match="one of the databases"):
        join([one, two.with_name("1.db")], one)


def test_command(tmp_path, labelled):
    one, two = stored(tmp_path / "1.db", *labelled[0]), stored(tmp_path / "2.db", *labelled[1])
    out = tmp_path / "out.db"
    result = CliRunner().invoke(app, ["join", str(one), str(two), "-o", str(out), "--without", str(two)])
    assert result.exit_code == 0
    assert f"{len(labelled[0])} labels added" in result.output
    assert len(LabelStore(out)) == len(labelled[0])
    missing = CliRunner().invoke(app, ["join", str(tmp_path / "no.db"), "-o", str(tmp_path / "new.db")])
    assert missing.exit_code
    assert not (tmp_path / "new.db").exists()
