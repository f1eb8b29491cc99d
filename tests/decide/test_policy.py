"""Policies as text."""

from __future__ import annotations

import pytest

from brightfield.decide.cost import Costs
from brightfield.decide.policy import Clause, Policy, parse_policy
from brightfield.errors import ConfigError


@pytest.mark.parametrize(
    ("text", "clause"),
    [
        ("f1", Clause("f1")),
        (" F1 ", Clause("f1")),
        ("youden", Clause("youden")),
        ("recall=0.99", Clause("recall", 0.99)),
        ("recall = 1", Clause("recall", 1.0)),
        ("precision=95%", Clause("precision", 0.95)),
        ("fixed=0.4", Clause("fixed", 0.4)),
        ("fixed=0", Clause("fixed", 0.0)),
        ("fixed=-31.5", Clause("fixed", -31.5)),
        ("fixed=1e3", Clause("fixed", 1000.0)),
        ("auto", Clause("auto")),
        ("overkill=0.01", Clause("overkill", 0.01)),
        ("Overkill = 1%", Clause("overkill", 0.01)),
        ("escape<=0.02@0.95", Clause("escape", 0.02, 0.95)),
        ("Escape <= 2% @ 99%", Clause("escape", 0.02, 0.99)),
        ("escape<=0.02", Clause("escape", 0.02, 0.95)),
        ("escape<2%", Clause("escape", 0.02, 0.95)),
        ("recall>=0.99", Clause("recall", 0.99)),
        ("cost escape = 500 overkill =2 prevalence= 0.1", Clause("cost", costs=Costs(500.0, 2.0, 0.1))),
        ("escape[Deep Crack]<=0.01@0.9", Clause("escape", 0.01, 0.9, "Deep Crack")),
        ("overkill<=0.01@0.95", Clause("overkill", 0.01, 0.95)),
        (
            "cost escape=500 overkill=2 review=5 prevalence=0.003",
            Clause("cost", costs=Costs(500.0, 2.0, 0.003, 5.0)),
        ),
        ("COST prevalence=0.3%, overkill=2, escape=500", Clause("cost", costs=Costs(500.0, 2.0, 0.003))),
    ],
)
def test_policies_are_read(text: str, clause: Clause) -> None:
    assert parse_policy(text) == Policy((clause,))
    assert parse_policy(str(parse_policy(text))) == parse_policy(text)


def test_two_leave_a_band() -> None:
    found = parse_policy("escape<=0.02@0.95 and overkill<=0.01@0.9")
    assert found == Policy((Clause("escape", 0.02, 0.95), Clause("overkill", 0.01, 0.9)))
    assert parse_policy(str(found)) == found
    assert len(parse_policy("fixed=0.2 and fixed=0.8").clauses) == 2
    # several types of defect pass below one end
    assert len(parse_policy("escape[a]<=0.1 AND escape[b and c]<=0.2").clauses) == 2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("recal=0.9", "'recal=0.9' is unknown; known are: auto: .*recall=R.*fixed=T.*Did you mean recall?"),
        ("", "'' is unknown"),
        ("youden-ish", r"is unknown; known are: .*Did you mean youden"),
        ("recall", "lacks a number after recall="),
        ("recall=many", "lacks a number"),
        ("recall=99", r"out of range \(99% is 0.99\)"),
        ("recall=0", "out of range"),
        ("recall=nan", "out of range"),
        ("precision=0", "out of range"),
        ("fixed=nan", "out of range"),
        ("fixed=inf", "out of range"),
        ("overkill=0", "out of range"),
        ("overkill=1", "out of range"),
        ("overkill=5", r"out of range \(5% is 0.05\)"),
        ("overkill", "lacks its bound"),
        ("overkill>=0.1", "lacks its bound"),
        ("overkill=many", "lacks a number"),
        ("auto=1", "auto takes none"),
        ("auto and fixed=0.4", "auto cannot be joined with another policy"),
        ("overkill=0.1 and precision=0.9", "both choose where parts are rejected"),
        ("f1=0.5", "takes none"),
        ("f1<", "takes none"),
        ("recall<=0.99", "recall does not take <="),
        ("fixed>=0.4", "fixed does not take >="),
        ("overkill<=0.1 and precision=0.9", "both choose where parts are rejected"),
        ("youden=0.5", "takes none"),
        ("escape", "lacks its bound"),
        ("escape=0.02", "lacks its bound; expected escape<=E@C"),
        ("escape<=", "lacks a number after <="),
        ("escape<=0@0.95", "bound is 0; expected a share above 0 and below 1"),
        ("escape<=0.02@1", "confidence is 1; expected"),
        ("escape<=2@0.95", r"bound is 2; .*\(2% is 0.02\)"),
        ("escape<=0.02@95", r"confidence is 95; .*\(95% is 0.95\)"),
        ("overkill[crack]<=0.02@0.95", "only escape takes a defect type"),
        ("escape[]<=0.02@0.95", "takes a defect type in brackets"),
        ("cost", "lacks escape= and overkill= and prevalence="),
        ("cost escape=500 overkill=2", "lacks prevalence="),
        (
            "cost escape=500 overkill=2 prevalense=0.1",
            "'prevalense=0.1' is not expected.*Did you mean preval",
        ),
        ("cost escape=500 escape=2 prevalence=0.1", "'escape=2' is not expected"),
        ("cost escape=0 overkill=2 prevalence=0.1", "cost escape=0: expected a number above 0"),
        ("cost escape=5 overkill=2 prevalence=1", "cost prevalence=1: expected the share"),
        ("cost escape=5 overkill=x prevalence=0.1", "lacks a number after overkill="),
        ("f1 and youden and fixed=0.4", "more than the two ends"),
        ("f1 and f1", "more than the two ends"),
        ("escape<=0.02 and overkill<=0.1 and f1", "more than the two ends"),
        ("f1 and cost escape=9 overkill=3 prevalence=0.1 review=1", "chooses both ends of the review band"),
    ],
)
def test_other_texts_are_refused(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        parse_policy(text)
