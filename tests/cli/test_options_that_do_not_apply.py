"""An option that does not apply to what is run is refused in one line, before anything is computed."""

from __future__ import annotations

import numpy as np
import pytest
from ase import Atoms
from ase.io import write

P = np.array([(0, 0, 0), (1.6, 0, 0), (0.8, 1.4, 0), (0.8, -1.2, 0.3)])
REFUSED = [
    ("md b4.xyz --friction 0.02 --equilibrate 0", "--friction: of a bath, and there is none; add --langevin"),
    ("search B4 --json --show 3", "--show: of the printed table"),
    ("properties b4.xyz --json --show 3", "--show: of the printed table"),
    ("label --structures b4.xyz --seed 3", "--seed: of random starts"),
    ("label --recheck all --level dft -o b4.xyz --steps 3", "--steps: of labels that are made"),
    ("label --recheck all --level dft -o b4.xyz --seed 3", "--seed: of labels that are made"),
    ("export b4.xyz -f xyz --basis 3-21G", "--basis: of inputs; xyz has none"),
    ("export b4.xyz -f csv --charge 1 --task opt", "--charge, --task: of inputs; csv has none"),
    ("audit b4.xyz --seed 1 -j 2", "--seed, --workers: of recomputed structures; add --check N"),
    ("audit b4.xyz --check-level gfn1", "--check-level: of recomputed structures"),
    ("audit b4.xyz --geometry first", "--geometry: of Gaussian logs, and there are none"),
    ("convert b4.xyz a.db --geometry last", "--geometry: of Gaussian logs, and there are none"),
    ("improve --rounds 1 --members 2", "--members: OUT goes on with the settings that it began with"),
    ("improve B4 --rounds 1 --settings b4.xyz", "formulas: is in the file of --settings"),
    ("improve --rounds 1 --settings b4.xyz --level gfn1", "--level: is in the file of --settings"),
    ("train a.db -o m --from seb-10 --heads 2", "--heads: of a new network"),
    ("train a.db -o m --attention none --heads 2", "--heads: of an attention, and there is none"),
    ("train a.db -o m --directions convolution", "--directions: of directions, and none are seen"),
    ("train a.db -o m --kind vectors --angular 1 --attention none --distance-logits", "--distance-logits: of schnet"),
    ("train a.db -o m --softening 1", "--softening: of vectors; add --kind vectors"),
    ("train a.db -o m --recalibrate --epochs 3 --rbf 9", "--rbf, --epochs: of a fit, and --recalibrate fits nothing"),
    ("properties b4.xyz --what point-groups --temperature 500", "--temperature: of thermo; add that to --what"),
    ("properties b4.xyz --what thermo --tolerance 0.1", "--tolerance: of point-groups"),
    ("properties b4.xyz --functionals PBE,PBE0", "--functionals: of ranking"),
    ("properties b4.xyz --basis def2-SVP", "--basis: of electronic or ranking"),
    ("reproduce table2 --trials 3", "--trials: of table1"),
    ("reproduce table2 --check 3", "--check: of doubts"),
    ("reproduce page --epochs 3", "--epochs: of trainings, and page has none"),
    ("reproduce table2 --quick --epochs 3", "--epochs: --quick chooses it"),
]


@pytest.mark.parametrize(("command", "message"), REFUSED, ids=[command for command, _ in REFUSED])
def test_an_option_that_does_not_apply(iia, tmp_path, command, message):
    write(tmp_path / "b4.xyz", Atoms("B4", P))
    done = iia(*command.split(), code=2)
    assert message in done.stderr
    assert done.stderr.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["b4.xyz"]


def test_a_saved_file_of_settings_holds_defaults_that_nobody_gave(iia, tmp_path):
    write(tmp_path / "b4.xyz", Atoms("B4", P))
    config = tmp_path / "c.yml"
    config.write_text("start: b4.xyz\nfriction: 0.01\nequilibrate: '0'\nsteps: 2\nmodel: none-such\n")
    assert "there is no model" in iia("md", "--config", config, code=2).stderr  # the friction is the default
    config.write_text("start: b4.xyz\nfriction: 0.02\nequilibrate: '0'\nsteps: 2\nmodel: none-such\n")
    assert "--friction: of a bath" in iia("md", "--config", config, code=2).stderr


@pytest.mark.parametrize("command", ["relax|", "convert||a.db", "report|", "search|B4|--out=", "audit|b4.xyz|", "md| "])
def test_an_empty_argument_is_no_folder(iia, tmp_path, command):
    """As of a variable of a script that isn't set: "iia convert $FILE a.db" must not convert what lies here."""
    write(tmp_path / "b4.xyz", Atoms("B4", P))
    assert "an argument is empty" in iia(*command.split("|"), code=2).stderr
    assert [path.name for path in tmp_path.iterdir()] == ["b4.xyz"]


def test_a_trajectory_that_another_job_begins_meanwhile_is_left_alone(iia, tmp_path, monkeypatch):
    write(tmp_path / "b4.xyz", Atoms("B4", P))

    def begun_elsewhere(*_, **__):
        (tmp_path / "b4-md.traj").write_bytes(b"theirs")
        return Atoms("B4", P)

    monkeypatch.setattr("iia_calc.isomers.search.first_structure", begun_elsewhere)
    done = iia("md", "b4.xyz", "--steps", 2, "--equilibrate", 0, "--model", "seb-3-21g", code=2)
    assert "is being written by another job" in done.stderr
    assert (tmp_path / "b4-md.traj").read_bytes() == b"theirs"


@pytest.mark.parametrize("place", [".", "..", "/"])
def test_a_folder_is_no_file_of_structures(iia, place):
    assert "is a folder; give a file of structures" in iia("relax", place, code=2).stderr


def test_what_is_looked_at_goes_through_the_same_door(iia, tmp_path):
    write(tmp_path / "b4.extxyz", [Atoms("B4", P), Atoms("B4", P, cell=[9, 9, 9], pbc=True)])
    done = iia("report", "b4.extxyz")
    assert "1 of 2 structures set aside: is periodic" in done.stderr
    write(tmp_path / "slab.extxyz", Atoms("B4", P, cell=[9, 9, 9], pbc=True))
    for command in (["report", "slab.extxyz"], ["export", "slab.extxyz", "-f", "xyz"]):
        assert "is periodic" in iia(*command, code=2).stderr
