"""Where an inspector comes from, in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from brightfield.report.quantities import points


def lineage_lines(facts: Mapping[str, Any]) -> dict[str, str]:
    """Return where an inspector comes from, as lines by name; nothing of one that was trained afresh.

    Args:
        facts: The facts of its manifest.
    """
    steps = (facts.get("training") or {}).get("lineage") or []
    if not steps:
        return {}
    last = steps[-1]
    lines = {"generation": str(1 + len(steps)), "parent": str(last.get("parent"))}
    if last.get("parent_name"):
        made = f", made {last['parent_created']}" if last.get("parent_created") else ""
        lines["parent"] = f"{last['parent_name']}{made} (SHA-256 {last.get('parent')})"
    if last.get("at"):
        lines["made"] = str(last["at"])
    if last.get("new"):
        lines["new pictures"] = new_in_words(last["new"])
    if last.get("judged"):
        lines["judged by"] = judged_in_words(last["judged"])
    gate = last.get("gate")
    if gate is not None:
        word = "accepted" if gate["accepted"] else "REFUSED"
        lines["gate"] = f"{word} on {gate['n']:,} pictures, margin {points(gate['margin'])}"
    return lines


def new_in_words(new: Mapping[str, Mapping[str, int]]) -> str:
    """Return how many new pictures of each class are in each split."""
    splits = (f"{name}: {', '.join(f'{n} {c}' for c, n in of.items())}" for name, of in new.items() if of)
    return "; ".join(splits) or "none"


def judged_in_words(judged: Mapping[str, Any]) -> str:
    """Return who judged how many pictures of which class, and when."""
    text = []
    for name, person in judged["people"].items():
        counts = ", ".join(f"{n} {label}" for label, n in person["labels"].items())
        days = [str(person[end])[:10] for end in ("first", "last") if person[end]]
        when = f", {' to '.join(dict.fromkeys(days))}" if days else ""
        text.append(f"{name} ({counts}{when})")
    return "; ".join(text)
