"""What the threshold still promises where rules decide, and which limit rejected how many parts."""

from __future__ import annotations

from dataclasses import replace

import colour_method as colour
import pytest

from brightfield.decide.guarantee import Guarantee
from brightfield.decide.limits import parse_limit
from brightfield.decide.operating_point import OperatingPoint
from brightfield.decide.rules import Rules
from brightfield.evaluation.ruled import _names, promises_kept, rules_notes

ESCAPE, OVERKILL = Guarantee("escape", 0.05, 0.95, 59, 0), Guarantee("overkill", 0.05, 0.95, 59, 0)
POINT = OperatingPoint(
    "escape<=0.05@0.95 and overkill<=0.05@0.95", 0.5, 118, 59, 0, 0, guarantees=(ESCAPE, OVERKILL)
)
BESIDE = Rules((parse_limit("pit.count <= 3"),), source="rules.toml")
ALONE = replace(BESIDE, decide="alone")


def test_rules_beside_the_probability_let_no_more_defects_escape() -> None:
    inspector = colour.inspector(operating_point=POINT)
    assert promises_kept(inspector) == (ESCAPE, OVERKILL)
    assert promises_kept(inspector.with_rules(BESIDE)) == (ESCAPE,)
    assert promises_kept(inspector.with_rules(ALONE)) == ()
    assert rules_notes(inspector) == ()
    (note,) = rules_notes(inspector.with_rules(BESIDE))
    assert "promises of the overkill rate does not hold" in note
    assert "promises of escapes still holds" in note
    (note,) = rules_notes(inspector.with_rules(ALONE))
    assert "rules.toml alone decide" in note
    assert "the escape rate and the overkill rate does not hold" in note
    assert "still holds" not in note


@pytest.mark.parametrize(
    ("rule", "text", "region", "named"),
    [
        ("pit.count <= 3: 4", "pit.count <= 3", None, True),
        ("pit.count <= 3: 4", "pit.count <= 3", "face", False),
        ("pit.count <= 3: 4 (face)", "pit.count <= 3", "face", True),
        ("pit.count <= 3: 4 (face)", "pit.count <= 3", None, False),
        ("pit.count <= 30: 40", "pit.count <= 3", None, False),
    ],
)
def test_a_rule_names_its_limit(rule: str, text: str, region: str | None, named: bool) -> None:
    assert _names(rule, text, region) == named
