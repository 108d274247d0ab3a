"""What the route of a Gaussian job asks for: method, basis, and which of the printed energies is meant.

A log of an MP3 job prints an SCF, an MP2 and an MP3 energy; only its route says which is wanted. A route whose energy
isn't read here (excited states, multiconfigurational and composite methods, ONIOM, counterpoise) is refused: its log
prints an SCF energy, too, and that is another number than the one asked for.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from search.errors import InputError

SCF, DOUBLE_HYBRID = "SCF", "double hybrid"
CORRELATED = {
    "MP2": "MP2",
    "MP3": "MP3",
    "MP4": "MP4(SDTQ)",
    "MP4(SDTQ)": "MP4(SDTQ)",
    "MP4SDTQ": "MP4(SDTQ)",
    "MP4(SDQ)": "MP4(SDQ)",
    "MP4SDQ": "MP4(SDQ)",
    "MP4(DQ)": "MP4(DQ)",
    "MP4DQ": "MP4(DQ)",
    "MP5": "MP5",
    "CCD": "CCD",
    "CCSD": "CCSD",
    "CCSD(T)": "CCSD(T)",
    "CCSD-T": "CCSD(T)",
    "QCISD": "QCISD",
    "QCISD(T)": "QCISD(T)",
}
"""Methods after Hartree-Fock whose energies are read, as a route and as a result name them."""
LATER = ("MP2", "MP3", "MP4(DQ)", "MP4(SDQ)", "amplitudes", "MP4(SDTQ)", "MP5", "CCSD(T)", "QCISD(T)")
"""Energies after the SCF in the order in which a job comes to them: none prints one beyond the one that it is for."""
AMPLITUDES = ("CCD", "CCSD", "QCISD")
"""Methods whose energy is that of the converged amplitudes."""
OTHER_METHODS = (
    *("TD", "TDA", "CIS", "CISD", "CID", "CI", "EOMCCSD", "EOM-CCSD", "SAC-CI", "SACCI", "ZINDO", "CASSCF", "CAS"),
    *(
        "RASSCF",
        "GVB",
        "BD",
        "BD(T)",
        "OVGF",
        "EPT",
        "W1U",
        "W1BD",
        "W1RO",
        "ONIOM",
        "COUNTERPOISE",
        "EXTERNAL",
        "DFTB",
    ),
    *("DFTBA", "G1", "G2", "G2MP2", "G3", "G3MP2", "G3B3", "G3MP2B3", "G4", "G4MP2", "CBS-4M", "CBS-QB3", "CBS-APNO"),
    *("ROCBS-QB3", "CBS-Q", "CBS-L", "CBS-LQ", "W1", "W2", "MP2F12", "UFF", "AMBER", "DREIDING"),
    *("FIELD", "CHARGE", "MASSAGE", "NONSTD", "ADMP"),
)
"""Keywords whose energy isn't read here, or changes what the energies mean."""
OF_LEVEL = ("SCRF", "EMPIRICALDISPERSION", "PSEUDO", "EXTRABASIS", "EXTRADENSITYBASIS", "DENFIT", "DOUGLASKROLLHESS")
"""Other keywords that change energies and belong to the level, options included."""
_FUNCTIONS = ("5D", "6D", "7F", "10F")
"""Keywords of pure and of Cartesian functions."""
_GRIDS = ("ULTRAFINE", "FINE", "SUPERFINE", "COARSE", "SG1", "PASS0")
"""Named integration grids, with or without "Grid" after them."""
_CORE = re.compile(
    r"^(FULL|RW|READWINDOW|WINDOW=.*|FC1|FRZI?NGC|FREEZE\w+|WINDOW)$",
)
"""Options that say which electrons are correlated, where it is not the usual valence (FC)."""
_SHORT = {"COUNTERPOISE": 5, "EXTERNAL": 3, "EMPIRICALDISPERSION": 2}
"""How many letters of a keyword Gaussian needs."""
_RELATIVISTIC = re.compile(r"\b(DKH\w*|DOUGLASKROLLHESS|RESC)\b")
_PRINTS_ONLY = ("3/18", "3/24", "3/32", "3/33", "3/36")
"""Options of the integrals' overlay that change what is printed and no energy."""
_PREFIX = re.compile(r"^(RO|R|U)(?=[A-Z])")
_DOUBLE = re.compile(r"2PLYP|DH$|^DSD|QIDH")
"""Functionals with an MP2 part, whose energy is printed after that of the SCF."""
_BASIS = re.compile(
    r"^(STO-\dG|\d-\d+\+*G|CC-P|AUG-|DEF2|LANL|SDD|GEN|MIDI|D95|SV|TZV|QZV|UGBS|EPR|CBSB|DGDZ|DGTZ|PC|CEP|SHC|MTSMALL)"
)
_OF_COUPLED = {
    *("FC", "FC1", "FULL", "RW", "READWINDOW", "WINDOW", "FRZNGC", "FRZINGC", "FREEZENOBLEGASCORE"),
    *("FREEZEINNERNOBLEGASCORE", "FREEZEG2", "FREEZEG3", "FREEZEG4", "T1DIAG", "T1", "E4T", "CONVER"),
    *("MAXCYC", "MAXCYCLE", "PRODUCE", "READAMPLITUDES", "SAVEAMPLITUDES", "ENONLY", "INCORE", "TWINCORE", "DIRECT"),
}
"""Options of coupled clusters and of MP4 that leave it at the same method."""
_COUPLED = re.compile(r"^((?:CCSD|QCISD|MP4))\((.*)\)$")


@dataclass(frozen=True)
class Route:
    """A job's route.

    Attributes
    ----------
    method : as it is commonly written, without R, U or RO; None where the route has none. basis : likewise.
    extras : what else changes the energies: solvent, dispersion, altered functionals.
    core : which electrons are correlated, "FULL"; empty for the usual ones. grid : of integration; None for the
    program's own.
    other : the first keyword whose energy isn't read here; None where there is none.
    optimises, vibrates : whether geometries are optimised, and frequencies calculated.
    continues : whether it is a step that Gaussian added to the job before, with its level of theory.
    """

    method: str | None = None
    basis: str | None = None
    extras: tuple[str, ...] = ()
    core: str = ""
    grid: str | None = None
    other: str | None = None
    optimises: bool = False
    vibrates: bool = False
    continues: bool = False

    def after(self, before: Route) -> Route:
        """The route with what it takes from the checkpoint of the job before it in the log."""
        extras = set(self.extras)
        if "SCRF=CHECK" in extras:
            extras = extras - {"SCRF=CHECK"} | {extra for extra in before.extras if extra.startswith("SCRF")}
        chk_basis = self.basis is not None and self.basis.startswith("CHKBAS")
        if self.continues or chk_basis:
            extras |= {extra for extra in before.extras if self.continues or extra.startswith("PSEUDO")}
        return replace(
            self,
            method=self.method or (before.method if self.continues else None),
            basis=before.basis if chk_basis or (self.continues and not self.basis) else self.basis,
            extras=tuple(sorted(extras)),
            core=self.core or (before.core if self.continues and self.method is None else ""),
            grid=self.grid or (before.grid if self.continues else None),
        )


def read_route(text: str) -> Route:
    """The route of a job from its text, "#P PBE1PBE/3-21G Opt"."""
    text = re.sub(r"=(FULL|FC|RW)(?=[/\s]|$)", r"(\1)", text, flags=re.IGNORECASE)
    text = re.sub(r"=(\([^()]*\))(?=/)", r"\1", text)
    words = _words(re.sub(r"#[PpNnTt]?(?=\s|$)|#", " ", text))
    method = basis = other = grid = None
    core = ""
    extras, names = [], set()
    for word in words:
        name = re.split(r"[=(]", word, maxsplit=1)[0].upper()
        name = next((full for full, least in _SHORT.items() if full.startswith(name) and len(name) >= least), name)
        names.add(name)
        level = _level(word)
        if level is not None:
            method, basis = level
            core = _core_of(word.rpartition("/")[0]) or core
        elif word.upper() in OTHER_METHODS or name in OTHER_METHODS:
            other = other or name
        elif method is None and _plain(_drop_options(word.upper())) in CORRELATED:
            method, core = _drop_options(word.upper()), _core_of(word) or core
        elif name == "WINDOW":
            core = word.upper()
        elif basis is None and _BASIS.match(word.upper()):
            basis = plain_basis(word)
        elif name in ("CHKBASIS", "CHKBAS"):
            basis = basis or name
        if name in OF_LEVEL:
            extras.append(_in_one_form(name, word))
        elif name in ("INT", "INTEGRAL", "DKH", "DKH0", "DKH2", "DKH4", "DKHSO", "GRID"):
            extras += _RELATIVISTIC.findall(word.upper())
            grid = _grid_of(word) or grid
        elif name in _FUNCTIONS:
            extras.append(name)
        elif name == "SCF" and "SLEAZY" in word.upper():
            extras.append("SCF=SLEAZY")
        elif name == "IOP":
            options = re.findall(r"3/\d+=[^,)]+", word)
            extras += [f"IOP({option})" for option in options if option.split("=")[0] not in _PRINTS_ONLY]
    if method is not None and re.split(r"[(=]", method, maxsplit=1)[0] in OTHER_METHODS:
        other = other or method
    return Route(
        method,
        basis,
        tuple(sorted(extras)),
        core,
        grid,
        other,
        bool({"OPT", "FOPT", "POPT"} & names),
        bool({"FREQ", "FREQUENCY"} & names),
        "GENCHK" in names,
    )


def wanted_energy(route: Route, scf_label: str) -> tuple[str, str]:
    """Which of a step's energies the route means, and the method's name.

    scf_label : what Gaussian calls the SCF, "RHF" or "UPBE1PBE".

    Raises
    ------
    InputError : its energy isn't read here.
    """
    if route.other is not None:
        raise InputError(f"its route asks for {route.other}, whose energies aren't read here")
    label = bare_method(scf_label)
    if route.method is None:
        return SCF, label
    method = _plain(route.method)
    if method in CORRELATED:
        return CORRELATED[method], CORRELATED[method]
    if label == "HF" and method not in ("HF", "SCF"):
        raise InputError(f"its route asks for {route.method}, whose energies aren't read here")
    name = label if method in ("HF", "SCF") else bare_method(route.method, scf_label)
    return DOUBLE_HYBRID if _DOUBLE.search(name) else SCF, name


def bare_method(method: str, scf_label: str = "") -> str:
    """A method without R, U or RO before it, where they say how the SCF was done: RPBE1PBE is PBE1PBE."""
    plain, label = method.upper(), scf_label.upper()
    stripped = _PREFIX.sub("", plain)
    if not label:
        return stripped
    prefix = _PREFIX.match(plain)
    return stripped if prefix and label.startswith(prefix[1]) and not plain.startswith("REV") else plain


def _level(word: str) -> tuple[str, str] | None:
    """Method and basis of "PBE1PBE/3-21G"; None for another word."""
    match = re.match(r"^([^=/()]+(?:\(.*\))?)/([^=]+)$", word)
    if match is None or word.upper().startswith(("IOP", "SCF", "INT", "OPT")):
        return None
    method, basis = match.groups()
    return _drop_options(method.upper()), plain_basis(basis)


def _options(word: str) -> list[str]:
    """The options of a keyword, "MP2(FC)", "Int=(Grid=SuperFine,DKH)" or "Int=UltraFine", in capitals."""
    given = re.sub(r"\s", "", word.upper())[len(re.split(r"[=(]", word, maxsplit=1)[0]) :].lstrip("=")
    return _words(given[1:-1]) if given.startswith("(") else [given] * bool(given)


def _core_of(word: str) -> str:
    """Which electrons a method correlates, "FULL"; empty for the usual ones."""
    return ",".join(sorted(option for option in _options(word) if _CORE.match(option)))


def _grid_of(word: str) -> str | None:
    """The integration grid that an option says; None where none does."""
    for option in _options(word):
        given = option.removeprefix("GRID").strip("=()") if option.startswith("GRID") else option
        name = given.removesuffix("GRID")
        if name in _GRIDS or option.startswith("GRID"):
            return name
    return None


def _in_one_form(name: str, word: str) -> str:
    """SCRF(solvent=water, smd) as SCRF=(SMD,SOLVENT=WATER): one level has one name."""
    options = sorted(_options(word))
    return name + ("" if not options else f"=({','.join(options)})" if len(options) > 1 else f"={options[0]}")


def plain_basis(basis: str) -> str:
    """A basis as Gaussian itself writes it: 6-31G* is 6-31G(D)."""
    return basis.upper().replace("**", "(D,P)").replace("*", "(D)")


def _drop_options(method: str) -> str:
    """CCSD(T,T1Diag) as CCSD(T), MP4 with options likewise; others as they are."""
    match = _COUPLED.match(_PREFIX.sub("", method))
    if match is None:
        return method
    options = [option.split("=")[0].strip() for option in _words(match[2])]
    kept = [option for option in options if option in ("T", "SDQ", "DQ", "SDTQ")]
    if set(options) - set(kept) - _OF_COUPLED:
        return method  # an energy that isn't known here, or a damaged route
    return f"{match[1]}({kept[0]})" if kept else match[1]


def _plain(method: str) -> str:
    """Without R, U or RO where that makes it a known method, and without options such as "=FULL" or "(FC)"."""
    bare = re.sub(r"(=.*|\((FC|FULL|RW|READWINDOW|WINDOW|FRZ|FREEZE).*\))$", "", method)
    stripped = _PREFIX.sub("", bare)
    return stripped if stripped in CORRELATED or stripped in ("HF", "SCF") else bare


def _words(text: str) -> list[str]:
    """Split at blanks and commas outside of parentheses; blanks around "=" and before "(" don't count."""
    text = re.sub(r"\s*=\s*", "=", text)
    found, word, depth = [], "", 0
    for letter in text:
        depth += (letter == "(") - (letter == ")")
        if depth <= 0 and (letter.isspace() or letter == ","):
            found.append(word)
            word, depth = "", 0
        else:
            word += letter
    return [w for w in [*found, word] if w]
