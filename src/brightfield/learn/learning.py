"""The learning options of a recipe: imbalance, loss, mixing, uncertain labels."""

from __future__ import annotations

from dataclasses import dataclass

from brightfield.errors import ConfigError

CORRECTIONS = ("sampling", "loss", "adjustment")
MIXES = ("none", "mixup", "cutmix")
UNCERTAIN = ("weighted", "soft", "full")


@dataclass(frozen=True)
class Learning:
    """The learning options of a recipe.

    Attributes:
        imbalance: The correction of class imbalance: `none`, or one or several of `CORRECTIONS`, joined by
            `+`.
        focal: The exponent of the focal loss; 0 for cross-entropy.
        label_smoothing: The share of each label that is spread over all classes.
        mix: The mixing of images, one of `MIXES`.
        uncertain: The treatment of labels with an annotator's probability, one of `UNCERTAIN`.
    """

    imbalance: str = "none"
    focal: float = 0.0
    label_smoothing: float = 0.0
    mix: str = "none"
    uncertain: str = "weighted"


def corrections(imbalance: str) -> tuple[str, ...]:
    """Return the corrections that an option names, such as `none`, `sampling` or `sampling+loss`.

    Raises:
        ConfigError: If a name is unknown or named twice.
    """
    names = () if imbalance == "none" else tuple(imbalance.split("+"))
    for name in names:
        if name not in CORRECTIONS or names.count(name) > 1:
            raise ConfigError(
                f"--imbalance is {imbalance!r}; expected none, one of {', '.join(CORRECTIONS)}, or "
                "several of them joined by + (the correction is then applied several times)"
            )
    return names
