"""The names of the networks for small images, and the size up to which an image is small."""

from __future__ import annotations

SMALL_SIDE = 64
"""The longer side in pixels up to which a picture is small; networks for small pictures do not shrink them
in their first layer."""

ONLY_SMALL = ("fast_cnn", "wide_cnn", "tutorial_cnn", "lenet5", "mobilenet")
"""Names that mean a small network at any picture size: no library has a large network of that name."""

SMALL_NETWORKS = (*ONLY_SMALL, "vgg11", "vgg16", "resnet18", "resnet50", "efficientnet_lite0")
"""All names of small networks; those not in `ONLY_SMALL` are names of large networks too."""
