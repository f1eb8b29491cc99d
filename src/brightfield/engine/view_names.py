"""The names of views: the copies of a picture that are looked at beside it, in training and in use."""

from __future__ import annotations

FLIPS = ("plain", "half turn", "mirror", "upside down")
"""For parts, which have no upright; the second differs most from the first."""

TURNS = ("plain", "left turn", "half turn", "right turn")
"""For parts that lie as they fall; of square tiles."""

CROPS = ("plain", "upper left corner", "upper right corner", "lower left corner", "lower right corner")
"""For defects that a closer look shows; what lies at the rim is seen in few of them."""

MIRRORS = ("plain", "mirror", "down right", "mirror down right", "up left", "mirror up left")
"""For pictures of the world, which are mirrored but not turned."""

TEST_TIME: dict[str, tuple[str, ...]] = {
    "none": FLIPS[:1],
    "half-turn": FLIPS[:2],
    "flips": FLIPS,
    "turns": TURNS,
    "crops": CROPS,
}
"""Test-time augmentation by name: the views of every picture whose logits are averaged."""
