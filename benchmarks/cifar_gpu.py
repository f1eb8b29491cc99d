"""Seconds to 94% on CIFAR-10 on a GPU, beside the package airbench on the same pictures.

Both train in turn in one process, each after a warm-up that compiles what it compiles; timed is what airbench
times: whitening, training, and judging the test images in six views. Needs torch, numpy and Pillow; airbench
(`pip install airbench`) is left out with a word where it is not installed:

    python benchmarks/cifar_gpu.py --data FOLDER --runs 50
"""

from __future__ import annotations

import argparse
import contextlib
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from brightfield.data.decode import decode, to_rgb8
from brightfield.data.preprocessing import Preprocessing
from brightfield.models.network import TileNet, build_network, normalise
from brightfield.models.runtime import pick_runtime
from brightfield.models.small import build_small_trunk, small_head
from brightfield.models.views import MIRRORS, VIEWS
from brightfield.training.recipes import SCRATCH_RECIPES, FromScratch
from brightfield.training.scratch import Pupils, train_from_scratch
from record import RESULTS, Row, append

SIDE = 32
MEAN, STD = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)
AT_ONCE = 2000

Pictures = tuple[Tensor, Tensor]
"""Images uint8 (N, 32, 32, 3) and labels int64 (N,)."""


def read(folder: Path, part: str, most: int | None) -> Pictures:
    """Read a part's class folders; of each class at the most so many pictures."""
    images, labels = [], []
    for label, name in enumerate(sorted(p.name for p in (folder / part).iterdir() if p.is_dir())):
        for path in sorted((folder / part / name).iterdir())[:most]:
            images.append(to_rgb8(decode(path)))
            labels.append(label)
    return torch.from_numpy(np.stack(images)), torch.tensor(labels)


def new_network(classes: int) -> TileNet:
    """Return a network with random weights."""
    trunk = build_small_trunk("fast_cnn", SIDE)
    return build_network(trunk, classes, small_head("fast_cnn", trunk), pick_runtime())


def accuracy(net: TileNet, test: Pictures, rule: Preprocessing) -> float:
    """Return the share of test images that the mean logits of six views call right."""
    images, labels = test
    right = torch.zeros((), device=images.device)
    with torch.inference_mode(), net.runtime.autocast():
        for at in range(0, len(images), AT_ONCE):
            x = normalise(images[at : at + AT_ONCE], rule)
            logits = torch.stack([net(VIEWS[view](x)).float() for view in MIRRORS]).mean(0)
            right += (logits.argmax(1) == labels[at : at + AT_ONCE]).sum()
    return float(right) / len(images)


def own_runs(train: Pictures, test: Pictures, settings: FromScratch) -> Callable[[int], float]:
    """Return what trains once from a seed and returns the test accuracy."""
    rule = Preprocessing(8, SIDE, True, SIDE, 0, MEAN, STD)
    classes = int(train[1].max()) + 1
    net = new_network(classes)
    device = net.runtime.device
    train, test = (train[0].to(device), train[1].to(device)), (test[0].to(device), test[1].to(device))
    if device == "cuda":
        net.trunk.net.blocks.compile(mode="max-autotune")
    pupils = Pupils(train[0], train[1], rule, np.arange(0))

    def run(seed: int) -> float:
        torch.manual_seed(seed)
        net.load_state_dict(new_network(classes).state_dict())  # the compiled network, begun anew
        train_from_scratch(net, pupils, settings, seed=seed, checkpoint=None)
        return accuracy(net, test, rule)

    return run


@contextlib.contextmanager
def airbench_runs(train: Pictures, test: Pictures) -> Iterator[Callable[[int], float] | None]:
    """Yield the same for airbench, which reads its pictures from the working folder; None without it."""
    try:
        import airbench
    except ModuleNotFoundError:
        print("airbench is not installed: only our own time is taken")
        yield None
        return
    before = Path.cwd()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        try:
            Path("cifar10").mkdir()
            for name, (images, labels) in (("train", train), ("test", test)):
                torch.save({"images": images, "labels": labels, "classes": []}, f"cifar10/{name}.pt")
            judged: Any = airbench.CifarLoader("cifar10", train=False, batch_size=AT_ONCE)

            def run(_seed: int) -> float:
                return float(airbench.evaluate(airbench.train94(verbose=False), judged, tta_level=2))

            yield run
        finally:
            os.chdir(before)


def timed(run: Callable[[int], float], seed: int) -> tuple[float, float]:
    """Return the accuracy of a run and its seconds."""
    _wait()
    begin = time.perf_counter()
    found = run(seed)
    _wait()
    return found, time.perf_counter() - begin


def _wait() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def main() -> None:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="a folder with train/CLASS and test/CLASS")
    parser.add_argument("--runs", type=int, default=50)
    parser.add_argument("--epochs", type=int, help="instead of the recipe's")
    parser.add_argument("--most", type=int, help="pictures of a class, to try the script")
    parser.add_argument("--output", type=Path, default=RESULTS / "cifar_gpu.csv")
    args = parser.parse_args()
    torch.backends.cudnn.benchmark = True
    train, test = (read(args.data, part, args.most) for part in ("train", "test"))
    settings = SCRATCH_RECIPES["fast"].from_scratch
    if settings is None:
        raise SystemExit("the recipe fast trains nothing from scratch")
    if args.epochs:
        settings = replace(settings, epochs=args.epochs)
    found: dict[str, list[tuple[float, float]]] = {}
    with airbench_runs(train, test) as theirs:
        both = {f"fast, {settings.epochs} epochs": own_runs(train, test, settings), "airbench94": theirs}
        for seed in range(-1, args.runs):
            for name, run in both.items():
                if run is None:
                    continue
                one = timed(run, max(0, seed))
                if seed < 0:
                    continue  # the warm-up
                found.setdefault(name, []).append(one)
                append(
                    args.output,
                    [
                        Row("cifar_gpu", "cifar10-jpeg", name, seed, "accuracy", one[0], "share"),
                        Row("cifar_gpu", "cifar10-jpeg", name, seed, "training_time", one[1], "s"),
                    ],
                )
    for name, pairs in found.items():
        right, seconds = ([pair[i] for pair in pairs] for i in (0, 1))
        print(f"{name}: accuracy {statistics.mean(right):.4f}, median {statistics.median(seconds):.3f} s")


if __name__ == "__main__":
    main()
