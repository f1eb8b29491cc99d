"""At which scales the default recipe looks: variants compared out of fold, within the training images alone.

On the training images of the solar cells' protocol for seed 0. The test images are not looked at:

    python benchmarks/looks.py --seeds 0 1
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from brightfield.engine.view_names import FLIPS
from brightfield.errors import ConfigError
from brightfield.learn.recipes import RECIPES, Recipe, TrainHead
from record import Row
from runs import SMOKE, begun, data, judged_out_of_fold, new_parser, options, save, summary, untested

DEFAULT = RECIPES["fast"]


def looking(scales: tuple[float, ...], views: int = 1) -> Recipe:
    """Return the default recipe with other scales, and kept features of so many views.

    Raises:
        ConfigError: If the default recipe keeps no features.
    """
    if not isinstance(DEFAULT.how, TrainHead):
        raise ConfigError("the default recipe trains no head on kept features")
    how = replace(DEFAULT.how, views=FLIPS[:views])
    return replace(DEFAULT, head=replace(DEFAULT.head, scales=scales), how=how)


VARIANTS: dict[str, tuple[Recipe, int | None]] = {
    "three scales": (DEFAULT, None),
    "the two larger": (looking((1.0, 0.53)), None),
    "own size only": (looking((1.0,)), 300),
    "224 px only, two views": (looking((1.0,), views=2), 224),
}
"""By name: the recipe, and the side in pixels of the picture and of its one tile, where it is not planned."""


def main() -> None:
    """Run every variant with every seed, in turn."""
    parser = new_parser(__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--variants", nargs="+", default=list(VARIANTS), choices=list(VARIANTS))
    every: list[Row] = []
    with begun(parser, "looks") as (args, folder):
        kept = untested(data(args, "elpv", folder))
        kept = replace(kept, name=f"{kept.name}, out of fold")
        for seed in args.seeds:
            for name in args.variants:
                recipe, size = VARIANTS[name]
                tile = SMOKE["image_size"] if args.smoke and size else size
                own: dict[str, Any] = {"recipe": recipe, "image_size": size, "tile": tile}
                asked = options(args, {"seed": seed, "test": 0.0, **own})
                rows = judged_out_of_fold(kept, asked, "looks", name, seed)
                save(rows, args.output)
                every += rows
    summary(every)


if __name__ == "__main__":
    main()
