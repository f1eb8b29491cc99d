from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from judged_log import judged_log, known_pieces, looked_at, verdict

from brightfield.data.load import load
from brightfield.errors import DataError
from brightfield.monitor.audit.bounds import audit
from brightfield.monitor.audit.of_log import audit_log, nothing_proven
from brightfield.monitor.audit.promise import Promise
from brightfield.monitor.audit.tally import Evidence, Known, Looks
from brightfield.monitor.log.records import Judged, Sampled
from brightfield.monitor.log.store import VerdictLog
from brightfield.monitor.review.make import Asked, make_page
from brightfield.monitor.review.pages import find_shown
from brightfield.monitor.review.shares import parse_shares
from brightfield.monitor.review.take_in import take_in


def test_what_people_said_becomes_the_bound(tmp_path: Path) -> None:
    log, truth = judged_log(tmp_path, passed=60, rejected=20, escapes=6, overkills=4)
    known = load(known_pieces(tmp_path / "known", good=6, defective=6))
    shares = parse_shares("passed=0.6 rejected=0.2 known=0.2")
    for day in range(1, 10):
        page = make_page(log, tmp_path, Asked(20, shares, known, seed=day))
        take_in(log, looked_at(log, page.path, truth, by="AB"[day % 2], day=day))
    found = audit_log(log)
    # all parts were looked at in the end, and all escapes twice
    assert found.evidence.passed == Looks(6, 54, 0, {"pit": 6.0})
    assert found.evidence.rejected == Looks(16, 4, 0, {"pit": 16.0})
    assert (found.evidence.n_passed, found.evidence.n_rejected) == (60, 20)
    assert found.evidence.known.missed == found.evidence.known.alarmed == 0
    assert (found.evidence.known.defective, found.evidence.known.good) == (6, 6), "each piece counts once"
    assert any(note.startswith("6 different known defective pieces were shown 1") for note in found.notes)
    assert found.whole.escape_rate.value == pytest.approx(6 / 22)
    assert found.whole.escape_rate.high == audit(found.evidence).escape_rate.high
    assert set(found.by_type) == {"pit"}
    assert set(found.by_station) == {"east", "west"}
    assert found.by_type["pit"].confidence == pytest.approx(1 - 0.05 / 8)
    assert not any("taken to" in note for note in found.notes)


def test_uncertain_parts_do_not_speak_for_others(tmp_path: Path) -> None:
    log, truth = judged_log(tmp_path)
    page = make_page(log, tmp_path, Asked(10, parse_shares("passed=0.2 uncertain=0.8"), seed=1))
    take_in(log, looked_at(log, page.path, truth))
    assert audit_log(log).evidence.looks == 2


def test_a_first_call_of_defective_is_undecided(tmp_path: Path) -> None:
    log, truth = judged_log(tmp_path, escapes=60)
    page = make_page(log, tmp_path, Asked(10, parse_shares("passed=1"), seed=1))
    take_in(log, looked_at(log, page.path, truth))
    found = audit_log(log)
    assert found.evidence.passed == Looks(0, 0, 10)
    assert any("10 parts are undecided" in note for note in found.notes)
    assert found.whole.escape_rate.value is not None


def test_without_looks_it_is_said_what_is_missing(tmp_path: Path) -> None:
    log, _ = judged_log(tmp_path)
    found = audit_log(log, promises=[Promise("escape", 0.02)])
    assert found.evidence == Evidence(60, 20, Looks(), Looks(), Known())
    assert len([note for note in found.notes if note.startswith("no ")]) == 4
    (standing,) = found.promises
    assert (standing.outcome, standing.more) == ("open", None)
    assert found.as_dict()["escape_rate"] == {"value": None, "low": 0.0, "high": 1.0}


def test_the_audit_is_of_the_inspector_that_judged_last(tmp_path: Path) -> None:
    log, truth = judged_log(tmp_path)
    page = make_page(log, tmp_path, Asked(10, parse_shares("passed=1"), seed=1))
    take_in(log, looked_at(log, page.path, truth))
    log.record(verdict(0.1, inspector="cd" * 32), part="new")
    found = audit_log(log)
    assert (found.evidence.n_passed, found.evidence.n_rejected, found.evidence.looks) == (1, 0, 0)


def test_after_an_alarm_the_count_begins_anew(tmp_path: Path) -> None:
    log, truth = judged_log(tmp_path, passed=40, rejected=20, escapes=0)
    known = load(known_pieces(tmp_path / "known"))
    early = [entry.id for entry in log.entries()][:30]
    sql = f"UPDATE entries SET time = '2026-02-01T08:00:00.000000+00:00' WHERE id <= {early[-1]}"
    log.database.write(lambda connection: connection.exec_driver_sql(sql))
    shares = parse_shares("passed=0.6 rejected=0.2 known=0.2")
    take_in(log, looked_at(log, make_page(log, tmp_path, Asked(30, shares, known, seed=1)).path, truth))
    page = make_page(log, tmp_path, Asked(10, shares, known, seed=2, since="2026-02-02"))
    shown = [s.item.entry_id for s in find_shown(log.database, page.id) if s.item.entry_id is not None]
    assert min(shown) > early[-1]
    take_in(log, looked_at(log, page.path, truth, day=2))
    whole, found = audit_log(log), audit_log(log, since="2026-02-02")
    late = {number for number in truth if number > early[-1]}
    assert found.evidence.n_passed + found.evidence.n_rejected == 30
    assert found.evidence.looks == len({s.entry_id for s in log.sampling()} & late) < whole.evidence.looks
    assert found.evidence.known == whole.evidence.known, "known pieces tell of people, not of the line"
    assert found.notes[0] == "parts from 2026-02-02T00:00:00.000000+00:00 on count alone"
    with pytest.raises(DataError, match="judged by this inspector from 2099-01-01 on; the last one is of 20"):
        audit_log(log, since="2099-01-01")


def test_an_empty_log_is_said(tmp_path: Path) -> None:
    with VerdictLog(tmp_path / "empty.db") as log, pytest.raises(DataError, match="has no entries"):
        audit_log(log)


def test_what_was_drawn_and_judged_without_a_page_counts_too(tmp_path: Path) -> None:
    log, truth = judged_log(tmp_path, escapes=2)
    passed = [e.id for e in log.entries() if e.decision == "OK"]
    escaped = [number for number in passed if truth[number] == "pit"]
    log.sample(Sampled(number, "passed", 1.0, draw="shift 1") for number in passed)
    log.sample([Sampled(e.id, "uncertain", 0.1) for e in log.entries() if e.decision == "DEFECT"])
    log.judge(Judged(number, true, "Ada", f"2026-03-01T{number:06}") for number, true in truth.items())
    assert audit_log(log).evidence.passed == Looks(0, 58, 2), "a defect that passed takes a second look"
    assert audit_log(log).evidence.rejected == Looks()
    log.judge(Judged(number, "pit", "Bob", "2026-03-02") for number in escaped)
    found = audit_log(log).evidence
    assert found.passed == Looks(2, 58, 0, {"pit": 2.0})
    assert found.passed_twice.differing == found.passed_twice.alike == 0
    page = make_page(log, tmp_path, Asked(3, parse_shares("rejected=1"), seed=1))
    assert page.counts == {"rejected": 3}, "the two are settled, and all others were drawn"


def test_a_second_look_on_a_page_settles_what_was_judged_without_one(tmp_path: Path) -> None:
    log, truth = judged_log(tmp_path, passed=10, escapes=1)
    log.sample(Sampled(e.id, "passed", 1.0, draw="shift 1") for e in log.entries() if e.decision == "OK")
    log.judge(Judged(number, true, "Ada", "2026-02-28") for number, true in truth.items())
    assert audit_log(log).evidence.passed == Looks(0, 9, 1)
    page = make_page(log, tmp_path, Asked(4, parse_shares("rejected=1"), seed=1))
    assert page.counts == {"rejected": 3, "again": 1}
    take_in(log, looked_at(log, page.path, truth, by="Bob"))
    assert audit_log(log).evidence.passed == Looks(1, 9, 0, {"pit": 1.0})


def test_few_known_pieces_are_said_to_widen_the_bound(tmp_path: Path) -> None:
    log, truth = judged_log(tmp_path, passed=200, rejected=60, escapes=0, overkills=0)
    known = load(known_pieces(tmp_path / "known", good=4, defective=4))
    shares = parse_shares("passed=0.75 rejected=0.2 known=0.05")
    page = make_page(log, tmp_path, Asked(160, shares, known, seed=1))
    take_in(log, looked_at(log, page.path, truth))
    found = audit_log(log)
    evidence = found.evidence
    assert (evidence.known.defective, evidence.known.good) == (4, 4)
    enough = audit(replace(evidence, known=Known(defective=50, good=50))).escape_rate.high
    assert found.whole.escape_rate.high > 1.25 * enough
    (note,) = (note for note in found.notes if "pieces are few" in note)
    assert note.startswith("4 known defective and 4 known good pieces are few, so people may be wrong in up")
    assert note.endswith(f"judged as so far, it would be {float(enough):.1%}")


def test_it_is_said_when_so_few_looks_prove_nothing(tmp_path: Path) -> None:
    log, truth = judged_log(tmp_path)
    page = make_page(log, tmp_path, Asked(3, parse_shares("passed=0.7 rejected=0.3"), seed=1))
    take_in(log, looked_at(log, page.path, truth))
    found = audit_log(log)
    assert nothing_proven(found.whole.escape_rate)
    (note,) = (note for note in found.notes if "too few to prove anything" in note)
    assert note.startswith("2 looks at parts that passed and 1 at parts that did not are too few")


def test_enough_known_pieces_are_not_said_to_be_few(tmp_path: Path) -> None:
    log, truth = judged_log(tmp_path, passed=200, rejected=60)
    known = load(known_pieces(tmp_path / "known", good=50, defective=50))
    page = make_page(
        log, tmp_path, Asked(300, parse_shares("passed=0.5 rejected=0.2 known=0.3"), known, seed=1)
    )
    take_in(log, looked_at(log, page.path, truth))
    assert not any("are few" in note or "too few" in note for note in audit_log(log).notes)
