"""`brightfield review`: pages for people to judge parts on, and what their looks prove."""

from __future__ import annotations

import argparse
import json
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.table import Table

from brightfield.cli.places import check_apart, check_folder
from brightfield.cli.progress import show_progress
from brightfield.cli.terminal import Subparsers, add_command, number, stdout, wait_asleep
from brightfield.errors import ConfigError, said_if_missing

if TYPE_CHECKING:
    from brightfield.inspector import Inspector
    from brightfield.monitor.audit.of_log import LogAudit
    from brightfield.monitor.audit.promise import Promise, Standing
    from brightfield.monitor.log.store import VerdictLog

log = logging.getLogger(__name__)

_RATES = (
    ("escapes, of all defects", "escape_rate"),
    ("overkills, of all good parts", "overkill_rate"),
    ("defective, of those that passed", "defective_passed"),
    ("defective, of those that did not", "defective_rejected"),
    ("missed by people, of all defects", "missed"),
    ("called defective by people, of all good parts", "alarms"),
)


def register(subparsers: Subparsers[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = add_command(
        subparsers, "review", "show people what to look at, take in what they say, and bound the escape rate"
    )
    parser.add_argument(
        "log", metavar="LOG", help="a log that `inspect --log` wrote: a file or postgresql://..."
    )
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument(
        "--next", metavar="N", type=int, help="write a page with the next N pictures to look at"
    )
    what.add_argument(
        "--import",
        dest="files",
        metavar="FILE",
        type=Path,
        nargs="+",
        help="take in files that pages saved; a file taken in again changes nothing",
    )
    what.add_argument(
        "--bound", action="store_true", help="print what the looks so far prove; valid however often one asks"
    )
    what.add_argument(
        "--withdraw",
        metavar="PAGE",
        help="wait no longer for a page that will not come back, by its id or file: its pictures that nobody "
        "judged may be drawn again at once, instead of after seven days",
    )
    parser.add_argument(
        "--bundle",
        metavar="BUNDLE",
        type=Path,
        help="the inspector (default: the one that judged last), for its heatmaps, classes and promises",
    )
    parser.add_argument(
        "--since",
        metavar="TIME",
        help="with --next and --bound: parts from this time on alone, such as 2026-03-01 or ...T14:30 "
        "(UTC), to begin anew after an alarm of drift",
    )
    _add_page_options(parser)
    _add_bound_options(parser)
    parser.set_defaults(run=run)


def _add_page_options(parser: argparse.ArgumentParser) -> None:
    pages = parser.add_argument_group("options of --next")
    pages.add_argument("-o", "--output", metavar="FOLDER", type=Path, help="where the page is written")
    pages.add_argument(
        "--seeded",
        metavar="DATA",
        help="known pieces to mix in: a folder with good and defective ones; they tell how often "
        "people are wrong",
    )
    pages.add_argument(
        "--shares",
        metavar="SHARES",
        help="shares of a page, such as 'passed=0.5 rejected=0.2 known=0.1 band=0.2'; also twice, uncertain, "
        "novel",
    )
    pages.add_argument(
        "--entries", metavar="ID", type=int, nargs="+", default=[], help="entries to show in any case"
    )


def _add_bound_options(parser: argparse.ArgumentParser) -> None:
    bounds = parser.add_argument_group("options of --bound")
    bounds.add_argument(
        "--promise",
        metavar="SHARE",
        type=number,
        help="a bound on the escape rate to prove, such as 0.02, beside those that the inspector promises",
    )
    bounds.add_argument(
        "--confidence",
        metavar="C",
        type=number,
        default=0.95,
        help="confidence of the bounds (default: 0.95)",
    )


def run(args: argparse.Namespace) -> int:
    """Write a page, take in files, or print the bounds; return 0."""
    wait_asleep()
    _check(args)
    with said_if_missing():
        from brightfield.monitor.log.store import VerdictLog

    inspector = _inspector(args)
    with VerdictLog(args.log, create=False) as verdicts:
        if args.files is not None:
            return _take_in(verdicts, args)
        if args.withdraw is not None:
            return _withdraw(verdicts, args)
        if args.bound:
            return _bound(verdicts, inspector, args)
        return _next(verdicts, inspector, args)


def _check(args: argparse.Namespace) -> None:
    """Check that the options go together."""
    if args.next is not None and args.output is None:
        raise ConfigError("--next writes a page; add -o FOLDER")
    given = {"-o": args.output, "--seeded": args.seeded, "--shares": args.shares}
    given |= {"--entries": args.entries or None}
    wrong = [name for name, value in given.items() if value is not None]
    if args.next is None and wrong:
        raise ConfigError(f"{wrong[0]} belongs to --next N")
    if args.since is not None and args.next is None and not args.bound:
        raise ConfigError("--since belongs to --next N and --bound; a page is taken in or withdrawn whole")
    if not args.bound and args.promise is not None:
        raise ConfigError("--promise belongs to --bound")
    if args.output is not None:
        check_folder(args.output)
        check_apart(args.output, data=args.seeded, bundles=(args.bundle,))


def _inspector(args: argparse.Namespace) -> Inspector | None:
    if args.bundle is None:
        return None
    from brightfield.inspector import load

    return load(args.bundle)


def _next(verdicts: VerdictLog, inspector: Inspector | None, args: argparse.Namespace) -> int:
    from brightfield.monitor.review.known import load_known
    from brightfield.monitor.review.make import Asked, make_page
    from brightfield.monitor.review.shares import SHARES, parse_shares

    known = None
    if args.seeded is not None:
        known = load_known(args.seeded, None if inspector is None else inspector.normal)
    shares = SHARES if args.shares is None else parse_shares(args.shares)
    asked = Asked(args.next, shares, known, tuple(args.entries), inspector, since=args.since)
    with show_progress(args.quiet) as progress:
        page = make_page(verdicts, args.output, asked, progress)
    for note in page.notes:
        log.warning("%s", note)
    if args.json:
        document = {
            "page": page.id,
            "file": str(page.path),
            "pictures": dict(page.counts),
            "notes": page.notes,
        }
        print(json.dumps(document))
    else:
        listed = ", ".join(f"{n} {name}" for name, n in page.counts.items())
        stdout().print(f"{page.path}: {sum(page.counts.values())} pictures ({listed})", markup=False)
        stdout().print("Open it in any browser; take the file that it saves in with --import.")
    return 0


def _take_in(verdicts: VerdictLog, args: argparse.Namespace) -> int:
    from brightfield.monitor.review.take_in import take_in

    taken = [take_in(verdicts, file) for file in args.files]
    if args.json:
        print(json.dumps([vars(one) for one in taken]))
        return 0
    for file, one in zip(args.files, taken, strict=True):
        left = f", {one.left} pictures of the page are left" if one.left else ""
        stdout().print(f"{file}: {one.looks} looks by {one.by}, {one.new} new{left}", markup=False)
    return 0


def _withdraw(verdicts: VerdictLog, args: argparse.Namespace) -> int:
    from brightfield.monitor.review.pages import withdraw

    page = Path(args.withdraw).stem.removeprefix("review-")
    left = withdraw(verdicts.database, page)
    if args.json:
        print(json.dumps({"page": page, "left": left}))
    else:
        pictures = "1 picture" if left == 1 else f"{left} pictures"
        stdout().print(f"page {page} is withdrawn: {pictures} that nobody judged may be drawn again")
    return 0


def _bound(verdicts: VerdictLog, inspector: Inspector | None, args: argparse.Namespace) -> int:
    from brightfield.monitor.audit.of_log import audit_log
    from brightfield.monitor.audit.promise import Promise

    promises: list[Promise] = []
    if args.promise is not None:
        promises.append(Promise("escape", args.promise, args.confidence))
    found = audit_log(verdicts, inspector, promises, args.confidence, args.since)
    if args.json:
        print(json.dumps({"log": verdicts.shown, **found.as_dict()}))
    else:
        _print(found)
    return 0


def _print(found: LogAudit) -> None:
    console = stdout()
    evidence = found.evidence
    passed, others = f"{evidence.n_passed:,.0f} parts passed", f"{evidence.n_rejected:,.0f} did not"
    console.print(
        f"{passed}, {evidence.passed.n:.0f} of them drawn at random and looked at; "
        f"{others}, {evidence.rejected.n:.0f} of them drawn and looked at"
    )
    console.print(_table(found))
    for standing in found.promises:
        console.print(_standing(standing), markup=False)
    for name, audits in (("defect type", found.by_type), ("station", found.by_station)):
        if audits:
            console.print(_groups(name, {group: one.as_dict() for group, one in audits.items()}))
    for note in found.notes:
        console.print(f"note: {note}", markup=False)


def _table(found: LogAudit) -> Table:
    rates = found.whole.as_dict()
    confidence = f"{found.whole.confidence:.4g}"
    table = Table(
        title=f"valid at every look, with a confidence of {confidence} each way", title_justify="left"
    )
    table.add_column("share")
    for heading in ("at least", "seen", "at most"):
        table.add_column(heading, justify="right")
    for name, key in _RATES:
        table.add_row(name, *_cells(rates[key]))
    return table


def _groups(name: str, groups: dict[str, dict[str, Any]]) -> Table:
    table = Table(title=f"escapes of all defects, by {name}; corrected for many", title_justify="left")
    table.add_column(name, overflow="fold")
    for heading in ("at least", "seen", "at most"):
        table.add_column(heading, justify="right")
    for group, rates in groups.items():
        table.add_row(group, *_cells(rates["escape_rate"]))
    return table


def _cells(rate: dict[str, float | None]) -> Sequence[str]:
    if rate["value"] is None and rate["high"] == 0:  # without known pieces
        return ["", "not measured", "taken as 0"]
    return [_percent(rate[key]) for key in ("low", "value", "high")]


def _percent(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.2%}"


def _standing(found: Standing) -> str:
    promise = found.promise
    of = f" of {promise.defect}" if promise.defect else ""
    what = f"{promise.kind}s{of} at most {promise.bound:.4g} with {promise.confidence:.4g} confidence"
    if found.outcome != "open":
        return f"promise of {what}: {found.outcome} after {found.looks} looks"
    if found.more is None:
        return f"promise of {what}: open; looks as so far will not settle it"
    return (
        f"promise of {what}: open; {found.then} after about {found.more} more looks, if all goes on as so far"
    )
