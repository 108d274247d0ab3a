"""Sphinx's settings. `make docs` builds the pages into docs/_build/html, and any warning fails it."""

from __future__ import annotations

import html
import re
import shutil
import subprocess
import sys
from importlib.metadata import version as installed_version
from pathlib import Path

HERE = Path(__file__).parent

project = "SchNet-IIA"
author = "the SchNet-IIA developers"
copyright = "MIT licence"
version = release = installed_version("schnet-iia")

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
source_suffix = {".md": "markdown"}
exclude_patterns = ["_build", "conf.py"]
default_role = "code"  # of single backticks in docstrings
suppress_warnings = ["myst.header"]  # the pages of the commands begin at the command's own level

myst_enable_extensions = ["dollarmath", "colon_fence"]
myst_heading_anchors = 3

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_inherit_docstrings = False
autodoc_mock_imports = ["torch_sim"]  # a large package, for the name of one base class
autodoc_default_options = {"members": True, "show-inheritance": False}
python_use_unqualified_type_names = True
napoleon_numpy_docstring, napoleon_google_docstring = True, False
napoleon_custom_sections = [("Attributes", "params_style")]

html_theme = "furo"
html_title = f"SchNet-IIA {release}"
html_copy_source = html_show_sourcelink = False


NAME = r"\*{0,2}[A-Za-z_]\w*(?: \([^)]*\))?"
FIELD = re.compile(rf"({NAME}(?:, {NAME})*) : (.+)")
NEXT_FIELD = re.compile(rf"(?<=[.;]) (?={NAME} : )")  # a second field on the same line
SECTIONS = {"Parameters", "Attributes", "Returns", "Raises", "Yields"}


def one_line_fields(app, what, name, obj, options, lines: list[str]) -> None:
    """Turn `energy : eV.` of our docstrings into numpydoc's `energy` with the text on lines of its own.

    The types are in the signatures; what stands behind the colon is prose. Fields that stand under no
    heading get one.
    """
    inside, out = False, []
    lines[:] = [part for line in lines for part in (NEXT_FIELD.split(line) if FIELD.fullmatch(line) else [line])]
    for number, line in enumerate(lines):
        following = lines[number + 1] if number + 1 < len(lines) else ""
        if re.fullmatch(r"-{3,}", following):
            inside = line in SECTIONS
        elif field := FIELD.fullmatch(line):
            if not inside:
                heading = "Attributes" if what in ("class", "exception") else "Parameters"
                out += ["", heading, "-" * len(heading)]
                inside = True
            out += [field[1], f"    {field[2]}"]
            continue
        elif inside and line and not line.startswith(" ") and not lines[number - 1]:
            inside = False
            out.append("")  # two empty lines end a section
        out.append(line)
    lines[:] = out


def write_command_pages(app) -> None:
    """One page for each command of `iia`, from the commands' own help by Typer's generator."""
    done = subprocess.run(
        [sys.executable, "-m", "typer", "iia_calc.cli", "utils", "docs", "--name", "iia"],
        cwd=HERE.parent,
        capture_output=True,
        text=True,
        check=True,
    )
    _, *commands = re.split(r"^## ", html.unescape(done.stdout), flags=re.MULTILINE)
    folder = HERE / "commands"
    folder.mkdir(exist_ok=True)
    names = []
    for text in commands:
        names.append(re.match(r"`iia (\S+)`", text)[1])
        (folder / f"{names[-1]}.md").write_text(f"# {text}", encoding="utf-8")
    listed = "\n".join(names)
    (folder / "index.md").write_text(
        "# Commands\n\nThe same text as `iia COMMAND --help`. Errors of yours are one line and exit status 1 or 2; "
        "`iia --debug COMMAND` shows where they come from.\n\n"
        f"```{{toctree}}\n:maxdepth: 1\n\n{listed}\n```\n",
        encoding="utf-8",
    )


def copy_paper(app) -> None:
    """The page of the paper, its tables and files, as `iia reproduce page` wrote them, in paper/."""
    shutil.copytree(HERE.parent / "examples" / "paper", HERE / "paper", dirs_exist_ok=True)


def write_atlas(app, error) -> None:
    """The atlas of known minima beside the pages, in atlas/."""
    if error is None and app.builder.name == "html":
        from iia_calc.report.atlas.site import write_atlas

        write_atlas(Path(app.outdir) / "atlas")


def setup(app) -> None:
    app.connect("builder-inited", write_command_pages)
    app.connect("builder-inited", copy_paper)
    app.connect("build-finished", write_atlas)
    app.connect("autodoc-process-docstring", one_line_fields, priority=100)  # before napoleon's 500
