"""The manifest's record of a training: options, history, fingerprints, versions."""

from __future__ import annotations

import hashlib
import importlib.metadata
import os
import platform
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from brightfield.methods.base import Fitted
from brightfield.options import TrainOptions
from brightfield.pipeline.preflight import Ready
from brightfield.version import __version__


def facts_of(
    ready: Ready,
    fitted: Fitted,
    options: TrainOptions,
    seconds: float,
    reason: str | None = None,
    output: Path | None = None,
) -> dict[str, Any]:
    """Return the manifest's keys that describe the training, such as `training` and `fingerprints`.

    Args:
        ready: The data with their splits.
        fitted: The fit result.
        options: The options of the training.
        seconds: Duration of the training in seconds.
        reason: Why `auto` chose the method, in words; None where it did not choose.
        output: Where the bundle will be; None if that is not known.
    """
    data = ready.data
    return {
        "training": {
            "options": options.as_dict(),
            **fitted.facts,
            "notes": [*([] if reason is None else [reason]), *fitted.facts.get("notes", ())],
            "folds": 0 if ready.folds is None else int(ready.folds.max()) + 1,
            "history": fitted.history,
            "seconds": round(seconds, 1),
        },
        "fingerprints": {
            "data": data.fingerprint(),
            "data_name": data.name,
            "data_licence": data.licence,
            "data_places": [place] if (place := place_from(output, data.place)) is not None else [],
            "splits": {name: data.split(name).counts() for name in ("train", "calibration", "test")},
            "code": code_fingerprint(),
            "weights": fitted.weights_sha256,
            "roi": None if fitted.preprocessing.region is None else fitted.preprocessing.region.sha256,
        },
        "metrics": None,
        "weights_licence": fitted.weights_licence,
        "created_with": {
            "date": now(),
            "brightfield": __version__,
            "python": platform.python_version(),
            **{name: version for name in ("torch", "onnxruntime") if (version := _version(name))},
        },
    }


def now() -> str:
    """Return the time in UTC, in ISO 8601 to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def place_from(bundle: Path | None, place: str | Path | None) -> str | None:
    """Return where a data set is, as seen from a bundle, so that both may be moved together.

    A path is relative to the folder that holds the bundle, and begins with a dot; a name of the catalog stays
    as it is. None where either is not known.
    """
    if bundle is None or place is None:
        return None
    if isinstance(place, str):
        return place
    path = Path(os.path.relpath(place.resolve(), bundle.resolve().parent)).as_posix()
    return path if path.startswith("..") else f"./{path}"


def place_at(bundle: Path, place: str) -> str | Path:
    """Return the place of a data set that `place_from` gave, for `load`."""
    return bundle.resolve().parent / place if place.startswith(".") else place


def code_fingerprint() -> str:
    """Return the SHA-256 of this package's source."""
    digest = hashlib.sha256()
    root = Path(__file__).parents[1]
    for file in sorted(root.rglob("*.py")):
        digest.update(file.relative_to(root).as_posix().encode() + file.read_bytes())
    return digest.hexdigest()


def _version(distribution: str) -> str | None:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return None
