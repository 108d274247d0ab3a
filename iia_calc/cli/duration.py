"""Times as people write them: 90s, 2m, 1h30m."""

from __future__ import annotations

import re

from search.errors import InputError

SECONDS = (3600.0, 60.0, 1.0)


def parse_time(text: str) -> float:
    """Seconds of "90s", "2m", "1h", "1h30m", "0.5h" or "90".

    Raises
    ------
    ValueError : anything else, and zero.
    """
    match = re.fullmatch(r"(?:([\d.]+)\s*h)?\s*(?:([\d.]+)\s*m)?\s*(?:([\d.]+)\s*s?)?", text.strip().lower())
    try:
        parts = match.groups() if match else ()
        seconds = sum(float(part or 0) * unit for part, unit in zip(parts, SECONDS, strict=bool(parts)))
    except ValueError:
        seconds = 0
    if not 0 < seconds < float("inf"):
        raise InputError(f"{text!r} is not a time; write for example 90s, 2m, 1h or 1h30m")
    return seconds


def format_time(seconds: float) -> str:
    """1:02:03, or 2:03."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def parse_simulated(text: str) -> float:
    """Femtoseconds of "500fs", "2ps" or "0.1ns".

    Raises
    ------
    ValueError : anything else, and zero.
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(fs|ps|ns)", text.strip().lower())
    femtoseconds = float(match[1]) * {"fs": 1.0, "ps": 1e3, "ns": 1e6}[match[2]] if match else 0.0
    if not femtoseconds > 0:
        raise InputError(f"{text!r} is not a simulated time; write for example 500fs, 2ps or 0.1ns")
    return femtoseconds
