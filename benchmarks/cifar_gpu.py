"""Seconds to 94% on CIFAR-10 on a GPU, beside the package airbench on the same pictures.

Both train in turn in one process, each after a warm-up that compiles what it compiles; timed is what airbench
times: whitening, training, and judging the test images in six views, its own by its own clock and ours by
the wall's. Airbench runs as it comes, or compiled where that is asked for, and is left out with a word where
it is not installed (`pip install airbench`):

    python benchmarks/cifar_gpu.py --data FOLDER --runs 50
"""

from __future__ import annotations

import contextlib
import importlib
import io
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from brightfield.data.decode import decode, to_rgb8
from brightfield.data.preprocessing import Preprocessing
from brightfield.engine.view_names import MIRRORS
from brightfield.learn.network import TileNet, build_network, normalise
from brightfield.learn.recipes import SCRATCH_RECIPES, FromScratch, Recipe
from brightfield.learn.runtime import pick_runtime
from brightfield.learn.scratch import ScratchData, train_from_scratch
from brightfield.learn.small import build_small_trunk, small_head
from record import Row, append
from runs import begun, new_parser, smoke_small_pictures

SIDE = 32
MEAN, STD = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)
AT_ONCE = 2000
JPEG = (".jpg", ".jpeg")


def _moved(x: Tensor, step: int) -> Tensor:
    height, width = x.shape[2:]
    padded = nn.functional.pad(x, (1, 1, 1, 1), mode="reflect")
    return padded[:, :, 1 - step : 1 - step + height, 1 - step : 1 - step + width]


VIEWED: dict[str, Callable[[Tensor], Tensor]] = {
    "plain": lambda x: x,
    "mirror": lambda x: x.flip(3),
    "down right": lambda x: _moved(x, 1),
    "mirror down right": lambda x: _moved(x.flip(3), 1),
    "up left": lambda x: _moved(x, -1),
    "mirror up left": lambda x: _moved(x.flip(3), -1),
}
"""The views of `MIRRORS` in torch, as pictures on a GPU are to stay there."""

AIRBENCH = ("plain", "compiled")
WARM_UP = 10**6  # a seed that is not used again

Pictures = tuple[Tensor, Tensor]
"""Images uint8 (N, 32, 32, 3) and labels int64 (N,)."""

Run = Callable[[int], tuple[float, float]]
"""From a seed to the test accuracy and the seconds it took."""


def read(folder: Path, split: str, most: int | None) -> Pictures:
    """Read a split's class folders, of each at most so many pictures, or the file that airbench keeps."""
    kept = folder / f"{split}.pt"
    if kept.is_file():
        found = torch.load(kept, weights_only=True)
        return found["images"], found["labels"]
    paths, labels = [], []
    for label, name in enumerate(sorted(p.name for p in (folder / split).iterdir() if p.is_dir())):
        some = sorted((folder / split / name).iterdir())[:most]
        paths += some
        labels += [label] * len(some)
    with ThreadPoolExecutor() as pool:
        images = list(pool.map(lambda path: to_rgb8(decode(path)), paths))
    return torch.from_numpy(np.stack(images)), torch.tensor(labels)


def name_of(pictures: Iterable[Path]) -> str:
    """Tell the copy in JPEG from the pictures as published, by the first of them."""
    return "cifar10-jpeg" if any(p.suffix.lower() in JPEG for p in islice(pictures, 1)) else "cifar10"


def apart(pictures: Pictures, share: float, seed: int) -> tuple[Pictures, Pictures]:
    """Return pictures to train on and a share of each class held out."""
    images, labels = pictures
    rng = np.random.default_rng(seed)
    held = np.zeros(len(labels), dtype=bool)
    for label in range(int(labels.max()) + 1):
        rows = np.flatnonzero(labels == label)
        held[rng.choice(rows, round(share * len(rows)), replace=False)] = True
    return (images[~held], labels[~held]), (images[held], labels[held])


def new_network(recipe: Recipe, classes: int) -> TileNet:
    """Return a recipe's network with random weights."""
    trunk = build_small_trunk(recipe.backbone, SIDE)
    return build_network(trunk, classes, small_head(recipe.backbone, trunk), pick_runtime())


def accuracy(net: TileNet, test: Pictures, rule: Preprocessing) -> float:
    """Return the share of test images that the mean logits of six views call right."""
    images, labels = test
    right = torch.zeros((), device=images.device)
    with torch.inference_mode(), net.runtime.autocast():
        for at in range(0, len(images), AT_ONCE):
            x = normalise(images[at : at + AT_ONCE], rule)
            logits = torch.stack([net(VIEWED[view](x)).float() for view in MIRRORS]).mean(0)
            right += (logits.argmax(1) == labels[at : at + AT_ONCE]).sum()
    return float(right) / len(images)


def own_runs(
    train: Pictures, test: Pictures, recipe: Recipe, every: Iterable[FromScratch], mode: str
) -> dict[str, Run]:
    """Return what trains once from a seed, by name; all with one network, compiled in a mode of torch's."""
    rule = Preprocessing(8, SIDE, True, SIDE, 0, MEAN, STD)
    classes = int(train[1].max()) + 1
    net = new_network(recipe, classes)
    device = net.runtime.device
    train, test = (train[0].to(device), train[1].to(device)), (test[0].to(device), test[1].to(device))
    compile_in_place(net.trunk.net, mode)
    data = ScratchData(train[0], train[1], rule, np.arange(0))

    def run(settings: FromScratch, seed: int) -> tuple[float, float]:
        if seed == WARM_UP:  # as many epochs as compile all that there is
            settings = replace(settings, epochs=min(settings.epochs, settings.whitening_epochs + 1))
        torch.manual_seed(seed)
        net.load_state_dict(new_network(recipe, classes).state_dict())  # the compiled network, begun anew
        _wait()
        begin = time.perf_counter()
        train_from_scratch(net, data, settings, seed=seed, checkpoint=None)
        found = accuracy(net, test, rule)
        _wait()
        return found, time.perf_counter() - begin

    said = {settings: f"{recipe.name}, {settings.epochs} epochs{how(mode)}" for settings in every}
    return {name: partial(run, settings) for settings, name in said.items()}


@contextlib.contextmanager
def airbench_runs(
    train: Pictures, test: Pictures, ways: Sequence[str], mode: str
) -> Iterator[Mapping[str, Run]]:
    """Yield the same for airbench, as it comes or compiled; nothing where it is not installed.

    It reads its pictures from the working folder.
    """
    airbench: Any = None
    if ways:
        try:
            airbench = importlib.import_module("airbench")
        except ModuleNotFoundError:
            print("airbench is not installed: only our own time is taken")
    if airbench is None:
        yield {}
        return
    before = Path.cwd()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        try:
            Path("cifar10").mkdir()
            for name, (images, labels) in (("train", train), ("test", test)):
                torch.save({"images": images, "labels": labels, "classes": []}, f"cifar10/{name}.pt")
            augmented = {"flip": True, "translate": 2}  # as its own default is
            loader = airbench.CifarLoader("cifar10", batch_size=1024, aug=augmented, altflip=True)
            nets = {}
            if "plain" in ways:
                nets["airbench94"] = airbench.make_net94
            if "compiled" in ways:
                nets[f"airbench94{how(mode)}"] = compiled_once(airbench.make_net94, mode)
            yield {name: partial(by_its_clock, airbench, loader, net) for name, net in nets.items()}
        finally:
            os.chdir(before)


def compiled_once(make: Callable[[], nn.Module], mode: str) -> Callable[[], nn.Module]:
    """Return what makes one compiled network as if it were new."""
    net = make()
    compile_in_place(net, mode)

    def again() -> nn.Module:
        new = make()
        net.load_state_dict(new.state_dict())
        for p, as_new in zip(net.parameters(), new.parameters(), strict=True):
            p.requires_grad_(as_new.requires_grad)  # training stops the first layer's bias
        return net

    return again


def by_its_clock(
    airbench: Any, loader: Any, make_net: Callable[[], nn.Module], seed: int
) -> tuple[float, float]:
    """Train airbench once and return the accuracy and the seconds that it says itself."""
    torch.manual_seed(seed)
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        airbench.train94(train_loader=loader, make_net=make_net, run=seed, verbose=True)
    last = [line for line in said.getvalue().splitlines() if "eval" in line][-1]
    *_, right, seconds = (cell.strip() for cell in last.strip().strip("|").split("|"))
    return float(right), float(seconds)


def how(mode: str) -> str:
    """Return how a row's name ends."""
    return "" if mode == "none" else f", compiled, {mode}"


def compile_in_place(net: nn.Module, mode: str) -> None:
    """Compile a network on a GPU, unless the mode is `none`."""
    if torch.cuda.is_available() and mode != "none":
        net.compile(mode=mode)


def _wait() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def measure(
    runs: Mapping[str, Run], times: int, dataset: str, output: Path
) -> dict[str, list[tuple[float, float]]]:
    """Return accuracy and seconds of every run by name, all in turn, each written down at once."""
    found: dict[str, list[tuple[float, float]]] = {}
    for seed in (WARM_UP, *range(times)):
        for name, run in runs.items():
            begin = time.perf_counter()
            one = run(seed)
            if seed == WARM_UP:
                print(f"{name}: warmed up in {time.perf_counter() - begin:.0f} s", flush=True)
                continue
            found.setdefault(name, []).append(one)
            values = zip(("accuracy", "training_time"), one, ("share", "s"), strict=True)
            append(output, [Row("cifar_gpu", dataset, name, seed, m, value, u) for m, value, u in values])
    return found


def main() -> None:
    """Run what was asked for."""
    parser = new_parser(__doc__)
    parser.add_argument("--data", type=Path, help="a folder with train/CLASS and test/CLASS, or .pt files")
    parser.add_argument("--recipe", default="fast", choices=("fast", "best"))
    parser.add_argument("--runs", type=int, default=50)
    parser.add_argument("--epochs", type=int, nargs="+", help="instead of the recipe's, each in turn")
    parser.add_argument(
        "--held-out", action="store_true", help="judge a fifth of the training images, not the test's"
    )
    parser.add_argument("--mode", default="reduce-overhead", help="of torch.compile; or none")
    parser.add_argument("--most", type=int, help="pictures of a class, to try the script")
    ours = "as it comes, compiled, or neither"
    parser.add_argument("--airbench", nargs="*", choices=AIRBENCH, default=AIRBENCH[:1], help=ours)
    with begun(parser, "cifar_gpu", needs="data") as (args, folder):
        torch.backends.cudnn.benchmark = True
        place = smoke_small_pictures(folder) if args.smoke else args.data
        ways, mode, times = ((), "none", 1) if args.smoke else (args.airbench, args.mode, args.runs)
        train = read(place, "train", args.most)
        train, test = apart(train, 0.2, 0) if args.held_out else (train, read(place, "test", args.most))
        dataset = name_of(place.glob("train/*/*")) + (", held-out training images" if args.held_out else "")
        recipe = SCRATCH_RECIPES[args.recipe]
        usual = recipe.how
        if not isinstance(usual, FromScratch):
            raise SystemExit(f"the recipe {args.recipe} trains nothing from scratch")
        usual = replace(usual, batch=16, epochs=1) if args.smoke else usual
        every = [replace(usual, epochs=epochs) for epochs in args.epochs or [usual.epochs]]
        with airbench_runs(train, test, ways, mode) as theirs:
            runs = {**own_runs(train, test, recipe, every, mode), **theirs}
            found = measure(runs, times, dataset, args.output)
    for name, pairs in found.items():
        right, seconds = ([pair[i] for pair in pairs] for i in (0, 1))
        mean, middle = statistics.mean(seconds), statistics.median(seconds)
        spread = f"[{min(seconds):.3f}, {max(seconds):.3f}], median {middle:.3f}, n={len(pairs)}"
        print(f"{name}: accuracy {statistics.mean(right):.4f}, {mean:.3f} s in the mean {spread}")


if __name__ == "__main__":
    main()
