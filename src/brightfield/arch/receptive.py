"""Theoretical receptive fields by recurrence: the input pixels that a unit of a layer depends on.

Along one axis the unit at index i of a map sees the pixels from `low + i * step` to `high + i * step`. The
span of a layer follows from that of the layer before it, as in Araujo, Norris and Sim, "Computing Receptive
Fields of Convolutional Neural Networks" (Distill 2019); where branches meet, it is the union of theirs.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Span:
    """The receptive fields of a map's units along one axis, in input pixels; outside the image is padding.

    Attributes:
        step: The input pixels between neighbouring units: the product of the strides so far.
        low: The first pixel that the unit at index 0 sees.
        high: The last pixel that the unit at index 0 sees.
    """

    step: int = 1
    low: int = 0
    high: int = 0

    @property
    def size(self) -> int:
        """The width of the receptive field in pixels."""
        return self.high - self.low + 1

    @property
    def centre(self) -> float:
        """The centre of the field of the unit at index 0, in pixels; 0 is the centre of the first pixel."""
        return (self.low + self.high) / 2

    def at(self, index: int) -> tuple[int, int]:
        """Return the first and last pixel that the unit at an index sees."""
        return self.low + index * self.step, self.high + index * self.step


def window(span: Span, kernel: int, stride: int = 1, padding: int = 0, dilation: int = 1) -> Span:
    """Return the span after a convolution or pooling; `padding` is the padding before the first unit."""
    first = -padding * span.step
    return Span(
        step=span.step * stride,
        low=span.low + first,
        high=span.high + first + (kernel - 1) * dilation * span.step,
    )


def shift(span: Span, before: int) -> Span:
    """Return the span after a padding with `before` units at the front, or a crop if `before` is negative."""
    return Span(span.step, span.low - before * span.step, span.high - before * span.step)


def join(spans: Iterable[Span]) -> Span | None:
    """Return the span of units that read several maps at the same position; None if the strides differ."""
    every = list(spans)
    if len({s.step for s in every}) != 1:
        return None
    return Span(every[0].step, min(s.low for s in every), max(s.high for s in every))
