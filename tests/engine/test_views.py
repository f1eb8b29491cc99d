"""Views are the flips, turns, moves and corners they are called."""

from __future__ import annotations

import numpy as np
import torch
from torch.nn.functional import interpolate

from brightfield.engine.view_names import CROPS, FLIPS, MIRRORS, TEST_TIME, TURNS
from brightfield.engine.views import VIEWS

X = np.arange(12, dtype=np.float32).reshape(1, 1, 3, 4)


def test_flips() -> None:
    assert VIEWS["mirror"](X)[0, 0, 0].tolist() == [3, 2, 1, 0]
    assert VIEWS["upside down"](X)[0, 0, 0].tolist() == [8, 9, 10, 11]
    assert VIEWS["half turn"](X)[0, 0, 0].tolist() == [11, 10, 9, 8]


def test_turns() -> None:
    square = np.arange(9, dtype=np.float32).reshape(1, 1, 3, 3)
    assert VIEWS["left turn"](square)[0, 0].tolist() == [[2, 5, 8], [1, 4, 7], [0, 3, 6]]
    assert np.array_equal(VIEWS["right turn"](VIEWS["left turn"](square)), square)


def test_corners_are_magnified() -> None:
    x = np.random.default_rng(0).normal(size=(2, 3, 16, 24)).astype(np.float32)
    for name, piece in (("upper left corner", x[:, :, :14, :21]), ("lower right corner", x[:, :, 2:, 3:])):
        expected = interpolate(torch.from_numpy(piece.copy()), (16, 24), mode="bilinear", align_corners=False)
        assert np.allclose(VIEWS[name](x), expected.numpy(), atol=1e-5)


def test_moves_are_reflected_at_the_rim() -> None:
    assert VIEWS["down right"](X)[0, 0].tolist() == [[5, 4, 5, 6], [1, 0, 1, 2], [5, 4, 5, 6]]
    assert VIEWS["up left"](X)[0, 0].tolist() == [[5, 6, 7, 6], [9, 10, 11, 10], [5, 6, 7, 6]]


def test_views_differ_and_keep_the_size() -> None:
    x = np.random.default_rng(1).random((2, 3, 8, 8)).astype(np.float32)
    seen = [VIEWS[name](x) for name in dict.fromkeys((*FLIPS, *MIRRORS, *TURNS, *CROPS))]
    assert all(v.shape == x.shape for v in seen)
    assert all(not np.array_equal(a, b) for i, a in enumerate(seen) for b in seen[:i])


def test_what_can_be_asked_for_has_views() -> None:
    assert all(set(names) <= set(VIEWS) and names[0] == "plain" for names in TEST_TIME.values())
