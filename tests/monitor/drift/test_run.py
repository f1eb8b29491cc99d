from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import grey_parts
import numpy as np
import pytest
from PIL import Image

from brightfield.errors import ConfigError, DataError, LogError
from brightfield.inspector import Inspector
from brightfield.monitor.drift import limits as limits_module
from brightfield.monitor.drift.events import Done, Key, LogRecord, answers, noticed
from brightfield.monitor.drift.reference import reference_from, reference_of
from brightfield.monitor.drift.run import Monitor, Told, follow
from brightfield.monitor.drift.source import FolderSource, LogSource, Observed, ordered_images
from brightfield.monitor.drift.watch import Plan, Watch, plan
from brightfield.monitor.log.keep import Keep
from brightfield.monitor.log.records import Event
from brightfield.monitor.log.store import VerdictLog

SHA = "a" * 64


@pytest.fixture(autouse=True, scope="module")
def _quick() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(limits_module, "REFERENCES", 20)
        yield


@pytest.fixture(scope="module")
def inspector() -> Inspector:
    return replace(grey_parts.inspector(), sha256=SHA)


@pytest.fixture(scope="module")
def planned(inspector: Inspector) -> Plan:
    return plan(reference_of(inspector), 1000)


@pytest.fixture(scope="module")
def line(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("line")
    grey_parts.write(folder, 40)
    grey_parts.write(folder, 20, 41, light=0.6)
    return folder


def logged(log: VerdictLog, inspector: Inspector, seeds: range, **how: float) -> None:
    for seed in seeds:
        picture = grey_parts.picture(seed, **how)  # type: ignore[arg-type]
        verdict = replace(inspector.inspect(picture, measure=True), image=f"{seed}.png", inspector=SHA)
        log.record(verdict, part=str(seed))


def test_a_folder_is_watched_in_the_order_of_its_names(
    inspector: Inspector, planned: Plan, line: Path
) -> None:
    assert [image.name for image in ordered_images(line)][8:11] == [
        "part-9.png",
        "part-10.png",
        "part-11.png",
    ]
    told: list[Told] = []
    monitor = Monitor(Watch(planned), FolderSource(inspector, line))
    assert monitor.catch_up(told.append) == 60
    found = monitor.found()
    (alarm,) = found.alarms
    assert (found.parts, found.compared, alarm.what) == (60, 60, "darker")
    assert abs(alarm.since - 41) <= 1
    assert alarm.at <= 53
    assert set(alarm.images) <= {f"part-{i}.png" for i in range(alarm.since, alarm.at + 1)}
    assert found.reference == ("good/0.png", "good/5.png")
    assert told[0].alarm.at == alarm.at
    assert [monitor.source.picture(part) for part in told[0].shown.values()] == [
        line / name for name in alarm.images
    ]
    assert monitor.catch_up() == 0


def test_what_cannot_be_read_is_counted_and_named(
    inspector: Inspector, planned: Plan, tmp_path: Path
) -> None:
    grey_parts.write(tmp_path, 5)
    (tmp_path / "part-3.png").write_bytes(b"no picture")
    monitor = Monitor(Watch(planned), FolderSource(inspector, tmp_path))
    monitor.catch_up()
    found = monitor.found()
    assert (found.parts, found.compared) == (5, 4)
    ((reason, count),) = found.without.items()
    assert count == 1
    assert "part-3.png" in reason


def test_a_log_is_watched_and_its_alarms_are_events(
    inspector: Inspector, planned: Plan, tmp_path: Path
) -> None:
    with VerdictLog(tmp_path / "line.db", keep=Keep(None)) as log:
        logged(log, inspector, range(100, 130))
        logged(log, inspector, range(130, 150), light=0.6)
        found = []
        for _ in range(2):  # the second time it is in the log already
            monitor = Monitor(Watch(planned), LogSource(log, SHA), LogRecord(log, Key(SHA, 1000)))
            monitor.catch_up()
            found.append(monitor.found())
        assert found[0] == found[1]
        (alarm,) = found[0].alarms
        (event,) = log.events("alarm")
        assert (event.entry_id, event.text) == (alarm.at, f"darker since part {alarm.since}")
        assert event.facts["what"] == "darker"
        assert event.facts["entries"] == list(alarm.parts)
        other = Monitor(Watch(planned), LogSource(log, SHA), LogRecord(log, Key(SHA, 2000)))
        other.catch_up()
        assert len(list(log.events("alarm"))) == 2  # another run length is another alarm


def test_the_same_is_found_whether_a_log_is_read_at_once_or_as_it_grows(
    inspector: Inspector, planned: Plan, tmp_path: Path
) -> None:
    with VerdictLog(tmp_path / "line.db", keep=Keep(None)) as log:
        growing = Monitor(Watch(planned), LogSource(log, SHA))
        for first in range(200, 260, 7):
            logged(log, inspector, range(first, first + 7), light=1.0 if first < 235 else 0.6)
            growing.catch_up()
        whole = Monitor(Watch(planned), LogSource(log, SHA))
        whole.catch_up()
        assert growing.found() == whole.found()
        assert len(whole.found().alarms) == 1


def test_after_the_line_was_put_right_it_is_watched_anew(
    inspector: Inspector, planned: Plan, tmp_path: Path
) -> None:
    with VerdictLog(tmp_path / "line.db", keep=Keep(None)) as log:
        logged(log, inspector, range(300, 330))
        logged(log, inspector, range(330, 345), light=0.6)
        record = LogRecord(log, Key(SHA, 1000))
        watching = Monitor(Watch(planned), LogSource(log, SHA), record)
        watching.catch_up()
        other = LogRecord(log, Key(SHA, 1000), Done.now(log, "lamp exchanged", "Ada"))  # another program
        event = other.put_right()
        assert event is not None
        (alarm,) = log.events("alarm")
        assert (event.about, event.entry_id, event.facts) == (alarm.id, 45, {"by": "Ada"})
        logged(log, inspector, range(345, 365), light=0.6)  # it was not
        watching.catch_up()
        at = [one.at for one in watching.found().alarms]
        assert len(at) == 2
        assert at[1] > 45
        again = Monitor(Watch(planned), LogSource(log, SHA), LogRecord(log, Key(SHA, 1000)))
        again.catch_up()
        assert again.found() == watching.found()
        with pytest.raises(ConfigError, match="--by is empty"):
            Done.now(log, "lamp exchanged", " ")


def test_charts_begin_anew_where_the_line_was_put_right_before_it_is_written_down(
    inspector: Inspector, planned: Plan, tmp_path: Path
) -> None:
    key = Key(SHA, 1000)
    with VerdictLog(tmp_path / "line.db", keep=Keep(None)) as log:
        logged(log, inspector, range(300, 330))
        logged(log, inspector, range(330, 345), light=0.6)
        done = Done.now(log, "lamp exchanged", "Ada")
        logged(log, inspector, range(345, 365), light=0.6)  # while the log is read
        record = LogRecord(log, key, done)
        watching = Monitor(Watch(planned), LogSource(log, SHA), record)
        watching.catch_up()
        assert list(log.events("action")) == []
        event = record.put_right()
        first, second = log.events("alarm")
        assert event is not None
        assert (event.entry_id, event.about) == (45, first.id)
        assert (second.entry_id or 0) > 45
        again = Monitor(Watch(planned), LogSource(log, SHA), LogRecord(log, key))
        again.catch_up()
        assert again.found() == watching.found()
        logged(log, inspector, range(365, 370), light=0.6)
        watching.catch_up()  # its own action is not taken for another one
        again.catch_up()
        assert again.found() == watching.found()


def alarm_event(log: VerdictLog, at: int, **other: object) -> int:
    facts = {
        "inspector": SHA,
        "run_length": 1000,
        "reference": "",
        "kind": "drift",
        "since": at - 5,
        "at": at,
    }
    return log.tell(Event("alarm", "darker", at, facts={**facts, **other})).id


def test_an_action_answers_the_last_alarm_of_drift_of_what_is_watched(
    inspector: Inspector, tmp_path: Path
) -> None:
    key = Key(SHA, 1000)

    def about() -> int | None:
        event = LogRecord(log, key, Done.now(log, "lamp exchanged", "Ada")).put_right()
        assert event is not None
        return event.about

    with VerdictLog(tmp_path / "line.db", keep=Keep(None)) as log:
        logged(log, inspector, range(100, 140))
        assert about() is None
        logged(log, inspector, range(140, 160))
        other = alarm_event(log, 45, run_length=200)
        assert about() == other  # there is none of this key
        logged(log, inspector, range(160, 190))
        alarm_event(log, 70)
        wanted = alarm_event(log, 80)
        alarm_event(log, 75)  # written later, as a restarted run does
        alarm_event(log, 82, kind="verdicts")
        alarm_event(log, 83, run_length=200)
        alarm_event(log, 84, inspector="b" * 64)
        assert about() == wanted
        logged(log, inspector, range(190, 200))
        verdicts = alarm_event(log, 95, kind="verdicts")
        assert about() == verdicts  # that of drift was answered before


def test_another_reference_is_another_key_and_its_alarm_is_answered_too(
    inspector: Inspector, planned: Plan, tmp_path: Path
) -> None:
    bright = list(inspector.inspect_many((grey_parts.picture(i) for i in range(900, 950)), measure=True))
    other = plan(reference_from(bright, "OK"), 1000)
    assert Key.of(SHA, planned) == Key(SHA, 1000, "")
    assert Key.of(SHA, other).reference not in (
        "",
        Key.of(SHA, plan(reference_from(bright[:40], "OK"))).reference,
    )
    with VerdictLog(tmp_path / "line.db", keep=Keep(None)) as log:
        logged(log, inspector, range(100, 130))
        logged(log, inspector, range(130, 150), light=0.6)
        found = []
        for one in (planned, other):
            record = LogRecord(log, Key.of(SHA, one), Done.now(log, "lamp exchanged", "Ada"))
            monitor = Monitor(Watch(one), LogSource(log, SHA), record)
            monitor.catch_up()
            found += monitor.found().alarms
            if one is planned:
                action = record.put_right()
        events = list(log.events())
        assert [event.facts["reference"] for event in events if event.kind == "alarm"] == [
            "",
            other.reference.digest,
        ]
        for alarm in found:
            assert answers(events, SHA, alarm) == (action,)
            event = noticed(events, SHA, alarm)
            assert event is not None
            assert event.facts["at"] == alarm.at
        assert answers(events, "b" * 64, found[0]) == ()
        assert answers(events, SHA, replace(found[0], since=1, at=20, until=29)) == ()
        assert answers(events, SHA, replace(found[0], kind="verdicts")) == ()


def test_what_an_earlier_run_told_is_not_new_even_if_it_is_noticed_elsewhere(
    inspector: Inspector, planned: Plan, tmp_path: Path
) -> None:
    with VerdictLog(tmp_path / "line.db", keep=Keep(None)) as log:
        logged(log, inspector, range(100, 130))
        logged(log, inspector, range(130, 150), light=0.6)
        alarm_event(log, 38, since=30)  # an earlier version noticed it there
        told: list[Told] = []
        Monitor(Watch(planned), LogSource(log, SHA), LogRecord(log, Key(SHA, 1000))).catch_up(told.append)
        assert [one.new for one in told] == [False]
        assert len(list(log.events("alarm"))) == 1


def test_following_goes_on_after_the_log_failed_and_loses_no_alarm(
    inspector: Inspector, planned: Plan, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with VerdictLog(tmp_path / "line.db", keep=Keep(None)) as log:
        logged(log, inspector, range(100, 130))
        logged(log, inspector, range(130, 150), light=0.6)
        stopped, fails, told = threading.Event(), iter([True, True, False, True, True]), []

        class Restarting(LogSource):
            def new(self) -> Iterator[Observed]:
                if next(fails, False):
                    raise LogError("the database restarts")
                yield from super().new()
                stopped.set()

        class Failing(LogRecord):
            def alarm(self, one: Told) -> bool:
                if next(fails, False):
                    raise LogError("the database restarts")
                return super().alarm(one)

        monitor = Monitor(Watch(planned), Restarting(log, SHA), Failing(log, Key(SHA, 1000)))
        found = follow(monitor, stopped, 0.0, told.append)
        assert found.parts == 50
        assert [one.alarm.what for one in told] == ["darker"]
        assert len(list(log.events("alarm"))) == 1
    assert caplog.text.count("the database restarts; it is tried again") == 1


def test_entries_that_cannot_be_compared_are_counted(
    inspector: Inspector, planned: Plan, tmp_path: Path
) -> None:
    with VerdictLog(tmp_path / "line.db", keep=Keep(None)) as log:
        picture = grey_parts.picture(1)
        log.record(replace(inspector.inspect(picture), inspector=SHA), part="1")
        log.record(replace(inspector.inspect(picture, measure=True), inspector="b" * 64), part="2")
        monitor = Monitor(Watch(planned), LogSource(log, SHA))
        monitor.catch_up()
        found = monitor.found()
        assert (found.parts, found.compared) == (2, 0)
        assert found.without == {
            "it was logged without a measurement": 1,
            "another inspector judged it": 1,
        }


def test_following_ends_when_it_is_told_to(inspector: Inspector, planned: Plan, line: Path) -> None:
    stopped = threading.Event()
    monitor = Monitor(Watch(planned), FolderSource(inspector, line))
    found = follow(monitor, stopped, 0.01, lambda _told: stopped.set())
    assert found.parts == found.alarms[0].at  # it stops after the part that told it to


def test_a_reference_of_ones_own(inspector: Inspector) -> None:
    bright = (grey_parts.picture(i, light=1.3) for i in range(40))
    verdicts = list(inspector.inspect_many(bright, measure=True))
    own = plan(reference_from(verdicts, "OK"), 1000)
    watch = Watch(own)
    for i in range(30):
        verdict = inspector.inspect(grey_parts.picture(500 + i, light=1.3), measure=True)
        watch.see(_seen(verdict), "")
    assert watch.alarms == []
    with pytest.raises(DataError, match="--reference holds 3 pictures; expected 30 at least"):
        reference_from(verdicts[:3], "OK")


def test_an_inspector_of_before_says_what_to_do(inspector: Inspector) -> None:
    old = {k: v for k, v in inspector.reference.items() if not k.startswith("measured.")}
    with pytest.raises(DataError, match=r"no measurements .* by --reference FOLDER, or train it again"):
        reference_of(replace(inspector, reference=old))


def test_sheets_show_an_alarm_above_the_reference(tmp_path: Path) -> None:
    from brightfield.monitor.drift.pictures import CELL, Row, row_of, sheet, write_sheet

    Image.fromarray(np.full((50, 100, 3), 200, np.uint8)).save(tmp_path / "a.png")
    parts = [("part 5", tmp_path / "gone.png"), ("part 6", tmp_path / "a.png"), ("part 7", None)]
    found = row_of("part 7: darker", parts, 8)
    assert found.names == ["part 6"]
    before = Row("before", [*found.pictures] * 4)
    write_sheet(tmp_path / "out" / "sheet.png", sheet([found, before]))
    with Image.open(tmp_path / "out" / "sheet.png") as image:
        assert image.width > 4 * CELL
        pixels = np.asarray(image)
    assert (pixels == 200).all(axis=2).sum() == 5 * CELL * CELL // 2


def _seen(verdict: object):  # type: ignore[no-untyped-def]
    from brightfield.monitor.drift.reference import seen_in

    return seen_in(verdict)  # type: ignore[arg-type]
