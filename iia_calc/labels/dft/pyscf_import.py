"""PySCF, imported so that its linear algebra knows the processor."""

from __future__ import annotations

import os
from importlib import import_module
from pathlib import Path
from types import ModuleType

CORE = "OPENBLAS_CORETYPE"


def import_pyscf() -> ModuleType:
    """PySCF, its OpenBLAS told to use AVX2 where there is AVX2.

    PySCF's wheels bring OpenBLAS 0.3.3, of 2018. It takes processors made since for ones without AVX
    (`benchmarks/label_cost.py` has what that costs). It reads OPENBLAS_CORETYPE as it is loaded; what the
    user has set there stays, and so does the choice of NumPy's and SciPy's own OpenBLAS, which are newer and
    loaded before.

    Raises
    ------
    ImportError : PySCF isn't installed.
    """
    import scipy.linalg  # noqa: F401

    told = CORE not in os.environ and has_avx2()
    if told:
        os.environ[CORE] = "Haswell"
    try:
        pyscf = import_module("pyscf")
        import_module("pyscf.dft")
    finally:
        if told:
            del os.environ[CORE]
    return pyscf


def has_avx2() -> bool:
    """Whether Linux says that the processor has AVX2 (any with AVX-512 has); PySCF's wheels there bring OpenBLAS."""
    try:
        return " avx2 " in Path("/proc/cpuinfo").read_text(encoding="ascii", errors="replace")
    except OSError:
        return False
