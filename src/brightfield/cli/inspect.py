"""`brightfield inspect`: judge images, and write their heatmaps."""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.text import Text

from brightfield.cli.logged import (
    Answers,
    add_log_options,
    answered_before,
    answers,
    by_another,
    check_log_options,
    fields_of,
    without_kept,
)
from brightfield.cli.places import check_apart, check_folder
from brightfield.cli.progress import show_progress
from brightfield.cli.rules import add_rules_options, with_rules_of
from brightfield.cli.terminal import Subparsers, add_command, number, printable, say, stdout, wait_asleep
from brightfield.disk.room import check_overwrites
from brightfield.errors import ConfigError, DataError, ImageError, WriteError

if TYPE_CHECKING:
    from rich.console import Console

    from brightfield.explain.files import MapFiles
    from brightfield.inspector import Inspector, Look
    from brightfield.monitor.log.records import Entry
    from brightfield.verdict import Defect, Verdict

log = logging.getLogger(__name__)

_COLOURS = {"OK": "green", "REVIEW": "yellow", "DEFECT": "bold red"}
UNREADABLE, UNWRITTEN = "unreadable", "with results that cannot be written"
ANSWERED = "answered before"
"""Counts of images beside those of the decisions."""

MOST_PRINTED = 10
"""The most defects of a picture that are printed, the largest first; `--json` lists all of them."""

_FORMAT = "{:<8} {:>{wide}}  {:<16} {:>7}  "


def register(subparsers: Subparsers[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = add_command(subparsers, "inspect", "judge images, one line each")
    parser.add_argument("bundle", metavar="BUNDLE", type=Path, help="an inspector")
    parser.add_argument(
        "images", metavar="IMAGE", nargs="+", type=Path, help="files, or folders of any depth"
    )
    parser.add_argument(
        "-o",
        "--output",
        metavar="DIR",
        type=Path,
        help="folder for <image>.heatmap.png: 16-bit grey; 1000 is where the part no longer passes; and for "
        "defects.csv, with the size of every defect, of a method that marks them",
    )
    parser.add_argument("--overlay", action="store_true", help="with -o: also write <image>.overlay.png")
    parser.add_argument(
        "--threshold",
        metavar="T",
        type=number,
        help="use this threshold, on the scale of the inspector's own",
    )
    parser.add_argument(
        "--interval", action="store_true", help="add the Venn-Abers interval of every probability of a defect"
    )
    parser.add_argument(
        "--defects", action="store_true", help="list every defect with its size and place, also without -o"
    )
    add_rules_options(parser)
    add_log_options(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Judge every image and print a line each; return 2 if one could not be read or written, else 0."""
    wait_asleep()
    if args.overlay and args.output is None:
        raise ConfigError("--overlay needs a folder to write to; add -o DIR")
    if args.output is not None:
        check_folder(args.output)
        check_apart(args.output, bundles=(args.bundle,))
    check_log_options(args)
    images = without_kept(find_images(args.images, leave_out=args.output), args)
    _starts(images, args.output, args.overlay)  # refuses to write over an image, before anything is judged

    from brightfield.inspector import load
    from brightfield.methods.locating import check_masks
    from brightfield.verdict import HeatmapKind

    inspector = with_rules_of(args, load(args.bundle))
    if args.defects:
        check_masks(inspector.method.name, inspector.method.heatmap_kind is HeatmapKind.EVIDENCE)
    point = inspector.operating_point
    if args.interval and (point is None or point.scale != "probability"):
        reason = "only names classes" if point is None else f"gives none, and judges by {point.scale.words}"
        raise ConfigError(f"--interval needs the probability of a defect; this inspector {reason}")
    with answers(args, images) as log:
        if not args.json:
            value = "probability" if point is None else point.scale.words
            heads = _columns("decision", f"{value} (interval)" if args.interval else value, "label", "ms")
            stdout().print(Text(f"{heads}image", style="bold"))
        counts = _judge(inspector, images, args, log)
    if not args.json:
        total = "1 image" if len(images) == 1 else f"{len(images)} images"
        stdout().print(f"{total}: {', '.join(_in_words(counts, inspector))}", markup=False)
    return 2 if counts[UNREADABLE] or counts[UNWRITTEN] else 0


def _judge(
    inspector: Inspector, images: Sequence[Path], args: argparse.Namespace, log: Answers | None
) -> Counter[str]:
    """Judge images, log each verdict before its line is printed, and return how many are of each kind."""
    from brightfield.explain.defect_table import NAME, write_defects

    console = stdout()
    starts = _starts(images, args.output, args.overlay)
    counts: Counter[str] = Counter()
    measured: list[tuple[tuple[str, str], Sequence[Defect]]] = []
    # on a terminal the printed lines show the progress, so no bar is needed
    with show_progress(args.quiet or sys.stdout.isatty()) as progress:
        requests = ((image, args.output is not None or args.defects) for image in images)
        looks = inspector.looks(requests, threshold=args.threshold, measure=log is not None)
        for done, (image, found) in enumerate(zip(images, looks, strict=True), start=1):
            look, entry = (found, None) if log is None else log.answer(image, found)
            counts.update(_report(inspector, look, (image, starts.get(image)), args, console, entry))
            if not isinstance(look, ImageError) and look.verdict.measured:
                measured.append(((str(image), str(look.verdict.decision or "")), look.verdict.defects))
            progress("inspect", done, len(images))
    if args.output is not None and measured:
        write_defects(args.output / NAME, ("image", "decision"), measured)
    return counts


def find_images(named: Sequence[Path], leave_out: Path | None = None) -> list[Path]:
    """Return the named files and the images below the named folders, each once and without masks.

    Args:
        named: Files and folders.
        leave_out: The folder of results, whose images are left out.

    Raises:
        DataError: If there are no images.
    """
    images: dict[str, Path] = {}
    for place in named:
        inside = list(_images_below(place, leave_out)) if place.is_dir() else [place]
        if not inside:
            log.warning("no images in %s", place)
        for image in inside:
            images.setdefault(os.path.abspath(image), image)
    if not images:
        from brightfield.data.decode import IMAGE_SUFFIXES

        suffixes = ", ".join(sorted(IMAGE_SUFFIXES))
        raise DataError(f"no images in {', '.join(map(str, named))}; expected files ending in {suffixes}")
    return list(images.values())


def _images_below(folder: Path, leave_out: Path | None) -> Iterator[Path]:
    from brightfield.data.image_files import image_files
    from brightfield.explain.files import ENDINGS

    results = None if leave_out is None else leave_out.resolve()
    # results written among the images, or above them, are recognised by their names alone
    apart = results is not None and not folder.resolve().is_relative_to(results)
    for image, _ in image_files(folder):
        inside = results is not None and image.resolve().is_relative_to(results)
        if not inside or not (apart or image.name.endswith(ENDINGS)):
            yield image


def output_names(images: Sequence[Path]) -> dict[Path, Path]:
    """Return a unique path for the results of each image, relative to the folder of results.

    It is the image's path below the common folder of all images, without its suffix. If two images of a
    folder differ in their suffix only, such as a.png and a.jpg, all images of that folder keep their suffix.
    """
    absolute = {image: Path(os.path.abspath(image)) for image in images}
    shared = os.path.commonpath([path.parent for path in absolute.values()])
    stems = Counter(path.with_suffix("") for path in absolute.values())
    crowded = {path.parent for path in absolute.values() if stems[path.with_suffix("")] > 1}
    return {
        image: (path if path.parent in crowded else path.with_suffix("")).relative_to(shared)
        for image, path in absolute.items()
    }


def _starts(images: Sequence[Path], output: Path | None, overlaid: bool) -> dict[Path, Path]:
    """Return for each image the start of the paths of its results; empty without an output folder.

    Raises:
        ConfigError: If a result would overwrite an image.
    """
    if output is None:
        return {}
    from brightfield.explain.files import KINDS, map_paths

    starts = {image: output / name for image, name in output_names(images).items()}
    kinds = tuple(kind for kind in KINDS if overlaid or kind != "overlay")
    check_overwrites((map_paths(start)[kind] for start in starts.values() for kind in kinds), images)
    return starts


def _report(
    inspector: Inspector,
    look: Look | ImageError,
    place: tuple[Path, Path | None],
    args: argparse.Namespace,
    console: Console,
    entry: Entry | None,
) -> list[str]:
    """Write one image's results and print its line; return the counts that it belongs to.

    `place` is the image's path and the start of the paths of its results; `entry` its entry in the log.
    """
    image, start = place
    if isinstance(look, ImageError):
        say("error", str(look), "bold red")
        if args.json:
            print(json.dumps({"image": str(image), "error": str(look)}), flush=True)
        return [UNREADABLE]
    verdict = look.verdict
    others = by_another(verdict, entry)
    interval = inspector.probability_interval(verdict.score) if args.interval and not others else None
    before = answered_before(verdict, entry)
    kinds = [verdict.label if verdict.decision is None else str(verdict.decision)]
    kinds += [ANSWERED] if before else []
    failed, files = None, None
    if start is not None and not (entry is not None and entry.other_picture):
        from brightfield.explain.files import write_maps

        try:
            files = write_maps(start, verdict, look.picture if args.overlay else None)
        except WriteError as error:
            failed = f"{image}: {error}"
            say("error", failed, "bold red")
            kinds.append(UNWRITTEN)
    if args.json:
        line = _line(verdict, files, interval, written=start is not None)
        line |= {"probability_interval": None} if args.interval and others else {}
        line |= {} if entry is None else fields_of(entry, verdict)
        print(json.dumps(line if failed is None else {**line, "error": failed}), flush=True)
    else:
        _print_line(console, verdict, "" if others else _value(verdict, interval), before)
        if args.defects:
            _print_defects(console, verdict.defects)
    return kinds


def _line(
    verdict: Verdict, files: MapFiles | None, interval: tuple[float, float] | None, *, written: bool
) -> dict[str, Any]:
    line = verdict.as_dict()
    if interval is not None:
        line["probability_interval"] = list(interval)
    if written:
        for name in ("heatmap", "mask", "types"):
            place = None if files is None else getattr(files, name)
            line[name] = None if place is None else str(place)
        line["closest"] = None if verdict.closest is None else verdict.closest.as_dict()
    return line


def _value(verdict: Verdict, interval: tuple[float, float] | None) -> str:
    best = verdict.probabilities.get(verdict.label) if verdict.decision is None else verdict.value
    shown = "" if best is None else f"{best:.4g}" if verdict.scale in ("score", "p_value") else f"{best:.3f}"
    return shown if interval is None else f"{shown} ({interval[0]:.3f} to {interval[1]:.3f})"


def _print_line(console: Console, verdict: Verdict, shown: str, before: str) -> None:
    """Print a verdict.

    Args:
        console: Where to.
        verdict: The verdict.
        shown: Its value; empty for that of another inspector, which may be on another scale.
        before: When a part got this answer that now came again, and by whom; else empty.
    """
    decision = "" if verdict.decision is None else str(verdict.decision)
    cells = _columns(decision, shown, printable(verdict.label), f"{verdict.milliseconds:.0f}")
    rule = "" if verdict.rule is None else f"  {printable(verdict.rule)}"
    again = f"  ({before})" if before else ""
    line = (
        (cells[:8], _COLOURS.get(decision, "")),
        cells[8:],
        printable(verdict.image),
        (rule, "red"),
        again,
    )
    console.print(Text.assemble(*line))


def _print_defects(console: Console, defects: Sequence[Defect]) -> None:
    for defect in defects[:MOST_PRINTED]:
        row, column = defect.centre
        side = defect.mm_per_pixel or 1.0
        length, width, area = defect.length * side, defect.width * side, defect.area * side**2
        size = f"{length:.4g} x {width:.4g} px, area {area:.0f} px"
        if defect.mm_per_pixel is not None:
            size = f"{length:.4g} x {width:.4g} mm, area {area:.4g} mm2"
        where = f"{size}, at row {row:.0f}, column {column:.0f}"
        console.print(Text(f"         {printable(defect.type)}: {where}", style="dim"))
    if len(defects) > MOST_PRINTED:
        console.print(Text(f"         and {len(defects) - MOST_PRINTED} more", style="dim"))


def _columns(*cells: str) -> str:
    return _FORMAT.format(*cells, wide=11 if len(cells[1]) <= 11 else 23)


def _in_words(counts: Counter[str], inspector: Inspector) -> Iterator[str]:
    for name in inspector.classes if inspector.normal is None else _COLOURS:
        yield f"{counts[name]} {name}"
    for name in (ANSWERED, UNREADABLE, UNWRITTEN):
        if counts[name]:
            yield f"{counts[name]} {name}"
