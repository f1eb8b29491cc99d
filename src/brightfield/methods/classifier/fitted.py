"""The fitted classifier: tiles, a frozen trunk, a head, and heatmaps in closed form."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from brightfield.data.preprocessing import Preprocessing
from brightfield.data.tiling import at_peak, stitch
from brightfield.decide.scores import scores_of_logits
from brightfield.engine.head import Head, head_from_arrays
from brightfield.engine.heat import grad_cam, score_gradient
from brightfield.engine.measurement import compressed
from brightfield.engine.pixels import normalise
from brightfield.engine.pooling import map_gradients, pool_bags, tile_weights
from brightfield.engine.spec import HeadSpec
from brightfield.engine.trunk import BATCH_PIXELS, Trunk, model_name, models_by_side
from brightfield.engine.views import VIEWS
from brightfield.errors import said_if_unfit
from brightfield.methods.base import Judgement, Picture, Stored
from brightfield.methods.declared import plain
from brightfield.verdict import HeatmapKind

FloatArray = npt.NDArray[np.float32]


@dataclass(frozen=True)
class _Activations:
    """The activations of a batch of T tiles: the head's pre-activations (M, T, out), the maps (T, C, H, W).

    The maps are those of the largest scale in the first view.
    """

    layers: list[FloatArray]
    maps: list[FloatArray]

    def __len__(self) -> int:
        return len(self.maps[0])


class Classifier:
    """A fitted classifier, as `Method` has it."""

    name = "classifier"
    heatmap_kind = HeatmapKind.ATTRIBUTION
    types: tuple[str, ...] = ()
    score_step = 0.0

    def __init__(
        self,
        trunk: Trunk,
        head: Head,
        preprocessing: Preprocessing,
        *,
        normal: int | None,
        views: Sequence[str],
        backbone: Mapping[str, Any],
    ) -> None:
        """Build a classifier from a trunk and its head.

        Args:
            trunk: The trunk.
            head: The head, with logits of K classes.
            preprocessing: The preprocessing, which cuts pictures into tiles.
            normal: The index of the normal class, or None.
            views: The names of the views whose logits are averaged; heatmaps explain the first.
            backbone: The description of the trunk for the manifest: its name, channels and strides.
        """
        self.trunk, self.head, self.preprocessing = trunk, head, preprocessing
        self.normal, self.views, self.backbone = normal, tuple(views), dict(backbone)

    def judge(self, pictures: Sequence[Picture], *, explain: bool) -> list[Judgement]:
        """Return the judgement of each picture of a batch, with a heatmap if `explain` is set.

        Args:
            pictures: Images at working size, uint8 (h, w, 3) each.
            explain: Whether to compute heatmaps.
        """
        cut = [self.preprocessing.tiles(picture) for picture in pictures]
        starts = np.cumsum([0, *(len(tiles) for tiles, _ in cut)])
        tiles = cut[0][0] if len(cut) == 1 else np.concatenate([tiles for tiles, _ in cut])
        logits, embeddings, cams = self._tiles(tiles, starts, explain)
        pooled = pool_bags(logits, starts, self.normal)
        scores = scores_of_logits(pooled, self.normal).defect
        out: list[Judgement] = []
        for i, (begin, end) in enumerate(pairwise(starts)):
            heat = None
            if cams is not None:
                shape = (pictures[i].shape[0], pictures[i].shape[1])
                heat = self._heat(cams[begin:end], logits[begin:end], cut[i][1], shape)
            embedding = embeddings[begin:end].mean(0)
            out.append(Judgement(float(scores[i]), pooled[i], heat, embedding=embedding))
        return out

    def _tiles(
        self, tiles: npt.NDArray[np.uint8], starts: npt.NDArray[np.int64], explain: bool
    ) -> tuple[FloatArray, FloatArray, FloatArray | None]:
        """Return the tiles' logits (T, K), embeddings (T, E), and with `explain` their maps (T, side, side).

        The tiles of picture i are `starts[i]` up to `starts[i + 1]`.
        """
        step = max(1, BATCH_PIXELS // self.preprocessing.tile**2)
        logits: list[FloatArray] = []
        embeddings: list[FloatArray] = []
        cams: list[FloatArray] = []
        kept: list[_Activations] = []
        for at in range(0, len(tiles), step):
            batch_logits, batch_embeddings, activations = self._forward(tiles[at : at + step], explain)
            logits.append(batch_logits)
            embeddings.append(batch_embeddings)
            if activations is not None and self.normal is not None:
                cams.append(self._cam(activations, np.zeros(len(activations), np.intp)))
            elif activations is not None:
                # without a normal class a picture's predicted class, known after its last tile, is explained
                kept.append(activations)
        every, embedded = np.concatenate(logits), np.concatenate(embeddings)
        if not explain:
            return every, embedded, None
        if self.normal is None:
            predicted = np.repeat(pool_bags(every, starts, None).argmax(1), np.diff(starts))  # (T,)
            ends = np.cumsum([0, *(len(batch) for batch in logits)])
            cams = [self._cam(a, predicted[i:j]) for a, (i, j) in zip(kept, pairwise(ends), strict=True)]
        return every, embedded, np.concatenate(cams)

    def _forward(
        self, tiles: npt.NDArray[np.uint8], explain: bool
    ) -> tuple[FloatArray, FloatArray, _Activations | None]:
        """Return a batch's logits (T, K), the mean over the views, its embeddings (T, E), and activations.

        The activations are there with `explain` only.
        """
        x = normalise(tiles, self.preprocessing)  # (T, 3, side, side)
        views = [VIEWS[view](x) for view in self.views]
        # the views of few tiles make one batch: a batch of one tile leaves most cores idle
        together = x.size * len(views) <= 3 * BATCH_PIXELS
        batches = [np.concatenate(views)] if together and len(views) > 1 else views
        if not explain:
            pooled = np.concatenate([self.trunk.pooled(batch) for batch in batches])
            logits = self._mean(self.head.logits(pooled), len(x))
            return logits, self._embeddings(pooled[: len(x)]), None
        # only the largest scale is explained: the cells of smaller ones cover many pixels and would blur it
        first, maps = self.trunk.pooled_with_maps(batches[0])
        others = [self.trunk.pooled(batch) for batch in batches[1:]]
        layers = self.head.layers(np.concatenate([first, *others]))
        first_view = _Activations([layer[:, : len(x)] for layer in layers], [m[: len(x)] for m in maps])
        logits = self._mean(layers[-1].mean(0), len(x))
        return logits, self._embeddings(first[: len(x)]), first_view

    def _embeddings(self, pooled: FloatArray) -> FloatArray:
        """Return the pooled vectors of tiles (T, D) as the head sees them, compressed to (T, E)."""
        return compressed((pooled - self.head.center) / self.head.scale)

    def _mean(self, logits: FloatArray, tiles: int) -> FloatArray:
        """Return the mean over the views of logits, (views * T, K) to (T, K)."""
        return np.asarray(logits.reshape(len(self.views), tiles, -1).mean(0))

    def _cam(self, activations: _Activations, explained: npt.NDArray[np.intp]) -> FloatArray:
        """Return the tiles' activation maps, (T, side, side), for a defect.

        Without a normal class they are for the class `explained`, (T,).
        """
        head, pools = self.head, self.head.spec.pools
        maps, layers = activations.maps, activations.layers
        logit_gradient = score_gradient(layers[-1].mean(0), self.normal, explained)
        # the largest scale comes first in the pooled vector: the gradient of its values is enough
        width = sum(m[0].size if pool == "flatten" else m.shape[1] for m in maps for pool in pools)
        gradients = map_gradients(maps, pools, head.gradient(layers, logit_gradient, width))
        return self.cam(maps, gradients, self._baselines(maps))

    def cam(
        self,
        maps: Sequence[FloatArray],
        gradients: Sequence[FloatArray],
        baselines: Sequence[FloatArray | None],
    ) -> FloatArray:
        """Return the activation maps of tiles, (T, side, side) and at least 0: see `grad_cam`."""
        return grad_cam(maps, gradients, self.preprocessing.tile, baselines)

    def _baselines(self, maps: Sequence[FloatArray]) -> list[FloatArray | None]:
        """Return the channels' training means for each map, (C,); None if the head does not pool by mean."""
        out: list[FloatArray | None] = []
        at = 0  # the position in the pooled vector
        for m in maps:
            baseline = None
            for pool in self.head.spec.pools:
                if pool == "mean":
                    baseline = self.head.center[at : at + m.shape[1]]
                at += m[0].size if pool == "flatten" else m.shape[1]
            out.append(baseline)
        return out

    def _heat(
        self, cams: FloatArray, logits: FloatArray, origins: list[tuple[int, int]], shape: tuple[int, int]
    ) -> FloatArray:
        """Return a picture's map (h, w), in [0, 1]; each tile's maximum is the tile's weight."""
        peaks = cams.max(axis=(1, 2))
        weights = np.where(peaks > 0, tile_weights(logits, self.normal), 0.0).astype(np.float32)
        shares = cams / np.maximum(peaks, np.finfo(np.float32).tiny)[:, None, None]
        heat = stitch(shares * weights[:, None, None], origins, shape)
        # averaging overlapping tiles lowers the maximum
        return at_peak(heat, float(weights.max()))

    def of_views(self, views: Sequence[str]) -> Classifier:
        """Return a classifier with these views instead."""
        return Classifier(
            self.trunk,
            self.head,
            self.preprocessing,
            normal=self.normal,
            views=views,
            backbone=self.backbone,
        )

    def stored(self) -> Stored:
        """Return the state from which `load_classifier` builds the classifier."""
        return Stored(
            networks={model_name(side): network.model for side, network in self.trunk.networks.items()},
            arrays=self.head.arrays(),
            settings=plain(
                {"backbone": self.backbone, "head": self.head.spec.as_dict(), "views": self.views}
            ),
        )


def load_classifier(
    stored: Stored, preprocessing: Preprocessing, classes: Sequence[str], normal: str | None
) -> Classifier:
    """Load a classifier from the state that `Classifier.stored` returned.

    Raises:
        BundleError: If the weights do not fit the settings, or ONNX Runtime cannot run the network.
    """
    with said_if_unfit():
        spec = HeadSpec.from_dict(dict(stored.settings["head"]))
        head = head_from_arrays(spec, stored.arrays)
        if head.biases[-1].shape[-1] != len(classes):
            raise ValueError(f"the head knows {head.biases[-1].shape[-1]} classes, not {len(classes)}")
        views = [str(view) for view in stored.settings["views"]]
        unknown = [view for view in views if view not in VIEWS]
        if unknown or not views:
            raise ValueError(f"the views are {views}")
        return Classifier(
            Trunk(models_by_side(stored.networks), spec.scales),
            head,
            preprocessing,
            normal=None if normal is None else list(classes).index(normal),
            views=views,
            backbone=dict(stored.settings["backbone"]),
        )
