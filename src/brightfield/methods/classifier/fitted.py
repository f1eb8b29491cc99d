"""The classifier, ready to judge: tiles, a frozen network, a head, and heat in closed form."""

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
from brightfield.engine.network import Network
from brightfield.engine.pixels import normalise
from brightfield.engine.pooling import map_gradients, pool_bags, tile_weights
from brightfield.engine.spec import HeadSpec
from brightfield.engine.trunk import ANY_SIDE, Trunk
from brightfield.engine.views import VIEWS
from brightfield.errors import BundleError
from brightfield.methods.base import Judgement, Picture, Stored
from brightfield.methods.declared import plain
from brightfield.verdict import HeatmapKind

FloatArray = npt.NDArray[np.float32]

_PIXELS_AT_ONCE = 32 * 256 * 256
_NETWORK = "network"


@dataclass(frozen=True)
class _Seen:
    """What the head makes of some tiles: its layers' values (M, T, out), and the largest scale's maps."""

    layers: list[FloatArray]
    maps: list[FloatArray]

    def __len__(self) -> int:
        return len(self.maps[0])


class Classifier:
    """A fitted classifier."""

    name = "classifier"
    heatmap_kind = HeatmapKind.ATTRIBUTION

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
        """Join a trunk and its head.

        Args:
            trunk: Gives the maps.
            head: Gives logits of K classes.
            preprocessing: Cuts pictures into tiles.
            normal: The index of the normal class, or None.
            views: Names of `VIEWS`, over which logits are averaged; the first is explained.
            backbone: What the manifest says of the trunk: its name, channels and strides.
        """
        self.trunk, self.head, self.preprocessing = trunk, head, preprocessing
        self.normal, self.views, self.backbone = normal, tuple(views), dict(backbone)

    def judge(self, pictures: Sequence[Picture], *, explain: bool) -> list[Judgement]:
        """Judge images at working size, uint8 (h, w, 3) each, all together."""
        cut = [self.preprocessing.tiles(picture) for picture in pictures]
        starts = np.cumsum([0, *(len(tiles) for tiles, _ in cut)])
        tiles = cut[0][0] if len(cut) == 1 else np.concatenate([tiles for tiles, _ in cut])
        logits, cams = self._tiles(tiles, starts, explain)
        pooled = pool_bags(logits, starts, self.normal)
        scores = scores_of_logits(pooled, self.normal).defect
        out: list[Judgement] = []
        for i, (begin, end) in enumerate(pairwise(starts)):
            heat = None
            if cams is not None:
                shape = (pictures[i].shape[0], pictures[i].shape[1])
                heat = self._heat(cams[begin:end], logits[begin:end], cut[i][1], shape)
            out.append(Judgement(float(scores[i]), pooled[i], heat))
        return out

    def _tiles(
        self, tiles: npt.NDArray[np.uint8], starts: npt.NDArray[np.int64], explain: bool
    ) -> tuple[FloatArray, FloatArray | None]:
        """Return the tiles' logits (T, K) and, where asked for, their activation maps (T, side, side)."""
        step = max(1, _PIXELS_AT_ONCE // self.preprocessing.tile**2)
        logits: list[FloatArray] = []
        cams: list[FloatArray] = []
        seen: list[_Seen] = []
        for at in range(0, len(tiles), step):
            found, one = self._look(tiles[at : at + step], explain)
            logits.append(found)
            if one is not None and self.normal is not None:
                cams.append(self._cam(one, np.zeros(len(one), np.intp)))
            elif one is not None:
                seen.append(one)  # what is explained is known once all tiles of a picture are
        every = np.concatenate(logits)
        if not explain:
            return every, None
        if self.normal is None:
            named = np.repeat(pool_bags(every, starts, None).argmax(1), np.diff(starts))
            ends = np.cumsum([0, *(len(one) for one in logits)])
            cams = [self._cam(maps, named[a:b]) for maps, (a, b) in zip(seen, pairwise(ends), strict=True)]
        return every, np.concatenate(cams)

    def _look(self, tiles: npt.NDArray[np.uint8], explain: bool) -> tuple[FloatArray, _Seen | None]:
        """Return the tiles' logits (T, K) averaged over the views, and what explains the first view."""
        x = normalise(tiles, self.preprocessing)
        views = [VIEWS[view](x) for view in self.views]
        # few tiles go through in all views at once: a batch of one leaves most of the processor idle
        together = x.size * len(views) <= 3 * _PIXELS_AT_ONCE
        batches = [np.concatenate(views)] if together and len(views) > 1 else views
        if not explain:
            pooled = np.concatenate([self.trunk.pooled(batch) for batch in batches])
            return self._mean(self.head.logits(pooled), len(x)), None
        # the largest scale alone says where: places of the smaller ones stand for many pixels, and smear it
        first, maps = self.trunk.pooled_with_maps(batches[0])
        others = [self.trunk.pooled(batch) for batch in batches[1:]]
        layers = self.head.layers(np.concatenate([first, *others]))
        seen = _Seen([layer[:, : len(x)] for layer in layers], [m[: len(x)] for m in maps])
        return self._mean(layers[-1].mean(0), len(x)), seen

    def _mean(self, logits: FloatArray, tiles: int) -> FloatArray:
        """Return the mean over the views of logits (views T, K), as (T, K)."""
        return np.asarray(logits.reshape(len(self.views), tiles, -1).mean(0))

    def _cam(self, seen: _Seen, named: npt.NDArray[np.intp]) -> FloatArray:
        """Return where the tiles speak for a defect, or without a normal class for the class named."""
        head, pools = self.head, self.head.spec.pools
        of_logits = score_gradient(seen.layers[-1].mean(0), self.normal, named)
        width = sum(m[0].size if pool == "flatten" else m.shape[1] for m in seen.maps for pool in pools)
        gradients = map_gradients(seen.maps, pools, head.gradient(seen.layers, of_logits, width))
        return self.cam(seen.maps, gradients, self._calm(seen.maps))

    def cam(
        self, maps: Sequence[FloatArray], gradients: Sequence[FloatArray], calm: Sequence[FloatArray | None]
    ) -> FloatArray:
        """Return the activation maps of tiles, (T, side, side) and at least 0; arguments as in `grad_cam`."""
        return grad_cam(maps, gradients, self.preprocessing.tile, calm)

    def _calm(self, maps: Sequence[FloatArray]) -> list[FloatArray | None]:
        """Return the usual value of every channel of the largest scale, where the head knows it."""
        out: list[FloatArray | None] = []
        at = 0
        for m in maps:
            usual = None
            for pool in self.head.spec.pools:
                if pool == "mean":
                    usual = self.head.center[at : at + m.shape[1]]
                at += m[0].size if pool == "flatten" else m.shape[1]
            out.append(usual)
        return out

    def _heat(
        self, cams: FloatArray, logits: FloatArray, origins: list[tuple[int, int]], shape: tuple[int, int]
    ) -> FloatArray:
        """Return one map in [0, 1], on which each tile's hottest place says as much as the tile does."""
        peaks = cams.max(axis=(1, 2))
        weights = np.where(peaks > 0, tile_weights(logits, self.normal), 0.0).astype(np.float32)
        shares = cams / np.maximum(peaks, np.finfo(np.float32).tiny)[:, None, None]
        heat = stitch(shares * weights[:, None, None], origins, shape)
        # where tiles overlap they are averaged, which takes something off the top
        return at_peak(heat, float(weights.max()))

    def of_members(self, members: Sequence[int]) -> Classifier:
        """Return a classifier that hears only some of the head's members."""
        return self._with(head=self.head.only(members))

    def of_views(self, views: Sequence[str]) -> Classifier:
        """Return a classifier that judges every picture in these views only."""
        return self._with(views=views)

    def _with(self, head: Head | None = None, views: Sequence[str] | None = None) -> Classifier:
        return Classifier(
            self.trunk,
            head or self.head,
            self.preprocessing,
            normal=self.normal,
            views=views or self.views,
            backbone=self.backbone,
        )

    def stored(self) -> Stored:
        """Return all that is needed to build the classifier again."""
        return Stored(
            networks={_name_of(side): network.model for side, network in self.trunk.networks.items()},
            arrays=self.head.arrays(),
            settings=plain(
                {"backbone": self.backbone, "head": self.head.spec.as_dict(), "views": self.views}
            ),
        )


def load_classifier(
    stored: Stored, preprocessing: Preprocessing, classes: Sequence[str], normal: str | None
) -> Classifier:
    """Build a classifier from what `stored` returned.

    Raises:
        BundleError: If the weights do not fit the settings, or ONNX Runtime cannot run the network.
    """
    try:
        spec = HeadSpec.from_dict(dict(stored.settings["head"]))
        head = head_from_arrays(spec, stored.arrays)
        if head.biases[-1].shape[-1] != len(classes):
            raise ValueError(f"the head knows {head.biases[-1].shape[-1]} classes, not {len(classes)}")
        views = [str(view) for view in stored.settings["views"]]
        unknown = [view for view in views if view not in VIEWS]
        if unknown or not views:
            raise ValueError(f"the views are {views}")
        networks = {_side_of(name): Network(model) for name, model in stored.networks.items()}
        return Classifier(
            Trunk(networks, spec.scales),
            head,
            preprocessing,
            normal=None if normal is None else list(classes).index(normal),
            views=views,
            backbone=dict(stored.settings["backbone"]),
        )
    except (IndexError, KeyError, TypeError, ValueError) as e:
        raise BundleError(
            f"the bundle's weights do not fit its settings ({type(e).__name__}: {str(e)[:200]}); "
            "it may come from another version: see created_with in its manifest"
        ) from e


def _name_of(side: int) -> str:
    return _NETWORK if side == ANY_SIDE else f"{_NETWORK}-{side}"


def _side_of(name: str) -> int:
    return ANY_SIDE if name == _NETWORK else int(name.removeprefix(f"{_NETWORK}-"))
