"""The name of a Gaussian job's level of theory: what its route says, and what only the rest of its log tells.

Two jobs with the same route can be of two levels: a general basis (Gen) is read from the input, a potential for cores
(Pseudo=Read) likewise, and the integration grid that a route leaves out was FineGrid up to Gaussian 09 and is
UltraFine since Gaussian 16. A log prints all of it, some only with #P; where it doesn't, the numbers of basis
functions, primitives and electrons tell two apart, as far as they can.
"""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from iia_calc.data.arrays import Numbers
from iia_calc.data.gaussian_route import Route, plain_basis

GENERAL = ("GEN", "GENECP", "CHKBASIS", "CHKBAS")
"""Names of bases that say nothing of the basis."""
ULTRAFINE_SINCE = 16
"""The first version of Gaussian whose functionals are integrated on the UltraFine grid unless told otherwise."""
_NO_GRID = re.compile(r"^(HF|AM1|PM\d\w*|MNDO\w*|MINDO\d*|INDO|CNDO|ZINDO)$")
"""What the SCF is called where nothing is integrated on a grid."""
_VERSION = re.compile(r"^ Gaussian (\d\d):|^ Entering Gaussian System, Link 0=g(\d\d)\b")
_STANDARD = re.compile(r"^\s*Standard basis:\s+(.+?)\s*\(\d+D, \d+F\)")
_COUNTS = re.compile(r"^\s*(\d+) basis functions,\s+(\d+) primitive gaussians")
_ELECTRONS = re.compile(r"^\s*(\d+) alpha electrons\s+(\d+) beta electrons")
_WINDOW = re.compile(r"^\s*Range of M\.O\.s used for correlation:\s+(\d+)\s+(\d+)")
_SOLVENT = re.compile(r"Eps\s*=\s*(\d+\.\d+)\s+Eps\(inf\)\s*=\s*(\d+\.\d+)", re.IGNORECASE)
_CENTRES = re.compile(r"^\s*Centers:\s+([\d\s]+)$")
_OF_CENTRE = re.compile(r"^\s*\d+\s+(\d+)(?:\s+\d+)?(?:\s+-?\d+\.\d+){0,3}\s*$")
_LONGEST = 20_000


@dataclass
class Printed:
    """What a job's log prints of its level.

    version : of Gaussian. standard_basis : its name, where it is none from the input.
    basis, cores : of each element, the general basis and the potentials for cores, line by line.
    size : basis functions, primitives, electrons; as many as are printed. window : first and last correlated orbital.
    solvent : its dielectric constants.
    """

    version: int | None = None
    standard_basis: str | None = None
    basis: dict[int, set[str]] = field(default_factory=dict)
    cores: dict[int, set[str]] = field(default_factory=dict)
    size: tuple[int, ...] = ()
    window: str = ""
    solvent: str = ""

    def inherit(self, before: Printed, route: Route) -> None:
        """Take from the job before what a route takes from its checkpoint."""
        if route.continues or (route.basis or "").startswith("CHKBAS"):
            self.basis, self.cores, self.size = before.basis, before.cores, before.size

    def take(self, lines: Sequence[str], k: int, numbers: Numbers | None) -> None:
        """Read line k, and what belongs to it. numbers : of the atoms, as far as they are known."""
        line = lines[k]
        if match := _VERSION.match(line):
            self.version = int(match[1] or match[2])
        elif match := _STANDARD.match(line):
            self.standard_basis = plain_basis(match[1].replace(" ", ""))
        elif match := _WINDOW.match(line):
            self.window = f"{match[1]}-{match[2]}"
        elif match := _SOLVENT.search(line):
            self.solvent = f"EPS={float(match[1]):g},EPSINF={float(match[2]):g}"
        elif "General basis read from cards" in line:
            self.basis = _read_basis(lines, k + 1, numbers)
        elif line.strip() == "Pseudopotential Parameters":
            self.cores = _read_cores(lines, k + 1)
        elif match := _COUNTS.match(line):
            self.size = (int(match[1]), int(match[2]))
        elif (match := _ELECTRONS.match(line)) and len(self.size) == 2:
            self.size = (*self.size, int(match[1]) + int(match[2]))


def level_name(route: Route, printed: Printed, method: str, scf_label: str, multiplicity: int | None) -> str:
    """Method, basis, and what else changes the energies.

    method : its name, without R, U or RO. scf_label : what Gaussian calls the SCF, "RHF" or "UPBE1PBE".
    """
    window = f" {printed.window}" if printed.window and re.search("RW|WINDOW", route.core) else ""
    spin = "" if method == "MP5" else _spin(scf_label, multiplicity)  # which is always done without restrictions
    parts = [spin + method + (f"({route.core}{window})" if route.core else "")]
    basis = route.basis or printed.standard_basis
    if basis is not None:
        name, slash, fit = basis.partition("/")
        if name in GENERAL and route.basis is not None:
            name = "GEN" if name == "GENECP" else name
            basis = name + _content(printed.basis, printed.size) + slash + fit
        parts.append(basis)
    extras = [_with_cores(extra, printed) for extra in route.extras]
    if not _NO_GRID.match(re.sub(r"^(RO|R|U)", "", scf_label.upper())):
        grid = route.grid
        if grid is None and printed.version is not None and not _is_new(printed.version):
            grid = "FINE"
        extras += [f"GRID={grid}"] if grid not in (None, "ULTRAFINE") else []
        if grid is None and printed.version is None:
            extras.append("GRID=UNKNOWN")
    return " ".join(["/".join(parts), *sorted(extras)])


def unknown_parts(route: Route, printed: Printed) -> list[str]:
    """What of the level the log doesn't print, in words."""
    unknown = []
    if (route.basis or "").partition("/")[0] in GENERAL and not printed.basis:
        unknown.append("general basis")
    if not printed.cores and ((route.basis or "") == "GENECP" or any("PSEUDO" in extra for extra in route.extras)):
        unknown.append("core potentials")
    if any(extra.startswith("EXTRA") for extra in route.extras):
        unknown.append("additional functions")
    if not printed.solvent and any(re.match("SCRF.*(READ|GENERIC)", extra) for extra in route.extras):
        unknown.append("solvent")
    return unknown


def _is_new(version: int) -> bool:
    """Versions of the last century have larger numbers than those after."""
    return ULTRAFINE_SINCE <= version < 80


def _spin(scf_label: str, multiplicity: int | None) -> str:
    """ "RO" where open shells are restricted, "U" where singlets are not; nothing where it goes without saying."""
    if re.match(r"RO(?!-)", scf_label) and multiplicity not in (None, 1):
        return "RO"
    return "U" if scf_label.startswith("U") and multiplicity == 1 else ""


def _content(elements: dict[int, set[str]], size: tuple[int, ...]) -> str:
    """(B=6-31G(D),SE=#1f2e3d): a basis by its name or the sum of its exponents' text."""
    from ase.data import chemical_symbols

    if not elements:
        return f"(NOT PRINTED: {'/'.join(map(str, size))})" if size else ""
    told = []
    for number, lines in sorted(elements.items()):
        text = "|".join(sorted(lines))
        short = "+".join(sorted(lines)) if all(len(line) < 20 and "=" not in line for line in lines) else ""
        name = short or "#" + hashlib.sha256(text.encode()).hexdigest()[:8]
        told.append(f"{chemical_symbols[number].upper() if number else 'ALL'}={name}")
    return f"({','.join(told)})"


def _with_cores(extra: str, printed: Printed) -> str:
    """What is read from the input beside the route, with its content."""
    if extra.startswith("PSEUDO") and "READ" in extra:
        return extra + _content(printed.cores, printed.size)
    if extra.startswith("SCRF") and re.search("READ|GENERIC", extra):
        return f"{extra}({printed.solvent or 'NOT PRINTED'})"
    if extra.startswith("EXTRA"):
        return extra + _content({}, printed.size)
    return extra


def _read_basis(lines: Sequence[str], begin: int, numbers: Numbers | None) -> dict[int, set[str]]:
    """Of each element the lines of its bases; 0 stands for all where the atoms aren't known."""
    found: dict[int, set[str]] = defaultdict(set)
    centres: list[int] = []
    text: list[str] = []
    for line in lines[begin : begin + _LONGEST]:
        words = line.split()
        if match := _CENTRES.match(line):
            centres += [int(word) for word in match[1].split()]
        elif centres and words == ["****"]:
            for centre in centres:
                known = numbers is not None and 1 <= centre <= len(numbers)
                found[int(numbers[centre - 1]) if known and numbers is not None else 0].add("; ".join(text))
            centres, text = [], []
        elif centres and words:
            text.append(" ".join(words).upper().replace("D+", "E+").replace("D-", "E-"))
        elif found or re.search(r"basis functions|Pseudopotential|symmetry adapted", line):
            break
    return dict(found)


def _read_cores(lines: Sequence[str], begin: int) -> dict[int, set[str]]:
    """Of each element the lines of its potentials, up to the third line of ===."""
    found: dict[int, set[str]] = defaultdict(set)
    element, text, bars = None, list[str](), 0
    for line in lines[begin : begin + _LONGEST]:
        bars += line.strip().startswith("=====")
        match = _OF_CENTRE.match(line) if bars == 2 else None
        if (match or bars == 3) and element is not None and text[:1] != ["No pseudopotential on"]:
            found[element].add("; ".join(text))
        if bars == 3:
            return dict(found)
        if match:
            element, text = int(match[1]), []
        elif bars == 2 and line.strip() and not _CENTRES.match(line):
            text.append(" ".join(line.split()[:3]))  # the fourth, of spin-orbit, is not in older logs
    return {}
