"""`brightfield arch`: show the layers of a network and their receptive fields."""

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
"""Width of the table in characters; a narrower terminal wraps its lines and shows all figures."""


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
        help="channels, height and width of the image (default: 3x32x32)",
    )
    parser.add_argument(
        "--classes", metavar="N", type=int, default=10, help="number of classes (default: 10)"
    )
    parser.add_argument(
        "--data",
        metavar="DATA",
        help="a data set with masks: show the share of its defects that fits into each receptive field",
    )
    parser.add_argument(
        "-o",
        "--output",
        metavar="PNG",
        type=Path,
        help="draw the theoretical and the effective receptive fields to this file",
    )
    parser.set_defaults(run=run)


def shape(text: str) -> tuple[int, int, int]:
    """Parse an image size such as 3x32x32 into (C, H, W)."""
    match = re.fullmatch(r"(\d+)x(\d+)x(\d+)", text)
    values = tuple(int(v) for v in match.groups()) if match else ()
    if len(values) != 3 or not all(1 <= v <= 4096 for v in values):
        raise argparse.ArgumentTypeError(
            f"{text!r} is not an image size; expected CHANNELSxHEIGHTxWIDTH, "
            "each from 1 to 4096, such as 3x32x32"
        )
    return values


def run(args: argparse.Namespace) -> int:
    """Describe the network, print the table and draw the fields; return 0."""
    if args.output is not None and args.output.suffix.lower() != ".png":
        raise ConfigError(f"-o {args.output} is not a PNG file; expected a name that ends in .png")
    if args.classes < 1:
        raise ConfigError(f"--classes is {args.classes}; expected 1 or more")
    from brightfield.arch.describe import describe

    architecture = describe(args.name, args.input, args.classes)
    extents = _extents(args) if args.data else None
    if args.output is not None:
        from brightfield.arch.drawing import draw_fields

        draw_fields(architecture, args.output)
    if args.json:
        print(json.dumps(_document(architecture, extents, args.output)))
    else:
        _print(architecture, extents, args.output)
    return 0


def _extents(args: argparse.Namespace) -> Extents:
    from brightfield.data.extents import defect_extents
    from brightfield.data.load import load

    dataset = load(args.data)
    if args.output is not None:
        read = (file for sample in dataset.samples for file in (sample.path, sample.mask_file))
        check_overwrites([args.output], read)
    with show_progress(args.quiet) as progress:
        return defect_extents(dataset, progress)


def _print(architecture: Architecture, extents: Extents | None, picture: Path | None) -> None:
    console = stdout(_WIDTH)
    table = Table(box=SIMPLE_HEAD, padding=(0, 1), collapse_padding=True)
    table.add_column("layer", no_wrap=True, min_width=5)
    for name in ("does", "output", "parameters", "M mult-adds", "stride", "field", "centre"):
        table.add_column(name, justify="left" if name == "does" else "right", no_wrap=True)
    for layer in architecture.layers:
        size = "x".join(str(s) for s in layer.output)
        work = f"{layer.multiply_adds / 1e6:.2f}" if layer.multiply_adds else ""
        table.add_row(layer.name, layer.kind, size, _number(layer.parameters), work, *_seen(layer))
    console.print(table)
    console.print(
        f"{architecture.title}: {architecture.parameters:,} parameters, "
        f"{architecture.multiply_adds:,} multiply-adds per image of "
        f"{'x'.join(str(s) for s in architecture.input)}; "
        "norms, activations and biases are not counted, and activations are not listed"
    )
    if extents is not None:
        _print_extents(architecture, extents)
    if picture is not None:
        console.print(f"picture: {picture}", markup=False)


def _print_extents(architecture: Architecture, extents: Extents) -> None:
    table = Table(
        "map",
        "stride",
        "field",
        "at their own size",
        f"shrunk to {max(architecture.input[1:])} px",
        title="share of the defects that fit into the receptive field",
    )
    for row in _shares(architecture, extents):
        field = "x".join(str(v) for v in row["field"])
        table.add_row(
            row["layer"], str(row["stride"]), field, f"{row['own_size']:.1%}", f"{row['shrunk']:.1%}"
        )
    console = stdout(_WIDTH)
    console.print(table)
    console.print(f"{len(extents.boxes)} defects (connected regions of the masks), by their bounding boxes")


def _shares(architecture: Architecture, extents: Extents) -> list[dict[str, Any]]:
    rows = []
    for layer in architecture.stages():
        if isinstance(layer.seen, tuple):
            high, wide = (span.size for span in layer.seen)
            rows.append(
                {
                    "layer": layer.name,
                    "stride": layer.stride,
                    "field": [high, wide],
                    "own_size": extents.share_within(high, wide),
                    "shrunk": extents.share_within(high, wide, max(architecture.input[1:])),
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


def _document(architecture: Architecture, extents: Extents | None, picture: Path | None) -> dict[str, Any]:
    layers = []
    for layer in architecture.layers:
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
        "name": architecture.name,
        "variant": architecture.variant,
        "input": list(architecture.input),
        "parameters": architecture.parameters,
        "multiply_adds": architecture.multiply_adds,
        "layers": layers,
        "defects": None
        if extents is None
        else {"n": len(extents.boxes), "fit": _shares(architecture, extents)},
        "picture": None if picture is None else str(picture),
    }
