"""`brightfield monitor`: watch a line for drift."""

from __future__ import annotations

import argparse
import json
import logging
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from rich.text import Text

from brightfield.cli.monitor_checks import check_monitor
from brightfield.cli.progress import show_progress
from brightfield.cli.terminal import Subparsers, add_command, number, printable, say, stdout, wait_asleep
from brightfield.errors import ConfigError, said_if_missing

if TYPE_CHECKING:
    from brightfield.inspector import Inspector
    from brightfield.monitor.drift.alarms import Alarm
    from brightfield.monitor.drift.course import Course
    from brightfield.monitor.drift.events import LogRecord
    from brightfield.monitor.drift.reference import Reference
    from brightfield.monitor.drift.run import Monitor, Monitored, Told
    from brightfield.monitor.drift.watch import Plan, Watch
    from brightfield.monitor.log.store import VerdictLog
    from brightfield.monitor.week.period import Period
    from brightfield.progress import Progress

log = logging.getLogger(__name__)

EVERY_S = 5.0
"""The seconds between two looks with `--follow`, unless they are set."""

_STOPPED = "the alarms so far are in the log, if a log is watched; run the command again to go on"


def register(subparsers: Subparsers[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = add_command(
        subparsers, "monitor", "watch a line for drift: what has changed, and since which part"
    )
    parser.add_argument("bundle", metavar="BUNDLE", type=Path, help="the inspector of the line")
    parser.add_argument(
        "line",
        metavar="LOG|FOLDER",
        help="a log of `inspect --log`, a file or postgresql://...; or pictures in the order of their names",
    )
    parser.add_argument(
        "--run-length",
        metavar="N",
        type=number,
        default=None,
        help="the mean number of parts to a false alarm (default 10,000)",
    )
    parser.add_argument(
        "--reference",
        metavar="FOLDER",
        type=Path,
        help="compare with these pictures of the line while it was well, instead of those that calibrated "
        "the inspector",
    )
    parser.add_argument("--follow", action="store_true", help="go on as the line goes on, until Ctrl-C")
    parser.add_argument(
        "--every",
        metavar="SECONDS",
        type=number,
        default=None,
        help=f"with --follow: look for new parts so often (default {EVERY_S:g})",
    )
    parser.add_argument(
        "-o", "--output", metavar="DIR", type=Path, help="folder for alarm-PART.png: pictures of each alarm"
    )
    parser.add_argument(
        "--done",
        metavar="WHAT",
        help="note in the log that the line was put right, and how; it is watched anew from there",
    )
    parser.add_argument("--by", metavar="NAME", default="", help="with --done: who put it right")
    parser.add_argument(
        "--report",
        metavar="DIR",
        type=Path,
        help="write week.html and week.json there: counts, charts, audit, review, latency, alarms of a log",
    )
    parser.add_argument(
        "--since",
        metavar="TIME",
        help="with --report: from when on, such as 2026-03-02 (default: seven days before the last part)",
    )
    parser.set_defaults(run=run, stopped=_STOPPED)


def run(args: argparse.Namespace) -> int:
    """Watch the line and print its alarms.

    Returns 2 if a picture could not be read, or no part could be compared, else 0.
    """
    wait_asleep()
    folder = Path(args.line) if Path(args.line).is_dir() else None
    check_monitor(args, folder)
    from brightfield.inspector import load
    from brightfield.monitor.drift.watch import RUN_LENGTH

    inspector = load(args.bundle)
    length = RUN_LENGTH if args.run_length is None else args.run_length
    with ExitStack() as opened, show_progress(args.quiet) as progress:
        verdicts = None if folder is not None else opened.enter_context(_log(args.line))
        from brightfield.monitor.drift.watch import Watch, plan

        kept = None if verdicts is None or args.report is None else _kept(verdicts, args.since)
        planned = plan(_reference(args, inspector), length)
        watch = Watch(planned, series=None if kept is None else kept.course.add)
        line = (
            _of_folder(args, inspector, watch)
            if verdicts is None
            else _of_log(args, verdicts, inspector, watch, kept)
        )
        found = _watched(args, line, _teller(args, inspector, planned, line.monitor), progress)
        if verdicts is not None and kept is not None:
            _report(args, verdicts, inspector, found, kept)
    _print(args, found)
    if found.parts and not found.compared:
        say("error", "no part could be compared, so nothing is known of the line", "bold red")
        return 2
    return 2 if folder is not None and found.without else 0


@dataclass(frozen=True)
class _Line:
    """What is watched: how many parts there are now, its monitor, and what notes that it was put right."""

    parts: int
    monitor: Monitor
    put_right: Callable[[], None] | None = None


@dataclass(frozen=True)
class _Kept:
    """What a report needs of the watching: from when on it tells, and the course of the charts."""

    period: Period
    course: Course


def _log(place: str) -> VerdictLog:
    with said_if_missing():
        from brightfield.monitor.log.store import VerdictLog
    return VerdictLog(place, create=False)


def _of_folder(args: argparse.Namespace, inspector: Inspector, watch: Watch) -> _Line:
    from brightfield.monitor.drift.run import Monitor
    from brightfield.monitor.drift.source import FolderSource, check_folder_of_images

    folder = Path(args.line)
    parts = 0 if args.follow else len(check_folder_of_images(folder))
    return _Line(parts, Monitor(watch, FolderSource(inspector, folder, growing=args.follow)))


def _of_log(
    args: argparse.Namespace, log: VerdictLog, inspector: Inspector, watch: Watch, kept: _Kept | None
) -> _Line:
    """Return a log as what is watched; nothing is noted in it yet of what was done about the line."""
    from brightfield.monitor.drift.events import Done, Key, LogRecord
    from brightfield.monitor.drift.run import Monitor
    from brightfield.monitor.drift.source import LogSource

    done = None if args.done is None else Done.now(log, args.done, args.by)
    record = LogRecord(log, Key.of(inspector.sha256, watch.plan), done)
    source = LogSource(log, inspector.sha256, None if kept is None else kept.period.last)
    put_right = None if done is None else partial(_note, log, record)
    return _Line(log.count(), Monitor(watch, source, record), put_right)


def _watched(
    args: argparse.Namespace, line: _Line, tell: Callable[[Told], None], progress: Progress
) -> Monitored:
    """Watch the line, and return what was found; what was done is noted when its alarms are in the log."""
    from brightfield.monitor.drift.run import follow

    if line.put_right is not None or not args.follow:
        line.monitor.catch_up(tell, progress=progress, total=line.parts)
    if line.put_right is not None:
        line.put_right()
    if not args.follow:
        return line.monitor.found()
    with _stopping() as stopped:
        return follow(line.monitor, stopped, EVERY_S if args.every is None else args.every, tell)


def _note(log: VerdictLog, record: LogRecord) -> None:
    """Note what was done about the line, and say so, and which alarm it answers."""
    noted = record.put_right()
    if noted is None:
        return
    alarm = next((event.text for event in log.events() if event.id == noted.about), None)
    about = "no alarm, as there is none" if alarm is None else f"the alarm '{alarm}'"
    say("noted", f"{printable(noted.text)}, by {printable(noted.facts['by'])}; it answers {about}", "green")


def _kept(log: VerdictLog, since: str | None) -> _Kept:
    from brightfield.monitor.drift.course import Course
    from brightfield.monitor.week.period import period_of

    period = period_of(log, since)
    return _Kept(period, Course(period.before))


def _report(
    args: argparse.Namespace, log: VerdictLog, inspector: Inspector, found: Monitored, kept: _Kept
) -> None:
    """Write the report."""
    with said_if_missing():
        from brightfield.monitor.week.pictures import pictures_of
        from brightfield.monitor.week.whole import Watched, week_of
        from brightfield.report.week import write_week

    watched = Watched(found, kept.course.peaks())
    week = week_of(log, inspector, watched, period=kept.period)
    page, _ = write_week(args.report, week, pictures_of(log, week))
    say("report", str(page), "green")


def _reference(args: argparse.Namespace, inspector: Inspector) -> Reference:
    from brightfield.monitor.drift.reference import reference_of
    from brightfield.monitor.drift.source import judged_reference

    if args.reference is None:
        return reference_of(inspector)
    if not args.reference.is_dir():
        raise ConfigError(f"--reference {args.reference} is no folder; expected a folder of pictures")
    return judged_reference(inspector, args.reference)


def _teller(
    args: argparse.Namespace, inspector: Inspector, planned: Plan, monitor: Monitor
) -> Callable[[Told], None]:
    """Return what tells of an alarm at once: its pictures in the folder, and a message with `--follow`.

    What an earlier run told is not told again, and pictures that are there stay.
    """

    def tell(told: Told) -> None:
        if args.output is not None:
            from brightfield.monitor.drift.pictures import Row, row_of, sheet, write_sheet

            source = monitor.source
            parts = [(f"part {number}", source.picture(part)) for number, part in told.shown.items()]
            best = row_of(_sentence(told.alarm), parts, inspector.preprocessing.bits)
            usual = Row("the reference", list(planned.reference.thumbnails.values()))
            place = _sheet_of(args, told.alarm)
            if not write_sheet(place, sheet([best, usual])) and told.new:
                log.warning(
                    "%s is of another alarm and stays; give another -o for pictures of this one", place
                )
        if args.follow and told.new:  # last, as it is tried again where the log fails
            say("alarm", _sentence(told.alarm), "bold red")

    return tell


@contextmanager
def _stopping() -> Iterator[threading.Event]:
    """Yield an event that Ctrl-C or a request to end sets, so that what was found is still printed."""
    stopped = threading.Event()

    def stop(_number: int, _frame: FrameType | None) -> None:
        stopped.set()

    signals = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(one, stop) for one in signals]
    try:
        yield stopped
    finally:
        for one, handler in zip(signals, before, strict=True):
            signal.signal(one, handler)


def _sheet_of(args: argparse.Namespace, alarm: Alarm) -> Path:
    place: Path = args.output
    return place / f"alarm-{alarm.at}.png"


def _sentence(alarm: Alarm) -> str:
    since = "" if alarm.since == alarm.at else f" since part {alarm.since}"
    return f"part {alarm.at}: {alarm.what}{since}"


def _print(args: argparse.Namespace, found: Monitored) -> None:
    if args.json:
        print(json.dumps(found.as_dict()))
        return
    console = stdout()
    for alarm in found.alarms:
        line = Text.assemble((_sentence(alarm), "bold red" if alarm.kind == "drift" else "yellow"))
        if alarm.until > alarm.at:
            line.append(f", still there at part {alarm.until}")
        if alarm.also:
            line.append(f"; also {', '.join(alarm.also)}")
        console.print(line)
        console.print(Text("    " + ", ".join(printable(image) for image in alarm.images), style="dim"))
        if args.output is not None:
            console.print(Text(f"    {printable(str(_sheet_of(args, alarm)))}", style="dim"))
    for reason, count in found.without.items():
        console.print(f"{count} not compared: {printable(reason)}", markup=False)
    if found.lots > 1:
        console.print(
            f"neighbouring parts are taken as alike, in lots of about {found.lots:.0f}: it takes some lots "
            "to tell a change from another lot",
            markup=False,
        )
    alarms = "1 alarm" if len(found.alarms) == 1 else f"{len(found.alarms)} alarms"
    console.print(
        f"{found.parts} parts, {alarms}; without a change, one in {found.run_length:,.0f} parts is expected",
        markup=False,
    )
