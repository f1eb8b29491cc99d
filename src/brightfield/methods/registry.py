"""The registry of methods: from a method's name to its loader, learner and options."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

from brightfield.errors import BundleError, ConfigError, said_if_missing


@dataclass(frozen=True)
class Entry:
    """The entry of one method; its pieces are named as `module:name` and imported when first needed.

    Attributes:
        summary: One line for `--help`.
        options: The dataclass that declares the method's options.
        load: The function that loads the fitted method: `load(stored, preprocessing, classes, normal)`.
        learner: The function that makes the learner: `learner(options, dataset)`.
        good_parts_alone: Whether the method learns from good parts alone, so that `auto` may choose it then.
        update: The function that takes more good parts into a fitted method without torch, and returns
            `Updated`: `update(method, named, progress)`, given the name and file of each picture; None if
            the method has to be trained again.
        marks_defects: Whether its heatmaps are evidence maps, of which masks are made and defects measured.
    """

    summary: str
    options: str
    load: str
    learner: str
    good_parts_alone: bool = False
    update: str | None = None
    marks_defects: bool = True


_CLASSIFIER = "brightfield.methods.classifier"
_PATCHES = "brightfield.methods.patches"
_COMBINED = "brightfield.methods.combined"
_AUTOENCODER = "brightfield.methods.autoencoder"

METHODS: dict[str, Entry] = {
    "classifier": Entry(
        summary="learns from good and defective parts, or distinguishes classes",
        options=f"{_CLASSIFIER}.options:ClassifierOptions",
        load=f"{_CLASSIFIER}.fitted:load_classifier",
        learner=f"{_CLASSIFIER}.learner:make_learner",
        marks_defects=False,
    ),
    "fusion": Entry(
        summary="learns from good parts alone: a memory bank and a flow together",
        options=f"{_PATCHES}.options:FusionOptions",
        load=f"{_PATCHES}.fitted:load_fusion",
        learner=f"{_PATCHES}.learner:make_fusion",
        good_parts_alone=True,
        update=f"{_PATCHES}.update:update",
    ),
    "combined": Entry(
        summary="learns from good parts and few defects: a classifier, a memory bank and a flow together",
        options=f"{_COMBINED}.options:CombinedOptions",
        load=f"{_COMBINED}.fitted:load_combined",
        learner=f"{_COMBINED}.learner:make_combined",
        marks_defects=False,
    ),
    "patchcore": Entry(
        summary="learns from good parts alone: a memory bank of their patches (PatchCore)",
        options=f"{_PATCHES}.options:PatchCoreOptions",
        load=f"{_PATCHES}.fitted:load_patchcore",
        learner=f"{_PATCHES}.learner:make_patchcore",
        good_parts_alone=True,
        update=f"{_PATCHES}.update:update",
    ),
    "flow": Entry(
        summary="learns from good parts alone: a normalising flow on their patches",
        options=f"{_PATCHES}.options:FlowOptions",
        load=f"{_PATCHES}.fitted:load_flow",
        learner=f"{_PATCHES}.learner:make_flow",
        good_parts_alone=True,
    ),
    "autoencoder": Entry(
        summary="learns from good parts alone: an autoencoder, the baseline that others are compared with",
        options=f"{_AUTOENCODER}.options:AutoencoderOptions",
        load=f"{_AUTOENCODER}.fitted:load_autoencoder",
        learner=f"{_AUTOENCODER}.learner:make_learner",
        good_parts_alone=True,
    ),
}
"""All methods by name. A program may add its own: see `register`."""


def register(name: str, entry: Entry) -> None:
    """Add a method, which can then be trained and loaded by its name."""
    METHODS[name] = entry


def unregister(name: str) -> None:
    """Remove a method."""
    del METHODS[name]


def loader(name: str) -> Callable[..., Any]:
    """Return the function that loads a fitted method: `load(stored, preprocessing, classes, normal)`.

    Raises:
        BundleError: If no method has this name.
    """
    if name not in METHODS:
        raise BundleError(
            f"the method {name!r} is unknown to this version; known are: {', '.join(METHODS)}; "
            "upgrade Brightfield, or train again"
        )
    return cast(Callable[..., Any], _imported(METHODS[name].load))


def learner(name: str) -> Callable[..., Any]:
    """Return the function that makes a method's learner: `learner(options, dataset)`.

    Raises:
        ConfigError: If no method has this name.
        MissingPackageError: If packages for training are not installed.
    """
    if name not in METHODS:
        raise ConfigError(f"--method {name!r} is unknown; known are: auto, {', '.join(METHODS)}")
    return cast(Callable[..., Any], _imported(METHODS[name].learner))


def updater(name: str) -> Callable[..., Any]:
    """Return the function that takes good parts into a fitted method: `update(method, named, progress)`.

    Raises:
        ConfigError: If the method cannot be updated.
    """
    path = METHODS[name].update
    if path is None:
        able = ", ".join(method for method, entry in METHODS.items() if entry.update is not None)
        raise ConfigError(
            f"--from names a bundle of the method {name}, which cannot take pictures in; only a memory bank "
            f"alone or with a flow can ({able}): train again on the whole data set, without --from"
        )
    return cast(Callable[..., Any], _imported(path))


def options_class(name: str) -> type:
    """Return the dataclass that declares a method's own options."""
    return cast(type, _imported(METHODS[name].options))


def _imported(path: str) -> Any:
    module, _, name = path.partition(":")
    with said_if_missing():
        return getattr(importlib.import_module(module), name)
