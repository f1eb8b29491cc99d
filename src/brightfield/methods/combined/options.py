"""The options of the combined method."""

from __future__ import annotations

from dataclasses import dataclass

from brightfield.methods.declared import Open, check_all, option
from brightfield.methods.patches.options import (
    backbone_option,
    bank_option,
    flow_epochs_option,
    weights_option,
)


@dataclass(frozen=True)
class CombinedOptions:
    """The options of a classifier and unusual patches together."""

    backbone: str = backbone_option()
    weights: str | None = weights_option()
    bank: int = bank_option()
    flow_epochs: int = flow_epochs_option()
    time_budget: float | None = option(
        "the time for computing the classifier's features, in seconds, within which its working size is "
        "chosen (default: 120)",
        metavar="S",
        low=Open(0),
    )

    def __post_init__(self) -> None:
        check_all(self)
