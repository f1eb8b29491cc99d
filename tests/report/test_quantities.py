"""Quantities in words."""

from __future__ import annotations

from brightfield.report.quantities import area, length, lengths, short_policy


def test_a_computed_share_is_shown_short() -> None:
    assert short_policy("overkill=0.07692307692307693") == "overkill=0.07692"
    assert short_policy("overkill<=0.02@0.95 and recall=0.9") == "overkill<=0.02@0.95 and recall=0.9"


def test_lengths_and_areas_have_the_digits_that_pixels_allow() -> None:
    assert [length(n, None) for n in (0.0, 3.14, 9.94, 9.96, 28.1, 1234.5)] == [
        *("0.0 px", "3.1 px", "9.9 px", "10 px", "28 px", "1,234 px")
    ]
    assert [length(n, 0.05) for n in (3.14, 28.1, 3000)] == ["0.157 mm", "1.41 mm", "150 mm"]
    assert length(None, 0.05) == area(None, None) == "n/a"
    assert (area(7.25, None), area(400, 0.05)) == ("7.2 px²", "1 mm²")
    assert lengths(3.0, 9.2, None) == "3.0 to 9.2 px"
    assert lengths(3.0, 9.2, 0.1) == "0.3 to 0.92 mm"
