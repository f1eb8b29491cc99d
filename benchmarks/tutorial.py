"""The default recipe against `tutorial`, the same backbone on the same solar cells, in one process, in turn.

Both train on the same training split, with the same calibration split; each is judged once on the same test
split:

    python benchmarks/tutorial.py --seeds 0 1 2
"""

from __future__ import annotations

from brightfield.data.split import split
from record import Row
from runs import begun, data, new_parser, options, rows_of, run, save, summary


def main() -> None:
    """Run both recipes for every seed."""
    parser = new_parser(__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--backbone", default="tf_efficientnet_lite0")
    every: list[Row] = []
    with begun(parser, "tutorial") as (args, folder):
        for seed in args.seeds:
            dataset = split(data(args, "elpv", folder), test=0.25, calibration=0.0, seed=seed)
            seconds = {}
            for recipe in ("fast", "tutorial"):
                own = {"recipe": recipe, "backbone": args.backbone, "seed": seed}
                one = run(dataset, options(args, own))
                seconds[recipe] = one.seconds
                variant = f"{recipe} {args.backbone}"
                rows = rows_of(one, "tutorial", dataset.name, variant, seed)
                epochs = len(one.inspector.facts["training"]["history"])
                rows.append(Row("tutorial", dataset.name, variant, seed, "epochs", epochs, "epochs"))
                save(rows, args.output)
                every += rows
            ratio = seconds["tutorial"] / seconds["fast"]
            variant = f"tutorial / fast {args.backbone}"
            row = Row("tutorial", dataset.name, variant, seed, "training_time_ratio", ratio, "ratio")
            save([row], args.output)
            every.append(row)
    summary(every)


if __name__ == "__main__":
    main()
