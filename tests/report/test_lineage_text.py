"""Where an inspector comes from, in words."""

from __future__ import annotations

from brightfield.report.lineage_text import judged_in_words, lineage_lines, new_in_words

STEP = {
    "kind": "retrain",
    "parent": "ab12",
    "parent_name": "inspector",
    "parent_created": "2026-02-01T08:00:00+00:00",
    "at": "2026-03-05T08:00:00+00:00",
    "new": {"test": {"OK": 4, "pit": 2}, "train": {"OK": 16}},
    "judged": {
        "people": {
            "anna": {"labels": {"OK": 20, "pit": 2}, "first": "2026-03-01T07:00", "last": "2026-03-02T07:00"},
            "ben": {"labels": {"pit": 1}, "first": None, "last": None},
        }
    },
    "gate": {"accepted": True, "n": 1234, "margin": 0.01},
}


def test_a_successor() -> None:
    lines = lineage_lines({"training": {"lineage": [{"parent": "cd34"}, STEP]}})
    assert lines == {
        "generation": "3",
        "parent": "inspector, made 2026-02-01T08:00:00+00:00 (SHA-256 ab12)",
        "made": "2026-03-05T08:00:00+00:00",
        "new pictures": "test: 4 OK, 2 pit; train: 16 OK",
        "judged by": "anna (20 OK, 2 pit, 2026-03-01 to 2026-03-02); ben (1 pit)",
        "gate": "accepted on 1,234 pictures, margin 1 point",
    }


def test_one_that_was_refused_and_kept() -> None:
    refused = {**STEP, "gate": {"accepted": False, "n": 1, "margin": 0.02}}
    assert lineage_lines({"training": {"lineage": [refused]}})["gate"].startswith("REFUSED")


def test_an_update_and_one_that_was_trained() -> None:
    # as updates were before they had a time
    lines = lineage_lines({"training": {"lineage": [{"parent": "ab12", "good_parts_added": 3}]}})
    assert lines == {"generation": "2", "parent": "ab12"}
    assert lineage_lines({"training": {}}) == lineage_lines({}) == {}
    assert new_in_words({}) == "none"
    assert judged_in_words({"people": {}}) == ""
