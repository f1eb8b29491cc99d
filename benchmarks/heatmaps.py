"""Heatmaps against masks: Grad-CAM of the last convolution, of all maps, element-wise, and both (default).

python benchmarks/heatmaps.py                      synthetic parts
python benchmarks/heatmaps.py --data FOLDER        a data set with masks and groups, such as ballscrew
python benchmarks/heatmaps.py --data FOLDER --development     on a share of its training images, to choose by

Both are measured with maps added as they are by default, and with their signs. How well the probability tells
defective images from good ones is written beside, as it says how hot a heatmap is.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
from sklearn.metrics import roc_auc_score

from brightfield import Dataset, Inspector
from brightfield.data.load import load
from brightfield.data.masks import read_mask
from brightfield.data.split import folds, split
from brightfield.data.synthetic import make_parts
from brightfield.engine.heat import SMOOTHING, grad_cam
from brightfield.engine.resample import resampled, spreading
from brightfield.evaluation.pixels import PixelMeter
from brightfield.methods.classifier.fitted import Classifier
from record import Row, append
from runs import begun, for_development, new_parser, options, run, smoke_parts

NEAR = 10  # pixels that the hottest place may lie beside the mask

FloatArray = npt.NDArray[np.float32]
Maps = Sequence[FloatArray]
Kind = Callable[[Maps, Maps, int, Sequence[FloatArray | None]], FloatArray]
"""From maps, the score's gradients, the tile's side and the channels' usual values to activation maps."""


def last_only(maps: Maps, gradients: Maps, size: int, calm: Sequence[FloatArray | None]) -> FloatArray:
    """Return Grad-CAM of the deepest map alone, the others held fixed."""
    return grad_cam(maps[-1:], gradients[-1:], size, calm[-1:], weights="map")


def signed(maps: Maps, gradients: Maps, size: int, calm: Sequence[FloatArray | None]) -> FloatArray:
    """Return the default's mean of both, with maps added by their signs: one can hide what another found."""
    total = np.zeros((len(maps[0]), 2, size, size), dtype=np.float32)
    for m, gradient, usual in zip(maps, gradients, calm, strict=True):
        activation = m if usual is None else m - usual[:, None, None]
        by_map = (gradient.mean((2, 3), keepdims=True) * activation).sum(1)
        by_place = (gradient * activation).sum(1)
        spread = spreading(m.shape[2], size, SMOOTHING * size)
        both = np.stack([by_map, by_place], 1) * m[0, 0].size  # (N, 2, H, W)
        total += resampled(both.astype(np.float32), spread, spread)
    total = total.clip(min=0)
    return np.asarray(np.sqrt(total[:, 0] * total[:, 1]))


KINDS: dict[str, Kind] = {
    "Grad-CAM, last convolution": last_only,
    "Grad-CAM, all maps": partial(grad_cam, weights="map"),
    "element-wise, all maps": partial(grad_cam, weights="place"),
    "geometric mean of both, maps added with their signs": signed,
    "geometric mean of both (default)": grad_cam,
}


class Explained(Classifier):
    """A classifier that explains itself by another kind of heatmap."""

    def __init__(self, judge: Classifier, kind: Kind) -> None:
        super().__init__(
            judge.trunk,
            judge.head,
            judge.preprocessing,
            normal=judge.normal,
            views=judge.views,
            backbone=judge.backbone,
        )
        self.kind = kind

    def cam(self, maps: Maps, gradients: Maps, calm: Sequence[FloatArray | None]) -> FloatArray:
        """Return the activation maps of tiles, of this kind."""
        return self.kind(maps, gradients, self.preprocessing.tile, calm)


def measure(inspector: Inspector, dataset: Dataset, name: str, seed: int) -> list[Row]:
    """Return the figures of every kind of heatmap on the test split."""
    if not isinstance(inspector.method, Classifier):
        raise SystemExit(f"the method {inspector.method.name} is no classifier, and has one kind of heatmap")
    test = dataset.split("test").samples
    probabilities = [v.probability for v in inspector.inspect_many(s.path for s in test)]
    told = roc_auc_score([s.label != dataset.normal for s in test], probabilities)
    rows = [Row("heatmaps", name, "the probability", seed, "image_auroc", float(told), "share")]
    for kind, function in KINDS.items():
        values = figures(replace(inspector, method=Explained(inspector.method, function)), dataset)
        rows += [
            Row("heatmaps", name, kind, seed, metric, value, "share") for metric, value in values.items()
        ]
        print(kind, {k: round(v, 4) for k, v in values.items()}, flush=True)
    return rows


def figures(inspector: Inspector, dataset: Dataset) -> dict[str, float]:
    """Return how well an inspector's heatmaps find the masks of the test split."""
    meter, hits = PixelMeter(), []
    for sample in dataset.split("test").samples:
        if sample.mask is None and sample.label != dataset.normal:
            continue  # where its defect is, nobody knows
        heatmap = inspector.inspect(sample.path).heatmap
        if heatmap is None:
            continue
        mask = None if sample.mask is None else read_mask(sample.mask)
        meter.update(heatmap, mask)
        if mask is not None and mask.any():  # a good part may have an empty one
            y, x = np.unravel_index(int(heatmap.argmax()), heatmap.shape)
            near = mask[max(0, y - NEAR) : y + NEAR + 1, max(0, x - NEAR) : x + NEAR + 1]
            hits.append(bool(near.any()))
    found = meter.result()
    values = {"pixel_auroc": found.auroc, "aupro": found.aupro, "iou": found.iou}
    shown = {name: float(value) for name, value in values.items() if value is not None}
    return {**shown, "hottest_on_defect": float(np.mean(hits))}


def main() -> None:
    """Train once and measure every kind of heatmap on the same inspector."""
    parser = new_parser(__doc__)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--development", action="store_true", help="leave the test images out")
    parser.add_argument("--seed", type=int, default=0)
    with begun(parser, "heatmaps") as (args, folder):
        dataset, name = shared_out(args, folder)
        if args.development:
            dataset, name = for_development(dataset, args.seed), f"{name}, a share of the training images"
        inspector = run(dataset, options(args, {"seed": args.seed})).inspector
        append(args.output, measure(inspector, dataset, name, args.seed))


def shared_out(args: argparse.Namespace, folder: Path) -> tuple[Dataset, str]:
    """Return the data set with its splits, and what the rows call it."""
    if args.data is not None and not args.smoke:
        return folds(load(args.data), 5, 0, calibration=0.0)[args.seed], args.data.name
    if args.smoke:
        return split(smoke_parts(folder), test=0.25, calibration=0.0, seed=args.seed), "synthetic"
    parts = make_parts(folder / "parts", n_ok=140, n_defect=80, size=(260, 380), defect_px=26, seed=args.seed)
    name = "synthetic 380x260, defects of 26 px"
    return split(parts, test=0.25, calibration=0.0, seed=args.seed), name


if __name__ == "__main__":
    main()
