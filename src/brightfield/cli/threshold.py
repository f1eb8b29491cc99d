"""`brightfield threshold`: choose the operating point again, without training."""

from __future__ import annotations

import argparse
import json
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.markup import escape
from rich.table import Table

from brightfield.cli.figures import in_words, on_scale
from brightfield.cli.places import check_bundle_place
from brightfield.cli.progress import show_progress
from brightfield.cli.terminal import Subparsers, add_command, stdout, wait_asleep
from brightfield.options import POLICY_HELP

if TYPE_CHECKING:
    from brightfield.decide.operating_point import OperatingPoint
    from brightfield.pipeline.rethreshold import Rethresholded

log = logging.getLogger(__name__)


def register(subparsers: Subparsers[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = add_command(subparsers, "threshold", "choose the operating point again, without training")
    parser.add_argument("bundle", metavar="BUNDLE", type=Path, help="an inspector")
    parser.add_argument(
        "data", metavar="DATA", help="labelled images: a folder, a manifest or a catalog name"
    )
    parser.add_argument("--policy", metavar="P", required=True, help=POLICY_HELP)
    parser.add_argument(
        "--split",
        choices=("train", "calibration", "test", "all"),
        help="the split to choose on (default: the calibration split where there is one, else the "
        "out-of-fold scores of the training images, else all); "
        "images that trained the inspector are never judged",
    )
    parser.add_argument(
        "-o",
        "--output",
        metavar="BUNDLE",
        type=Path,
        help="write the new inspector there instead of replacing the old one",
    )
    parser.add_argument("--force", action="store_true", help="replace an existing inspector at -o")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Choose the operating point, save and print; return 2 if an image could not be read, else 0."""
    wait_asleep()
    from brightfield.decide.policy import parse_policy

    parse_policy(args.policy)
    if args.output is not None:
        check_bundle_place(args.output, force=args.force)

    from brightfield.inspector import load
    from brightfield.pipeline.rethreshold import rethreshold

    inspector = load(args.bundle)
    place: Path = args.output or args.bundle
    check_bundle_place(place, force=args.force or args.output is None)
    with show_progress(args.quiet) as progress:
        result = rethreshold(inspector, args.data, args.policy, split=args.split, progress=progress)
    for note in result.notes:
        log.warning("%s", note)
    result.inspector.save(place)
    from brightfield.report.promises import promises

    if args.json:
        document = {
            "bundle": str(place),
            "images": result.images,
            "before": result.before.as_dict(),
            "after": result.after.as_dict(),
            "promises": promises(result.after),
            "notes": list(result.notes),
            "unreadable": list(result.unreadable),
        }
        print(json.dumps(document))
    else:
        _print(result, place)
    return 2 if result.unreadable else 0


def _print(result: Rethresholded, place: Path) -> None:
    from brightfield.decide.policy import parse_policy
    from brightfield.report.promises import promises

    table = Table("", "before", "after")
    before, after = result.before, result.after
    table.add_row("policy", escape(before.policy), escape(after.policy))
    table.add_row("threshold", *(on_scale(p.threshold, p.scale, 4) for p in (before, after)))
    if (before.review, after.review) != (None, None):
        table.add_row("review from", *(on_scale(p.review, p.scale, 4) for p in (before, after)))
        table.add_row("for review", in_words(_reviewed(before)), in_words(_reviewed(after)))
    table.add_row("escapes", in_words(_escapes(before)), in_words(_escapes(after)))
    table.add_row("overkills", in_words(_overkills(before)), in_words(_overkills(after)))
    console = stdout()
    console.print(table)
    splits = ", ".join(f"{n} {split}" for split, n in sorted(result.images.items()))
    fixed = parse_policy(after.policy).is_fixed
    chosen = "" if fixed else ", the same that the new threshold was chosen on"
    console.print(f"on {after.n_calibration} images ({splits}){chosen}")
    for sentence in promises(after):
        console.print(sentence, markup=False)
    console.print(
        f"inspector: {place}; `brightfield evaluate` gives its figures on other images", markup=False
    )


def _reviewed(point: OperatingPoint) -> dict[str, Any]:
    from brightfield.evaluation.intervals import clopper_pearson

    return clopper_pearson(point.reviewed, point.n_calibration).as_dict()


def _escapes(point: OperatingPoint) -> dict[str, Any]:
    from brightfield.evaluation.intervals import clopper_pearson

    return clopper_pearson(point.escapes, point.n_defect).as_dict()


def _overkills(point: OperatingPoint) -> dict[str, Any]:
    from brightfield.evaluation.intervals import clopper_pearson

    return clopper_pearson(point.overkills, point.n_calibration - point.n_defect).as_dict()
