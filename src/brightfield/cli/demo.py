"""`brightfield demo`: train and evaluate an inspector of solar cells, and write a report and overlays."""

from __future__ import annotations

import argparse
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from brightfield.cli.figures import figures_table
from brightfield.cli.places import check_bundle_place, check_folder
from brightfield.cli.progress import show_progress
from brightfield.cli.terminal import Subparsers, add_command, stdout
from brightfield.errors import ConfigError, DataError

if TYPE_CHECKING:
    from brightfield.evaluation.run import Evaluation
    from brightfield.inspector import Inspector

BUNDLE = "inspector"
OF_EACH_KIND = 3


@dataclass(frozen=True)
class Shown:
    """One inspected image of the test split."""

    image: str
    truth: str
    decision: str
    probability: float | None
    overlay: Path | None


def register(subparsers: Subparsers[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = add_command(
        subparsers, "demo", "run all steps on images of solar cells: train, evaluate, report, inspect"
    )
    parser.add_argument(
        "-o",
        "--output",
        metavar="DIR",
        type=Path,
        default=Path("brightfield-demo"),
        help="folder for the inspector, the report and overlays (default: %(default)s)",
    )
    parser.add_argument(
        "--data",
        metavar="DATA",
        default="elpv",
        help="a folder, a manifest or a catalog name (default: %(default)s)",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Train with the default recipe, evaluate, write the report, inspect six images and print; return 0."""
    folder: Path = args.output
    _check_place(folder)

    from brightfield.pipeline.train_and_test import train_and_test

    with show_progress(args.quiet) as progress:
        tested = train_and_test(args.data, folder / BUNDLE, report=folder, progress=progress)
        inspector, evaluation = tested.inspector, tested.evaluation
        if evaluation is None:
            raise DataError(
                f"{args.data} has no images in a test split, which the demo needs; add images or "
                "name other data"
            )
        examples = [
            show(inspector, evaluation, row, folder / "overlays" / str(number))
            for number, row in enumerate(pick(evaluation), start=1)
        ]
    if args.json:
        print(json.dumps(_document(folder, inspector, evaluation, examples)))
    else:
        _print(folder, inspector, evaluation, examples)
    return 0


def _check_place(folder: Path) -> None:
    """Check that the folder is new, empty or of an earlier demo, which is overwritten."""
    check_folder(folder)
    if folder.is_dir() and any(folder.iterdir()) and not (folder / BUNDLE).exists():
        raise ConfigError(
            f"{folder} holds files that are not from an earlier demo; choose another folder with -o"
        )
    check_bundle_place(folder / BUNDLE, force=True)


def pick(evaluation: Evaluation) -> list[int]:
    """Return the rows of three defective and three good images, evenly spaced, whatever their decision."""
    p = evaluation.predictions
    rows = list(range(len(p)))
    kinds = (
        [rows]
        if p.normal is None
        else [[i for i in rows if p.is_defect[i] == kind] for kind in (True, False)]
    )
    return [
        of_kind[k * len(of_kind) // OF_EACH_KIND] for of_kind in kinds for k in range(min(3, len(of_kind)))
    ]


def show(inspector: Inspector, evaluation: Evaluation, row: int, start: Path) -> Shown:
    """Inspect one image of the evaluation and write its heatmap and overlay; `start` begins their paths."""
    from brightfield.explain.files import write_maps

    sample = evaluation.dataset.samples[row]
    look = inspector.look(sample.path)
    verdict = look.verdict
    name = re.sub(r"[^\w.-]", "_", f"{start.name}-{sample.label}-{Path(sample.image).stem}")
    files = write_maps(start.with_name(name), verdict, look.picture)
    decision = verdict.label if verdict.decision is None else str(verdict.decision)
    return Shown(sample.image, str(sample.label), decision, verdict.probability, files.overlay)


def _document(
    folder: Path, inspector: Inspector, evaluation: Evaluation, examples: list[Shown]
) -> dict[str, object]:
    from brightfield.evaluation.summary import summary

    return {
        "bundle": str(folder / BUNDLE),
        "report": str(folder / "report.html"),
        "seconds": inspector.facts["training"]["seconds"],
        "metrics": summary(evaluation.metrics),
        "inspected": [
            {**vars(s), "overlay": None if s.overlay is None else str(s.overlay)} for s in examples
        ],
    }


def _print(folder: Path, inspector: Inspector, evaluation: Evaluation, examples: list[Shown]) -> None:
    console = stdout()
    seconds = inspector.facts["training"]["seconds"]
    console.print(
        figures_table(evaluation.metrics, title=f"{evaluation.dataset.name}: the test split", seconds=seconds)
    )
    for example in examples:
        sure = "" if example.probability is None else f" at {example.probability:.3f}"
        console.print(f"{example.truth}: called {example.decision}{sure}, {example.overlay}", markup=False)
    console.print(f"report: {folder / 'report.html'}", markup=False)
    console.print(f"inspector: {folder / BUNDLE}", markup=False)
    console.print(f"next: brightfield inspect {folder / BUNDLE} IMAGE ... -o DIR --overlay", markup=False)
