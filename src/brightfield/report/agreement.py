"""The report's section on an agreement study."""

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
    """Return the template's variables for an agreement study; None without one."""
    if study is None:
        return None
    repeated = study["trials"] or study["repeated_shots"]
    return {
        "title": "Are its decisions repeatable?" if repeated else "Does it decide as people do?",
        "how": agreement_sentences(study)[0],
        "appraisers": [_appraiser(name, figures) for name, figures in study["appraisers"].items()],
        "together": together_sentence(study) if len(study["appraisers"]) > 1 else None,
        "moved": next((SEVERAL[Scale(figures["scale"])] for figures in study["causes"].values()), ""),
        "causes": [_cause(name, figures) for name, figures in study["causes"].items()],
    }


def _appraiser(name: str, figures: Mapping[str, Any]) -> dict[str, Any]:
    shares = [_share(figures[key], figures["intervals"][key]) for key in _SHARES]
    repeatability = figures["repeatability"]
    return {
        "name": name,
        "decisions": f"{figures['decisions']:,}",
        "cells": [
            *shares,
            _share(
                repeatability["value"],
                None if repeatability["value"] is None else (repeatability["low"], repeatability["high"]),
            ),
        ],
        "kappas": [figure(figures["kappa_truth"]), figure(figures["kappa"])],
        "rating": figures["rating"],
        "tone": _TONES[figures["rating"]],
    }


def _share(value: float | None, interval: Any) -> dict[str, str]:
    between = "" if value is None or interval is None else " to ".join(percent(end) for end in interval)
    return {"value": percent(value), "between": between}


def _cause(name: str, figures: Mapping[str, Any]) -> dict[str, Any]:
    cells = [f"{figures['changed']['k']:,} of {figures['changed']['n']:,}"]
    cells += [percent(figures[key]["value"]) for key in ("escape_rate", "overkill_rate")]
    return {"name": name, "cells": [*cells, number(figures["moves"])]}
