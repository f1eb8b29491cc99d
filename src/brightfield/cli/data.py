"""`brightfield data`: check a data set, and list and fetch public ones."""

from __future__ import annotations

import argparse
import json
import logging
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from rich.markup import escape
from rich.table import Table

from brightfield.cli.progress import show_progress
from brightfield.cli.terminal import Subparsers, add_command, stdout
from brightfield.data.catalog import CATALOG, DATA_VARIABLE, MVTEC, data_root, fetch, locate
from brightfield.errors import DataError, said_if_missing

if TYPE_CHECKING:
    from brightfield.data.check import CheckReport
    from brightfield.data.dataset import Dataset
    from brightfield.data.finding import Finding
    from brightfield.pipeline.label_check import LabelReport
    from brightfield.progress import Progress

log = logging.getLogger(__name__)

_SHOWN = 4
_DOUBTS_SHOWN = 20
_COLOURS = {"error": "bold red", "warning": "yellow", "note": "cyan"}


def register(subparsers: Subparsers[argparse.ArgumentParser]) -> None:
    """Add the command and its subcommands."""
    data = subparsers.add_parser(
        "data", help="check a data set, list and fetch public ones", allow_abbrev=False
    )
    commands = data.add_subparsers(dest="data_command", required=True, metavar="COMMAND")
    checking = add_command(
        commands, "check", "report the faults of a data set; exit with 2 if they prevent training"
    )
    checking.add_argument("data", metavar="DATA", help="a folder, a manifest or a catalog name")
    checking.add_argument("--normal", metavar="NAME", help="the class of good parts")
    checking.add_argument("--roi", metavar="FILE", help="a mask of the region of interest, as for train")
    checking.add_argument(
        "--labels",
        action="store_true",
        help="also name the labels that are probably wrong, by training on the other images (extra `train`)",
    )
    listing = add_command(commands, "list", "list the public data sets of the catalog")
    fetching = add_command(commands, "fetch", "prepare a public data set, or explain how to get it")
    fetching.add_argument("name", metavar="NAME", help="a catalog name")
    for command, run in ((checking, run_check), (listing, run_list), (fetching, run_fetch)):
        command.set_defaults(run=run)


def run_check(args: argparse.Namespace) -> int:
    """Print the faults of a data set; return 2 if they prevent training, else 0."""
    from brightfield.data.load import load
    from brightfield.options import TrainOptions
    from brightfield.pipeline.check import check_data  # imported here, as it loads SciPy

    dataset = load(args.data, normal=args.normal)
    with show_progress(args.quiet) as progress:
        report = check_data(dataset, TrainOptions(normal=args.normal, roi=args.roi), progress=progress)
        labels = None if report.spoils_training or not args.labels else _labels(dataset, args, progress)
    if args.labels and labels is None:
        log.warning("labels are not looked at before the errors are corrected")
    if args.json:
        document = report.as_dict()
        print(json.dumps(document if labels is None else {**document, "labels": labels.as_dict()}))
        return 2 if report.spoils_training else 0
    _print_report(report)
    if labels is not None:
        _print_labels(labels)
    return 2 if report.spoils_training else 0


def run_list(args: argparse.Namespace) -> int:
    """Print the public data sets of the catalog, and whether they are on this disk."""
    rows = [(entry, _place(name)) for name, entry in CATALOG.items()]
    if args.json:
        print(json.dumps([_entry_fields(name, place) for name, place in ((e.name, p) for e, p in rows)]))
        return 0
    table = Table("name", "content", "licence", "size", "on disk")
    for entry, place in rows:
        table.add_row(entry.name, entry.description, entry.licence, entry.size, "yes" if place else "no")
    console = stdout()
    console.print(table)
    console.print(f"Searched in {data_root()}; set {DATA_VARIABLE} to search elsewhere.")
    console.print("`brightfield data fetch NAME` prepares one, or explains how to get it.")
    return 0


def run_fetch(args: argparse.Namespace) -> int:
    """Prepare a public data set and print its folder."""
    place = str(fetch(args.name))
    if args.json:
        print(json.dumps(_entry_fields(args.name, place)))
    else:
        stdout().print(f"{args.name} is in {place}", markup=False)
    return 0


def _place(name: str) -> str | None:
    if name == MVTEC:  # only its categories can be located by name
        folder = data_root() / MVTEC
        return str(folder) if folder.is_dir() else None
    try:
        return str(locate(name))
    except DataError:
        return None


def _entry_fields(name: str, place: str | None) -> dict[str, str | None]:
    entry = CATALOG[name.partition("/")[0]]
    return {
        "name": name,
        "description": entry.description,
        "licence": entry.licence,
        "homepage": entry.homepage,
        "how": entry.how,
        "expected": entry.expected,
        "size": entry.size,
        "path": place,
    }


def _print_report(report: CheckReport) -> None:
    console = stdout()
    console.print(f"[bold]{escape(report.name)}[/bold]: {report.n} images")
    counts = (f"{name} {n}{' (good)' * (name == report.normal)}" for name, n in report.classes.items())
    console.print(f"classes: {escape(', '.join(counts))}")
    if report.splits:
        console.print(f"splits: {', '.join(f'{name} {n}' for name, n in report.splits.items())}")
    if report.masked:
        types = ", ".join(f"{name} {n}" for name, n in report.mask_types.items()) or "none mark a defect"
        console.print(f"masks: {report.masked} ({escape(types)})")
    for line in _finding_lines(report.findings):
        console.print(line)
    if report.spoils_training:
        console.print("[bold red]Not ready to train.[/bold red] Correct the errors first.")
    else:
        console.print("[green]Ready to train.[/green]")


def _finding_lines(findings: Iterable[Finding]) -> Iterable[str]:
    """Yield one line per finding, and for many of one kind and severity only the first few."""
    by_kind: dict[tuple[str, str], list[Finding]] = {}
    for finding in findings:
        by_kind.setdefault((str(finding.severity), finding.kind), []).append(finding)
    for (severity, kind), of_kind in by_kind.items():
        start = f"[{_COLOURS[severity]}]{severity}[/] {escape(kind)}: "
        yield from (start + escape(_described(finding)) for finding in of_kind[:_SHOWN])
        if len(of_kind) > _SHOWN:
            yield f"{start}{len(of_kind) - _SHOWN} more; --json prints all"


def _labels(dataset: Dataset, args: argparse.Namespace, progress: Progress) -> LabelReport:
    from brightfield.data.region_mask import read_region

    with said_if_missing():
        from brightfield.pipeline.label_check import check_labels  # imported here, as it loads torch
    region = None if args.roi is None else read_region(Path(args.roi))
    return check_labels(dataset, region=region, progress=progress)


def _print_labels(labels: LabelReport) -> None:
    console = stdout()
    if not labels.doubts:
        console.print(f"labels: none of {labels.n} is expected to be wrong")
        return
    table = Table("image", "label", "more probable", "wrong", title_justify="left")
    table.title = (
        f"labels: about {labels.expected:.0f} of {labels.n} are expected to be wrong; look at these first"
    )
    for doubt in labels.doubts[:_DOUBTS_SHOWN]:
        table.add_row(escape(doubt.image), escape(doubt.label), escape(doubt.suggested), f"{doubt.wrong:.0%}")
    console.print(table)
    console.print("wrong: the estimated probability that the label is wrong, the highest first")
    if (more := len(labels.doubts) - _DOUBTS_SHOWN) > 0:
        console.print(f"{more} more; --json lists all")


def _described(finding: Finding) -> str:
    files = ", ".join(finding.files[:_SHOWN]) + (", ..." if len(finding.files) > _SHOWN else "")
    return f"{finding.message} ({files})" if files else finding.message
