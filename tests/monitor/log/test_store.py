"""The log of verdicts: what is written comes back, each part once, in order, on SQLite and on PostgreSQL."""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from brightfield.engine.measurement import Measurement
from brightfield.errors import InputError, LogError
from brightfield.monitor.log.keep import Keep
from brightfield.monitor.log.records import Entry, Event, Filter, Judged, Sampled
from brightfield.monitor.log.store import VerdictLog
from brightfield.verdict import Decision, Defect, Scale, Verdict

Make = Callable[..., Verdict]

PNG = b"\x89PNG\r\n\x1a\n"


def test_what_is_recorded_comes_back_whole(place: str, verdict_of: Make) -> None:
    defect = Defect("pit", 12, 5.0, 3.0, (7.5, 9.0), (6, 8, 3, 4), 2.5, 0.8)
    measurement = Measurement(np.linspace(-1, 1, 32, dtype=np.float32), 0.5, 0.1, 0.7, 480, 640, 0.25, 0.75)
    verdict = verdict_of(
        *(0.75,),
        rule="pit.length_px <= 4: 5",
        defects=(defect,),
        measured=True,
        inspector="ab" * 32,
        measurement=measurement,
    )
    with VerdictLog(place) as log:
        given = log.record(verdict, part="P1", lot="L1", station="S1", picture=PNG)
    with VerdictLog(place) as log:
        (entry,) = log.entries()
    assert entry == given
    assert (entry.id, entry.part, entry.lot, entry.station, entry.image) == (
        1,
        "P1",
        "L1",
        "S1",
        "parts/1.png",
    )
    assert (entry.decision, entry.label, entry.scale, entry.method) == (
        "DEFECT",
        "pit",
        "probability",
        "classifier",
    )
    assert (entry.score, entry.probability, entry.p_value, entry.threshold) == (2.5, 0.75, None, 0.5)
    assert entry.value == 0.75
    assert entry.probabilities == {"OK": 0.25, "pit": 0.75}
    assert (entry.rule, entry.milliseconds, entry.inspector_sha256) == (verdict.rule, 3.5, "ab" * 32)
    # printf '\x89PNG\r\n\x1a\n' | sha256sum
    assert entry.picture_sha256 == "4c4b6a3be1314ab86138bef4314dde022e600960d8689a2c8f8631802d20dab6"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}\+00:00", entry.time)
    assert entry.defects == (defect.as_dict(),)
    assert entry.measurement == measurement
    assert entry.measurement is not None
    assert np.array_equal(entry.measurement.embedding, measurement.embedding)
    assert entry.measurement.embedding.dtype == np.float32


def test_what_is_not_known_is_none(place: str) -> None:
    verdict = Verdict(None, "cat", 0.1, None, "classifier", 1.0)
    with VerdictLog(place) as log:
        entry = log.record(verdict)
        assert log.entry(entry.id) == entry
    for name in ("part", "lot", "station", "picture_sha256", "inspector_sha256", "decision", "probability"):
        assert getattr(entry, name) is None
    assert (entry.p_value, entry.threshold, entry.scale, entry.rule, entry.value) == (None,) * 5
    assert (entry.measurement, entry.picture, entry.defects) == (None, None, None)
    assert entry.probabilities == {}


def test_a_part_that_comes_again_gets_its_first_answer(place: str, verdict_of: Make) -> None:
    with VerdictLog(place) as log:
        first = log.record(verdict_of(0.25), part="P1", lot="L1", station="S1")
        again = log.record(verdict_of(0.75), part="P1", lot="L1", station="S1")
        assert again == first
        assert (first.repeated, again.repeated, again.other_picture) == (False, True, False)
        assert again.decision == "OK"
        assert log.count() == 1


def test_a_number_that_begins_again_in_another_lot_or_station_is_another_part(
    place: str, verdict_of: Make
) -> None:
    with VerdictLog(place) as log:
        ids = [
            log.record(verdict_of(), part="1", lot=lot, station=station).id
            for lot, station in ((None, None), ("A", None), ("B", None), (None, "A"), ("A", "A"), ("B", None))
        ]
    assert ids == [1, 2, 3, 4, 5, 3]


def test_without_a_part_every_call_is_a_new_entry(place: str, verdict_of: Make) -> None:
    with VerdictLog(place) as log:
        assert [log.record(verdict_of()).id for _ in range(3)] == [1, 2, 3]


def test_another_picture_of_the_same_part_is_said(
    place: str, verdict_of: Make, caplog: pytest.LogCaptureFixture
) -> None:
    with VerdictLog(place) as log:
        first = log.record(verdict_of(), part="P1", picture=PNG + b"1")
        same = log.record(verdict_of(), part="P1", picture=PNG + b"1")
        assert (same.repeated, same.other_picture, caplog.messages) == (True, False, [])
        other = log.record(verdict_of(0.1), part="P1", picture=PNG + b"2")
    assert (other, other.repeated, other.other_picture) == (first, True, True)
    (message,) = caplog.messages
    assert "part P1 was judged before" in message
    assert "from another picture; the first answer stands" in message


def test_a_picture_that_was_written_over_since_it_was_judged_is_not_taken_for_it(
    place: str, tmp_path: Path, verdict_of: Make, caplog: pytest.LogCaptureFixture
) -> None:
    judged = "4c4b6a3be1314ab86138bef4314dde022e600960d8689a2c8f8631802d20dab6"  # of PNG, by sha256sum
    with VerdictLog(place, keep=Keep("all", folder=tmp_path / "kept")) as log:
        same = log.record(verdict_of(image_sha256=judged), picture=PNG)
        named = log.record(verdict_of(image_sha256=judged))
        assert caplog.messages == []
        other = log.record(verdict_of(image_sha256=judged), part="P1", picture=PNG + b"later")
        (message,) = caplog.messages
        assert "parts/1.png is not the picture that was judged, as if written over since" in message
        assert [entry.picture_sha256 for entry in (same, named, other)] == [judged] * 3
        assert [log.picture_of(entry) is None for entry in (same, named, other)] == [False, True, True]
        assert not log.record(verdict_of(image_sha256=judged), part="P1", picture=PNG).other_picture


@pytest.mark.parametrize(
    ("part", "message"),
    [
        ("", "part is empty, perhaps a code that was not read"),
        ("  ", "part is empty"),
        ("x" * 501, "part has 501 characters .* expected at most 500"),
        ("a\0b", "expected plain text without a zero byte"),
        (7, "part is 7; expected text"),
    ],
)
def test_an_id_that_is_none_is_refused(tmp_path: Path, verdict_of: Make, part: str, message: str) -> None:
    with VerdictLog(tmp_path / "line.db") as log:
        with pytest.raises(InputError, match=message):
            log.record(verdict_of(), part=part)
        assert log.count() == 0


def test_ids_and_names_of_every_kind(place: str, verdict_of: Make) -> None:
    odd = os.fsdecode(b"b\xff.png")  # a file name that is no text
    with VerdictLog(place) as log:
        entry = log.record(verdict_of(image=odd, label="Größe; DROP TABLE"), part="缺陷'\"\n", lot="x" * 500)
        assert log.entry(1) == entry
    assert (entry.part, entry.label, entry.image) == ("缺陷'\"\n", "Größe; DROP TABLE", "b\\udcff.png")


def test_entries_come_in_pages_in_both_directions(
    place: str, verdict_of: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("brightfield.monitor.log.store._PAGE", 3)
    with VerdictLog(place) as log:
        for i in range(8):
            log.record(verdict_of(0.75 if i % 2 else 0.25))
        assert [e.id for e in log.entries()] == [1, 2, 3, 4, 5, 6, 7, 8]
        assert [e.id for e in log.entries(newest_first=True)] == [8, 7, 6, 5, 4, 3, 2, 1]
        assert [e.id for e in log.entries(newest_first=True, most=5)] == [8, 7, 6, 5, 4]
        assert [e.id for e in log.entries(Filter(decision="DEFECT"), most=3)] == [2, 4, 6]
        assert [e.id for e in log.after(5)] == [6, 7, 8]
        assert list(log.after(8)) == []


def test_what_comes_while_entries_are_read_waits_for_the_next_time(
    place: str, verdict_of: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("brightfield.monitor.log.store._PAGE", 2)
    with VerdictLog(place) as log:
        for _ in range(4):
            log.record(verdict_of())
        seen = []
        for entry in log.after(0):
            seen.append(entry.id)
            log.record(verdict_of())  # as a line that is as quick as its reader
        assert seen == [1, 2, 3, 4]
        assert [e.id for e in log.after(seen[-1])] == [5, 6, 7, 8]


def test_an_entry_that_is_not_there(tmp_path: Path) -> None:
    with VerdictLog(tmp_path / "line.db") as log, pytest.raises(LogError, match="line.db has no entry 7"):
        log.entry(7)


def test_several_threads_write_at_once(place: str, verdict_of: Make) -> None:
    given: list[Entry] = []

    def write(log: VerdictLog, name: int) -> None:
        given.extend(log.record(verdict_of(), part=f"{name}-{i}", lot=str(i)) for i in range(10))

    with VerdictLog(place) as log:
        threads = [threading.Thread(target=write, args=(log, n)) for n in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(e.id for e in given) == list(range(1, 41))
        assert sorted(log.entries(), key=lambda e: e.id) == sorted(given, key=lambda e: e.id)


def test_several_threads_ask_for_one_part(place: str, verdict_of: Make) -> None:
    given: list[Entry] = []
    together = threading.Barrier(4)

    def write(log: VerdictLog, name: int) -> None:
        together.wait()
        given.append(log.record(verdict_of(name / 10), part="P1", picture=PNG))

    with VerdictLog(place) as log:
        threads = [threading.Thread(target=write, args=(log, n)) for n in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        (entry,) = log.entries()
    assert [e.repeated for e in given].count(False) == 1
    assert [e for e in given if e != entry] == []


def test_a_forked_process_opens_connections_of_its_own(place: str, verdict_of: Make) -> None:
    with VerdictLog(place) as log:
        log.record(verdict_of(), part="parent")
        child = os.fork()
        if child == 0:
            try:
                log.record(verdict_of(), part="child")
            finally:
                os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
        log.record(verdict_of(), part="parent again")
        assert [e.part for e in log.entries()] == ["parent", "child", "parent again"]


def test_judgements_are_kept_apart_and_each_once(place: str, verdict_of: Make) -> None:
    early, late = "2026-03-01T10:00:00.000000+00:00", "2026-03-02T10:00:00.000000+00:00"
    with VerdictLog(place) as log:
        for lot in ("A", "B"):
            log.record(verdict_of(), lot=lot)
        judged = [
            Judged(1, "OK", "Ada", early, "review", "a shadow"),
            Judged(1, "pit", "Bo", late, "audit"),
            Judged(2, "pit", "Ada", late, "seeded"),
        ]
        assert log.judge(judged) == 3
        assert log.judge([*judged, Judged(1, "pit", "Ada", late)]) == 1
        assert list(log.judgements())[:3] == judged
        assert [j.by for j in log.judgements(Filter(lot="B"))] == ["Ada"]
        assert [j.truth for j in log.judgements(source="audit")] == ["pit"]
        assert [e.label for e in log.entries()] == ["pit", "pit"]
        assert log.count(Filter(judged=True)) == 2


@pytest.mark.parametrize(
    ("judged", "message"),
    [
        (Judged(9, "OK", "Ada"), "the log has no entry 9; is this another log"),
        (Judged(1, "", "Ada"), "says no class"),
        (Judged(1, "OK", " "), "or not who judged"),
        (Judged(1, "OK", "Ada", source="guess"), "expected review, audit, seeded, import"),
    ],
)
def test_judgements_that_cannot_be_are_refused_with_all_others(
    place: str, verdict_of: Make, judged: Judged, message: str
) -> None:
    with VerdictLog(place) as log:
        log.record(verdict_of())
        with pytest.raises(InputError, match=message):
            log.judge([Judged(1, "OK", "Ada"), judged])
        assert list(log.judgements()) == []


def test_samples_of_audits(place: str, verdict_of: Make) -> None:
    with VerdictLog(place) as log:
        for lot in ("A", "A", "B"):
            log.record(verdict_of(), lot=lot)
        drawn = [Sampled(1, "passed", 0.1, draw="week 9", facts={"seed": 3}), Sampled(3, "rejected", 1.0)]
        assert log.sample(drawn) == 2
        assert log.sample(drawn) == 0
        assert list(log.sampling()) == drawn
        assert list(log.sampling(Filter(lot="B"))) == drawn[1:]
        assert list(log.sampling(draw="week 9")) == drawn[:1]
        with pytest.raises(InputError, match="drawn with probability 0; expected a number in"):
            log.sample([Sampled(1, "passed", 0)])


def test_events(place: str, verdict_of: Make) -> None:
    with VerdictLog(place) as log:
        log.record(verdict_of())
        alarm = log.tell(Event("alarm", "darker since part 1", entry_id=1, facts={"since": 1}))
        done = log.tell(Event("action", "lamp changed", about=alarm.id))
        assert (alarm.id, done.id) == (1, 2)
        assert list(log.events()) == [alarm, done]
        assert list(log.events("action")) == [done]
        assert list(log.events(after=1)) == [done]
        with pytest.raises(InputError, match="no entry 5"):
            log.tell(Event("alarm", "x", entry_id=5))


def test_a_server_that_commits_and_is_gone_before_it_says_so_is_asked_again(
    place: str, verdict_of: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The transaction is done again after it has succeeded: the answer is the same, and new."""
    with VerdictLog(place) as log:
        once = log.database._write_once

        def twice(work: Callable[..., Entry]) -> Entry:
            once(work)
            return once(work)

        monkeypatch.setattr(log.database, "_write_once", twice)
        for part in ("P1", None):
            entry = log.record(verdict_of(), part=part, picture=PNG)
            assert not entry.repeated
        assert log.count() == 2
        assert log.kept()[0] == (2 if log.folder else 0)


def test_scores_of_every_size_come_back_exactly(place: str, verdict_of: Make) -> None:
    scores = [0.1 + 0.2, -1e-300, 1e300, 5e-324, -0.0]
    with VerdictLog(place) as log:
        for score in scores:
            log.record(verdict_of(score=score))
        assert [e.score for e in log.entries()] == scores


def test_a_p_value_is_the_value_of_its_scale(tmp_path: Path, verdict_of: Make) -> None:
    verdict = replace(
        verdict_of(), probability=None, probabilities={}, p_value=0.01, scale=Scale.P_VALUE, threshold=0.05
    )
    with VerdictLog(tmp_path / "line.db") as log:
        entry = log.record(verdict)
    assert (entry.value, entry.scale, entry.decision) == (0.01, "p_value", str(Decision.DEFECT))
