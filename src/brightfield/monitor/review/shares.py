"""How a page's pictures are divided among the reasons to show them."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from brightfield.errors import ConfigError, suggestion
from brightfield.monitor.review.records import RANDOM, Pool

SHARES: Mapping[Pool, float] = MappingProxyType(
    {
        Pool.PASSED: 0.4,
        Pool.REJECTED: 0.15,
        Pool.BAND: 0.15,
        Pool.KNOWN: 0.1,
        Pool.TWICE: 0.05,
        Pool.UNCERTAIN: 0.1,
        Pool.NOVEL: 0.05,
    }
)
"""The shares where nothing else is asked for."""

LEAST_RANDOM = 0.2
"""The least share of parts drawn at random, as figures come from them alone."""


def parse_shares(text: str) -> dict[Pool, float]:
    """Return the shares that a text such as `passed=0.5 rejected=0.2 known=0.3` names; all others are 0.

    Raises:
        ConfigError: If a name or a number is wrong, the shares do not add up to 1, or too few parts are drawn
            at random.
    """
    known = [str(pool) for pool in SHARES]
    shares = dict.fromkeys(SHARES, 0.0)
    for word in text.replace(",", " ").split():
        name, _, number = word.partition("=")
        if name not in known:
            listed = ", ".join(known)
            raise ConfigError(f"{name!r} is no kind of picture; known are: {listed}{suggestion(name, known)}")
        try:
            shares[Pool(name)] = float(number)
        except ValueError as error:
            raise ConfigError(f"{word!r} names no share; expected a number, as in {name}=0.2") from error
    check_shares(shares)
    return shares


def check_shares(shares: Mapping[Pool, float]) -> None:
    """Check that shares add up, and that enough parts are drawn at random.

    Raises:
        ConfigError: If not.
    """
    total = sum(shares.values())
    if min(shares.values(), default=0.0) < 0 or abs(total - 1.0) > 0.01:
        raise ConfigError(f"the shares of a page add up to {total:g}; expected 1, and none below 0")
    if (random := sum(shares.get(pool, 0.0) for pool in RANDOM)) < LEAST_RANDOM - 1e-9:
        raise ConfigError(
            f"{random:.0%} of a page would be drawn at random ({' and '.join(RANDOM)}); expected at least "
            f"{LEAST_RANDOM:.0%}, as the bound on the escape rate comes from them alone"
        )


def numbers(shares: Mapping[Pool, float], n: int) -> dict[Pool, int]:
    """Return how many of n pictures each share makes; the largest remainders are rounded up."""
    exact = {pool: n * share for pool, share in shares.items()}
    whole = {pool: int(value) for pool, value in exact.items()}
    by_remainder = sorted(exact, key=lambda pool: whole[pool] - exact[pool])
    for pool in by_remainder[: n - sum(whole.values())]:
        whole[pool] += 1
    return whole
