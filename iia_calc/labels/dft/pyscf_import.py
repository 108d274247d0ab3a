"""PySCF, imported so that its linear algebra knows the processor."""

from __future__ import annotations

import os
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
    import torch

    # Of this OpenBLAS the kernels for AVX-512 are those for AVX2.
    told = CORE not in os.environ and torch.backends.cpu.get_cpu_capability() in ("AVX2", "AVX512")
    if told:
        os.environ[CORE] = "Haswell"
    try:
        import pyscf
        import pyscf.dft
    finally:
        if told:
            del os.environ[CORE]
    return pyscf
