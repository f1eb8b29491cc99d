"""Scoring with the trained torch network, against which the exported classifier is compared."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence

import numpy as np
import torch

from brightfield.data.preprocessing import Preprocessing
from brightfield.decide.scores import Scores, scores_of_logits
from brightfield.engine.pixels import normalise
from brightfield.engine.pooling import pool_bags
from brightfield.engine.trunk import BATCH_PIXELS
from brightfield.engine.views import VIEWS
from brightfield.learn.network import TileNet
from brightfield.methods.base import Picture


def judge_with_torch(
    net: TileNet,
    preprocessing: Preprocessing,
    normal: int | None,
    views: Sequence[str],
    pictures: Sequence[Picture],
) -> Scores:
    """Return the scores of pictures by the torch network, in float32.

    Args:
        net: The network, which is put in evaluation mode.
        preprocessing: The preprocessing, which cuts pictures into tiles.
        normal: The index of the normal class, or None.
        views: The names of the views whose logits are averaged.
        pictures: Images at working size, uint8 (h, w, 3) each.
    """
    net.eval()
    cut = [preprocessing.tiles(picture)[0] for picture in pictures]
    starts = np.cumsum([0, *(len(tiles) for tiles in cut)])
    tiles, step = np.concatenate(cut), max(1, BATCH_PIXELS // preprocessing.tile**2)
    logits = []
    with torch.inference_mode(), _without_tf32():
        for at in range(0, len(tiles), step):
            x = normalise(tiles[at : at + step], preprocessing)
            seen = (torch.from_numpy(np.ascontiguousarray(VIEWS[view](x))) for view in views)
            logits.append(torch.stack([net(batch).float() for batch in seen]).mean(0).cpu().numpy())
    return scores_of_logits(pool_bags(np.concatenate(logits), starts, normal), normal)


@contextlib.contextmanager
def _without_tf32() -> Iterator[None]:
    """Compute a GPU's convolutions in full float32, not TF32, inside the block."""
    before = torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = False
    try:
        yield
    finally:
        torch.backends.cudnn.allow_tf32 = before
