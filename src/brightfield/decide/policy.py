"""Policies: how thresholds are chosen, as text and as parsed clauses."""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, fields

from brightfield.decide.cost import Costs
from brightfield.decide.guarantee import check_bound
from brightfield.errors import ConfigError

POLICIES = {
    "auto": "auto: f1 where there are good and defective parts; of good parts alone the smallest "
    "overkill<=O@0.95 that they prove, with O of 1, 2, 5 or 10%",
    "f1": "f1: the threshold with the greatest expected F1",
    "youden": "youden: the threshold with the greatest sum of recall and specificity",
    "recall": "recall=R: the highest threshold that finds at least the share R of the defects, 0 < R <= 1",
    "precision": "precision=P: the lowest threshold at which at least the share P of what is rejected is "
    "defective, 0 < P <= 1",
    "fixed": "fixed=T: the threshold T: 0 <= T <= 1, or any score where good parts alone calibrate",
    "escape": "escape<=E@C: the highest threshold at which at most the share E of defective parts passes, "
    "with confidence C; escape[TYPE]<=E@C for one defect type",
    "overkill": "overkill<=O@C: the lowest threshold at which at most the share O of good parts is rejected, "
    "with confidence C; overkill=O: at which at most that share is expected to be, without a confidence",
    "cost": "cost escape=A overkill=B prevalence=P [review=C]: the least expected cost where the share P of "
    "the parts is defective",
}
"""The policies that `parse_policy` takes, by name; two joined by `and` leave a review band between them."""

PASSING = ("escape", "recall")
"""Clauses about the parts that pass; each takes the highest threshold that satisfies it."""

REJECTING = ("overkill", "precision")
"""Clauses about the parts that are rejected; each takes the lowest threshold that satisfies it."""

NEED_DEFECTS = ("f1", "youden", "recall", "precision", "escape", "cost")
"""Clauses that need defective parts to choose a threshold."""

DEFAULT_CONFIDENCE = 0.95

_BOUND = re.compile(
    r"(?P<name>escape|overkill)\s*(?:\[(?P<defect>[^\]]*)\])?\s*(?:<=|<|≤)\s*(?P<bound>[^@]*)"
    r"(?:@(?P<confidence>.*))?",
    re.IGNORECASE,
)
_CLAUSE = re.compile(r"(?P<name>[^\s<>=≤≥]*)\s*(?P<sign>[<>=≤≥]*)\s*(?P<value>.*)", re.DOTALL)
_AND = re.compile(r"\s+and\s+(?![^\[]*\])", re.IGNORECASE)  # not inside the brackets of a defect type
_AT_LEAST = ("=", ">=", "≥")


@dataclass(frozen=True)
class Clause:
    """One condition on a threshold.

    Attributes:
        name: Name of the policy, one of `POLICIES`.
        value: The number after the sign; None for a clause without one.
        confidence: Confidence of a guarantee, in (0, 1); None for a clause without one.
        defect: The defect type that a guarantee is about; None for all types.
        costs: The costs of the clause `cost`; None for any other.
    """

    name: str
    value: float | None = None
    confidence: float | None = None
    defect: str | None = None
    costs: Costs | None = None

    def __str__(self) -> str:
        if self.costs is not None:
            known = {f.name: getattr(self.costs, f.name) for f in fields(Costs)}
            return "cost " + " ".join(f"{name}={v!r}" for name, v in known.items() if v is not None)
        if self.confidence is not None:
            about = "" if self.defect is None else f"[{self.defect}]"
            return f"{self.name}{about}<={self.value!r}@{self.confidence!r}"
        return self.name if self.value is None else f"{self.name}={self.value!r}"


@dataclass(frozen=True)
class Policy:
    """A rule that chooses an operating point: one clause, or two that bound a review band."""

    clauses: tuple[Clause, ...]

    @property
    def promises(self) -> bool:
        """Whether a clause bounds a rate with a confidence, which needs parts that were not trained on."""
        return any(clause.confidence is not None for clause in self.clauses)

    @property
    def is_fixed(self) -> bool:
        """Whether all thresholds are given as numbers, so that none is chosen on data."""
        return all(clause.name == "fixed" for clause in self.clauses)

    def __str__(self) -> str:
        return " and ".join(str(clause) for clause in self.clauses)


def parse_policy(text: str) -> Policy:
    """Return the policy that a text such as `f1`, `recall=0.99` or `escape<=0.02@0.95` names.

    Shares may be given in percent. Two clauses joined by `and` leave a review band between their thresholds.

    Raises:
        ConfigError: If there is no such policy, or a value is missing, superfluous or out of range.
    """
    policy = Policy(tuple(_clause(part) for part in _AND.split(text.strip())))
    _check_together(text, policy.clauses)
    return policy


def _check_together(text: str, clauses: Sequence[Clause]) -> None:
    names = [c.name for c in clauses]
    if len(clauses) > 1 and "auto" in names:
        raise ConfigError(f"policy {text!r}: auto cannot be joined with another policy; expected auto alone")
    if len(clauses) > 1 and any(c.costs is not None and c.costs.review is not None for c in clauses):
        raise ConfigError(
            f"policy {text!r}: cost with review= chooses both ends of the review band; remove the other "
            "policy, or remove review="
        )
    ends = any(n in PASSING for n in names) + any(n in REJECTING for n in names)
    ends += sum(n not in PASSING + REJECTING for n in names)
    if {"overkill", "precision"} <= set(names):
        raise ConfigError(
            f"policy {text!r}: overkill and precision both choose where parts are rejected, and raising the "
            "threshold for one can break the other; expected one of them"
        )
    if ends > 2 or len(set(clauses)) < len(clauses):
        raise ConfigError(
            f"policy {text!r} sets more than the two ends of a review band; expected at most one condition "
            f"on what passes ({', '.join(PASSING)}) and one on what is rejected ({', '.join(REJECTING)}), or "
            "another policy in place of one of them"
        )


def _clause(text: str) -> Clause:
    bound = _BOUND.fullmatch(text.strip())
    if bound is not None:
        return _guarantee(text, bound)
    words = text.split()
    if words and words[0].lower() == "cost":
        return Clause("cost", costs=_costs(text, words[1:]))
    found = _CLAUSE.fullmatch(text.strip().lower())
    name, sign, after = ("", "", "") if found is None else (found[k] for k in ("name", "sign", "value"))
    if name not in POLICIES:
        close = difflib.get_close_matches(name, POLICIES, n=1)
        hint = f" Did you mean {close[0]}?" if close else ""
        raise ConfigError(f"policy {text!r} is unknown; known are: {'; '.join(POLICIES.values())}.{hint}")
    if name == "escape" or (name == "overkill" and sign != "="):
        raise ConfigError(f"policy {text!r} lacks its bound; expected {POLICIES[name]}")
    if name in ("auto", "f1", "youden"):
        if sign or after:
            raise ConfigError(
                f"policy {text!r} has a value, but {name} takes none; expected {POLICIES[name]}"
            )
        return Clause(name)
    if sign and sign not in (("=",) if name in ("fixed", "overkill") else _AT_LEAST):
        raise ConfigError(f"policy {text!r}: {name} does not take {sign}; expected {POLICIES[name]}")
    value = _share(text, after if sign else "", name, f"{name}=")
    top = {"fixed": math.inf, "overkill": math.nextafter(1.0, 0.0)}.get(name, 1.0)
    if not math.isfinite(value) or not (name == "fixed" or 0.0 < value <= top):
        raise ConfigError(f"policy {text!r} is out of range{percent_hint(value)}; expected {POLICIES[name]}")
    return Clause(name, value)


def _guarantee(text: str, found: re.Match[str]) -> Clause:
    name, defect = found["name"].lower(), found["defect"]
    if defect is not None and (name == "overkill" or not defect.strip()):
        raise ConfigError(
            f"policy {text!r}: only escape takes a defect type in brackets; expected {POLICIES[name]}"
        )
    bound = _share(text, found["bound"], name, "<=")
    after = found["confidence"]
    confidence = DEFAULT_CONFIDENCE if after is None else _share(text, after, name, "@")
    try:
        check_bound(bound, confidence)
    except ConfigError as error:
        wrong = bound if not 0.0 < bound < 1.0 else confidence
        raise ConfigError(f"policy {text!r}: {error}{percent_hint(wrong)}") from error
    return Clause(name, bound, confidence, None if defect is None else defect.strip())


def _costs(text: str, words: Sequence[str]) -> Costs:
    names = [f.name for f in fields(Costs)]
    found: dict[str, float] = {}
    for word in re.sub(r"\s*=\s*", "=", " ".join(words)).replace(",", " ").split():
        name, equals, after = word.lower().partition("=")
        if name not in names or not equals or name in found:
            close = difflib.get_close_matches(name, names, n=1)
            hint = f" Did you mean {close[0]}=?" if close and close[0] != name else ""
            raise ConfigError(f"policy {text!r}: {word!r} is not expected; {POLICIES['cost']}.{hint}")
        found[name] = _share(text, after, "cost", f"{name}=")
    missing = [n for n in ("escape", "overkill", "prevalence") if n not in found]
    if missing:
        raise ConfigError(
            f"policy {text!r} lacks {' and '.join(f'{n}=' for n in missing)}; expected {POLICIES['cost']}"
        )
    return Costs(**found)


def _share(text: str, digits: str, name: str, after: str) -> float:
    """Return the number that the digits spell, where 2% is 0.02."""
    digits = digits.strip()
    try:
        return float(digits[:-1]) / 100 if digits.endswith("%") else float(digits)
    except ValueError as error:
        raise ConfigError(
            f"policy {text!r} lacks a number after {after}; expected {POLICIES[name]}"
        ) from error


def percent_hint(value: float) -> str:
    """Return a hint for a share above 1, which may be a percentage without its sign; else an empty text."""
    return f" ({value:g}% is {value / 100:g})" if 1 < value <= 100 else ""
