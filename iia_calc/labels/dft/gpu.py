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

        return bool(cupy.cuda.runtime.getDeviceCount() > 0)
    except Exception:  # not installed, or without a driver: CUDA has errors of its own
        return False


def to_gpu(mean_field: Any) -> Any:
    """The same mean field on the GPU; on the CPU still where gpu4pyscf doesn't have its method."""
    try:
        return mean_field.to_gpu()
    except (ImportError, NotImplementedError, AttributeError):
        return mean_field


def on_gpu(mean_field: Any) -> bool:
    """Whether an SCF object is gpu4pyscf's."""
    return type(mean_field).__module__.startswith("gpu4pyscf")


def to_cpu(mean_field: Any) -> Any:
    """The same mean field, orbitals and energy included, on the CPU."""
    return mean_field.to_cpu() if on_gpu(mean_field) else mean_field


def second_order_of(mean_field: Any) -> Any:
    """The module with the orbital Hessians of its side: `gen_g_hop_rhf` and `gen_g_hop_uhf`."""
    if on_gpu(mean_field):
        from gpu4pyscf.scf import soscf

        return soscf
    from pyscf.soscf import newton_ah

    return newton_ah


def beside(mean_field: Any, array: np.ndarray) -> Any:
    """`array` where the mean field's own are."""
    if on_gpu(mean_field):
        import cupy

        return cupy.asarray(array)
    return array


def to_numpy(array: Any) -> np.ndarray:
    """Of an array on either side."""
    return np.asarray(array.get() if hasattr(array, "get") else array)
