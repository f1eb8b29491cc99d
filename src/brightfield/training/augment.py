"""Random changes to training images, drawn anew at every step."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torchvision.transforms import v2

from brightfield.errors import ConfigError
from brightfield.training.recipes import AUGMENTATIONS

Augment = Callable[[Tensor], Tensor]


def build_augmentation(name: str, fill: Sequence[int]) -> Augment:
    """Return a function from a uint8 image (3, H, W) to a changed one of the same shape.

    Args:
        name: `none`; `flips`; `gentle` (flips, 5 degrees, 5% scale and shift, a little brightness, contrast);
            or `tutorial` (flips, 15 degrees, ColorJitter 0.2, Gaussian blur).
        fill: The colour that comes in from outside.
    """
    flips = [v2.RandomHorizontalFlip(), v2.RandomVerticalFlip()]
    colour = list(fill)
    bilinear = v2.InterpolationMode.BILINEAR
    steps: dict[str, list[torch.nn.Module]] = {
        "none": [],
        "flips": flips,
        "gentle": [
            *flips,
            v2.RandomAffine(
                5, translate=(0.05, 0.05), scale=(0.95, 1.05), interpolation=bilinear, fill=colour
            ),
            v2.ColorJitter(brightness=0.1, contrast=0.1),
        ],
        "tutorial": [
            *flips,
            v2.RandomRotation(15, interpolation=bilinear, fill=colour),
            v2.ColorJitter(brightness=0.2, contrast=0.2, saturation=0.2, hue=0.02),
            v2.RandomApply([v2.GaussianBlur(3, (0.1, 1.0))], p=0.3),
        ],
    }
    if name not in steps:
        raise ConfigError(f"augmentation {name!r} is unknown; known are: {', '.join(AUGMENTATIONS)}")
    chain = steps[name]

    def augment(image: Tensor) -> Tensor:
        for step in chain:
            image = step(image)
        return image

    return augment
