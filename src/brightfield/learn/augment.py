"""Random augmentation of training images for fine-tuning."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from torch import Tensor
from torchvision.transforms import v2

Augment = Callable[[Tensor], Tensor]


def build_augmentation(fill: Sequence[int]) -> Augment:
    """Return a function that augments an image, uint8 (3, H, W), at random.

    It flips, rotates by up to 15 degrees, changes colours (ColorJitter 0.2), and blurs three images in ten.

    Args:
        fill: The colour of corners that a rotation leaves empty.
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
