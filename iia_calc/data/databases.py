"""ASE databases, SchNetPack's among them, opened for reading alone.

Their metadata says the units (`common.databases`); those of ASE's own are eV and Å.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.db import connect
from ase.db.core import Database
from ase.db.row import AtomsRow

from iia_calc.common.databases import declared_units, shared_values
from iia_calc.common.xyz import one_line
from iia_calc.data.columns import Wanted
from iia_calc.data.records import Contents, Raw, records_of
from search.errors import InputError

SUFFIXES = (".db",)


def read_database(path: Path, wanted: Wanted = Wanted()) -> Contents:
    """All sound rows.

    Raises
    ------
    InputError : it is no ASE database, is damaged, holds no sound structure, or doesn't say which column is the energy.
    """
    check_database(path)
    contents = Contents()
    raws: list[Raw] = []
    try:
        database = connect(path, type="db", append=True, use_lock_file=False)
        metadata = dict(database.metadata)
        ids = [int(row.id) for row in database.select(columns=["id"], include_data=False)]
        rows = _all_rows(database)
    except Exception as error:  # sqlite, JSON and ASE raise anything on a damaged file
        raise InputError(f"{path} is not a readable ASE database: {one_line(error)}") from error
    shared = shared_values(metadata)
    units = declared_units(metadata)
    for k, row in enumerate(ids):
        where = f"row {row}"
        try:
            raws.append(_raw(rows.get(row) or database.get(id=row), shared, units, row, where))
        except Exception as error:  # as above: one damaged row is no reason to lose the others
            contents.aside.append((where, f"can't be read: {one_line(error)}"))
        if k + 1 == len(contents.aside) == 100:
            break  # nothing of it can be read
    return records_of(raws, contents, wanted).sound(path)


def _all_rows(database: Database) -> dict[int, AtomsRow]:
    """Rows by their number, in one go; none where one of them is damaged, and each has to be tried."""
    try:
        return {int(row.id): row for row in database.select()}
    except Exception:  # sqlite, JSON and ASE raise anything on a damaged file
        return {}


def check_database(path: Path) -> None:
    """Raises InputError where a file is no ASE database; it isn't changed, which ASE's own opening may do."""
    with path.open("rb") as file:
        if file.read(16) != b"SQLite format 3\x00":
            raise InputError(f"{path} is not a readable ASE database: it is no SQLite file")
    try:
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as connection:
            tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    except (sqlite3.Error, ValueError) as error:  # ValueError: names that are no text
        raise InputError(f"{path} is not a readable ASE database: {one_line(error)}") from error
    if "search_state" in tables and "minima" in tables:
        raise InputError(f"{path} is the archive of a search; its minima are in isomers.extxyz of the same folder")
    if not {"systems", "information"} <= tables:
        raise InputError(f"{path} is not a readable ASE database: it has no table of systems")


def _raw(row: AtomsRow, shared: Mapping[str, object], units: Mapping[str, str], index: int, where: str) -> Raw:
    """A row with everything it says by name: metadata, keys, data, results."""
    atoms = Atoms(row["numbers"], row["positions"], pbc=row["pbc"])
    if "initial_charges" in row:
        atoms.set_initial_charges(row["initial_charges"])
    if "initial_magmoms" in row:
        atoms.set_initial_magnetic_moments(row["initial_magmoms"])
    values: dict[str, object] = dict(shared)
    values |= dict(row.key_value_pairs)
    values |= {str(name): _plain(value) for name, value in row.data.items()}
    values |= {name: _plain(row[name]) for name in _results(row)}
    return Raw(atoms, values, units, index, where)


def _results(row: AtomsRow) -> Iterator[str]:
    """Names of a row's calculated properties that matter here."""
    return (name for name in ("energy", "forces", "free_energy", "energies") if name in row)


def _plain(value: object) -> object:
    """Lists of numbers as arrays."""
    if isinstance(value, list):
        try:
            return np.array(value, dtype=float)
        except (ValueError, TypeError):
            return value
    return value
