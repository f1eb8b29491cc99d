"""`brightfield log`: show, count, filter and export the verdicts in a log."""

from __future__ import annotations

import argparse
import json
import logging
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.markup import escape
from rich.table import Table
from rich.text import Text

from brightfield.cli.terminal import Subparsers, add_command, number, stdout
from brightfield.disk.room import check_overwrites, in_bytes
from brightfield.errors import ConfigError, said_if_missing
from brightfield.verdict import DECISIONS

if TYPE_CHECKING:
    from brightfield.monitor.log.records import Entry, Filter, Judged
    from brightfield.monitor.log.store import VerdictLog

SHOWN = 20
"""How many entries are shown if nothing else is said."""

_LOG = logging.getLogger(__name__)
_GROUPS = ("decision", "label", "station", "lot", "inspector", "day")
_MOST_GROUPS = 10
_COLOURS = {"OK": "green", "REVIEW": "yellow", "DEFECT": "bold red"}
_DIGITS_SHOWN = 12


def register(subparsers: Subparsers[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = add_command(subparsers, "log", "show, count, filter and export the verdicts in a log")
    parser.add_argument(
        "log", metavar="FILE|URL", help="a log that `inspect --log` wrote: a file, or postgresql://..."
    )
    parser.add_argument(
        "--last", metavar="N", type=_count, default=SHOWN, help=f"show the last N entries (default {SHOWN})"
    )
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--summary", action="store_true", help="count the entries instead of showing them")
    what.add_argument(
        "--export",
        metavar="FILE",
        type=Path,
        help="write all entries that are meant to a table: .csv, or .parquet (extra `parquet`)",
    )
    what.add_argument(
        "--copy-to", metavar="FILE|URL", help="copy the whole log, but its pictures, into a new one"
    )
    add_filter_options(parser)
    parser.set_defaults(run=run)


def add_filter_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that say which entries are meant."""
    group = parser.add_argument_group("which entries; all conditions hold at once")
    group.add_argument(
        "--since", metavar="TIME", help="from this time on, such as 2026-03-01 or ...T14:30 (UTC)"
    )
    group.add_argument("--until", metavar="TIME", help="before this time; a date alone includes that day")
    for name, what in (("part", "of this part"), ("lot", "of these lots"), ("station", "of these stations")):
        group.add_argument(f"--{name}", metavar=name.upper(), nargs="+", help=what)
    group.add_argument("--decision", nargs="+", choices=DECISIONS, help="with these decisions")
    group.add_argument("--label", metavar="LABEL", nargs="+", help="with these labels")
    group.add_argument("--inspector", metavar="SHA256", help="by this inspector; its first digits suffice")
    for name in ("score", "probability"):
        group.add_argument(
            f"--{name}", metavar=("LOW", "HIGH"), nargs=2, type=number, help=f"with a {name} in this range"
        )
    judged = group.add_mutually_exclusive_group()
    judged.add_argument("--judged", action="store_true", default=None, help="that a person has judged")
    judged.add_argument(
        "--not-judged", dest="judged", action="store_false", default=None, help="that nobody has judged"
    )


def filter_of(args: argparse.Namespace) -> Filter:
    """Return the filter that the options ask for.

    Raises:
        ConfigError: If a range is upside down, or no probability.
    """
    from brightfield.monitor.log.records import Filter

    _check_times(args)
    for name in ("score", "probability"):
        low, high = getattr(args, name) or (0.0, 0.0)
        if low > high:
            raise ConfigError(f"--{name} is {low:g} to {high:g}; expected the lower value first")
    low, high = args.probability or (0.0, 1.0)
    if low < 0.0 or high > 1.0:
        raise ConfigError(f"--probability is {low:g} to {high:g}; expected values from 0 to 1")
    texts = ("part", "lot", "station", "decision", "label")
    several = {name: tuple(found) for name in texts if (found := getattr(args, name))}
    same = {name: getattr(args, name) for name in ("since", "until", "inspector", "judged")}
    ranges = {name: tuple(found) for name in ("score", "probability") if (found := getattr(args, name))}
    meant: dict[str, Any] = {**several, **same, **ranges}
    return Filter(**meant)


def _check_times(args: argparse.Namespace) -> None:
    """Check that the range of times is not upside down."""
    if args.since is None or args.until is None:
        return
    with said_if_missing():
        from brightfield.monitor.log.queries import moment

    if moment(args.since) >= moment(args.until, end=True):
        raise ConfigError(
            f"--since is {args.since} and --until {args.until}; expected the earlier time first"
        )


def run(args: argparse.Namespace) -> int:
    """Show, count or export entries; return 0."""
    asked = filter_of(args)
    with said_if_missing():
        from brightfield.monitor.log.export import check_export
        from brightfield.monitor.log.store import VerdictLog

    if args.export is not None:
        check_export(args.export)
        check_overwrites([args.export], [] if "://" in args.log else [Path(args.log)])
    with VerdictLog(args.log, create=False) as log:
        if args.copy_to is not None:
            return _copy(log, args.copy_to, as_json=args.json)
        if args.export is not None:
            return _export(log, asked, args)
        if args.summary:
            return _summarise(log, asked, as_json=args.json)
        return _show(log, asked, args)


def _export(log: VerdictLog, asked: Filter, args: argparse.Namespace) -> int:
    from brightfield.monitor.log.export import export

    written = export(log, args.export, asked)
    if args.json:
        print(json.dumps({"log": log.shown, "export": str(args.export), "entries": written}))
    else:
        stdout().print(f"{_entries(written)} in {args.export}", markup=False)
    return 0


def _copy(log: VerdictLog, place: str, *, as_json: bool) -> int:
    from brightfield.monitor.log.moving import copy_log
    from brightfield.monitor.log.store import VerdictLog

    with VerdictLog(place) as target:
        copied = copy_log(log, target)
        if as_json:
            print(json.dumps({"log": log.shown, "copy": target.shown, **copied}))
        else:
            rows = ", ".join(f"{n:,} {name}" for name, n in copied.items())
            stdout().print(f"{log.shown} copied to {target.shown}: {rows}", markup=False)
    return 0


def _summarise(log: VerdictLog, asked: Filter, *, as_json: bool) -> int:
    from brightfield.monitor.log.summary import summarise

    found = summarise(log, asked)
    if as_json:
        print(json.dumps({"log": log.shown, **found.as_dict()}))
        return 0
    console = stdout()
    if found.entries == 0:
        console.print(f"{log.shown}: no entry", markup=False)
        _say_what_there_is(log, asked)
        return 0
    span = "" if found.first is None else f", from {_short(found.first)} to {_short(found.last or '')} (UTC)"
    console.print(f"{log.shown}: {_entries(found.entries)}{span}", markup=False)
    for name, counts in found.counts.items():
        if name == "decision" or len(counts) > 1 or (name == "lot" and None not in counts):
            console.print(f"by {name}: {_counts(name, counts)}", markup=False)
    console.print(
        f"judged by a person: {found.judged}; pictures kept: {found.pictures}, {in_bytes(found.bytes)}"
    )
    return 0


def _counts(name: str, counts: dict[str | None, int]) -> str:
    ranked = sorted(counts.items(), key=lambda one: (one[0] or "") if name == "day" else -one[1])
    shown = ranked[-_MOST_GROUPS:] if name == "day" else ranked[:_MOST_GROUPS]
    words = (f"{_group(name, group)} {n}" for group, n in shown)
    left = len(ranked) - len(shown)
    return ", ".join(words) + (f" and {left} more (--json has all)" if left else "")


def _group(name: str, group: str | None) -> str:
    if group is None:
        return "none"
    return group[:_DIGITS_SHOWN] if name == "inspector" else group


def _show(log: VerdictLog, asked: Filter, args: argparse.Namespace) -> int:
    from brightfield.monitor.log.judging import latest_judgements

    shown = list(log.entries(asked, newest_first=True, most=args.last))[::-1]
    judged = latest_judgements(log.database, (entry.id for entry in shown))
    total = log.count(asked)
    if total == 0:
        _say_what_there_is(log, asked)
    if args.json:
        from brightfield.monitor.log.export import EMBEDDING, as_row

        rows = [as_row(entry, judged.get(entry.id)) for entry in shown]
        for row in rows:
            del row[EMBEDDING]
        print(json.dumps({"log": log.shown, "entries": total, "shown": rows}))
        return 0
    console = stdout(least=120)
    if total == 0:
        console.print(f"no entry of {log.shown}", markup=False)
        return 0
    console.print(_table(shown, judged))
    more = "" if total == len(shown) else f"; the last {len(shown)} are shown"
    console.print(f"{_entries(total)} of {log.shown}{more}", markup=False)
    return 0


def _say_what_there_is(log: VerdictLog, asked: Filter) -> None:
    """Say which values there are, of a condition that no entry of the log meets."""
    from brightfield.monitor.log.records import Filter

    for name in ("lot", "station", "decision", "label"):
        wanted = getattr(asked, name)
        if wanted is None:
            continue
        known = sorted(value for (value,) in log.counts((name,), Filter()) if value is not None)
        if not set(wanted) & set(known):
            listed = ", ".join(known[:_MOST_GROUPS])
            more = f" and {len(known) - _MOST_GROUPS} more" if len(known) > _MOST_GROUPS else ""
            there = f"there are {listed}{more}" if known else f"no entry has a {name}"
            _LOG.warning("no entry has the %s %s: %s", name, " or ".join(map(repr, wanted)), there)


def _table(shown: Iterable[Entry], judged: dict[int, Judged]) -> Table:
    heads = ("id", "time (UTC)", "part", "lot", "station", "decision", "value", "label", "truth", "image")
    table = Table(*heads, box=None, pad_edge=False)
    for entry in shown:
        one = judged.get(entry.id)
        ids = (_part(entry.part), entry.lot or "", entry.station or "")
        said = (entry.label, "" if one is None else one.truth, entry.image)
        table.add_row(
            *(str(entry.id), _short(entry.time), *map(escape, ids)),
            Text(entry.decision or "", style=_COLOURS.get(entry.decision or "", "")),
            "" if entry.value is None else f"{entry.value:.4g}",
            *map(escape, said),
        )
    return table


def _part(part: str | None) -> str:
    """Return a part's id, shortened where it is only the digest of its picture."""
    start, colon, digits = (part or "").partition(":")
    return f"{start}:{digits[:_DIGITS_SHOWN]}" if colon and start == "sha256" else part or ""


def _entries(n: int) -> str:
    return "1 entry" if n == 1 else f"{n:,} entries"


def _short(time: str) -> str:
    return time[:19].replace("T", " ")


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of entries; expected 1 or more")
    return int(text)
