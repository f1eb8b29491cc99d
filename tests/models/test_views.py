"""Views are the flips and shifts they are called."""

from __future__ import annotations

import torch
from brightfield.models.views import VIEWS

from brightfield.engine.view_names import CROPS, FLIPS, MIRRORS, TEST_TIME, TURNS

X = torch.arange(12.0).view(1, 1, 3, 4)


def test_flips() -> None:
    assert VIEWS["mirror"](X)[0, 0, 0].tolist() == [3, 2, 1, 0]
    assert VIEWS["upside down"](X)[0, 0, 0].tolist() == [8, 9, 10, 11]
    assert VIEWS["half turn"](X)[0, 0, 0].tolist() == [11, 10, 9, 8]


def test_turns_and_corners() -> None:
    square = torch.arange(9.0).view(1, 1, 3, 3)
    assert VIEWS["left turn"](square)[0, 0].tolist() == [[2, 5, 8], [1, 4, 7], [0, 3, 6]]
    assert torch.equal(VIEWS["right turn"](VIEWS["left turn"](square)), square)
    ramp = torch.arange(16.0).expand(1, 1, 16, 16)
    for name, first, last in (("upper left corner", 0.0, 13.0), ("lower right corner", 2.0, 15.0)):
        seen = VIEWS[name](ramp)[0, 0, 0]
        assert (seen[0].item(), seen[-1].item()) == (first, last)


def test_what_can_be_asked_for_has_views() -> None:
    assert all(set(names) <= set(VIEWS) and names[0] == "plain" for names in TEST_TIME.values())


def test_moves_are_reflected_at_the_rim() -> None:
    assert VIEWS["down right"](X)[0, 0].tolist() == [[5, 4, 5, 6], [1, 0, 1, 2], [5, 4, 5, 6]]
    assert VIEWS["up left"](X)[0, 0].tolist() == [[5, 6, 7, 6], [9, 10, 11, 10], [5, 6, 7, 6]]


def test_views_differ_and_keep_the_size() -> None:
    x = torch.rand(2, 3, 8, 8)
    seen = [VIEWS[name](x) for name in dict.fromkeys((*FLIPS, *MIRRORS, *TURNS, *CROPS))]
    assert all(v.shape == x.shape for v in seen)
    assert all(not torch.equal(a, b) for i, a in enumerate(seen) for b in seen[:i])
