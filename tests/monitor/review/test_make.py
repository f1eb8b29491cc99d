from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from judged_log import INSPECTOR, data_of, judged_log, known_pieces, looked_at, picture, verdict

from brightfield.data.load import load
from brightfield.errors import ConfigError, DataError, InputError
from brightfield.monitor.audit.of_log import audit_log
from brightfield.monitor.audit.over_time import proven_over_time
from brightfield.monitor.log.keep import Keep
from brightfield.monitor.log.records import Filter
from brightfield.monitor.log.store import VerdictLog
from brightfield.monitor.review.cases import find_cases
from brightfield.monitor.review.choose import Choice, choose
from brightfield.monitor.review.make import Asked, make_page
from brightfield.monitor.review.pages import add_page, find_shown, withdraw
from brightfield.monitor.review.records import RANDOM, Item, Pool
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
    shown = [s.item for s in find_shown(log.database)]
    drawn = [item.entry_id for item in shown if item.pool in RANDOM]
    assert len(drawn) == len(set(drawn)) == 8, "what waits for another reason may be drawn, and nothing else"
    assert any("pictures are on the page, and 5 were asked for" in note for note in second.notes)
    assert first.id != second.id


def test_whether_a_part_is_drawn_does_not_depend_on_what_it_looks_like(tmp_path: Path) -> None:
    log, _ = judged_log(tmp_path, passed=30, rejected=0)
    shares, counted, doubtful = (
        parse_shares("passed=0.2 uncertain=0.8"),
        Counter[int | None](),
        set[int | None](),
    )
    for seed in range(400):
        choice = Choice(log, Filter(inspector=INSPECTOR), (), "OK", np.random.default_rng(seed))
        items = choose(choice, 5, shares)
        assert Counter(item.pool for item in items) == {Pool.PASSED: 1, Pool.UNCERTAIN: 4}
        counted.update(item.entry_id for item in items if item.pool is Pool.PASSED)
        doubtful |= {item.entry_id for item in items if item.pool is Pool.UNCERTAIN}
    assert len(doubtful) < 15, "it is much the same parts that are doubtful each time"
    # binomial: 400 draws of one of 30 have a mean of 13.3 and a standard deviation of 3.6
    assert min(counted[entry.id] for entry in log.entries()) > 1
    assert max(counted.values()) < 28


def test_whether_a_part_is_drawn_does_not_depend_on_where_it_waits(tmp_path: Path) -> None:
    log, _ = judged_log(tmp_path, passed=0, rejected=0, band=10)
    waiting = [entry.id for entry in log.entries()][:5]
    add_page(log.database, "band", [(str(number), Item(Pool.BAND, number)) for number in waiting])
    counted: Counter[int | None] = Counter()
    for seed in range(100):
        cases, rng = find_cases(log.database), np.random.default_rng(seed)
        choice = Choice(log, Filter(inspector=INSPECTOR), cases, "OK", rng)
        counted.update(item.entry_id for item in choose(choice, 2, parse_shares("rejected=1")))
    # binomial: 200 draws, half of them of parts that wait, with a standard deviation of 7
    assert 75 < sum(counted[number] for number in waiting) < 125


def test_what_was_shown_for_another_reason_is_drawn_like_all_others(tmp_path: Path) -> None:
    log, truth = judged_log(tmp_path, passed=10, rejected=0, escapes=0)
    first = make_page(log, tmp_path, Asked(5, parse_shares("passed=0.2 uncertain=0.8"), seed=1))
    second = make_page(log, tmp_path, Asked(9, parse_shares("passed=1"), seed=2))
    assert (first.counts, second.counts) == ({"passed": 1, "uncertain": 4}, {"passed": 9})
    take_in(log, looked_at(log, first.path, truth))
    found = audit_log(log).evidence.passed
    assert found.n == 1, "the doubtful four count when the page comes back for which they were drawn"
    take_in(log, looked_at(log, second.path, truth, day=2))
    assert audit_log(log).evidence.passed.n == 10, "each counts once"
    looks = [one.looks for one in proven_over_time(log, points=100)]
    assert max(looks[:5]) == 1
    assert looks[5:] == list(range(2, 11)), "as it was said then"
    assert audit_log(log).evidence.passed_twice.alike == 0, "what is doubtful makes no pairs"


def test_what_a_page_is_filled_with_counts_as_drawn_though_it_is_on_it_already(tmp_path: Path) -> None:
    log, _ = judged_log(tmp_path, passed=6, rejected=2)
    page = make_page(log, tmp_path, Asked(12, parse_shares("passed=0.2 uncertain=0.8"), seed=1))
    assert page.counts == {"passed": 6, "rejected": 2}
    assert len({s.entry_id for s in log.sampling(draw=page.id)}) == 8


@pytest.mark.parametrize(("days", "again"), [(6, 0), (8, 4)])
def test_what_is_lost_with_its_page_is_drawn_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, days: int, again: int
) -> None:
    log, truth = judged_log(tmp_path, passed=8, rejected=1, escapes=0)
    made = (datetime.now(UTC) - timedelta(days=days)).isoformat(timespec="microseconds")
    monkeypatch.setattr("brightfield.monitor.review.pages.now", lambda: made)
    shares = parse_shares("passed=1")
    lost = make_page(log, tmp_path, Asked(8, shares, seed=1))
    monkeypatch.undo()
    page = make_page(log, tmp_path, Asked(4, shares, seed=3))
    assert page.counts.get("passed", 0) == again
    if again:
        assert {s.probability for s in log.sampling(draw=page.id)} == {4 / 8}
        take_in(log, looked_at(log, page.path, truth))
        assert audit_log(log).evidence.passed.n == 4
        take_in(log, looked_at(log, lost.path, truth, by="Bob", day=2))
        assert audit_log(log).evidence.passed.n == 8, "what comes back late counts, and each part once"
    else:
        assert any("drawn already" in note and "8 of them are on pages" in note for note in page.notes)


def test_one_picture_of_many_parts_is_found(tmp_path: Path) -> None:
    log, _ = judged_log(tmp_path, passed=300, rejected=1, keep="none")
    kept = tmp_path / "line.db.pictures" / "2026-03-01" / "0123456789abcdef-01234567.png"
    kept.parent.mkdir(parents=True)
    kept.write_bytes(picture(1, False))
    number = next(e.id for e in log.entries() if e.decision == "OK")
    sql = f"UPDATE entries SET picture = '2026-03-01/{kept.name}' WHERE id = {number}"
    log.database.write(lambda connection: connection.exec_driver_sql(sql))
    page = make_page(log, tmp_path, Asked(1, parse_shares("passed=1"), seed=1))
    assert [s.entry_id for s in log.sampling(draw=page.id)] == [number]
    with pytest.raises(DataError, match="none has a picture that is still to be looked at"):
        make_page(log, tmp_path, Asked(2, parse_shares("passed=1"), seed=1))


def test_second_looks_are_of_the_inspector_and_come_first_where_there_were_fewest(tmp_path: Path) -> None:
    log, truth = judged_log(tmp_path, passed=12, rejected=0)
    asked, shares = Filter(inspector=INSPECTOR), parse_shares("passed=1")
    page = make_page(log, tmp_path, Asked(12, shares, seed=1))
    take_in(log, looked_at(log, page.path, truth, says=lambda true: None))
    seen: Counter[int | None] = Counter()
    for day in range(2, 5):
        page = make_page(log, tmp_path, Asked(8, shares, seed=day))
        assert page.counts == {"again": 4}
        seen.update(s.item.entry_id for s in find_shown(log.database, page.id))
        take_in(log, looked_at(log, page.path, truth, says=lambda true: None, day=day))
    assert len(seen) == 12, "nobody can tell any of them, and each comes again before one comes twice"
    orders = [
        [item.entry_id for item in choose(Choice(log, asked, find_cases(log.database), "OK", rng), 8)]
        for rng in map(np.random.default_rng, range(5))
    ]
    assert len({frozenset(order) for order in orders}) > 1
    other = log.record(verdict(0.2, inspector="cd" * 32), part="new", picture=picture(3, False))
    page = make_page(log, tmp_path, Asked(8, shares, seed=9))
    assert [s.item.entry_id for s in find_shown(log.database, page.id)] == [other.id]


def test_pages_with_one_known_piece_show_good_ones_too(tmp_path: Path) -> None:
    log, _ = judged_log(tmp_path)
    known = load(known_pieces(tmp_path / "known", good=3, defective=3))
    for seed in range(4):
        make_page(log, tmp_path, Asked(10, parse_shares("passed=0.9 known=0.1"), known, seed=seed))
    shown = [s.item.truth for s in find_shown(log.database) if s.item.pool is Pool.KNOWN]
    assert shown == ["pit", "OK", "pit", "OK"]


def test_named_entries_are_shown(tmp_path: Path) -> None:
    log, _ = judged_log(tmp_path)
    page = make_page(log, tmp_path, Asked(5, entries=(7, 3), seed=1))
    asked = {s.item.entry_id for s in find_shown(log.database, page.id) if s.item.pool is Pool.ASKED}
    assert asked == {3, 7}
    page = make_page(log, tmp_path, Asked(12, parse_shares("passed=1"), entries=(7, 3), seed=2))
    assert {3, 7} <= {s.item.entry_id for s in find_shown(log.database, page.id)}


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


def test_it_is_said_when_all_pictures_of_what_passed_were_drawn(tmp_path: Path) -> None:
    log, truth = judged_log(tmp_path, passed=4, escapes=0)
    log.record(verdict(0.02), part="without a picture")
    first = make_page(log, tmp_path, Asked(4, parse_shares("passed=1"), seed=1))
    take_in(log, looked_at(log, first.path, truth))
    second = make_page(log, tmp_path, Asked(4, parse_shares("passed=1"), seed=2))
    assert any(note.startswith("all 4 parts that passed and have a picture") for note in second.notes)


def test_nothing_is_said_of_parts_that_were_not_asked_for(tmp_path: Path) -> None:
    log, _ = judged_log(tmp_path)
    page = make_page(log, tmp_path, Asked(4, parse_shares("rejected=1"), seed=1))
    assert not any("passed" in note for note in page.notes)


def test_known_good_pieces_count_as_the_lines_class_whatever_their_folder_is_called(tmp_path: Path) -> None:
    log, truth = judged_log(tmp_path)
    folder = known_pieces(tmp_path / "known", good=2, defective=2)
    (folder / "OK").rename(folder / "good")
    shares = parse_shares("passed=0.5 known=0.5")
    page = make_page(log, tmp_path, Asked(8, shares, load(folder), seed=1))
    assert (data_of(page.path)["normal"], data_of(page.path)["types"]) == ("OK", ["pit"])
    truths = Counter(one.item.truth for one in find_shown(log.database, page.id) if one.item.piece)
    assert truths == {"OK": 2, "pit": 2}
    take_in(log, looked_at(log, page.path, truth))
    known = audit_log(log).evidence.known
    assert (known.good, known.alarmed, known.defective, known.missed) == (2, 0, 2, 0)


def test_known_pieces_of_which_none_is_good_are_refused(tmp_path: Path) -> None:
    log, _ = judged_log(tmp_path)
    folder = known_pieces(tmp_path / "known")
    (folder / "OK").rename(folder / "scratch")
    with pytest.raises(ConfigError, match="no class of known counts as good .pit, scratch.*'OK'"):
        make_page(log, tmp_path, Asked(5, known=load(folder)))


@pytest.mark.parametrize(
    ("label", "folders", "types"),
    [
        ("Defect", ["crack"], ["Defect"]),
        ("Defect", ["crack", "Defect"], ["Defect", "crack"]),
        ("Defect", ["crack", "dent"], ["crack", "dent"]),
        ("pit", ["crack"], ["crack", "pit"]),
        ("defect", ["crack"], ["defect"]),
        ("defect", [], ["defect"]),
    ],
)
def test_types_to_choose_from(tmp_path: Path, label: str, folders: list[str], types: list[str]) -> None:
    log, _ = judged_log(tmp_path)
    log.database.write(
        lambda c: c.exec_driver_sql(f"UPDATE entries SET label = '{label}' WHERE label = 'pit'")
    )
    for name in ("good", *folders):
        (tmp_path / "known" / name).mkdir(parents=True)
        (tmp_path / "known" / name / "0.png").write_bytes(picture(1000 + len(name), name != "good"))
    known = load(tmp_path / "known") if folders else None
    page = make_page(log, tmp_path, Asked(5, known=known, seed=1))
    assert data_of(page.path)["types"] == types
    assert data_of(page.path)["ask"] == (len(types) > 1)


def test_a_withdrawn_page_is_not_waited_for_and_counts_if_it_comes_back(tmp_path: Path) -> None:
    log, truth = judged_log(tmp_path, passed=8, rejected=1, escapes=0)
    shares = parse_shares("passed=1")
    lost = make_page(log, tmp_path, Asked(8, shares, seed=1))
    assert withdraw(log.database, lost.id) == 8
    assert withdraw(log.database, lost.id) == 8
    assert [event.text for event in log.events("withdrawn")] == [
        f"page {lost.id} with 8 pictures that nobody judged"
    ]
    page = make_page(log, tmp_path, Asked(4, shares, seed=3))
    assert page.counts == {"passed": 4}
    assert {s.probability for s in log.sampling(draw=page.id)} == {4 / 8}
    assert sum(case.waiting for case in find_cases(log.database)) == 4
    take_in(log, looked_at(log, page.path, truth))
    assert withdraw(log.database, page.id) == 0
    assert audit_log(log).evidence.passed.n == 4, "what was judged stays"
    take_in(log, looked_at(log, lost.path, truth, by="Bob", day=2))
    assert audit_log(log).evidence.passed.n == 8, "what comes back late counts, and each part once"
    with pytest.raises(InputError, match="there is no page '4711'"):
        withdraw(log.database, "4711")


def test_a_withdrawn_page_leaves_all_parts_equally_likely_to_be_drawn(tmp_path: Path) -> None:
    log, _ = judged_log(tmp_path, passed=20, rejected=1)
    drawn: Counter[int] = Counter()
    shares = parse_shares("passed=1")
    for seed in range(100):
        lost = make_page(log, tmp_path, Asked(10, shares, seed=seed))
        withdraw(log.database, lost.id)
        page = make_page(log, tmp_path, Asked(5, shares, seed=1000 + seed))
        drawn.update(s.entry_id for s in log.sampling(draw=page.id))
        withdraw(log.database, page.id)
    expected = 100 * 5 / 20
    chi2 = sum((drawn[e.id] - expected) ** 2 / expected for e in log.entries() if e.decision == "OK")
    assert chi2 < 43.8, "the 99.9% quantile of 19 degrees of freedom"


def test_a_page_of_nothing_is_refused() -> None:
    with pytest.raises(ConfigError, match="a page of 0 pictures"):
        Asked(0)


def test_a_page_that_would_use_up_the_draws_is_refused() -> None:
    Asked(500)
    with pytest.raises(ConfigError, match="a page of 501 pictures was asked for; expected 500 at most"):
        Asked(501)
