"""Acceptance: compare the figures of an evaluation with limits that were agreed in advance."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from brightfield.decide.guarantee import upper_bound
from brightfield.disk.toml_file import read_toml
from brightfield.errors import ConfigError
from brightfield.evaluation.agreement import THE_INSPECTOR
from brightfield.evaluation.mask_meter import FIGURES

AT_MOST = ("escape_rate", "overkill_rate", "review_share", "ece", "brier")
AT_LEAST = ("accuracy", "auroc", "average_precision", "f1", "precision", "recall", "n", "n_defect")
PIXEL_AT_LEAST = tuple(f"pixel_{name}" for name in FIGURES)
"""Figures of heatmaps against masks; see `PixelMetrics` and `TypeMeter`."""
COUNTS = ("n", "n_defect")
STUDIED_AT_MOST = ("miss_rate", "false_alarm_rate")
STUDIED_AT_LEAST = ("effectiveness", "repeatability", "kappa_truth")
"""Figures of the inspector in an agreement study; see `attribute_agreement`."""

MET, OPEN, MISSED = "met", "not proven", "missed"


@dataclass(frozen=True)
class Limits:
    """The limits that an inspector must meet to be accepted.

    Attributes:
        figures: Limits by name of the figure: `AT_MOST`, `AT_LEAST`, `PIXEL_AT_LEAST`, and those of an
            agreement study.
        escape_rates: Greatest escape rate by defect type.
        confidence: Confidence with which rates must meet their limit, in (0, 1).
    """

    figures: dict[str, float] = field(default_factory=dict)
    escape_rates: dict[str, float] = field(default_factory=dict)
    confidence: float = 0.95


@dataclass(frozen=True)
class Check:
    """The outcome of one limit.

    Attributes:
        name: Name of the figure; `escape_rate of TYPE` for a defect type.
        limit: The agreed limit.
        at_most: Whether the limit is an upper one; else it is a lower one.
        value: The measured figure; None where it could not be measured.
        bound: Confidence bound of the true rate, on the side of the limit; None for a figure that is no rate.
        outcome: `met`, `missed`, or `not proven` where the value meets the limit but its bound does not.
    """

    name: str
    limit: float
    at_most: bool
    value: float | None
    bound: float | None
    outcome: str


@dataclass(frozen=True)
class Acceptance:
    """The outcome of all limits.

    Attributes:
        checks: One check per limit, in the order of the limits.
        confidence: Confidence of the bounds, in (0, 1).
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

    The table `[limits]` holds upper limits for the figures `AT_MOST` and `STUDIED_AT_MOST`, and lower limits
    for `AT_LEAST`, `PIXEL_AT_LEAST` and `STUDIED_AT_LEAST`; pixel figures need masks, the studied ones an
    agreement study. The table `[limits.escape_rates]` holds upper limits by defect type. `confidence`, by
    default 0.95, is set above the tables.

    Raises:
        ConfigError: If the file cannot be read, has an unknown name, or a value is out of range.
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
        raise ConfigError(f"{path} holds no limits; expected at least one, such as escape_rate = 0.02")
    known = (*AT_MOST, *AT_LEAST, *PIXEL_AT_LEAST, *STUDIED_AT_MOST, *STUDIED_AT_LEAST, "escape_rates")
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
    """Check the figures of an evaluation against limits.

    A rate must meet its limit with the confidence: its exact one-sided bound (Clopper and Pearson, 1934) is
    compared, not the observed rate. In an agreement study the looks at one part are not independent, so the
    bound is that of the share of parts with any wrong look. Figures that are no rates are compared directly.

    Args:
        metrics: The figures that `summarise` returned.
        limits: The agreed limits.

    Raises:
        ConfigError: If a limit is about a figure or defect type that this evaluation does not have.
    """
    return Acceptance(tuple(_checks(metrics, limits)), limits.confidence)


def check_applies(limits: Limits, types: Collection[str], studied: bool, masked: bool) -> None:
    """Check before an evaluation that it can check the limits.

    Args:
        limits: The agreed limits.
        types: The defect types of the parts.
        studied: Whether the evaluation includes an agreement study.
        masked: Whether any image has a mask.

    Raises:
        ConfigError: If a limit needs an agreement study or masks and there are none, or its defect type does
            not occur.
    """
    for name in limits.figures:
        if name in STUDIED_AT_MOST + STUDIED_AT_LEAST and not studied:
            raise ConfigError(
                f"the limit on {name} needs an agreement study; request one, for example with --trials 3"
            )
        if name in PIXEL_AT_LEAST and not masked:
            raise ConfigError(
                f"the limit on {name} needs masks, and no image has one; add them to the data, or remove the "
                "limit"
            )
    for name in limits.escape_rates:
        if name not in types:
            raise ConfigError(
                f"the limit on escapes of {name!r} does not apply: the defect types are "
                f"{', '.join(sorted(types)) or 'none'}"
            )


def _checks(metrics: Mapping[str, Any], limits: Limits) -> Iterator[Check]:
    types = {n: e["escape_rate"] for n, e in metrics["per_class"].items() if "escape_rate" in e}
    check_applies(limits, types, "agreement" in metrics, "pixel" in metrics)
    for name, limit in limits.figures.items():
        figure = _figure(metrics, name)
        if figure is None:
            raise ConfigError(f"the limit on {name} does not apply: this evaluation has no such figure")
        yield _check(name, limit, name in AT_MOST + STUDIED_AT_MOST, figure, limits.confidence)
    for name, limit in limits.escape_rates.items():
        yield _check(f"escape_rate of {name}", limit, True, types[name], limits.confidence)


def _figure(metrics: Mapping[str, Any], name: str) -> Any:
    """Return a figure as a number, or a rate as its counts `k` and `n`; None where there is none."""
    if name in STUDIED_AT_MOST + STUDIED_AT_LEAST:
        appraiser = metrics["agreement"]["appraisers"][THE_INSPECTOR]
        erring = appraiser["erring"].get(name)
        return (
            appraiser[name]
            if erring is None
            else {"share": appraiser[name], "k": erring["k"], "n": erring["n"]}
        )
    if name in PIXEL_AT_LEAST:
        return metrics["pixel"].get(name.removeprefix("pixel_"))
    if name == "accuracy":
        return metrics["accuracy_interval"]
    escapes = metrics["escape_rate"]
    if name in ("recall", "precision") and escapes is not None:
        stopped = sum(sum(counts.values()) - counts["OK"] for counts in metrics["verdict_counts"].values())
        return {"k": escapes["n"] - escapes["k"], "n": escapes["n"] if name == "recall" else stopped}
    return metrics[name]


def _check(name: str, limit: float, at_most: bool, figure: Any, confidence: float) -> Check:
    if not isinstance(figure, Mapping):
        value = float(figure)
        within = value <= limit if at_most else value >= limit
        return Check(name, limit, at_most, value, None, MET if within else MISSED)
    if (
        "share" in figure and figure["n"]
    ):  # a share of looks, bounded by the share of parts with any wrong look
        bound_of_parts = upper_bound(int(figure["k"]), int(figure["n"]), confidence)
        value, bound = float(figure["share"]), bound_of_parts if at_most else 1.0 - bound_of_parts
        within, proven = (v <= limit if at_most else v >= limit for v in (value, bound))
        return Check(name, limit, at_most, value, bound, MET if proven else OPEN if within else MISSED)
    k, n = int(figure["k"]), int(figure["n"])
    if n == 0:
        return Check(name, limit, at_most, None, None, OPEN)
    if at_most:
        bound = upper_bound(k, n, confidence)
        within, proven = k / n <= limit, bound <= limit
    else:
        bound = 1.0 - upper_bound(n - k, n, confidence)
        within, proven = k / n >= limit, bound >= limit
    return Check(name, limit, at_most, k / n, bound, MET if proven else OPEN if within else MISSED)


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
