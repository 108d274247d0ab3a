"""The figures of the house: how many rooms, how long, how strict, how well documented.

    make house              # prints the table; ends with status 1 where a figure is over its limit

Entries are modules and folders of a package, without `__init__.py`, `py.typed` and caches. A circle is a group of
modules that import one another when they are loaded. Public names are modules, classes, functions and methods
without a leading underscore.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = {"iia_calc": 16, "search": 12}  # most entries of each
LONGEST_MODULE, LONG_FUNCTION, LONG_FUNCTIONS, README_WORDS = 320, 60, 5, 700
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
PARTICIPLE = re.compile(
    r"_*([a-z]+ed|broken|built|chosen|cut|drawn|found|given|grown|held|kept|known|left|lost|made|met|seen|sent|shown|told|"
    r"torn|written)"
)
NO_PARTICIPLES = {"need", "feed", "seed", "reseed", "speed", "embed"}


def modules() -> dict[str, ast.Module]:
    """Every module of both packages by its dotted name, parsed."""
    found = {}
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = ast.parse(path.read_text())
    return found


def lines_of(module: str) -> int:
    path = ROOT / Path(*module.split("."))
    path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    return len(path.read_text().splitlines())


def entries(package: str) -> list[str]:
    """What a reader sees on opening the folder."""
    ignored = {"__init__.py", "py.typed", "__pycache__"}
    found = (p for p in (ROOT / package).iterdir() if p.name not in ignored and not p.name.startswith("."))
    return sorted(p.name for p in found if p.is_file() or any(f.suffix != ".pyc" for f in p.rglob("*") if f.is_file()))


def functions(tree: ast.Module) -> Iterator[tuple[str, int]]:
    """Name and number of lines of each function."""
    for node in ast.walk(tree):
        if isinstance(node, FUNCTIONS):
            yield node.name, (node.end_lineno or node.lineno) - node.lineno + 1


def imported_when_loaded(name: str, tree: ast.Module, names: set[str]) -> set[str]:
    """Modules of ours that `name` imports outside functions and TYPE_CHECKING."""
    found: set[str] = set()

    def visit(nodes: list[ast.stmt]) -> None:
        for node in nodes:
            if isinstance(node, ast.Import):
                found.update(alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module:
                below = {f"{node.module}.{alias.name}" for alias in node.names} & names
                found.update(below or {node.module})
            elif isinstance(node, ast.If) and "TYPE_CHECKING" not in ast.unparse(node.test):
                visit(node.body + node.orelse)
            elif isinstance(node, ast.Try):
                visit(node.body + node.orelse + node.finalbody)
                for handler in node.handlers:
                    visit(handler.body)

    visit(tree.body)
    return (found & names) - {name}


def circles(trees: dict[str, ast.Module]) -> list[list[str]]:
    """Groups of modules that reach one another by imports (Tarjan's strongly connected components)."""
    graph = {name: imported_when_loaded(name, tree, set(trees)) for name, tree in trees.items()}
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    result: list[list[str]] = []

    def connect(v: str) -> None:
        index[v] = low[v] = len(index)
        stack.append(v)
        for w in graph[v]:
            if w not in index:
                connect(w)
                low[v] = min(low[v], low[w])
            elif w in stack:
                low[v] = min(low[v], index[w])
        if low[v] == index[v]:
            group = stack[stack.index(v) :]
            del stack[stack.index(v) :]
            if len(group) > 1:
                result.append(sorted(group))

    for v in graph:
        if v not in index:
            connect(v)
    return result


def find_undocumented(name: str, tree: ast.Module) -> Iterator[str]:
    """Public names without a docstring."""

    def visit(node: ast.Module | ast.ClassDef, prefix: str) -> Iterator[str]:
        for child in node.body:
            if not isinstance(child, (*FUNCTIONS, ast.ClassDef)) or child.name.startswith("_"):
                continue
            short = [ast.unparse(d).split(".")[-1] for d in child.decorator_list]
            if ast.get_docstring(child) is None and not {"overload", "setter", "override"} & set(short):
                yield f"{prefix}.{child.name}"
            if isinstance(child, ast.ClassDef):
                yield from visit(child, f"{prefix}.{child.name}")

    if ast.get_docstring(tree) is None and tree.body:
        yield name
    yield from visit(tree, name)


def participles(tree: ast.Module) -> Iterator[str]:
    """Functions whose name is a lone participle, which says neither what they do nor what they give."""
    for node in ast.walk(tree):
        if not isinstance(node, FUNCTIONS) or any("property" in ast.unparse(d) for d in node.decorator_list):
            continue
        if PARTICIPLE.fullmatch(node.name) and node.name not in NO_PARTICIPLES:
            yield node.name


def strict_errors() -> int:
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", *(f"-p{package}" for package in PACKAGES)],
        capture_output=True,
        text=True,
        cwd=ROOT,
    )
    if match := re.search(r"Found (\d+) error", done.stdout):
        return int(match.group(1))
    if "Success" in done.stdout:
        return 0
    raise SystemExit(f"mypy did not run: {done.stdout}{done.stderr}")


def main() -> None:
    trees = modules()
    longest = max(trees, key=lines_of)
    long = sorted(
        ((n, f"{module}.{name}") for module, tree in trees.items() for name, n in functions(tree)), reverse=True
    )
    over = [item for item in long if item[0] > LONG_FUNCTION]
    bare = [name for module, tree in trees.items() for name in find_undocumented(module, tree)]
    rounds = circles(trees)
    told = [f"{module}.{name}" for module, tree in trees.items() for name in participles(tree)]
    rows: list[tuple[str, int, int, list[str]]] = [
        (f"entries of {package}/", len(entries(package)), most, entries(package)) for package, most in PACKAGES.items()
    ]
    rows += [
        ("circles of modules", len(rounds), 0, [" <-> ".join(group) for group in rounds]),
        ("lines of the longest module", lines_of(longest), LONGEST_MODULE, [longest]),
        (f"functions above {LONG_FUNCTION} lines", len(over), LONG_FUNCTIONS, [f"{name} {n}" for n, name in over]),
        ("lines of the longest function", long[0][0], 10**9, [long[0][1]]),
        ("mypy --strict errors", strict_errors(), 0, []),
        ("functions named by a participle", len(told), 0, told),
        ("public names without a docstring", len(bare), 0, bare),
        ("words of README.md", len((ROOT / "README.md").read_text().split()), README_WORDS, []),
    ]
    failed = False
    for what, value, most, names in rows:
        failed |= value > most
        mark = "  over its limit of " + str(most) if value > most else ""
        print(f"{what:34} {value:6d}{mark}")
        if names and ("-v" in sys.argv or (value > most and len(names) <= 12)):
            print("".join(f"    {name}\n" for name in names), end="")
    sys.exit(int(failed))


if __name__ == "__main__":
    main()
