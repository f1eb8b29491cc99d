"""Receptive fields by recurrence: which input pixels a unit of a layer can see.

Along one axis the unit at index i of a map sees the pixels from `low + i * step` to `high + i * step`. A
layer's span follows from that of the layer before it, as in Araujo, Norris and Sim, "Computing Receptive
Fields of Convolutional Neural Networks" (Distill 2019); where branches meet, the union counts.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Span:
    """What the units of a map see along one axis, in input pixels; what lies outside the image is padding.

    Attributes:
        step: Input pixels between two neighbouring units: the stride of all layers so far.
        low: The first pixel that the unit at index 0 sees.
        high: The last one.
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
        """The middle of what the unit at index 0 sees, in pixels: 0 is the middle of the first pixel."""
        return (self.low + self.high) / 2

    def at(self, index: int) -> tuple[int, int]:
        """Return the first and last pixel that the unit at an index sees."""
        return self.low + index * self.step, self.high + index * self.step


def window(span: Span, kernel: int, stride: int = 1, padding: int = 0, dilation: int = 1) -> Span:
    """Return the span behind a convolution or a pool; `padding` is that before the first pixel."""
    first = -padding * span.step
    return Span(
        step=span.step * stride,
        low=span.low + first,
        high=span.high + first + (kernel - 1) * dilation * span.step,
    )


def shift(span: Span, before: int) -> Span:
    """Return the span behind a padding by so many units before the first; a crop where negative."""
    return Span(span.step, span.low - before * span.step, span.high - before * span.step)


def join(spans: Iterable[Span]) -> Span | None:
    """Return what a unit sees that reads several maps at its place; None where their steps differ."""
    every = list(spans)
    if len({s.step for s in every}) != 1:
        return None
    return Span(every[0].step, min(s.low for s in every), max(s.high for s in every))
