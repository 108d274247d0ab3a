"""The atlas as a folder of pages that works offline: an index, one page a formula, the viewer once, files to take."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from markupsafe import Markup

from iia_calc.common.files import write_frames, write_json, write_text
from iia_calc.model.storage import code_version
from iia_calc.report.atlas.entries import Minimum, add_model_energies, read_minima
from iia_calc.report.citations import SOFTWARE
from iia_calc.report.drawing import structure_svg
from iia_calc.report.paper.citations import in_one_line, works, works_of_level
from iia_calc.report.templates import asset, render
from iia_calc.report.viewer import MISSING, structures_data, viewer_script
from search.errors import InputError

ASSETS, DATA = "assets", "data"
VIEWER = "chemiscope.min.js"
ALL = "atlas"
"""Of the files with everything."""


@dataclass(frozen=True)
class Atlas:
    """What was written.

    Attributes
    ----------
    folder : of the site. n_formulas, n_minima : on its pages.
    remarks : what a reader must know, in words.
    """

    folder: Path
    n_formulas: int
    n_minima: int
    remarks: tuple[str, ...]

    @property
    def index(self) -> Path:
        """The page to open."""
        return self.folder / "index.html"


def write_atlas(out: Path, source: Path | None = None, formulas: Iterable[str] = ()) -> Atlas:
    """Write the site.

    Parameters
    ----------
    out : its folder; what an earlier call wrote there is written anew.
    source : folder of minima like models/lowest; None for the shipped one.
    formulas : only these; all where none is named.

    Raises
    ------
    FileNotFoundError, InputError, MissingPackage : as `iia_calc.report.atlas.entries.read_minima`; `out` is a file, or
        a folder that holds something else.
    """
    _check_place(out)
    minima = read_minima(source, formulas)
    remarks = add_model_energies(minima)
    script = viewer_script()
    if script is None:
        remarks.append(f"the pages are without 3-D: {MISSING}")
    for folder in (out / ASSETS, out / DATA):
        folder.mkdir(parents=True, exist_ok=True)
    write_text(out / ASSETS / "style.css", asset("style.css"))
    write_text(out / ASSETS / "page.js", asset("page.js"))
    if script is not None:
        write_text(out / ASSETS / VIEWER, script)
    names = list(minima)
    for k, (formula, found) in enumerate(minima.items()):
        beside = (names[k - 1] if k else None, names[k + 1] if k + 1 < len(names) else None)
        write_text(out / f"{formula}.html", formula_page(formula, found, beside, has_viewer=script is not None))
        _write_data(out / DATA, formula, found)
    _write_data(out / DATA, ALL, [minimum for found in minima.values() for minimum in found])
    write_text(out / "index.html", index_page(minima))
    return Atlas(out, len(minima), sum(map(len, minima.values())), tuple(remarks))


def index_page(minima: Mapping[str, Sequence[Minimum]]) -> str:
    """The page with all formulas, of each the lowest of its best level."""
    rows = [(found[0], found, structure_svg(found[0].atoms, formula)) for formula, found in minima.items()]
    everything = [minimum for found in minima.values() for minimum in found]
    return render(
        "atlas-index.html",
        rows=rows,
        n_minima=len(everything),
        n_tested=sum(m.lowest_frequency is not None for m in everything),
        n_saddles=sum(_is_saddle(m) for m in everything),
        methods=list(dict.fromkeys(m.method for m in everything)),
        cite=_cite(everything),
        version=code_version(),
        all=ALL,
    )


def formula_page(
    formula: str, found: Sequence[Minimum], beside: tuple[str | None, str | None], *, has_viewer: bool
) -> str:
    """The page of one formula. beside : the formulas before and after it."""
    best = found[0]
    data = structures_data([m.atoms for m in found], formula) if has_viewer else None
    return render(
        "atlas-formula.html",
        formula=formula,
        found=found,
        best=best,
        drawings={m.number: structure_svg(m.atoms, f"{formula}, isomer {m.number}") for m in found},
        methods=list(dict.fromkeys(m.method for m in found)),
        remarks=_remarks(found),
        data=None if data is None else Markup(data),
        missing=MISSING,
        beside=beside,
        cite=_cite(found),
        version=code_version(),
        viewer=VIEWER,
    )


def _remarks(found: Sequence[Minimum]) -> list[tuple[str, str]]:
    """What speaks for the lowest structure (good) and what to mind (mind), in sentences."""
    best = found[0]
    told: list[tuple[str, str]] = []
    if best.lowest_frequency is None:
        told.append(("mind", f"Its frequencies were not computed at {best.method}: it may be a saddle."))
    elif _is_saddle(best):
        told.append(("mind", f"It is a saddle at {best.method}: {-best.lowest_frequency:.0f}i cm⁻¹."))
    else:
        told.append(("good", f"It is a minimum at {best.method}: lowest mode {best.lowest_frequency:.0f} cm⁻¹."))
    spins = best.checked.spins if best.checked is not None else {}
    if not spins and best.is_lowest_spin:
        told.append(("mind", "Other multiplicities were not tested."))
    for multiplicity, spin in sorted(spins.items()):
        if spin.relaxed is not None:
            told.append(("good", f"Relaxed with 2S+1 = {multiplicity} it lies {spin.relaxed:.2f} eV higher."))
        else:
            told.append(("good", f"With 2S+1 = {multiplicity} it lies {spin.vertical:.2f} eV higher at this geometry."))
    for other in {m.method: m for m in reversed(found) if m.method != best.method}.values():
        if other.lowest_frequency is not None:
            kind = "a saddle" if _is_saddle(other) else "a minimum"
            told.append(("good", f"At {other.method} the lowest, no. {other.number}, was tested: it is {kind}."))
    if not best.is_lowest_spin:
        told.append(("mind", "Its multiplicity is above the lowest, which is the one that potentials were fitted to."))
    if best.work:
        told.append(("good", f"The literature describes such a structure: {in_one_line(best.work)}."))
    if len(best.atoms) > 12:
        told.append(("mind", "Above twelve atoms each formula was searched once or twice: a lower one may be missing."))
    if best.method.lower().endswith("/3-21g"):
        told.append(("mind", "3-21G is a small basis: a larger one can put other isomers first."))
    return told


def _is_saddle(minimum: Minimum) -> bool:
    return minimum.checked is not None and minimum.checked.n_imaginary > 0


def _cite(found: Sequence[Minimum]) -> dict[str, str]:
    """A sentence for the methods, and BibTeX of what these structures rest on."""
    methods = " and ".join(dict.fromkeys(m.method for m in found))
    keys = dict.fromkeys(["schnet-iia", "ase", *(key for m in found for key in works_of_level(m.level))])
    keys |= dict.fromkeys(["pymatgen", *(m.work for m in found if m.work)])
    sentence = (
        f"Structures and energies ({methods}) are from the atlas of SchNet-IIA {code_version()}; they were found with "
        "its potentials and relaxed with PySCF."
    )
    return {
        "sentence": sentence,
        "bibtex": "\n\n".join([SOFTWARE.format(version=code_version()), *(works()[key] for key in keys)]),
    }


def _write_data(folder: Path, name: str, found: Sequence[Minimum]) -> None:
    """`name` as xyz, csv and json."""
    write_frames(folder / f"{name}.xyz", [_frame(minimum) for minimum in found])
    rows = [minimum.as_plain() for minimum in found]
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(folder / f"{name}.csv", text.getvalue())
    write_json(folder / f"{name}.json", [{**row, **_more(m)} for row, m in zip(rows, found, strict=True)])


def _more(minimum: Minimum) -> dict[str, Any]:
    """What a row of a table has no room for."""
    checked = minimum.checked
    spins = {} if checked is None else {str(k): asdict(spin) for k, spin in checked.spins.items()}
    return {
        "symbols": minimum.atoms.get_chemical_symbols(),
        "positions_Angstrom": minimum.atoms.positions.round(6).tolist(),
        "frequencies_per_cm": None if checked is None else checked.frequencies,
        "other_multiplicities": spins,
    }


def _frame(minimum: Minimum) -> Atoms:
    """The structure with its energy and what its comment line says."""
    atoms = Atoms(minimum.atoms.numbers, minimum.atoms.positions)
    atoms.calc = SinglePointCalculator(atoms, energy=minimum.energy)
    atoms.info.update(formula=minimum.formula, number=minimum.number, level=minimum.level)
    atoms.info.update(multiplicity=minimum.multiplicity, point_group=minimum.point_group, shape=minimum.shape)
    return atoms


def _check_place(out: Path) -> None:
    """Raise an InputError where `out` is a file, or a folder of something else."""
    if out.is_file():
        raise InputError(f"{out} is a file; name a folder")
    if out.is_dir() and any(out.iterdir()) and not (out / ASSETS / "style.css").exists():
        raise InputError(f"{out} is no atlas, and not empty; name another folder")
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{out} can't be made: {error.strerror}") from error
