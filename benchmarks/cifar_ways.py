"""Which ways of learning from scratch pay, on a fifth of CIFAR-10's training images held out of training.

The test images are not looked at. A variant says what differs from the recipe `fast`: settings of its
training, and of its network `widths` and `convolutions` (of a block) and how many `members` stand abreast.
The held-out images are judged in one view, mirrored too, and in the six that are the default; by several
members, each alone, by pairs and all together:

    python benchmarks/cifar_ways.py --data FOLDER --variants "epochs=5" "epochs=5 widths=128-384-384 cutout=8"
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from brightfield.data.preprocessing import Preprocessing
from brightfield.engine.view_names import MIRRORS
from brightfield.learn.backbone import IMAGENET_MEAN, IMAGENET_STD
from brightfield.learn.network import TileNet, build_network, normalise
from brightfield.learn.recipes import SCRATCH_RECIPES, FromScratch
from brightfield.learn.runtime import pick_runtime
from brightfield.learn.scratch import ScratchData, train_from_scratch
from brightfield.learn.small import NETWORKS, FastCNN, build_small_trunk, small_head
from cifar_gpu import SIDE, VIEWED, Pictures, apart, name_of, read
from record import Row
from runs import begun, new_parser, save, smoke_small_pictures

RULE = Preprocessing(8, SIDE, True, SIDE, 0, IMAGENET_MEAN, IMAGENET_STD)
AT_ONCE = 500
SEEN = {"one view": 1, "two views": 2, "six views": len(MIRRORS)}
NETWORK = "candidate"
TIME = "training_time"
SMOKE = ("epochs=1 batch=16 widths=8-16-16", "epochs=1 batch=16 widths=8-16-16 members=2")
UNSET: dict[str, type] = {"micro_batch": int, "dropout": float}
"""Settings that the recipe leaves open, with their types."""


@dataclass(frozen=True)
class Variant:
    """What is tried: how it learns, the shape of the network, and how many of it stand abreast."""

    settings: FromScratch
    widths: tuple[int, int, int] = (64, 256, 256)
    convolutions: int = 2
    members: int = 1

    @classmethod
    def read(cls, text: str) -> Variant:
        """Read words such as `epochs=5 widths=128-384-384`; what is not said is as in the recipe `fast`."""
        usual = SCRATCH_RECIPES["fast"].how
        if not isinstance(usual, FromScratch):
            raise SystemExit("the recipe fast trains nothing from scratch")
        shape: dict[str, Any] = {}
        settings: dict[str, Any] = {}
        known = {f.name for f in fields(FromScratch)}
        for word in text.split():
            key, _, value = word.partition("=")
            if key == "widths":
                first, second, third = (int(width) for width in value.split("-"))
                shape[key] = first, second, third
            elif key in ("convolutions", "members"):
                shape[key] = int(value)
            elif key in known:
                settings[key] = UNSET.get(key, type(getattr(usual, key)))(value)
            else:
                names = ", ".join(["widths", "convolutions", "members", *sorted(known)])
                raise SystemExit(f"{word!r} is unknown; known are {names}")
        return cls(replace(usual, **settings), **shape)

    def network(self, classes: int) -> TileNet:
        """Return a network of this shape with random weights."""
        body = lambda: FastCNN(self.widths, self.convolutions)  # noqa: E731
        NETWORKS[NETWORK] = replace(NETWORKS["fast_cnn"], body=body)
        trunk = build_small_trunk(NETWORK, SIDE, self.members)
        return build_network(trunk, classes, small_head(NETWORK, trunk), pick_runtime(trunk=trunk.net))


def logits(net: TileNet, images: Tensor, views: Sequence[str]) -> Tensor:
    """Return each member's logits of the images by view, (V, M, N, K)."""
    parts = []
    with torch.inference_mode(), net.runtime.autocast():
        for at in range(0, len(images), AT_ONCE):
            x = normalise(images[at : at + AT_ONCE], RULE)
            features = [net.pool(net.tapped(VIEWED[view](x))) for view in views]
            parts.append(torch.stack([net.head.each(f).float() for f in features]).cpu())
    return torch.cat(parts, 2)


def judged(train: Pictures, held: Pictures, variant: Variant, seed: int) -> dict[str, float]:
    """Train one variant and return its accuracies on the held-out images and its seconds."""
    torch.manual_seed(seed)
    net = variant.network(int(train[1].max()) + 1)
    data = ScratchData(*train, RULE, np.arange(0))
    begin = time.perf_counter()
    train_from_scratch(net, data, variant.settings, seed=seed, checkpoint=None)
    found = {TIME: time.perf_counter() - begin}
    given = logits(net, held[0], MIRRORS)
    for name, n in SEEN.items():
        each = given[:n].mean(0)
        for some in range(1, variant.members):
            chosen = combinations(range(variant.members), some)
            few = [right(each[list(these)].mean(0), held[1]) for these in chosen]
            found[f"accuracy, {some} of them, mean, {name}"] = statistics.mean(few)
        found[f"accuracy, {name}"] = right(each.mean(0), held[1])
    return found


def right(given: Tensor, labels: Tensor) -> float:
    """Return the share of images (N, K) whose highest logit is their label's."""
    return float((given.argmax(1) == labels).float().mean())


def main() -> None:
    """Run every variant with every seed, in turn."""
    parser = new_parser(__doc__)
    parser.add_argument("--data", type=Path, help="a folder with train/CLASS")
    parser.add_argument(
        "--variants", nargs="+", default=["epochs=5"], metavar="WORDS", help="what each tries"
    )
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--most", type=int, help="pictures of a class, to try the script")
    with begun(parser, "cifar_ways", needs="data") as (args, folder):
        place = smoke_small_pictures(folder) if args.smoke else args.data
        try:
            variants = {said: Variant.read(said) for said in (SMOKE if args.smoke else args.variants)}
        except ValueError as e:
            parser.error(f"--variants: {e}; widths are three numbers, such as 64-256-256")
        train, held = apart(read(place, "train", args.most), 0.2, 0)
        name = name_of(place.glob("train/*/*"))
        for seed in args.seeds:
            for said, variant in variants.items():
                found = judged(train, held, variant, seed)
                rows = [
                    Row("cifar_ways", name, said, seed, metric, value, "s" if metric == TIME else "share")
                    for metric, value in found.items()
                ]
                save(rows, args.output)
                print("; ".join(f"{r.metric} {r.value:.4f}" for r in rows), flush=True)


if __name__ == "__main__":
    main()
