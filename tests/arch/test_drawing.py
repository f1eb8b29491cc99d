"""The effective receptive field against fields with known answers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from brightfield.arch.describe import describe
from brightfield.arch.drawing import draw_fields, effective_field, effective_size
from brightfield.arch.graph import analyse


def test_of_one_linear_layer_it_is_the_weights() -> None:
    net = nn.Conv2d(1, 1, 5, padding=2, bias=False)
    with torch.no_grad():
        net.weight.copy_(torch.arange(25.0).view(1, 1, 5, 5))
    found = analyse(net, (1, 11, 11))
    field = effective_field(found, found.layers[0], images=2)
    expected = np.zeros((11, 11))
    expected[3:8, 3:8] = np.arange(25).reshape(5, 5) / 300
    assert np.allclose(field, expected)


def test_size_of_a_uniform_square() -> None:
    field = np.zeros((21, 21))
    field[6:15, 6:15] = 1 / 81
    assert effective_size(field, mass=0.999) == 9
    assert effective_size(field, mass=0.25) == 5


def test_the_field_grows_like_the_root_of_the_depth() -> None:
    # n uniform 3x3 layers convolve into a bell of variance 2n/3 along each axis
    net = nn.Sequential(*[nn.Conv2d(1, 1, 3, padding=1, bias=False) for _ in range(12)])
    for layer in net:
        nn.init.constant_(layer.weight, 1 / 9)
    found = analyse(net, (1, 41, 41))
    rows = np.arange(41)
    for depth in (3, 12):
        of_rows = effective_field(found, found.layers[depth - 1], images=1).sum(1)
        middle = (of_rows * rows).sum()
        assert (of_rows * (rows - middle) ** 2).sum() == pytest.approx(2 * depth / 3, rel=1e-4)


def test_picture(tmp_path: Path) -> None:
    draw_fields(describe("lenet5", (3, 32, 32)), tmp_path / "fields.png")
    with Image.open(tmp_path / "fields.png") as image:
        assert min(image.size) > 200
