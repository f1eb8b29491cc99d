"""The terminal: what every command offers, the two consoles, and log messages as lines on stderr."""

from __future__ import annotations

import argparse
import logging
import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

from rich.console import Console
from rich.text import Text

Subparsers = argparse._SubParsersAction  # its element is the parser's class, which only the annotation needs

_COLOURS = {"DEBUG": "dim", "INFO": "cyan", "WARNING": "yellow", "ERROR": "bold red", "CRITICAL": "bold red"}


POLICY_HELP = (
    "what chooses the threshold: auto (the default: f1, or of good parts alone overkill=0.01), f1, youden, "
    "recall=R, precision=P, fixed=T, overkill=O, 'escape<=0.02@0.95', 'overkill<=0.01@0.95', or "
    "'cost escape=500 overkill=2 review=1 prevalence=0.003'; "
    "two joined by `and` leave a review band"
)


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


@cache
def stderr() -> Console:
    """Return the one console on stderr, which messages and bars share, lest they overwrite each other."""
    return Console(stderr=True, highlight=False)


def stdout(least: int = 0) -> Console:
    """Return a console for results, which never breaks a line, at least so many characters wide."""
    console = Console(highlight=False, soft_wrap=True)
    return console if console.width >= least else Console(highlight=False, soft_wrap=True, width=least)


def say(kind: str, message: str, colour: str) -> None:
    """Print one message on stderr, behind what kind it is."""
    stderr().print(Text.assemble((f"{kind}: ", colour), message), soft_wrap=True)


class _Lines(logging.Handler):
    """Log records as lines on stderr."""

    def emit(self, record: logging.LogRecord) -> None:
        say(record.levelname.lower(), self.format(record), _COLOURS.get(record.levelname, ""))


@contextmanager
def messages(quiet: bool, verbose: bool, debug: bool) -> Iterator[None]:
    """Show the library's log messages while a command runs; afterwards logging is as it was."""
    logger = logging.getLogger("brightfield")
    level = logging.WARNING
    for wanted, of_wanted in ((quiet, logging.ERROR), (verbose, logging.INFO), (debug, logging.DEBUG)):
        level = of_wanted if wanted else level
    handler = _Lines(level)
    before = logger.level
    logger.addHandler(handler)
    logger.setLevel(level)
    try:
        yield
    finally:
        logger.setLevel(before)
        logger.removeHandler(handler)
