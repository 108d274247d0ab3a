"""Islands on a real Dask cluster of several processes: a worker killed in mid-run, a worker with nothing installed, the
scheduler gone."""

import os
import signal
from concurrent.futures import ThreadPoolExecutor

import pytest

from iia_calc.isomers.dask import dask_executor
from search import LennardJones
from search.islands.run import find_minima_on_islands

distributed = pytest.importorskip("distributed")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"),
]
QUENCHES = 144


@pytest.fixture(scope="module")
def cluster():
    with distributed.LocalCluster(
        n_workers=3, processes=True, threads_per_worker=1, dashboard_address=":0", silence_logs="CRITICAL"
    ) as cluster:
        yield cluster


def search(**more):
    values = {"islands": 3, "quenches": QUENCHES, "seed": 4, "epoch": 8, **more}
    return find_minima_on_islands("Ar10", LennardJones, **values)


def summary(result):
    return [
        (a.get_potential_energy(), a.info["times_found"], a.info["first_quench"], a.positions.tolist())
        for a in result.minima
    ]


def test_a_killed_worker_loses_nothing(cluster, tmp_path):
    with ThreadPoolExecutor(1) as executor:
        straight = search(executor=executor)
    with dask_executor(cluster.scheduler_address) as (executor, workers):
        before = set(executor._client.run(os.getpid).values())
        assert len(before | {os.getpid()}) == 4
        killed = []

        def kill_one(progress):
            if not killed and progress.n_quenches >= 24:
                assert progress.n_quenches < QUENCHES
                busy = [worker for worker, tasks in executor._client.processing().items() if tasks]
                if not busy:
                    return
                address = busy[0]
                victim = executor._client.run(os.getpid, workers=[address])[address]
                os.kill(victim, signal.SIGKILL)
                killed.append(victim)

        result = search(executor=executor, workers=workers, archive=tmp_path, callback=kill_one)
        after = set(executor._client.run(os.getpid).values())
    assert killed[0] in before
    assert killed[0] not in after
    assert result.stopped_by == "quenches"
    assert not any(island["given_up"] for island in result.islands)
    assert result.n_quenches == QUENCHES
    assert summary(result) == summary(straight)  # not one more, not one less, not another


def test_a_worker_without_the_package_is_told_of(cluster, monkeypatch):
    monkeypatch.setattr("iia_calc.isomers.dask.code_version", lambda: "0.0.0")
    message = r"of \d workers lack schnet-iia 0\.0\.0 .*install it"
    with pytest.raises(RuntimeError, match=message), dask_executor(cluster.scheduler_address):
        pass


def test_the_scheduler_goes_and_the_search_goes_on_later(tmp_path):
    with ThreadPoolExecutor(1) as executor:
        straight = search(executor=executor)
    with distributed.LocalCluster(
        n_workers=1, processes=False, threads_per_worker=1, dashboard_address=":0", silence_logs="CRITICAL"
    ) as short:

        def leave(progress):
            if progress.n_quenches >= 24:
                short.close()

        gone = pytest.raises(ConnectionError, match="the same call goes on")
        with dask_executor(short.scheduler_address) as (executor, workers), gone:
            search(executor=executor, workers=workers, archive=tmp_path, callback=leave)
    with ThreadPoolExecutor(1) as executor:
        assert summary(search(executor=executor, archive=tmp_path)) == summary(straight)
