"""A line of 100,000 parts, from the log to the successor of its inspector.

Parts come in lots of two suppliers, one with 2% and one with 6% pits. From 40% of the line on the lamp ages,
until an alarm of drift is answered at the next chunk of parts. From 55% on, one part in fifty has a scratch,
which the inspector has never seen. After every hundredth of the line people look at a page: 40 parts that
passed and 12 that did not, drawn at random; 8 known good and 4 known defective pieces; 12 that passed lately,
chosen for being uncertain or novel; and again what is undecided. They miss 8% of the defects and call 1% of
the good parts defective. When they have found ten scratches, two successors stand before the gate, one of
them a bad one, and the accepted one takes over. Nothing is told to the functions under test but what they
would see.

    python benchmarks/line.py --chart docs/line.png --report FOLDER
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from unittest.mock import patch

import numpy as np

from brightfield.evaluation.gate import Demands, Gate, compare_successor
from brightfield.inspector import Inspector
from brightfield.monitor.audit.of_log import audit_log
from brightfield.monitor.audit.promise import PROVEN
from brightfield.monitor.audit.settled import needs_second_look
from brightfield.monitor.drift.alarms import DRIFT
from brightfield.monitor.drift.course import Course
from brightfield.monitor.drift.events import ACTION, ALARM, Key, LogRecord
from brightfield.monitor.drift.reference import reference_of
from brightfield.monitor.drift.run import Monitor, Told
from brightfield.monitor.drift.source import LogSource
from brightfield.monitor.drift.watch import RUN_LENGTH, Watch, plan
from brightfield.monitor.log.records import Event, Sampled
from brightfield.monitor.log.store import VerdictLog
from brightfield.monitor.measurement import embeddings, measured_in
from brightfield.monitor.review.cases import find_cases
from brightfield.monitor.review.label_next import Mix, distances, label_next
from brightfield.monitor.review.pages import add_looks, add_page
from brightfield.monitor.review.records import Item, Pool, Said
from brightfield.monitor.week.period import period_of
from brightfield.monitor.week.whole import Watched, week_of
from brightfield.report.week import write_week
from line_chart import draw
from record import Row, append
from runs import begun, new_parser
from simulated_line import (
    OK,
    PIT,
    SCRATCH,
    People,
    inspector_of,
    kinds_of,
    parts_of,
    predictions_of,
    verdicts_of,
)

PARTS, SMOKE_PARTS = 100_000, 4_000
CHUNK = 250
LOT = 2_500
PITS = {"north": 0.02, "south": 0.06}
"""The share of pits of each supplier, in turn."""

AGES, SCRATCHES = 0.40, 0.55
"""The shares of the line from which the lamp ages, and scratches come."""

AGEING = 1 / 500
"""The brightness that the lamp loses with each part, in standard deviations."""

SCRATCHED = 0.02
PASSED, REJECTED, TO_LABEL = 40, 12, 12
KNOWN = {OK: 8, PIT: 4}
"""Known pieces on a page."""
PIECES = {OK: 400, PIT: 200}
"""Different known pieces, which are shown in turn."""
FOUND = 10
"""Scratches that people find before a successor is trained."""
PAGES = 100
LINE_DAYS = 7
FIRST, SECOND, BAD = "1a" * 32, "2b" * 32, "3c" * 32


@dataclass
class Clock:
    """The time of the simulated line."""

    start: datetime
    step: timedelta
    ticks: int = 0

    def __call__(self) -> str:
        """Return the time, as the log keeps it."""
        return (self.start + self.ticks * self.step).isoformat(timespec="microseconds")


@dataclass(frozen=True)
class Proof:
    """The audit after one page: after how many parts, the bounds, and what is true of the parts so far."""

    parts: int
    looks: int
    low: float
    high: float
    true: float
    outcome: str
    inspector: str


@dataclass
class Line:
    """The line as it runs, and what is written down of it for the rows and the chart."""

    parts: int
    log: VerdictLog
    clock: Clock
    rng: np.random.Generator
    people: People
    truth: list[str] = field(default_factory=list)
    passed: list[bool] = field(default_factory=list)
    drawn: set[int] = field(default_factory=set)
    proofs: list[Proof] = field(default_factory=list)
    alarms: list[tuple[int, str, str]] = field(default_factory=list)
    found: int = 0
    mended: int | None = None
    changed: int | None = None
    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def timed(self, what: str) -> Iterator[None]:
        """Add the seconds of a block to those of what it does."""
        begin = time.perf_counter()
        yield
        self.seconds[what] = self.seconds.get(what, 0.0) + time.perf_counter() - begin

    @property
    def ages_from(self) -> int:
        """The number of parts before the lamp ages."""
        return int(AGES * self.parts)

    @property
    def scratches_from(self) -> int:
        """The number of parts before there are scratches."""
        return int(SCRATCHES * self.parts)


@dataclass
class Watching:
    """One inspector that is watched, with the course of its charts."""

    inspector: Inspector
    monitor: Monitor
    course: Course
    since: int


def watching(line: Line, inspector: Inspector) -> Watching:
    """Begin to watch an inspector from the line's next part on."""
    course = Course()
    watch = Watch(plan(reference_of(inspector)), series=course.add)
    record = LogRecord(line.log, Key(inspector.sha256, RUN_LENGTH))
    return Watching(
        inspector, Monitor(watch, LogSource(line.log, inspector.sha256), record), course, len(line.truth)
    )


def produce(line: Line, inspector: Inspector) -> None:
    """Make, judge and log the next chunk of parts."""
    first = len(line.truth)
    places = first + np.arange(CHUNK)
    supplier = list(PITS)[first // LOT % len(PITS)]
    shares = {PIT: PITS[supplier]} | ({SCRATCH: SCRATCHED} if first >= line.scratches_from else {})
    kinds = kinds_of(CHUNK, shares, line.rng)
    aged = np.clip(AGEING * (places - line.ages_from), 0.0, 6.0) if line.mended is None else 0.0
    parts = parts_of(kinds, aged, line.rng)
    verdicts = verdicts_of(inspector, parts, line.rng)
    with line.timed("log"):
        for place, kind, verdict in zip(places, kinds, verdicts, strict=True):
            line.clock.ticks = int(place)
            lot, station = f"{supplier}-{place // LOT + 1:02}", "east" if place % 2 else "west"
            line.log.record(verdict, part=f"P{place + 1:06}", lot=lot, station=station)
            line.truth.append(kind)
            line.passed.append(verdict.decision == "OK")


def answer(line: Line, told: list[Told]) -> None:
    """Note what is done about alarms of drift: the lamp is replaced if it has aged, else nothing is found."""
    for one in told:
        line.alarms.append((one.alarm.at, one.alarm.what, one.alarm.kind))
        if one.alarm.kind != DRIFT:
            continue
        aged = line.mended is None and len(line.truth) > line.ages_from
        text = (
            "lamp replaced, exposure checked against the master piece" if aged else "checked, nothing found"
        )
        if aged:
            line.mended = len(line.truth)
        about = [event.id for event in line.log.events(ALARM)][-1]
        line.log.tell(
            Event(ACTION, text, len(line.truth), about, {"by": line.people.names[0]}, at=line.clock())
        )


def look(line: Line, inspector: Inspector, since: int) -> None:
    """Have people look at a page: random parts, known pieces, and again what is undecided."""
    undecided = [
        case
        for case in find_cases(line.log.database)
        if case.seen is not None
        and needs_second_look(case.seen, OK)
        and (case.entry_id is None or case.entry_id > since)
    ]
    items = [
        Item(Pool.AGAIN, c.entry_id, c.piece, c.seen.truth if c.seen is not None else None, c.first)
        for c in undecided
    ]
    for pool, n, passed in ((Pool.PASSED, PASSED, True), (Pool.REJECTED, REJECTED, False)):
        left = [i for i in range(since + 1, len(line.truth) + 1) if line.passed[i - 1] == passed]
        free = [i for i in left if i not in line.drawn]
        chosen = line.rng.choice(free, size=min(n, len(free)), replace=False).tolist()
        line.drawn.update(chosen)
        items += [Item(pool, i, probability=len(chosen) / len(left)) for i in chosen]
    page = f"page-{line.people.pages + 1}"
    for truth, n in KNOWN.items():
        turn = [(n * line.people.pages + i) % PIECES[truth] for i in range(n)]
        items += [Item(Pool.KNOWN, piece=f"{truth}/{i}.png", truth=truth) for i in turn]
    items += to_label(line, inspector, {item.entry_id for item in items})
    shown = add_page(line.log.database, page, [(f"{page}-{i}", item) for i, item in enumerate(items)])
    line.log.sample(
        Sampled(one.item.entry_id, str(one.item.pool), one.item.probability, one.at, page)
        for one in shown
        if one.item.probability is not None and one.item.entry_id is not None
    )
    by, said = line.people.next(), []
    for i, one in enumerate(shown):
        true = one.item.truth if one.item.entry_id is None else line.truth[one.item.entry_id - 1]
        says, seconds = line.people.say(str(true))
        at = datetime.fromisoformat(line.clock()) + timedelta(milliseconds=i + 1)
        line.found += says == SCRATCH
        said.append(Said(one.id, says, by, at.isoformat(timespec="microseconds"), seconds))
    add_looks(line.log.database, said)


def to_label(line: Line, inspector: Inspector, taken: set[int | None]) -> list[Item]:
    """Return parts that passed lately and would teach most, as `review` chooses them."""
    lately = len(line.truth) - max(CHUNK, line.parts // PAGES)
    passed = [e for e in line.log.after(lately) if e.decision == "OK" and e.id not in taken]
    own = embeddings([e.measurement for e in passed if e.measurement is not None])
    measured = measured_in(inspector.reference)
    point = inspector.operating_point
    if measured is None or own is None or point is None:
        return []
    far = distances([e.probability or 0.0 for e in passed], point.threshold, probability=True)
    known = embeddings(measured.measurements)
    chosen = label_next(far, own, known, TO_LABEL, line.rng, Mix(uncertain=0.5, novel=0.5))
    return [Item(pool, passed[row].id) for row, pool in chosen]


def prove(line: Line, inspector: Inspector, since: int) -> Proof:
    """Return what the audit says, and what is true of this inspector's parts so far."""
    with line.timed("audit"):
        found = audit_log(line.log, inspector)
    rate, own = found.whole.escape_rate, next(p for p in found.promises if p.promise.kind == "escape")
    defects = [
        passed for kind, passed in zip(line.truth[since:], line.passed[since:], strict=True) if kind != OK
    ]
    true = sum(defects) / max(1, len(defects))
    proof = Proof(
        len(line.truth),
        int(found.evidence.looks),
        float(rate.low),
        float(rate.high),
        true,
        own.outcome,
        str(inspector.sha256),
    )
    line.proofs.append(proof)
    return proof


def retrain(line: Line, before: Inspector) -> tuple[Inspector, Gate, Gate]:
    """Return the accepted successor with what the gate said of it, and of a bad one."""
    rng = np.random.default_rng(7)
    classes, counts = (OK, PIT, SCRATCH), (800, 250, 120)
    good = inspector_of(classes, counts, SECOND, rng)
    bad = inspector_of(classes, counts, BAD, rng, blur=3.0)
    tested = parts_of([OK] * 1500 + [PIT] * 300 + [SCRATCH] * 60, 0.0, rng)
    own = predictions_of(before, tested, verdicts_of(before, tested, rng))

    def gate(successor: Inspector, blur: float) -> Gate:
        after = predictions_of(successor, tested, verdicts_of(successor, tested, rng, blur))
        return compare_successor((own, after), Demands())

    accepted, refused = gate(good, 0.0), gate(bad, 3.0)
    line.log.tell(
        Event(
            "inspector",
            "a successor that knows scratches was accepted by the gate, and takes over",
            len(line.truth),
            facts={"by": line.people.names[1]},
            at=line.clock(),
        )
    )
    return good, accepted, refused


@dataclass(frozen=True)
class Ran:
    """What a run of the line gave beside what the line holds."""

    first: Watching
    second: Watching | None
    accepted: Gate | None
    refused: Gate | None
    reports: dict[str, tuple[int, float]]


def run_line(line: Line, folder: Path) -> Ran:
    """Run the line to its end, with all that watches it."""
    page_every = max(CHUNK, line.parts // PAGES)
    inspector = inspector_of((OK, PIT), (800, 250), FIRST, np.random.default_rng(3))
    now = first = watching(line, inspector)
    second: Watching | None = None
    accepted = refused = None
    reports: dict[str, tuple[int, float]] = {}
    told: list[Told] = []
    while len(line.truth) < line.parts:
        answer(line, told)
        told = []
        produce(line, now.inspector)
        with line.timed("drift"):
            now.monitor.catch_up(told.append)
        if len(line.truth) % page_every:
            continue
        look(line, now.inspector, now.since)
        proof = prove(line, now.inspector, now.since)
        if second is None and line.found >= FOUND:
            reports["before the change"] = report(line, now, folder / "before")
            successor, accepted, refused = retrain(line, now.inspector)
            line.changed = len(line.truth)
            second = now = watching(line, successor)
        print(
            f"{proof.parts:,} parts: after {proof.looks:,} looks {proof.low:.3f} to {proof.high:.3f}, "
            f"in truth {proof.true:.3f}, the promise is {proof.outcome}",
            flush=True,
        )
    answer(line, told)
    reports["at the end"] = report(line, now, folder / "end")
    return Ran(first, second, accepted, refused, reports)


def report(line: Line, watched: Watching, folder: Path) -> tuple[int, float]:
    """Write the report of the week, and return its bytes and the seconds that it took."""
    begin = time.perf_counter()
    found = Watched(watched.monitor.found(), watched.course.peaks())
    week = week_of(line.log, watched.inspector, found, period=period_of(line.log, line.clock.start))
    folder.mkdir(parents=True, exist_ok=True)
    page, _ = write_week(folder, week)
    return page.stat().st_size, time.perf_counter() - begin


def rows_of(line: Line, ran: Ran) -> list[Row]:
    """Return what the line showed, one row a figure."""
    found: dict[str, tuple[float, str]] = {}
    drift = [at for at, _, kind in line.alarms if kind == DRIFT]
    lamp = [at - line.ages_from for at in drift if line.ages_from < at <= line.ages_from + line.parts // 10]
    if lamp:
        found["delay_of_ageing_lamp"] = (lamp[0], "parts")
    new = [at - line.scratches_from for at in drift if at > line.scratches_from]
    if new and (line.changed is None or new[0] + line.scratches_from <= line.changed):
        found["delay_of_scratches_by_drift"] = (new[0], "parts")
    if line.changed is not None:
        found["delay_of_scratches_by_people"] = (line.changed - line.scratches_from, "parts")
        looks = [p.looks for p in line.proofs if p.inspector == FIRST]
        found["looks_of_first_inspector"] = (looks[-1], "looks")
    well = [at for at in drift if _is_well(line, at)]
    found["false_alarms"] = (len(well), "alarms")
    found["parts_without_a_change"] = (_parts_well(line), "parts")
    found["alarms_of_the_mix"] = (sum(kind != DRIFT for _, _, kind in line.alarms), "alarms")
    found |= _of_audit(line)
    for name, gate in (("good_successor_accepted", ran.accepted), ("bad_successor_refused", ran.refused)):
        if gate is not None:
            found[name] = (float(gate.accepted == name.endswith("accepted")), "yes")
    for name, (size, seconds) in ran.reports.items():
        found[f"report_{name.replace(' ', '_')}"] = (size / 1e6, "MB")
        found[f"seconds_of_report_{name.replace(' ', '_')}"] = (seconds, "s")
    for name, seconds in line.seconds.items():
        found[f"seconds_of_{name}"] = (seconds, "s")
    return [Row("line", "simulated", f"{line.parts} parts", 0, k, v, unit) for k, (v, unit) in found.items()]


def _is_well(line: Line, at: int) -> bool:
    """Return whether nothing had changed at a part: no lamp aged, and no scratch that is not known."""
    mended = line.parts if line.mended is None else line.mended
    known = line.parts if line.changed is None else line.changed
    return at <= line.ages_from or mended < at <= line.scratches_from or at > known


def _parts_well(line: Line) -> int:
    return sum(_is_well(line, at) for at in range(1, line.parts + 1))


def _of_audit(line: Line) -> dict[str, tuple[float, str]]:
    holds = [p.low <= p.true <= p.high for p in line.proofs]
    found: dict[str, tuple[float, str]] = {
        "audits": (len(holds), "looks at the bound"),
        "audits_that_hold": (float(np.mean(holds)), "share"),
        "least_room_above_the_true_rate": (min(p.high - p.true for p in line.proofs), "share"),
        "pictures_looked_at": (line.people.looks, "looks"),
    }
    for name, sha256 in (("first", FIRST), ("second", SECOND)):
        own = [p for p in line.proofs if p.inspector == sha256]
        if own:
            found[f"bound_of_{name}_inspector_at_its_end"] = (own[-1].high, "share")
            found[f"true_rate_of_{name}_inspector_at_its_end"] = (own[-1].true, "share")
        if proven := [p.looks for p in own if p.outcome == PROVEN]:
            found[f"looks_until_proven_of_{name}_inspector"] = (proven[0], "looks")
    return found


def simulated(parts: int, folder: Path, clock: Clock) -> Line:
    """Return a line before its first part."""
    rng = np.random.default_rng(0)
    log = VerdictLog(folder / "line.db")
    return Line(parts, log, clock, rng, People(np.random.default_rng(1)))


@contextmanager
def clocked(clock: Callable[[], str]) -> Iterator[None]:
    """Have the log write the time of the simulated line."""
    with (
        patch("brightfield.monitor.log.rows.now", clock),
        patch("brightfield.monitor.review.pages.now", clock),
    ):
        yield


def main() -> None:
    """Run the line, write the rows, and draw the chart."""
    parser = new_parser(__doc__)
    parser.add_argument("--chart", type=Path, help="where the chart is written, as PNG")
    parser.add_argument("--report", type=Path, help="a folder for the reports of the week")
    with begun(parser, "line") as (args, folder):
        measure(args, folder)


def measure(args: argparse.Namespace, folder: Path) -> None:
    """Run the line as the arguments say."""
    parts = SMOKE_PARTS if args.smoke else PARTS
    step = timedelta(days=LINE_DAYS) / parts
    clock = Clock(datetime(2026, 3, 2, tzinfo=UTC), step)
    begin = time.perf_counter()
    with clocked(clock):
        line = simulated(parts, folder, clock)
        ran = run_line(line, args.report or folder)
    line.seconds["all"] = time.perf_counter() - begin
    rows = rows_of(line, ran)
    for row in rows:
        print(f"{row.metric}: {row.value:.6g} {row.unit}")
    append(args.output, rows)
    if args.chart is not None:
        draw(line, ran.first.course.peaks(), args.chart)
    line.log.close()


if __name__ == "__main__":
    main()
