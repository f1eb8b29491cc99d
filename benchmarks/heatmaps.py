"""Heatmaps against masks: Grad-CAM of the last convolution, of all maps, element-wise, and both.

python benchmarks/heatmaps.py                      synthetic parts
python benchmarks/heatmaps.py --data FOLDER        a data set with masks and groups, such as ballscrew
python benchmarks/heatmaps.py --data FOLDER --development     on a share of its training images, to choose by
python benchmarks/heatmaps.py --tiles FOLDER --groups CSV     magnetic tiles, no tile in two splits
python benchmarks/heatmaps.py --screw FOLDER                  MVTec's screw, shared out anew
python benchmarks/heatmaps.py ... --good 200 --defective 100  trained on so many of either kind at the most

Both are measured with maps added as they are by default, and with their signs; and weighed by how unlike
good parts each place is. How well the probability tells defective images from good ones is written beside, as
it says how hot a heatmap is. Then the head's layers are made random, last to first
(Adebayo et al., Sanity checks for saliency maps, 2018): how alike the maps stay is their rank correlation.
"""

from __future__ import annotations

import argparse
import copy
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy.stats import spearmanr
from sklearn.metrics import roc_auc_score

from brightfield import Dataset, Inspector
from brightfield.data.dataset import Sample
from brightfield.data.load import load
from brightfield.data.masks import read_mask
from brightfield.data.split import folds, resplit, split
from brightfield.data.synthetic import make_parts
from brightfield.decide.pixel_threshold import HeatCounts, best_dice
from brightfield.engine.heat import SMOOTHING, grad_cam
from brightfield.engine.resample import resampled, spreading
from brightfield.evaluation.pixels import PixelMeter
from brightfield.methods.classifier.fitted import Classifier
from defect_sets import magnetic_tiles, screw
from record import Row, append
from runs import begun, for_development, new_parser, options, run, smoke_parts
from weighed_heat import Weighed, good_patches

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
WEIGHED = "geometric mean of both, weighed by good parts"

EACH = 8  # pixels between those by which two maps are compared
MOST_GOOD, MOST_MASKED = 30, 60  # training images by which the pixel threshold is chosen
MOST_RANDOM = 24  # images whose maps are compared


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
    judge = inspector.method
    if not isinstance(judge, Classifier):
        raise SystemExit(f"the method {judge.name} is no classifier, and has one kind of heatmap")
    test = dataset.split("test").samples
    probabilities = [v.probability for v in inspector.inspect_many(s.path for s in test)]
    told = roc_auc_score([s.label != dataset.normal for s in test], probabilities)
    rows = [Row("heatmaps", name, "the probability", seed, "image_auroc", float(told), "share")]
    kinds: dict[str, Classifier] = {kind: Explained(judge, function) for kind, function in KINDS.items()}
    kinds[WEIGHED] = Weighed(judge, good_patches(judge, dataset, seed))
    for kind, method in kinds.items():
        values = figures(replace(inspector, method=method), dataset)
        if kind in ("geometric mean of both (default)", WEIGHED):
            values |= randomised(replace(inspector, method=method), dataset, seed)
        rows += [
            Row("heatmaps", name, kind, seed, metric, value, "share") for metric, value in values.items()
        ]
        print(kind, {k: round(v, 4) for k, v in values.items()}, flush=True)
    return rows


def figures(inspector: Inspector, dataset: Dataset) -> dict[str, float]:
    """Return how well an inspector's heatmaps find the masks of the test split."""
    meter, hits = PixelMeter(), []
    threshold = pixel_threshold(inspector, dataset)
    for sample in known(dataset, "test"):
        heatmap = inspector.inspect(sample.path).heatmap
        if heatmap is None:
            continue
        mask = None if sample.mask is None else read_mask(sample.mask)
        meter.update(heatmap, mask, found=heatmap >= threshold)
        if mask is not None and mask.any():  # a good part may have an empty one
            y, x = np.unravel_index(int(heatmap.argmax()), heatmap.shape)
            near = mask[max(0, y - NEAR) : y + NEAR + 1, max(0, x - NEAR) : x + NEAR + 1]
            hits.append(bool(near.any()))
    found = meter.result()
    values = {"pixel_auroc": found.auroc, "aupro": found.aupro, "iou_at_pixel_threshold": found.iou}
    shown = {name: float(value) for name, value in values.items() if value is not None}
    return {**shown, "hottest_on_defect": float(np.mean(hits))}


def known(dataset: Dataset, name: str) -> list[Sample]:
    """Return the images of a split of which it is known where they are defective."""
    return [s for s in dataset.split(name).samples if s.mask is not None or s.label == dataset.normal]


def pixel_threshold(inspector: Inspector, dataset: Dataset) -> float:
    """Return the heat with the greatest Dice on training images, as training chooses it."""
    counts = HeatCounts()
    samples = known(dataset, "train")
    good = [s for s in samples if s.label == dataset.normal]
    masked = [s for s in samples if s.label != dataset.normal]
    for kind, most in ((good, MOST_GOOD), (masked, MOST_MASKED)):
        some = kind[:: -(-len(kind) // most)]
        for sample in some:
            heatmap = inspector.inspect(sample.path).heatmap
            if heatmap is not None:
                shares = None if sample.mask is None else read_mask(sample.mask).astype(np.float64).ravel()
                counts.add(heatmap.ravel(), shares, len(kind) / len(some))
    best = best_dice(counts)
    return 1.0 if best is None else best


def randomised(inspector: Inspector, dataset: Dataset, seed: int) -> dict[str, float]:
    """Return the rank correlation of heatmaps with those after the head's last layers were made random."""
    judge = inspector.method
    if not isinstance(judge, Classifier):
        raise SystemExit(f"the method {judge.name} has no head")
    defective = [s.path for s in known(dataset, "test") if s.label != dataset.normal]
    defective = defective[:: -(-len(defective) // MOST_RANDOM)]
    before = [_coarse(inspector, path) for path in defective]
    rng = np.random.default_rng(seed)
    weights, out = list(judge.head.weights), {}
    for number, layer in enumerate(reversed(range(len(weights))), 1):
        w = weights[layer]
        weights[layer] = (w.std() * rng.standard_normal(w.shape)).astype(np.float32)
        method = copy.copy(judge)
        method.head = replace(judge.head, weights=tuple(weights))
        other = replace(inspector, method=method)
        alike = [spearmanr(b, _coarse(other, p)).statistic for b, p in zip(before, defective, strict=True)]
        out[f"correlation_{number}_layers_random"] = float(np.nanmean(alike))
    return out


def _coarse(inspector: Inspector, path: Path) -> FloatArray:
    """Return a picture's heatmap at every few pixels, (n,)."""
    heatmap = inspector.inspect(path).heatmap
    if heatmap is None:
        raise SystemExit(f"{path} has no heatmap")
    return np.asarray(heatmap[::EACH, ::EACH].ravel())


def fewer(dataset: Dataset, good: int | None, defective: int | None, seed: int) -> Dataset:
    """Return a data set with at most so many good and defective training images, drawn at random."""
    rng = np.random.default_rng(seed)
    dropped: set[str] = set()
    for is_good, most in ((True, good), (False, defective)):
        kind = [s for s in dataset.split("train").samples if (s.label == dataset.normal) == is_good]
        if most is not None:
            dropped |= {kind[i].image for i in rng.permutation(len(kind))[most:]}
    return dataset.subset(s for s in dataset.samples if s.split != "train" or s.image not in dropped)


def main() -> None:
    """Train once and measure every kind of heatmap on the same inspector."""
    parser = new_parser(__doc__)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--tiles", type=Path, help="the magnetic tiles, with --groups")
    parser.add_argument("--groups", type=Path, help="a CSV `image,group`: which pictures show the same tile")
    parser.add_argument("--screw", type=Path, help="MVTec's screw")
    parser.add_argument("--good", type=int, help="the most good training images")
    parser.add_argument("--defective", type=int, help="the most defective training images")
    parser.add_argument("--development", action="store_true", help="leave the test images out")
    parser.add_argument("--seed", type=int, default=0)
    with begun(parser, "heatmaps") as (args, folder):
        dataset, name = shared_out(args, folder)
        if args.development:
            dataset, name = for_development(dataset, args.seed), f"{name}, a share of the training images"
        dataset = fewer(dataset, args.good, args.defective, args.seed)
        inspector = run(dataset, options(args, {"seed": args.seed})).inspector
        append(args.output, measure(inspector, dataset, name, args.seed))


def shared_out(args: argparse.Namespace, folder: Path) -> tuple[Dataset, str]:
    """Return the data set with its splits, and what the rows call it."""
    if args.tiles is not None and not args.smoke:
        tiles = magnetic_tiles(args.tiles, args.groups, 0)
        return folds(resplit(tiles), 5, 0, calibration=0.0)[args.seed], tiles.name
    if args.screw is not None and not args.smoke:
        return folds(resplit(screw(args.screw)), 3, 0, calibration=0.0)[args.seed], "screw, 3 folds"
    if args.data is not None and not args.smoke:
        return folds(load(args.data), 5, 0, calibration=0.0)[args.seed], args.data.name
    if args.smoke:
        return split(smoke_parts(folder), test=0.25, calibration=0.0, seed=args.seed), "synthetic"
    parts = make_parts(folder / "parts", n_ok=140, n_defect=80, size=(260, 380), defect_px=26, seed=args.seed)
    name = "synthetic 380x260, defects of 26 px"
    return split(parts, test=0.25, calibration=0.0, seed=args.seed), name


if __name__ == "__main__":
    main()
