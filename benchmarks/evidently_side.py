"""The side of evidently, run in an environment that has it: which windows of embeddings have drifted.

The metric is evidently's own for embeddings with its defaults: a classifier tells the reference from the
window, and its AUROC above 0.55 is drift.
"""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
from evidently import ColumnMapping
from evidently.metrics import EmbeddingsDriftMetric
from evidently.report import Report

warnings.filterwarnings("ignore")


def drifted(reference: np.ndarray, window: np.ndarray) -> bool:
    """Return whether evidently calls a window drifted."""
    names = [f"e{i}" for i in range(reference.shape[1])]
    mapping = ColumnMapping(embeddings={"picture": names})
    report = Report([EmbeddingsDriftMetric("picture")])
    tables = (pd.DataFrame(values, columns=names) for values in (reference, window))
    report.run(reference_data=next(tables), current_data=next(tables), column_mapping=mapping)
    return bool(report.as_dict()["metrics"][0]["result"]["drift_detected"])


def answer(given: str, taken: str) -> None:
    """Read a reference and windows from one file, and write which of them have drifted to another."""
    with np.load(given) as arrays:
        found = [drifted(arrays["reference"], window) for window in arrays["windows"]]
    np.save(taken, np.array(found))
