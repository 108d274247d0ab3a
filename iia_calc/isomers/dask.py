"""A Dask cluster as an executor: reached, or a clear word why not, before anything is computed."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from contextlib import contextmanager, suppress
from importlib import metadata
from typing import Any

from iia_calc.model.storage import code_version
from search.errors import InputError, JobFailed, MissingPackage

CONNECT_WITHIN = 5.0


@contextmanager
def dask_executor(address: str, timeout: float = CONNECT_WITHIN) -> Iterator[tuple[Executor, Callable[[], int]]]:
    """The executor of the cluster whose scheduler is at `address`, and how many tasks it does at once just now.

    Workers may come and go; of those there are now, the package's version is checked.

    Parameters
    ----------
    address : for example tcp://host:8786. timeout : seconds after which the scheduler counts as out of reach.

    Raises
    ------
    MissingPackage : Dask is not installed. ConnectionError : no scheduler answers. JobFailed : a worker has
        another version of this package, or none.
    """
    try:
        from distributed import Client
    except ImportError as error:
        raise MissingPackage(
            "--dask needs Dask, which is not installed: pip install '.[dask]' in the folder of SchNet-IIA"
        ) from error
    try:
        _knock(address, timeout)
        client = Client(address, timeout=timeout, set_as_default=False)
    except (OSError, ValueError, TypeError) as error:  # Dask's time-out is an OSError
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise ConnectionError(
            f"no Dask scheduler answers at {address} ({reason}); start one with `dask scheduler`, "
            "and give its address, for example tcp://host:8786"
        ) from error
    try:
        _check_workers(client)

        def workers() -> int:
            with suppress(OSError):
                return sum(client.nthreads().values())
            return 0

        yield client.get_executor(pure=False), workers
    finally:
        with suppress(OSError, TimeoutError):
            client.close(timeout=timeout)


@contextmanager
def executor_at(address: str | None) -> Iterator[tuple[Executor | None, Callable[[], int] | None]]:
    """As `dask_executor`; without an address (None, None), for processes on this machine."""
    if address is None:
        yield None, None
    else:
        with dask_executor(address) as cluster:
            yield cluster


def _knock(address: str, timeout: float) -> None:
    """Raise an OSError or ValueError where nothing listens: Dask itself tries far longer than it is told to."""
    scheme, _, place = address.rpartition("://")
    if scheme not in ("", "tcp", "tls"):
        return
    host, separator, port = place.rpartition(":")
    if not separator or not port.isdigit():
        raise InputError("the address lacks a port")
    socket.create_connection((host.strip("[]"), int(port)), timeout=timeout).close()


def _check_workers(client: Any) -> None:
    """All workers there are have the version of this package that runs here."""
    try:
        found = client.run(metadata.version, "schnet-iia", on_error="return")
    except OSError as error:
        raise ConnectionError(f"the Dask scheduler was lost: {error}") from error
    here = code_version()
    wrong = {worker: version for worker, version in found.items() if version != here}
    if wrong:
        worker, version = next(iter(wrong.items()))
        has = "doesn't have it" if isinstance(version, Exception) else f"has {version}"
        raise JobFailed(
            f"{len(wrong)} of {len(found)} workers lack schnet-iia {here} (the one at {worker} {has}); "
            "install it in the environment that the workers run in"
        )
