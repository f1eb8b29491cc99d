"""Methods are found by name, and what is missing is said with the line that mends it."""

from __future__ import annotations

import builtins
import sys
from pathlib import Path
from typing import Any

import fake_method
import pytest

from brightfield.errors import BundleError, ConfigError, MissingPackageError
from brightfield.methods.classifier.fitted import load_classifier
from brightfield.methods.classifier.learner import make_learner
from brightfield.methods.classifier.options import ClassifierOptions
from brightfield.methods.registry import (
    METHODS,
    Entry,
    learner,
    loader,
    options_class,
    register,
    unregister,
)


def test_both_halves_of_the_classifier_are_found() -> None:
    assert loader("classifier") is load_classifier
    assert learner("classifier") is make_learner
    assert options_class("classifier") is ClassifierOptions


def test_unknown_names_are_refused_with_those_that_are_known() -> None:
    with pytest.raises(
        BundleError, match="'magic' is unknown to this version; known are: classifier, .*; upgrade"
    ):
        loader("magic")
    with pytest.raises(ConfigError, match="--method 'magic' is unknown; known are: auto, classifier"):
        learner("magic")


def test_a_method_is_there_for_as_long_as_it_is_registered() -> None:
    before = dict(METHODS)
    register("mean", fake_method.ENTRY)
    try:
        assert loader("mean") is fake_method.load
        assert learner("mean") is fake_method.make_learner
        assert options_class("mean") is fake_method.MeanPartOptions
        with pytest.raises(BundleError, match="known are: classifier, .*mean"):
            loader("magic")
    finally:
        unregister("mean")
    assert before == METHODS
    with pytest.raises(BundleError, match="'mean' is unknown"):
        loader("mean")


@pytest.fixture
def needing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a function that registers a method whose module imports a package which is not installed."""

    def entered(package: str) -> None:
        module = f"needs_{package.replace('.', '_')}"
        (tmp_path / f"{module}.py").write_text(f"import {package}\n")
        monkeypatch.syspath_prepend(tmp_path)
        monkeypatch.setitem(METHODS, "needy", Entry("", *[f"{module}:anything"] * 3))
        real = builtins.__import__

        def absent(name: str, *args: Any, **more: Any) -> Any:
            if name == package:
                raise ModuleNotFoundError(f"No module named {name!r}", name=name)
            return real(name, *args, **more)

        monkeypatch.setattr(builtins, "__import__", absent)

    return entered


@pytest.mark.parametrize(
    ("package", "extra"),
    [
        ("timm", "train"),
        ("torch.nn", "train"),
        ("sklearn.linear_model", "evaluate"),
        ("segmentation_models_pytorch.decoders", "segmentation"),
    ],
)
@pytest.mark.parametrize("half", [loader, learner, options_class])
def test_a_missing_package_is_said_with_the_line_to_run(
    needing: Any, half: Any, package: str, extra: str
) -> None:
    needing(package)
    bare = package.partition(".")[0]
    with pytest.raises(
        MissingPackageError,
        match=rf"^{bare} is needed and not installed.*pip install 'brightfield\[{extra}\]'",
    ) as e:
        half("needy")
    assert isinstance(e.value.__cause__, ModuleNotFoundError)


def test_a_package_that_no_extra_brings_is_an_error_of_its_own(needing: Any) -> None:
    needing("nobody_has_this")
    with pytest.raises(ModuleNotFoundError, match="nobody_has_this"):
        loader("needy")
    assert "needs_nobody_has_this" not in sys.modules
