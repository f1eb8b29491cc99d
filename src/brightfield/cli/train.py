"""`brightfield train`: train an inspector, and evaluate it on the test split."""

from __future__ import annotations

import argparse
import json
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

from brightfield.cli.figures import figures_table
from brightfield.cli.places import check_apart, check_bundle_place, check_folder
from brightfield.cli.progress import show_progress
from brightfield.cli.terminal import Subparsers, add_command, stdout
from brightfield.cli.train_options import add_options, given_options
from brightfield.errors import ConfigError
from brightfield.report.quantities import duration

if TYPE_CHECKING:
    from brightfield.evaluation.run import Evaluation
    from brightfield.inspector import Inspector
    from brightfield.options import TrainOptions
    from brightfield.pipeline.tested import Tested

log = logging.getLogger(__name__)

FEW_DEFECTS = 20
"""With fewer defective calibration parts than this, a warning says that the threshold is uncertain."""


def register(subparsers: Subparsers[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = add_command(subparsers, "train", "train an inspector on a data set")
    parser.add_argument("data", metavar="DATA", help="a folder, a manifest or a catalog name")
    parser.add_argument(
        "-o",
        "--output",
        metavar="BUNDLE",
        type=Path,
        required=True,
        help="the inspector to write: a new folder, or a file that ends in .bfz",
    )
    add_options(parser)
    parser.add_argument(
        "--config", metavar="FILE", type=Path, help="TOML file of options; the command line takes precedence"
    )
    parser.add_argument("--report", metavar="DIR", type=Path, help="folder for the report on the test split")
    parser.add_argument(
        "--log",
        metavar="PLACE",
        action="append",
        default=[],
        help="also log the figures of every epoch to tensorboard:FOLDER, to mlflow:URI or to mlflow (the URI "
        "in MLFLOW_TRACKING_URI, else ./mlruns)",
    )
    parser.add_argument(
        "--resume", action="store_true", help="continue an interrupted training of this output"
    )
    parser.add_argument(
        "--from",
        dest="base",
        metavar="BUNDLE",
        type=Path,
        help="take the new good parts of DATA into the memory bank of this inspector, in seconds and without "
        "training; give the whole data set, so that it is calibrated anew",
    )
    add_kept_features(parser, "compute them anew")
    parser.add_argument("--force", action="store_true", help="replace an existing inspector at -o")
    parser.set_defaults(run=run, stopped="the same command with --resume continues from here")


def add_kept_features(parser: argparse.ArgumentParser, otherwise: str) -> None:
    """Add the option that says where features are kept."""
    parser.add_argument(
        "--keep-features",
        metavar="DIR",
        nargs="?",
        const="",
        help="keep the features of a frozen backbone by picture, so that a later training of these pictures "
        "computes those of new ones only; in DIR, else in ~/.cache/brightfield/features (default: "
        f"{otherwise})",
    )


def kept_features(args: argparse.Namespace) -> Path | None:
    """Return the folder that `--keep-features` names; None where it is not given."""
    if args.keep_features is None:
        return None
    from brightfield.learn.kept_features import features_folder

    return Path(args.keep_features) if args.keep_features else features_folder()


def run(args: argparse.Namespace) -> int:
    """Train, save, evaluate on the test split and print; return 0."""
    from brightfield.decide.policy import parse_policy
    from brightfield.learn.tracking import check_places

    options = given_options(args)
    parse_policy(options.policy)  # fails before the data are read
    check_places(args.log)
    check_bundle_place(args.output, force=args.force)
    if args.report is not None:
        check_folder(args.report)
        check_apart(args.report, data=args.data, bundles=(args.output,))

    if args.base is not None:
        return _say(_updated(args, options), args)
    from brightfield.data.load import load

    dataset = load(args.data, normal=options.normal)

    from brightfield.learn.processes import processes
    from brightfield.learn.tracking import tracked_by
    from brightfield.pipeline.train_and_test import (
        Kept,
        train_and_test,
    )  # imported after the data are read, as this takes a second

    def saved() -> None:
        args.stopped = f"the inspector at {args.output} is complete; brightfield evaluate gives its figures"

    places = args.log if processes().first else []
    with show_progress(args.quiet) as progress, tracked_by(places, args.output.stem):
        tested = train_and_test(
            dataset,
            args.output,
            options,
            report=args.report,
            kept=Kept(args.resume, kept_features(args)),
            progress=progress,
            saved=saved,
        )
    if not processes().first:
        return 0  # only the first of several processes prints the results
    return _say(tested, args)


def _updated(args: argparse.Namespace, options: TrainOptions) -> Tested:
    """Take good parts into the inspector of `--from`, and evaluate the result on the test split."""
    from brightfield.learn.tracking import tracked_by
    from brightfield.pipeline.update import update_and_test  # which imports no torch

    if args.resume:
        raise ConfigError("--resume with --from: an update takes seconds and keeps no state; remove --resume")
    args.stopped = "nothing was kept; the inspector of --from is as it was"
    with show_progress(args.quiet) as progress, tracked_by(args.log, args.output.stem):
        return update_and_test(
            args.data, args.output, args.base, options, report=args.report, progress=progress
        )


def _say(tested: Tested, args: argparse.Namespace) -> int:
    """Print the results; return 0."""
    inspector, evaluation = tested.inspector, tested.evaluation
    _warn(inspector, evaluation, args.report)
    report = None if evaluation is None or args.report is None else args.report / "report.html"
    if args.json:
        print(json.dumps(_document(inspector, evaluation, args.output, report)))
    else:
        _print(inspector, evaluation, args.output, report)
    return 0


def _warn(inspector: Inspector, evaluation: Evaluation | None, report: Path | None) -> None:
    from brightfield.evaluation.intervals import clopper_pearson
    from brightfield.evaluation.ruled import rules_notes
    from brightfield.verdict import Scale

    point = inspector.operating_point
    # elsewhere good parts chose the threshold, and the promises say what that means for escapes
    if point is not None and point.scale is Scale.PROBABILITY and point.n_defect < FEW_DEFECTS:
        bound = clopper_pearson(point.escapes, point.n_defect)
        high = "100%" if bound.high is None else f"{bound.high:.0%}"
        log.warning(
            "the threshold was chosen on only %d defective parts, of which %d pass: the escape rate may be "
            "as high as %s. More pictures of defects%s narrow this down",
            point.n_defect,
            point.escapes,
            high,
            "" if inspector.out_of_fold else ", or a larger --calibration,",
        )
    for note in () if evaluation is None else evaluation.notes:
        log.warning("%s", note)
    for note in rules_notes(inspector) if evaluation is None else ():
        log.warning("%s", note)
    if evaluation is None:
        unwritten = ", and no report" if report is not None else ""
        log.warning(
            "there is no test split, so there are no figures%s; run brightfield evaluate on other images",
            unwritten,
        )


def _document(
    inspector: Inspector, evaluation: Evaluation | None, bundle: Path, report: Path | None
) -> dict[str, Any]:
    from brightfield.evaluation.ruled import rules_notes
    from brightfield.evaluation.summary import summary
    from brightfield.report.promises import promises

    training = inspector.facts["training"]
    point, step = inspector.operating_point, _update(inspector)
    return {
        "bundle": str(bundle),
        "method": inspector.method.name,
        "seconds": training["seconds"] if step is None else step["seconds"],
        "update": step,
        "plan": training.get("plan"),
        "folds": training["folds"],
        "views": training.get("views"),
        "notes": [*training.get("notes", []), *rules_notes(inspector)],
        "operating_point": None if point is None else point.as_dict(),
        "promises": [] if point is None else promises(point),
        "splits": inspector.facts["fingerprints"]["splits"],
        "metrics": None if evaluation is None else summary(evaluation.metrics),
        "report": None if report is None else str(report),
    }


def _update(inspector: Inspector) -> dict[str, Any] | None:
    """Return what the manifest says of the update that made the inspector; None if it was trained."""
    lineage = inspector.facts["training"].get("lineage")
    return lineage[-1] if lineage else None


def _print(inspector: Inspector, evaluation: Evaluation | None, bundle: Path, report: Path | None) -> None:
    from brightfield.report.promises import promises

    console = stdout()
    training = inspector.facts["training"]
    for name, counts in inspector.facts["fingerprints"]["splits"].items():
        if name == "calibration" and inspector.out_of_fold:
            folds = training["folds"]
            console.print(f"calibrated on out-of-fold scores of the training images, in {folds} folds")
            continue
        console.print(f"{name}: {', '.join(f'{n} {c}' for c, n in counts.items())}", markup=False)
    if training.get("plan"):
        console.print(training["plan"], markup=False)
    for note in training.get("notes", ()):
        console.print(note, markup=False)
    region = inspector.preprocessing.region
    if region is not None:
        console.print(f"looks at {region.share:.0%} of the picture, as --roi says")
    step = _update(inspector)
    seconds = training["seconds"] if step is None else step["seconds"]
    if step is not None:
        console.print(_in_words(step))
    views = training.get("views")
    if views is not None and len(views["names"]) > 1:
        console.print(
            f"every picture is judged in {len(views['names'])} views ({', '.join(views['names'])}): "
            f"{views['milliseconds']:g} ms instead of {views['milliseconds_of_one']:g} in one",
            markup=False,
        )
    if evaluation is not None:
        console.print(figures_table(evaluation.metrics, title="On the test split", seconds=seconds))
    else:
        console.print(f"{'trained' if step is None else 'updated'} in {duration(seconds)}")
    if inspector.operating_point is not None:
        for sentence in promises(inspector.operating_point):
            console.print(sentence, markup=False)
    console.print(f"inspector: {bundle}", markup=False)
    if report is not None:
        console.print(f"report: {report}", markup=False)


def _in_words(step: dict[str, Any]) -> str:
    parts = step["good_parts_added"]
    taken = f"{parts} new good part{'s' * (parts != 1)} taken in"
    patches = (step.get("patches_added"), step.get("patches_removed"))
    if None not in patches:
        taken += f": {patches[0]} patches are new in the memory bank, and {patches[1]} gave way"
    for name in step.get("unchanged", ()):
        taken += f"; the {name} stays as it was trained"
    return f"{taken}; {'calibrated anew' if step['calibration'] == 'anew' else 'calibrated as before'}"
