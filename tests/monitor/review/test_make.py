from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from judged_log import data_of, judged_log, known_pieces, looked_at, verdict

from brightfield.data.load import load
from brightfield.errors import ConfigError, DataError
from brightfield.monitor.log.keep import Keep
from brightfield.monitor.log.store import VerdictLog
from brightfield.monitor.review.make import Asked, make_page
from brightfield.monitor.review.pages import find_shown
from brightfield.monitor.review.records import Pool
from brightfield.monitor.review.shares import parse_shares
from brightfield.monitor.review.take_in import take_in

ALL_KINDS = parse_shares("passed=0.3 rejected=0.2 known=0.2 band=0.1 uncertain=0.1 novel=0.1")


def test_a_page_shows_each_kind(tmp_path: Path) -> None:
    log, _ = judged_log(tmp_path, band=10)
    known = load(known_pieces(tmp_path / "known"))
    page = make_page(log, tmp_path, Asked(20, ALL_KINDS, known, seed=1))
    assert page.counts == {"passed": 6, "rejected": 4, "band": 2, "known": 4, "uncertain": 2, "novel": 2}
    assert page.path.name == f"review-{page.id}.html"
    data = data_of(page.path)
    assert len(data["items"]) == 20
    assert (data["normal"], data["types"]) == ("OK", ["pit"])
    assert page.notes == ()


def test_what_is_drawn_is_written_down_with_its_probability(tmp_path: Path) -> None:
    log, _ = judged_log(tmp_path, passed=60, rejected=20)
    page = make_page(log, tmp_path, Asked(20, parse_shares("passed=0.6 rejected=0.4"), seed=1))
    drawn = list(log.sampling(draw=page.id))
    assert Counter((s.pool, s.probability) for s in drawn) == {
        ("passed", 12 / 60): 12,
        ("rejected", 8 / 20): 8,
    }
    decisions = {s.entry_id: log.entry(s.entry_id).decision for s in drawn}
    assert all((s.pool == "passed") == (decisions[s.entry_id] == "OK") for s in drawn)


def test_every_part_is_drawn_equally_often(tmp_path: Path) -> None:
    log, _ = judged_log(tmp_path, passed=30, rejected=10)
    counted: Counter[int] = Counter()
    for seed in range(60):
        page = make_page(log, tmp_path, Asked(5, parse_shares("passed=1"), seed=seed))
        counted.update(s.entry_id for s in log.sampling(draw=page.id))
        for table in ("samples", "looks", "shown"):
            log.database.write(
                lambda connection, name=table: connection.exec_driver_sql(f"DELETE FROM {name}")
            )
    assert len(counted) == 30
    # binomial of 60 draws with probability 1/6: 10 on average, with a standard deviation of 3
    assert 0 < min(counted.values()) <= max(counted.values()) < 24


def test_nothing_is_drawn_twice(tmp_path: Path) -> None:
    log, truth = judged_log(tmp_path, passed=20, rejected=5)
    for day in range(1, 4):
        page = make_page(log, tmp_path, Asked(8, parse_shares("passed=0.8 rejected=0.2"), seed=day))
        take_in(log, looked_at(log, page.path, truth, day=day))
    drawn = [s.entry_id for s in log.sampling()]
    assert len(drawn) == len(set(drawn))
    assert log.picture_of(log.entry(drawn[0])) is not None


def test_a_part_found_defective_that_passed_is_shown_again_and_so_is_a_known_good_piece(
    tmp_path: Path,
) -> None:
    log, truth = judged_log(tmp_path, passed=10, rejected=2, escapes=10)
    known = load(known_pieces(tmp_path / "known", good=2, defective=0)).subset(
        s for s in load(tmp_path / "known").samples
    )
    asked = Asked(6, parse_shares("passed=0.7 known=0.3"), known, seed=1)
    first = make_page(log, tmp_path, asked)
    take_in(log, looked_at(log, first.path, truth, says=lambda true: "pit"))
    second = make_page(log, tmp_path, Asked(12, parse_shares("passed=0.7 known=0.3"), known, seed=2))
    again = [s.item for s in find_shown(log.database, second.id) if s.item.pool is Pool.AGAIN]
    assert len(again) == 6
    assert sum(item.entry_id is None for item in again) == 2
    take_in(log, looked_at(log, second.path, truth, says=lambda true: "pit", by="Bob", day=2))
    third = make_page(log, tmp_path, Asked(4, parse_shares("passed=1"), seed=3))
    shown_again = {s.item.entry_id for s in find_shown(log.database, third.id) if s.item.pool is Pool.AGAIN}
    assert shown_again.isdisjoint({item.entry_id for item in again}), "two looks have settled those"


def test_what_is_on_a_page_that_has_not_come_back_is_not_shown_again(tmp_path: Path) -> None:
    log, _ = judged_log(tmp_path, passed=6, rejected=2)
    shares = parse_shares("passed=0.5 rejected=0.2 uncertain=0.3")
    first = make_page(log, tmp_path, Asked(5, shares, seed=1))
    second = make_page(log, tmp_path, Asked(5, shares, seed=2))
    entries = [s.item.entry_id for s in find_shown(log.database)]
    assert len(entries) == len(set(entries)) == 8
    assert any("3 pictures are on the page, and 5 were asked for" in note for note in second.notes)
    assert first.id != second.id


def test_named_entries_are_shown(tmp_path: Path) -> None:
    log, _ = judged_log(tmp_path)
    page = make_page(log, tmp_path, Asked(5, entries=(7, 3), seed=1))
    asked = {s.item.entry_id for s in find_shown(log.database, page.id) if s.item.pool is Pool.ASKED}
    assert asked == {3, 7}


def test_known_pieces_are_shown_in_turn(tmp_path: Path) -> None:
    log, truth = judged_log(tmp_path)
    known = load(known_pieces(tmp_path / "known", good=3, defective=3))
    shares = parse_shares("passed=0.5 known=0.5")
    for day in range(1, 4):
        page = make_page(log, tmp_path, Asked(4, shares, known, seed=day))
        take_in(log, looked_at(log, page.path, truth, day=day))
    shown = Counter(s.item.piece for s in find_shown(log.database) if s.item.pool is Pool.KNOWN)
    assert len(shown) == 6
    assert set(shown.values()) == {1}


def test_only_the_last_inspectors_parts_are_drawn(tmp_path: Path) -> None:
    log, _ = judged_log(tmp_path)
    last = log.record(verdict(0.2, inspector="cd" * 32), part="new")
    with pytest.raises(DataError, match="1 entries of this inspector, and none has a picture"):
        make_page(log, tmp_path, Asked(5))
    assert last.id == 81


def test_an_empty_log_and_one_without_pictures_are_said(tmp_path: Path) -> None:
    with VerdictLog(tmp_path / "empty.db") as empty, pytest.raises(DataError, match="has no entries"):
        make_page(empty, tmp_path, Asked(5))
    with VerdictLog(tmp_path / "bare.db", keep=Keep("none")) as bare:
        bare.record(verdict(0.1), part="1")
        with pytest.raises(DataError, match="none has a picture that is still to be looked at"):
            make_page(bare, tmp_path, Asked(5))


def test_a_log_that_keeps_rejects_alone_says_what_is_missing(tmp_path: Path) -> None:
    log, _ = judged_log(tmp_path, keep="rejects")
    page = make_page(log, tmp_path, Asked(5, seed=1))
    assert any("no part that passed is on the page" in note for note in page.notes)
    assert any("no known pieces are on the page" in note for note in page.notes)


def test_it_is_said_when_all_that_passed_was_drawn(tmp_path: Path) -> None:
    log, truth = judged_log(tmp_path, passed=4, escapes=0)
    first = make_page(log, tmp_path, Asked(4, parse_shares("passed=1"), seed=1))
    take_in(log, looked_at(log, first.path, truth))
    second = make_page(log, tmp_path, Asked(4, parse_shares("passed=1"), seed=2))
    assert second.counts == {"rejected": 4}
    assert any("all parts that passed were drawn already" in note for note in second.notes)


def test_known_pieces_must_call_good_parts_as_the_log_does(tmp_path: Path) -> None:
    log, _ = judged_log(tmp_path)
    folder = known_pieces(tmp_path / "known")
    (folder / "OK").rename(folder / "good")
    with pytest.raises(ConfigError, match="'good' among the known pieces and 'OK' in the log"):
        make_page(log, tmp_path, Asked(5, known=load(folder)))


def test_a_page_of_nothing_is_refused() -> None:
    with pytest.raises(ConfigError, match="a page of 0 pictures"):
        Asked(0)
