"""Random changes to training images, drawn anew at every step."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from torch import Tensor
from torchvision.transforms import v2

Augment = Callable[[Tensor], Tensor]


def build_augmentation(fill: Sequence[int]) -> Augment:
    """Return a function from a uint8 image (3, H, W) to a changed one of the same shape.

    Flips, up to 15 degrees of rotation, ColorJitter 0.2 and now and then a Gaussian blur.

    Args:
        fill: The colour that comes in from outside.
    """
    chain = v2.Compose(
        [
            v2.RandomHorizontalFlip(),
            v2.RandomVerticalFlip(),
            v2.RandomRotation(15, interpolation=v2.InterpolationMode.BILINEAR, fill=list(fill)),
            v2.ColorJitter(brightness=0.2, contrast=0.2, saturation=0.2, hue=0.02),
            v2.RandomApply([v2.GaussianBlur(3, (0.1, 1.0))], p=0.3),
        ]
    )

    def augment(image: Tensor) -> Tensor:
        changed: Tensor = chain(image)
        return changed

    return augment
