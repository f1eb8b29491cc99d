"""The fitted autoencoder: what it cannot reconstruct, as evidence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from brightfield.data.preprocessing import Preprocessing
from brightfield.engine.measurement import GRID, in_cells
from brightfield.engine.network import Network
from brightfield.engine.pixels import normalise
from brightfield.engine.resample import averaging, resampled
from brightfield.engine.trunk import PIXELS_AT_ONCE
from brightfield.errors import said_if_unfit
from brightfield.methods.base import Judgement, Picture, Stored
from brightfield.methods.good_parts.evidence import (
    DIGITS,
    Place,
    Seen,
    cells_in,
    in_pixels,
    judge_tiles,
    top_mean,
)
from brightfield.verdict import HeatmapKind

FloatArray = npt.NDArray[np.float32]

TILES, RESIDUAL = "tiles", "residual"
"""The input of the ONNX model, normalised tiles (N, 3, side, side), and its output (N, side, side)."""

CELL = 4
"""The side of a cell of the evidence map in pixels."""

BLUR = 5
"""The side in pixels of the window over which the residual is averaged."""

_NETWORK = "autoencoder"


class Residuals(Protocol):
    """Computes how unlike its reconstruction each pixel of a normalised tile is."""

    def __call__(self, x: FloatArray) -> FloatArray:
        """Return the residual, at least 0, (N, 3, side, side) to (N, side, side)."""

    def models(self) -> dict[str, bytes]:
        """Return the ONNX models by the names under which they are stored."""


@dataclass(frozen=True, eq=False)
class ExportedResiduals:
    """The residuals of an exported network, as `Residuals` has it."""

    network: Network

    def __call__(self, x: FloatArray) -> FloatArray:
        """Return the residual of each tile."""
        return self.network({TILES: x}, [RESIDUAL])[0]

    def models(self) -> dict[str, bytes]:
        """Return the ONNX model."""
        return {_NETWORK: self.network.model}


@dataclass(frozen=True)
class Standard:
    """What residuals mean.

    Attributes:
        calm: The residual of an ordinary cell of a good part, at which evidence begins.
        unit: The residual above `calm` that counts as 1: the spread of good parts' scores.
        share: The share of a tile's cells, the most unusual ones, whose mean makes the score.
    """

    calm: float
    unit: float
    share: float

    def evidence(self, cells: FloatArray) -> FloatArray:
        """Return residuals as evidence: 0 up to an ordinary cell, in units of the spread of good parts."""
        return np.asarray(np.maximum(cells - np.float32(self.calm), np.float32(0)) / np.float32(self.unit))


class AutoencoderMethod:
    """A fitted autoencoder, as `Method` has it."""

    name = "autoencoder"
    heatmap_kind = HeatmapKind.EVIDENCE
    types: tuple[str, ...] = ()
    score_step = 10.0**-DIGITS

    def __init__(self, residuals: Residuals, standard: Standard, preprocessing: Preprocessing) -> None:
        """Build the method.

        Args:
            residuals: What computes residuals.
            standard: What residuals mean.
            preprocessing: The preprocessing, which cuts pictures into tiles.
        """
        self.residuals, self.standard, self.preprocessing = residuals, standard, preprocessing

    def judge(self, pictures: Sequence[Picture], *, explain: bool) -> list[Judgement]:
        """Return the judgement of each picture of a batch, with a heatmap if `explain` is set.

        A tile's score is the mean evidence of its most unusual cells; a picture's is that of its most unusual
        tile.

        Args:
            pictures: Images at working size, uint8 (h, w, 3) each.
            explain: Whether to compute heatmaps.
        """
        return judge_tiles(pictures, self.preprocessing, self._tiles, explain=explain)

    def _tiles(self, tiles: npt.NDArray[np.uint8], places: Sequence[Place], explain: bool) -> Seen:
        """Return the score (T,) and with `explain` the evidence in pixels (T, side, side) of each tile.

        The embedding of a tile is its residual, averaged over a coarse grid, on a logarithmic scale.
        """
        side = self.preprocessing.tile
        step = max(1, PIXELS_AT_ONCE // side**2)
        scores = np.zeros(len(tiles), dtype=np.float64)
        embeddings = np.zeros((len(tiles), GRID * GRID), dtype=np.float32)
        heats = np.zeros((len(tiles), side, side), dtype=np.float32) if explain else None
        for at in range(0, len(tiles), step):
            cells = self.cells(normalise(tiles[at : at + step], self.preprocessing))
            evidence = self.standard.evidence(cells)
            inside = cells_in(places[at : at + step], self.preprocessing, cells.shape[1:])
            for row, values in enumerate(evidence):
                scores[at + row] = top_mean(values[inside[row]], self.standard.share)
                embeddings[at + row] = np.log(in_cells(cells[row]) + np.float32(self.standard.unit))
            if heats is not None:
                heats[at : at + step] = in_pixels(evidence, inside, side)
        return scores, embeddings, heats

    def cells(self, x: FloatArray) -> FloatArray:
        """Return the residual of normalised tiles (T, 3, side, side), averaged to cells (T, h, w)."""
        residual = self.residuals(x)
        side = x.shape[2]
        band = averaging(side, -(-side // CELL), BLUR)
        return resampled(residual, band, band)

    def stored(self) -> Stored:
        """Return the state from which `load_autoencoder` builds the method."""
        standard = self.standard
        return Stored(
            self.residuals.models(),
            {},
            {"calm": standard.calm, "unit": standard.unit, "share": standard.share},
        )


def load_autoencoder(
    stored: Stored, preprocessing: Preprocessing, _classes: Sequence[str], _normal: str | None
) -> AutoencoderMethod:
    """Load the method from the state that `AutoencoderMethod.stored` returned.

    Raises:
        BundleError: If a setting or the network is missing, or ONNX Runtime cannot run it.
    """
    with said_if_unfit():
        standard = Standard(*(float(stored.settings[name]) for name in ("calm", "unit", "share")))
        if not standard.unit > 0:
            raise ValueError(f"the unit is {standard.unit}; expected it above 0")
        return AutoencoderMethod(
            ExportedResiduals(Network(stored.networks[_NETWORK])), standard, preprocessing
        )
