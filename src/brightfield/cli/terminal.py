"""The terminal: what every command offers, the two consoles, and messages as lines on stderr."""

from __future__ import annotations

import argparse
import logging
import math
import os
import unicodedata
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any, TextIO

from rich.console import Console
from rich.text import Text

Subparsers = argparse._SubParsersAction  # its element is the parser's class, which only the annotation needs

log = logging.getLogger(__name__)

_COLOURS = {"DEBUG": "dim", "INFO": "cyan", "WARNING": "yellow", "ERROR": "bold red", "CRITICAL": "bold red"}


def add_command(
    subparsers: Subparsers[argparse.ArgumentParser], name: str, summary: str
) -> argparse.ArgumentParser:
    """Add a command with the options that all have; its options are only known by their whole names."""
    capital = f"{summary[0].upper()}{summary[1:]}."
    parser = subparsers.add_parser(name, help=summary, description=capital, allow_abbrev=False)
    everywhere = parser.add_argument_group("options of every command")
    everywhere.add_argument("--json", action="store_true", help="print JSON on stdout, all else on stderr")
    everywhere.add_argument("--quiet", action="store_true", help="no progress, no warnings")
    everywhere.add_argument("--verbose", action="store_true", help="say more of what is done")
    everywhere.add_argument(
        "--debug", action="store_true", help="say everything, errors with their traceback"
    )
    parser.set_defaults(parser=parser)
    return parser


def share(text: str) -> float:
    """Return the number in [0, 1] that an option's value says."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0.0 <= value <= 1.0:
        raise argparse.ArgumentTypeError(f"{text!r} is no probability; expected a number from 0 to 1")
    return value


def number(text: str) -> float:
    """Return the finite number that an option's value says."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise argparse.ArgumentTypeError(f"{text!r} is no number; expected one such as 0.5")
    return value


def wait_asleep() -> None:
    """Have threads that wait for one another sleep, not spin; to be called before torch is imported.

    A command that judges shares its processor with the cameras' software and whatever else runs on the line.
    Threads that spin there keep it from the very thread they wait for, and a picture can take several times
    as long; alone it takes as long either way. Training, which waits more often, is slower asleep.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


_TURNING = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""What makes a terminal write from right to left, so that a name looks like another."""


def printable(text: str) -> str:
    r"""Return text that fills one line and only shows: control characters in it are written as `\n`, `\x1b`.

    The names of files and classes come from elsewhere, and may hold what moves a terminal's cursor, colours
    it, or pretends to be another line.
    """
    return "".join(map(_shown, text))


def _shown(character: str) -> str:
    controls = character in _TURNING or unicodedata.category(character) in ("Cc", "Zl", "Zp")
    return character.encode("unicode_escape").decode("ascii") if controls else character


class _Console(Console):
    """A console on which plain text, in tables too, is always `printable`."""

    def render_str(self, text: str, **how: Any) -> Text:
        return super().render_str(printable(text), **how)


@cache
def stderr() -> Console:
    """Return the one console on stderr, which messages and bars share, lest they overwrite each other."""
    return _Console(stderr=True, highlight=False, emoji=False)


def stdout(least: int = 0) -> Console:
    """Return a console for results, which never breaks a line, at least so many characters wide."""
    console = _Console(highlight=False, emoji=False, soft_wrap=True)
    if console.width >= least:
        return console
    return _Console(highlight=False, emoji=False, soft_wrap=True, width=least)


def say(kind: str, message: str, colour: str) -> None:
    """Print one message on stderr, behind what kind it is."""
    stderr().print(Text.assemble((f"{kind}: ", colour), printable(message)), soft_wrap=True)


class _Lines(logging.Handler):
    """Log records as lines on stderr."""

    def emit(self, record: logging.LogRecord) -> None:
        say(record.levelname.lower(), self.format(record), _COLOURS.get(record.levelname, ""))


@contextmanager
def messages(quiet: bool, verbose: bool, debug: bool) -> Iterator[None]:
    """Show log messages and Python's warnings while a command runs; afterwards all is as it was.

    Warnings are taken where the interpreter shows them, once and for all threads: to catch them around each
    picture would not do, as threads that decode side by side would undo each other's filters.
    """
    logger = logging.getLogger("brightfield")
    level = logging.WARNING
    for wanted, of_wanted in ((quiet, logging.ERROR), (verbose, logging.INFO), (debug, logging.DEBUG)):
        level = of_wanted if wanted else level
    handler = _Lines(level)
    of_pillow = logging.NullHandler() if quiet else handler  # it logs what it raises, which is told anyway
    before, shown = logger.level, warnings.showwarning
    logger.addHandler(handler)
    logging.getLogger("PIL").addHandler(of_pillow)
    logger.setLevel(level)
    warnings.showwarning = _log_warning
    try:
        yield
    finally:
        warnings.showwarning = shown
        logger.setLevel(before)
        logging.getLogger("PIL").removeHandler(of_pillow)
        logger.removeHandler(handler)


def _log_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    """Log a warning, with the picture that it is about where one is being read."""
    from brightfield.data.opening import picture_at_work

    picture = picture_at_work()
    log.warning("%s%s", "" if picture is None else f"{picture}: ", " ".join(str(message).split()))
    log.debug("%s in %s, line %d", category.__name__, filename, lineno)
