from __future__ import annotations

import pytest

from brightfield.errors import ConfigError
from brightfield.monitor.review.records import Pool
from brightfield.monitor.review.shares import SHARES, check_shares, numbers, parse_shares


def test_the_default_shares_may_be_used() -> None:
    check_shares(SHARES)


def test_shares_are_read() -> None:
    found = parse_shares("passed=0.5, rejected=0.25 known=0.25")
    assert found[Pool.PASSED] == 0.5
    assert found[Pool.KNOWN] == 0.25
    assert found[Pool.BAND] == 0.0


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("pased=1", "did you mean passed?"),
        ("passed=much", "names no share"),
        ("passed=0.5", "add up to 0.5"),
        ("passed=1.5 known=-0.5", "add up to 1;"),
        ("known=0.9 passed=0.1", "10% of a page would be drawn at random"),
    ],
)
def test_wrong_shares_are_said(text: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        parse_shares(text)


def test_shares_of_a_page_add_up_to_its_pictures() -> None:
    assert numbers({Pool.PASSED: 0.5, Pool.REJECTED: 0.3, Pool.KNOWN: 0.2}, 7) == {
        Pool.PASSED: 4,  # 3.5: the largest remainder
        Pool.REJECTED: 2,
        Pool.KNOWN: 1,
    }
    for n in range(1, 40):
        assert sum(numbers(SHARES, n).values()) == n
