"""What a line is compared with: the pictures that calibrated the inspector, as it judges them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from brightfield.decide.scores import Scores
from brightfield.errors import DataError
from brightfield.inspector import Inspector
from brightfield.monitor.measurement import Measured, Measurement, measured_in
from brightfield.verdict import Decision, Verdict

FEWEST = 30
"""The least number of pictures that a line can be compared with."""


@dataclass(frozen=True)
class Seen:
    """What drift is told from: one part as it was measured and judged.

    Attributes:
        measurement: Its measurement.
        label: What it is said to show.
        rejected: Whether it was rejected.
        score: Its score.
    """

    measurement: Measurement
    label: str
    rejected: bool
    score: float


@dataclass(frozen=True)
class Reference:
    """The pictures of a line that is well.

    Attributes:
        parts: What each is told from, N of them.
        images: Their names.
        classes: What each really shows, as far as it is known: a number, 0 for good parts, (N,).
        positions: The place of each in the order of names, (N,).
        blocks: A number for each part or else each picture, (N,), equal for pictures of one part.
        normal: The label of good parts; None without a normal class.
        thumbnails: Small copies of some of the pictures, by row.
        digest: What tells it from other references of the same inspector; empty for that of its bundle.
    """

    parts: tuple[Seen, ...] = field(repr=False)
    images: tuple[str, ...] = field(repr=False)
    classes: npt.NDArray[np.int64] = field(repr=False)
    positions: npt.NDArray[np.int64] = field(repr=False)
    blocks: npt.NDArray[np.int64] = field(repr=False)
    normal: str | None
    thumbnails: dict[int, npt.NDArray[np.uint8]] = field(default_factory=dict, repr=False)
    digest: str = ""

    def __len__(self) -> int:
        return len(self.parts)


def reference_of(inspector: Inspector) -> Reference:
    """Return the reference that an inspector carries.

    Raises:
        DataError: If it carries none, or one of too few pictures.
    """
    measured = measured_in(inspector.reference)
    if measured is None:
        raise DataError(
            "the bundle holds no measurements of the pictures that calibrated it, as an earlier Brightfield "
            "made it; give pictures of the line while it is well, by --reference FOLDER, or train it again"
        )
    _check_number(len(measured), "the bundle was calibrated on")
    labels = np.asarray(inspector.reference["labels"])[measured.rows]
    return Reference(
        parts=tuple(_as_judged(inspector, measured)),
        images=measured.images,
        classes=_merged(np.where(labels == inspector.normal_index, 0, labels + 1)),
        positions=measured.positions,
        blocks=_blocks(measured.groups),
        normal=inspector.normal,
        thumbnails=dict(measured.thumbnails),
    )


def reference_from(verdicts: Sequence[Verdict], normal: str | None, digest: str = "") -> Reference:
    """Return a reference of pictures that were measured as they were judged, in their order.

    Args:
        verdicts: The verdicts.
        normal: The label of good parts; None without a normal class.
        digest: What tells it from other references; if empty, that of the pictures' names.

    Raises:
        DataError: If they are too few.
    """
    _check_number(len(verdicts), "--reference holds")
    rows = np.arange(len(verdicts), dtype=np.int64)
    images = tuple(verdict.image for verdict in verdicts)
    return Reference(
        parts=tuple(part for verdict in verdicts if (part := seen_in(verdict)) is not None),
        images=images,
        classes=np.zeros(len(verdicts), dtype=np.int64),
        positions=rows,
        blocks=rows,
        normal=normal,
        digest=digest or digest_of(images),
    )


def digest_of(texts: Iterable[str]) -> str:
    """Return the SHA-256 of some texts in their order."""
    return hashlib.sha256("\n".join(texts).encode("utf-8", "surrogateescape")).hexdigest()


def seen_in(verdict: Verdict) -> Seen | None:
    """Return what drift is told from in a verdict; None if it holds no measurement."""
    if verdict.measurement is None or verdict.measurement.embedding is None:
        return None
    return Seen(verdict.measurement, verdict.label, verdict.decision == Decision.DEFECT, verdict.score)


def _as_judged(inspector: Inspector, measured: Measured) -> list[Seen]:
    """Return the reference's pictures with what the inspector says of them, from their kept scores."""
    every = inspector.reference_scores
    logits = None if every.logits is None else every.logits[measured.rows]
    scores = Scores(every.defect[measured.rows], logits)
    calibrated, point = inspector.calibrated(scores), inspector.operating_point
    values = None if point is None else calibrated.on(point.scale, scores.defect)
    out = []
    for i, measurement in enumerate(measured.measurements):
        decision = None if point is None or values is None else str(point.decide(float(values[i])))
        shares = None if calibrated.by_class is None else calibrated.by_class[i]
        label = inspector.label_of(shares, decision)
        out.append(Seen(measurement, label, decision == Decision.DEFECT, float(scores.defect[i])))
    return out


def _blocks(groups: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return a block for each picture: that of its part where it is known, else one of its own."""
    return np.where(groups >= 0, groups, groups.max(initial=0) + 1 + np.arange(len(groups)))


def _merged(classes: npt.NDArray[np.int64], fewest: int = 12) -> npt.NDArray[np.int64]:
    """Return classes in which the rare defect types are one, with the highest number."""
    counts = np.bincount(classes)
    rare = (classes > 0) & (counts[classes] < fewest)
    return np.where(rare, len(counts), classes)


def _check_number(found: int, where: str) -> None:
    if found < FEWEST:
        raise DataError(
            f"{where} {found} pictures; expected {FEWEST} at least to tell drift from chance: give more "
            "pictures of the line while it is well, by --reference FOLDER"
        )
