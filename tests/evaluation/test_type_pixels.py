"""Types of pixels, on 20x20 masks whose pixels can be counted, and beside scikit-learn."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from sklearn.metrics import confusion_matrix, f1_score, jaccard_score, precision_score, recall_score

from brightfield.errors import InputError
from brightfield.evaluation.type_pixels import TypeMeter

TypeMap = npt.NDArray[np.uint8]


def drawn(*boxes: tuple[int, int, int, int, int]) -> TypeMap:
    """Return 20x20 pixels with boxes of (type, top, left, height, width)."""
    out = np.zeros((20, 20), dtype=np.uint8)
    for kind, top, left, height, width in boxes:
        out[top : top + height, left : left + width] = kind
    return out


def test_figures_by_hand() -> None:
    meter = TypeMeter(("pit", "scratch"), ("pit", "scratch"))
    # a pit of 16 pixels, of which 12 are found as a pit and 4 as a scratch; a scratch of 10, of which 8 are
    # found, and 5 pixels of a scratch that is none
    true = drawn((1, 2, 2, 4, 4), (2, 10, 0, 1, 10))
    found = drawn((1, 2, 2, 4, 3), (2, 2, 5, 4, 1), (2, 10, 0, 1, 8), (2, 15, 0, 1, 5))
    meter.update(true, found, meter.types)
    result = meter.result()
    pit, scratch, background = (*(result["types"][n] for n in ("pit", "scratch")), result["background"])
    assert pit == {"iou": 12 / 16, "dice": 24 / 28, "precision": 1.0, "recall": 0.75, "pixels": 16}
    assert scratch == {
        "iou": 8 / (10 + 17 - 8),
        "dice": 16 / 27,
        "precision": 8 / 17,
        "recall": 0.8,
        "pixels": 10,
    }
    good = 400 - 26
    assert background["iou"] == pytest.approx((good - 5) / (good + 2))
    assert result["mean_iou"] == pytest.approx((0.75 + 8 / 19 + (good - 5) / (good + 2)) / 3)
    assert result["confusion"] == {
        "true": ["background", "pit", "scratch"],
        "found": ["background", "pit", "scratch"],
        "pixels": [[good - 5, 0, 5], [0, 12, 4], [2, 0, 8]],
    }


def test_agrees_with_scikit_learn_over_the_pixels_of_all_images() -> None:
    rng = np.random.default_rng(0)
    names = ("a", "b", "c")
    true = rng.choice(4, (5, 12, 9), p=(0.7, 0.1, 0.1, 0.1)).astype(np.uint8)
    found = np.where(rng.random(true.shape) < 0.6, true, rng.integers(0, 4, true.shape)).astype(np.uint8)
    meter = TypeMeter(names, names)
    for each in zip(true, found, strict=True):
        meter.update(*each, names)
    result, pair = meter.result(), (true.ravel(), found.ravel())
    assert result["confusion"]["pixels"] == confusion_matrix(*pair).tolist()
    assert result["mean_iou"] == pytest.approx(jaccard_score(*pair, average="macro"))
    figures = [result["background"], *result["types"].values()]
    for name, score in (
        ("iou", jaccard_score),
        ("dice", f1_score),
        ("precision", precision_score),
        ("recall", recall_score),
    ):
        assert [f[name] for f in figures] == pytest.approx(score(*pair, average=None).tolist())


def test_types_go_by_their_names_whatever_their_order() -> None:
    meter = TypeMeter(("crack", "pit"), ("pit", "stain"))
    meter.update(
        drawn((1, 0, 0, 1, 4), (2, 2, 0, 1, 6)), drawn((2, 0, 0, 1, 4), (1, 2, 0, 1, 3)), ("pit", "stain")
    )
    result = meter.result()
    assert list(result["types"]) == ["crack", "pit", "stain"]
    assert result["types"]["pit"]["iou"] == 0.5
    assert result["types"]["crack"]["iou"] == result["types"]["stain"]["iou"] == 0.0
    assert result["types"]["stain"]["pixels"] == 0
    assert result["types"]["stain"]["recall"] is None


def test_a_type_that_neither_occurs_nor_is_found_is_in_no_mean() -> None:
    meter = TypeMeter(("crack", "pit"), ("crack", "pit"))
    meter.update(drawn((2, 0, 0, 2, 5)), drawn((2, 0, 0, 2, 5)), meter.types)
    assert meter.result()["types"]["crack"]["iou"] is None
    assert meter.result()["mean_iou"] == 1.0


def test_what_tells_no_types_apart_has_a_mean_for_one_type_only() -> None:
    one = TypeMeter(("pit",), ())
    one.update(drawn((1, 0, 0, 2, 5)), drawn((1, 0, 0, 2, 4)))
    assert one.result()["types"]["pit"]["iou"] == 0.8
    assert one.result()["mean_iou"] == pytest.approx((0.8 + 390 / 392) / 2)
    two = TypeMeter(("pit", "scratch"), ())
    two.update(drawn((1, 0, 0, 2, 5), (2, 5, 0, 1, 4)), drawn((1, 0, 0, 2, 4), (1, 5, 0, 1, 1)))
    result = two.result()
    assert result["mean_iou"] is None
    assert result["types"]["pit"] == dict(iou=None, dice=None, precision=None, recall=0.8, pixels=10)
    assert result["types"]["scratch"]["recall"] == 0.25
    assert result["background"]["iou"] == 386 / 391
    assert result["confusion"] == {
        "true": ["background", "pit", "scratch"],
        "found": ["background", "pit", "scratch", "defect"],
        "pixels": [[386, 0, 0, 0], [2, 0, 0, 8], [3, 0, 0, 1]],
    }


def test_what_was_found_of_no_known_type_is_wrong_but_no_background() -> None:
    meter = TypeMeter(("pit",), ("pit",))
    # a picture's own list of types may hold one more, of what has no type
    meter.update(drawn((1, 0, 0, 2, 5)), drawn((1, 0, 0, 1, 5), (2, 1, 0, 1, 5)), ("pit", "defect"))
    result = meter.result()
    assert result["types"]["pit"] == dict(iou=0.5, dice=2 / 3, precision=1.0, recall=0.5, pixels=10)
    assert result["background"]["iou"] == 1.0
    assert result["confusion"]["found"] == ["background", "pit", "defect"]
    assert result["confusion"]["pixels"] == [[390, 0, 0], [0, 5, 5]]


def test_what_lies_outside_the_region_does_not_count() -> None:
    region = np.zeros((20, 20), dtype=bool)
    region[:, :2] = True
    meter = TypeMeter(("pit",), ("pit",))
    meter.update(drawn((1, 0, 0, 1, 4)), drawn((1, 0, 1, 1, 4)), ("pit",), region)
    assert meter.result()["confusion"]["pixels"] == [[38, 0], [1, 1]]
    with pytest.raises(InputError, match="expected the same shape"):
        meter.update(drawn(), drawn()[:3])
