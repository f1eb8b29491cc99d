"""Epochs over the same images: a PyTorch DataLoader with PIL transforms against the pixel cache.

Both sides give float32 batches (B, 3, H, W), normalised alike, of the same size, in an order shuffled alike.
They run in turn, several times, in this one process (the DataLoader with its workers below it):

    python benchmarks/decoding.py --data elpv
    python benchmarks/decoding.py --data FOLDER --size 224 448 --images 300
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

from brightfield.data.cache import PixelCache, build_cache
from brightfield.data.preprocessing import Preprocessing
from record import Row, append
from runs import begun, data, new_parser

MEAN = STD = (0.5, 0.5, 0.5)
Epoch = Callable[[int], Iterator[torch.Tensor]]


class Files(Dataset[torch.Tensor]):
    """The images as tutorials read them: opened, resized and converted anew every time."""

    def __init__(self, paths: Sequence[Path], size: tuple[int, int]) -> None:
        self.paths = paths
        self.transform = transforms.Compose(
            [transforms.Resize(size), transforms.ToTensor(), transforms.Normalize(MEAN, STD)]
        )

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, i: int) -> torch.Tensor:
        with Image.open(self.paths[i]) as image:
            tensor: torch.Tensor = self.transform(image.convert("RGB"))
        return tensor


def loader_epoch(paths: Sequence[Path], size: tuple[int, int], batch: int, workers: int) -> Epoch:
    """Return an epoch from files; the workers live on between epochs, which is the loader's best case."""
    loader = DataLoader(
        Files(paths, size), batch, shuffle=True, num_workers=workers, persistent_workers=workers > 0
    )

    def epoch(seed: int) -> Iterator[torch.Tensor]:
        torch.manual_seed(seed)
        yield from loader

    return epoch


def cache_epoch(cache: PixelCache, batch: int) -> Epoch:
    """Return an epoch from the cache; each batch is valid until the next, as they share their memory."""
    pixels = np.empty((1, *cache.shapes[0]), dtype=np.uint8)
    floats = torch.empty((batch, *cache.shapes[0]))

    def epoch(seed: int) -> Iterator[torch.Tensor]:
        order = np.random.default_rng(seed).permutation(len(cache))
        for start in range(0, len(order), batch):
            indices = order[start : start + batch].tolist()
            for row, i in zip(floats, indices, strict=False):  # one by one, to stay in the processor's cache
                row.copy_(torch.from_numpy(cache.batch([i], out=pixels)[0]))
                row.mul_(1 / (255 * STD[0])).sub_(MEAN[0] / STD[0])
            # (B, H, W, 3) -> (B, 3, H, W), channels last in memory, which is what convolutions want
            yield floats[: len(indices)].permute(0, 3, 1, 2)

    return epoch


def check_alike(epochs: Sequence[Epoch]) -> None:
    """Refuse to compare epochs that do not show the same pictures: their means differ by resampling only."""
    means = [torch.cat([batch.mean(dim=(1, 2, 3)) for batch in epoch(0)]).mean().item() for epoch in epochs]
    if max(means) - min(means) > 0.01:
        raise RuntimeError(f"the epochs differ: their mean values are {means}")


def seconds(epoch: Epoch, seed: int, n: int) -> float:
    """Return the time of one epoch, having seen that it gave every image."""
    start = time.perf_counter()
    given = sum(len(batch) for batch in epoch(seed))
    elapsed = time.perf_counter() - start
    if given != n:
        raise RuntimeError(f"an epoch gave {given} of {n} images")
    return elapsed


def measure(
    paths: Sequence[Path], side: int, folder: Path, args: argparse.Namespace
) -> dict[str, list[float]]:
    """Return the seconds of each variant's epochs, after one that warms each up."""
    start = time.perf_counter()
    rule = Preprocessing(8, side, True, side, 0, MEAN, STD)
    cache = build_cache(paths, rule=rule, folder=folder)
    times = {"cache, first epoch": [time.perf_counter() - start]}
    height, width, _ = cache.shapes[0]
    variants = {
        "DataLoader, 0 workers": loader_epoch(paths, (height, width), args.batch, 0),
        "DataLoader, 2 workers": loader_epoch(paths, (height, width), args.batch, 2),
        "cache": cache_epoch(cache, args.batch),
    }
    check_alike(list(variants.values()))
    times |= {name: [] for name in variants}
    for repeat in range(args.repeats + 1):
        for name, epoch in variants.items():
            elapsed = seconds(epoch, repeat, len(paths))
            if repeat:
                times[name].append(elapsed)
    return times


def one_shape(paths: Sequence[Path], limit: int) -> list[Path]:
    """Return the images of the commonest size, at most so many, for the loader can only batch one size."""
    sizes: dict[tuple[int, int], list[Path]] = {}
    for path in paths:
        with Image.open(path) as image:
            sizes.setdefault(image.size, []).append(path)
    return max(sizes.values(), key=len)[:limit]


def main() -> None:
    """Measure, print and record."""
    parser = new_parser(__doc__)
    parser.add_argument("--data", default="elpv", help="a folder, a manifest or a name of the catalog")
    parser.add_argument("--size", type=int, nargs="+", default=[224], help="working long sides in pixels")
    parser.add_argument("--images", type=int, default=10**9, help="at most so many images")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--repeats", type=int, default=3)
    with begun(parser, "decoding") as (args, folder):
        if args.smoke:
            args.size, args.images, args.repeats = [64], 16, 1
        dataset = data(args, args.data, folder)
        paths = one_shape([sample.path for sample in dataset.samples], args.images)
        for side in args.size:
            times = measure(paths, side, folder / str(side), args)
            append(args.output, rows_of(dataset.name, side, times))
            print(f"{dataset.name}, {len(paths)} images, long side {side} px")
            for name, of in times.items():
                print(f"  {name}: {statistics.median(of):.3f} s ({min(of):.3f}-{max(of):.3f})")
            print(f"  the cache is {speedup(times):.1f} times as fast as the faster DataLoader")


def speedup(times: dict[str, list[float]]) -> float:
    """Return how many times as fast as the faster DataLoader the cache is."""
    loaders = (statistics.median(times[f"DataLoader, {n} workers"]) for n in (0, 2))
    return min(loaders) / statistics.median(times["cache"])


def rows_of(dataset: str, side: int, times: dict[str, list[float]]) -> list[Row]:
    """Return the rows of every epoch of every variant, and how they compare."""
    rows = [
        Row("decoding", dataset, f"{name}, {side} px", i, "epoch", value, "s")
        for name, of in times.items()
        for i, value in enumerate(of)
    ]
    return [*rows, Row("decoding", dataset, f"cache, {side} px", -1, "speedup", speedup(times), "x")]


if __name__ == "__main__":
    main()
