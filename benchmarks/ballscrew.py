"""Ball screws in 5 folds by place, at the default working size and squeezed to 224 px as tutorials do.

A place of the screw is never in two splits. `--random` splits without regard to places, to show what that
leaks:

    python benchmarks/ballscrew.py --data FOLDER
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from PIL import Image

from brightfield.data.dataset import Dataset
from brightfield.data.load import load
from brightfield.data.split import folds
from record import Row
from runs import begun, new_parser, options, rows_of, run, save, smoke_parts, summary

VARIANTS = ("default", "default without masks", "squeezed 224")


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
    parser = new_parser(__doc__)
    parser.add_argument("--data", type=Path, help="a folder with a manifest.csv")
    parser.add_argument("--folds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--variants", nargs="+", default=["default", "squeezed 224"], choices=VARIANTS)
    parser.add_argument("--random", action="store_true", help="split without regard to places")
    every: list[Row] = []
    with begun(parser, "ballscrew", needs="data") as (args, folder):
        dataset = smoke_parts(folder) if args.smoke else load(args.data / "manifest.csv")
        if args.random:
            dataset = dataset.subset(replace(s, group=None) for s in dataset.samples)
        name = f"{dataset.name}, {'random folds' if args.random else 'folds by place'}"
        for fold in args.folds[:1] if args.smoke else args.folds:
            for variant in args.variants:
                images, own = dataset, {}
                if variant == "default without masks":
                    images = dataset.subset(replace(s, mask=None) for s in dataset.samples)
                elif variant == "squeezed 224":
                    images, own = squeezed(dataset, folder, 224), {"image_size": 224}
                shared_out = folds(images, 5, 0, calibration=0.0)[fold]
                rows = rows_of(run(shared_out, options(args, own)), "ballscrew", name, variant, fold)
                save(rows, args.output)
                every += rows
    summary(every)


if __name__ == "__main__":
    main()
