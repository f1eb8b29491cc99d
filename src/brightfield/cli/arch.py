"""`brightfield arch`: a network layer by layer, and what its units see."""

from __future__ import annotations

import argparse
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.box import SIMPLE_HEAD
from rich.table import Table

from brightfield.cli.progress import show_progress
from brightfield.cli.terminal import Subparsers, add_command, stdout
from brightfield.disk.room import check_overwrites
from brightfield.errors import ConfigError

if TYPE_CHECKING:
    from brightfield.arch.graph import Architecture, Layer
    from brightfield.data.extents import Extents


_WIDTH = 120
"""Of the table, in characters: a narrower terminal breaks its lines, rather than losing figures."""


def register(subparsers: Subparsers[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = add_command(
        subparsers,
        "arch",
        "show a network layer by layer: sizes, parameters, multiply-adds, receptive fields",
    )
    parser.add_argument(
        "name",
        metavar="NAME",
        help="fast_cnn, wide_cnn, tutorial_cnn, lenet5, resnet18, ... or any timm or torchvision name",
    )
    parser.add_argument(
        "--input",
        metavar="CxHxW",
        type=shape,
        default=(3, 32, 32),
        help="the image's size (default: 3x32x32)",
    )
    parser.add_argument("--classes", metavar="N", type=int, default=10, help="outputs (default: 10)")
    parser.add_argument(
        "--data", metavar="DATA", help="a data set with masks: what share of its defects fits in each field"
    )
    parser.add_argument(
        "-o",
        "--output",
        metavar="PNG",
        type=Path,
        help="draw the theoretical and the effective receptive fields there",
    )
    parser.set_defaults(run=run)


def shape(text: str) -> tuple[int, int, int]:
    """Return the (C, H, W) that an option's value says."""
    found = re.fullmatch(r"(\d+)x(\d+)x(\d+)", text)
    values = tuple(int(v) for v in found.groups()) if found else ()
    if len(values) != 3 or not all(1 <= v <= 4096 for v in values):
        raise argparse.ArgumentTypeError(f"{text!r} is no size; expected CHANNELSxHEIGHTxWIDTH, as 3x32x32")
    return values


def run(args: argparse.Namespace) -> int:
    """Take apart, print, draw; return 0."""
    if args.output is not None and args.output.suffix.lower() != ".png":
        raise ConfigError(f"-o {args.output} is no PNG; name a file that ends in .png")
    if args.classes < 1:
        raise ConfigError(f"--classes is {args.classes}; expected 1 or more")
    from brightfield.arch.describe import describe

    found = describe(args.name, args.input, args.classes)
    extents = _extents(args) if args.data else None
    if args.output is not None:
        from brightfield.arch.drawing import draw_fields

        draw_fields(found, args.output)
    if args.json:
        print(json.dumps(_document(found, extents, args.output)))
    else:
        _print(found, extents, args.output)
    return 0


def _extents(args: argparse.Namespace) -> Extents:
    from brightfield.data.extents import defect_extents
    from brightfield.data.load import load

    dataset = load(args.data)
    if args.output is not None:
        read = (file for sample in dataset.samples for file in (sample.path, sample.mask))
        check_overwrites([args.output], read)
    with show_progress(args.quiet) as progress:
        return defect_extents(dataset, progress)


def _print(found: Architecture, extents: Extents | None, picture: Path | None) -> None:
    console = stdout(_WIDTH)
    table = Table(box=SIMPLE_HEAD, padding=(0, 1), collapse_padding=True)
    table.add_column("layer", no_wrap=True, min_width=5)
    for name in ("does", "output", "parameters", "M mult-adds", "stride", "field", "centre"):
        table.add_column(name, justify="left" if name == "does" else "right", no_wrap=True)
    for layer in found.layers:
        size = "x".join(str(s) for s in layer.output)
        work = f"{layer.multiply_adds / 1e6:.2f}" if layer.multiply_adds else ""
        table.add_row(layer.name, layer.kind, size, _number(layer.parameters), work, *_seen(layer))
    console.print(table)
    console.print(
        f"{found.title}: {found.parameters:,} parameters, {found.multiply_adds:,} multiply-adds an image of "
        f"{'x'.join(str(s) for s in found.input)}; norms, activations and biases are not counted, "
        "activations not listed"
    )
    if extents is not None:
        _print_extents(found, extents)
    if picture is not None:
        console.print(f"picture: {picture}", markup=False)


def _print_extents(found: Architecture, extents: Extents) -> None:
    table = Table(
        "map",
        "stride",
        "field",
        "at their own size",
        f"shrunk to {max(found.input[1:])} px",
        title="defects that fit",
    )
    for row in _shares(found, extents):
        field = "x".join(str(v) for v in row["field"])
        table.add_row(
            row["layer"], str(row["stride"]), field, f"{row['own_size']:.1%}", f"{row['shrunk']:.1%}"
        )
    console = stdout(_WIDTH)
    console.print(table)
    console.print(f"{len(extents.boxes)} defects (connected regions of the masks), by their bounding boxes")


def _shares(found: Architecture, extents: Extents) -> list[dict[str, Any]]:
    rows = []
    for layer in found.stages():
        if isinstance(layer.seen, tuple):
            high, wide = (span.size for span in layer.seen)
            rows.append(
                {
                    "layer": layer.name,
                    "stride": layer.stride,
                    "field": [high, wide],
                    "own_size": extents.share_within(high, wide),
                    "shrunk": extents.share_within(high, wide, max(found.input[1:])),
                }
            )
    return rows


def _number(value: int) -> str:
    return f"{value:,}" if value else ""


def _seen(layer: Layer) -> tuple[str, str, str]:
    if layer.seen is None:
        return "", "?", ""
    if isinstance(layer.seen, str):
        return "", "all", ""
    y, x = layer.seen
    same = y == x
    return (
        str(y.step) if same else f"{y.step}x{x.step}",
        str(y.size) if same else f"{y.size}x{x.size}",
        f"{y.centre:g}" if same else f"{y.centre:g}, {x.centre:g}",
    )


def _document(found: Architecture, extents: Extents | None, picture: Path | None) -> dict[str, Any]:
    layers = []
    for layer in found.layers:
        spans = layer.seen if isinstance(layer.seen, tuple) else None
        layers.append(
            {
                "name": layer.name,
                "kind": layer.kind,
                "output": list(layer.output),
                "parameters": layer.parameters,
                "multiply_adds": layer.multiply_adds,
                "stride": [s.step for s in spans] if spans else None,
                "receptive_field": [s.size for s in spans] if spans else layer.seen,
                "centre": [s.centre for s in spans] if spans else None,
            }
        )
    return {
        "name": found.name,
        "variant": found.variant,
        "input": list(found.input),
        "parameters": found.parameters,
        "multiply_adds": found.multiply_adds,
        "layers": layers,
        "defects": None if extents is None else {"n": len(extents.boxes), "fit": _shares(found, extents)},
        "picture": None if picture is None else str(picture),
    }
