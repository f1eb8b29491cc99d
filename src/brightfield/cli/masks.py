"""`brightfield masks`: propose masks, to be corrected in a labelling tool."""

from __future__ import annotations

import argparse
import json
import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING

from brightfield.cli.places import check_apart, check_folder
from brightfield.cli.progress import show_progress
from brightfield.cli.terminal import Subparsers, add_command, number, stdout, wait_asleep
from brightfield.errors import ConfigError

if TYPE_CHECKING:
    from brightfield.pipeline.propose import Proposed

log = logging.getLogger(__name__)

FORMATS = ("png", "coco", "labelme", "all")

_SHOWN = 3

_ATTRIBUTION = (
    "these masks come from attribution maps, which show what moved the decision and not where a defect ends: "
    "expect to redraw most of them"
)


def register(subparsers: Subparsers[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = add_command(subparsers, "masks", "propose masks, to be corrected in a labelling tool")
    parser.add_argument("bundle", metavar="BUNDLE", type=Path, help="an inspector")
    parser.add_argument(
        "data",
        metavar="DATA",
        help="a folder, a manifest or a catalog name; of a folder of images without classes the inspector "
        "decides which parts are good",
    )
    add = parser.add_argument
    add(
        "-o",
        "--output",
        metavar="DIR",
        type=Path,
        required=True,
        help="folder for masks/<class>/<image>_mask.png and annotations.json",
    )
    add(
        "--format",
        nargs="+",
        choices=FORMATS,
        default=["png", "coco"],
        help="what is written: png masks, one coco file for all, a labelme file each (default: png coco)",
    )
    add(
        "--split",
        choices=("train", "calibration", "test", "all"),
        default="all",
        help="the split to take (default: all)",
    )
    add(
        "--threshold",
        metavar="HEAT",
        type=number,
        help="propose pixels from this heat on; 1 is where a part stops passing (default: what the inspector "
        "marks itself)",
    )
    add(
        "--smallest",
        metavar="PX",
        type=int,
        default=1,
        help="leave out regions of fewer pixels (default: 1)",
    )
    add(
        "--only-defective",
        action="store_true",
        help="write nothing for good parts, instead of an empty mask",
    )
    add("--overlay", action="store_true", help="also write each proposal drawn over its picture")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Propose masks and print how many; return 2 if an image could not be read, else 0."""
    wait_asleep()
    check_folder(args.output)
    check_apart(args.output, data=args.data, bundles=(args.bundle,))
    _check_outside(args.output, args.data)

    from brightfield.api import masks

    args.stopped = f"remove what was proposed so far, in {args.output}, before you run it again"
    formats = FORMATS[:-1] if "all" in args.format else tuple(dict.fromkeys(args.format))
    with show_progress(args.quiet) as progress:
        proposed = masks(
            args.bundle,
            args.data,
            args.output,
            split=args.split,
            formats=formats,
            threshold=args.threshold,
            smallest=args.smallest,
            only_defective=args.only_defective,
            overlay=args.overlay,
            progress=progress,
        )
    if proposed.kind == "attribution" and proposed.regions:
        log.warning("%s", _ATTRIBUTION)
    if args.json:
        print(json.dumps(proposed.as_dict()))
    else:
        _print(proposed, formats)
    return 2 if proposed.unreadable else 0


def _check_outside(output: Path, data: str) -> None:
    """Check that the masks do not become a class of a data set that is a folder.

    Raises:
        ConfigError: If they would.
    """
    root = Path(os.path.realpath(data))
    if root.is_dir() and Path(os.path.realpath(output)).is_relative_to(root):
        raise ConfigError(
            f"{output} is inside the data set; choose a folder beside it, and move corrected masks there"
        )


def _print(proposed: Proposed, formats: tuple[str, ...]) -> None:
    console = stdout()
    regions = ", ".join(f"{name} {n}" for name, n in proposed.regions.items()) or "none"
    found = proposed.images - proposed.good - len(proposed.nothing)
    some = ", ".join(proposed.nothing[:_SHOWN]) + (", ..." if len(proposed.nothing) > _SHOWN else "")
    for name, n, more in (
        ("pictures with proposed defects", found, f"; regions: {regions}"),
        ("pictures in which nothing was found, with empty masks", len(proposed.nothing), f" ({some})"),
        ("good parts, with empty masks", proposed.good, ""),
        ("good parts, left out", proposed.left_out, ""),
        ("unreadable", len(proposed.unreadable), ""),
    ):
        if n or name == "pictures with proposed defects":
            console.print(f"{name}: {n}{more}", markup=False)
    if "coco" in formats:
        console.print(str(proposed.output / "annotations.json"), markup=False)
    if {"png", "labelme"} & set(formats):
        console.print(str(proposed.output / "masks"), markup=False)
