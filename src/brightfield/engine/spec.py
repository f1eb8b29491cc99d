"""The specification of a head, which turns a network's feature maps into class logits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any


@dataclass(frozen=True)
class HeadSpec:
    """The architecture of a head.

    Attributes:
        taps: Which of the trunk's maps the head reads, counted from the deepest (-1).
        pools: How each map becomes a vector: `mean`, `max`, or both; `flatten` keeps every position.
        hidden: Units of each member's hidden layers; empty for a linear head.
        members: The networks of the ensemble, whose logits are averaged.
        dropout: Share of inputs and of hidden units dropped in training.
        activation: The activation of the hidden units: `gelu`, `relu` or `tanh`.
        places: The positions (H times W) of a map that is flattened.
        scales: The scales at which the trunk sees a tile, as shares of its side; the maps of all are read.
        apart: Whether each member reads only its own slice of the vector, which comes from its own trunk.
    """

    taps: tuple[int, ...] = (-1,)
    pools: tuple[str, ...] = ("mean",)
    hidden: tuple[int, ...] = ()
    members: int = 1
    dropout: float = 0.0
    activation: str = "gelu"
    places: int = 1
    scales: tuple[float, ...] = (1.0,)
    apart: bool = False

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for a manifest."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> HeadSpec:
        """Return the spec that `as_dict` described."""
        lists = {key: tuple(values[key]) for key in ("taps", "pools", "hidden", "scales")}
        return cls(**{**values, **lists})

    def on(self, strides: Sequence[int], fixed_size: bool = False) -> HeadSpec:
        """Return the spec adapted to a trunk, with taps that exist in it, each once.

        A recipe's taps assume that the trunk ends with a final convolution at its last stride, as
        EfficientNet does. Where there is none, every tap moves one map deeper, to keep its stride.

        Args:
            strides: The stride of each of the trunk's maps, shallow to deep.
            fixed_size: Whether the trunk takes one input size only, and so one scale.
        """
        depth = len(strides)
        shift = 0 if depth > 1 and strides[-1] == strides[-2] else 1
        taps = tuple(sorted({max(min(t + shift, -1), -depth) for t in self.taps}))
        return replace(self, taps=taps, scales=(1.0,) if fixed_size else self.scales)

    def width(self, channels: Sequence[int]) -> int:
        """Return the length of the pooled vector, given the channels of each of the trunk's maps."""
        places = sum(self.places if pool == "flatten" else 1 for pool in self.pools)
        return sum(channels[t] for t in self.taps) * places * len(self.scales)
