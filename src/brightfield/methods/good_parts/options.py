"""The options that the methods from good parts alone share."""

from __future__ import annotations

from brightfield.methods.declared import Open, option

MOST_PIXELS = 16384


def tile_option() -> int | None:
    """Declare the side of tiles."""
    return option(  # type: ignore[no-any-return]
        "the side in pixels of the tiles into which pictures are cut (default: pictures are seen whole up to "
        "1,600 px)",
        metavar="PX",
        low=64,
        high=MOST_PIXELS,
    )


def share_option() -> float:
    """Declare the share of a picture that makes its score."""
    return option(  # type: ignore[no-any-return]
        "the share of a picture's patches, the most unusual ones, whose mean makes its score",
        default=0.02,
        metavar="SHARE",
        low=Open(0),
        high=1,
    )
