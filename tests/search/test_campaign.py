"""`find_minima` from end to end: literature minima, stop rules, going on, killed processes, bad input."""

import os
import signal
import subprocess
import sys
import textwrap
import time

import numpy as np
import pytest
from ase import Atoms
from ase.calculators.calculator import Calculator, all_changes
from ase.calculators.emt import EMT
from ase.calculators.lj import LennardJones as ASELennardJones

from search import METHODS, Archive, LennardJones, find_minima
from search.archive.sqlite import SQLiteStore
from search.relaxers.ase import ASERelaxer

LITERATURE = {13: -44.326801, 19: -72.659782}  # Cambridge Cluster Database, ε


def summary(result):
    return [(a.get_potential_energy(), a.info["times_found"], a.positions.tolist()) for a in result.minima]


def stored(path):
    with Archive(path) as archive:
        minima = [(m.energy, m.times_found, m.first_quench, m.positions.tolist()) for m in archive]
        return minima, archive.state


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("n", LITERATURE)
def test_literature_minima(n, method):
    result = find_minima(f"Ar{n}", LennardJones(), method, quenches=3000, target_energy=LITERATURE[n], seed=1)
    assert result.stopped_by == "target"
    assert 1 <= result.first_hit <= result.n_quenches
    assert result.minima[0].get_potential_energy() == pytest.approx(LITERATURE[n], abs=1e-4)
    assert result.minima[0].info["first_quench"] == result.first_hit


@pytest.mark.parametrize("method", METHODS)
def test_a_wrong_minimum_is_not_hit(method):
    target = LITERATURE[13] - 3e-4
    result = find_minima("Ar13", LennardJones(), method, quenches=200, target_energy=target, seed=1)
    assert result.first_hit is None
    assert result.stopped_by == "quenches"
    assert result.n_quenches == 200


@pytest.mark.parametrize("method", METHODS)
def test_result(method):
    seen = []
    result = find_minima("Ar9", LennardJones(), method, quenches=70, seed=2, callback=seen.append, batch_size=16)
    energies = [atoms.get_potential_energy() for atoms in result.minima]
    assert energies == sorted(energies)
    assert result.best_energy == energies[0]
    assert [p.n_quenches for p in seen] == [16, 32, 48, 64, 70]
    assert seen[-1].best_energy == energies[0]
    assert seen[-1].n_minima == len(energies)
    assert sum(atoms.info["times_found"] for atoms in result.minima) == 70 - (
        result.n_failed + result.n_unconverged + result.n_fragmented + result.n_uncertain
    )
    assert result.n_evaluations == seen[-1].n_evaluations > 70
    assert 0 < result.seconds_relaxing < result.seconds
    assert sum(count["tries"] for count in result.moves.values()) > 30
    assert summary(find_minima("Ar9", LennardJones(), method, quenches=70, seed=2, batch_size=16)) == summary(result)
    assert summary(find_minima("Ar9", LennardJones(), method, quenches=70, seed=3, batch_size=16)) != summary(result)


def test_time_limit_and_a_later_target(tmp_path):
    result = find_minima("Ar13", LennardJones(), time_limit=0.3, archive=tmp_path)
    assert result.stopped_by == "time"
    assert 0.3 <= result.seconds < 5
    again = find_minima("Ar13", LennardJones(), archive=tmp_path, target_energy=LITERATURE[13], quenches=4000)
    assert again.stopped_by == "target"
    assert again.first_hit == again.minima[0].info["first_quench"]


@pytest.mark.parametrize("method", METHODS)
def test_interrupted_and_continued_is_undisturbed(tmp_path, method):
    def interrupt(progress):
        if progress.n_quenches == 48:
            os.kill(os.getpid(), signal.SIGINT)

    relaxer = LennardJones()
    broken = find_minima("Ar9", relaxer, method, quenches=120, archive=tmp_path / "a", callback=interrupt)
    assert broken.stopped_by == "interrupted"
    assert broken.n_quenches == 48
    assert broken.minima
    ended = find_minima("Ar9", relaxer, method, quenches=120, archive=tmp_path / "a")
    straight = find_minima("Ar9", relaxer, method, quenches=120, archive=tmp_path / "b")
    assert (ended.n_quenches, ended.n_evaluations) == (120, straight.n_evaluations)
    assert summary(ended) == summary(straight)
    assert stored(tmp_path / "a") == stored(tmp_path / "b")
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_an_interrupt_while_storing_waits_until_it_is_stored(tmp_path, monkeypatch):
    write, calls = SQLiteStore.write, []

    def interrupted_write(self, *arguments):
        calls.append(1)
        if len(calls) == 4:  # the signature, two batches, and in the third:
            os.kill(os.getpid(), signal.SIGINT)
        return write(self, *arguments)

    monkeypatch.setattr(SQLiteStore, "write", interrupted_write)
    monkeypatch.setattr("search.run.STORED_EVERY", -1.0)  # each batch
    result = find_minima("Ar9", LennardJones(), quenches=160, archive=tmp_path, batch_size=16)
    assert result.stopped_by == "interrupted"
    minima, state = stored(tmp_path)
    assert result.n_quenches == state["tally"]["n_quenches"] == 48
    assert [(energy, times) for energy, times, *_ in minima] == [item[:2] for item in summary(result)]


class _Interrupting(LennardJones):
    """Ctrl-C comes in the third batch."""

    batches = 0

    def relax(self, structures):
        type(self).batches += 1
        if self.batches == 3:
            raise KeyboardInterrupt
        return super().relax(structures)


def test_what_was_not_yet_stored_is_stored_at_the_end(tmp_path, monkeypatch):
    monkeypatch.setattr("search.run.STORED_EVERY", 1e9)
    result = find_minima("Ar9", _Interrupting(), quenches=160, archive=tmp_path, batch_size=16)
    assert result.stopped_by == "interrupted"
    minima, state = stored(tmp_path)
    assert result.n_quenches == state["tally"]["n_quenches"] == 32
    assert [(energy, times) for energy, times, *_ in minima] == [item[:2] for item in summary(result)]
    ended = find_minima("Ar9", LennardJones(), quenches=160, archive=tmp_path, batch_size=16)
    straight = find_minima("Ar9", LennardJones(), quenches=160, batch_size=16)
    assert summary(ended) == summary(straight)


RUN = """
    import sys
    from search import LennardJones, find_minima
    find_minima("Ar15", LennardJones(), sys.argv[2], quenches=1120, seed=5, archive=sys.argv[1],
                callback=lambda progress: print(progress.n_quenches, flush=True))
    print("end", flush=True)
"""


def start(*arguments, code=RUN):
    command = [sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stdin=subprocess.PIPE, text=True)


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS)
def test_killed_again_and_again_it_ends_as_if_undisturbed(tmp_path, method):
    rng = np.random.default_rng(0)
    reported = 0
    for _ in range(6):
        with start(tmp_path / "killed", method) as process:
            for line, _ in zip(process.stdout, range(int(rng.integers(2, 9))), strict=False):
                reported = int(line)
            time.sleep(float(rng.uniform(0.0, 0.05)))  # in the middle of whatever comes next
            process.kill()
            assert process.wait() == -signal.SIGKILL
        minima, state = stored(tmp_path / "killed")
        assert state["tally"]["n_quenches"] >= reported  # what was reported was stored
        assert state["tally"]["n_quenches"] < 1120
    with start(tmp_path / "killed", method) as process:
        assert process.stdout.read().endswith("1120\nend\n")
    result = find_minima("Ar15", LennardJones(), method, quenches=1120, seed=5, archive=tmp_path / "straight")
    minima, state = stored(tmp_path / "killed")
    assert (minima, state) == stored(tmp_path / "straight")
    assert len(minima) == len(result.minima) > 20
    assert state["searcher"]["rng"]["bit_generator"] == "PCG64"


def test_two_processes_in_one_folder(tmp_path):
    code = """
        import sys
        from search import Archive
        with Archive(sys.argv[1], "Ar9", bond_length=2 ** (1 / 6)):
            print("held", flush=True)
            sys.stdin.read()
    """
    with start(tmp_path, code=code) as process:
        assert process.stdout.readline() == "held\n"
        with pytest.raises(BlockingIOError, match=f"process {process.pid}"):
            find_minima("Ar9", LennardJones(), quenches=16, archive=tmp_path)
        assert find_minima("Ar9", LennardJones(), quenches=16, archive=tmp_path / "other").minima
        process.kill()
        process.wait()
    assert find_minima("Ar9", LennardJones(), quenches=16, archive=tmp_path).minima


def test_an_archive_of_another_search_is_refused(tmp_path):
    find_minima("Ar9", LennardJones(), quenches=16, archive=tmp_path, seed=1)
    before = stored(tmp_path)
    with pytest.raises(ValueError, match="minima of Ar9, not of Ar10"):
        find_minima("Ar10", LennardJones(), quenches=16, archive=tmp_path, seed=1)
    for change in ({"seed": 2}, {"method": "bee-colony"}, {"settings": {"walkers": 4}}, {"batch_size": 3}):
        with pytest.raises(ValueError, match="belongs to another search"):
            find_minima("Ar9", LennardJones(), **{"quenches": 32, "archive": tmp_path, "seed": 1, **change})
    assert stored(tmp_path) == before


def test_an_archive_of_ones_own_stays_open(tmp_path):
    with Archive(tmp_path, "Ar9", bond_length=1.12) as archive:
        find_minima("Ar9", LennardJones(), quenches=20, archive=archive)
        find_minima("Ar9", LennardJones(), quenches=40, archive=archive)
        assert archive.state["tally"]["n_quenches"] == 40


def test_ase_calculator_in_place_of_a_relaxer():
    result = find_minima("AuCu4", EMT(), quenches=12, settings={"walkers": 4})
    assert result.formula == "AuCu4"
    assert result.minima[0].get_potential_energy() == result.best_energy
    check = result.minima[0].copy()
    check.calc = EMT()
    assert check.get_potential_energy() == pytest.approx(result.best_energy, abs=1e-9)
    assert {"swap", "relocate"} <= set(result.moves)


class Flaky(LennardJones):
    """Raises for a whole batch that holds a structure it doesn't like."""

    def relax(self, structures):
        if any(atoms.positions[0, 0] < atoms.positions[:, 0].mean() for atoms in structures):
            raise ArithmeticError("bad structure")
        return super().relax(structures)


class Broken(LennardJones):
    def relax(self, structures):
        raise ArithmeticError("out of order")


def test_a_relaxer_that_raises_for_some():
    result = find_minima("Ar7", Flaky(), quenches=64)
    assert 0 < result.n_failed < 64
    assert result.n_quenches == 64
    assert sum(atoms.info["times_found"] for atoms in result.minima) == 64 - result.n_failed


class Failing(Calculator):
    """Gives NaN for clusters whose first atom is left of the centre; raises for all after so many calls."""

    implemented_properties = ["energy", "forces"]  # noqa: RUF012

    def __init__(self, calls):
        super().__init__()
        self.left, self.inner = calls, ASELennardJones(rc=1e4)

    def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes):
        super().calculate(atoms, properties, system_changes)
        self.left -= 1
        if self.left < 0:
            raise MemoryError("the device is gone")
        inner = atoms.copy()
        inner.calc = self.inner
        self.results = {"energy": inner.get_potential_energy(), "forces": inner.get_forces()}
        if atoms.positions[0, 0] < atoms.positions[:, 0].mean():
            self.results["energy"] = np.nan


@pytest.mark.parametrize("method", METHODS)
def test_a_calculator_that_gives_nan_and_later_raises_costs_nothing_that_was_found(tmp_path, method):
    """The search goes on, says how many quenches failed, keeps every minimum, and can be gone on with."""
    sigma = 2.0 ** (1.0 / 6.0)

    def search(calls, quenches):
        relaxer = ASERelaxer(Failing(calls), bond_length=sigma)
        return find_minima("Ar6", relaxer, method, quenches=quenches, seed=1, batch_size=8, archive=tmp_path)

    first = search(10**9, 24)
    assert 0 < first.n_failed + first.n_unconverged < 24
    assert first.minima
    second = search(0, 40)
    assert second.n_quenches == 40
    assert second.n_failed >= 16
    assert summary(second) == summary(first)
    third = search(10**9, 64)
    assert third.n_quenches == 64
    assert {a.info["first_quench"] for a in first.minima} <= {a.info["first_quench"] for a in third.minima}


def test_a_relaxer_that_always_raises():
    with pytest.raises(RuntimeError, match=r"first 16 structures; the last: failed: ArithmeticError: out of order"):
        find_minima("Ar7", Broken(), quenches=64)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({}, ValueError, "give quenches, time_limit .* or until_found"),
        ({"until_found": 0}, ValueError, "until_found is 0; it must be a whole number"),
        ({"quenches": 0}, ValueError, "quenches is 0; it must be a whole number"),
        ({"quenches": 2.5}, ValueError, "quenches is 2.5"),
        ({"time_limit": -1.0}, ValueError, "time_limit is -1.0"),
        ({"target_energy": float("nan")}, ValueError, "target_energy is nan"),
        ({"quenches": 5, "batch_size": 0}, ValueError, "batch_size is 0"),
        ({"quenches": 5, "seed": -1}, ValueError, "seed is -1"),
        ({"quenches": 5, "method": "annealing"}, ValueError, "choose one of basin-hopping, bee-colony"),
        ({"quenches": 5, "settings": {"step": 1}}, ValueError, "BasinHoppingSettings has no step; it has walkers"),
        ({"quenches": 5, "settings": 3}, TypeError, "give a BasinHoppingSettings or a mapping"),
        ({"quenches": 5, "relaxer": "lj"}, TypeError, "give something with relax"),
        ({"quenches": 5, "relaxer": LennardJones}, TypeError, r"give an instance, LennardJones\(\)"),
        ({"quenches": 5, "formula_or_atoms": "Nonsense"}, ValueError, "not a chemical formula"),
        ({"quenches": 5, "formula_or_atoms": Atoms()}, ValueError, "no atoms"),
    ],
)
def test_bad_input(tmp_path, arguments, error, message):
    values = {"formula_or_atoms": "Ar7", "relaxer": LennardJones(), "archive": tmp_path / "a", **arguments}
    with pytest.raises(error, match=message):
        find_minima(**values)
    assert not (tmp_path / "a").exists()  # refused before anything was made


def test_smallest_clusters():
    for formula in ("Ar", "Ar2", "Ar3"):
        for method in METHODS:
            result = find_minima(formula, LennardJones(), method, quenches=40)
            n = result.minima[0].get_global_number_of_atoms()
            assert result.best_energy == pytest.approx(-n * (n - 1) / 2, abs=1e-6)
            assert len(result.minima) == 1


def test_search_needs_neither_torch_nor_the_potential():
    code = "import search, sys; print(sorted({'torch', 'iia_calc', 'schnetpack'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
