"""Acceptance: the figures of an evaluation against limits that were agreed before it."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from brightfield.decide.guarantee import upper_bound
from brightfield.errors import ConfigError
from brightfield.evaluation.agreement import THE_INSPECTOR
from brightfield.options import read_toml

AT_MOST = ("escape_rate", "overkill_rate", "review_share", "ece", "brier")
AT_LEAST = ("accuracy", "auroc", "average_precision", "f1", "precision", "recall", "n", "n_defect")
COUNTS = ("n", "n_defect")
STUDIED_AT_MOST = ("miss_rate", "false_alarm_rate")
STUDIED_AT_LEAST = ("effectiveness", "repeatability", "kappa_truth")
"""Of the inspector in an agreement study; see `attribute_agreement`."""

MET, OPEN, MISSED = "met", "not proven", "missed"


@dataclass(frozen=True)
class Limits:
    """What an inspector must reach to be accepted.

    Attributes:
        figures: Limits by name, of `AT_MOST` and `AT_LEAST`, and those of an agreement study.
        escape_rates: The greatest escape rate by defect type.
        confidence: With which rates must keep their limit, in (0, 1).
    """

    figures: dict[str, float] = field(default_factory=dict)
    escape_rates: dict[str, float] = field(default_factory=dict)
    confidence: float = 0.95


@dataclass(frozen=True)
class Check:
    """One limit, and what was found.

    Attributes:
        name: Of the figure; `escape_rate of TYPE` for a defect type.
        limit: What was agreed.
        at_most: Whether the figure must not exceed it; else it must not fall below it.
        value: What was found; None where it could not be.
        bound: What the true rate is at most (or at least) with the confidence; None of what is not a rate.
        outcome: `met`; `missed`; or `not proven`, where the count keeps the limit but is too small a sample.
    """

    name: str
    limit: float
    at_most: bool
    value: float | None
    bound: float | None
    outcome: str


@dataclass(frozen=True)
class Acceptance:
    """Every check, in the order of the limits.

    Attributes:
        checks: One a limit.
        confidence: Of the bounds.
    """

    checks: tuple[Check, ...]
    confidence: float

    @property
    def accepted(self) -> bool:
        """Whether every limit is met."""
        return all(check.outcome == MET for check in self.checks)

    def as_dict(self) -> dict[str, Any]:
        """Return the checks as metrics.json writes them."""
        return {
            "accepted": self.accepted,
            "confidence": self.confidence,
            "checks": [asdict(check) for check in self.checks],
        }


def read_limits(path: Path) -> Limits:
    """Read limits from a TOML file.

    `[limits]` names figures of metrics.json, the greatest of `AT_MOST` and the least of `AT_LEAST`, and
    those of an agreement study of the inspector, `STUDIED_AT_MOST` and `STUDIED_AT_LEAST`;
    `[limits.escape_rates]` names defect types. `confidence` stands above them, by default 0.95.

    Raises:
        ConfigError: If the file cannot be read, names something else, or a value is out of range.
    """
    content = read_toml(path, "--limits")
    _check_names(content, ("confidence", "limits"), str(path))
    figures = content.get("limits", {})
    if not isinstance(figures, dict) or not figures:
        raise ConfigError(f"{path} holds no limits; expected a table [limits], such as escape_rate = 0.02")
    types = figures.pop("escape_rates", {})
    if not isinstance(types, dict):
        raise ConfigError(f"{path}: escape_rates is {types!r}; expected a table of defect types")
    if not figures and not types:
        raise ConfigError(f"{path} holds no limits; expected one at least, such as escape_rate = 0.02")
    known = (*AT_MOST, *AT_LEAST, *STUDIED_AT_MOST, *STUDIED_AT_LEAST, "escape_rates")
    _check_names(figures, known, f"{path}, [limits]")
    confidence = _number(content.get("confidence", 0.95), "confidence", path)
    if not 0.0 < confidence < 1.0:
        raise ConfigError(f"{path}: confidence is {confidence:g}; expected a number between 0 and 1")
    return Limits(
        {name: _number(value, name, path) for name, value in figures.items()},
        {name: _number(value, f"escape_rates.{name}", path) for name, value in types.items()},
        confidence,
    )


def accept(metrics: Mapping[str, Any], limits: Limits) -> Acceptance:
    """Check the figures of an evaluation.

    A rate must keep its limit with the confidence: its exact one-sided bound (Clopper and Pearson, 1934) is
    compared, not the count alone. Of a study's rates, whose looks at one part are not independent, it is
    that of the parts on which any look erred. Figures that are no rates are compared as they are.

    Args:
        metrics: What `summarise` returned.
        limits: What was agreed.

    Raises:
        ConfigError: If a limit is about a figure or defect type that this evaluation does not have.
    """
    return Acceptance(tuple(_checks(metrics, limits)), limits.confidence)


def check_applies(limits: Limits, types: Collection[str], studied: bool) -> None:
    """Refuse limits that an evaluation cannot check, before it judges anything.

    Args:
        limits: What was agreed.
        types: The defect types of the parts.
        studied: Whether an agreement study is made.

    Raises:
        ConfigError: If a limit is about a study that is not made, or a defect type that is not there.
    """
    for name in limits.figures:
        if name in STUDIED_AT_MOST + STUDIED_AT_LEAST and not studied:
            raise ConfigError(
                f"the limit on {name} is about an agreement study; ask for one, as with --trials 3"
            )
    for name in limits.escape_rates:
        if name not in types:
            raise ConfigError(
                f"the limit on escapes of {name!r} does not apply: the defect types are "
                f"{', '.join(sorted(types)) or 'none'}"
            )


def _checks(metrics: Mapping[str, Any], limits: Limits) -> Iterator[Check]:
    types = {n: e["escape_rate"] for n, e in metrics["per_class"].items() if "escape_rate" in e}
    check_applies(limits, types, "agreement" in metrics)
    for name, limit in limits.figures.items():
        found = _found(metrics, name)
        if found is None:
            raise ConfigError(f"the limit on {name} does not apply: this evaluation has no such figure")
        yield _check(name, limit, name in AT_MOST + STUDIED_AT_MOST, found, limits.confidence)
    for name, limit in limits.escape_rates.items():
        yield _check(f"escape_rate of {name}", limit, True, types[name], limits.confidence)


def _found(metrics: Mapping[str, Any], name: str) -> Any:
    if name in STUDIED_AT_MOST + STUDIED_AT_LEAST:
        found = metrics["agreement"]["appraisers"][THE_INSPECTOR]
        erring = found["erring"].get(name)
        return found[name] if erring is None else {"share": found[name], "k": erring["k"], "n": erring["n"]}
    if name == "accuracy":
        return metrics["accuracy_interval"]
    escapes = metrics["escape_rate"]
    if name in ("recall", "precision") and escapes is not None:
        stopped = sum(sum(counts.values()) - counts["OK"] for counts in metrics["verdict_counts"].values())
        return {"k": escapes["n"] - escapes["k"], "n": escapes["n"] if name == "recall" else stopped}
    return metrics[name]


def _check(name: str, limit: float, at_most: bool, found: Any, confidence: float) -> Check:
    if not isinstance(found, Mapping):
        value = float(found)
        kept = value <= limit if at_most else value >= limit
        return Check(name, limit, at_most, value, None, MET if kept else MISSED)
    if "share" in found and found["n"]:  # of looks: no more of them can err than of parts with any that does
        worst = upper_bound(int(found["k"]), int(found["n"]), confidence)
        value, bound = float(found["share"]), worst if at_most else 1.0 - worst
        kept, proven = (v <= limit if at_most else v >= limit for v in (value, bound))
        return Check(name, limit, at_most, value, bound, MET if proven else OPEN if kept else MISSED)
    k, n = int(found["k"]), int(found["n"])
    if n == 0:
        return Check(name, limit, at_most, None, None, OPEN)
    if at_most:
        bound = upper_bound(k, n, confidence)
        kept, proven = k / n <= limit, bound <= limit
    else:
        bound = 1.0 - upper_bound(n - k, n, confidence)
        kept, proven = k / n >= limit, bound >= limit
    return Check(name, limit, at_most, k / n, bound, MET if proven else OPEN if kept else MISSED)


def _check_names(values: Mapping[str, Any], known: tuple[str, ...], where: str) -> None:
    for name in values:
        if name not in known:
            close = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {close[0]!r}? " if close else ""
            raise ConfigError(f"unknown limit {name!r} in {where}; {hint}known are: {', '.join(known)}")


def _number(value: Any, name: str, path: Path) -> float:
    top = float("inf") if name in COUNTS else 1.0
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0.0 <= value <= top:
        kind = "a count" if name in COUNTS else "a share from 0 to 1"
        raise ConfigError(f"{path}: {name} is {value!r}; expected {kind}")
    return float(value)
