"""The loop on real labels (xTB stands for DFT, to be quick): from nothing to a potential, killed and continued."""

import json
import subprocess
import time

import pytest
from cli_process import ENVIRONMENT, IIA

from iia_calc.improve import Loop, LoopSettings
from iia_calc.labels.store import LabelStore
from iia_calc.model import storage

SETTINGS = {
    "formulas": ["AlC2", "AlC3"],
    "level": "gfn2",
    "pretraining_labels": 40,
    "first_labels": 12,
    "test_labels": 8,
    "quenches": 16,
    "labels_per_round": 6,
    "members": 2,
    "wall_labels": 5,
    "network": {"n_atom_basis": 16, "n_interactions": 2, "angular": 1, "n_rbf": 10, "n_heads": 2},
    "pretraining": {"epochs": 1, "batch_size": 10},
    "training": {"epochs": 1, "batch_size": 10, "validation_share": 0.2},
}


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A loop of two rounds, its process killed several times on the way."""
    folder = tmp_path_factory.mktemp("loop")
    settings = folder / "settings.json"
    settings.write_text(json.dumps(SETTINGS))
    out = folder / "out"
    command = [*IIA, "improve", "--settings", str(settings), "--rounds", "2", "--out", str(out), "--json"]
    kills = 0
    for patience in (6, 9, 12):
        process = subprocess.Popen(command, env=ENVIRONMENT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            process.wait(timeout=patience)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            kills += 1
            time.sleep(1.5)  # the workers notice
    done = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert kills
    return out, json.loads(done.stdout)


@pytest.mark.slow
def test_rounds_add_labels_and_end_with_a_model(finished):
    out, told = finished
    first, second = told["rounds"]
    assert 12 <= first["n_labels"] < second["n_labels"]
    assert second["n_labels"] == first["n_labels"] + second["n_new"]
    assert second["held_out_energy"] > 0
    assert first["foreign_energy"] > 0
    committee = storage.load(told["model"])
    assert len(committee.members) == 2
    assert committee.card.level_of_theory == LoopSettings.from_plain(SETTINGS).level_of_theory.name
    assert sum(committee.card.label_counts.values()) == second["n_labels"]
    walls = list(LabelStore(out / "walls.db").read())
    assert 5 <= len(walls) < first["n_labels"]
    assert {item.origin for item in walls} <= {"raw", "compressed", "pressed"}
    foreign = [item for item in LabelStore(out / "labels.db").read() if item.origin == "foreign-minimum"]
    assert {f"AlC{n}-round{k}" for n in (2, 3) for k in (0, 1)} >= {item.start[:11] for item in foreign} > set()
    assert (out / "progress.png").stat().st_size > 5000


def test_no_label_is_made_twice_and_none_is_in_both_sets(finished):
    out, _ = finished
    trained = [item.start for item in LabelStore(out / "labels.db").read()]
    own = [name for name in trained if "-round" in name]
    assert len(own) == len(set(own)) > 0
    assert not set(trained) & {item.start for item in LabelStore(out / "held-out.db").read()}


def test_a_finished_loop_does_nothing_more(finished):
    out, told = finished
    said = []
    reports = Loop(out, say=said.append).run(rounds=2)
    assert [r.n_labels for r in reports] == [r["n_labels"] for r in told["rounds"]]
    assert said == []


def test_the_time_ends_it_and_it_goes_on(tmp_path):
    said = []
    assert Loop(tmp_path, LoopSettings.from_plain(SETTINGS), say=said.append).run(time_limit=1e-3) == []
    assert "goes on from here" in said[-1]


@pytest.mark.slow
def test_a_signal_ends_it_with_everything_kept(tmp_path):
    settings, out = tmp_path / "settings.json", tmp_path / "out"
    settings.write_text(json.dumps(SETTINGS | {"pretraining_labels": 100_000}))
    command = [*IIA, "improve", "--settings", str(settings), "--rounds", "1", "--out", str(out)]
    job = subprocess.Popen(command, env=ENVIRONMENT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    path = out / "pretraining.db"
    while not path.exists() or not len(LabelStore(path)):
        assert job.poll() is None
        time.sleep(0.2)
    job.terminate()
    assert "interrupted; the same command goes on" in job.communicate(timeout=60)[1]
    assert job.returncode == 143
    assert len(LabelStore(path)) > 0


def test_other_settings_in_the_same_folder_are_refused(finished):
    with pytest.raises(ValueError, match=r"begun with other settings \(quenches 16, not 17\)"):
        Loop(finished[0], LoopSettings.from_plain(SETTINGS | {"quenches": 17}))


def test_labels_of_another_level_are_refused(finished, tmp_path):
    settings = LoopSettings.from_plain(SETTINGS | {"labels": [str(finished[0] / "pretraining.db")]})
    with pytest.raises(ValueError, match=r"holds labels of 'GFN1.*the loop labels with 'GFN2"):
        Loop(tmp_path, settings)
    assert not list(tmp_path.iterdir())  # and the folder is free for the right ones


def test_a_model_of_other_elements_is_refused(finished, tmp_path):
    settings = LoopSettings.from_plain(SETTINGS | {"start_from": finished[1]["model"], "formulas": ["SeB3"]})
    with pytest.raises(ValueError, match="knows C, Al, but not B, Se"):
        Loop(tmp_path, settings)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"formulas": []}, "say which formulas"),
        ({"quenches": 0}, "quenches must be at least 1"),
        ({"share_lowest": 0.8, "share_uncertain": 0.4}, "sum to 1 at most"),
        ({"sources": ["xtb", "guesses"]}, "sources guesses are not known; choose of xtb, shapes"),
        ({"share_foreign": 1.5}, "lies between 0 and 1"),
        ({"epochs": 3}, "unknown loop settings epochs"),
        ({"level": "ccsd"}, "level 'ccsd' is not known"),
    ],
)
def test_nonsense_is_refused(wrong, message):
    with pytest.raises(ValueError, match=message):
        LoopSettings.from_plain(SETTINGS | wrong)
