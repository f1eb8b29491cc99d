"""What the manifest of a successor says of where it comes from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from brightfield.data.dataset import Dataset
from brightfield.data.provenance import judged_in_short, read_provenance
from brightfield.evaluation.gate import Gate
from brightfield.inspector import Inspector
from brightfield.pipeline.facts import now
from brightfield.pipeline.old_and_new import OldAndNew

RETRAIN = "retrain"
"""The kind of a step of the lineage that a retraining made; steps without a kind are updates."""


def generation(facts: Mapping[str, Any]) -> int:
    """Return the generation of an inspector: 1 for one that was trained, and 1 more for each step since."""
    return 1 + len((facts.get("training") or {}).get("lineage") or [])


def created(facts: Mapping[str, Any]) -> str | None:
    """Return when an inspector was made, in ISO 8601; None if its manifest does not say."""
    steps = (facts.get("training") or {}).get("lineage") or []
    at = (steps[-1].get("at") if steps else None) or (facts.get("created_with") or {}).get("date")
    return None if at is None else str(at)


def with_step(inspector: Inspector, base: Inspector, step: Mapping[str, Any]) -> Inspector:
    """Return an inspector whose lineage is that of the one before, and one step more."""
    before = (base.facts.get("training") or {}).get("lineage") or []
    training = {**inspector.facts["training"], "lineage": [*before, dict(step)]}
    return replace(inspector, facts={**inspector.facts, "training": training})


def step_of(base: Inspector, bundle: Path, parts: OldAndNew, new: Dataset, placed: Dataset) -> dict[str, Any]:
    """Return what the lineage says of a successor's parent and data, before it is judged.

    Args:
        base: The inspector before.
        bundle: Its bundle.
        parts: Old and new pictures.
        new: The new data set, as it was given.
        placed: The old and new pictures that are used, with a split for each.
    """
    known = {s.path for s, seen in zip(parts.data.samples, parts.seen, strict=True) if seen is not None}
    counts: dict[str, Counter[str]] = {}
    for sample in placed.samples:
        if sample.path not in known:
            counts.setdefault(str(sample.split), Counter())[str(sample.label)] += 1
    return {
        "kind": RETRAIN,
        "at": now(),
        "generation": generation(base.facts) + 1,
        "parent": base.sha256,
        "parent_name": bundle.name,
        "parent_created": created(base.facts),
        "data": new.name,
        "data_fingerprint": new.fingerprint(),
        "new": {split: dict(sorted(of.items())) for split, of in sorted(counts.items())},
        "relabelled": len(parts.relabelled),
        "missing": dict(parts.missing),
        "judged": judged_in_short(one for one in read_provenance(new.place) if one.path in parts.fresh),
    }


def gate_in_short(gate: Gate, golden: Dataset | None) -> dict[str, Any]:
    """Return the outcome of the gate for the lineage: what was asked, and each figure before and after.

    Args:
        gate: The gate.
        golden: The golden set, or None.
    """
    return {
        "accepted": gate.accepted,
        "margin": gate.demands.margin,
        "confidence": gate.demands.confidence,
        "strict": gate.demands.strict,
        "n": gate.n,
        "n_defect": gate.n_defect,
        "checks": {
            check.name: {"before": check.before, "after": check.after, "outcome": check.outcome}
            for check in (*gate.checks, *gate.types)
        },
        "golden": _golden_in_short(gate, golden),
    }


def _golden_in_short(gate: Gate, golden: Dataset | None) -> dict[str, Any] | None:
    if gate.golden is None or golden is None:
        return None
    counts = {name: len(getattr(gate.golden, name)) for name in ("broken", "mended", "wrong")}
    return {"name": golden.name, "fingerprint": golden.fingerprint(), "n": gate.golden.n, **counts}
