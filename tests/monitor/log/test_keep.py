"""Which pictures are kept."""

from __future__ import annotations

import hashlib

import pytest

from brightfield.errors import ConfigError
from brightfield.monitor.log.keep import Keep

DIGESTS = [hashlib.sha256(str(i).encode()).hexdigest() for i in range(4000)]


@pytest.mark.parametrize(
    ("pictures", "passed", "rejected", "review"),
    [
        ("all", True, True, True),
        ("rejects", False, True, True),
        (None, False, True, True),
        ("none", False, False, False),
        (1, True, True, True),
        ("rejects+1.0", True, True, True),
    ],
)
def test_policies(pictures: str | None, passed: bool, rejected: bool, review: bool) -> None:
    keep = Keep(pictures)
    for digest in DIGESTS[:20]:
        assert keep.keeps("OK", digest) is passed
        assert keep.keeps("DEFECT", digest) is rejected
        assert keep.keeps("REVIEW", digest) is review


def test_nothing_is_rejected_where_nothing_is_decided() -> None:
    assert not Keep("rejects").keeps(None, DIGESTS[0])
    assert Keep("all").keeps(None, DIGESTS[0])


def test_a_share_is_that_share_and_the_same_each_time() -> None:
    kept = [Keep(0.05).keeps("OK", d) for d in DIGESTS]
    # 4,000 draws with p = 0.05: a standard deviation of 13.8
    assert abs(sum(kept) - 200) < 5 * 13.8
    assert kept == [Keep("0.05").keeps("DEFECT", d) for d in DIGESTS]
    more = [Keep(0.1).keeps("OK", d) for d in DIGESTS]
    assert all(m for k, m in zip(kept, more, strict=True) if k)


def test_rejects_and_a_share_of_the_rest() -> None:
    keep = Keep("rejects+0.05")
    assert all(keep.keeps("DEFECT", d) for d in DIGESTS)
    assert [keep.keeps("OK", d) for d in DIGESTS] == [Keep(0.05).keeps("OK", d) for d in DIGESTS]


@pytest.mark.parametrize(
    "pictures", ["some", "", "0", "1.5", "-0.1", "nan", "rejects+", "rejects+2", "0.1+rejects"]
)
def test_what_is_no_policy(pictures: str) -> None:
    with pytest.raises(
        ConfigError, match="does not say which pictures are kept; expected all, rejects, none"
    ):
        Keep(pictures)


@pytest.mark.parametrize("limits", [{"days": 0}, {"megabytes": -1}, {"days": float("nan")}])
def test_limits_are_above_0(limits: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match="expected more than 0"):
        Keep("all", **limits)
