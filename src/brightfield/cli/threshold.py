"""`brightfield threshold`: choose the operating point or the rules again, without training."""

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
from brightfield.cli.rules import add_rules_options, with_rules_of
from brightfield.cli.terminal import Subparsers, add_command, stdout, wait_asleep
from brightfield.errors import ConfigError
from brightfield.options import POLICY_HELP

if TYPE_CHECKING:
    from collections.abc import Iterator

    from brightfield.decide.operating_point import OperatingPoint
    from brightfield.inspector import Inspector
    from brightfield.pipeline.rethreshold import Rethresholded

log = logging.getLogger(__name__)


def register(subparsers: Subparsers[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = add_command(
        subparsers, "threshold", "choose the operating point or the rules again, without training"
    )
    parser.add_argument("bundle", metavar="BUNDLE", type=Path, help="an inspector")
    parser.add_argument(
        "data",
        metavar="DATA",
        nargs="?",
        help="labelled images to choose the threshold on: a folder, a manifest or a catalog name; without "
        "DATA and --policy the threshold stays, and --rules or --mm-per-pixel are stored",
    )
    parser.add_argument("--policy", metavar="P", help=POLICY_HELP)
    add_rules_options(parser)
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
    _check_asked(args)
    if args.output is not None:
        check_bundle_place(args.output, force=args.force)

    from brightfield.inspector import load
    from brightfield.pipeline.rethreshold import rethreshold

    inspector = with_rules_of(args, load(args.bundle))
    place: Path = args.output or args.bundle
    check_bundle_place(place, force=args.force or args.output is None)
    if args.data is None:
        return _stored(inspector.with_metrics(None), place, args)
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
            **_rules(result.inspector),
            "notes": list(result.notes),
            "unreadable": list(result.unreadable),
        }
        print(json.dumps(document))
    else:
        _print(result, place)
    return 2 if result.unreadable else 0


def _check_asked(args: argparse.Namespace) -> None:
    """Check that DATA and the policy are given together, or else rules or a scale."""
    from brightfield.decide.policy import parse_policy

    if args.policy is not None:
        parse_policy(args.policy)
    if (args.data is None) != (args.policy is None):
        given, missing = ("DATA", "--policy P") if args.policy is None else ("--policy", "DATA")
        raise ConfigError(
            f"{given} without {missing}: a threshold is chosen by a policy on images; give both"
        )
    if args.data is None and args.rules is None and args.mm_per_pixel is None:
        raise ConfigError(
            "nothing to choose; give DATA and --policy for another threshold, or --rules FILE, or "
            "--mm-per-pixel MM"
        )


def _stored(inspector: Inspector, place: Path, args: argparse.Namespace) -> int:
    """Save an inspector whose threshold stays and whose rules or scale are new; return 0."""
    from brightfield.evaluation.ruled import rules_notes

    notes = rules_notes(inspector)
    inspector.save(place)
    for note in notes:
        log.warning("%s", note)
    if args.json:
        print(json.dumps({"bundle": str(place), **_rules(inspector), "notes": list(notes)}))
        return 0
    console = stdout()
    for line in _in_lines(inspector):
        console.print(line, markup=False)
    console.print(f"inspector: {place}", markup=False)
    return 0


def _rules(inspector: Inspector) -> dict[str, Any]:
    """Return the rules and the scale for `--json`; the masks of regions are left out."""
    rules = inspector.rules
    shown = None if rules is None else {"decide": rules.decide, "limits": rules.named_limits()}
    return {"rules": shown, "mm_per_pixel": inspector.mm_per_pixel}


def _in_lines(inspector: Inspector) -> Iterator[str]:
    rules, scale = inspector.rules, inspector.mm_per_pixel
    how = "none" if rules is None else "they decide alone" if rules.alone else "beside the probability"
    yield f"rules: {how}"
    for one in () if rules is None else rules.named_limits():
        yield f"  {one['limit']}" + ("" if one["region"] is None else f" ({one['region']})")
    yield "size of a pixel: not known" if scale is None else f"size of a pixel: {scale:g} mm"


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
    if result.inspector.rules is not None:
        for line in _in_lines(result.inspector):
            console.print(line, markup=False)
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
