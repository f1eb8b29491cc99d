"""Limits on measured defects: what they say, and when they are exceeded."""

from __future__ import annotations

import pytest

from brightfield.decide.limits import QUANTITIES, exceeded, parse_limit
from brightfield.errors import ConfigError
from brightfield.verdict import Defect


def defect(kind: str, length: float, width: float, area: int, probability: float | None = 0.5) -> Defect:
    return Defect(kind, area, length, width, (0.0, 0.0), (0, 0, 1, 1), 1.5, probability, mm_per_pixel=0.1)


DEFECTS = (
    defect("scratch", 34, 2, 60, 0.7),
    defect("scratch", 12, 1, 12, 0.9),
    defect("pit", 5, 5, 20, 0.6),
    defect("pit", 4, 4, 12, 0.2),
    defect("pit", 3, 3, 7, 0.3),
)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("scratch.length_px <= 30", 34),
        ("scratch.length_mm <= 3.0", 3.4),
        ("scratch.width_px < 2", 2),
        ("scratch.width_mm <= 0.1", 0.2),
        ("pit.area_px <= 19", 20),
        ("any.area_mm2 <= 0.5", 0.6),  # 60 px of 0.01 mm2
        ("pit.count <= 2", 3),
        ("any.count <= 4", 5),
        ("scratch.total_length_px <= 45", 46),
        ("scratch.total_length_mm <= 4.5", 4.6),
        ("pit.total_area_px <= 38", 39),
        ("any.total_area_mm2 <= 1.1", 1.11),
        ("any.probability < 0.9", 0.9),
    ],
)
def test_a_limit_is_exceeded_by_what_was_found(text: str, value: float) -> None:
    broken = exceeded(parse_limit(text), DEFECTS)
    assert broken is not None
    assert broken.value == pytest.approx(value)
    assert str(broken) == f"{text}: {value:g}"


@pytest.mark.parametrize(
    "text",
    [
        "scratch.length_px <= 34",
        "scratch.length_mm <= 3.4",
        "pit.count <= 3",
        "pit.count < 4",
        "any.total_area_px <= 111",
        "dent.count <= 0",
        "dent.length_px <= 0",
        "any.probability <= 0.9",
    ],
)
def test_a_limit_is_kept(text: str) -> None:
    assert exceeded(parse_limit(text), DEFECTS) is None
    assert exceeded(parse_limit(text), ()) is None


def test_rounding_exceeds_no_limit() -> None:
    found = [Defect("pit", 1, 35.0, 1.0, (0, 0), (0, 0, 1, 1), 1.0, mm_per_pixel=0.02)]
    assert 35 * 0.02 > 0.7
    assert exceeded(parse_limit("pit.length_mm <= 0.7"), found) is None
    assert exceeded(parse_limit("pit.length_mm < 0.7"), found) is not None


def test_the_defect_that_breaks_a_limit_is_named() -> None:
    of = {t: exceeded(parse_limit(t), DEFECTS) for t in ("any.probability <= 0.8", "pit.count <= 0")}
    assert {t: None if e is None else e.defect for t, e in of.items()} == {
        "any.probability <= 0.8": DEFECTS[1],
        "pit.count <= 0": DEFECTS[2],
    }


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("deep scratch.length_px<=2", "deep scratch"),
        ('"deep scratch".length_px <= 2', "deep scratch"),
        ("'type 1.5'.length_px ≤ 2", "type 1.5"),
        ("type 1.5.length_px <= 2e0", "type 1.5"),
        ("  äöü . length_px <= 2.0 ", "äöü"),
    ],
)
def test_the_last_dot_ends_the_type(text: str, kind: str) -> None:
    limit = parse_limit(text)
    assert (limit.type, limit.quantity, limit.sign, limit.bound) == (kind, "length_px", "<=", 2.0)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("scratch.length_mm", "has no <= or <"),
        ("scratch <= 2", "names no type"),
        (".length_mm <= 2", "names no type"),
        ("scratch.lenght_mm <= 2", "unknown quantity 'lenght_mm'; did you mean length_mm"),
        ("scratch.length <= 2", "unknown quantity 'length'"),
        ("scratch.length_mm >= 2", "has the sign >="),
        ("scratch.length_mm == 2", "has the sign =="),
        ("scratch.length_mm <= two", "ends in 'two'; expected a number of 0 or more"),
        ("scratch.length_mm <= 2 mm", "ends in '2 mm'.*the unit stands in the quantity"),
        ("scratch.length_mm <= ", "ends in ''"),
        ("scratch.length_mm <= -1", "ends in '-1'"),
        ("scratch.length_mm <= nan", "ends in 'nan'"),
        ("scratch.length_mm <= inf", "ends in 'inf'"),
        ("pit.count <= 2.5", "expected a whole number"),
        ("pit.count < 0", "never be kept; for none at all write <= 0"),
        ("pit.probability <= 50", "from 0 to 1"),
    ],
)
def test_what_is_no_limit_is_refused_with_the_reason(text: str, why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        parse_limit(text)


def test_every_quantity_is_documented() -> None:
    from pathlib import Path

    page = (Path(__file__).parents[2] / "docs" / "rules.md").read_text(encoding="utf-8")
    assert [name for name in QUANTITIES if f"`{name}`" not in page] == []
