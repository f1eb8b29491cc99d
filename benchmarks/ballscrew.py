"""Ball screws in 5 folds by place, at the default working size and squeezed to 224 px as tutorials do.

A place of the screw is never in two parts. `--random` splits without regard to
places, to show what that leaks:

    python benchmarks/ballscrew.py --data FOLDER
"""

from __future__ import annotations

import argparse
import tempfile
from dataclasses import replace
from pathlib import Path

from PIL import Image

from brightfield import TrainOptions
from brightfield.data.dataset import Dataset
from brightfield.data.load import load
from brightfield.data.split import folds
from record import Row
from runs import rows_of, run, save, summary


def squeezed(dataset: Dataset, folder: Path, side: int) -> Dataset:
    """Return copies of the images pressed into a square, whatever their shape, without their masks."""
    samples = []
    for i, sample in enumerate(dataset.samples):
        path = folder / f"{i:05d}.png"
        with Image.open(sample.path) as image:
            image.convert("RGB").resize((side, side), Image.Resampling.BILINEAR).save(path)
        samples.append(replace(sample, path=path, mask=None))
    return dataset.subset(samples)


def main() -> None:
    """Run every fold with every variant in turn."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", required=True, type=Path)
    parser.add_argument("--folds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--variants", nargs="+", default=["default", "squeezed 224"])
    parser.add_argument("--random", action="store_true")
    parser.add_argument("--output", type=Path)
    args = parser.parse_args()
    dataset = load(args.data / "manifest.csv")
    if args.random:
        dataset = dataset.subset(replace(s, group=None) for s in dataset.samples)
    name = "ballscrew, random folds" if args.random else "ballscrew, folds by place"
    every: list[Row] = []
    with tempfile.TemporaryDirectory() as folder:
        variants = {
            "default": (dataset, TrainOptions()),
            "default without masks": (
                dataset.subset(replace(s, mask=None) for s in dataset.samples),
                TrainOptions(),
            ),
            "squeezed 224": (None, TrainOptions(own={"image_size": 224})),
        }
        for fold in args.folds:
            for variant in args.variants:
                images, options = variants[variant]
                if images is None:
                    images = squeezed(dataset, Path(folder), 224)
                rows = rows_of(
                    run(folds(images, 5, 0, calibration=0.0)[fold], options), "ballscrew", name, variant, fold
                )
                save("ballscrew", rows, args.output)
                every += rows
    summary(every)


if __name__ == "__main__":
    main()
