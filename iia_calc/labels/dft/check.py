"""Whether PySCF can do what is asked of it: said before anything is computed or claimed."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import Any

from iia_calc.labels.dft.pyscf_import import import_pyscf
from search.errors import InputError, MissingPackage


def check_method(functional: str, basis: str, symbols: Iterable[str]) -> None:
    """Check a functional, and a basis for the elements `symbols`.

    Raises
    ------
    InputError : PySCF doesn't know one of them, or can't do it here. MissingPackage : PySCF isn't installed.
    """
    check_functional(functional)
    for symbol in sorted(set(symbols)):
        basis_shells(basis, symbol)


@cache
def check_functional(functional: str) -> None:
    """Check a functional by a helium atom: some that PySCF can parse need further packages, or aren't there yet.

    Raises
    ------
    InputError, MissingPackage : as `check_method`.
    """
    pyscf = the_pyscf()
    try:
        helium = pyscf.gto.M(atom="He", basis="sto-3g", verbose=0)
        pyscf.dft.RKS(helium, xc=functional).set(verbose=0).run().nuc_grad_method().kernel()
    except Exception as error:
        why = f" ({' '.join(str(error).split())})" if isinstance(error, RuntimeError) else ""
        raise InputError(
            f"PySCF doesn't know the functional {functional!r} or can't do it here{why}; take for example PBE0 or B3LYP"
        ) from error


def basis_shells(basis: str, symbol: str, example: str = "3-21G") -> list[Any]:
    """The shells of an element's basis, as PySCF has them.

    Raises
    ------
    InputError : PySCF has none. MissingPackage : PySCF isn't installed.
    """
    pyscf = the_pyscf()
    try:
        shells: list[Any] = pyscf.gto.basis.load(basis, symbol)
    except Exception as error:
        raise InputError(f"PySCF has no basis {basis!r} for {symbol}; take for example {example}") from error
    return shells


def the_pyscf() -> Any:
    """PySCF.

    Raises
    ------
    MissingPackage : it isn't installed.
    """
    try:
        return import_pyscf()
    except ImportError as error:
        raise MissingPackage("DFT needs PySCF: pip install '.[dft]' in the folder of SchNet-IIA") from error
