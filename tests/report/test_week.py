from __future__ import annotations

import dataclasses
import json
import re
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from html_page import Page
from week_line import DAYS, DECISIONS, OWN, at, inspector, line, looked, page

from brightfield.monitor.audit.bounds import Bound
from brightfield.monitor.drift.course import Course
from brightfield.monitor.drift.events import ACTION, ALARM, Key, LogRecord
from brightfield.monitor.drift.reference import reference_of
from brightfield.monitor.drift.run import Monitor
from brightfield.monitor.drift.source import LogSource
from brightfield.monitor.drift.watch import Watch, plan
from brightfield.monitor.log.records import Event
from brightfield.monitor.week.pictures import Shown
from brightfield.monitor.week.whole import Watched, Week, week_of
from brightfield.report.week import FILES, render_week, write_week
from brightfield.report.week_words import span

HOSTILE = '<img src=x onerror="alert(1)">'


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Week:
    folder = tmp_path_factory.mktemp("line")
    with line(folder, DECISIONS * 6, darker_from=41, others=10) as log:
        looked(log, page(10))
        course = Course()
        watch = Watch(plan(reference_of(inspector()), 200), series=course.add)
        monitor = Monitor(watch, LogSource(log, OWN), LogRecord(log, Key(OWN, 200)))
        monitor.catch_up()
        about = next(event.id for event in log.events(ALARM))
        log.tell(Event(ACTION, f"lamp {HOSTILE}", 60, about, {"by": "Ada"}, at=at(DAYS[1], 70)))
        return week_of(log, inspector(), Watched(monitor.found(), course.peaks()))


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Week:
    with line(tmp_path_factory.mktemp("bare"), ("OK",) * 20, others=20) as log:
        return week_of(log, inspector())


def test_the_page_is_whole_and_loads_nothing(full: Week) -> None:
    text = render_week(full, Shown({full.alarms[0].alarm.at: [b"\x89PNG x"]}, [b"\x89PNG y"]))
    found = Page(text)
    assert found.open == []
    ids = Counter(found.attributes("id"))
    assert [name for name, n in ids.items() if n > 1] == []
    sources = found.attributes("src")
    assert len(sources) == 2
    assert all(source.startswith("data:image/png;base64,") for source in sources)
    assert all(link.startswith("#") for link in found.attributes("href"))
    assert "script" not in {tag for tag, _ in found.tags}
    assert not re.search(r"url\((?!#)|@import|https?://(?!www\.w3\.org)", text)
    assert HOSTILE not in text


def test_the_page_says_the_numbers(full: Week) -> None:
    text = Page(render_week(full)).prose
    for said in (
        "The line from 2 to 3 March 2026",
        "20.0% of the parts were rejected and 10.0% were sent to review.",
        "Noticed at part",
        "(Ada, 3 March 2026, 08:01)",
        "Without a change, one false alarm in 200 parts is expected.",
        "10 (another inspector judged it)",
        "The promise of at most 40% escapes, with a confidence of 95%, is open after 5 looks",
        "random parts that passed 2 1 good, 50.0%",
        "on pages that have not come back 0",
        "known defective pieces 2 1 good, 50.0%",
        "The inspector was changed: another one first judged at part 11 (2 March 2026, 08:00).",
        "30.5 ms",
        "L0 30 12 40.0% 6 20.0% 12 40.0%",
    ):
        assert said in text, said


def test_while_nothing_is_proven_no_bound_of_100_percent_is_said(full: Week) -> None:
    assert full.audit is not None
    open_ = Bound(np.array(0.1), np.array(0.0), np.array(1.0))
    audit = dataclasses.replace(full.audit, whole=dataclasses.replace(full.audit.whole, escape_rate=open_))
    proven = tuple(dataclasses.replace(one, escape_rate=open_) for one in full.proven)
    html = render_week(dataclasses.replace(full, audit=audit, proven=proven))
    text = Page(html).prose
    assert "Nothing is proven of escapes yet." in text
    assert "At most 100" not in text
    assert "Escape rate nothing proven yet" in text
    assert "The bounds after each look so far" not in text, "no empty frame"
    for note in full.audit.notes:
        assert note[1:] in text


@pytest.mark.parametrize("moments", [0, 1])
def test_a_single_look_gives_no_chart_of_the_bound(full: Week, moments: int) -> None:
    half = Bound(np.array(0.1), np.array(0.0), np.array(0.5))
    proven = tuple(dataclasses.replace(one, escape_rate=half) for one in full.proven)
    assert "The bounds after each look so far" in render_week(dataclasses.replace(full, proven=proven))
    once = dataclasses.replace(full, proven=proven[len(proven) - moments :])
    assert "The bounds after each look so far" not in render_week(once)


def test_sections_without_data_say_so(bare: Week) -> None:
    text = Page(render_week(bare)).prose
    for said in (
        "The line was not watched for drift.",
        "There is no g-chart: fewer than two parts were rejected.",
        "Nothing is proven of escapes: no entry of",
        "Nobody judged a picture in this time.",
        "This inspector judged no part in this time, so there are no scores to compare.",
    ):
        assert said in text, said
    for section in ("alarms", "charts", "audit", "review", "counts", "latency", "inspectors"):
        assert f'<section id="{section}"' in render_week(bare)


def test_an_inspector_without_a_normal_class_counts_its_labels(bare: Week) -> None:
    own = dataclasses.replace(bare.inspector, normal=None, operating_point=None)
    tallies = dataclasses.replace(bare.tallies, decided=False, decisions={"bolt": 15, "nut": 5})
    week = dataclasses.replace(bare, inspector=own, tallies=tallies, work=None)
    text = Page(render_week(week)).prose
    assert "bolt 15 75.0%" in text
    assert "were rejected" not in text


def test_page_and_document_are_written_side_by_side(full: Week, tmp_path: Path) -> None:
    written = write_week(tmp_path, full)
    assert [path.name for path in written] == list(FILES)
    assert json.loads((tmp_path / "week.json").read_text()) == json.loads(json.dumps(full.as_dict()))


@pytest.mark.parametrize(
    ("first", "last", "said"),
    [
        ("2026-03-02T00", "2026-03-08T23", "from 2 to 8 March 2026"),
        ("2026-02-24T00", "2026-03-03T23", "from 24 February to 3 March 2026"),
        ("2025-12-29T00", "2026-01-04T23", "from 29 December 2025 to 4 January 2026"),
        ("2026-03-02T00", "2026-03-02T23", "on 2 March 2026"),
    ],
)
def test_from_when_to_when(first: str, last: str, said: str) -> None:
    assert span(first, last) == said
