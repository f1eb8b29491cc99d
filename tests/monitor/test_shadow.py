"""A successor beside the inspector before, on the pictures of a log."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import pytest

from brightfield.errors import ConfigError, DataError
from brightfield.inspector import Inspector
from brightfield.monitor.log.keep import Keep
from brightfield.monitor.log.records import Filter, Judged
from brightfield.monitor.log.store import VerdictLog
from brightfield.monitor.shadow import COLUMNS, SHADOW, Shadow, note_in_log, shadow, write_disagreements


@pytest.fixture(scope="module")
def parent(spot_bundle: Path) -> Inspector:
    return Inspector.load(spot_bundle)


@pytest.fixture(scope="module")
def lenient(parent: Inspector) -> Inspector:
    """A successor that passes everything."""
    point = parent.operating_point
    assert point is not None
    passing = parent.with_operating_point(replace(point, threshold=1.0, review=None))
    return replace(passing, sha256=None, splits={})


@pytest.fixture
def log(parent: Inspector, spots: Path, tmp_path: Path) -> VerdictLog:
    """A log of 4 good and 4 defective parts, one of them judged by another, and of one without a picture."""
    made = VerdictLog(tmp_path / "line.db", keep=Keep("all"))
    pictures = [*sorted((spots / "OK").iterdir())[:4], *sorted((spots / "Defect").iterdir())[:4]]
    for i, picture in enumerate(pictures):
        verdict = parent.inspect(picture, explain=False)
        if i == 7:
            verdict = replace(verdict, inspector="0" * 64, image="")
        made.record(verdict, part=f"part {i}", lot="lot 1", picture=picture)
    gone = parent.inspect(pictures[0], explain=False)
    made.record(replace(gone, image=""), part="no picture")
    return made


def test_where_the_successor_decides_otherwise(
    log: VerdictLog, parent: Inspector, lenient: Inspector
) -> None:
    entries = list(log.entries())
    rejected = [e.id for e in entries if e.decision == "DEFECT"]
    assert len(rejected) >= 3
    log.judge([Judged(rejected[0], "OK", "anna"), Judged(rejected[1], "Defect", "anna")])
    found = shadow(parent, lenient, log)
    assert (found.compared, found.without_picture) == (8, 1)
    assert set(found.entries) == set(rejected)
    assert found.changes == {"DEFECT to OK": len(rejected)}
    assert found.judged == {"before": 1, "after": 1}
    # of pictures that taught the successor nothing is counted
    digests = {e.id: str(e.picture_sha256) for e in entries}
    taught = replace(lenient, splits={digests[rejected[0]]: "train", digests[rejected[1]]: "test"})
    again = shadow(parent, taught, log)
    assert again.judged == {"before": 1, "after": 0}
    assert [d.entry_id for d in again.disagreements if d.taught] == [rejected[0]]
    apart = [abs((d.before.probability or 0) - (d.after.probability or 0)) for d in found.disagreements]
    assert apart == sorted(apart, reverse=True)
    first = next(d for d in found.disagreements if d.entry_id == rejected[0])
    assert (first.part, first.lot, first.truth) == (entries[rejected[0] - 1].part, "lot 1", "OK")
    assert first.picture.is_file()
    assert shadow(parent, parent, log).disagreements == ()


def test_what_the_inspector_before_answered_is_taken_from_the_log(
    log: VerdictLog, parent: Inspector, lenient: Inspector
) -> None:
    # the parent now says something else: only of the entry of another inspector that counts
    changed = replace(lenient, sha256=parent.sha256)
    found = shadow(changed, lenient, log)
    assert 8 not in found.entries
    assert found.entries


def test_some_entries(log: VerdictLog, parent: Inspector, lenient: Inspector) -> None:
    found = shadow(parent, lenient, log, Filter(part=("part 0", "part 7")))
    assert found.compared == 2
    with pytest.raises(DataError, match="1 such entries, and of none is a picture there"):
        shadow(parent, lenient, log, Filter(part="no picture"))
    with pytest.raises(ConfigError, match="'OK' and 'good'"):
        shadow(parent, replace(lenient, normal="good"), log)


def test_a_torn_picture_is_named(log: VerdictLog, parent: Inspector, lenient: Inspector) -> None:
    path = log.picture_of(log.entry(1))
    assert path is not None
    path.write_bytes(b"torn")
    found = shadow(parent, lenient, log)
    assert (found.compared, found.unreadable) == (7, (str(path),))


def test_the_list(log: VerdictLog, parent: Inspector, lenient: Inspector, tmp_path: Path) -> None:
    found = shadow(parent, lenient, log)
    write_disagreements(tmp_path / "list.csv", found)
    with (tmp_path / "list.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == COLUMNS
    assert [int(row["entry"]) for row in rows] == list(found.entries)
    first = found.disagreements[0]
    assert float(rows[0]["after_probability"]) == first.after.probability
    assert (rows[0]["before"], rows[0]["after"], rows[0]["change"]) == ("DEFECT", "OK", "DEFECT to OK")
    write_disagreements(tmp_path / "list.json", found)
    document = json.loads((tmp_path / "list.json").read_text())
    assert document == json.loads(json.dumps(found.as_dict()))
    assert [d["entry_id"] for d in document["disagreements"]] == list(found.entries)
    with pytest.raises(ConfigError, match=r"expected \.csv or \.json"):
        write_disagreements(tmp_path / "list.xls", found)


def test_the_log_remembers_and_keeps_the_pictures(
    log: VerdictLog, parent: Inspector, lenient: Inspector, tmp_path: Path
) -> None:
    found = shadow(parent, lenient, log)
    event = note_in_log(log, found, "a" * 64)
    assert [e.id for e in log.events(SHADOW)] == [event.id]
    assert event.facts["entries"] == list(found.entries)
    log.close()
    with VerdictLog(tmp_path / "line.db", keep=Keep("all", megabytes=1e-6)) as strict:
        strict.prune()
        kept = {e.id for e in strict.entries() if e.picture is not None}
    assert kept == set(found.entries)


def test_an_empty_shadow_as_json() -> None:
    assert Shadow(3, ()).as_dict() == {
        "compared": 3,
        "without_picture": 0,
        "unreadable": [],
        "changes": {},
        "judged": {},
        "disagreements": [],
    }
