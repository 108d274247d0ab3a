"""What happens around a command: characters a stream can't show, signals, and warnings of libraries."""

from __future__ import annotations

import codecs
import errno
import os
import signal
import sys
import unicodedata
import warnings
from collections.abc import Buffer
from io import BufferedWriter, FileIO, TextIOWrapper
from threading import Timer
from types import FrameType
from typing import TextIO

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


class TerminalFile(FileIO):
    """A terminal to write to; what is written after it was closed is dropped.

    A job that outlives its terminal still has results to store, which must not be lost over a line of progress.
    """

    def write(self, data: Buffer, /) -> int:
        """As FileIO, but for a terminal that is gone."""
        try:
            return super().write(data)
        except OSError as error:
            if error.errno != errno.EIO:
                raise
            return memoryview(data).nbytes


def prepare_streams() -> None:
    """Let standard output and error stand what their encoding lacks, and a terminal that was closed."""
    codecs.register_error("plain", _replace)
    sys.stdout, sys.stderr = _prepare(sys.stdout), _prepare(sys.stderr)


def _prepare(stream: TextIO) -> TextIO:
    if not isinstance(stream, TextIOWrapper):  # a test or a notebook captures it
        return stream
    if os.name != "posix" or not stream.isatty():
        stream.reconfigure(errors="plain")
        return stream
    stream.flush()
    raw = BufferedWriter(TerminalFile(stream.fileno(), "w", closefd=False))
    return TextIOWrapper(raw, encoding=stream.encoding, errors="plain", line_buffering=True)


def prepare_signals() -> None:
    """Let SIGTERM (a batch system's) and SIGHUP (a terminal that closed) end a job as Ctrl-C does, its results written.

    What a job is told to ignore (nohup) stays ignored. None is lost that arrives while Python frees an object.
    """
    for number in (signal.SIGTERM, signal.SIGHUP) if hasattr(signal, "SIGHUP") else (signal.SIGTERM,):
        if signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, _interrupt)
    sys.unraisablehook = _raise_again


def silence_libraries() -> None:
    """Keep warnings of other packages off the terminal; ours are said as remarks. python -W shows them."""
    if not sys.warnoptions:
        warnings.simplefilter("ignore")


def _interrupt(number: int, frame: FrameType | None) -> None:
    """Remember which signal it was; a search (`search.stopping`) stores what it has before it lets it through."""
    global _received
    _received = signal.Signals(number)
    raise KeyboardInterrupt


def _raise_again(lost: sys.UnraisableHookArgs) -> None:
    """Send the signal once more where Python has dropped what it raised, as it does inside of finalisers."""
    if lost.exc_type is KeyboardInterrupt:
        Timer(0.05, os.kill, (os.getpid(), _received)).start()  # here it would be dropped again
    else:
        sys.__unraisablehook__(lost)


def _replace(error: UnicodeError) -> tuple[str, int]:
    """A codec's error handler."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    found = ""
    for character in error.object[error.start : error.end]:
        plain = unicodedata.normalize("NFKD", character).encode("ascii", "ignore").decode()
        found += PLAIN.get(character) or plain or "?"
    return found, error.end
