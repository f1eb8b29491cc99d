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
from brightfield.options import make_options
from record import Row
from runs import rows_of, run, save, summary

PICTURE = (600, 900)


def both(dataset: Dataset, name: str, seed: int, output: Path | None) -> list[Row]:
    """Run the default and the squeezed variant on the same parts."""
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as folder:
        variants = {
            "default": (dataset, make_options({"seed": seed})),
            "squeezed 224": (
                squeezed(dataset, Path(folder), 224),
                make_options({"seed": seed, "image_size": 224}),
            ),
        }
        for variant, (images, options) in variants.items():
            found = rows_of(run(images, options), "small_defects", name, variant, seed)
            save("small_defects", found, output)
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
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sizes", type=int, nargs="*", default=[])
    parser.add_argument("--magnetic-tile", type=Path)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--output", type=Path)
    args = parser.parse_args()
    every: list[Row] = []
    for seed in args.seeds:
        for size in args.sizes:
            with tempfile.TemporaryDirectory() as folder:
                parts = make_parts(
                    Path(folder) / "parts", n_ok=160, n_defect=80, size=PICTURE, defect_px=size, seed=seed
                )
                dataset = split(binary(parts), test=0.4, calibration=0.0, seed=seed)
                every += both(dataset, f"synthetic 900x600, defects of {size} px", seed, args.output)
        if args.magnetic_tile:
            tiles = load_catalog("magnetic-tile", root=args.magnetic_tile.parent)
            # the same tile under several exposures stays in one part
            same = near_duplicate_groups([s.path for s in tiles.samples])
            dataset = split(binary(tiles), test=0.2, calibration=0.0, seed=seed, duplicates=same)
            every += both(dataset, "magnetic-tile", seed, args.output)
    summary(every)


if __name__ == "__main__":
    main()
