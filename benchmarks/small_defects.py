"""Small defects in large pictures: the default working size against the whole picture pressed into 224 px.

On synthetic parts whose defects have a size we choose, and on the tiles of magnetic-tile, good
against defective:

    python benchmarks/small_defects.py --sizes 6 12 24
    python benchmarks/small_defects.py --magnetic-tile FOLDER --seeds 0 1 2
"""

from __future__ import annotations

import argparse
import tempfile
from dataclasses import replace
from pathlib import Path

from ballscrew import squeezed
from brightfield import Dataset
from brightfield.data.catalog import load_catalog
from brightfield.data.fingerprints import near_duplicate_groups
from brightfield.data.split import split
from brightfield.data.synthetic import make_parts
from record import Row
from runs import begun, new_parser, options, rows_of, run, save, summary

PICTURE = (600, 900)


def both(dataset: Dataset, name: str, seed: int, args: argparse.Namespace) -> list[Row]:
    """Run the default and the squeezed variant on the same parts."""
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as folder:
        variants: dict[str, tuple[Dataset, dict[str, int]]] = {
            "default": (dataset, {}),
            "squeezed 224": (squeezed(dataset, Path(folder), 224), {"image_size": 224}),
        }
        for variant, (images, own) in variants.items():
            one = run(images, options(args, {"seed": seed, **own}))
            found = rows_of(one, "small_defects", name, variant, seed)
            save(found, args.output)
            rows += [replace(row, variant=f"{name}: {variant}") for row in found]
    return rows


def binary(dataset: Dataset) -> Dataset:
    """Return the data set with every defect type called by one name."""
    normal = str(dataset.normal)
    samples = [
        s if s.label == normal else replace(s, label="Defect", stratum=s.label) for s in dataset.samples
    ]
    return replace(dataset, samples=tuple(samples), classes=(normal, "Defect"))


def main() -> None:
    """Run what was asked for."""
    parser = new_parser(__doc__)
    parser.add_argument("--sizes", type=int, nargs="*", default=[])
    parser.add_argument("--magnetic-tile", type=Path)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    every: list[Row] = []
    with begun(parser, "small_defects") as (args, folder):
        height, width = (96, 128) if args.smoke else PICTURE
        n_ok, n_defect = (40, 24) if args.smoke else (160, 80)
        for seed in args.seeds:
            for size in [12] if args.smoke else args.sizes:
                place = folder / f"{size}-{seed}"
                parts = make_parts(
                    place, n_ok=n_ok, n_defect=n_defect, size=(height, width), defect_px=size, seed=seed
                )
                dataset = split(binary(parts), test=0.4, calibration=0.0, seed=seed)
                every += both(dataset, f"synthetic {width}x{height}, defects of {size} px", seed, args)
            if args.magnetic_tile:
                tiles = load_catalog("magnetic-tile", root=args.magnetic_tile.parent)
                # the same tile under several exposures stays in one split
                same = near_duplicate_groups([s.path for s in tiles.samples])
                dataset = split(binary(tiles), test=0.2, calibration=0.0, seed=seed, duplicates=same)
                every += both(dataset, "magnetic-tile", seed, args)
    summary(every)


if __name__ == "__main__":
    main()
