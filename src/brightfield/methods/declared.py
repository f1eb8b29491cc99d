"""Options declared as fields of a dataclass, with their help text, range and check."""

from __future__ import annotations

import math
import types
from collections.abc import Callable, Sequence
from dataclasses import Field, asdict, dataclass, field, fields, is_dataclass
from typing import Any, Union, get_args, get_origin, get_type_hints

from brightfield.errors import ConfigError, suggestion

_META = "brightfield option"
_IN_WORDS = {bool: "true or false", int: "a whole number", float: "a number", str: "text"}


class Open(float):
    """An open bound: one that is not itself in the range."""


@dataclass(frozen=True)
class _Declaration:
    help: str
    metavar: str | None
    choices: Callable[[], Sequence[str]] | None
    low: float | None
    high: float | None
    check: Callable[[Any], object] | None


def option(
    help: str,
    *,
    default: Any = None,
    metavar: str | None = None,
    choices: Sequence[str] | Callable[[], Sequence[str]] | None = None,
    low: float | None = None,
    high: float | None = None,
    check: Callable[[Any], object] | None = None,
) -> Any:
    """Declare an option as a field of a dataclass; the field's annotation is the option's type.

    Args:
        help: The help text on the command line.
        default: The default value; None leaves the choice to the code that reads the options.
        metavar: The placeholder for the value in the help.
        choices: The allowed words, or a function that returns them.
        low: The lower bound of a number; `Open(0)` excludes 0 itself.
        high: The upper bound of a number, likewise.
        check: A function that raises ConfigError for other invalid values.
    """
    known = choices if choices is None or callable(choices) else _always(tuple(choices))
    return field(default=default, metadata={_META: _Declaration(help, metavar, known, low, high, check)})


def _always(words: tuple[str, ...]) -> Callable[[], Sequence[str]]:
    return lambda: words


@dataclass(frozen=True)
class Option:
    """A declared option.

    Attributes:
        name: The name in TOML and Python.
        kinds: The allowed types of the value; where float is allowed, int is too.
        default: The default value.
        help: The help text.
        metavar: The placeholder for the value in the help.
        choices: The allowed words; empty if any word is allowed.
        low: The lower bound of a number, or None.
        high: The upper bound of a number, or None.
    """

    name: str
    kinds: tuple[type, ...]
    default: Any
    help: str
    metavar: str | None
    choices: tuple[str, ...]
    low: float | None
    high: float | None
    _check: Callable[[Any], object] | None = None

    @property
    def flag(self) -> str:
        """The option's name on the command line."""
        return "--" + self.name.replace("_", "-")

    def check(self, value: Any, where: str = "") -> None:
        """Raise an error if a value has the wrong type or is out of range.

        Args:
            value: The value.
            where: Its source for the message, such as ` in a.toml`; empty for the command line.

        Raises:
            ConfigError: If the value is not allowed.
        """
        shown = f"{value:.15g}" if isinstance(value, float) else repr(value)
        message = f"{self.flag}{where} is {shown}; expected {self.expected()}"
        if not self._is_of_kind(value):
            raise ConfigError(message)
        if isinstance(value, str) and self.choices and value not in self.choices:
            raise ConfigError(message + suggestion(value, self.choices))
        if isinstance(value, float | int) and not isinstance(value, bool) and not self._in_range(value):
            raise ConfigError(message)
        if self._check is not None and value is not None:
            self._check(value)

    def read(self, text: str) -> Any:
        """Return a text converted to the option's type; unchanged if it cannot be converted."""
        for kind in (int, float):
            if kind in self.kinds:
                try:
                    return kind(text)
                except ValueError:
                    continue
        return text

    def expected(self) -> str:
        """Return a description of the allowed values, for messages."""
        if self.choices:
            return f"one of {', '.join(self.choices)}"
        kinds = [_IN_WORDS.get(k, f"a {k.__name__}") for k in self.kinds if k is not types.NoneType]
        return " or ".join(kinds) + self._range_in_words()

    def _range_in_words(self) -> str:
        if self.low is None:
            return ""
        low = f"{self.low:.15g}"
        if self.high is None:
            return f" above {low}" if isinstance(self.low, Open) else f" of {low} or more"
        begin = "above" if isinstance(self.low, Open) else "from"
        return f" {begin} {low} to {'below ' if isinstance(self.high, Open) else ''}{self.high:.15g}"

    def _is_of_kind(self, value: Any) -> bool:
        if isinstance(value, bool):
            return bool in self.kinds
        return isinstance(value, self.kinds) or (float in self.kinds and isinstance(value, int))

    def _in_range(self, value: float) -> bool:
        above = self.low is None or (value > self.low if isinstance(self.low, Open) else value >= self.low)
        below = self.high is None or (
            value < self.high if isinstance(self.high, Open) else value <= self.high
        )
        return above and below and math.isfinite(value)


def options_of(declaring: type) -> dict[str, Option]:
    """Return the options that a dataclass declares, by name, in order; other fields are left out."""
    hints = get_type_hints(declaring)
    return {
        f.name: _as_declared(f, hints[f.name], f.metadata[_META])
        for f in fields(declaring)
        if _META in f.metadata
    }


def _as_declared(declared: Field[Any], hint: Any, declaration: _Declaration) -> Option:
    union = get_origin(hint) in (Union, types.UnionType)
    return Option(
        name=declared.name,
        kinds=get_args(hint) if union else (hint,),
        default=declared.default,
        help=declaration.help,
        metavar=declaration.metavar,
        choices=() if declaration.choices is None else tuple(declaration.choices()),
        low=declaration.low,
        high=declaration.high,
        _check=declaration.check,
    )


def check_all(options: Any, where: str = "") -> None:
    """Check all values of an options object, an instance of the dataclass that declares them.

    Raises:
        ConfigError: If a value is not allowed.
    """
    for name, declared in options_of(type(options)).items():
        declared.check(getattr(options, name), where)


def plain(value: Any) -> Any:
    """Return a value as JSON types: dataclasses become dictionaries, tuples become lists."""
    if hasattr(value, "as_dict"):
        return plain(value.as_dict())
    if is_dataclass(value) and not isinstance(value, type):
        return plain(asdict(value))
    if isinstance(value, dict):
        return {str(k): plain(v) for k, v in value.items()}
    return [plain(v) for v in value] if isinstance(value, list | tuple) else value
