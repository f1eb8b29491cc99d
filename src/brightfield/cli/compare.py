"""`brightfield compare`: train all methods that apply on one split, and print one table."""

from __future__ import annotations

import argparse
import json
import logging
from pathlib import Path
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from brightfield.cli.places import check_apart, check_bundle_place, check_folder
from brightfield.cli.progress import show_progress
from brightfield.cli.terminal import Subparsers, add_command, stdout
from brightfield.cli.train_options import add_options, given_options
from brightfield.disk.room import in_bytes
from brightfield.report.quantities import duration, milliseconds

if TYPE_CHECKING:
    from brightfield.evaluation.ranking import Comparison, Contender, Standing

log = logging.getLogger(__name__)

_WIDTH = 140


def register(subparsers: Subparsers[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = add_command(subparsers, "compare", "train all methods that apply on one split, and compare them")
    parser.add_argument("data", metavar="DATA", help="a folder, a manifest or a catalog name")
    parser.add_argument(
        "-o",
        "--output",
        metavar="DIR",
        type=Path,
        help="folder for the inspectors, one named after each method, and for compare.html, compare.json and "
        "compare.csv (default: nothing is kept)",
    )
    parser.add_argument(
        "--methods", metavar="NAME,NAME", help="the methods to compare (default: all that apply to the data)"
    )
    add_options(parser, without=("method", "rules"))
    parser.add_argument(
        "--config", metavar="FILE", type=Path, help="TOML file of options; the command line takes precedence"
    )
    parser.add_argument(
        "--resume",
        action="store_true",
        help="continue an interrupted comparison at -o: methods already trained are not trained again",
    )
    parser.add_argument("--force", action="store_true", help="replace existing inspectors at -o")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Train, judge, write the results and print the table; return 0."""
    from brightfield.decide.policy import parse_policy
    from brightfield.methods.registry import METHODS

    options = given_options(args)
    parse_policy(options.policy)  # fails before the data are read
    methods = None if args.methods is None else [name.strip() for name in args.methods.split(",")]
    if args.output is not None:
        check_folder(args.output)
        check_apart(args.output, data=args.data)
        for name in () if args.resume else METHODS if methods is None else methods:
            check_bundle_place(args.output / name, force=args.force)
        args.stopped = "the same command with --resume continues from here"

    from brightfield.data.load import load

    dataset = load(args.data, normal=options.normal)

    from brightfield.pipeline.compare import compare  # after the data are read, as this takes a second
    from brightfield.report.comparison_text import document

    with show_progress(args.quiet) as progress:
        comparison = compare(
            dataset, args.output, options, methods=methods, resume=args.resume, progress=progress
        )
    for note in comparison.notes:
        log.warning("%s", note)
    if args.json:
        print(json.dumps(document(comparison)))
    else:
        _print(comparison)
    return 0


def _print(comparison: Comparison) -> None:
    from brightfield.report.comparison import RESULTS
    from brightfield.report.comparison_text import sentences

    console = stdout(_WIDTH)
    for sentence in sentences(comparison):
        console.print(sentence, markup=False)
    console.print(_table(comparison))
    for name, why in comparison.left_out.items():
        console.print(f"{name} was not compared: {why}", markup=False)
    if comparison.output is not None:
        for contender in comparison.contenders:
            console.print(f"inspector: {contender.bundle}", markup=False)
        for name in RESULTS:
            console.print(str(comparison.output / name), markup=False)


def _table(comparison: Comparison) -> Table:
    """Return the table of the figures and costs, the best method first."""
    ranked_by = {"auroc": "AUROC", "accuracy": "accuracy"}[comparison.figure]
    title = f"{comparison.dataset.name}: {len(comparison.best.predictions)} test images, 95% intervals"
    table = Table(title=title, title_justify="left", show_lines=True)
    table.add_column("method", overflow="fold")
    pixels = any(c.evaluation.metrics.get("pixel") for c in comparison.contenders)
    headings = [ranked_by, "against the best", "escapes", "overkills"]
    headings += ["pixels"] if pixels else []
    for heading in (*headings, "training", "an image", "bundle"):
        table.add_column(heading, justify="right", no_wrap=True)
    for contender, standing in zip(comparison.contenders, comparison.standings, strict=True):
        table.add_row(*_row(comparison, contender, standing, pixels))
    return table


def _row(comparison: Comparison, contender: Contender, standing: Standing, pixels: bool) -> list[str | Text]:
    from brightfield.report.comparison_text import points, shown
    from brightfield.report.wording import percent

    metrics, found = contender.evaluation.metrics, standing.against_best
    value, low, high = (shown(comparison, end) for end in (standing.value, standing.low, standing.high))
    word = "no worse" if standing.no_worse else "worse"
    cells: list[str | Text] = [
        contender.method,
        Text(f"{value}\n{low} to {high}"),  # plain strings are kept to one line
        "best" if found is None else Text(f"{word}\n{points(found.value)}, p = {found.p_value:.2g}"),
    ]
    for name in ("escape_rate", "overkill_rate"):
        rate = metrics[name]
        known = rate is not None and rate["value"] is not None
        between = f"{percent(rate['low'])} to {percent(rate['high'])}" if known else ""
        cells.append(Text(f"{percent(rate['value'])}\n{between}") if known else "n/a")
    cells += [Text(_of_pixels(comparison, contender))] if pixels else []
    return [
        *cells,
        duration(contender.seconds),
        milliseconds(contender.milliseconds),
        in_bytes(contender.size),
    ]


def _of_pixels(comparison: Comparison, contender: Contender) -> str:
    """Return the figures against masks, one below another, as a table has no room for them side by side."""
    from brightfield.report.comparison_text import defects_in_words, overlap
    from brightfield.report.wording import figure

    pixel = contender.evaluation.metrics.get("pixel") or {}
    shown = overlap(comparison)
    return "\n".join(
        [
            f"AUROC {figure(pixel.get('auroc'))}",
            *([] if shown is None else [f"{shown[1]} {figure(pixel.get(shown[0]))}"]),
            f"found {defects_in_words(contender)[0][0]}",
        ]
    )
