"""Verdicts as rows of the table of entries, and back."""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Mapping
from typing import Any

import numpy as np

from brightfield.engine.measurement import Measurement
from brightfield.errors import InputError
from brightfield.monitor.log.records import Entry, now
from brightfield.verdict import Verdict

MOST_CHARACTERS = 500
"""The longest id of a part, a lot or a station."""

_MEASURED = {
    **{name: name for name in ("brightness", "contrast", "sharpness", "height", "width")},
    "row": "centre_row",
    "column": "centre_column",
}
"""The column of each number of a measurement."""

_EMBEDDING = np.dtype("<f4")
_DIGITS = 32


def row_of(
    verdict: Verdict, *, part: str | None, lot: str | None, station: str | None, digest: str | None
) -> dict[str, Any]:
    """Return the columns of a verdict but `id`, with the time of now.

    Args:
        verdict: The verdict.
        part: The part's id.
        lot: The lot.
        station: The station.
        digest: The SHA-256 of the picture's file.

    Raises:
        InputError: If the id of the part, the lot or the station is empty, too long, or no text.
    """
    ids = {"part": part, "lot": lot, "station": station}
    for name, value in ids.items():
        _check_id(name, value)
    time = now()
    return {
        "key": key_of(part, lot, station),
        "time": time,
        "day": time[:10],
        **ids,
        "decision": None if verdict.decision is None else str(verdict.decision),
        "label": storable(verdict.label),
        "score": float(verdict.score),
        "probability": verdict.probability,
        "p_value": verdict.p_value,
        "threshold": verdict.threshold,
        "scale": None if verdict.scale is None else str(verdict.scale),
        "rule": None if verdict.rule is None else storable(verdict.rule),
        "milliseconds": float(verdict.milliseconds),
        "method": verdict.method,
        "image": storable(verdict.image),
        "picture_sha256": digest,
        "inspector_sha256": verdict.inspector,
        "picture": None,
        "picture_bytes": None,
        "probabilities": {storable(name): p for name, p in verdict.probabilities.items()} or None,
        "defects": [defect.as_dict() for defect in verdict.defects] if verdict.measured else None,
        **_measured(verdict.measurement),
    }


def entry_of(row: Mapping[Any, Any]) -> Entry:
    """Return the entry that a row of the table holds."""
    defects = row["defects"]
    same = ("id", "time", "part", "lot", "station", "image", "picture_sha256", "inspector_sha256", "method")
    verdict = ("decision", "label", "score", "probability", "p_value", "threshold", "scale", "rule")
    return Entry(
        **{name: row[name] for name in (*same, *verdict, "milliseconds", "picture")},
        probabilities=row["probabilities"] or {},
        measurement=_measurement(row),
        defects=None if defects is None else tuple(defects),
    )


def key_of(part: str | None, lot: str | None, station: str | None) -> str:
    """Return what an entry has alone in its log: of a part the same each time, else a new one.

    A number that begins again in every lot, and a part that passes several stations, are other parts.
    """
    if part is None:
        return secrets.token_hex(_DIGITS // 2)
    return hashlib.sha256(json.dumps([part, lot, station]).encode()).hexdigest()[:_DIGITS]


def storable(text: str) -> str:
    """Return text that every database can keep: bytes of a file name that are no text are escaped."""
    return text.encode("utf-8", "backslashreplace").decode().replace("\0", "\\x00")


def _check_id(name: str, value: str | None) -> None:
    if value is None:
        return
    if not isinstance(value, str):
        raise InputError(f"{name} is {value!r}; expected text, or None where it is not known")
    if not value.strip():
        raise InputError(
            f"{name} is empty, perhaps a code that was not read; give None where it is not known"
        )
    if len(value) > MOST_CHARACTERS:
        raise InputError(
            f"{name} has {len(value)} characters ({value[:40]!r} and so on); "
            f"expected at most {MOST_CHARACTERS}"
        )
    if storable(value) != value:
        raise InputError(f"{name} is {value!r}; expected plain text without a zero byte or half a character")


def _measured(found: Measurement | None) -> dict[str, Any]:
    if found is None:
        return dict.fromkeys((*_MEASURED.values(), "embedding"))
    embedding = found.embedding
    stored = None if embedding is None else np.ascontiguousarray(embedding, dtype=_EMBEDDING).tobytes()
    return {**{column: getattr(found, name) for name, column in _MEASURED.items()}, "embedding": stored}


def _measurement(row: Mapping[Any, Any]) -> Measurement | None:
    if row["brightness"] is None:
        return None
    stored = row["embedding"]
    embedding = None if stored is None else np.frombuffer(stored, dtype=_EMBEDDING).astype(np.float32)
    return Measurement(embedding=embedding, **{name: row[column] for name, column in _MEASURED.items()})
