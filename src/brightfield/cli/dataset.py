"""`brightfield dataset`: a data set of what people judged."""

from __future__ import annotations

import argparse
import json
import logging
from pathlib import Path

from brightfield.cli.log import add_filter_options, filter_of
from brightfield.cli.places import check_folder
from brightfield.cli.progress import show_progress
from brightfield.cli.terminal import Subparsers, add_command, number, stdout
from brightfield.errors import said_if_missing

log = logging.getLogger(__name__)


def register(subparsers: Subparsers[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = add_command(subparsers, "dataset", "make a data set of what people judged")
    parser.add_argument("log", metavar="LOG", help="a log with judgements: a file, or postgresql://...")
    parser.add_argument(
        "-o", "--output", metavar="DIR", type=Path, required=True, help="a new folder for the data set"
    )
    parser.add_argument(
        "--group-minutes",
        metavar="M",
        type=number,
        help="parts of one lot that came within so many minutes stay in one split (default: as many as leave "
        "each class enough groups)",
    )
    add_filter_options(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Write the data set; return 0."""
    check_folder(args.output)
    asked = filter_of(args)
    with said_if_missing():
        from brightfield.monitor.log.store import VerdictLog
    from brightfield.monitor.review.dataset import write_dataset

    with VerdictLog(args.log, create=False) as verdicts, show_progress(args.quiet) as progress:
        written = write_dataset(verdicts, args.output, asked, minutes=args.group_minutes, progress=progress)
    if written.contradictory:
        log.warning("left out, as people contradict each other on them: %d pictures", written.contradictory)
    if written.without_picture:
        log.warning("left out, as their picture is not kept: %d judged parts", written.without_picture)
    for warning in written.warnings:
        log.warning("%s", warning)
    if args.json:
        print(json.dumps({**vars(written), "folder": str(written.folder)}))
        return 0
    console = stdout()
    counts = ", ".join(f"{name} {n}" for name, n in sorted(written.classes.items()))
    console.print(f"{written.folder}: {sum(written.classes.values())} pictures ({counts})", markup=False)
    groups = "each picture is a group of its own"
    if written.minutes is not None:
        groups = f"parts of one lot and {written.minutes:g} minutes are a group"
    console.print(groups, markup=False)
    return 0
