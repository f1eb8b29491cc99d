"""The names of networks for small images, and what small means."""

from __future__ import annotations

SMALL_SIDE = 64
"""Pictures up to this side in pixels are small: networks for them have a 3x3 stem and no early pooling."""

ONLY_SMALL = ("fast_cnn", "wide_cnn", "tutorial_cnn", "lenet5", "mobilenet")
"""Names that mean a small network whatever the pictures' size, since no library has another of that name."""

SMALL_NETWORKS = (*ONLY_SMALL, "vgg11", "vgg16", "resnet18", "resnet50", "efficientnet_lite0")
"""All of them; the others are those of large networks too."""
