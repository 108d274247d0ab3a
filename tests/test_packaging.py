"""The wheel holds the default potential and the lowest minima, and stays small."""

import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
LARGEST = 10e6  # bytes, of what the wheel includes beside the code


def included():
    """Folders and files of models/ that the wheel includes, and where to."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    return settings["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"]


def test_wheel_holds_default_and_lowest():
    default = (ROOT / "models/default.txt").read_text(encoding="utf-8").strip()
    assert {"models/default.txt", f"models/{default}", "models/lowest"} <= set(included())
    assert all(target == source.replace("models/", "iia_calc/shipped_models/") for source, target in included().items())


def test_wheel_is_small():
    files = [file for source in included() for file in [ROOT / source, *(ROOT / source).rglob("*")] if file.is_file()]
    assert len(files) >= 4
    assert sum(file.stat().st_size for file in files) < LARGEST


def test_every_model_has_its_page_and_a_recipe():
    for card in (ROOT / "models").glob("*/card.json"):
        assert (card.parent / "README.md").is_file(), card.parent.name
        assert list(card.parent.glob("recipe.*")), card.parent.name
