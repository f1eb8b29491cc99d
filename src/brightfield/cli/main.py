"""`brightfield`: run a command, and turn exceptions into messages and exit codes."""

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
    "demo": "run all steps on images of solar cells: train, evaluate, report, inspect",
    "data": "check a data set, list and fetch public ones",
    "train": "train an inspector on a data set",
    "compare": "train all methods that apply on one split, and compare them",
    "evaluate": "judge a labelled data set and write a report",
    "inspect": "judge images, one line each",
    "masks": "propose masks, to be corrected in a labelling tool",
    "monitor": "watch a line for drift: what has changed, and since which part",
    "log": "show, count, filter and export the verdicts in a log",
    "review": "show people what to look at, take in what they say, and bound the escape rate",
    "dataset": "make a data set of what people judged",
    "retrain": "train a successor from old and new pictures; it is written if it is no worse",
    "threshold": "choose the operating point again, without training",
    "arch": "show a network layer by layer: sizes, parameters, multiply-adds, receptive fields",
}
"""Summary of each command. Only the module of the called command is imported."""

DONE, FAILED, WRONG_INPUT, STOPPED = 0, 1, 2, 130

NOTHING_LEFT = "nothing is left half-written"
"""The message after Ctrl-C, unless the command sets another."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; return 0 on success, 2 for wrong input, 130 after Ctrl-C, 1 for any other error.

    Args:
        argv: The arguments after `brightfield`; None for those of the process.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a file name may not be valid text
    try:
        args = _parse(sys.argv[1:] if argv is None else argv)
    except SystemExit as stop:  # argparse has printed the help, the version or an error
        return stop.code if isinstance(stop.code, int) else FAILED
    with messages(args.quiet, args.verbose, args.debug):
        return _run(args)


def _run(args: argparse.Namespace) -> int:
    code = FAILED
    try:
        code = int(args.run(args))
        sys.stdout.flush()
    except WriteError as error:
        # a full disk leaves the same state as Ctrl-C
        _report(args, str(error) if args.stopped == NOTHING_LEFT else f"{error}; {args.stopped}")
        code = WRONG_INPUT
    except InputError as error:
        _report(args, str(error))
        code = WRONG_INPUT
    except ModuleNotFoundError as error:
        code = _missing_package(args, error)
    except KeyboardInterrupt:
        say("stopped", args.stopped, "yellow")
        code = STOPPED
    except BrokenPipeError:
        _discard_stdout()
    except OSError as error:
        code = _os_error(args, error)
    except SystemExit as stop:  # rich exits so when the reader of stdout is gone
        code = stop.code if isinstance(stop.code, int) else FAILED
    except Exception as error:  # noqa: BLE001 - the last handler, for errors that nothing else expects
        code = _unexpected(args, error)
    return code


def _os_error(args: argparse.Namespace, error: OSError) -> int:
    """Report an error of the operating system; return 2 where a file or a full disk caused it, else 1."""
    if error.filename is not None and error.errno in {*NO_ROOM, errno.EROFS}:
        _report(args, why_not_written(error, Path(os.fsdecode(error.filename))))
    elif error.errno == errno.ENAMETOOLONG:
        _report(args, f"cannot use {error.filename}: its path is too long; shorten it")
    elif error.filename is not None:
        _report(
            args,
            f"cannot use {error.filename}: {error.strerror}; choose a path that can be read and written",
        )
    elif error.errno in NO_ROOM:
        _report(
            args, f"cannot write: {error.strerror}; free space where stdout or temporary files are written"
        )
        _discard_stdout()
    else:
        return _unexpected(args, error)
    return WRONG_INPUT


def _missing_package(args: argparse.Namespace, error: ModuleNotFoundError) -> int:
    """Report how to install a missing package; return the exit code."""
    try:
        _report(args, str(MissingPackageError.of(error)))
    except ModuleNotFoundError:
        return _unexpected(args, error)
    return WRONG_INPUT


def _unexpected(args: argparse.Namespace, error: Exception) -> int:
    hint = "" if args.debug else " (run it again with --debug for the traceback)"
    _report(args, f"{type(error).__name__}: {error}{hint}")
    return FAILED


def _report(args: argparse.Namespace, message: str) -> None:
    if args.debug:
        for line in traceback.format_exc().splitlines():
            print(printable(line), file=sys.stderr)
    say("error", message, "bold red")


def _discard_stdout() -> None:
    """Redirect stdout to nowhere, so that flushing it at exit does not fail when its reader is gone."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


class _Parser(argparse.ArgumentParser):
    """A parser that suggests the command that was probably meant."""

    def error(self, message: str) -> NoReturn:
        match = re.search(r"invalid choice: '([^']*)' \(choose from (.*)\)", message)
        if match:
            message += _hint(match[1], re.findall(r"[\w-]+", match[2]))
        super().error(printable(message))


def _parse(argv: Sequence[str]) -> argparse.Namespace:
    parser = _Parser(
        prog="brightfield",
        description="Train a visual inspector from a folder of images of parts, and measure its errors.",
        epilog="`brightfield COMMAND --help` explains a command. `brightfield demo` runs all steps.",
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
