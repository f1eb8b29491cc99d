"""Methods by name: where the half that judges and the half that learns are found."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

from brightfield.errors import BundleError, ConfigError, said_if_missing


@dataclass(frozen=True)
class Entry:
    """Where a method's halves are, each as `module:name`, imported when first asked for.

    Attributes:
        summary: One line for `--help`.
        options: The dataclass of the method's own options.
        load: Builds the fitted method: `load(stored, preprocessing, classes, normal)`.
        learner: Makes what learns it: `learner(options, dataset)`.
        good_parts_alone: Whether it learns from good parts alone, so that `auto` may choose it for them.
    """

    summary: str
    options: str
    load: str
    learner: str
    good_parts_alone: bool = False


_CLASSIFIER = "brightfield.methods.classifier"

METHODS: dict[str, Entry] = {
    "classifier": Entry(
        summary="learns from good and defective parts, or tells classes apart",
        options=f"{_CLASSIFIER}.options:ClassifierOptions",
        load=f"{_CLASSIFIER}.fitted:load_classifier",
        learner=f"{_CLASSIFIER}.learner:make_learner",
    ),
}
"""Every method there is. A program may add its own: see `register`."""


def register(name: str, entry: Entry) -> None:
    """Let a method be trained and loaded by its name."""
    METHODS[name] = entry


def unregister(name: str) -> None:
    """Forget a method."""
    del METHODS[name]


def loader(name: str) -> Callable[..., Any]:
    """Return what builds a fitted method of this name.

    Raises:
        BundleError: If there is no such method.
    """
    if name not in METHODS:
        raise BundleError(
            f"the method {name!r} is unknown to this version; known are: {', '.join(METHODS)}; "
            "upgrade Brightfield, or train again"
        )
    return cast(Callable[..., Any], _found(METHODS[name].load))


def learner(name: str) -> Callable[..., Any]:
    """Return what makes the learner of this name.

    Raises:
        ConfigError: If there is no such method.
        MissingPackageError: If the packages that learning needs are not installed.
    """
    if name not in METHODS:
        raise ConfigError(f"--method {name!r} is unknown; known are: auto, {', '.join(METHODS)}")
    return cast(Callable[..., Any], _found(METHODS[name].learner))


def options_class(name: str) -> type:
    """Return the dataclass that declares a method's own options."""
    return cast(type, _found(METHODS[name].options))


def _found(place: str) -> Any:
    module, _, name = place.partition(":")
    with said_if_missing():
        return getattr(importlib.import_module(module), name)
