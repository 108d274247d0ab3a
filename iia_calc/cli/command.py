"""How a command joins the program: worked examples in its help, and --config for its settings."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from dataclasses import Field, fields
from pathlib import Path
from typing import Any, ClassVar, Protocol

import typer
from typer_config.decorators import use_config
from typer_config.loaders import yaml_loader

from search.errors import InputError

NOT_KEPT = ("config", "as_json")
"""Options that say how a command is given, not what it does."""

OF_TABLE = "of the printed table; --json gives all of them"
_CONTEXT: ContextVar[typer.Context] = ContextVar("context")


def add_command(app: typer.Typer, name: str, function: Callable[..., None], examples: str) -> None:
    """Add `function` as the command `name`, with --config and its worked examples.

    examples : one command a line.
    """
    text = inspect.cleandoc(function.__doc__ or "")
    listed = "\n".join(f"  {line.strip()}" for line in examples.strip().splitlines() if line.strip())
    configured = use_config(_read_config, param_help="YAML file of options by name, for those not given here.")
    app.command(name, help=f"{text}\n\nExamples:\n\n\b\n{listed}")(configured(function))


def build[T: _Dataclass](kind: type[T], options: Mapping[str, Any], **more: Any) -> T:
    """A `kind` from the options of the same names. more : fields that are called otherwise, or computed."""
    names = {field.name for field in fields(kind)}
    return kind(**{name: value for name, value in options.items() if name in names} | more)


def save_settings(target: Path) -> None:
    """Write the options that the command ran with, as --config reads them: config.yml in a folder, beside a file."""
    import yaml

    context = _CONTEXT.get()
    settings = {
        _key(parameter): _plain(context.params[parameter.name])
        for parameter in context.command.params
        if parameter.name in context.params and parameter.name not in NOT_KEPT
    }
    path = target / "config.yml" if target.is_dir() else target.with_suffix(".config.yml")
    chosen = {key: value for key, value in settings.items() if value not in (None, [], "")}
    text = yaml.safe_dump(chosen, sort_keys=False, allow_unicode=True)
    path.write_text(f"# iia {context.info_name} --config {path.name}\n{text}", encoding="utf-8")


def refuse_given(why: str, *names: str) -> None:
    """Refuse options that don't apply to what is run.

    names : of the command's parameters. why : ends the message: what they are of, and what to do.

    Raises
    ------
    InputError : one of them was given, here or by --config with another value than its default.
    """
    context = _CONTEXT.get()
    given = [
        f"--{_key(parameter)}" if parameter.param_type_name == "option" else str(parameter.name)
        for parameter in context.command.params
        if parameter.name in names and _is_given(context, parameter)
    ]
    if given:
        raise InputError(f"{', '.join(given)}: {why}")


def _is_given(context: typer.Context, parameter: Any) -> bool:
    source = context.get_parameter_source(parameter.name)
    if source is not None and source.name == "DEFAULT_MAP":  # a saved file holds what nobody gave, too
        return _plain(context.params[parameter.name]) not in (None, [], "", _plain(parameter.default))
    return source is not None and source.name == "COMMANDLINE"


class _Dataclass(Protocol):
    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]


def _read_config(context: typer.Context, parameter: typer.CallbackParam, value: str) -> str:
    """Make the file's settings the defaults of this call; a key that is no option is refused."""
    _CONTEXT.set(context)
    if not value:
        return value
    if not Path(value).is_file():
        raise InputError(f"--config: there is no file {value}")
    try:
        settings = yaml_loader(value)
    except OSError:
        raise
    except Exception as error:  # YAML errors span lines
        raise InputError(f"{value} is not YAML: {' '.join(str(error).split())}") from error
    if not isinstance(settings, dict):
        raise InputError(f"{value} holds no settings; write for example seed: 1")
    known = {_key(p): p for p in context.command.params if p.name not in NOT_KEPT}
    defaults = {}
    for key, setting in settings.items():
        wanted = known.get(str(key).replace("_", "-"))
        if wanted is None:
            raise InputError(f"{value}: there is no option {key!r}; there are {', '.join(known)}")
        defaults[wanted.name] = setting
    context.default_map = {**(context.default_map or {}), **defaults}
    return value


def _key(parameter: Any) -> str:
    """An option's long name without dashes, or an argument's."""
    longest = max(parameter.opts, key=len)
    return str(longest).lstrip("-").replace("_", "-")


def _plain(value: Any) -> Any:
    """As YAML has it."""
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return str(value) if isinstance(value, Path) else value
