"""`brightfield evaluate`: judge a labelled data set with an inspector and write a report."""

from __future__ import annotations

import argparse
import json
import logging
from pathlib import Path
from typing import TYPE_CHECKING

from brightfield.cli.figures import figures_table
from brightfield.cli.places import check_apart, check_folder
from brightfield.cli.progress import show_progress
from brightfield.cli.rules import add_rules_options, with_rules_of
from brightfield.cli.terminal import Subparsers, add_command, number, stdout, wait_asleep
from brightfield.disk.room import check_overwrites

if TYPE_CHECKING:
    from brightfield.evaluation.run import Evaluation
    from brightfield.evaluation.study import Study

log = logging.getLogger(__name__)


def register(subparsers: Subparsers[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = add_command(subparsers, "evaluate", "judge a labelled data set and write a report")
    parser.add_argument("bundle", metavar="BUNDLE", type=Path, help="an inspector")
    parser.add_argument("data", metavar="DATA", help="a folder, a manifest or a catalog name")
    parser.add_argument(
        "-o",
        "--output",
        metavar="DIR",
        type=Path,
        help="folder for metrics.json, predictions.csv, report.html and, where defects are measured, "
        "defects.csv",
    )
    parser.add_argument(
        "--split",
        choices=("train", "calibration", "test", "all"),
        help="the split to judge (default: the test split where there is one, else everything)",
    )
    parser.add_argument(
        "--threshold",
        metavar="T",
        type=number,
        help="use this threshold, on the scale of the inspector's own",
    )
    parser.add_argument("--limits", metavar="FILE", type=Path, help="TOML file of acceptance limits to check")
    parser.add_argument(
        "--against", metavar="BUNDLE", type=Path, help="another inspector to compare with on the same images"
    )
    add_rules_options(parser)
    _add_study_options(parser)
    parser.set_defaults(run=run)


def _add_study_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("agreement study: are decisions repeatable?").add_argument
    add(
        "--trials",
        metavar="N",
        type=int,
        default=0,
        help="judge N disturbed copies of every picture: moved, brighter or darker, out of focus",
    )
    add(
        "--shift", metavar="PX", type=float, default=2.0, help="largest move of a copy in pixels (default: 2)"
    )
    add(
        "--light",
        metavar="SHARE",
        type=float,
        default=0.1,
        help="largest relative change of brightness (default: 0.1)",
    )
    add(
        "--focus",
        metavar="PX",
        type=float,
        default=1.0,
        help="largest standard deviation of the blur in pixels (default: 1)",
    )
    add(
        "--repeated-shots",
        action="store_true",
        help="pictures of one group of the manifest are repeated shots of one part",
    )
    add(
        "--appraisals",
        metavar="FILE",
        type=Path,
        help="people's decisions to compare with: a CSV file with the columns image,appraiser,decision",
    )


def run(args: argparse.Namespace) -> int:
    """Evaluate, write the results and print the figures; return 2 if an image could not be read, else 0."""
    wait_asleep()
    if args.output is not None:
        check_folder(args.output)
        check_apart(args.output, data=args.data, bundles=(args.bundle, args.against))

    from brightfield.api import evaluate
    from brightfield.evaluation.acceptance import read_limits
    from brightfield.inspector import load
    from brightfield.pipeline.rethreshold import at_threshold
    from brightfield.report.compose import RESULTS

    if args.output is not None:
        rules = None if args.rules is None else Path(args.rules)
        inputs = (Path(args.data), args.limits, args.appraisals, rules)
        check_overwrites((args.output / name for name in RESULTS), inputs)

    study = _study(args)
    limits = None if args.limits is None else read_limits(args.limits)
    inspector = with_rules_of(args, load(args.bundle))
    other = None if args.against is None else load(args.against)
    if args.threshold is not None:
        inspector = at_threshold(inspector, args.threshold)
    with show_progress(args.quiet) as progress:
        evaluation = evaluate(
            inspector,
            args.data,
            args.output,
            split=args.split,
            limits=limits,
            other=other,
            study=study,
            progress=progress,
        )
    for note in evaluation.notes:
        log.warning("%s", note)
    if args.json:
        print(json.dumps(evaluation.document))
    else:
        _print(evaluation, args.output)
    return 2 if evaluation.unreadable else 0


def _study(args: argparse.Namespace) -> Study:
    from brightfield.evaluation.disturb import Disturbance
    from brightfield.evaluation.study import Study

    disturbance = Disturbance(args.shift, args.light, args.focus)
    return Study(args.trials, disturbance, args.repeated_shots, args.appraisals)


def _print(evaluation: Evaluation, output: Path | None) -> None:
    from brightfield.report.compose import written
    from brightfield.report.wording import acceptance_sentences, agreement_sentences, difference_sentences

    console = stdout()
    splits = ", ".join(sorted({str(s.split) for s in evaluation.dataset.samples}))
    console.print(figures_table(evaluation.metrics, title=f"{evaluation.dataset.name}: {splits}"))
    for name, sentences in (
        ("agreement", agreement_sentences),
        ("against", difference_sentences),
        ("acceptance", acceptance_sentences),
    ):
        for sentence in sentences(evaluation.metrics[name]) if name in evaluation.metrics else ():
            console.print(sentence, markup=False)
    if output is not None:
        for name in written(evaluation):
            console.print(str(output / name), markup=False)
