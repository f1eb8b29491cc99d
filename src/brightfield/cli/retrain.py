"""`brightfield retrain`: train a successor from old and new pictures, and write it if it is no worse."""

from __future__ import annotations

import argparse
import itertools
import json
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

from brightfield.cli.places import check_apart, check_bundle_place, check_folder
from brightfield.cli.progress import show_progress
from brightfield.cli.terminal import Subparsers, add_command, number, say, stdout
from brightfield.cli.train import add_kept_features, kept_features
from brightfield.cli.train_options import add_options, given_values
from brightfield.errors import BrightfieldError, ConfigError, said_if_missing
from brightfield.report.quantities import duration

if TYPE_CHECKING:
    from brightfield.monitor.shadow import Shadow
    from brightfield.pipeline.retrain import Asked, Retrained

log = logging.getLogger(__name__)

REFUSED = 2
"""The exit code where the successor is refused."""

_OFF = "none"
_SHOWN = 8


def register(subparsers: Subparsers[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = add_command(
        subparsers, "retrain", "train a successor from old and new pictures; it is written if it is no worse"
    )
    parser.add_argument("bundle", metavar="BUNDLE", type=Path, help="the inspector before")
    parser.add_argument(
        "data",
        metavar="DATA",
        help="the new pictures, labelled, or old and new ones together: a folder or a manifest",
    )
    parser.add_argument(
        "-o", "--output", metavar="NEW", type=Path, required=True, help="the successor to write"
    )
    parser.add_argument(
        "--old",
        metavar="DATA",
        help="what the inspector before was trained on (default: where its bundle says that it is)",
    )
    _add_gate_options(parser)
    _add_other_options(parser)
    from brightfield.pipeline.successor import KEPT

    add_options(parser, without=KEPT)
    parser.set_defaults(run=run, stopped="the same command with --resume continues from here")


def _add_gate_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("the gate: when is the successor accepted?").add_argument
    add(
        "--golden",
        metavar="DATA",
        help="pictures that must stay rightly decided; they never teach a successor",
    )
    add(
        "--golden-flips",
        metavar="N",
        type=int,
        default=0,
        help="how many golden pictures may turn from right to wrong (default: 0)",
    )
    add(
        "--margin",
        metavar="SHARE",
        type=number,
        default=0.01,
        help="the rise of the escape and of the overkill rate that does not matter (default: 0.01)",
    )
    add(
        "--strict",
        action="store_true",
        help="refuse what is not shown to be no worse by more than the margin; that takes many pictures",
    )
    add(
        "--no-trade",
        dest="trade",
        action="store_false",
        help="refuse more overkills even where as many fewer escapes pay for them",
    )
    add("--keep-refused", metavar="BUNDLE", type=Path, help="where a refused successor is kept all the same")


def _add_other_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--shadow",
        metavar="LOG",
        help="judge the kept pictures of this log with the successor too, and list what it decides otherwise",
    )
    parser.add_argument(
        "--disagreements",
        metavar="FILE",
        type=Path,
        help="the list of --shadow, .csv or .json (default: NEW.disagreements.csv)",
    )
    parser.add_argument("--report", metavar="DIR", type=Path, help="folder for the report on the test split")
    parser.add_argument(
        "--anew",
        action="store_true",
        help="train anew even where a memory bank could take the new good parts in",
    )
    parser.add_argument(
        "--resume", action="store_true", help="continue an interrupted training of this output"
    )
    add_kept_features(parser, f"there; `--keep-features {_OFF}` keeps none")
    parser.add_argument("--force", action="store_true", help="replace an existing inspector at -o")


def run(args: argparse.Namespace) -> int:
    """Retrain, save what is accepted, and print; return 2 if the successor is refused, else 0."""
    _check(args)
    asked = _asked(args)
    from brightfield.pipeline.retrain import retrain
    from brightfield.report.compose import write_evaluation

    with show_progress(args.quiet) as progress:
        done = retrain(args.bundle, args.data, args.output, asked, progress=progress)
        if args.report is not None and done.evaluation is not None:
            write_evaluation(done.inspector, done.evaluation, args.report, progress)
        found = None if args.shadow is None else _shadowed(done, args, progress)
    for note in done.notes:
        log.warning("%s", note)
    if args.json:
        print(json.dumps(_document(done, found, args)))
    else:
        _print(done, found, args)
    if done.accepted:
        return 0
    say("refused", f"the inspector before is as it was; {_kept(args.keep_refused)}", "bold red")
    return REFUSED


def _kept(place: Path | None) -> str:
    if place is None:
        return "this successor is not kept (--keep-refused BUNDLE keeps a refused one)"
    return f"this successor is kept in {place}"


def _check(args: argparse.Namespace) -> None:
    """Check places and options before anything is read."""
    check_bundle_place(args.output, force=args.force)
    if args.keep_refused is not None:
        check_bundle_place(args.keep_refused, force=args.force)
        if args.keep_refused.resolve() == args.output.resolve():
            raise ConfigError("--keep-refused names the place of -o; expected one of its own")
    if args.report is not None:
        check_folder(args.report)
        check_apart(args.report, data=args.data, bundles=(args.bundle, args.output))
    if args.shadow is None and args.disagreements is not None:
        raise ConfigError("--disagreements belongs to --shadow LOG")
    if args.shadow is not None:
        with said_if_missing():
            from brightfield.monitor.log.store import VerdictLog
            from brightfield.monitor.shadow import check_disagreements

        check_disagreements(_list_of(args))
        VerdictLog(args.shadow, create=False).close()


def _list_of(args: argparse.Namespace) -> Path:
    given: Path | None = args.disagreements
    output: Path = args.output
    return given or output.with_name(f"{output.stem}.disagreements.csv")


def _asked(args: argparse.Namespace) -> Asked:
    from brightfield.evaluation.gate import Demands
    from brightfield.pipeline.retrain import Asked

    if args.keep_features is None:
        args.keep_features = ""
    return Asked(
        old=args.old,
        golden=args.golden,
        demands=Demands(args.margin, golden_flips=args.golden_flips, strict=args.strict, trade=args.trade),
        changed=given_values(args),
        anew=args.anew,
        resume=args.resume,
        kept_features=None if args.keep_features == _OFF else kept_features(args),
        keep_refused=args.keep_refused,
    )


def _shadowed(done: Retrained, args: argparse.Namespace, progress: Any) -> Shadow | None:
    """Judge the log's pictures, write the list of disagreements, and note it in the log.

    What goes wrong here is said, and changes nothing of what the gate found: None is returned.
    """
    from brightfield.monitor.log.store import VerdictLog
    from brightfield.monitor.shadow import note_in_log, shadow, write_disagreements

    try:
        with VerdictLog(args.shadow, create=False) as verdicts:
            found = shadow(done.parent, done.inspector, verdicts, progress=progress)
            write_disagreements(_list_of(args), found)
            note_in_log(verdicts, found, done.inspector.sha256)
    except BrightfieldError as error:
        log.warning("--shadow: %s", error)
        return None
    return found


def _document(done: Retrained, found: Shadow | None, args: argparse.Namespace) -> dict[str, Any]:
    from brightfield.evaluation.summary import summary
    from brightfield.report.gate_text import hints, power_sentences, reasons, sentences
    from brightfield.report.promises import promises

    gate = done.gate.as_dict()
    tests = [*gate.pop("checks"), *gate.pop("types")]
    point = done.inspector.operating_point
    return {
        "accepted": done.accepted,
        "bundle": None if done.bundle is None else str(done.bundle),
        "reasons": reasons(done.gate),
        "tests": tests,
        **{name: value for name, value in gate.items() if name != "accepted"},
        "sentences": [*sentences(done.gate), *hints(done.gate), *power_sentences(done.gate)],
        "by_origin": {name: of.as_dict()["checks"] for name, of in done.by_origin.items()},
        "lineage": done.step,
        "method": done.inspector.method.name,
        "splits": done.inspector.facts["fingerprints"]["splits"],
        "operating_point": None if point is None else point.as_dict(),
        "promises": [] if point is None else promises(point),
        "metrics": None if done.evaluation is None else summary(done.evaluation.metrics),
        "shadow": None if found is None else {**found.as_dict(), "list": str(_list_of(args))},
        "notes": list(done.notes),
        "report": None if args.report is None else str(args.report / "report.html"),
        "seconds": done.step["seconds"],
    }


def _print(done: Retrained, found: Shadow | None, args: argparse.Namespace) -> None:
    from brightfield.report import gate_text
    from brightfield.report.lineage_text import lineage_lines

    console = stdout()
    for name, line in lineage_lines(done.inspector.facts).items():
        console.print(f"{name}: {line}", markup=False)
    console.print(f"{_how(done)} in {duration(done.step['seconds'])}", markup=False)
    console.print(gate_text.verdict_sentence(done.gate), markup=False)
    lines = gate_text.sentences(done.gate)
    reasons = gate_text.reasons(done.gate)
    for line in reasons:
        console.print(f"- {line}", markup=False)
    for line in lines:
        if line not in reasons:
            console.print(line, markup=False)
    rest = (gate_text.hints(done.gate), gate_text.power_sentences(done.gate))
    for line in (*itertools.chain(*rest), *gate_text.origin_sentences(done.by_origin)):
        console.print(line, markup=False)
    if found is not None:
        _print_shadow(found, args)
    if done.bundle is not None:
        console.print(f"inspector: {done.bundle}", markup=False)
    if args.report is not None:
        console.print(f"report: {args.report / 'report.html'}", markup=False)


def _how(done: Retrained) -> str:
    from brightfield.pipeline.successor import UPDATED

    if done.step["how"] == UPDATED:
        return f"{done.step['good_parts_added']} new good parts taken into the memory bank"
    kept = done.step.get("kept_features")
    return "trained anew" + (f", with the features of {kept} pictures from before" if kept else "")


def _print_shadow(found: Shadow, args: argparse.Namespace) -> None:
    console = stdout()
    n = len(found.disagreements)
    changes = ", ".join(f"{count} {change}" for change, count in found.changes.items())
    line = f"shadow: of {found.compared:,} pictures in {args.shadow} {n} are decided differently"
    console.print(f"{line} ({changes})" if n else line, markup=False)
    if any(found.judged.values()):
        before, after = found.judged["before"], found.judged["after"]
        agree = f"people agree with the inspector before in {before}, with the successor in {after}"
        console.print(f"{agree}, of those judged that did not teach it")
    if found.without_picture:
        console.print(f"{found.without_picture:,} entries have no picture that is still there")
    if n:
        some = " ".join(str(number) for number in found.entries[:_SHOWN])
        console.print(
            f"list: {_list_of(args)}; to look at them: brightfield review {args.shadow} --next "
            f"{min(n, _SHOWN)} -o FOLDER --entries {some}",
            markup=False,
        )
