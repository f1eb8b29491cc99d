"""Options declared once, as fields of a dataclass: their help, what they may be, and how that is checked."""

from __future__ import annotations

import difflib
import math
import types
from collections.abc import Callable, Sequence
from dataclasses import Field, asdict, dataclass, field, fields, is_dataclass
from typing import Any, Union, get_args, get_origin, get_type_hints

from brightfield.errors import ConfigError

_META = "brightfield option"
_IN_WORDS = {bool: "true or false", int: "a whole number", float: "a number", str: "text"}


class Open(float):
    """A bound that is itself out of range."""


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
    """Declare an option as a field of a dataclass, whose annotation says the type.

    Args:
        help: What it does, as the command line prints it.
        default: Its value where none is given; None leaves it to whoever reads the options.
        metavar: What stands for its value in the help.
        choices: The words it may be, or what returns them.
        low: The least number it may be; `Open(0)` is what it must be above.
        high: The largest number it may be, likewise.
        check: Raises ConfigError for a value that is wrong in another way.
    """
    known = choices if choices is None or callable(choices) else _always(tuple(choices))
    return field(default=default, metadata={_META: _Declaration(help, metavar, known, low, high, check)})


def _always(words: tuple[str, ...]) -> Callable[[], Sequence[str]]:
    return lambda: words


@dataclass(frozen=True)
class Option:
    """An option as it was declared.

    Attributes:
        name: In TOML and Python.
        kinds: The types that its value may have; a whole number is a number.
        default: Its value where none is given.
        help: What it does.
        metavar: What stands for its value in the help.
        choices: The words it may be; none where it may be any.
        low: The least number it may be, or None.
        high: The largest number it may be, or None.
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
        """Its name on the command line."""
        return "--" + self.name.replace("_", "-")

    def check(self, value: Any, where: str = "") -> None:
        """Refuse a value of another type or out of range; `where` is where it stands, such as ` in a.toml`.

        Raises:
            ConfigError: If it is refused.
        """
        said = f"{value:.15g}" if isinstance(value, float) else repr(value)
        found = f"{self.flag}{where} is {said}; expected {self.expected()}"
        if not self._is_of_kind(value):
            raise ConfigError(found)
        if isinstance(value, str) and self.choices and value not in self.choices:
            raise ConfigError(found + suggestion(value, self.choices))
        if isinstance(value, float | int) and not isinstance(value, bool) and not self._in_range(value):
            raise ConfigError(found)
        if self._check is not None and value is not None:
            self._check(value)

    def read(self, text: str) -> Any:
        """Return the value that a text stands for, or the text itself where it stands for none."""
        for kind in (int, float):
            if kind in self.kinds:
                try:
                    return kind(text)
                except ValueError:
                    continue
        return text

    def expected(self) -> str:
        """Say what its value may be, in words."""
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
    """Return what a dataclass declares, by name, in order; its other fields are no options."""
    hints = get_type_hints(declaring)
    return {
        f.name: _as_declared(f, hints[f.name], f.metadata[_META])
        for f in fields(declaring)
        if _META in f.metadata
    }


def _as_declared(of: Field[Any], hint: Any, said: _Declaration) -> Option:
    union = get_origin(hint) in (Union, types.UnionType)
    return Option(
        name=of.name,
        kinds=get_args(hint) if union else (hint,),
        default=of.default,
        help=said.help,
        metavar=said.metavar,
        choices=() if said.choices is None else tuple(said.choices()),
        low=said.low,
        high=said.high,
        _check=said.check,
    )


def check_all(options: Any, where: str = "") -> None:
    """Refuse options, given as an object of the class that declares them, if any value is wrong.

    Raises:
        ConfigError: If one is.
    """
    for name, declared in options_of(type(options)).items():
        declared.check(getattr(options, name), where)


def suggestion(word: str, known: Sequence[str]) -> str:
    """Return `; did you mean ...?` where a known word is close to this one, else nothing."""
    close = difflib.get_close_matches(word, known, n=1)
    return f"; did you mean {close[0]}?" if close else ""


def plain(value: Any) -> Any:
    """Return a value as JSON would give it back: dataclasses as objects, tuples as lists."""
    if hasattr(value, "as_dict"):
        return plain(value.as_dict())
    if is_dataclass(value) and not isinstance(value, type):
        return plain(asdict(value))
    if isinstance(value, dict):
        return {str(k): plain(v) for k, v in value.items()}
    return [plain(v) for v in value] if isinstance(value, list | tuple) else value
