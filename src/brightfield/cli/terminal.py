"""The terminal: options of every command, the consoles of stdout and stderr, and messages on stderr."""

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

Subparsers = argparse._SubParsersAction  # generic in the parser's class, for annotations only

log = logging.getLogger(__name__)

_COLOURS = {"DEBUG": "dim", "INFO": "cyan", "WARNING": "yellow", "ERROR": "bold red", "CRITICAL": "bold red"}


def add_command(
    subparsers: Subparsers[argparse.ArgumentParser], name: str, summary: str
) -> argparse.ArgumentParser:
    """Add a command with the options of every command; abbreviated options are not accepted."""
    capital = f"{summary[0].upper()}{summary[1:]}."
    parser = subparsers.add_parser(name, help=summary, description=capital, allow_abbrev=False)
    common = parser.add_argument_group("options of every command")
    common.add_argument("--json", action="store_true", help="print JSON on stdout, everything else on stderr")
    common.add_argument("--quiet", action="store_true", help="show no progress and no warnings")
    common.add_argument("--verbose", action="store_true", help="log the steps of the work")
    common.add_argument(
        "--debug", action="store_true", help="log everything, and show errors with their traceback"
    )
    parser.set_defaults(parser=parser)
    return parser


def number(text: str) -> float:
    """Parse an option's value as a finite number."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number; expected one such as 0.5")
    return value


def wait_asleep() -> None:
    """Make waiting OpenMP threads sleep instead of spin; call it before OpenMP is loaded.

    A command that judges shares the processor with other programs, such as the cameras' software. Spinning
    threads then take the processor from the thread that they wait for, and a picture can take several times
    as long. On an idle machine it makes no difference. Training waits more often and is slower with sleeping
    threads, so it does not call this.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


_TURNING = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""Control characters of text direction, with which one name can be made to look like another."""


def printable(text: str) -> str:
    r"""Return text with control characters escaped, such as `\n` and `\x1b`, so that it fills one line.

    Names of files and classes are foreign input and may hold sequences that move the cursor, set colours or
    imitate another line.
    """
    return "".join(map(_shown, text))


def _shown(character: str) -> str:
    controls = character in _TURNING or unicodedata.category(character) in ("Cc", "Zl", "Zp")
    return character.encode("unicode_escape").decode("ascii") if controls else character


class _Console(Console):
    """A console that makes all plain text `printable`, also in tables."""

    def render_str(self, text: str, **how: Any) -> Text:
        return super().render_str(printable(text), **how)


@cache
def stderr() -> Console:
    """Return the single console on stderr; messages and bars share it, so that they do not overlap."""
    return _Console(stderr=True, highlight=False, emoji=False)


def stdout(least: int = 0) -> Console:
    """Return a console for results that wraps no lines and is at least `least` characters wide."""
    console = _Console(highlight=False, emoji=False, soft_wrap=True)
    if console.width >= least:
        return console
    return _Console(highlight=False, emoji=False, soft_wrap=True, width=least)


def say(kind: str, message: str, colour: str) -> None:
    """Print one message on stderr, after its kind in colour."""
    stderr().print(Text.assemble((f"{kind}: ", colour), printable(message)), soft_wrap=True)


class _Lines(logging.Handler):
    """A handler that prints log records as lines on stderr."""

    def emit(self, record: logging.LogRecord) -> None:
        say(record.levelname.lower(), self.format(record), _COLOURS.get(record.levelname, ""))


@contextmanager
def messages(quiet: bool, verbose: bool, debug: bool) -> Iterator[None]:
    """Show log messages and Python's warnings while a command runs, and restore all settings afterwards.

    Warnings are intercepted in `warnings.showwarning`, for all threads at once. Catching them per picture
    would fail, as threads that decode in parallel would overwrite each other's warning filters.
    """
    logger = logging.getLogger("brightfield")
    level = logging.WARNING
    for flag, flag_level in ((quiet, logging.ERROR), (verbose, logging.INFO), (debug, logging.DEBUG)):
        level = flag_level if flag else level
    handler = _Lines(level)
    of_pillow = logging.NullHandler() if quiet else handler  # Pillow also logs the errors it raises
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
    """Log a warning, prefixed with the picture that is being read, if any."""
    from brightfield.data.opening import picture_at_work

    picture = picture_at_work()
    log.warning("%s%s", "" if picture is None else f"{picture}: ", " ".join(str(message).split()))
    log.debug("%s in %s, line %d", category.__name__, filename, lineno)
