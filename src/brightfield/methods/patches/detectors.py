"""Detectors: how unlike good parts each patch of a picture is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Protocol

import numpy as np
import numpy.typing as npt

from brightfield.engine.nearest import nearest, squared_norms
from brightfield.engine.network import Network
from brightfield.engine.patches import Embedding
from brightfield.methods.patches.coreset import Selection
from brightfield.methods.patches.crops import Crops

FloatArray = npt.NDArray[np.float32]

PATCHES, DISTANCES = "patches", "distances"
"""The input of a flow's ONNX model, patch vectors (N, D, h, w), and its output, distances (N, h, w)."""


class Detector(Protocol):
    """Measures how unlike good parts patches are."""

    def distances(self, patches: FloatArray) -> FloatArray:
        """Return the distance of each patch from good parts, (N, h, w, D) to (N, h, w), at least 0."""


@dataclass(frozen=True, eq=False)
class Bank:
    """A memory bank: the distance to the nearest of many patches of good parts.

    Roth et al., Towards total recall in industrial anomaly detection (PatchCore), 2022.

    Attributes:
        patches: The patch vectors of good parts, float32 (K, D).
        crops: What each of them looks like; None if no pictures are kept.
        selection: How they were selected, so that more good parts can be taken in; None if unknown.
    """

    patches: FloatArray = field(repr=False)
    crops: Crops | None = field(default=None, repr=False)
    selection: Selection | None = None

    def distances(self, patches: FloatArray) -> FloatArray:
        """Return the Euclidean distance of each patch to the nearest of the bank."""
        return self.closest(patches)[0]

    def closest(self, patches: FloatArray) -> tuple[FloatArray, npt.NDArray[np.intp]]:
        """Return each patch's distance, and the row of the nearest patch of the bank, (N, h, w) each."""
        shape = patches.shape[:3]
        squares, rows = nearest(patches.reshape(-1, patches.shape[3]), self.patches, self._norms)
        return np.sqrt(squares).reshape(shape), rows.reshape(shape)

    def alike(self, patches: FloatArray) -> npt.NDArray[np.intp]:
        """Return the row of the bank's patch that each patch resembles most, (n, D) to (n,).

        Far from all good patches the nearest one is any near their mean, such as background. What a patch
        resembles is where its vector points in the same direction.
        """
        lengths = np.sqrt(np.maximum(self._norms, np.finfo(np.float32).tiny))
        return np.asarray((patches @ self.patches.T / lengths).argmax(1))

    @cached_property
    def _norms(self) -> FloatArray:
        return squared_norms(self.patches)


@dataclass(frozen=True, eq=False)
class Flow:
    """A normalising flow: how far from the middle of a normal distribution it maps each patch.

    Attributes:
        network: The flow as an ONNX model, from patch vectors (N, D, h, w) to distances (N, h, w).
    """

    network: Network

    def distances(self, patches: FloatArray) -> FloatArray:
        """Return the root mean square of what the flow maps each patch to."""
        return self.network({PATCHES: np.ascontiguousarray(np.moveaxis(patches, 3, 1))}, [DISTANCES])[0]


@dataclass(frozen=True, eq=False)
class Member:
    """A detector, the patches that it sees, and the scale of its distances.

    Attributes:
        name: The name of the detector's kind: `bank` or `flow`.
        scale: The scale at which it sees a tile, as a share of the tile's side.
        maps: Which of the trunk's maps its patches are made of, the finest first.
        embedding: The embedding of these maps.
        detector: The detector.
        calm: The distance of an ordinary patch of a good part, at which evidence begins.
        unit: The distance above `calm` that counts as 1: the spread of good parts' scores.
        share: The share of a tile's patches whose mean makes the score: the most unusual ones.
        weight: The weight of its evidence beside that of other members.
    """

    name: str
    scale: float
    maps: tuple[int, ...]
    embedding: Embedding
    detector: Detector
    calm: float
    unit: float
    share: float
    weight: float

    def evidence(self, distances: FloatArray) -> FloatArray:
        """Return distances as weighted evidence, 0 up to an ordinary one, in units of good parts' spread."""
        beyond = np.maximum(distances - np.float32(self.calm), np.float32(0))
        return np.asarray(beyond * np.float32(self.weight / self.unit))


def at_scale(members: Sequence[Member], scale: float) -> list[Member]:
    """Return the members that see a tile at this scale."""
    return [member for member in members if member.scale == scale]
