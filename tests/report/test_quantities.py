"""Quantities in words."""

from __future__ import annotations

from brightfield.report.quantities import short_policy


def test_a_computed_share_is_shown_short() -> None:
    assert short_policy("overkill=0.07692307692307693") == "overkill=0.07692"
    assert short_policy("overkill<=0.02@0.95 and recall=0.9") == "overkill<=0.02@0.95 and recall=0.9"
