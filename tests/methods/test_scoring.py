"""Pictures are judged together, in order, in batches of a bounded size."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from brightfield.data.cache import build_cache
from brightfield.data.preprocessing import Preprocessing
from brightfield.engine.trunk import BATCH_PIXELS
from brightfield.methods.base import Judgement, Picture, Stored
from brightfield.methods.scoring import batches, score, scores_of
from brightfield.verdict import HeatmapKind


def picture(height: int, width: int) -> Picture:
    return np.broadcast_to(np.zeros(3, np.uint8), (height, width, 3))


def sizes(pictures: Sequence[Picture], most: int | None = None) -> list[int]:
    found = list(batches(iter(pictures), most))
    assert [id(p) for batch in found for p in batch] == [id(p) for p in pictures], "in another order"
    return [len(batch) for batch in found]


def test_a_batch_is_full_once_it_holds_enough_pixels() -> None:
    side = 256  # of which 32 are enough
    assert 32 * side**2 == BATCH_PIXELS
    assert sizes([picture(side, side)] * 70) == [32, 32, 6]
    assert sizes([picture(side, 2 * side)] * 16) == [16]
    assert sizes([picture(4 * side, 8 * side)] * 3) == [1, 1, 1]
    assert sizes([picture(8 * side, 8 * side)] * 2) == [1, 1], "one that is too large goes alone"
    mixed = [picture(side, side)] * 31 + [picture(4 * side, 8 * side)] + [picture(side, side)] * 2
    assert sizes(mixed) == [32, 2]


def test_a_batch_may_be_bounded_by_number_too() -> None:
    small = [picture(8, 8)] * 35
    assert sizes(small) == [35]
    assert sizes(small, 16) == [16, 16, 3]
    assert sizes(small, 35) == [35]
    assert sizes([picture(256, 256)] * 40, 100) == [32, 8]
    assert sizes([]) == []


def test_pictures_are_taken_only_as_they_are_wanted() -> None:
    taken: list[int] = []

    def endless() -> object:
        while True:
            taken.append(0)
            yield picture(8, 8)

    found = batches(endless(), 4)  # type: ignore[arg-type]
    next(found)
    assert len(taken) == 4


class Brightness:
    """Scores a picture by its brightness, and notes how many are judged together."""

    name = "brightness"
    heatmap_kind = HeatmapKind.EVIDENCE
    score_step = 0.0

    def __init__(self) -> None:
        self.together: list[int] = []

    def judge(self, pictures: Sequence[Picture], *, explain: bool) -> list[Judgement]:
        assert not explain, "nobody looks at the heat"
        self.together.append(len(pictures))
        return [Judgement(float(p.mean()), None, None) for p in pictures]

    def stored(self) -> Stored:
        return Stored({}, {}, {})


def test_every_cached_picture_is_scored_in_its_place(tmp_path: Path) -> None:
    paths = [tmp_path / f"{i}.png" for i in range(9)]
    for i, path in enumerate(paths):
        Image.fromarray(np.full((512, 1024), 20 * i, np.uint8)).save(path)  # four are enough
    rule = Preprocessing(8, None, False, 64, 0, (0.5,) * 3, (0.25,) * 3)
    cache = build_cache(paths, rule=rule, folder=tmp_path / "cache")
    method, told = Brightness(), []
    found = score(method, cache, lambda stage, done, total: told.append((stage, done, total)))
    assert found.defect.tolist() == [20.0 * i for i in range(9)]
    assert found.logits is None
    assert method.together == [4, 4, 1]
    assert told == [("score", 4, 9), ("score", 8, 9), ("score", 9, 9)]


def test_logits_are_kept_only_where_every_picture_has_them() -> None:
    rows = [np.array([1.0, -1.0]), np.array([0.5, 2.0])]
    both = scores_of(Judgement(float(i), row, None) for i, row in enumerate(rows))
    assert both.logits is not None
    assert np.array_equal(both.logits, rows)
    assert both.defect.tolist() == [0.0, 1.0]
    assert scores_of([Judgement(0.0, rows[0], None), Judgement(1.0, None, None)]).logits is None


@pytest.mark.parametrize("n", [0, 1])
def test_few_or_none(n: int) -> None:
    found = scores_of([Judgement(0.5, None, None)] * n)
    assert len(found) == n
    assert found.logits is None
