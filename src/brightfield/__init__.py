"""Brightfield trains a calibrated visual inspector from a folder of images of parts."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from brightfield.version import __version__

if TYPE_CHECKING:
    from brightfield.api import compare, evaluate, masks, retrain, shadow, train
    from brightfield.data.dataset import Dataset, Sample
    from brightfield.errors import BrightfieldError, InputError
    from brightfield.evaluation.acceptance import Limits
    from brightfield.evaluation.disturb import Disturbance
    from brightfield.evaluation.ranking import Comparison
    from brightfield.evaluation.study import Study
    from brightfield.inspector import Inspector, Look, load
    from brightfield.monitor.log.keep import Keep
    from brightfield.monitor.log.records import Filter
    from brightfield.monitor.log.store import VerdictLog
    from brightfield.options import TrainOptions
    from brightfield.verdict import Decision, HeatmapKind, Verdict


_HOMES = {
    "train": "api",
    "retrain": "api",
    "shadow": "api",
    "evaluate": "api",
    "compare": "api",
    "masks": "api",
    "load": "inspector",
    "Limits": "evaluation.acceptance",
    "Inspector": "inspector",
    "Look": "inspector",
    "TrainOptions": "options",
    "Comparison": "evaluation.ranking",
    "Study": "evaluation.study",
    "Disturbance": "evaluation.disturb",
    "Dataset": "data.dataset",
    "Sample": "data.dataset",
    "BrightfieldError": "errors",
    "InputError": "errors",
    "Decision": "verdict",
    "HeatmapKind": "verdict",
    "Verdict": "verdict",
    "VerdictLog": "monitor.log.store",
    "Keep": "monitor.log.keep",
    "Filter": "monitor.log.records",
}

__all__ = [
    "BrightfieldError",
    "Comparison",
    "Dataset",
    "Decision",
    "Disturbance",
    "Filter",
    "HeatmapKind",
    "InputError",
    "Inspector",
    "Keep",
    "Limits",
    "Look",
    "Sample",
    "Study",
    "TrainOptions",
    "Verdict",
    "VerdictLog",
    "__version__",
    "compare",
    "evaluate",
    "load",
    "masks",
    "retrain",
    "shadow",
    "train",
]


def __getattr__(name: str) -> Any:
    """Import a public name on first access, so that importing the package loads no dependency."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from brightfield.errors import said_if_missing

    with said_if_missing():
        return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
