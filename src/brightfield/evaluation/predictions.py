"""Predictions of an inspector for every image of an evaluation, with the truth."""

from __future__ import annotations

import csv
import io
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from brightfield.data.cells import defused, restored
from brightfield.data.dataset import order_classes
from brightfield.disk.atomic import write_atomically
from brightfield.errors import DataError, InputError
from brightfield.verdict import DECISIONS, Scale

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

COLUMNS = ("image", "truth", "split", "decision", "label", "score", "probability", "p_value", "threshold")
_NAMES = COLUMNS[:5]
"""The columns of text."""

_FIELDS = ("images", "truth", "splits", "decisions", "labels")
"""The fields that hold one text for each image."""

CLASS_PREFIX = "p:"

RULE = "rule"
"""The last column: the limit that rejected the part."""


@dataclass(frozen=True, eq=False)
class Predictions:
    """The true class and the inspector's verdict for each of N images.

    Attributes:
        images: Names of the images in the data set.
        truth: True class of each image, one of `classes`.
        splits: Split of each image.
        decisions: OK, REVIEW or DEFECT for each image; all None without a normal class.
        labels: Predicted label of each image; not one of `classes` where the method tells no defect types
            apart.
        scores: float64 (N,), any scale, higher is more defective.
        probabilities: float64 (N,) in [0, 1], of a defect; None where the method gives none.
        p_values: float64 (N,) in [0, 1]; None where the method gives none.
        thresholds: float64 (N,), on the scale of `values`; None without an operating point.
        class_probabilities: float64 (N, K), rows sum to 1; None where the method gives none.
        classes: The K classes, the normal class first where there is one.
        normal: The class of good parts; None for a plain classification problem.
        scale: The scale of the thresholds; None without an operating point.
        rules: For each image the limit that rejected it, or None; None without rules.

    Raises:
        InputError: If lengths, shapes, ranges or classes disagree.
    """

    images: tuple[str, ...]
    truth: tuple[str, ...]
    splits: tuple[str, ...]
    decisions: tuple[str | None, ...]
    labels: tuple[str, ...]
    scores: FloatArray
    probabilities: FloatArray | None
    p_values: FloatArray | None
    thresholds: FloatArray | None
    class_probabilities: FloatArray | None
    classes: tuple[str, ...]
    normal: str | None
    scale: Scale | None = None
    rules: tuple[str | None, ...] | None = None

    def __post_init__(self) -> None:
        if not self.images:
            raise InputError("there are no predictions; expected at least one image to evaluate")
        for name in (*_FIELDS[1:], *(() if self.rules is None else ("rules",))):
            if len(getattr(self, name)) != len(self.images):
                lengths = f"{len(getattr(self, name))} {name} for {len(self.images)} images"
                raise InputError(f"{lengths}; expected one per image")
        _check_classes(self)
        _check_decisions(self)
        _check_numbers("scores", self.scores, (len(self.images),))
        for name in ("probabilities", "p_values", "thresholds"):
            values = getattr(self, name)
            if values is not None:
                _check_numbers(name, values, (len(self.images),), unit_interval=name != "thresholds")
        if self.class_probabilities is not None:
            _check_class_probabilities(self.class_probabilities, (len(self.images), len(self.classes)))
        if self.scale is not None and self._on(self.scale) is None:
            raise InputError(f"the thresholds are on the scale {str(self.scale)!r}, but no values are")

    def __len__(self) -> int:
        return len(self.images)

    @property
    def is_defect(self) -> BoolArray:
        """bool (N,): whether the part is truly defective.

        Raises:
            InputError: If there is no normal class.
        """
        if self.normal is None:
            raise InputError(
                "there is no normal class, so no image is a defect; name that of good parts with --normal"
            )
        return np.array([name != self.normal for name in self.truth], dtype=np.bool_)

    @property
    def compared_on(self) -> Scale:
        """The scale of `values`: the operating point's, else probability if known, else score."""
        if self.scale is not None:
            return self.scale
        return Scale.SCORE if self.probabilities is None else Scale.PROBABILITY

    @property
    def values(self) -> FloatArray:
        """float64 (N,): the values on the scale of the threshold; for p-values, lower is more defective.

        Parts are ranked by `scores` instead, as probabilities of 0 or 1 tie.
        """
        values = self._on(self.compared_on)
        return self.scores if values is None else values

    def _on(self, scale: Scale) -> FloatArray | None:
        known = {
            Scale.PROBABILITY: self.probabilities,
            Scale.P_VALUE: self.p_values,
            Scale.SCORE: self.scores,
        }
        return known[scale]

    def decided(self, decision: str) -> BoolArray:
        """Return bool (N,): whether the decision on each image is this one (OK, REVIEW or DEFECT)."""
        return np.array([one == decision for one in self.decisions], dtype=np.bool_)

    def only(self, images: Collection[str]) -> Predictions:
        """Return the predictions for these images."""
        rows = [i for i, image in enumerate(self.images) if image in images]
        kept: dict[str, Any] = {}
        for name in (*_FIELDS, *(() if self.rules is None else ("rules",))):
            values = getattr(self, name)
            kept[name] = tuple(values[i] for i in rows)
        for name in ("scores", "probabilities", "p_values", "thresholds", "class_probabilities"):
            values = getattr(self, name)
            kept[name] = None if values is None else values[rows]
        return replace(self, **kept)

    def write_csv(self, path: Path) -> None:
        """Write predictions.csv: one row per image, with a column `p:<class>` per class if known.

        Numbers are read back as the same float64. Missing values are empty. Names that a spreadsheet would
        run as a formula are escaped: see `defused`.
        """
        known = self.class_probabilities is not None
        header = [*COLUMNS, *(CLASS_PREFIX + name for name in self.classes if known), RULE]
        text = io.StringIO(newline="")
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(header)
        for i in range(len(self)):
            names = (self.images[i], self.truth[i], self.splits[i], self.decisions[i] or "", self.labels[i])
            row = [defused(name) for name in names]
            optional = (self.scores, self.probabilities, self.p_values, self.thresholds)
            row += ["" if column is None else repr(float(column[i])) for column in optional]
            if self.class_probabilities is not None:
                row += [repr(float(p)) for p in self.class_probabilities[i]]
            row.append(defused((self.rules[i] if self.rules else None) or ""))
            writer.writerow(row)
        write_atomically(path, text.getvalue().encode("utf-8"))


def read_csv(
    path: Path, *, normal: str | None, classes: Sequence[str] | None = None, scale: Scale | None = None
) -> Predictions:
    """Read a file written by `Predictions.write_csv`, also by a version that knew no rules.

    Args:
        path: The file.
        normal: The class of good parts; None for a plain classification problem.
        classes: All classes in order; by default those of the `p:<class>` columns, else those in `truth`.
        scale: The scale of the thresholds, which the file does not hold.

    Raises:
        DataError: If the file cannot be read, a column is missing or a value is not a number.
        InputError: If the values contradict each other.
    """
    header, rows = _read_rows(path)
    column = {name: [row[i] for row in rows] for i, name in enumerate(header)}
    column |= {name: [restored(cell) for cell in column[name]] for name in _NAMES}
    further = [name for name in header[len(COLUMNS) :] if name != RULE]
    named = tuple(name.removeprefix(CLASS_PREFIX) for name in further)
    rules = tuple(restored(cell) or None for cell in column.get(RULE, ()))
    ordered = tuple(classes or named or order_classes(column["truth"], normal))
    by_class = [_numbers(path, column, CLASS_PREFIX + name) for name in ordered] if named else []
    if any(values is None for values in by_class):
        raise DataError(f"{path}: a class probability is empty; write the file again with `evaluate`")
    scores = _numbers(path, column, "score")
    if scores is None:
        raise DataError(f"{path}: column 'score' is empty; expected a number in every line")
    return Predictions(
        images=tuple(column["image"]),
        truth=tuple(column["truth"]),
        splits=tuple(column["split"]),
        decisions=tuple(value or None for value in column["decision"]),
        labels=tuple(column["label"]),
        scores=scores,
        probabilities=_numbers(path, column, "probability"),
        p_values=_numbers(path, column, "p_value"),
        thresholds=_numbers(path, column, "threshold"),
        class_probabilities=np.stack([v for v in by_class if v is not None], axis=1) if by_class else None,
        classes=ordered,
        normal=normal,
        scale=scale,
        rules=rules if any(rules) else None,
    )


def _read_rows(path: Path) -> tuple[list[str], list[list[str]]]:
    try:
        with path.open(encoding="utf-8", newline="") as file:
            lines = list(csv.reader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path} cannot be read: {error}; expected a predictions.csv") from error
    header, rows = (lines[0], lines[1:]) if lines else ([], [])
    if tuple(header[: len(COLUMNS)]) != COLUMNS:
        wanted = ",".join(COLUMNS)
        raise DataError(f"{path} begins with {','.join(header)!r}; expected the columns {wanted!r}")
    for number, row in enumerate(rows, start=2):
        if len(row) != len(header):
            raise DataError(f"{path}, row {number}, has {len(row)} values; expected {len(header)}")
    return header, rows


def _numbers(path: Path, column: dict[str, list[str]], name: str) -> FloatArray | None:
    """Return a column as float64, or None where every cell is empty."""
    cells = column.get(name)
    if cells is None:
        raise DataError(f"{path} has no column {name!r}; its columns are: {', '.join(column)}")
    if not any(cells):
        return None
    try:
        return np.array([float(cell) for cell in cells], dtype=np.float64)
    except ValueError as error:
        raise DataError(
            f"{path}, column {name!r}: {error}; expected a number in every line or in none"
        ) from error


def _check_classes(predictions: Predictions) -> None:
    classes = predictions.classes
    if len(set(classes)) != len(classes):
        raise InputError(f"classes are {', '.join(classes)}; expected each of them once")
    unknown = sorted(set(predictions.truth) - set(classes))
    if unknown:
        raise InputError(f"true class {unknown[0]!r} is not among the classes: {', '.join(classes)}")
    if predictions.normal is not None and classes[:1] != (predictions.normal,):
        raise InputError(
            f"classes are {', '.join(classes)}; expected the normal class {predictions.normal!r} first"
        )


def _check_decisions(predictions: Predictions) -> None:
    allowed = (None,) if predictions.normal is None else DECISIONS
    wrong = [decision for decision in predictions.decisions if decision not in allowed]
    if wrong:
        expected = "None, as there is no normal class" if predictions.normal is None else ", ".join(DECISIONS)
        raise InputError(f"a decision is {wrong[0]!r}; expected {expected}")


def _check_numbers(
    name: str, values: FloatArray, shape: tuple[int, ...], unit_interval: bool = False
) -> None:
    if values.dtype != np.float64 or values.shape != shape:
        raise InputError(
            f"{name} are {values.dtype} of shape {values.shape}; expected float64 of shape {shape}"
        )
    if not np.isfinite(values).all():
        raise InputError(f"{name} hold a value that is not finite; expected numbers")
    if unit_interval and (values.min() < 0.0 or values.max() > 1.0):
        raise InputError(f"{name} range from {values.min()} to {values.max()}; expected values in [0, 1]")


def _check_class_probabilities(values: FloatArray, shape: tuple[int, int]) -> None:
    _check_numbers("class_probabilities", values, shape, unit_interval=True)
    totals = values.sum(axis=1)
    if np.abs(totals - 1.0).max() > 1e-3:
        raise InputError(
            f"class_probabilities of a row sum to {totals[np.abs(totals - 1).argmax()]:.4f}; expected 1"
        )
