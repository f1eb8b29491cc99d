"""The names of views: flipped, turned, moved or cropped copies of a picture, judged along with it."""

from __future__ import annotations

FLIPS = ("plain", "half turn", "mirror", "upside down")
"""For pictures of parts, which have no upright orientation."""

TURNS = ("plain", "left turn", "half turn", "right turn")
"""For parts that lie in any of four orientations; the tiles must be square."""

CROPS = ("plain", "upper left corner", "upper right corner", "lower left corner", "lower right corner")
"""For small defects, which the crops enlarge; a defect at the border is in few of them."""

MIRRORS = ("plain", "mirror", "down right", "mirror down right", "up left", "mirror up left")
"""For everyday scenes, which may be mirrored but not turned."""

TEST_TIME: dict[str, tuple[str, ...]] = {
    "none": FLIPS[:1],
    "half-turn": FLIPS[:2],
    "flips": FLIPS,
    "turns": TURNS,
    "crops": CROPS,
}
"""Test-time augmentations by name: the views whose logits are averaged."""
