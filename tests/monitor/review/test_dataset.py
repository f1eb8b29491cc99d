from __future__ import annotations

import csv
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from judged_log import judged_log, looked_at, verdict

from brightfield.data.load import load
from brightfield.errors import ConfigError, DataError
from brightfield.monitor.audit.settled import settled_of
from brightfield.monitor.log.keep import Keep
from brightfield.monitor.log.records import Filter, Judged, Sampled
from brightfield.monitor.log.store import VerdictLog
from brightfield.monitor.review.cases import find_cases
from brightfield.monitor.review.dataset import COLUMNS, resolve, write_dataset
from brightfield.monitor.review.make import Asked, make_page
from brightfield.monitor.review.pages import find_shown
from brightfield.monitor.review.shares import parse_shares
from brightfield.monitor.review.take_in import take_in


def judge_all(log: VerdictLog, truth: dict[int, str], by: str = "Ada") -> None:
    log.judge(Judged(n, t, by, f"2026-03-01T08:00:{n % 60:02}.000000+00:00") for n, t in truth.items())


def rows_of(folder: Path) -> list[dict[str, str]]:
    with (folder / "manifest.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_the_data_set_is_what_people_said(tmp_path: Path) -> None:
    log, truth = judged_log(tmp_path)
    judge_all(log, truth)
    log.sample([Sampled(5, "passed", 0.25, draw="page")])
    written = write_dataset(log, tmp_path / "set")
    assert written.classes == dict(Counter(truth.values()))
    assert (written.contradictory, written.without_picture) == (0, 0)
    dataset = load(tmp_path / "set")
    assert dataset.normal == "OK"
    assert dataset.counts() == written.classes
    rows = rows_of(tmp_path / "set")
    assert tuple(rows[0]) == COLUMNS
    assert {int(row["entry"]): row["label"] for row in rows} == truth
    fifth = next(row for row in rows if row["entry"] == "5")
    entry = log.entry(5)
    assert (fifth["part"], fifth["lot"], fifth["station"], fifth["decision"]) == (
        *(entry.part, entry.lot, entry.station, entry.decision),
    )
    assert (fifth["judged_by"], fifth["source"]) == ("Ada", "review")
    assert (fifth["drawn"], fifth["probability_of_drawing"]) == ("passed", "0.25")
    kept = log.picture_of(entry)
    assert kept is not None
    assert (tmp_path / "set" / fifth["image"]).read_bytes() == kept.read_bytes()


def test_most_people_decide_and_ties_are_left_out(tmp_path: Path) -> None:
    log, _ = judged_log(tmp_path)
    for number, said in ((1, ["OK"]), (2, ["pit", "OK"]), (3, ["pit", "OK", "pit"]), (4, ["pit", "crack"])):
        log.judge(Judged(number, truth, f"person {i}") for i, truth in enumerate(said))
    resolved, contradictory = resolve(log)
    assert {one.entry.id: one.label for one in resolved} == {1: "OK", 3: "pit"}
    assert contradictory == 2
    assert [j.by for j in next(one for one in resolved if one.entry.id == 3).judged] == [
        "person 0",
        "person 2",
    ]
    assert write_dataset(log, tmp_path / "set").contradictory == 2


def test_of_one_person_the_last_judgement_counts(tmp_path: Path) -> None:
    log, _ = judged_log(tmp_path)
    log.judge([Judged(1, "pit", "Ada", "2026-03-02"), Judged(1, "OK", "Ada", "2026-03-01")])
    (one,), _ = resolve(log)
    assert one.label == "pit"


def on_a_page(log: VerdictLog, folder: Path, says: dict[str, list[str | None]]) -> list[int]:
    """Have people look at one page of parts that passed, each answer of theirs a day later."""
    page = make_page(log, folder, Asked(2, parse_shares("passed=1"), seed=1))
    shown = [s.item.entry_id for s in find_shown(log.database, page.id) if s.item.entry_id is not None]
    for day in range(max(map(len, says.values()))):
        for by, answers in says.items():
            if day < len(answers):
                take_in(
                    log,
                    looked_at(
                        log,
                        page.path,
                        dict.fromkeys(shown, "OK"),
                        by=by,
                        day=day + 1,
                        says=lambda _, said=answers[day]: said,
                    ),
                )
    return shown


def test_an_answer_that_was_changed_to_not_sure_is_no_label(tmp_path: Path) -> None:
    log, _ = judged_log(tmp_path)
    shown = on_a_page(log, tmp_path, {"Ada": ["pit", None], "Bob": ["pit", "OK"]})
    resolved, contradictory = resolve(log)
    assert {one.entry.id: one.label for one in resolved} == dict.fromkeys(shown, "OK")
    assert {j.by for one in resolved for j in one.judged} == {"Bob"}
    assert contradictory == 0


def test_people_decide_first_whether_it_is_good_as_in_the_audit(tmp_path: Path) -> None:
    log, _ = judged_log(tmp_path)
    said = {"A": "OK", "B": "OK", "C": "pit", "D": "crack", "E": "crack"}
    shown = on_a_page(log, tmp_path, {by: [truth] for by, truth in said.items()})
    cases = [case.seen for case in find_cases(log.database) if case.seen is not None]
    assert {settled_of(seen, "OK").truth for seen in cases} == {"crack"}
    resolved, _ = resolve(log)
    assert {one.entry.id: one.label for one in resolved} == dict.fromkeys(shown, "crack")
    assert [j.by for j in resolved[0].judged] == ["D", "E"]


def test_only_what_was_looked_at_for_its_draw_speaks_for_the_line(tmp_path: Path) -> None:
    log, truth = judged_log(tmp_path, passed=6, rejected=0, escapes=0)
    doubtful = make_page(log, tmp_path, Asked(5, parse_shares("passed=0.2 uncertain=0.8"), seed=1))
    make_page(log, tmp_path, Asked(5, parse_shares("passed=1"), seed=2))  # and that page does not come back
    take_in(log, looked_at(log, doubtful.path, truth))
    write_dataset(log, tmp_path / "set")
    drawn = Counter(row["drawn"] for row in rows_of(tmp_path / "set"))
    assert drawn == {"passed": 1, "": 4}


def test_one_picture_in_two_entries_is_one(tmp_path: Path) -> None:
    log, _ = judged_log(tmp_path)
    kept = log.picture_of(log.entry(1))
    assert kept is not None
    again = log.record(verdict(0.1), part="again", picture=kept)
    log.judge([Judged(1, "pit", "Ada"), Judged(again.id, "OK", "Bob"), Judged(again.id, "OK", "Cyd")])
    resolved, contradictory = resolve(log)
    assert [(one.entry.id, one.label) for one in resolved] == [(1, "OK")]
    assert contradictory == 0


def at(log: VerdictLog, minutes: float) -> None:
    """Move the entries so many minutes apart."""
    begin = datetime(2026, 3, 1, tzinfo=UTC)
    for entry in list(log.entries()):
        moment = (begin + timedelta(minutes=minutes * entry.id)).isoformat(timespec="microseconds")
        sql = f"UPDATE entries SET time = '{moment}' WHERE id = {entry.id}"
        log.database.write(lambda connection, text=sql: connection.exec_driver_sql(text))


def test_parts_of_one_lot_and_time_are_one_group(tmp_path: Path) -> None:
    log, truth = judged_log(tmp_path, passed=100, rejected=60)
    at(log, 5)
    judge_all(log, truth)
    assert write_dataset(log, tmp_path / "set").minutes == 60
    entries = {e.id: e for e in log.entries()}
    groups: dict[str, set[tuple[str | None, str]]] = {}
    for row in rows_of(tmp_path / "set"):
        entry = entries[int(row["entry"])]
        groups.setdefault(row["group"], set()).add((entry.lot, entry.time[:13]))
    assert all(len(what) == 1 for what in groups.values())
    assert {s.group for s in load(tmp_path / "set").samples} == set(groups)


def test_groups_are_shorter_where_there_are_few_and_none_where_all_came_at_once(tmp_path: Path) -> None:
    log, truth = judged_log(tmp_path, passed=100, rejected=60)
    judge_all(log, truth)
    at(log, 0.5)
    assert write_dataset(log, tmp_path / "minutes").minutes == 30
    at(log, 0)
    assert write_dataset(log, tmp_path / "once").minutes is None
    assert {row["group"] for row in rows_of(tmp_path / "once")} == {""}
    assert "too few minutes and lots" in write_dataset(log, tmp_path / "again").warnings[0]
    asked = write_dataset(log, tmp_path / "asked", minutes=15)
    assert asked.minutes == 15
    assert len({row["group"] for row in rows_of(tmp_path / "asked")}) == 4, "two lots at two stations"


def test_a_rare_class_takes_the_groups_of_no_other_away(tmp_path: Path) -> None:
    log, truth = judged_log(tmp_path, passed=100, rejected=60)
    at(log, 5)
    judge_all(log, truth)
    rare = [1, 40, 80, 120]
    log.judge(Judged(number, "rare", "Ada", "2026-04-01") for number in rare)
    spread = write_dataset(log, tmp_path / "spread")
    assert (spread.minutes, spread.warnings) == (60, ()), "each of its four pictures is in a group of its own"
    log.judge(Judged(number, truth[number], "Ada", "2026-04-02") for number in rare)
    moment = "2026-03-01T00:00:00.000000+00:00"
    sql = f"UPDATE entries SET time = '{moment}', lot = 'L0', station = 'west' WHERE id IN (1, 2, 3, 4)"
    log.database.write(lambda connection: connection.exec_driver_sql(sql))
    log.judge(Judged(number, "rare", "Ada", "2026-04-03") for number in (1, 2, 3, 4))
    burst = write_dataset(log, tmp_path / "burst")
    assert burst.minutes == 1
    assert [w for w in burst.warnings if "'rare' came in 1 groups" in w]
    assert len({row["group"] for row in rows_of(tmp_path / "burst")}) > 100


def test_names_of_classes_become_folders(tmp_path: Path) -> None:
    log, _ = judged_log(tmp_path)
    log.judge([Judged(1, "../../etc", "Ada"), Judged(2, "=cmd()", "Ada"), Judged(3, "OK", "Ada")])
    write_dataset(log, tmp_path / "set")
    assert sorted(p.name for p in (tmp_path / "set").iterdir()) == ["OK", "_.._etc", "_cmd__", "manifest.csv"]
    assert set(load(tmp_path / "set").classes) == {"OK", "../../etc", "=cmd()"}


def test_a_filter_says_what_is_meant(tmp_path: Path) -> None:
    log, truth = judged_log(tmp_path)
    judge_all(log, truth)
    write_dataset(log, tmp_path / "set", Filter(station="west"))
    assert {row["station"] for row in rows_of(tmp_path / "set")} == {"west"}


def test_what_cannot_be_written_is_said(tmp_path: Path) -> None:
    log, truth = judged_log(tmp_path)
    with pytest.raises(DataError, match="nobody has judged anything"):
        write_dataset(log, tmp_path / "set")
    with pytest.raises(ConfigError, match="is there already"):
        write_dataset(log, tmp_path)
    judge_all(log, truth)
    with pytest.raises(ConfigError, match="groups of 0 minutes"):
        write_dataset(log, tmp_path / "set", minutes=0)
    with VerdictLog(tmp_path / "bare.db", keep=Keep("none")) as bare:
        bare.record(verdict(0.1))
        bare.judge([Judged(1, "OK", "Ada")])
        with pytest.raises(DataError, match="keeps no picture of the 1 parts"):
            write_dataset(bare, tmp_path / "set")
