"""The default recipe against `tutorial`, the same backbone on the same solar cells, in one process, in turn.

Both train on the same training split, with the same calibration split; each is judged once on the same test
part:

    python benchmarks/tutorial.py --seeds 0 1 2
"""

from __future__ import annotations

import argparse
from pathlib import Path

from brightfield.data.load import load
from brightfield.data.split import split
from brightfield.options import make_options
from record import Row
from runs import rows_of, run, save, summary


def main() -> None:
    """Run both recipes for every seed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--backbone", default="tf_efficientnet_lite0")
    parser.add_argument("--output", type=Path)
    args = parser.parse_args()
    every: list[Row] = []
    for seed in args.seeds:
        dataset = split(load("elpv"), test=0.25, calibration=0.0, seed=seed)
        seconds = {}
        for recipe in ("fast", "tutorial"):
            one = run(dataset, make_options({"recipe": recipe, "backbone": args.backbone, "seed": seed}))
            seconds[recipe] = one.seconds
            rows = rows_of(one, "tutorial", "elpv", f"{recipe} {args.backbone}", seed)
            epochs = len(one.inspector.facts["training"]["history"])
            rows.append(
                Row("tutorial", "elpv", f"{recipe} {args.backbone}", seed, "epochs", epochs, "epochs")
            )
            save("tutorial", rows, args.output)
            every += rows
        ratio = seconds["tutorial"] / seconds["fast"]
        row = Row(
            "tutorial",
            "elpv",
            f"tutorial / fast {args.backbone}",
            seed,
            "training_time_ratio",
            ratio,
            "ratio",
        )
        save("tutorial", [row], args.output)
        every.append(row)
    summary(every)


if __name__ == "__main__":
    main()
