"""The options of `brightfield train`, generated from their declarations."""

from __future__ import annotations

import argparse
from collections.abc import Collection, Sequence
from typing import Any

from brightfield.methods.declared import Option, options_of
from brightfield.methods.registry import METHODS
from brightfield.options import TrainOptions, declared_by, make_options, read_options


def add_options(parser: argparse.ArgumentParser, without: Collection[str] = ()) -> None:
    """Add the options of every method and, in groups, those of each method.

    An option that several methods declare is added once. Its declaration checks the value.

    Args:
        parser: The command's parser.
        without: Names of options of every method that the command does not have.
    """
    common = parser.add_argument_group("options of every method")
    for name, declared in options_of(TrainOptions).items():
        if name not in without:
            _add(common, declared)
    own = _own().values()
    for title in dict.fromkeys(_title(methods) for _, methods in own):
        group = parser.add_argument_group(title, _summary(title))
        for declared, methods in own:
            if _title(methods) == title:
                _add(group, declared, "" if len(methods) == 1 else f" [{', '.join(methods)}]")


def _title(methods: Sequence[str]) -> str:
    return f"options of the method {methods[0]}" if len(methods) == 1 else "options of several methods"


def _summary(title: str) -> str | None:
    """Return what the method does whose group of options has this title; None for several methods."""
    return next((entry.summary for name, entry in METHODS.items() if _title([name]) == title), None)


def given_options(args: argparse.Namespace) -> TrainOptions:
    """Return the options of the command line and of the file that `--config` names.

    Raises:
        ConfigError: If an option is wrong.
    """
    values = given_values(args)
    return make_options(values) if args.config is None else read_options(args.config, values)


def given_values(args: argparse.Namespace) -> dict[str, Any]:
    """Return the options that the command line gives, by name.

    Raises:
        ConfigError: If an option is wrong.
    """
    every = {**options_of(TrainOptions), **{name: declared for name, (declared, _) in _own().items()}}
    values: dict[str, Any] = {}
    for name, declared in every.items():
        value = getattr(args, name, None)
        if value is not None:
            values[name] = declared.read(value) if isinstance(value, str) else value
    return values


def _own() -> dict[str, tuple[Option, list[str]]]:
    """Return the options of the methods by name: the first declaration, and the methods that have it."""
    options: dict[str, tuple[Option, list[str]]] = {}
    for method in METHODS:
        for name, declared in declared_by(method).items():
            options.setdefault(name, (declared, []))[1].append(method)
    return options


def _add(group: Any, declared: Option, methods: str = "") -> None:
    """Add an option to a group; its value is None where it is not given."""
    text = declared.help
    if declared.default is not None and declared.default is not False:
        text += f" (default: {declared.default})"
    text = (text + methods).replace("%", "%%")
    if bool in declared.kinds:
        group.add_argument(declared.flag, action="store_true", default=None, help=text)
    else:
        metavar = declared.metavar or "{" + ",".join(declared.choices) + "}"
        group.add_argument(declared.flag, metavar=metavar, help=text)
