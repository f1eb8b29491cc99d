"""Solar cells (ELPV), the papers' split: 75% train and calibrate, 25% test, stratified, all labels kept.

python benchmarks/elpv.py                        the default recipe, seeds 0 to 4
python benchmarks/elpv.py --recipe best --seeds 0
python benchmarks/elpv.py --development          on a part of the training images; writes nothing
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from brightfield.data.load import load
from brightfield.data.split import split
from brightfield.options import make_options
from runs import for_development, rows_of, run, save, summary


def main() -> None:
    """Run the seeds asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--recipe", default="fast")
    parser.add_argument("--backbone")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--image-size", type=int)
    parser.add_argument("--development", action="store_true")
    parser.add_argument("--output", type=Path)
    args = parser.parse_args()
    every = []
    for seed in args.seeds:
        dataset = split(load("elpv"), test=0.25, calibration=0.0, seed=0 if args.development else seed)
        if args.development:
            dataset = for_development(dataset, seed)
        own = {"recipe": args.recipe, "backbone": args.backbone, "image_size": args.image_size}
        options = make_options({"seed": seed, **own})
        rows = rows_of(run(dataset, options), "elpv", "elpv", args.recipe, seed)
        output = Path(tempfile.mkstemp(".csv")[1]) if args.development else args.output
        save("elpv", rows, output)
        every += rows
    summary(every)


if __name__ == "__main__":
    main()
