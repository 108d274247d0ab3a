"""XYZ and extended XYZ text, a frame at a time: what is damaged costs that frame and no other.

ASE reads each frame. Where frames begin and end is found here, since ASE gives up a whole file for one of them, and
so is what other programs write: any encoding and line ends, atomic numbers for symbols, Fortran's exponents.
"""

from __future__ import annotations

import codecs
import io
import re
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.data import atomic_numbers, chemical_symbols
from ase.io import read
from ase.io.formats import open_with_compression

from search.errors import InputError

XYZ_SUFFIXES = (".extxyz", ".xyz")
MOST_ATOMS = 100_000
"""Atoms of a frame: a greater number is no count of them."""
_COUNT = re.compile(r"^\s*\d{1,9}\s*$")
_STRESS = re.compile(r"""(?<!\S)(virial|stress)=("[^"]*"|'[^']*'|\[[^\]]*\]|\{[^}]*\}|\S*)""")
"""Of no use for clusters; ASE gives up a frame for one that isn't 3 × 3."""
_ATOM = re.compile(r"^\s*[A-Za-z]{1,2}(\s+[-+.\deEdD]+){3,}\s*$")
_EXTRA = re.compile(r"^\s*[A-Za-z]{1,2}(\s+[-+.\deEdD]+){4,}\s*$")
_PROPERTIES = re.compile(r"""(?<!\S)Properties=["']?([^\s"']+)""")
_FORTRAN = re.compile(r"^([-+]?(?:\d+\.?\d*|\.\d+))[dD]([-+]?\d+)$")
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # before that of UTF-16, with which it begins
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def read_lines(path: Path) -> list[str]:
    """Lines of a text file without their ends, whichever they are; the last is empty where the file ends with one.

    A byte-order mark says the encoding; else it is UTF-8, or Latin-1 where it can't be that.

    Raises
    ------
    InputError : it is no text.
    """
    with open_with_compression(str(path), "rb") as stream:
        data: bytes = stream.read()
    encoding = next((name for mark, name in _MARKS if data.startswith(mark)), None)
    try:
        text = data.decode(encoding or "utf-8")
    except UnicodeDecodeError:
        if encoding is not None:
            raise InputError(f"{path} begins as {encoding.upper()} text does and isn't; write it as UTF-8") from None
        text = data.decode("latin-1")
    if "\0" in text:
        raise InputError(f"{path} is no text: it has bytes of zero; write it as UTF-8")
    return re.split(r"\r\r\n|\r\n|\n|\r", text)


def split_frames(lines: list[str]) -> list[tuple[int, int, str]]:
    """First line, line after the last, and what is wrong (or "") of each frame; words after the last one are none."""
    at = 0
    frames: list[tuple[int, int, str]] = []
    while at < len(lines):
        if not lines[at].strip():
            at += 1
            continue
        if not _COUNT.match(lines[at]):
            if frames and _only_words(lines[at:]):
                break
            if frames and _EXTRA.match(f"{lines[at]} 0"):  # an atom's line: the frame before has more than it counts
                frames[-1] = (*frames[-1][:2], "has more atoms than its first line counts")
            shown = lines[at].strip()[:40]
            wrong = f"can't be read, nor what follows: line {at + 1} is no number of atoms, but {shown!r}"
            frames.append((at, at, wrong))
            break
        n_atoms = int(lines[at])
        end = at + 2 + n_atoms
        if not 0 < n_atoms <= MOST_ATOMS:
            frames.append((at, at, f"has {n_atoms} atoms by its first line"))
            break
        if end > len(lines) or (end == len(lines) and not lines[-1].strip()):
            wrong = "is cut short: it has fewer atoms than its first line counts"
            if at + 1 < len(lines) and _ATOM.match(lines[at + 1]):
                wrong = f"has an atom in its second line, line {at + 2}, where a comment (or an empty line) must be"
            frames.append((at, at, wrong))
            break
        wrong = "is cut short in its last number" if end == len(lines) and _cut_short(lines[at + 2 : end]) else ""
        frames.append((at, end, wrong))
        at = end
    return frames


def frame_atoms(lines: list[str], first: int) -> Atoms:
    """One frame, by ASE.

    first : number of its first line, for messages.

    Raises
    ------
    InputError : a row holds what isn't an element or a number, or rows are of different lengths.
    """
    if len({len(line.split()) for line in lines[2:]}) > 1:
        raise InputError("can't be read: its rows have different numbers of columns")
    comment = _STRESS.sub("", lines[1])
    try:
        text = "\n".join([lines[0], comment, *_rows(lines, first)])
        found = read(io.StringIO(f"{text}\n"), format="extxyz", index=0)
    except InputError:
        raise
    except Exception as error:  # parsers raise anything
        raise InputError(f"can't be read: {one_line(error)}") from error
    if not isinstance(found, Atoms):
        raise InputError("can't be read")
    return found


def one_line(error: BaseException) -> str:
    """An exception in one line, with its kind where it says little."""
    text = " ".join(str(error).split())[:200]
    return text if " " in text else f"{type(error).__name__} {text}".strip()


def unread_remarks(lines: list[str], frames: list[tuple[int, int, str]]) -> list[str]:
    """What to say of words after the last frame, and of numbers of the first one that no name goes with."""
    found = []
    if frames and not frames[-1][2] and (words := [k for k in range(frames[-1][1], len(lines)) if lines[k].strip()]):
        found.append(f"what stands from line {words[0] + 1} on, after the last structure, is none and wasn't read")
    start = next((k for k, line in enumerate(lines) if line.strip()), len(lines))
    if start + 2 >= len(lines):
        return found
    comment, row = lines[start + 1], lines[start + 2]
    if "properties" not in comment.lower() and _EXTRA.match(row):
        columns = len(row.split()) - 4
        found.append(f"{columns} column{'s' * (columns > 1)} beside the positions without a name, not used")
    if any(_is_number(word) for word in comment.split()) and "=" not in comment:
        found.append("the comment lines hold numbers without a name, not used")
    return found


def _only_words(lines: list[str]) -> bool:
    """Whether there is no number of atoms and no atom's row."""
    return not any(_COUNT.match(line) or _ATOM.match(line) for line in lines)


def _rows(lines: list[str], first: int) -> list[str]:
    """A frame's rows as ASE reads them: symbols for atomic numbers, E for Fortran's D.

    Raises
    ------
    InputError : a word is neither an element nor a number where one must be; its line is said.
    """
    columns = _columns(lines[1])
    rows = []
    for number, line in enumerate(lines[2:], first + 2):
        words = line.split()
        if len(words) < len(columns):
            raise InputError(f"can't be read: line {number} has {len(words)} columns; there must be {len(columns)}")
        for k, kind in enumerate(columns):
            if kind == "element":
                words[k] = _symbol(words[k], number)
            elif kind == "R":
                words[k] = _number(words[k], number)
        rows.append(" ".join(words))
    return rows


def _columns(comment: str) -> list[str]:
    """What each column of a frame holds: "element", or the letter of its type."""
    declared = _PROPERTIES.search(comment)
    if declared is None:
        return ["element", "R", "R", "R"]
    fields = declared[1].split(":")
    columns: list[str] = []
    for name, kind, count in zip(fields[::3], fields[1::3], fields[2::3], strict=False):
        if count.isdecimal():
            columns += [kind if (name, kind) != ("species", "S") else "element"] * int(count)
    return columns


def _symbol(word: str, line: int) -> str:
    """The symbol that a word of an element column is, or whose atomic number."""
    if word.isdecimal() and 0 < int(word) < len(chemical_symbols):
        return chemical_symbols[int(word)]
    symbol = word.capitalize() if word.islower() or word.isupper() else word
    if atomic_numbers.get(symbol, 0):
        return symbol
    raise InputError(f"can't be read: line {line} begins an atom with {word[:20]!r}, which is no element; write B or 5")


def _number(word: str, line: int) -> str:
    """A number as ASE reads it."""
    word = _FORTRAN.sub(r"\1e\2", word)
    try:
        float(word)
    except ValueError:
        point = f"; write {word.replace(',', '.')}" if re.fullmatch(r"[-+]?\d+,\d+", word) else ""
        raise InputError(f"can't be read: line {line} has {word[:20]!r} where a number must be{point}") from None
    return word


def _cut_short(rows: list[str]) -> bool:
    """Whether the last of a frame's rows, which no line's end follows, lacks words or the end of its last number.

    Numbers are printed with as many decimals as the others of their column, or as the others of their row.
    """
    words = [row.split() for row in rows]
    if not words[-1] or len({len(row) for row in words}) > 1:
        return True
    others = [row[-1] for row in words[:-1]] or words[-1][1:-1]
    shared = {len(word.partition(".")[2]) for word in others}
    return len(shared) == 1 and min(shared) >= 3 and len(words[-1][-1].partition(".")[2]) < min(shared)


def _is_number(word: str) -> bool:
    try:
        return bool(np.isfinite(float(word)))
    except ValueError:
        return False
