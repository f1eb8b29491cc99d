"""Filters and counts, against the same conditions applied to the entries in Python."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta, timezone

import pytest

from brightfield.errors import ConfigError
from brightfield.monitor.log.queries import moment
from brightfield.monitor.log.records import Entry, Filter, Judged
from brightfield.monitor.log.store import VerdictLog
from brightfield.monitor.log.summary import summarise
from brightfield.verdict import Verdict

DAYS = ("2026-02-28", "2026-03-01", "2026-03-02")


@pytest.fixture
def log(
    place: str, verdict_of: Callable[..., Verdict], monkeypatch: pytest.MonkeyPatch
) -> Iterator[VerdictLog]:
    """A log of 60 entries over three days, lots, stations and inspectors; every seventh is judged."""
    with VerdictLog(place) as log:
        for i in range(60):
            time = f"{DAYS[i // 20]}T{i % 20:02d}:30:00.000000+00:00"
            monkeypatch.setattr("brightfield.monitor.log.rows.now", lambda time=time: time)
            p = (i * 37 % 60) / 60
            verdict = verdict_of(p, inspector=f"{i % 3}a".ljust(64, "f"), score=p * 2 - 1)
            log.record(verdict, part=f"P{i}", lot=[None, "A", "B"][i % 3], station=f"S{i % 2}")
        log.judge([Judged(i, "OK", "Ada") for i in range(1, 61, 7)])
        yield log


JUDGED = set(range(1, 61, 7))

CASES: list[tuple[Filter, Callable[[Entry], bool]]] = [
    (Filter(), lambda e: True),
    (Filter(since="2026-03-01"), lambda e: e.time[:10] >= "2026-03-01"),
    (Filter(until="2026-03-01"), lambda e: e.time[:10] <= "2026-03-01"),
    (Filter(since="2026-03-01T05:30"), lambda e: e.time >= "2026-03-01T05:30"),
    (Filter(until="2026-03-01T05:30"), lambda e: e.time < "2026-03-01T05:30"),
    (Filter(since="2026-03-01T05:30+02:00"), lambda e: e.time >= "2026-03-01T03:30"),
    (Filter(since=datetime(2026, 3, 1, 5, tzinfo=UTC)), lambda e: e.time >= "2026-03-01T05"),
    (Filter(part="P7"), lambda e: e.part == "P7"),
    (Filter(part=("P7", "P8", "nobody")), lambda e: e.part in ("P7", "P8")),
    (Filter(lot="A"), lambda e: e.lot == "A"),
    (Filter(station=("S1",)), lambda e: e.station == "S1"),
    (Filter(decision="DEFECT"), lambda e: e.decision == "DEFECT"),
    (Filter(decision=("OK", "REVIEW")), lambda e: e.decision == "OK"),
    (Filter(label="pit"), lambda e: e.label == "pit"),
    (Filter(inspector="1A"), lambda e: str(e.inspector_sha256).startswith("1a")),
    (Filter(inspector="1a".ljust(64, "f")), lambda e: str(e.inspector_sha256).startswith("1a")),
    (Filter(score=(-0.5, 0.5)), lambda e: -0.5 <= e.score <= 0.5),
    (Filter(score=(0.0, None)), lambda e: e.score >= 0.0),
    (Filter(probability=(None, 0.25)), lambda e: (e.probability or 0) <= 0.25),
    (Filter(judged=True), lambda e: e.id in JUDGED),
    (Filter(judged=False), lambda e: e.id not in JUDGED),
    (Filter(after=50), lambda e: e.id > 50),
    (Filter(pictured=True), lambda e: False),
    (Filter(pictured=False, lot="B"), lambda e: e.lot == "B"),
    (
        Filter(since="2026-03-01", lot="A", decision="OK", station="S0", judged=False, score=(-1, 0)),
        lambda e: (
            e.time >= "2026-03-01"
            and (e.lot, e.decision, e.station) == ("A", "OK", "S0")
            and e.id not in JUDGED
            and -1 <= e.score <= 0
        ),
    ),
]


def test_filters_mean_what_they_say(log: VerdictLog) -> None:
    everything = list(log.entries())
    assert len(everything) == 60
    for asked, condition in CASES:
        wanted = [e.id for e in everything if condition(e)]
        assert [e.id for e in log.entries(asked)] == wanted, asked
        assert log.count(asked) == len(wanted), asked


def test_counts_are_those_of_the_entries(log: VerdictLog) -> None:
    everything = list(log.entries())
    assert log.counts() == Counter((e.decision,) for e in everything)
    assert log.counts(("lot", "decision")) == Counter((e.lot, e.decision) for e in everything)
    assert log.counts(("day",)) == {(day,): 20 for day in DAYS}
    meant = Filter(station="S1", since="2026-03-01")
    wanted = Counter(
        (e.time[:10], e.label) for e in everything if e.station == "S1" and e.time >= "2026-03-01"
    )
    assert log.counts(("day", "label"), meant) == wanted
    assert log.counts(("inspector",)) == Counter((e.inspector_sha256,) for e in everything)
    with pytest.raises(ConfigError, match=r"cannot be counted by 'hour'; expected one of decision, label"):
        log.counts(("hour",))


def test_a_summary_counts_the_entries_that_are_meant(log: VerdictLog) -> None:
    meant = [e for e in log.entries() if e.lot == "A"]
    found = summarise(log, Filter(lot="A"))
    assert (found.entries, found.first, found.last) == (len(meant), meant[0].time, meant[-1].time)
    assert found.counts["decision"] == Counter(e.decision for e in meant)
    assert found.counts["lot"] == {"A": len(meant)}
    assert found.judged == len([e for e in meant if e.id in JUDGED])
    assert (found.pictures, found.bytes) == (0, 0)
    assert found.as_dict()["counts"]["lot"] == [{"lot": "A", "n": len(meant)}]
    nothing = summarise(log, Filter(lot="Z"))
    assert (nothing.entries, nothing.first, nothing.last, nothing.judged) == (0, None, None, 0)


@pytest.mark.parametrize(
    ("given", "end", "wanted"),
    [
        ("2026-03-01", False, "2026-03-01T00:00:00.000000+00:00"),
        ("2026-03-01", True, "2026-03-02T00:00:00.000000+00:00"),
        ("2026-12-31", True, "2027-01-01T00:00:00.000000+00:00"),
        (" 20261130 ", True, "2026-12-01T00:00:00.000000+00:00"),
        ("20261130T12", True, "2026-11-30T12:00:00.000000+00:00"),
        ("2026-03-01T14:30", True, "2026-03-01T14:30:00.000000+00:00"),
        ("2026-03-01T14:30+01:00", False, "2026-03-01T13:30:00.000000+00:00"),
        (
            datetime(2026, 3, 1, 0, 30, tzinfo=timezone(timedelta(hours=1))),
            False,
            "2026-02-28T23:30:00.000000+00:00",
        ),
    ],
)
def test_moments(given: str | datetime, end: bool, wanted: str) -> None:
    assert moment(given, end=end) == wanted


@pytest.mark.parametrize("given", ["yesterday", "2026-13-01", "", "9999-12-31"])
def test_what_is_no_time(given: str) -> None:
    with pytest.raises(ConfigError, match="is no time; expected a date such as 2026-03-01"):
        moment(given, end=True)


def test_what_is_no_inspector(log: VerdictLog) -> None:
    with pytest.raises(ConfigError, match="inspector is 'xyz'; expected the SHA-256"):
        log.count(Filter(inspector="xyz"))
