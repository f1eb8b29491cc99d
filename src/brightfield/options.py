"""What a training can be told, alike in TOML, on the command line and in Python."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, cast

from brightfield.errors import ConfigError
from brightfield.methods.declared import Open, Option, check_all, option, options_of, plain, suggestion
from brightfield.methods.registry import METHODS, options_class

AUTO = "auto"
"""The method is chosen by what the data are."""

POLICY_HELP = (
    "what chooses the threshold: auto (f1, or of good parts alone overkill=0.01), f1, youden, recall=R, "
    "precision=P, fixed=T, overkill=O, 'escape<=0.02@0.95', 'overkill<=0.01@0.95', or "
    "'cost escape=500 overkill=2 review=1 prevalence=0.003'; two joined by `and` leave a review band"
)


def methods() -> tuple[str, ...]:
    """Return the names that `--method` takes."""
    return (AUTO, *METHODS)


@dataclass(frozen=True)
class TrainOptions:
    """How an inspector is trained, whatever method learns; `make_options` makes them of values by name.

    Attributes:
        method: One of `methods`.
        normal: The class that counts as good, where its name does not tell.
        policy: What chooses the threshold, as `parse_policy` takes it.
        seed: Of the split and of everything random.
        test: Share of the images kept to test on, where the data set does not fix its splits.
        calibration: Share of the others kept to calibrate on, likewise; None has the training images
            calibrate out of fold where the recipe can and the policy promises nothing, and else keeps 0.15.
        resplit: Whether to share all images out again, whatever splits the data set came with.
        own: What was given of the method's own options; `own_options` makes the method's dataclass of them.
    """

    method: str = option("what learns", default=AUTO, choices=methods)
    normal: str | None = option("the class that counts as good", metavar="NAME")
    policy: str = option(POLICY_HELP, default="auto", metavar="P")
    seed: int = option("of the split and of everything random", default=0, metavar="N", low=0, high=2**31 - 1)
    test: float = option("of the images, to test on", default=0.2, metavar="SHARE", low=0, high=Open(0.9))
    calibration: float | None = option(
        "of the others, to calibrate on (default: none where the training images can calibrate out of fold, "
        "else 0.15)",
        metavar="SHARE",
        low=0,
        high=Open(0.9),
    )
    resplit: bool = option("share all images out again", default=False)
    own: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_all(self)
        _check_own(self.method, self.own, "")
        given = {name: value for name, value in self.own.items() if value is not None}
        object.__setattr__(self, "own", given)

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for a manifest: those of every method, and what was given of its own."""
        common = {name: getattr(self, name) for name in options_of(TrainOptions)}
        return cast(dict[str, Any], plain({**common, **self.own}))


def make_options(values: Mapping[str, Any], where: str = "") -> TrainOptions:
    """Build options from values by name, the method's own among them; `where` says where they stand.

    None stands for an option that is not given, where its default is None.

    Raises:
        ConfigError: If a name is unknown, or the method does not know it, or a value is out of range.
    """
    common = options_of(TrainOptions)
    for name, value in values.items():
        if name in common:
            common[name].check(value, where)
    own = {name: value for name, value in values.items() if name not in common}
    _check_own(str(values.get("method", AUTO)), own, where)
    return TrainOptions(**{n: v for n, v in values.items() if n in common}, own=own)


def own_options(method: str, given: Mapping[str, Any]) -> Any:
    """Return a method's options as the dataclass that declares them.

    Raises:
        ConfigError: If the method does not know one of them, or a value is out of range.
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
    """Refuse an option that the method does not know; where it is yet to be chosen, one that none knows.

    A value must be right for the method, or for one of those that may be chosen.
    """
    candidates = {m: declared_by(m) for m in (METHODS if method == AUTO else (method,))}
    for name, value in given.items():
        knowing = [declared[name] for declared in candidates.values() if name in declared]
        if not knowing:
            raise ConfigError(_unknown(name, method, where))
        refused = [error for one in knowing if (error := _refusal(one, value, where)) is not None]
        if len(refused) == len(knowing):
            raise refused[0]


def _refusal(declared: Option, value: Any, where: str) -> ConfigError | None:
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
            "leave it out, or name such a method with --method"
        )
    known = list(options_of(TrainOptions))
    for each in METHODS if method == AUTO else (method,):
        known += [n for n in declared_by(each) if n not in known]
    return f"unknown option {name!r}{where}{suggestion(name, known)}; known are: {', '.join(known)}"


def read_options(path: Path, given: Mapping[str, Any] | None = None) -> TrainOptions:
    """Read options from a TOML file; what is `given` beside it wins.

    Raises:
        ConfigError: If the file cannot be read, has an unknown key, or a value that is wrong.
    """
    found = read_toml(path, "--config")
    make_options({**found, "method": (given or {}).get("method", found.get("method", AUTO))}, f" in {path}")
    return make_options({**found, **(given or {})})


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
