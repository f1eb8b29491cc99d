"""The outcome of a retraining in words."""

from __future__ import annotations

from dataclasses import replace

from brightfield.evaluation.gate import OPEN, PAID, SHOWN, UNTESTED, WORSE, Check, Demands, Gate, Golden
from brightfield.report.gate_text import (
    check_sentence,
    hints,
    origin_sentences,
    power_sentences,
    reasons,
    sentences,
    verdict_sentence,
)

ESCAPES = Check(
    name="escape_rate",
    n=60,
    before=0.05,
    after=0.15,
    rise=0.1,
    low=0.04,
    high=0.18,
    worse=7,
    better=1,
    p_value=0.018,
    test="McNemar",
    noticed=0.152,
    outcome=WORSE,
)
OVERKILLS = replace(ESCAPES, name="overkill_rate", n=200, outcome=OPEN, noticed=None)
RANKED = Check("auroc", 260, 0.99, 0.985, 0.005, -0.01, 0.009, None, None, 0.2, "DeLong", None, SHOWN)


def test_one_figure() -> None:
    gate = Gate((ESCAPES,), (), None)
    assert check_sentence(ESCAPES, gate) == (
        "Escapes: 5.0% before, 15.0% now of 60 defective parts (7 more, 1 fewer); the change lies between "
        "+4 and +18 points (95% confidence each way; p = 0.018, McNemar): worse."
    )
    assert check_sentence(RANKED, gate) == (
        "AUROC: 0.990 before, 0.985 now; the change lies between 0.9 points lower and 1 point higher (95% "
        "confidence each way; p = 0.2, DeLong): no worse."
    )
    better = replace(ESCAPES, low=-0.126, high=-0.036)
    assert "between -12.6 and -3.6 points (95% confidence each way;" in check_sentence(better, gate)
    fallen, risen = replace(RANKED, low=0.01, high=0.032), replace(RANKED, low=-0.032, high=-0.01)
    assert "the change lies between 1 and 3.2 points lower (" in check_sentence(fallen, gate)
    assert "the change lies between 1 and 3.2 points higher (" in check_sentence(risen, gate)
    assert check_sentence(Check("escape_rate", 0), gate) == (
        "Escapes: not tested, as there are no defective parts."
    )
    assert "10 good and 10 defective" in check_sentence(Check("auroc", 9, outcome=UNTESTED), gate)
    of_type = replace(ESCAPES, name="escape_rate of pit")
    assert check_sentence(of_type, gate).startswith(
        "Escapes of pit: 5.0% before, 15.0% now of 60 parts with pit"
    )


def test_accepted_refused_and_why() -> None:
    worse = Gate((ESCAPES, OVERKILLS, RANKED), (), None, n=260, n_defect=60)
    assert verdict_sentence(worse).startswith("The successor is refused")
    assert reasons(worse) == [check_sentence(ESCAPES, worse)]
    fine = Gate((replace(OVERKILLS, after=0.04, rise=-0.01, low=-0.03), RANKED), (), None)
    assert verdict_sentence(fine) == "The successor is accepted: nothing shows that it is worse."
    assert reasons(fine) == []
    strict = replace(fine, demands=Demands(strict=True))
    (why,) = reasons(strict)
    assert why.endswith("--strict asks for a rise of at most 1 point to be shown.")
    shown = Gate((replace(OVERKILLS, outcome=SHOWN), RANKED), (), None)
    assert verdict_sentence(shown) == (
        "The successor is accepted: it is shown to be no worse by more than 1 point."
    )


def test_a_rise_that_is_accepted_is_named_first() -> None:
    some = replace(
        ESCAPES, n=33, before=9 / 33, after=11 / 33, rise=2 / 33, low=-0.06, high=0.2, worse=3, better=1
    )
    some = replace(some, p_value=0.3, outcome=OPEN)
    fewer = replace(OVERKILLS, rise=-0.01)
    said = "The successor is accepted: escapes rose from 27.3% to 33.3% of 33 defective parts, which may be"
    assert verdict_sentence(Gate((some, fewer, RANKED), (), None)) == f"{said} chance."
    real = replace(OVERKILLS, before=0.01, after=0.02, rise=0.01, low=0.002)
    assert verdict_sentence(Gate((some, real, RANKED), (), None)) == (
        f"{said} chance; overkills rose from 1.0% to 2.0% of 200 good parts, which is not shown to be more "
        "than the margin of 1 point."
    )
    small = replace(real, outcome=SHOWN)
    assert verdict_sentence(Gate((fewer, small), (), None)).endswith("within the margin of 1 point.")
    paid = replace(real, outcome=PAID)
    assert verdict_sentence(Gate((fewer, paid), (), None)).endswith(
        "rose from 1.0% to 2.0% of 200 good parts, which fewer escapes pay for."
    )


def test_a_moved_threshold() -> None:
    fewer = replace(ESCAPES, rise=-0.06, outcome=SHOWN)
    paid = replace(OVERKILLS, rise=0.05, outcome=PAID)
    gate = Gate((fewer, paid, RANKED), (), None)
    assert check_sentence(paid, gate).endswith("paid for by fewer escapes: the threshold lies elsewhere.")
    assert len(hints(gate)) == 1
    more = replace(ESCAPES, rise=0.06, outcome=WORSE)
    assert hints(Gate((more, replace(paid, rise=-0.05, outcome=SHOWN), RANKED), (), None))
    # not where it ranks worse, or where both have risen
    assert hints(Gate((fewer, paid, replace(RANKED, outcome=WORSE)), (), None)) == []
    assert hints(Gate((more, paid, RANKED), (), None)) == []
    assert hints(Gate((ESCAPES, Check("overkill_rate", 0), RANKED), (), None)) == []


def test_types_are_named_where_they_got_worse() -> None:
    pit = replace(ESCAPES, name="escape_rate of pit")
    gate = Gate((OVERKILLS,), (pit, replace(pit, name="escape_rate of dent", outcome=OPEN)), None)
    assert [text.partition(":")[0] for text in sentences(gate)] == ["Overkills", "Escapes of pit"]
    assert [text.partition(":")[0] for text in reasons(gate)] == ["Escapes of pit"]


def test_the_golden_set() -> None:
    names = tuple(f"{i}.png" for i in range(7))
    broken = Gate((), (), Golden(30, names, (), ()))
    assert reasons(broken) == [
        "Golden set: 7 of 30 pictures that were decided rightly are now wrong, and none may be: 0.png, "
        "1.png, 2.png, 3.png, 4.png and 2 more."
    ]
    whole = Gate((), (), Golden(30, (), ("a.png",), ("b.png", "c.png")))
    assert sentences(whole) == [
        "Golden set: of 30 pictures all 27 that were decided rightly still are, 1 that was wrong is right "
        "now, 2 are wrong as before."
    ]
    useless = Gate((), (), Golden(3, (), ("a.png",), ("b.png", "c.png")))
    assert sentences(useless) == [
        "Golden set: of 3 pictures none was decided rightly before, 1 that was wrong is right now, 2 are "
        "wrong as before."
    ]
    assert "by the golden set alone" in verdict_sentence(whole)


def test_power_in_words() -> None:
    gate = Gate((ESCAPES, OVERKILLS, RANKED), (), None)
    assert power_sentences(gate) == [
        "Escapes: with 60 defective parts in the test a rise of 15.2 points would be noticed 4 times of 5; a "
        "smaller one may pass.",
        "Overkills: 200 good parts are too few to notice any rise 4 times of 5.",
    ]


def test_where_the_pictures_come_from() -> None:
    gate = Gate((ESCAPES, RANKED, Check("overkill_rate", 0)), (), None, n=1260)
    assert origin_sentences({"old": gate}) == [
        "On the old test pictures alone (1,260): Escapes 5.0% before, 15.0% now; AUROC 0.990 before, 0.985 "
        "now."
    ]
