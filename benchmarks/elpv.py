"""Solar cells (ELPV), the papers' split: 75% train and calibrate, 25% test, stratified, all labels kept.

python benchmarks/elpv.py                        the default recipe, seeds 0 to 4
python benchmarks/elpv.py --recipe best --seeds 0
python benchmarks/elpv.py --development          on a share of the training images; writes nothing
"""

from __future__ import annotations

from brightfield.data.split import split
from runs import begun, data, for_development, new_parser, options, rows_of, run, save, summary


def main() -> None:
    """Run the seeds asked for."""
    parser = new_parser(__doc__)
    parser.add_argument("--recipe", default="fast")
    parser.add_argument("--backbone")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--image-size", type=int)
    parser.add_argument("--development", action="store_true")
    every = []
    with begun(parser, "elpv") as (args, folder):
        output = folder / "development.csv" if args.development else args.output
        for seed in args.seeds:
            cells = data(args, "elpv", folder)
            dataset = split(cells, test=0.25, calibration=0.0, seed=0 if args.development else seed)
            if args.development:
                dataset = for_development(dataset, seed)
            own = {"recipe": args.recipe, "backbone": args.backbone, "image_size": args.image_size}
            one = run(dataset, options(args, {"seed": seed, **own}))
            rows = rows_of(one, "elpv", dataset.name, args.recipe, seed)
            save(rows, output)
            every += rows
    summary(every)


if __name__ == "__main__":
    main()
