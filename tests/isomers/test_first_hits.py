import json

import pytest
from ase import Atoms

from iia_calc.isomers.first_hits import FirstHitRequest, measure_first_hits

EMT = "ase.calculators.emt:EMT"
SQUARE = Atoms("Cu4", [(0, 0, 0), (2.4, 0, 0), (2.4, 2.4, 0.2), (0, 2.4, 0)])


def asked(folder, **changes):
    target = folder / "target.xyz"
    folder.mkdir(exist_ok=True)
    SQUARE.write(target)
    settings = {"runs": 2, "max_quenches": 40, "calculator": EMT, "target": str(target), "out": folder / "runs"}
    return FirstHitRequest("Cu4", **settings | changes)


def test_runs_are_kept_and_a_second_call_goes_on(tmp_path):
    done = []
    request = asked(tmp_path, methods=("basin-hopping",), runs=1)
    first = measure_first_hits(request, lambda run, *counts: done.append(counts))
    assert done == [(1, 1)]
    path = tmp_path / "runs" / "runs.jsonl"
    whole = path.read_text()
    path.write_text(whole + '{"method": "basin-hop')  # cut short by a kill
    done.clear()
    both = measure_first_hits(asked(tmp_path), lambda run, *counts: done.append(counts))
    assert done == [(2, 4), (3, 4), (4, 4)]
    assert path.read_text().startswith(whole)
    assert both.runs[0] == first.runs[0]
    assert [(run.method, run.walkers, run.seed) for run in both.runs] == [
        (method, walkers, seed) for method, walkers in (("basin-hopping", 8), ("bee-colony", 16)) for seed in (0, 1)
    ]
    assert all(run.hit and run.lowest <= both.target.energy + 2e-3 for run in both.runs)
    assert both.statistics()["bee-colony", 16]["quenches"].n_hits == 2
    assert measure_first_hits(asked(tmp_path), lambda *_: pytest.fail("all were done")) == both


def test_what_lies_below_the_target_is_told_and_what_is_not_found_is_censored(tmp_path):
    case = {"methods": ("basin-hopping",), "runs": 1, "walkers": (2,), "max_quenches": 6}
    energy = measure_first_hits(asked(tmp_path, **case)).target.energy
    high = measure_first_hits(asked(tmp_path, **case, target=f"{energy + 1:.3f}", out=tmp_path / "high"))
    assert high.runs[0].hit
    assert high.lower == high.runs[0].lowest
    low = measure_first_hits(asked(tmp_path, **case, target=f"{energy - 1:.3f}", out=tmp_path / "low"))
    assert (low.runs[0].hit, low.runs[0].quenches, low.lower) == (False, 6, None)
    assert low.statistics()["basin-hopping", 2]["quenches"].mean.value == float("inf")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"target": "nan"}, "target is nan"),
        ({"target": "-inf"}, "target is -inf"),
        ({"target": "-1e9"}, "target is -1e\\+09 eV, which no Cu4 can have on this potential"),
        ({"target": "-60"}, "target is -60 eV, which no Cu4 can have"),
        ({"target": None}, "no minima of a calculator are known: give --target"),
        ({"target": None, "calculator": None, "formula": "SeB25"}, "no minimum of SeB25 is in the shipped tables"),
        ({"runs": 0}, "runs is 0"),
        ({"methods": ()}, "no method is given; choose of basin-hopping, bee-colony"),
        ({"methods": ("walk",)}, "'walk' is not known"),
        ({"walkers": (0,)}, "walkers is 0; it must be a whole number of at least 1"),
        ({"walkers": (8, 99_999_999)}, "walkers is 99999999; a run of 40 quenches has use for no more"),
        ({"walkers": (1,)}, "sources is 1; it must be a whole number of at least 2"),
        ({"formula": "Cu5"}, "the search is for Cu5"),
    ],
)
def test_what_makes_no_sense_is_refused_before_a_run(tmp_path, changes, message):
    with pytest.raises(ValueError, match=message):
        measure_first_hits(FirstHitRequest(**vars(asked(tmp_path)) | changes))
    assert not (tmp_path / "runs").exists()


def test_a_folder_of_other_runs_is_refused(tmp_path):
    measure_first_hits(asked(tmp_path, methods=("basin-hopping",), runs=1))
    with pytest.raises(ValueError, match="holds other runs: max_quenches was 40, now 41"):
        measure_first_hits(asked(tmp_path, max_quenches=41))


def test_the_command(tmp_path):
    from typer.testing import CliRunner

    from iia_calc.cli import app

    SQUARE.write(tmp_path / "target.xyz")
    asked = ["bench", "Cu4", "--calculator", EMT, "--target", str(tmp_path / "target.xyz"), "--runs", "1"]
    asked += ["--max-quenches", "20", "--method", "basin-hopping", "--walkers", "2,4", "--out", str(tmp_path / "b")]
    found = json.loads(CliRunner().invoke(app, [*asked, "--json"]).stdout)
    assert [case["walkers"] for case in found["cases"]] == [2, 4]
    assert found["cases"][0]["quenches"]["n_hits"] == 1
    text = CliRunner().invoke(app, asked).stdout
    assert "1/1" in text
    assert "target.xyz, relaxed" in text
    assert CliRunner().invoke(app, ["bench", "Cu4", "--walkers", "few"]).exit_code == 2
