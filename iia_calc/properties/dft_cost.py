"""About how long DFT takes for properties, said before anything long begins."""

from __future__ import annotations

from iia_calc.common.device import cores
from iia_calc.confirm.levels import basis_functions
from iia_calc.confirm.plan import FULL_GRADIENTS, OPEN_SHELL, STATE, duration, gradient_seconds, is_open_shell
from iia_calc.properties.coupled_cluster import NAME as CCSD_T
from iia_calc.properties.coupled_cluster import coupled_cluster_gigabytes, coupled_cluster_seconds
from iia_calc.properties.dft_steps import level_of_name
from iia_calc.properties.request import ELECTRONIC, INFRARED, PHOTOELECTRON, RANKING, PropertiesRequest
from iia_calc.properties.sources import Source, need_confirmed
from search.geometry.composition import Composition

SCF = 0.3
"""Times a gradient's: an SCF that starts from the solution of a structure close by."""


def describe_cost(source: Source, request: PropertiesRequest, n_cores: int | None = None) -> str:
    """One line: of how many isomers, and about how long on `n_cores` without a GPU, were nothing stored."""
    confirmed = need_confirmed(source, "DFT")
    composition = Composition.parse(source.formula)
    n = composition.n_atoms

    level = level_of_name(confirmed.level)
    times = OPEN_SHELL if is_open_shell(composition, level.charge, level.multiplicity) else 1.0

    def gradient(basis: str) -> float:
        return times * gradient_seconds(n, basis_functions(composition, basis))

    relaxed = gradient(level.basis)
    isomers = confirmed.subjects[: request.dft_lowest]
    bare = sum(subject.frequencies is None for subject in isomers)
    seconds, more = 0.0, ""
    if request.frequencies or INFRARED in request.what:
        seconds += bare * 2 * n * relaxed
    if INFRARED in request.what:
        seconds += len(isomers) * 6 * n * SCF * relaxed
    ranking = request.functionals if RANKING in request.what else ()
    points = int(ELECTRONIC in request.what) + sum(name != CCSD_T for name in ranking)
    if CCSD_T in ranking:
        what = isomers[0].atoms, basis_functions(composition, request.basis)
        seconds += len(isomers) * coupled_cluster_seconds(*what)
        more = f", {CCSD_T} with up to {coupled_cluster_gigabytes(*what):.1f} GB of memory"
    seconds += len(isomers) * points * STATE * gradient(request.basis)
    if PHOTOELECTRON in request.what:
        seconds += len(isomers) * (4 * STATE * gradient(request.diffuse_basis) + (FULL_GRADIENTS + 2 * n) * relaxed)
    told = duration(seconds / max(1, cores() if n_cores is None else n_cores))
    count = f"{len(isomers)} isomer{'s' if len(isomers) != 1 else ''}"
    return f"DFT for {count}: about {told} without a GPU{more}; what is stored already isn't repeated"
