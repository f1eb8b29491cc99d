"""Who judged what and when, as a manifest says."""

from __future__ import annotations

from pathlib import Path

from brightfield.data.provenance import Judged, judged_in_short, read_provenance

TABLE = """image,label,group,judged_by,judged_at,source
OK/1.png,OK,lot 1,anna; ben,2026-03-02T08:00:00.000000+00:00,review
OK/2.png,OK,lot 1,anna,2026-03-01T08:00:00.000000+00:00,audit
pit/3.png,pit,lot 2,'=anna,,
pit/4.png,pit,lot 2,,,
"""


def test_rows_that_somebody_judged(tmp_path: Path) -> None:
    (tmp_path / "manifest.csv").write_text(TABLE)
    found = read_provenance(tmp_path)
    assert found == read_provenance(str(tmp_path / "manifest.csv"))
    assert [one.path for one in found] == [
        tmp_path / "OK/1.png",
        tmp_path / "OK/2.png",
        tmp_path / "pit/3.png",
    ]
    assert found[0] == Judged(
        tmp_path / "OK/1.png", "OK", ("anna", "ben"), "2026-03-02T08:00:00.000000+00:00", "review"
    )
    assert found[2].by == ("=anna",)


def test_where_nothing_is_said(tmp_path: Path) -> None:
    (tmp_path / "plain.csv").write_text("image,label\na.png,OK\n")
    assert read_provenance(tmp_path / "plain.csv") == []
    assert read_provenance(tmp_path) == []
    assert read_provenance("elpv") == []
    assert read_provenance(None) == []
    assert judged_in_short([]) is None


def test_in_short(tmp_path: Path) -> None:
    (tmp_path / "manifest.csv").write_text(TABLE)
    short = judged_in_short(read_provenance(tmp_path))
    assert short == {
        "pictures": 3,
        "sources": {"audit": 1, "review": 1, "unknown": 1},
        "people": {
            "=anna": {"labels": {"pit": 1}, "first": None, "last": None},
            "anna": {
                "labels": {"OK": 2},
                "first": "2026-03-01T08:00:00.000000+00:00",
                "last": "2026-03-02T08:00:00.000000+00:00",
            },
            "ben": {
                "labels": {"OK": 1},
                "first": "2026-03-02T08:00:00.000000+00:00",
                "last": "2026-03-02T08:00:00.000000+00:00",
            },
        },
    }
