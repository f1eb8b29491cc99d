"""Checks of the options of `brightfield monitor`, made before anything is loaded."""

from __future__ import annotations

import argparse
from pathlib import Path

from brightfield.cli.places import check_apart, check_folder
from brightfield.errors import ConfigError


def check_monitor(args: argparse.Namespace, folder: Path | None) -> None:
    """Check that the options go together, and the places of what is written.

    Raises:
        ConfigError: If some do not go together.
    """
    if args.every is not None and not (args.follow and args.every > 0):
        raise ConfigError(f"--every {args.every:g}: expected --follow, and more than 0 seconds")
    if folder is not None and args.done is not None:
        raise ConfigError(
            f"--done notes in a log what was done, and {folder} is a folder of pictures; keep verdicts by "
            "`brightfield inspect --log`, and watch that log"
        )
    if args.done is not None and not args.by:
        raise ConfigError("--done says what was done; add --by NAME to say who did it")
    if args.by and args.done is None:
        raise ConfigError("--by says who did what --done says; add --done WHAT")
    if args.report is not None:
        _check_report(args, folder)
    elif args.since is not None:
        raise ConfigError("--since says from when on the report is; add --report DIR")
    for output in (args.output, args.report):
        if output is not None:
            check_folder(output)
            check_apart(output, bundles=(args.bundle,))
            _check_outside(output, folder)


def _check_outside(output: Path, folder: Path | None) -> None:
    if folder is not None and output.resolve().is_relative_to(folder.resolve()):
        raise ConfigError(
            f"{output} is in {folder}, which is watched, so the pictures of an alarm would be watched too; "
            "choose a folder outside"
        )


def _check_report(args: argparse.Namespace, folder: Path | None) -> None:
    if folder is not None:
        raise ConfigError(
            f"--report tells of a log, and {folder} is a folder of pictures; keep verdicts by "
            "`brightfield inspect --log`, and report on that log"
        )
    if args.follow:
        raise ConfigError("--report is written once, and --follow goes on without end; give one of them")
