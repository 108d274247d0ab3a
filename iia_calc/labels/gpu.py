"""A GPU for PySCF, where gpu4pyscf is installed and CUDA sees a device; else everything stays on the CPU."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np


@cache
def available() -> bool:
    """Whether PySCF's mean fields can run on a GPU here."""
    try:
        import cupy
        import gpu4pyscf  # noqa: F401

        return cupy.cuda.runtime.getDeviceCount() > 0
    except Exception:  # not installed, or without a driver: CUDA has errors of its own
        return False


def to_gpu(mean_field: Any) -> Any:
    """The same mean field on the GPU; on the CPU still where gpu4pyscf doesn't have its method."""
    try:
        return mean_field.to_gpu()
    except (ImportError, NotImplementedError, AttributeError):
        return mean_field


def to_cpu(mean_field: Any) -> Any:
    """The same mean field, orbitals and energy included, on the CPU."""
    return mean_field.to_cpu() if type(mean_field).__module__.startswith("gpu4pyscf") else mean_field


def to_numpy(array: Any) -> np.ndarray:
    """Of an array on either side."""
    return np.asarray(array.get() if hasattr(array, "get") else array)
