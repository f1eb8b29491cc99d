from __future__ import annotations

import numpy as np
import pytest

from brightfield.monitor.audit.reviewers import errors_of
from brightfield.monitor.audit.settled import (
    Kind,
    Opinion,
    Seen,
    Settled,
    evidence_of,
    needs_second_look,
    settled,
    settled_of,
)
from brightfield.monitor.audit.tally import Known, Looks, Pairs


def looks(*said: str | None, again: bool = False) -> tuple[Opinion, ...]:
    """Return opinions in order; all after the first were asked for because of it, where `again` is set."""
    return tuple(Opinion("A", f"2026-01-0{i + 1}", truth, again and i > 0) for i, truth in enumerate(said))


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (["OK"], Settled(False, "OK")),
        (["pit"], Settled(True, "pit")),
        ([None], Settled(None, None)),
        (["OK", "pit"], Settled(None, None)),
        (["OK", None], Settled(False, "OK")),
        (["pit", "OK", "crack"], Settled(True, "pit")),
        (["crack", "OK", "pit", "pit"], Settled(True, "pit")),
    ],
)
def test_most_looks_decide(said: list[str | None], expected: Settled) -> None:
    assert settled(looks(*said), "OK") == expected


def test_a_defect_that_passed_takes_a_second_look() -> None:
    once, twice = Seen(Kind.PASSED, looks("pit")), Seen(Kind.PASSED, looks("pit", "pit"))
    assert needs_second_look(once, "OK")
    assert settled_of(twice, "OK") == Settled(True, "pit")
    assert not needs_second_look(Seen(Kind.PASSED, looks("OK")), "OK")
    assert needs_second_look(Seen(Kind.PASSED, looks("pit", "OK")), "OK")
    assert not needs_second_look(Seen(Kind.REJECTED, looks("pit")), "OK")
    assert needs_second_look(Seen(Kind.REJECTED, looks(None)), "OK")


def test_known_good_pieces_are_treated_like_parts_that_passed() -> None:
    assert needs_second_look(Seen(Kind.KNOWN, looks("pit"), truth="OK"), "OK")
    assert not needs_second_look(Seen(Kind.KNOWN, looks("pit"), truth="pit"), "OK")
    assert not needs_second_look(Seen(Kind.KNOWN, looks("OK"), truth="pit"), "OK")


def test_looks_become_counts() -> None:
    seen = [
        Seen(Kind.PASSED, looks("OK")),
        Seen(Kind.PASSED, looks("OK", "OK")),
        Seen(Kind.PASSED, looks("pit", again=True)),
        Seen(Kind.PASSED, looks("pit", "pit", again=True)),
        Seen(Kind.PASSED, looks("pit", "OK", "OK", again=True)),
        Seen(Kind.PASSED, looks("pit", "pit"), random=False),
        Seen(Kind.REJECTED, looks("pit")),
        Seen(Kind.REJECTED, looks("crack", "OK")),
        Seen(Kind.REJECTED, looks(None)),
        Seen(Kind.REJECTED, looks("OK")),
        Seen(Kind.KNOWN, looks("pit"), truth="pit"),
        Seen(Kind.KNOWN, looks("OK"), truth="pit"),
        Seen(Kind.KNOWN, looks(None), truth="pit"),
        Seen(Kind.KNOWN, looks("OK"), truth="OK"),
        Seen(Kind.KNOWN, looks("pit", "pit", again=True), truth="OK"),
        Seen(Kind.KNOWN, looks("pit", "OK", "OK", again=True), truth="OK"),
    ]
    found = evidence_of(seen, 900, 100, "OK")
    assert (found.n_passed, found.n_rejected) == (900, 100)
    assert found.passed == Looks(1, 3, 1, {"pit": 1.0})
    assert found.rejected == Looks(1, 1, 2, {"pit": 1.0})
    assert found.known == Known(defective=3, missed=2, good=3, alarmed=2, confirmed=1)


def test_known_good_pieces_wait_for_their_second_look() -> None:
    seen = [
        Seen(Kind.KNOWN, looks("pit"), truth="OK"),
        Seen(Kind.KNOWN, looks(None), truth="OK"),
        Seen(Kind.KNOWN, looks("pit", "OK", again=True), truth="OK"),
        Seen(Kind.KNOWN, looks("pit", "OK", "OK", again=True), truth="OK"),
    ]
    assert evidence_of(seen, 900, 100, "OK").known == Known(good=4, alarmed=4, confirmed=0, pending=3)


def test_a_known_piece_that_is_shown_again_counts_once() -> None:
    seen = [Seen(Kind.KNOWN, looks(said), truth="pit", piece="a") for said in ("pit", "OK", "pit", "OK")]
    seen += [Seen(Kind.KNOWN, looks(said), truth="pit", piece="b") for said in ("OK", "OK")]
    seen += [
        Seen(Kind.KNOWN, looks("pit", "pit", again=True), truth="OK", piece="c"),
        Seen(Kind.KNOWN, looks("pit"), truth="OK", piece="c"),
        Seen(Kind.KNOWN, looks("OK"), truth="OK", piece="c"),
        Seen(Kind.KNOWN, looks("OK"), truth="OK", piece="c"),
        Seen(Kind.KNOWN, looks("OK"), truth="OK", piece="d"),
    ]
    known = evidence_of(seen, 900, 100, "OK").known
    assert (known.defective, known.missed) == (2, 1.5)
    assert (known.good, known.alarmed, known.confirmed, known.pending) == (2, 0.5, 0.25, 0.25)


def test_few_pieces_that_are_shown_often_prove_little() -> None:
    """400 times four pieces, a fifth of which everybody misses, and 25 looks at each."""
    rng, wrong = np.random.default_rng(0), 0
    for _ in range(400):
        hard = rng.random(4) < 0.2
        seen = [
            Seen(Kind.KNOWN, looks("OK" if hard[i] else "pit"), truth="pit", piece=str(i))
            for _ in range(25)
            for i in range(4)
        ]
        wrong += errors_of(evidence_of(seen, 900, 100, "OK").known, 0.01).missed < 0.2
    assert wrong == 0


def test_only_looks_that_did_not_depend_on_each_other_make_pairs() -> None:
    seen = [
        Seen(Kind.PASSED, looks("pit", "OK", again=True)),
        Seen(Kind.PASSED, looks("OK", "OK")),
        Seen(Kind.REJECTED, looks("pit", "OK", "pit")),
        Seen(Kind.REJECTED, looks("pit", "crack")),
        Seen(Kind.REJECTED, looks("pit", None)),
    ]
    found = evidence_of(seen, 900, 100, "OK")
    assert found.passed_twice == Pairs(differing=0, alike=1)
    assert found.rejected_twice == Pairs(differing=1, alike=1), "two types are both defective"
