"""The options of the autoencoder."""

from __future__ import annotations

from dataclasses import dataclass

from brightfield.methods.declared import Open, check_all, option
from brightfield.methods.good_parts.options import MOST_PIXELS, share_option, tile_option

TIME_BUDGET = 120.0

FLIPS = {"none": (), "left-right": (3,), "up-down": (2,), "both": (2, 3)}
"""The axes of a batch (N, C, H, W) that are turned over at random."""

PATCHCORE, NOTHING = "patchcore", "none"


@dataclass(frozen=True)
class AutoencoderOptions:
    """The options of the autoencoder."""

    image_size: int | None = option(
        "the side in pixels of the square to which a whole picture is resized (default: 256; 128 for small "
        "pictures); with --tile, the longer side before it is cut into tiles",
        metavar="PX",
        low=32,
        high=MOST_PIXELS,
    )
    tile: int | None = tile_option()
    share: float = share_option()
    time_budget: float | None = option(
        "the time for training, in seconds, within which the number of epochs is chosen (default: 120)",
        metavar="S",
        low=Open(0),
    )
    epochs: int | None = option(
        "the number of passes over the good parts (default: as many as --time-budget allows)",
        metavar="N",
        low=1,
        high=10_000,
    )
    flips: str = option(
        "how pictures are mirrored at random in training, where mirrored parts are as good",
        default="none",
        choices=tuple(FLIPS),
    )
    beside: str = option(
        "the method that is fitted on the same good parts, to tell how the autoencoder compares",
        default=PATCHCORE,
        choices=(PATCHCORE, NOTHING),
    )

    def __post_init__(self) -> None:
        check_all(self)
