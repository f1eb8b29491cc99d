"""Found defects beside true ones on masks whose pixels can be counted."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import numpy.typing as npt
import pytest
from scipy import ndimage

from brightfield.errors import InputError
from brightfield.evaluation.matching import match

Regions = npt.NDArray[np.int32]


def regions(*boxes: tuple[int, int, int, int]) -> Regions:
    """Return 20x20 pixels with boxes of (top, left, height, width), numbered from 1 on."""
    out = np.zeros((20, 20), dtype=np.int32)
    for number, (top, left, height, width) in enumerate(boxes, start=1):
        out[top : top + height, left : left + width] = number
    return out


def test_the_iou_of_a_pair_by_hand() -> None:
    # 4x4 on 4x4, moved by one row and one column: 9 of 16 + 16 - 9 pixels
    found = match(regions((2, 2, 4, 4)), regions((3, 3, 4, 4)))
    assert found.pairs == {(1, 1): pytest.approx(9 / 23)}
    assert (found.seen, found.lit) == ({1}, {1})


def test_a_pair_must_exceed_the_iou() -> None:
    # 3 of 10 pixels, and nothing else: exactly 0.3
    true, found = regions((0, 0, 1, 10)), regions((0, 0, 1, 3))
    assert match(true, found).pairs == {}
    assert match(true, found, above=0.29).pairs == {(1, 1): 0.3}
    assert match(true, found).seen == {1}, "it was seen nevertheless"


def test_one_found_defect_matches_one_true_defect() -> None:
    # one found region over two true ones of 8 and 12 pixels: an IoU of 8/20 and of 12/20
    true, found = regions((0, 0, 1, 8), (0, 8, 1, 12)), regions((0, 0, 1, 20))
    assert match(true, found).pairs == {(2, 1): 0.6}
    assert match(true, found).seen == {1, 2}
    assert match(found, true).pairs == {(1, 2): 0.6}, "and the other way round"


def test_as_many_pairs_as_possible_before_the_best_pair() -> None:
    # The best single pair is true 1 and found 1: greedy matching would leave the other two without a partner.
    true = regions((0, 0, 1, 10), (0, 10, 1, 6))
    found = np.zeros((20, 20), dtype=np.int32)
    found[0, 2:16] = 1  # 8 of true 1 and all 6 of true 2: IoU 8/16 and 6/14
    found[0, 0:2], found[1, 0:2] = 2, 2  # 2 of true 1: IoU 2/12
    assert match(true, found, above=0.1).pairs == {
        (1, 2): pytest.approx(2 / 12),
        (2, 1): pytest.approx(6 / 14),
    }


def test_apart_nothing_matches() -> None:
    found = match(regions((0, 0, 4, 4)), regions((10, 10, 4, 4)))
    assert (found.pairs, found.seen, found.lit) == ({}, frozenset(), frozenset())
    empty = match(regions(), regions())
    assert (empty.pairs, empty.seen, empty.lit) == ({}, frozenset(), frozenset())
    with pytest.raises(InputError, match="expected one shape"):
        match(regions(), regions()[:4])


def by_trying_all(true: Regions, found: Regions, above: float) -> tuple[int, float]:
    """Return the most pairs, and of those the greatest sum of their IoU, over every assignment."""
    iou = np.array(
        [
            [
                ((true == t) & (found == f)).sum() / ((true == t) | (found == f)).sum()
                for f in range(1, found.max() + 1)
            ]
            for t in range(1, true.max() + 1)
        ]
    )
    if iou.shape[0] > iou.shape[1]:
        iou = iou.T
    best = (0, 0.0)
    for chosen in permutations(range(iou.shape[1]), iou.shape[0]):
        values = [v for v in iou[np.arange(iou.shape[0]), list(chosen)] if v > above]
        best = max(best, (len(values), float(sum(values))))
    return best


@pytest.mark.parametrize("seed", range(8))
def test_no_other_assignment_is_better(seed: int) -> None:
    rng = np.random.default_rng(seed)
    noise = ndimage.uniform_filter(rng.random((20, 20)), 3)
    moved = ndimage.uniform_filter(rng.random((20, 20)), 3)
    true = ndimage.label(noise > 0.56)[0].astype(np.int32)
    found = ndimage.label(0.7 * noise + 0.3 * moved > 0.55)[0].astype(np.int32)
    true[true > 7], found[found > 7] = 0, 0
    pairs = match(true, found, above=0.1).pairs
    assert pairs, "else nothing is tried"
    assert (len(pairs), sum(pairs.values())) == pytest.approx(by_trying_all(true, found, 0.1))
