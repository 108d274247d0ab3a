"""XYZ files as other programs and editors write them: read where they are unambiguous, refused by line where not."""

from __future__ import annotations

import gzip
import re

import numpy as np
import pytest

from iia_calc.common.structures import read_cluster, read_clusters
from iia_calc.data.readers import read_sets
from search.errors import InputError

P = np.array([(0, 0, 0), (1.6, 0, 0), (0.8, 1.4, 0), (0.8, -1.2, 0.3)])
ROWS = [f"B {x:.6f} {y:.6f} {z:.6f}" for x, y, z in P]
PLAIN = "\n".join(["4", "", *ROWS, ""])
READ = {
    "as it should be": PLAIN.encode(),
    "byte-order mark": b"\xef\xbb\xbf" + PLAIN.encode(),
    "UTF-16": PLAIN.encode("utf-16"),
    "UTF-16, big end first": b"\xfe\xff" + PLAIN.encode("utf-16-be"),
    "Latin-1": PLAIN.replace("4\n", "4\nd'après Müller, 1,5 Å", 1).encode("latin-1"),
    "UTF-8": PLAIN.replace("4\n", "4\nd'après Müller, 1.5 Å", 1).encode(),
    "Windows": PLAIN.replace("\n", "\r\n").encode(),
    "old Mac": PLAIN.replace("\n", "\r").encode(),
    "tabs": re.sub(" ", "\t", PLAIN).encode(),
    "many blanks": re.sub(" ", "     ", PLAIN).encode(),
    "indented": PLAIN.replace("\n", "\n  ").encode(),
    "no end of line": PLAIN.rstrip().encode(),
    "empty lines": f"\n\n{PLAIN}\n\n\n".encode(),
    "atomic numbers": PLAIN.replace("B ", "5 ").encode(),
    "small letters": PLAIN.replace("B ", "b ").encode(),
    "Fortran's numbers": PLAIN.replace("1.600000", "0.16D+01").encode(),
    "words after it": f"{PLAIN}# made by hand\nthe end\n".encode(),
    "a quote in the comment": PLAIN.replace("4\n", "4\nit's B4", 1).encode(),
    "an equals sign in the comment": PLAIN.replace("4\n", '4\nE = -3.2 a.u. "', 1).encode(),
}
REFUSED = {
    "1,6": (PLAIN.replace("1.600000", "1,6"), "line 4 has '1,6' where a number must be; write 1.6"),
    "word": (PLAIN.replace("1.600000", "far"), "line 4 has 'far' where a number must be"),
    "numbered": (PLAIN.replace("B ", "B1 ", 1), "line 3 begins an atom with 'B1', which is no element"),
    "dummy": (PLAIN.replace("B ", "X ", 1), "line 3 begins an atom with 'X', which is no element"),
    "ghost": (PLAIN.replace("B ", "0 ", 1), "line 3 begins an atom with '0', which is no element"),
    "commas": (PLAIN.replace("B ", "B, "), "line 3 begins an atom with 'B,', which is no element"),
    "no comment": (PLAIN.replace("\n\n", "\n"), "an atom in its second line, line 2, where a comment"),
    "no count": ("\n".join(ROWS), "line 1 is no number of atoms, but 'B 0.000000"),
    "more atoms": (f"{PLAIN}B 3 3 3\n", "has more atoms than its first line counts"),
    "fewer atoms": (PLAIN.replace("4\n", "5\n", 1), "is cut short: it has fewer atoms"),
    "two columns": (PLAIN.replace(" 0.300000", ""), "its rows have different numbers of columns"),
    "flat": (re.sub(r"(B \S+ \S+) \S+", r"\1", PLAIN), "line 3 has 3 columns; there must be 4"),
    "none": ("0\n\n", "has 0 atoms by its first line"),
    "minus": ("-4\n\n", "line 1 is no number of atoms, but '-4'"),
    "binary": ("4\n\0\n", "is no text"),
    "blank": ("\n  \n\n", "holds no structures"),
}


@pytest.mark.parametrize("kind", READ)
@pytest.mark.parametrize("suffix", [".xyz", ".extxyz", ".XYZ"])
def test_what_can_be_read_in_one_way_only_is_read(tmp_path, kind, suffix):
    path = tmp_path / f"Bor ä{suffix}"
    path.write_bytes(READ[kind])
    found = read_clusters(path)
    assert not found.set_aside
    (atoms,) = found.atoms
    assert atoms.get_chemical_formula() == "B4"
    assert atoms.positions == pytest.approx(P, abs=1e-9)
    assert read_cluster(path).atoms.positions == pytest.approx(P, abs=1e-9)
    (item,) = read_sets(path)  # audit, convert and train read the same
    assert item.formula == "B4"
    assert item.positions[0] == pytest.approx(P, abs=1e-9)
    if kind == "words after it":
        assert any("line 7 on" in line for line in found.lines())
        assert any("line 7 on" in line for line in item.remarks)


@pytest.mark.parametrize("kind", REFUSED)
def test_what_cannot_is_refused_with_the_line_that_is_wrong(tmp_path, kind):
    text, message = REFUSED[kind]
    path = tmp_path / "a.xyz"
    path.write_text(text)
    for read in (read_clusters, read_cluster, read_sets):
        with pytest.raises(InputError, match=re.escape(message)) as caught:
            read(path)
        assert str(path) in str(caught.value)
        assert "\n" not in str(caught.value)


def test_a_bad_frame_costs_itself_alone(tmp_path):
    path = tmp_path / "a.xyz"
    path.write_text(PLAIN + PLAIN.replace("1.600000", "far") + PLAIN.replace("B ", "34 ", 1))
    found = read_clusters(path)
    assert [atoms.get_chemical_formula() for atoms in found.atoms] == ["B4", "B3Se"]
    assert [cluster.where for cluster in found.kept] == [f"{path}, frame 1 of 3", f"{path}, frame 3 of 3"]
    assert "1 of 3 structures set aside" in found.lines()[0]
    assert "line 10 has 'far'" in found.lines()[0]


def test_packed_files(tmp_path):
    path = tmp_path / "a.xyz.gz"
    path.write_bytes(gzip.compress(READ["UTF-16"]))
    assert read_cluster(path).atoms.positions == pytest.approx(P)
    path.write_bytes(gzip.compress(PLAIN.encode())[:-12])
    with pytest.raises(InputError, match="can't be unpacked"):
        read_clusters(path)
