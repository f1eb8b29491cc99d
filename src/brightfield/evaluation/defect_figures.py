"""Figures of single defects: how many were found, missed and false, of which size, and how well measured."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from brightfield.evaluation.intervals import Rate, clopper_pearson, clustered, mean_count
from brightfield.evaluation.matching import MATCH_IOU
from brightfield.verdict import Defect

SIZES = ("small", "medium", "large")
FEWEST_BY_SIZE = 9
"""Fewer defects are not told apart by size: a third of them would have an interval that says nothing."""

MOST_MISSED = 10
MEASURES = ("length", "width", "area")


@dataclass(frozen=True)
class TrueDefect:
    """One true defect of an image, and what was found of it.

    Attributes:
        image: The image's name in the data set.
        part: The part in it; the defects of one part are not independent.
        truth: The defect as its mask shows it; its heat is the largest that the inspector gave it.
        seen: Whether any of its pixels was found.
        iou: The IoU with the found defect that matches it; 0 where none does.
        found: That found defect; None where none matches.
    """

    image: str
    part: str
    truth: Defect
    seen: bool
    iou: float
    found: Defect | None


@dataclass(frozen=True)
class ImageDefects:
    """The defects of one image, compared.

    Attributes:
        image: The image's name in the data set.
        part: The part in the image.
        good: Whether the part is good.
        true: The true defects.
        false: The number of found defects that match no true one, by their type.
        stray: How many of these lie on no pixel of a true one.
        largest_stray: The largest of these; None where there is none.
        specks: The number of true specks, which count as no defect.
    """

    image: str
    part: str
    good: bool
    true: tuple[TrueDefect, ...] = ()
    false: Mapping[str, int] = field(default_factory=dict)
    stray: int = 0
    largest_stray: Defect | None = None
    specks: int = 0


def defect_figures(
    images: Sequence[ImageDefects], types: Sequence[str], confidence: float = 0.95
) -> dict[str, Any]:
    """Return the figures of the defects of some images, as metrics.json writes them.

    `found` is the share of true defects that a found one matches, `seen` of those of which any pixel was
    found. Their intervals take the defects of one part as a cluster; see `clustered`. `false` is the mean
    number of found defects in an image that match no true one, `stray` of those that lie on no true pixel.

    Args:
        images: The images; those of one part have the same `part`.
        types: The defect types that the method tells apart; empty where it tells none.
        confidence: Confidence level of every interval, in (0, 1).
    """
    true = [defect for image in images for defect in image.true]
    return {
        "iou_above": MATCH_IOU,
        "images": len(images),
        "specks": sum(image.specks for image in images),
        **_rates(true, confidence),
        "false": _per_image(images, [sum(i.false.values()) for i in images], confidence),
        "stray": _per_image(images, [i.stray for i in images], confidence),
        "good_with_false": _good_with_false(images, confidence),
        "by_type": _by_type(images, true, types, confidence),
        "by_size": _by_size(true, confidence),
        "types": _confusion(images, true, types) if len(types) > 1 else None,
        "missed": missed(true),
        "measured": measured([d for d in true if d.found is not None]),
    }


def _rates(true: Sequence[TrueDefect], confidence: float) -> dict[str, Any]:
    """Return the shares of true defects that are found and seen."""
    shares = {"found": found_share(true, confidence), "seen": seen_share(true, confidence)}
    return {name: share.as_dict() for name, share in shares.items()}


def found_share(true: Sequence[TrueDefect], confidence: float = 0.95) -> Rate:
    """Return the share of true defects that a found one matches; those of one part are a cluster."""
    return _share([d.part for d in true], [d.found is not None for d in true], confidence)


def seen_share(true: Sequence[TrueDefect], confidence: float = 0.95) -> Rate:
    """Return the share of true defects of which any pixel was found; those of one part are a cluster."""
    return _share([d.part for d in true], [d.seen for d in true], confidence)


def _share(parts: Sequence[str], hits: Sequence[bool], confidence: float) -> Rate:
    """Return the share of hits among trials, of which those of one part are a cluster."""
    n = Counter(parts)
    k = Counter(part for part, hit in zip(parts, hits, strict=True) if hit)
    return clustered([k[part] for part in n], list(n.values()), confidence)


def _per_image(images: Sequence[ImageDefects], counts: Sequence[int], confidence: float) -> dict[str, Any]:
    """Return the mean of a count over images; those of one part are a cluster."""
    shown = Counter(image.part for image in images)
    counted: Counter[str] = Counter()
    for image, count in zip(images, counts, strict=True):
        counted[image.part] += count
    return mean_count([counted[part] for part in shown], list(shown.values()), confidence).as_dict()


def _good_with_false(images: Sequence[ImageDefects], confidence: float) -> dict[str, Any]:
    """Return the share of the images of good parts in which any defect was found."""
    good = [image for image in images if image.good]
    return _share([i.part for i in good], [bool(i.false) for i in good], confidence).as_dict()


def _false_by_type(images: Sequence[ImageDefects]) -> Counter[str]:
    counted: Counter[str] = Counter()
    for image in images:
        counted.update(image.false)
    return counted


def _by_type(
    images: Sequence[ImageDefects], true: Sequence[TrueDefect], types: Sequence[str], confidence: float
) -> dict[str, dict[str, Any]]:
    """Return the shares by true type, and how many of those found are found as that type."""
    false = _false_by_type(images)
    figures: dict[str, dict[str, Any]] = {}
    for name in dict.fromkeys((*sorted({d.truth.type for d in true}), *types)):
        these = [d for d in true if d.truth.type == name]
        found = [d.found for d in these if d.found is not None]
        right = sum(each.type == name for each in found)
        figures[name] = {
            **_rates(these, confidence),
            "named_right": clopper_pearson(right, len(found), confidence).as_dict() if types else None,
            "false": false[name] if types else None,
        }
    return figures


def _by_size(true: Sequence[TrueDefect], confidence: float) -> list[dict[str, Any]]:
    """Return the shares of the thirds of the true defects by length; empty where they are too few."""
    if len(true) < FEWEST_BY_SIZE:
        return []
    classes = []
    for name, these in zip(SIZES, in_thirds(true), strict=True):
        lengths = [d.truth.length for d in these]
        if these:
            classes.append(
                {"size": name, "from_px": min(lengths), "to_px": max(lengths), **_rates(these, confidence)}
            )
    return classes


def in_thirds(true: Sequence[TrueDefect]) -> list[list[TrueDefect]]:
    """Return the shortest, the middle and the longest third of defects; those of one length stay together."""
    lengths = np.array([d.truth.length for d in true], dtype=np.float64)
    ends = np.quantile(lengths, (1 / 3, 2 / 3), method="inverted_cdf")
    third = np.searchsorted(ends, lengths)  # a length at the end of a third belongs to it
    return [[d for d, place in zip(true, third, strict=True) if place == k] for k in range(len(SIZES))]


def _confusion(
    images: Sequence[ImageDefects], true: Sequence[TrueDefect], types: Sequence[str]
) -> dict[str, Any]:
    """Return how many defects of each true type were found as which type, missed, or are false."""
    rows = list(dict.fromkeys((*types, *(d.truth.type for d in true))))
    counted = Counter((d.truth.type, d.found.type) for d in true if d.found is not None)
    missing = Counter(d.truth.type for d in true if d.found is None)
    false = _false_by_type(images)
    columns = list(dict.fromkeys((*types, *(name for _, name in counted), *false)))
    return {
        "true": rows,
        "found": columns,
        "matched": [[counted[row, column] for column in columns] for row in rows],
        "missed": [missing[row] for row in rows],
        "false": [false[column] for column in columns],
    }


def missed(true: Sequence[TrueDefect]) -> dict[str, Any]:
    """Return how many true defects were missed, their lengths, and the longest of them."""
    lost = sorted((d for d in true if d.found is None), key=lambda d: -d.truth.length)
    lengths = np.array([d.truth.length for d in lost], dtype=np.float64)
    return {
        "n": len(lost),
        "length_px": {"median": _quantile(lengths, 0.5), "q90": _quantile(lengths, 0.9)},
        "longest": [{"image": d.image, "seen": d.seen, **d.truth.as_dict()} for d in lost[:MOST_MISSED]],
    }


def measured(matched: Sequence[TrueDefect]) -> dict[str, Mapping[str, float | int | None]]:
    """Return how far the found length, width and area are from the true ones, over matched defects.

    Of each: `n`, the median of found minus true (`bias`), and of its size the `median`, the 90% quantile
    (`q90`) and the median as a share of the true value (`relative`).
    """
    figures: dict[str, Mapping[str, float | int | None]] = {}
    for name in MEASURES:
        pairs = [(getattr(d.truth, name), getattr(d.found, name)) for d in matched]
        true, found = np.array(pairs, dtype=np.float64).reshape(-1, 2).T
        error = np.abs(found - true)
        figures[f"{name}_px"] = {
            "n": len(pairs),
            "bias": _quantile(found - true, 0.5),
            "median": _quantile(error, 0.5),
            "q90": _quantile(error, 0.9),
            "relative": _quantile(error / np.maximum(true, 1e-9), 0.5),
        }
    return figures


def _quantile(values: npt.NDArray[np.float64], share: float) -> float | None:
    return float(np.quantile(values, share)) if len(values) else None
