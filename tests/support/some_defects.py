"""Defects with chosen numbers, for tests of the figures and of the report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from brightfield.evaluation.defect_figures import ImageDefects, TrueDefect, defect_figures
from brightfield.verdict import Defect


def defect(kind: str = "pit", length: float = 10.0, width: float = 4.0, area: int = 30) -> Defect:
    return Defect(kind, area, length, width, (5.0, 6.0), (0, 0, 10, 4), heat=1.5)


def true(
    truth: Defect,
    found: Defect | None = None,
    *,
    part: str = "a",
    image: str = "a.png",
    seen: bool = False,
    iou: float = 0.6,
) -> TrueDefect:
    return TrueDefect(image, part, truth, seen or found is not None, 0.0 if found is None else iou, found)


def image(
    part: str,
    defects: Sequence[TrueDefect] = (),
    false: Mapping[str, int] | None = None,
    *,
    stray: int = 0,
    good: bool = False,
    specks: int = 0,
) -> ImageDefects:
    largest = defect("pit", 3.0 + stray) if stray else None
    return ImageDefects(f"{part}.png", part, good, tuple(defects), false or {}, stray, largest, specks)


def pixel_of(images: Sequence[ImageDefects], types: Sequence[str] = ()) -> dict[str, object]:
    """Return what metrics.json has under `pixel` of these images, with pixel figures chosen by hand."""
    half = {"iou": 0.5, "dice": 2 / 3, "precision": 0.75, "recall": 0.6, "pixels": 40}
    none = dict.fromkeys(("iou", "dice", "precision")) | {"recall": 0.6, "pixels": 40}
    named = sorted({d.truth.type for i in images for d in i.true})
    return {
        **dict.fromkeys(("auroc", "aupro", "aupro_5", "iou", "dice"), 0.5),
        "images": len(images),
        "regions": sum(len(i.true) for i in images),
        "threshold": None,
        "per_type": {},
        "mean_iou": 0.7498 if types else None,
        "background": {**half, "iou": 0.9996},
        "types": dict.fromkeys(named, half if types else none),
        "defects": {**defect_figures(images, types), "mm_per_pixel": None},
    }
