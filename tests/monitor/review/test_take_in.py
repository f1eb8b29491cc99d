from __future__ import annotations

import json
from pathlib import Path

import pytest
from judged_log import judged_log, known_pieces, looked_at

from brightfield.data.load import load
from brightfield.errors import InputError
from brightfield.monitor.log.records import Filter
from brightfield.monitor.review.cases import find_cases
from brightfield.monitor.review.make import Asked, make_page
from brightfield.monitor.review.pages import find_looks
from brightfield.monitor.review.shares import parse_shares
from brightfield.monitor.review.take_in import take_in

SHARES = parse_shares("passed=0.5 rejected=0.25 known=0.25")


def test_looks_become_judgements_apart_from_predictions(tmp_path: Path) -> None:
    log, truth = judged_log(tmp_path)
    page = make_page(log, tmp_path, Asked(12, SHARES, load(known_pieces(tmp_path / "known")), seed=1))
    before = list(log.entries())
    taken = take_in(log, looked_at(log, page.path, truth))
    assert (taken.page, taken.by, taken.looks, taken.new, taken.left) == (page.id, "Ada", 12, 12, 0)
    judged = list(log.judgements())
    assert len(judged) == 9, "known pieces are no entries"
    assert all(j.truth == truth[j.entry_id] and j.by == "Ada" and j.source == "audit" for j in judged)
    assert all(j.at.startswith("2026-03-01T08:00:") and j.at.endswith(".000000+00:00") for j in judged)
    assert list(log.entries()) == before
    assert log.count(Filter(judged=True)) == 9


def test_the_same_file_again_changes_nothing(tmp_path: Path) -> None:
    log, truth = judged_log(tmp_path)
    page = make_page(log, tmp_path, Asked(8, seed=1))
    file = looked_at(log, page.path, truth)
    take_in(log, file)
    looks, judged = list(find_looks(log.database)), list(log.judgements())
    assert take_in(log, file).new == 0
    assert (list(find_looks(log.database)), list(log.judgements())) == (looks, judged)


def test_what_a_person_changed_later_counts(tmp_path: Path) -> None:
    log, truth = judged_log(tmp_path, escapes=0)
    page = make_page(log, tmp_path, Asked(4, parse_shares("passed=1"), seed=1))
    take_in(log, looked_at(log, page.path, truth, says=lambda true: "pit"))
    taken = take_in(log, looked_at(log, page.path, truth, day=2))
    assert taken.new == 4
    cases = find_cases(log.database)
    assert [[o.truth for o in c.seen.opinions] for c in cases if c.seen] == [["OK"]] * 4


def test_two_people_on_one_page_are_two_looks(tmp_path: Path) -> None:
    log, truth = judged_log(tmp_path, escapes=0)
    page = make_page(log, tmp_path, Asked(4, parse_shares("passed=1"), seed=1))
    take_in(log, looked_at(log, page.path, truth, by="Bob", day=2, says=lambda true: None))
    take_in(log, looked_at(log, page.path, truth))
    found = [[(o.by, o.truth) for o in c.seen.opinions] for c in find_cases(log.database) if c.seen]
    assert found == [[("Ada", "OK"), ("Bob", None)]] * 4, "in the order of time"


def test_not_sure_is_a_look_and_no_judgement(tmp_path: Path) -> None:
    log, truth = judged_log(tmp_path)
    page = make_page(log, tmp_path, Asked(4, parse_shares("passed=1"), seed=1))
    take_in(log, looked_at(log, page.path, truth, says=lambda true: None))
    assert len(list(find_looks(log.database))) == 4
    assert list(log.judgements()) == []


def changed(file: Path, **values: object) -> Path:
    document = json.loads(file.read_text(encoding="utf-8"))
    file.write_text(json.dumps({**document, **values}), encoding="utf-8")
    return file


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"brightfield": "else"}, "no file that a review page saves"),
        ({"schema": 2}, "has the schema 2, and this version reads 1"),
        ({"page": "other"}, "page 'other', which is not in"),
        ({"by": "  "}, "says '  ' for 'by'"),
        ({"looks": {}}, "no list of looks"),
        ({"looks": [{"item": "x"}]}, "a picture 'x' that is not on its page"),
    ],
)
def test_a_wrong_file_is_said_and_nothing_of_it_is_taken(
    tmp_path: Path, values: dict[str, object], said: str
) -> None:
    log, truth = judged_log(tmp_path)
    page = make_page(log, tmp_path, Asked(4, seed=1))
    with pytest.raises(InputError, match=said):
        take_in(log, changed(looked_at(log, page.path, truth), **values))
    assert list(find_looks(log.database)) == []


def test_a_look_with_a_wrong_value_is_said(tmp_path: Path) -> None:
    log, truth = judged_log(tmp_path)
    page = make_page(log, tmp_path, Asked(2, seed=1))
    file = looked_at(log, page.path, truth)
    looks = json.loads(file.read_text(encoding="utf-8"))["looks"]
    with pytest.raises(InputError, match="says 7 of a picture"):
        take_in(log, changed(file, looks=[{**looks[0], "truth": 7}]))
    with pytest.raises(InputError, match="names the time 'noon'"):
        take_in(log, changed(file, looks=[{**looks[0], "at": "noon"}]))


def test_what_is_no_json_is_said(tmp_path: Path) -> None:
    log, _ = judged_log(tmp_path)
    (tmp_path / "looks.json").write_text("{", encoding="utf-8")
    with pytest.raises(InputError, match=r"no file that a review page saves; expected [^:]*downloads$"):
        take_in(log, tmp_path / "looks.json")
    with pytest.raises(InputError, match="cannot be read"):
        take_in(log, tmp_path / "missing.json")
