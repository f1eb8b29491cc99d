"""Spans by recurrence against published values and against counting pixels."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from brightfield.arch.receptive import Span, join, shift, window


def test_vgg16_has_the_published_fields() -> None:
    # Araujo et al. 2019, table 1: VGG-16 up to pool5 sees 212 pixels, at a stride of 32
    span = Span()
    for convolutions in (2, 2, 3, 3, 3):
        for _ in range(convolutions):
            span = window(span, 3, 1, 1)
        span = window(span, 2, 2)
    assert (span.size, span.step) == (212, 32)


def test_alexnet_has_the_published_fields() -> None:
    # the same table: AlexNet v2 up to pool5 sees 195 pixels, at a stride of 32
    span = Span()
    for kernel, stride, padding in ((11, 4, 0), (3, 2, 0), (5, 1, 2), (3, 2, 0), *[(3, 1, 1)] * 3, (3, 2, 0)):
        span = window(span, kernel, stride, padding)
    assert (span.size, span.step) == (195, 32)


@pytest.mark.parametrize(
    ("kernel", "stride", "padding", "dilation"),
    list(itertools.product((1, 2, 3, 5), (1, 2, 3), (0, 1), (1, 2))),
)
def test_a_window_reads_the_units_that_it_covers(
    kernel: int, stride: int, padding: int, dilation: int
) -> None:
    before = Span(step=2, low=-1, high=3)
    after = window(before, kernel, stride, padding, dilation)
    for index in range(4):
        read = [index * stride - padding + k * dilation for k in range(kernel)]
        pixels = np.concatenate([np.arange(before.at(i)[0], before.at(i)[1] + 1) for i in read])
        assert after.at(index) == (pixels.min(), pixels.max())


def test_padding_moves_and_branches_unite() -> None:
    assert shift(Span(4, 0, 6), 2) == Span(4, -8, -2)
    assert join([Span(2, -3, 3), Span(2, 0, 5)]) == Span(2, -3, 5)
    assert join([Span(2, 0, 0), Span(4, 0, 0)]) is None
    assert Span(2, -3, 4).centre == 0.5
