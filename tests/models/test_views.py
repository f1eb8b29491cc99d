"""Views are the flips and shifts they are called."""

from __future__ import annotations

import torch

from brightfield.models.views import FLIPS, MIRRORS, VIEWS

X = torch.arange(12.0).view(1, 1, 3, 4)


def test_flips() -> None:
    assert VIEWS["mirror"](X)[0, 0, 0].tolist() == [3, 2, 1, 0]
    assert VIEWS["upside down"](X)[0, 0, 0].tolist() == [8, 9, 10, 11]
    assert VIEWS["half turn"](X)[0, 0, 0].tolist() == [11, 10, 9, 8]


def test_moves_are_reflected_at_the_rim() -> None:
    assert VIEWS["down right"](X)[0, 0].tolist() == [[5, 4, 5, 6], [1, 0, 1, 2], [5, 4, 5, 6]]
    assert VIEWS["up left"](X)[0, 0].tolist() == [[5, 6, 7, 6], [9, 10, 11, 10], [5, 6, 7, 6]]


def test_views_differ_and_keep_the_size() -> None:
    x = torch.rand(2, 3, 8, 8)
    seen = [VIEWS[name](x) for name in dict.fromkeys((*FLIPS, *MIRRORS))]
    assert all(v.shape == x.shape for v in seen)
    assert all(not torch.equal(a, b) for i, a in enumerate(seen) for b in seen[:i])
