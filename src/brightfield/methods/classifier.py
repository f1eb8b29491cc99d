"""The classifier: a backbone with a head, on whole images or overlapping tiles of which the worst decides."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from brightfield.data.cache import PixelCache
from brightfield.data.preprocessing import Preprocessing
from brightfield.data.tiling import at_peak, stitch
from brightfield.errors import BundleError
from brightfield.methods.base import Judgement
from brightfield.models.backbone import Trunk, build_trunk
from brightfield.models.cam import grad_cam
from brightfield.models.head import HeadSpec, defect_log_odds, pool_tiles, tile_weights
from brightfield.models.network import TileNet, build_network, normalise
from brightfield.models.runtime import Runtime, pick_runtime
from brightfield.models.small import PREFIX, small_trunk_of
from brightfield.models.views import VIEWS
from brightfield.progress import Progress, silent
from brightfield.training.features import tile_batches, tile_counts
from brightfield.verdict import HeatmapKind

_TILES_AT_ONCE = 32


class Classifier:
    """A fitted classifier."""

    name = "classifier"
    heatmap_kind = HeatmapKind.ATTRIBUTION

    def __init__(
        self, net: TileNet, preprocessing: Preprocessing, normal: int | None, views: Sequence[str]
    ) -> None:
        self.net = net
        self.preprocessing = preprocessing
        self.normal = normal
        self.views = tuple(views)
        net.eval()

    def judge(self, working: npt.NDArray[np.uint8], *, explain: bool) -> Judgement:
        """Judge one image at working size, uint8 (h, w, 3)."""
        tiles, origins = self.preprocessing.tiles(working)
        logits: list[Tensor] = []
        seen: list[list[Tensor]] = []
        for at in range(0, len(tiles), _TILES_AT_ONCE):
            found, maps = self._look(tiles[at : at + _TILES_AT_ONCE], self.views)
            logits.append(found)
            if explain:
                seen.append(maps)
        each = torch.cat(logits).double()
        pooled = pool_tiles(each, self.normal)
        if not explain:
            return Judgement(pooled.numpy(), None)
        named = int(pooled.argmax())
        cams = torch.cat([self._cam(maps, named).cpu() for maps in seen])
        return Judgement(pooled.numpy(), self._heat(cams, each, origins, working.shape[:2]))

    def _heat(
        self, cams: Tensor, logits: Tensor, origins: list[tuple[int, int]], shape: tuple[int, int]
    ) -> npt.NDArray[np.float32]:
        """Return one map in [0, 1], on which each tile's hottest place says as much as the tile does."""
        peaks = cams.amax((1, 2))
        weights = torch.where(peaks > 0, tile_weights(logits, self.normal).float(), 0.0)
        shares = cams / peaks.clamp_min(torch.finfo(peaks.dtype).tiny)[:, None, None]
        heat = stitch((shares * weights[:, None, None]).numpy(), origins, shape)
        # where tiles overlap they are averaged, which takes something off the top
        return at_peak(heat, float(weights.max()))

    def score(self, cache: PixelCache, progress: Progress | None = None) -> npt.NDArray[np.float64]:
        """Return the logits of every cached image, float64 (N, K)."""
        tell = progress or silent
        starts = tile_counts(cache, self.preprocessing)
        logits: list[Tensor] = []
        done = 0
        for batch in tile_batches(cache, self.preprocessing, range(len(cache))):
            logits.append(self._look(batch, self.views)[0])
            done += len(batch)
            tell("score", int(np.searchsorted(starts, done, side="right")) - 1, len(cache))
        return pool_rows(torch.cat(logits), starts, self.normal)

    def _look(self, tiles: npt.NDArray[np.uint8], views: tuple[str, ...]) -> tuple[Tensor, list[Tensor]]:
        """Return the tiles' logits (T, K) averaged over the views, and the first view's maps."""
        x = normalise(torch.from_numpy(tiles), self.preprocessing)
        seen = [VIEWS[view](x) for view in views]
        # few tiles go through in all views at once: a batch of one leaves most of the processor idle
        batches = [torch.cat(seen)] if len(x) * len(views) <= _TILES_AT_ONCE else seen
        maps = [self.net.frozen_maps(batch) for batch in batches]
        with torch.inference_mode():
            logits = torch.cat([self.net.head(self.net.pool(m)) for m in maps])
        mean = logits.view(len(views), len(x), -1).mean(0).cpu()
        return mean, [m[: len(x)] for m in maps[0]]

    def of_members(self, members: Sequence[int]) -> Classifier:
        """Return a classifier that hears only some of the head's members."""
        net = self.net.with_head(self.net.head.only(members))
        return Classifier(net, self.preprocessing, self.normal, self.views)

    def _cam(self, maps: list[Tensor], named: int) -> Tensor:
        """Return where the tiles speak for a defect, or without a normal class for the class named."""
        net, normal = self.net, self.normal
        # the largest look alone says where: places of the smaller ones stand for many pixels, and smear it
        sharp, rest = maps[: len(net.head.spec.taps)], maps[len(net.head.spec.taps) :]

        def score(leaves: list[Tensor]) -> Tensor:
            out: Tensor = net.head(net.pool([*leaves, *(m.clone() for m in rest)]))
            return out[:, named] if normal is None else defect_log_odds(out, normal)

        return grad_cam(sharp, score, self.preprocessing.tile, self._calm())

    def _calm(self) -> list[Tensor | None]:
        """Return the usual value of every channel of the largest look, where the head knows it."""
        spec, channels = self.net.head.spec, self.net.trunk.spec.channels
        out: list[Tensor | None] = []
        at = 0
        for tap in spec.taps:
            for pool in spec.pools:
                if pool == "mean":
                    out.append(self.net.head.center[at : at + channels[tap]])
                at += channels[tap] * (spec.places if pool == "flatten" else 1)
        return out if len(out) == len(spec.taps) else [None] * len(spec.taps)

    def state(self) -> dict[str, npt.NDArray[Any]]:
        """Return the weights of trunk and head."""
        both = {"trunk": self.net.trunk.net.state_dict(), "head": self.net.head.state_dict()}
        return {
            f"{part}.{name}": np.array(value.detach().cpu().numpy(), order="C")
            for part, values in both.items()
            for name, value in values.items()
        }

    def settings(self) -> dict[str, Any]:
        """Return, with `state`, all that is needed to build the classifier again."""
        return {
            "backbone": self.net.trunk.spec.as_dict(),
            "head": self.net.head.spec.as_dict(),
            "normal": self.normal,
            "views": list(self.views),
        }


def pool_rows(logits: Tensor, starts: npt.NDArray[np.int64], normal: int | None) -> npt.NDArray[np.float64]:
    """Pool the logits of all tiles, (T, K), into those of the images, whose tiles begin at `starts`."""
    bags = [logits[a:b] for a, b in pairwise(starts)]
    return torch.stack([pool_tiles(bag.double(), normal) for bag in bags]).numpy()


def load_classifier(
    settings: dict[str, Any],
    state: dict[str, npt.NDArray[Any]],
    preprocessing: Preprocessing,
    classes: Sequence[str],
    runtime: Runtime | None = None,
) -> Classifier:
    """Build a classifier from what `settings` and `state` returned.

    Raises:
        BundleError: If the weights do not fit the network.
    """
    try:
        spec = HeadSpec.from_dict(settings["head"])
        net = build_network(_trunk(settings["backbone"]), len(classes), spec, runtime or pick_runtime())
        for part, module in (("trunk", net.trunk.net), ("head", net.head)):
            own = {k.removeprefix(f"{part}."): v for k, v in state.items() if k.startswith(f"{part}.")}
            module.load_state_dict({k: torch.from_numpy(np.array(v)) for k, v in own.items()})
        return Classifier(net, preprocessing, settings["normal"], settings["views"])
    except (IndexError, KeyError, RuntimeError, TypeError, ValueError) as e:
        raise BundleError(
            f"the bundle's weights do not fit its settings ({type(e).__name__}: {str(e)[:200]}); "
            "it may come from another version: see created_with in its manifest"
        ) from e


def _trunk(backbone: dict[str, Any]) -> Trunk:
    name = str(backbone["name"])
    if name.startswith(PREFIX):
        return small_trunk_of(name, int(backbone["input_size"]))
    return build_trunk(name)
