"""`brightfield`: find the command, run it, and turn whatever goes wrong into a message and an exit code."""

from __future__ import annotations

import argparse
import contextlib
import difflib
import errno
import importlib
import io
import os
import re
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from brightfield.cli.terminal import messages, printable, say
from brightfield.disk.room import NO_ROOM, why_not_written
from brightfield.errors import InputError, MissingPackageError, WriteError
from brightfield.version import __version__

COMMANDS = {
    "demo": "solar cells, end to end: train, evaluate, report, inspect",
    "data": "what is in a data set, and what is wrong with it",
    "train": "train an inspector on a data set",
    "evaluate": "judge a labelled data set and write a report",
    "inspect": "judge images, one line each",
    "threshold": "choose the operating point again, without training",
    "arch": "take a network apart: sizes, parameters, receptive fields",
}
"""What each command does. A command's module is imported when it is called: none pays for another."""

DONE, FAILED, WRONG_INPUT, STOPPED = 0, 1, 2, 130

NOTHING_LEFT = "nothing is left half-written"
"""What is said of a command that was stopped, unless it says otherwise."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; return 0 if done, 2 if the input is wrong, 130 if stopped, 1 for anything else.

    Args:
        argv: The words after `brightfield`; those of the process where None.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a file's name need not be text
    try:
        args = _parse(sys.argv[1:] if argv is None else argv)
    except SystemExit as stop:  # argparse has said why: help, the version, or a mistake
        return stop.code if isinstance(stop.code, int) else FAILED
    with messages(args.quiet, args.verbose, args.debug):
        return _run(args)


def _run(args: argparse.Namespace) -> int:
    code = FAILED
    try:
        code = int(args.run(args))
        sys.stdout.flush()
    except WriteError as error:
        # what a stopped command leaves, one leaves too that had no room to go on
        _report(args, str(error) if args.stopped == NOTHING_LEFT else f"{error}; {args.stopped}")
        code = WRONG_INPUT
    except InputError as error:
        _report(args, str(error))
        code = WRONG_INPUT
    except ModuleNotFoundError as error:
        code = _missing(args, error)
    except KeyboardInterrupt:
        say("stopped", args.stopped, "yellow")
        code = STOPPED
    except BrokenPipeError:
        _let_stdout_go()
    except OSError as error:
        code = _refused(args, error)
    except SystemExit as stop:  # how rich leaves when nobody reads on
        code = stop.code if isinstance(stop.code, int) else FAILED
    except Exception as error:  # noqa: BLE001 - the last place where a message can be made of it
        code = _surprise(args, error)
    return code


def _refused(args: argparse.Namespace, error: OSError) -> int:
    """Report what the system refused; only where it names a file, or room is short, is there a mend."""
    if error.filename is not None and error.errno in {*NO_ROOM, errno.EROFS}:
        _report(args, why_not_written(error, Path(os.fsdecode(error.filename))))
    elif error.errno == errno.ENAMETOOLONG:
        _report(args, f"cannot use {error.filename}: its name or its path is too long; shorten it")
    elif error.filename is not None:
        _report(
            args,
            f"cannot use {error.filename}: {error.strerror}; choose a place that can be read and written",
        )
    elif error.errno in NO_ROOM:
        _report(args, f"cannot write: {error.strerror}; make room where stdout or temporary files go")
        _let_stdout_go()
    else:
        return _surprise(args, error)
    return WRONG_INPUT


def _missing(args: argparse.Namespace, error: ModuleNotFoundError) -> int:
    """Say which line installs what is missing; return the exit code."""
    try:
        _report(args, str(MissingPackageError.of(error)))
    except ModuleNotFoundError:
        return _surprise(args, error)
    return WRONG_INPUT


def _surprise(args: argparse.Namespace, error: Exception) -> int:
    hint = "" if args.debug else " (run it again with --debug for the traceback)"
    _report(args, f"{type(error).__name__}: {error}{hint}")
    return FAILED


def _report(args: argparse.Namespace, message: str) -> None:
    if args.debug:
        for line in traceback.format_exc().splitlines():
            print(printable(line), file=sys.stderr)
    say("error", message, "bold red")


def _let_stdout_go() -> None:
    """Keep the interpreter from writing what is left to a reader that is gone."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


class _Parser(argparse.ArgumentParser):
    """A parser that says which command was likely meant."""

    def error(self, message: str) -> NoReturn:
        found = re.search(r"invalid choice: '([^']*)' \(choose from (.*)\)", message)
        if found:
            message += _hint(found[1], re.findall(r"[\w-]+", found[2]))
        super().error(printable(message))


def _parse(argv: Sequence[str]) -> argparse.Namespace:
    parser = _Parser(
        prog="brightfield",
        description="Turns a folder of images of parts into an inspector, and proves how often it is wrong.",
        epilog="`brightfield COMMAND --help` says what a command takes. `brightfield demo` shows all of it.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"brightfield {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    called = next((word for word in argv if not word.startswith("-")), None)
    for name, summary in COMMANDS.items():
        if name == called:
            importlib.import_module(f"brightfield.cli.{name}").register(commands)
        else:
            commands.add_parser(name, help=summary)
    parser.set_defaults(stopped=NOTHING_LEFT)
    args, unknown = parser.parse_known_args(argv)
    if unknown:
        chosen: argparse.ArgumentParser = args.parser
        options = list(chosen._option_string_actions)
        hint = next((h for word in unknown if (h := _hint(word.partition("=")[0], options))), "")
        chosen.error(f"unrecognized arguments: {' '.join(unknown)}{hint}")
    return args


def _hint(word: str, known: Sequence[str]) -> str:
    close = difflib.get_close_matches(word, known, n=1)
    return f"; did you mean {close[0]}?" if close else ""
