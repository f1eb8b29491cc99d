"""What rules mean for the figures of an evaluation, and for what the threshold promises."""

from __future__ import annotations

from typing import Any

from brightfield.decide.guarantee import Guarantee
from brightfield.decide.rules import Rules
from brightfield.evaluation.predictions import Predictions
from brightfield.inspector import Inspector


def promises_kept(inspector: Inspector) -> tuple[Guarantee, ...]:
    """Return the threshold's guarantees that hold for the inspector's decisions, by rules or not."""
    point, rules = inspector.operating_point, inspector.rules
    guarantees = () if point is None else point.guarantees
    return guarantees if rules is None else rules.still_promised(guarantees)


def on_rules(rules: Rules | None, predictions: Predictions) -> dict[str, Any]:
    """Return the entry `rules` of metrics.json: each limit, and how many parts it rejected; empty without.

    A part counts for the limit that its verdict names, the first that it exceeds.
    """
    if rules is None:
        return {}
    spoke = [rule for rule in predictions.rules or () if rule is not None]
    return {
        "rules": {
            "decide": rules.decide,
            "rejected": len(spoke),
            "limits": [
                {**one, "rejected": sum(_names(rule, str(one["limit"]), one["region"]) for rule in spoke)}
                for one in rules.named_limits()
            ],
        }
    }


def _names(rule: str, text: str, region: str | None) -> bool:
    """Return whether a verdict's rule, `TEXT: VALUE` or `TEXT: VALUE (REGION)`, names this limit."""
    ends = f" ({region})"
    found = rule.startswith(f"{text}: ")
    return found and (rule.endswith(ends) if region is not None else not rule.endswith(")"))


def rules_notes(inspector: Inspector) -> tuple[str, ...]:
    """Return what a reader of figures and promises has to know where rules decide; empty without rules."""
    rules, point = inspector.rules, inspector.operating_point
    if rules is None:
        return ()
    source = f" of {rules.source}" if rules.source else ""
    if rules.alone:
        said = f"the rules{source} alone decide: the threshold and its counts are information only"
    else:
        said = (
            f"the rules{source} decide beside the threshold: they may reject what it passes, and its "
            "counts are without them"
        )
    if point is None or not point.guarantees:
        return (said,)
    lost = [g for g in point.guarantees if g not in rules.still_promised(point.guarantees)]
    if lost:
        kinds = " and ".join(sorted({f"the {g.kind} rate" for g in lost}))
        said += f". What the threshold promises of {kinds} does not hold for decisions by rules"
    if len(lost) < len(point.guarantees):
        said += ". What it promises of escapes still holds, as rules only reject more"
    return (said,)
