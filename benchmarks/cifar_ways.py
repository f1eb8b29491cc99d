"""Which ways of learning from scratch pay, on a fifth of CIFAR-10's training images held out of training.

The test images are not looked at. Of every variant the held-out images are judged in one view, mirrored too,
and in the six that are the default; by several members, each alone, by pairs and all together; and, in one
view, by the average of the weights over the steps, an exponential one whose norms are measured anew:

    python benchmarks/cifar_ways.py --data FOLDER --epochs 5
"""

from __future__ import annotations

import argparse
import math
import statistics
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn, update_bn

from brightfield.data.preprocessing import Preprocessing
from brightfield.models.backbone import IMAGENET_MEAN, IMAGENET_STD
from brightfield.models.network import TileNet, build_network, normalise
from brightfield.models.runtime import pick_runtime
from brightfield.models.small import build_small_trunk, small_head
from brightfield.models.views import MIRRORS, VIEWS
from brightfield.training.recipes import SCRATCH_RECIPES, FromScratch
from brightfield.training.scratch import Pupils, train_from_scratch
from cifar_gpu import SIDE, Pictures, read
from record import Row
from runs import save

RULE = Preprocessing(8, SIDE, True, SIDE, 0, IMAGENET_MEAN, IMAGENET_STD)
AT_ONCE = 500
SEEN = {"one view": 1, "two views": 2, "six views": len(MIRRORS)}
AVERAGED = (9000, 39000)
"""Images over whose steps weights are averaged: the time constant of the average."""

VARIANTS: dict[str, tuple[int, dict[str, object]]] = {
    "fast": (1, {}),
    "batch 500": (1, {"batch": 500, "learning_rate": 0.12, "weight_decay": 0.001}),
    "cutout 8": (1, {"cutout": 8}),
    "2 members": (2, {}),
    "3 members": (3, {}),
}
"""How many networks stand abreast, and what differs from the recipe `fast`."""


def apart(pictures: Pictures, share: float, seed: int) -> tuple[Pictures, Pictures]:
    """Return pictures to train on and a share of each class held out."""
    images, labels = pictures
    rng = np.random.default_rng(seed)
    held = np.zeros(len(labels), dtype=bool)
    for label in labels.unique():
        rows = np.flatnonzero(labels == label)
        held[rng.choice(rows, round(share * len(rows)), replace=False)] = True
    return (images[~held], labels[~held]), (images[held], labels[held])


def logits(net: TileNet, images: Tensor, views: Sequence[str]) -> Tensor:
    """Return each member's logits of the images by view, (V, M, N, K)."""
    parts = []
    with torch.inference_mode():
        for at in range(0, len(images), AT_ONCE):
            x = normalise(images[at : at + AT_ONCE], RULE)
            features = [net.features(VIEWS[view](x)).to(net.runtime.device) for view in views]
            parts.append(torch.stack([net.head.each(f) for f in features]).cpu())
    return torch.cat(parts, 2)


def batches(images: Tensor) -> Iterator[Tensor]:
    """Yield some training images of all classes, from which the norms of averaged weights are measured."""
    rows = torch.randperm(len(images), generator=torch.Generator().manual_seed(0))
    for few in rows[: 10 * AT_ONCE].split(AT_ONCE):
        yield normalise(images[few], RULE)


def judged(
    train: Pictures, held: Pictures, members: int, settings: FromScratch, seed: int
) -> dict[str, float]:
    """Train one variant and return its accuracies on the held-out images and its seconds."""
    torch.manual_seed(seed)
    trunk = build_small_trunk("fast_cnn", SIDE, members)
    runtime = pick_runtime(trunk=trunk.net)
    net = build_network(trunk, int(train[1].max()) + 1, small_head("fast_cnn", trunk), runtime)
    # as the training itself does, whose steps are no larger than a 25th of the images
    step = min(settings.batch, len(train[1]) // 25)
    rates = {images: math.exp(-step / images) for images in AVERAGED}
    averages: dict[int, AveragedModel] = {}

    def each_step(stage: str, _done: int, _total: int) -> None:
        if stage != "batches":
            return
        for images, rate in rates.items():
            if images not in averages:
                averages[images] = AveragedModel(net, multi_avg_fn=get_ema_multi_avg_fn(rate))
            averages[images].update_parameters(net)

    begin = time.perf_counter()
    pupils = Pupils(*train, RULE, np.arange(0))
    train_from_scratch(net, pupils, settings, seed=seed, checkpoint=None, progress=each_step)
    found = {"training_time": time.perf_counter() - begin}
    given = logits(net, held[0], MIRRORS)
    for name, n in SEEN.items():
        each = given[:n].mean(0)
        for some in range(1, members):
            chosen = combinations(range(members), some)
            few = [right(each[list(these)].mean(0), held[1]) for these in chosen]
            found[f"accuracy, {some} of them, mean, {name}"] = statistics.mean(few)
        found[f"accuracy, {name}"] = right(each.mean(0), held[1])
    for images, average in averages.items():
        update_bn(batches(train[0]), average)
        average.module.thaw()
        average.module.eval()
        alone = logits(average.module, held[0], MIRRORS[:1])[0].mean(0)
        found[f"accuracy, weights averaged over {images} images, one view"] = right(alone, held[1])
    return found


def right(given: Tensor, labels: Tensor) -> float:
    """Return the share of images (N, K) whose highest logit is their label's."""
    return float((given.argmax(1) == labels).float().mean())


def main() -> None:
    """Run every variant with every seed, in turn."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="a folder with train/CLASS")
    parser.add_argument("--variants", nargs="+", default=list(VARIANTS), choices=list(VARIANTS))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--most", type=int, help="pictures of a class, to try the script")
    parser.add_argument("--output", type=Path)
    args = parser.parse_args()
    usual = SCRATCH_RECIPES["fast"].from_scratch
    if usual is None:
        raise SystemExit("the recipe fast trains nothing from scratch")
    train, held = apart(read(args.data, "train", args.most), 0.2, 0)
    for seed in args.seeds:
        for name in args.variants:
            members, changed = VARIANTS[name]
            settings = replace(usual, epochs=args.epochs, **changed)  # type: ignore[arg-type]
            values = judged(train, held, members, settings, seed)
            rows = []
            for metric, value in values.items():
                unit = "s" if metric == "training_time" else "share"
                said = f"{name}, {args.epochs} epochs"
                rows.append(Row("cifar_ways", "cifar10-jpeg", said, seed, metric, value, unit))
            save("cifar_ways", rows, args.output)
            print("; ".join(f"{metric} {value:.4f}" for metric, value in values.items()), flush=True)


if __name__ == "__main__":
    main()
