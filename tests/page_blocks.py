"""The blocks of code on a page of the documentation, with the numbers that tests use.

HTML comments above a block, which readers don't see, steer it: `<!-- not run: why -->`;
`<!-- in tests: long -> short -->` for smaller numbers; `<!-- file: NAME -->` for what a reader saves under that name.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

FENCE = re.compile(r"((?:^<!--[^\n]*-->\n)*)^```(python|shell|yaml)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FILE = re.compile(r"<!-- file: (\S+) -->")
SHORTER = re.compile(r"<!-- in tests: (.+?) -> (.*?) -->")


@dataclass(frozen=True)
class Block:
    """A fenced piece of code: its language, its text, the page's line where it begins, and the file it belongs in."""

    language: str
    code: str
    line: int
    file: str | None = None


def blocks_of(text: str) -> list[Block]:
    """The blocks of a page that are run, with the numbers that tests use."""
    found = []
    for fence in FENCE.finditer(text):
        comments, language, code = fence.groups()
        if "<!-- not run:" in comments:
            continue
        for long, short in SHORTER.findall(comments):
            assert long in code, f"{long!r} isn't in the block it is to be replaced in"
            code = code.replace(long, short)
        file = FILE.search(comments)
        found.append(Block(language, code, text.count("\n", 0, fence.start(3)) + 1, file and file[1]))
    return found
