"""The page's templates, its style and its script."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from iia_calc.report.paper.citations import in_one_line
from iia_calc.report.picture import with_subscripts


def render(name: str, **values: Any) -> Markup:
    """The template `name` with these values, which are escaped where they are no `Markup`."""
    return Markup(_environment().get_template(name).render(**values))


def asset(name: str) -> Markup:
    """A style or script of this folder as it stands."""
    return Markup(files(__name__).joinpath(name).read_text(encoding="utf-8"))


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("iia_calc.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["subscripts"] = with_subscripts
    environment.filters["ev"] = decimals
    environment.filters["cited"] = in_one_line
    environment.filters["value"] = lambda value: decimals(value) if isinstance(value, float) else value
    return environment


def decimals(value: float | None, digits: int = 3) -> str:
    """A number with so many decimals and a proper minus sign; a dash for None."""
    return "–" if value is None else f"{value:.{digits}f}".replace("-", "−")
