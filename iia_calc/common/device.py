"""Where things are computed: the device of tensors, and how many CPU cores there are."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from search.errors import InputError, InputTypeError, quote

if TYPE_CHECKING:
    import torch


def checked_device(device: str | torch.device | None) -> str:
    """The device's name; the GPU where there is one and nothing is asked for.

    Raises
    ------
    InputError, InputTypeError : it is no name of a device, or torch doesn't know or doesn't have it.
    """
    import torch

    if isinstance(device, torch.device):
        device = str(device)
    if not isinstance(device, str | None):
        raise InputTypeError(f"device is {quote(device)}; it must be a name, such as cpu, cuda or cuda:1")
    if device is None:
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        have = "cpu, cuda" if torch.cuda.is_available() else "cpu"
        raise InputError(f"device {device!r} is not available here; there is {have}") from error
    return device


def cores() -> int:
    """CPU cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def cpu_threads(count: int) -> Iterator[None]:
    """PyTorch on `count` CPU threads while inside.

    Threads that wait for one another stall whenever the machine does anything else: on two cores, two gain 15 % where
    nothing else runs and lose two thirds where something does.
    """
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
