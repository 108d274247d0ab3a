"""Works to cite, as BibTeX: programs, methods and basis sets, each only where it was used. They are in works.bib."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path

_ENTRY = re.compile(r"^@article\{([^,]+),$.*?^\}$", re.MULTILINE | re.DOTALL)


@cache
def works() -> dict[str, str]:
    """BibTeX entries by key."""
    text = Path(__file__).with_name("works.bib").read_text(encoding="utf-8")
    return {entry[1]: entry[0] for entry in _ENTRY.finditer(text)}


def in_one_line(key: str) -> str:
    """A work as text: authors, journal, year, volume, pages."""
    field = dict(re.findall(r"^  (\w+) = \{+(.*?)\}+,?$", works()[key], re.MULTILINE))
    authors = [author.split(",")[0] for author in field["author"].split(" and ")]
    names = " and ".join(authors) if len(authors) < 3 and "others" not in authors else f"{authors[0]} et al."
    return f"{names}, {field['journal']} {field['year']}, {field['volume']}, {field['pages'].replace('--', '–')}"


def works_of_level(name: str) -> list[str]:
    """Keys of what a level of theory's name asks to cite; a functional or basis that isn't listed gives none."""
    method = name.split(",")[0].lower().replace(" ", "")
    functional, _, basis = method.partition("/")
    keys = ["pyscf", "libcint", "libxc"] if basis else []
    keys += [functional] if functional in ("pbe", "pbe0", "tpssh", "r2scan", "b3lyp") else []
    if basis.startswith("def2"):
        keys.append("def2")
    if basis.startswith("def2") and basis.endswith("d"):
        keys.append("diffuse")
    return keys + (["3-21g", "3-21g-heavier"] if basis == "3-21g" else [])  # boron's, and selenium's


def find_unlisted(name: str) -> list[str]:
    """Functional and basis of a level that have no entry here, which a reader has to cite himself."""
    functional, _, basis = name.split(",")[0].partition("/")
    keys = works_of_level(name)
    missing = [functional] if functional.lower() not in keys else []
    return missing + ([basis] if basis and basis.lower() != "3-21g" and not basis.lower().startswith("def2") else [])


def bibliography(keys: Sequence[str]) -> str:
    """The BibTeX file of these works, each once, in their order."""
    return "\n\n".join(works()[key] for key in dict.fromkeys(keys)) + "\n"
