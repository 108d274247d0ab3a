"""The exceptions of both packages: what a user can mend, told apart from programming errors."""

from __future__ import annotations


class IIAError(Exception):
    """Base class of every exception that `search` and `iia_calc` raise on purpose.

    The command line prints one as a single line; anything else is a programming error and shows its traceback.
    """


class InputError(IIAError, ValueError):
    """An argument, setting, structure or file makes no sense; the message says what would be right."""


class InputTypeError(IIAError, TypeError):
    """An argument is of the wrong kind, for example a class where an instance is wanted."""


class JobFailed(IIAError, RuntimeError):
    """A long job could not go on or ended without a result; what was found before is kept."""


class MissingPackage(IIAError, ImportError):
    """An optional package is not installed; the message says how to install it."""
