"""What a network learns from each image, and the names of the ways."""

from __future__ import annotations

from dataclasses import dataclass

from brightfield.errors import ConfigError

CORRECTIONS = ("sampling", "loss", "adjustment")
MIXES = ("none", "mixup", "cutmix")
UNCERTAIN = ("weighted", "soft", "full")


@dataclass(frozen=True)
class Learning:
    """What a network learns from each image.

    Attributes:
        imbalance: How unequal classes are corrected: `none`, or of `CORRECTIONS` one or, joined by `+`,
            several.
        focal: The exponent of the focal loss; 0 for cross-entropy.
        label_smoothing: Share of each label spread over all classes.
        mix: One of `MIXES`.
        uncertain: What a label counts whose annotator was not sure: one of `UNCERTAIN`.
    """

    imbalance: str = "none"
    focal: float = 0.0
    label_smoothing: float = 0.0
    mix: str = "none"
    uncertain: str = "weighted"


def corrections(imbalance: str) -> tuple[str, ...]:
    """Return the names in `none`, `sampling`, or, where several are asked for, `sampling+loss`.

    Raises:
        ConfigError: If one is unknown.
    """
    names = () if imbalance == "none" else tuple(imbalance.split("+"))
    for name in names:
        if name not in CORRECTIONS or names.count(name) > 1:
            raise ConfigError(
                f"--imbalance is {imbalance!r}; expected none, one of {', '.join(CORRECTIONS)}, or "
                "several of them joined by +, which corrects more than once"
            )
    return names
