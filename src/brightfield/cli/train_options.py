"""The options of `brightfield train`, from where they are declared."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

from brightfield.methods.declared import Option, options_of
from brightfield.methods.registry import METHODS
from brightfield.options import TrainOptions, declared_by, make_options, read_options


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that all methods have, and those of each in a group of its own.

    What several methods declare is there once. Values are checked where they are declared, not here.
    """
    common = parser.add_argument_group("how to train, whatever the method")
    for declared in options_of(TrainOptions).values():
        _add(common, declared)
    own = _own().values()
    for title in dict.fromkeys(_title(whose) for _, whose in own):
        group = parser.add_argument_group(title)
        for declared, whose in own:
            if _title(whose) == title:
                _add(group, declared, "" if len(whose) == 1 else f" [{', '.join(whose)}]")


def _title(whose: Sequence[str]) -> str:
    return f"options of the method {whose[0]}" if len(whose) == 1 else "options of several methods"


def given_options(args: argparse.Namespace) -> TrainOptions:
    """Return the options that were given on the command line, and in the file that `--config` names.

    Raises:
        ConfigError: If one is wrong.
    """
    every = {**options_of(TrainOptions), **{name: declared for name, (declared, _) in _own().items()}}
    values: dict[str, Any] = {}
    for name, declared in every.items():
        said = getattr(args, name)
        if said is not None:
            values[name] = declared.read(said) if isinstance(said, str) else said
    return make_options(values) if args.config is None else read_options(args.config, values)


def _own() -> dict[str, tuple[Option, list[str]]]:
    """Return every option that a method declares, as the first one has it, and which methods know it."""
    found: dict[str, tuple[Option, list[str]]] = {}
    for method in METHODS:
        for name, declared in declared_by(method).items():
            found.setdefault(name, (declared, []))[1].append(method)
    return found


def _add(group: Any, declared: Option, whose: str = "") -> None:
    """Add an option; None means that it was not given."""
    said = declared.help
    if declared.default is not None and declared.default is not False:
        said += f" (default: {declared.default})"
    said = (said + whose).replace("%", "%%")
    if bool in declared.kinds:
        group.add_argument(declared.flag, action="store_true", default=None, help=said)
    else:
        words = declared.metavar or "{" + ",".join(declared.choices) + "}"
        group.add_argument(declared.flag, metavar=words, help=said)
