"""An agreement study as the report prints it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from brightfield.report.wording import (
    SEVERAL,
    agreement_sentences,
    figure,
    number,
    percent,
    together_sentence,
)
from brightfield.verdict import Scale

_TONES = {"acceptable": "ok", "marginal": "review", "unacceptable": "defect", "not rated": "review"}
_SHARES = ("effectiveness", "miss_rate", "false_alarm_rate")


def agreement_section(study: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Return the template's variables of a study, None without one."""
    if study is None:
        return None
    again = study["trials"] or study["repeated_shots"]
    return {
        "title": "Does it decide alike when it looks again?" if again else "Does it decide as people do?",
        "how": agreement_sentences(study)[0],
        "appraisers": [_appraiser(name, one) for name, one in study["appraisers"].items()],
        "together": together_sentence(study) if len(study["appraisers"]) > 1 else None,
        "moved": next((SEVERAL[Scale(found["scale"])] for found in study["causes"].values()), ""),
        "causes": [_cause(name, found) for name, found in study["causes"].items()],
    }


def _appraiser(name: str, found: Mapping[str, Any]) -> dict[str, Any]:
    shares = [_share(found[key], found["intervals"][key]) for key in _SHARES]
    alike = found["repeatability"]
    return {
        "name": name,
        "decisions": f"{found['decisions']:,}",
        "cells": [
            *shares,
            _share(alike["value"], None if alike["value"] is None else (alike["low"], alike["high"])),
        ],
        "kappas": [figure(found["kappa_truth"]), figure(found["kappa"])],
        "rating": found["rating"],
        "tone": _TONES[found["rating"]],
    }


def _share(value: float | None, interval: Any) -> dict[str, str]:
    between = "" if value is None or interval is None else " to ".join(percent(end) for end in interval)
    return {"value": percent(value), "between": between}


def _cause(name: str, found: Mapping[str, Any]) -> dict[str, Any]:
    cells = [f"{found['changed']['k']:,} of {found['changed']['n']:,}"]
    cells += [percent(found[key]["value"]) for key in ("escape_rate", "overkill_rate")]
    return {"name": name, "cells": [*cells, number(found["moves"])]}
