"""PySCF is imported with kernels that fit the processor, and nobody else's environment changes."""

import os
import subprocess
import sys

import pytest

from iia_calc.labels.dft.pyscf_import import CORE, has_avx2

pytest.importorskip("pyscf")
CODE = """
import ctypes, os
from pathlib import Path
from iia_calc.labels.dft.pyscf_import import import_pyscf
pyscf = import_pyscf()
for path in Path(pyscf.__file__).parent.glob("lib/libopenblas*"):
    name = ctypes.CDLL(str(path)).openblas_get_corename
    name.restype = ctypes.c_char_p
    print(name().decode())
print(os.environ.get("OPENBLAS_CORETYPE"))
"""


def imported(**environment: str) -> list[str]:
    """Name of the kernels where the wheel brings OpenBLAS, and what the variable is afterwards."""
    clean = {name: value for name, value in os.environ.items() if name != CORE}
    done = subprocess.run(
        [sys.executable, "-c", CODE], env={**clean, **environment}, capture_output=True, text=True, check=True
    )
    return done.stdout.split()


def test_the_processor_has_what_torch_says():
    torch = pytest.importorskip("torch")
    assert has_avx2() == (torch.backends.cpu.get_cpu_capability() in ("AVX2", "AVX512"))


@pytest.mark.skipif(not has_avx2(), reason="a processor without AVX2")
def test_kernels_fit_the_processor_and_the_environment_is_left_alone():
    *kernels, variable = imported()
    assert variable == "None"
    assert set(kernels) <= {"Haswell"}


def test_what_the_user_chose_stays():
    *kernels, variable = imported(**{CORE: "Prescott"})
    assert variable == "Prescott"
    assert set(kernels) <= {"Prescott"}
