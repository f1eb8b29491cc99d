"""The options of a training, the same in TOML, on the command line and in Python."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, cast

from brightfield.disk.toml_file import read_toml
from brightfield.errors import ConfigError, suggestion
from brightfield.methods.declared import Open, Option, check_all, option, options_of, plain
from brightfield.methods.registry import METHODS, options_class

AUTO = "auto"
"""The value of `method` that has the method chosen by the labels of the data."""

POLICY_HELP = (
    "how the threshold is chosen: auto (f1, or of good parts alone the smallest "
    "overkill<=O@0.95 that they prove), f1, youden, recall=R, "
    "precision=P, fixed=T, overkill=O, 'escape<=0.02@0.95', 'overkill<=0.01@0.95', or "
    "'cost escape=500 overkill=2 review=1 prevalence=0.003'; two joined by `and` leave a review "
    "band between them"
)


def methods() -> tuple[str, ...]:
    """Return the names that `--method` accepts."""
    return (AUTO, *METHODS)


@dataclass(frozen=True)
class TrainOptions:
    """The options that every method shares, and those given for one method; see `make_options`.

    Attributes:
        method: Name of the method, one of `methods`.
        normal: The class of good parts, where its name does not show that.
        policy: How the threshold is chosen, as `parse_policy` takes it.
        seed: Seed of the splits and of all random numbers, in [0, 2^31 - 1].
        test: Share of the images for the test split, in [0, 0.9), unless the data set has splits of its own.
        calibration: Share of the remaining images for the calibration split, in [0, 0.9). None calibrates
            on out-of-fold scores of the training images where the recipe has folds and the policy needs no
            held-out images, and otherwise takes 0.15. Where the method learns from good parts alone, it is
            a share of the good parts, None takes as many as prove the next smaller overkill bound, up to a
            quarter, and all known defects that are not tested calibrate besides.
        resplit: Whether to ignore the data set's own splits and split all images again.
        roi: A mask of the region of interest, white where the inspector looks, as `read_region` reads it.
        mm_per_pixel: The side of a pixel of the original pictures in millimetres, above 0.
        rules: A TOML file of limits that decide on measured defects, as `read_rules` reads it.
        own: Options of the method itself, by name; `own_options` builds the method's dataclass from them.
    """

    method: str = option("the method to train", default=AUTO, choices=methods)
    normal: str | None = option("the class of good parts", metavar="NAME")
    policy: str = option(POLICY_HELP, default="auto", metavar="P")
    seed: int = option(
        "seed of the splits and of all random numbers", default=0, metavar="N", low=0, high=2**31 - 1
    )
    test: float = option(
        "share of the images for the test split", default=0.2, metavar="SHARE", low=0, high=Open(0.9)
    )
    calibration: float | None = option(
        "share of the remaining images for the calibration split (default: 0 where out-of-fold scores of the "
        "training images can calibrate, else 0.15, or up to 0.25 of the good parts where these alone teach)",
        metavar="SHARE",
        low=0,
        high=Open(0.9),
    )
    resplit: bool = option("ignore the splits of the data set and split all images again", default=False)
    roi: str | None = option(
        "a mask of the region of interest, white where the inspector looks and black elsewhere; it has the "
        "pictures' aspect ratio, at any size",
        metavar="FILE",
    )
    mm_per_pixel: float | None = option(
        "the side of a pixel of the original pictures in millimetres, so that defects are measured in mm",
        metavar="MM",
        low=Open(0),
    )
    rules: str | None = option(
        "TOML file of limits on the size, number and type of defects that decide beside the probability",
        metavar="FILE",
    )
    own: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_all(self)
        _check_own(self.method, self.own, "")
        given = {name: value for name, value in self.own.items() if value is not None}
        object.__setattr__(self, "own", given)

    def as_dict(self) -> dict[str, Any]:
        """Return the options as JSON values for a manifest."""
        common = {name: getattr(self, name) for name in options_of(TrainOptions)}
        return cast(dict[str, Any], plain({**common, **self.own}))


def make_options(values: Mapping[str, Any], where: str = "") -> TrainOptions:
    """Build options from values by name, including those of the method itself.

    Args:
        values: Values by name; None means not given where the default is None.
        where: The source of the values for error messages, such as ` in FILE`.

    Raises:
        ConfigError: If an option is unknown to the method, or a value is out of range.
    """
    common = options_of(TrainOptions)
    for name, value in values.items():
        if name in common:
            common[name].check(value, where)
    own = {name: value for name, value in values.items() if name not in common}
    _check_own(str(values.get("method", AUTO)), own, where)
    return TrainOptions(**{n: v for n, v in values.items() if n in common}, own=own)


def own_options(method: str, given: Mapping[str, Any]) -> Any:
    """Return a method's own options as the dataclass that declares them.

    Raises:
        ConfigError: If an option is unknown to the method, or a value is out of range.
    """
    _check_own(method, given, "")
    return options_class(method)(**given)


def declared_by(method: str) -> dict[str, Option]:
    """Return a method's own options by name."""
    return _declared_at(METHODS[method].options, method)


@cache
def _declared_at(_place: str, method: str) -> dict[str, Option]:
    return options_of(options_class(method))


def _check_own(method: str, given: Mapping[str, Any], where: str) -> None:
    """Check a method's own options; with `auto`, each must be valid for at least one method.

    Raises:
        ConfigError: If an option is unknown, or a value is out of range.
    """
    candidates = {m: declared_by(m) for m in (METHODS if method == AUTO else (method,))}
    for name, value in given.items():
        declared = [options[name] for options in candidates.values() if name in options]
        if not declared:
            raise ConfigError(_unknown(name, method, where))
        errors = [error for one in declared if (error := _error(one, value, where)) is not None]
        if len(errors) == len(declared):
            raise errors[0]


def _error(declared: Option, value: Any, where: str) -> ConfigError | None:
    try:
        declared.check(value, where)
    except ConfigError as error:
        return error
    return None


def _unknown(name: str, method: str, where: str) -> str:
    others = [m for m in METHODS if name in declared_by(m)]
    flag = "--" + name.replace("_", "-")
    if others:
        return (
            f"{flag}{where} is no option of the method {method}, but of {', '.join(others)}: "
            "remove it, or choose such a method with --method"
        )
    known = list(options_of(TrainOptions))
    for each in METHODS if method == AUTO else (method,):
        known += [n for n in declared_by(each) if n not in known]
    return f"unknown option {name!r}{where}{suggestion(name, known)}; known are: {', '.join(known)}"


def read_options(path: Path, given: Mapping[str, Any] | None = None) -> TrainOptions:
    """Read options from a TOML file; values in `given` take precedence.

    Raises:
        ConfigError: If the file cannot be read, or holds an unknown option or a wrong value.
    """
    values = read_toml(path, "--config")
    make_options({**values, "method": (given or {}).get("method", values.get("method", AUTO))}, f" in {path}")
    return make_options({**values, **(given or {})})
