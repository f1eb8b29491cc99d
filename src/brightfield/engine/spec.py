"""The shape of what turns a network's maps into class logits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any


@dataclass(frozen=True)
class HeadSpec:
    """The shape of a head.

    Attributes:
        taps: Which of the trunk's maps it reads, counted from the deepest (-1).
        pools: How each map becomes a vector: `mean`, `max`, or both; `flatten` keeps every place.
        hidden: Units of each member's hidden layers; none for a linear head.
        members: Networks trained side by side whose logits are averaged.
        dropout: Share of inputs and of hidden units dropped in training.
        activation: Of the hidden units: `gelu`, `relu` or `tanh`.
        places: Of each map, where it is flattened.
        scales: Of the tile's side at which the trunk looks at it; the maps of all are read.
        apart: Whether each member reads its own part of the vector, that of its own trunk, and not all of it.
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
        """Read what `as_dict` wrote."""
        lists = {key: tuple(values[key]) for key in ("taps", "pools", "hidden", "scales")}
        return cls(**{**values, **lists})

    def on(self, strides: Sequence[int], fixed_size: bool = False) -> HeadSpec:
        """Return the spec for a trunk whose maps have these strides, each map read once.

        A trunk of a fixed size looks at one scale only.

        A recipe counts as if the trunk ended with a final convolution at its last stride, as EfficientNet's
        does; where there is none, every tap moves one map deeper, so that it reads the stride that was meant.
        """
        depth = len(strides)
        shift = 0 if depth > 1 and strides[-1] == strides[-2] else 1
        taps = tuple(sorted({max(min(t + shift, -1), -depth) for t in self.taps}))
        return replace(self, taps=taps, scales=(1.0,) if fixed_size else self.scales)

    def width(self, channels: Sequence[int]) -> int:
        """Return the length of the pooled vector for a trunk of these channels."""
        places = sum(self.places if pool == "flatten" else 1 for pool in self.pools)
        return sum(channels[t] for t in self.taps) * places * len(self.scales)
