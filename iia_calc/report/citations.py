"""What to cite and how to repeat a result: references, a sentence for the methods, and the command."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from iia_calc.isomers.request import SearchRequest
from iia_calc.report.findings import Findings
from iia_calc.report.paper.citations import works, works_of_level
from iia_calc.report.words import short_level

SOFTWARE = """@software{{SchNetIIAcode,
  author = {{{{The SchNet-IIA developers}}}}, title = {{{{SchNet-IIA}}}}, version = {{{version}}}
}}"""
OPTIONS = {"quenches": "-n", "time_limit": "--time", "known": "--no-known", "extrapolate": "--extrapolate"}
"""Fields of a search's settings whose options are called otherwise, or are switches."""
NOT_ASKED = ("formula", "starts", "picture", "out")
DFT_OPTIONS = {"frequencies": "--frequencies", "descend": "--descend"}


def references(findings: Findings) -> list[str]:
    """BibTeX entries of this software, the method, and the programs and levels of theory behind the numbers."""
    version = (findings.run.get("versions") or {}).get("schnet-iia", "")
    levels = [findings.dft[name] for name in ("level_of_theory", "ranked_by") if findings.dft.get(name)]
    keys = dict.fromkeys(["schnet-iia", "ase", *(key for level in levels for key in works_of_level(level))])
    return [SOFTWARE.format(version=version), *(works()[key] for key in keys)]


def methods_sentence(findings: Findings) -> str:
    """What was done, as a paper's methods say it; empty where no search was done."""
    run = findings.run
    if not run or not findings.isomers:
        return ""
    settings, counts = run.get("settings", {}), run.get("counts", {})
    version = (run.get("versions") or {}).get("schnet-iia", "")
    method = settings.get("method") or "basin hopping and bee colony on islands"
    seed = f"seed {settings['seed']}, " if "seed" in settings else ""
    text = (
        f"Isomers of {findings.formula} were searched with SchNet-IIA {version} ({method}, {seed}"
        f"{counts.get('n_quenches', findings.n_sound):,} relaxations, "
        f"{len(findings.isomers):,} distinct {'minimum' if len(findings.isomers) == 1 else 'minima'})"
    )
    if findings.model:
        text += (
            f" on the neural-network potential {findings.model['name']}, which was fitted to "
            f"{short_level(findings.model['level_of_theory'])}"
        )
    if not findings.by_dft:
        return text + "."
    dft = findings.dft
    n = len(findings.ranked)
    text += f"; {n} isomer{'s were' if n > 1 else ' was'} relaxed with {short_level(dft['level_of_theory'])}"
    if dft.get("ranked_by") != dft["level_of_theory"]:
        text += f" and ranked with {short_level(dft.get('ranked_by'))}"
    if dft.get("charge"):
        text += f" at charge {dft['charge']:+d}"
    pyscf = (run.get("versions") or {}).get("pyscf")
    return text + (f" (PySCF {pyscf})." if pyscf else ".")


def command(findings: Findings) -> str:
    """The command that repeats the search, with all that was not left at its default."""
    settings = findings.run.get("settings")
    if not settings:
        return ""
    words = ["iia", "search", str(settings.get("formula", findings.formula))]
    for field in fields(SearchRequest):
        value = settings.get(field.name)
        if field.name in NOT_ASKED or value in (None, {}, field.default):
            continue
        words += _option(field.name, value)
    if findings.dft:
        words += _dft_options(findings)
    return shlex.join(words)


def _option(name: str, value: Any) -> list[str]:
    option = OPTIONS.get(name, "--" + name.replace("_", "-"))
    if name == "method" and value == "basin-hopping":
        return []
    if isinstance(value, bool):
        return [option]
    if isinstance(value, dict):  # of a calculator
        return [word for key, setting in value.items() for word in ("--set", f"{key}={setting}")]
    return [option, f"{value:g}s" if name == "time_limit" else str(value)]


def _dft_options(findings: Findings) -> list[str]:
    dft: Mapping[str, Any] = findings.dft
    words = ["--dft", str(len(dft.get("isomers", [])))]
    settings = dft.get("settings") or {}
    words += [option for name, option in DFT_OPTIONS.items() if settings.get(name)]
    if settings and settings.get("basis") is None:
        words += ["--dft-basis", "none"]
    if settings.get("stability", "all") != "all":
        words += ["--stability", settings["stability"]]
    level = short_level(dft["level_of_theory"])
    if findings.model and level != short_level(findings.model["level_of_theory"]):
        functional, _, basis = level.partition("/")
        words += ["--functional", functional, "--basis", basis]
    words += [f"--charge={dft['charge']}"] if dft.get("charge") else []
    lowest = "lowest multiplicity" in dft["level_of_theory"]
    return words if lowest else [*words, "--multiplicity", str(dft["multiplicity"])]
