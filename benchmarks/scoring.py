"""Pictures a second scored by the default backbone on this CPU: by the engine, and by torch in two formats.

python benchmarks/scoring.py
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch

from brightfield.learn.backbone import build_trunk
from brightfield.learn.frozen import frozen_trunk
from brightfield.learn.network import TileNet, build_network
from brightfield.learn.recipes import MULTI_STAGE
from brightfield.learn.runtime import Runtime, pick_runtime
from record import Row
from runs import SMOKE, begun, new_parser, save, summary

LOOK = replace(MULTI_STAGE, scales=(1.0,))
BACKBONE, SIDE, BATCH, TIMES = "tf_efficientnet_lite0", 224, 32, 9


def rates(scorers: dict[str, Callable[[], object]], pictures: int, times: int) -> dict[str, float]:
    """Return the median pictures a second of each, all timed in turn after a call that warms each up."""
    seconds: dict[str, list[float]] = {name: [] for name in scorers}
    for turn in range(times + 1):
        for name, score in scorers.items():
            begin = time.perf_counter()
            score()
            if turn:
                seconds[name].append(time.perf_counter() - begin)
    return {name: pictures / statistics.median(found) for name, found in seconds.items()}


def by_torch(net: TileNet, x: torch.Tensor, dtype: torch.dtype) -> Callable[[], object]:
    """Return what pools a network's maps of a batch in torch, in a number format."""
    runtime = Runtime("cpu", dtype)

    def score() -> object:
        with torch.inference_mode(), runtime.autocast():
            return net.pool(net.tapped(x))

    return score


def main() -> None:
    """Time all three in turn."""
    with begun(new_parser(__doc__), "scoring") as (args, _):
        name, side, n, times = (SMOKE["backbone"], 64, 4, 2) if args.smoke else (BACKBONE, SIDE, BATCH, TIMES)
        trunk = build_trunk(name)
        net = build_network(trunk, 2, LOOK.on(trunk.spec.strides), pick_runtime("cpu")).eval()
        engine = frozen_trunk(net, side)
        pictures = np.random.default_rng(0).normal(size=(n, 3, side, side)).astype(np.float32)
        x = torch.from_numpy(pictures)
        scorers = {
            "torch float32": by_torch(net, x, torch.float32),
            "torch bfloat16": by_torch(net, x, torch.bfloat16),
            "engine float32": lambda: engine.pooled(pictures),
        }
        rows = [
            Row("scoring", "random", variant, 0, "pictures_per_second", rate, "1/s")
            for variant, rate in rates(scorers, n, times).items()
        ]
        save(rows, args.output)
        summary(rows)


if __name__ == "__main__":
    main()
