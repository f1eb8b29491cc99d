"""Heatmaps against masks: Grad-CAM of the last convolution, of all maps, element-wise, and both (default).

python benchmarks/heatmaps.py                      synthetic parts
python benchmarks/heatmaps.py --data FOLDER        a data set with masks and groups, such as ballscrew
python benchmarks/heatmaps.py --data FOLDER --development     on a part of its training images, to choose by

Both are measured with maps added as they are by default, and with their signs. How well the probability tells
defective images from good ones is written beside, as it says how hot a heatmap is.
"""

from __future__ import annotations

import argparse
import tempfile
from functools import partial
from pathlib import Path

import numpy as np
import torch
from brightfield.models.cam import SMOOTHING, grad_cam
from sklearn.metrics import roc_auc_score
from torchvision.transforms.v2.functional import gaussian_blur

from brightfield import Dataset, Inspector, TrainOptions
from brightfield.data.decode import read_mask
from brightfield.data.load import load
from brightfield.data.split import folds, split
from brightfield.data.synthetic import make_parts
from brightfield.evaluation.pixels import PixelMeter
from brightfield.methods import classifier
from record import RESULTS, Row, append
from runs import for_development, run

NEAR = 10  # pixels that the hottest place may lie beside the mask


def last_only(maps, score, size, calm=None):  # type: ignore[no-untyped-def]
    """Grad-CAM of the deepest map alone, the others held fixed."""

    def of_last(leaves):  # type: ignore[no-untyped-def]
        return score([m.clone() for m in maps[:-1]] + leaves)

    return grad_cam(maps[-1:], of_last, size, None if calm is None else calm[-1:], weights="map")


def signed(maps, score, size, calm=None):  # type: ignore[no-untyped-def]
    """The default's mean of both, but maps add up with their signs: one can hide what another found."""
    leaves = [m.detach().clone().float().requires_grad_(True) for m in maps]
    with torch.enable_grad():
        gradients = torch.autograd.grad(score(leaves).sum(), leaves)
    total = 0.0
    for i, (leaf, gradient) in enumerate(zip(leaves, gradients, strict=True)):
        activation = leaf.detach() - (0.0 if calm is None or calm[i] is None else calm[i][:, None, None])
        whole = gradient.mean((2, 3), keepdim=True)
        both = torch.stack([(w * activation).sum(1) for w in (whole, gradient)], 1) * leaf[0, 0].numel()
        total = total + torch.nn.functional.interpolate(both, (size, size), mode="bilinear")
    side = 2 * round(1.5 * SMOOTHING * size) + 1
    return gaussian_blur(total, [side, side], [SMOOTHING * size]).clamp_min(0).prod(1).sqrt()


KINDS = {
    "Grad-CAM, last convolution": last_only,
    "Grad-CAM, all maps": partial(grad_cam, weights="map"),
    "element-wise, all maps": partial(grad_cam, weights="place"),
    "geometric mean of both, maps added with their signs": signed,
    "geometric mean of both (default)": grad_cam,
}


def measure(inspector: Inspector, dataset: Dataset, name: str, seed: int) -> list[Row]:
    """Return the figures of every kind of heatmap on the test split."""
    verdicts = [(s, inspector.inspect(s.path, explain=False)) for s in dataset.split("test").samples]
    told = roc_auc_score(
        [s.label != dataset.normal for s, _ in verdicts], [v.probability for _, v in verdicts]
    )
    rows = [Row("heatmaps", name, "the probability", seed, "image_auroc", float(told), "share")]
    for kind, function in KINDS.items():
        classifier.grad_cam = function
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
                hits.append(
                    bool(mask[max(0, y - NEAR) : y + NEAR + 1, max(0, x - NEAR) : x + NEAR + 1].any())
                )
        found = meter.result().as_dict()
        values = {"pixel_auroc": found["auroc"], "aupro": found["aupro"], "iou": found["iou"]}
        values["hottest_on_defect"] = np.mean(hits)
        rows += [Row("heatmaps", name, kind, seed, metric, float(v), "share") for metric, v in values.items()]
        print(kind, {k: round(float(v), 4) for k, v in values.items()}, flush=True)
    classifier.grad_cam = grad_cam
    return rows


def main() -> None:
    """Train once and measure every kind of heatmap on the same inspector."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path)
    parser.add_argument("--development", action="store_true", help="leave the test images out")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path, default=RESULTS / "heatmaps.csv")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if args.data is None:
            name = "synthetic 380x260, defects of 26 px"
            parts = make_parts(
                Path(folder) / "parts", n_ok=140, n_defect=80, size=(260, 380), defect_px=26, seed=args.seed
            )
            dataset = split(parts, test=0.25, calibration=0.0, seed=args.seed)
        else:
            name = args.data.name
            dataset = folds(load(args.data), 5, 0, calibration=0.0)[args.seed]
        if args.development:
            dataset, name = for_development(dataset, args.seed), f"{name}, part of the training images"
        inspector = run(dataset, TrainOptions(seed=args.seed)).inspector
        append(args.output, measure(inspector, dataset, name, args.seed))


if __name__ == "__main__":
    main()
