"""Pictures a second that the default backbone scores on this CPU: compiled, and by torch in both formats.

python benchmarks/scoring.py
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch

from brightfield.learn.backbone import build_trunk
from brightfield.learn.network import build_network
from brightfield.learn.recipes import MULTI_STAGE
from brightfield.learn.runtime import Runtime, pick_runtime
from record import Row
from runs import save, summary

LOOK = replace(MULTI_STAGE, scales=(1.0,))
BACKBONE, SIDE, BATCH, TIMES = "tf_efficientnet_lite0", 224, 32, 9


def rate(score: Callable[[], object]) -> float:
    """Return the median pictures a second."""
    score()
    seconds = []
    for _ in range(TIMES):
        begin = time.perf_counter()
        score()
        seconds.append(time.perf_counter() - begin)
    return BATCH / statistics.median(seconds)


def main() -> None:
    """Time all three in turn."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--output", type=Path)
    args = parser.parse_args()
    trunk = build_trunk(BACKBONE)
    net = build_network(trunk, 2, LOOK.on(trunk.spec.strides), pick_runtime("cpu")).eval()
    x = torch.randn(BATCH, 3, SIDE, SIDE)

    def plain() -> None:
        with torch.inference_mode(), net.runtime.autocast():
            net.pool(net.tapped(x))

    rows = []
    for variant, dtype in (("torch float32", torch.float32), ("torch bfloat16", torch.bfloat16)):
        net.runtime = Runtime("cpu", dtype)
        rows.append(Row("scoring", "random", variant, 0, "pictures_per_second", rate(plain), "1/s"))
    net.runtime = pick_runtime("cpu")
    compiled = rate(lambda: net.features(x))
    rows.append(Row("scoring", "random", "compiled float32", 0, "pictures_per_second", compiled, "1/s"))
    save("scoring", rows, args.output)
    summary(rows)


if __name__ == "__main__":
    main()
