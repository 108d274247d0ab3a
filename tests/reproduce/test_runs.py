"""Runs: a set is split and cleaned right, a transfer carries what it says, a finished run is not repeated."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from iia_calc.data.published import read_npz
from iia_calc.reproduce.experiments import ALIASES, EXPERIMENTS, Plan, reseed
from iia_calc.reproduce.runner import Runner, interaction_energies
from iia_calc.reproduce.sets import Library, element_energies, split

PLAN = Plan.smoke("published")


@pytest.fixture
def runner(sets, tmp_path):
    return Runner(Library(sets, "published", 30), tmp_path)


def names(task):
    return [{item.start for item in part} for part in (task.train, task.validation, task.test)]


def test_split_is_eight_one_one_and_keeps_groups_together():
    parts = split(np.arange(1000), 0)
    assert [len(part) for part in parts] == [800, 100, 100]
    assert sorted(np.concatenate(parts)) == list(range(1000))
    assert not np.array_equal(parts[2], split(np.arange(1000), 1)[2])
    groups = np.arange(1000) // 7
    of = [set(groups[part]) for part in split(groups, 0)]
    assert not of[0] & of[1] | of[0] & of[2] | of[1] & of[2]


def test_as_published_takes_the_file_as_it_is(sets):
    task = Library(sets, "published").task("SeB20", 0)
    found = read_npz(sets / "SeBn/B=20.npz")
    labelled = [*task.train, *task.validation, *task.test]
    assert sorted(item.label.energy for item in labelled) == sorted(found.energies)
    assert task.unit == "hartree"
    assert task.ev_per_unit == pytest.approx(27.2114, abs=1e-4)
    assert sum(map(len, names(task))) == len(set().union(*names(task)))


def test_as_corrected_is_in_ev_without_failed_scf(sets):
    task = Library(sets, "corrected").task("SeB20", 0)
    energies = np.array([item.label.energy for part in (task.train, task.validation, task.test) for item in part])
    published = read_npz(sets / "SeBn/B=20.npz").energies_in("eV")
    assert task.unit == "eV"
    assert len(energies) == len(published) - 3  # those 300 eV too high
    assert np.ptp(energies) < 100 < np.ptp(published)


def test_as_corrected_leaves_out_what_xtb_finds_too_high(sets, monkeypatch, tmp_path):
    passed = Library(sets, "corrected").structures("SeB20")
    monkeypatch.setattr("iia_calc.reproduce.sets.agrees", lambda found, *_: found.indices % 5 > 0)
    kept = Library(sets, "corrected").structures("SeB20")
    assert kept.indices.tolist() == [k for k in passed.indices.tolist() if k % 5]
    few = Library(sets, "corrected", 10).structures("SeB20")
    assert len(few) == 10
    assert set(few.indices) < set(kept.indices)
    assert few.indices.tolist() == sorted(few.indices)
    carbon = Library(sets, "corrected").structures("AlC21")  # xTB's verdict was never checked there
    assert {k % 5 for k in carbon.indices.tolist()} == set(range(5))


def test_a_joined_set_is_only_trained_on(sets):
    library = Library(sets, "published")
    alone, joined = library.task("SeB20", 0), library.task("SeB20", 0, ["SeB19"])
    assert names(alone)[1:] == names(joined)[1:]
    assert len(joined.train) == len(alone.train) + 30
    with pytest.raises(ValueError, match="same composition"):
        library.task("SeB20", 0, ["SeB20"])


def test_element_energies_are_the_mean_of_one_composition(sets):
    train = Library(sets, "published").task("SeB20", 0).train
    energies = element_energies(train)
    assert energies["B"] * 20 + energies["Se"] == pytest.approx(np.mean([item.label.energy for item in train]))


def test_wrong_sets_are_named(sets, tmp_path):
    library = Library(sets, "published")
    with pytest.raises(ValueError, match="none of the paper's sets"):
        library.structures("CuB3")
    with pytest.raises(FileNotFoundError, match="SeB21-O is wanted"):
        library.structures("SeB21-O")
    with pytest.raises(FileNotFoundError, match="there is no folder"):
        Library(tmp_path / "nowhere", "published")
    with pytest.raises(ValueError, match="published or corrected"):
        Library(sets, "true")
    other = tmp_path / "SeBn"
    other.mkdir()
    (other / "B=20.npz").write_bytes((sets / "SeBn/B=19.npz").read_bytes())
    with pytest.raises(ValueError, match="is to hold SeB20, but holds SeB19"):
        Library(tmp_path, "published").structures("SeB20")


def test_a_finished_run_is_not_repeated_and_a_changed_one_is(runner, monkeypatch):
    run = PLAN.run("Ta2N3-")
    first = runner.run(run)
    assert first.epochs == PLAN.epochs
    assert first.structures == PLAN.epochs * first.n_train
    assert not (runner.place(run) / "data.db").exists()
    other = replace(run, training=replace(run.training, learning_rate=2e-5))
    assert runner.identity(other) != runner.identity(run)

    def fail(*args, **kwargs):
        raise AssertionError("trained again")

    monkeypatch.setattr("iia_calc.reproduce.runner.fit", fail)
    assert Runner(runner.library, runner.folder).run(run) == first
    with pytest.raises(AssertionError, match="trained again"):
        runner.run(other)


def test_a_stopped_run_goes_on(runner, monkeypatch):
    run = PLAN.run("Ta2N3-")

    def interrupted(text: str) -> None:
        raise KeyboardInterrupt

    stopped = Runner(runner.library, runner.folder, interrupted)
    with pytest.raises(KeyboardInterrupt):
        stopped.run(run)
    assert len(stopped.curve(run)) == 1
    assert stopped.outcome(run) is None
    assert runner.run(run).epochs == PLAN.epochs


def test_other_data_make_another_run(sets, tmp_path):
    published = Runner(Library(sets, "published"), tmp_path)
    limited = Runner(Library(sets, "published", 20), tmp_path)
    assert published.identity(PLAN.run("SeB20")) != limited.identity(PLAN.run("SeB20"))


def test_embeddings_and_weights_are_carried(runner):
    source = PLAN.run("Ta2N3-")
    runner.run(source)
    trained = runner.load_potential(source).state_dict()
    task = runner.library.task("Ta2N5-", 0)
    kept = runner.initial(replace(PLAN.run("Ta2N5-"), source=source, carry="embeddings"), task).state_dict()
    fresh = runner.initial(PLAN.run("Ta2N5-"), task).state_dict()
    row = "network.embedding.weight"
    assert torch.equal(kept[row], trained[row])
    assert not torch.equal(fresh[row], trained[row])
    assert all(torch.equal(kept[key], fresh[key]) for key in fresh if key != row)
    whole = runner.initial(replace(PLAN.run("Ta2N5-"), source=source, carry="weights"), task)
    assert all(torch.equal(value, trained[key]) for key, value in whole.state_dict().items())
    # element energies take up what the carried network says on average
    sums = [sum(whole.element_energies[s] for s in item.atoms.symbols) for item in task.train]
    left = interaction_energies(whole, task.train) + sums - [item.label.energy for item in task.train]
    assert abs(left.mean()) < 1e-3


def test_the_untrained_attention_learns_nothing_of_it(runner):
    network = PLAN.network("untrained", "smu")
    run = PLAN.run("Ta2N3-", network)
    outcome = runner.run(run)
    assert outcome.parameters == runner.run(PLAN.run("Ta2N3-", PLAN.network(None, "smu"))).parameters
    potential, task = runner.load_potential(run).freeze(), runner.library.task("Ta2N3-", 0)
    assert not np.allclose(
        interaction_energies(potential, task.test), interaction_energies(potential, task.test), atol=1e-9
    )


def test_every_row_differs_and_has_its_seeds():
    for treatment in ("published", "corrected"):
        for name, make in EXPERIMENTS.items():
            rows = make(Plan(treatment, seeds=3)).rows
            assert len({row.key for row in rows}) == len(rows), name
            assert len({row.runs for row in rows}) == len(rows), name
            assert all([run.seed for run in row.runs] == [0, 1, 2] for row in rows)
    assert set(ALIASES.values()) <= set(EXPERIMENTS)
    run = reseed(Plan("published").run("SeB20", source=PLAN.run("SeB19"), carry="embeddings"), 7)
    assert run.source is not None
    assert {run.seed, run.source.seed, run.training.seed, run.source.training.seed} == {7}


def test_table_three_has_all_rows_and_forms():
    keys = [row.key for row in EXPERIMENTS["table3"](Plan("published")).rows]
    assert len(keys) == 3 + 4 * 3
    assert "IIA + SMU + TL, untrained attention" in keys
