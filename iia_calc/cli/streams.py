"""What happens around a command: characters a stream can't show, signals, and warnings of libraries."""

from __future__ import annotations

import codecs
import signal
import sys
import unicodedata
import warnings
from io import TextIOWrapper
from types import FrameType

PLAIN = {
    "–": "-",
    "—": "-",
    "−": "-",
    "±": "+-",
    "×": "x",
    "·": "*",
    "•": "*",
    "⟨": "<",
    "⟩": ">",
    "≈": "~",
    "∞": "inf",
    "…": "...",
    "→": "->",
    "≥": ">=",
    "≤": "<=",
    "σ": "sigma",
    "ε": "epsilon",
}
"""ASCII for characters that a stream may lack; others lose their accents, and what is left becomes a question mark."""

_received = signal.SIGINT


def exit_code() -> int:
    """Of a job that was interrupted: 128 and the signal's number, 130 for Ctrl-C."""
    return 128 + _received


def prepare_streams() -> None:
    """Let standard output and error replace what their encoding lacks instead of failing halfway through a table."""
    codecs.register_error("plain", _replace)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):  # not where a test or a notebook captures it
            stream.reconfigure(errors="plain")


def prepare_signals() -> None:
    """Let SIGTERM (a batch system's) and SIGHUP (a terminal that closed) end a job as Ctrl-C does, its results written.

    What a job is told to ignore (nohup) stays ignored.
    """
    for number in (signal.SIGTERM, signal.SIGHUP) if hasattr(signal, "SIGHUP") else (signal.SIGTERM,):
        if signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, _interrupt)


def silence_libraries() -> None:
    """Keep warnings of other packages off the terminal; ours are said as remarks. python -W shows them."""
    if not sys.warnoptions:
        warnings.simplefilter("ignore")


def _interrupt(number: int, frame: FrameType | None) -> None:
    """Remember which signal it was; a search (`search.stopping`) stores what it has before it lets it through."""
    global _received
    _received = signal.Signals(number)
    raise KeyboardInterrupt


def _replace(error: UnicodeError) -> tuple[str, int]:
    """A codec's error handler."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    found = ""
    for character in error.object[error.start : error.end]:
        plain = unicodedata.normalize("NFKD", character).encode("ascii", "ignore").decode()
        found += PLAIN.get(character) or plain or "?"
    return found, error.end
