"""The options of the commands that judge: rules of their own, and the size of a pixel."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from brightfield.cli.terminal import number

if TYPE_CHECKING:
    from brightfield.inspector import Inspector

NONE = "none"
"""The value of `--rules` that takes an inspector's rules away."""


def add_rules_options(parser: argparse.ArgumentParser) -> None:
    """Add `--rules` and `--mm-per-pixel`."""
    parser.add_argument(
        "--rules",
        metavar="FILE",
        help="TOML file of limits on the size, number and type of defects that decide beside the "
        f"probability, instead of the inspector's own; {NONE} takes these away",
    )
    parser.add_argument(
        "--mm-per-pixel",
        metavar="MM",
        type=number,
        help="the side of a pixel of the original pictures in millimetres, instead of the inspector's own",
    )


def with_rules_of(args: argparse.Namespace, inspector: Inspector) -> Inspector:
    """Return the inspector with the rules and the scale that the command line gives.

    Raises:
        ConfigError: If they are wrong, or do not fit the inspector.
    """
    if args.rules is None and args.mm_per_pixel is None:
        return inspector
    from brightfield.decide.rules_file import read_rules

    rules = inspector.rules
    if args.rules is not None:
        rules = None if args.rules == NONE else read_rules(Path(args.rules))
    return inspector.with_rules(rules, args.mm_per_pixel)
