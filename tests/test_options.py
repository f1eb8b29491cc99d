"""Options are declared once, and checked before anything is read, wherever they come from."""

from __future__ import annotations

import inspect
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import brightfield
from brightfield.cli.main import main
from brightfield.errors import ConfigError
from brightfield.learn.recipes import RECIPES
from brightfield.methods.classifier.options import ClassifierOptions
from brightfield.methods.declared import Open, check_all, option, options_of
from brightfield.methods.registry import Entry, register, unregister
from brightfield.options import (
    TrainOptions,
    make_options,
    own_options,
    read_options,
)


@dataclass(frozen=True)
class GuessingOptions:
    """The options of a method that only tests know."""

    luck: float = option("how much of it", default=0.5, metavar="SHARE", low=Open(0), high=1)
    image_size: int | None = option("the side of what is looked at", metavar="PX", low=8)

    def __post_init__(self) -> None:
        check_all(self)


@pytest.fixture
def guessing(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setitem(sys.modules, "guessing_options", SimpleNamespace(GuessingOptions=GuessingOptions))
    register(
        "guessing", Entry("guesses", "guessing_options:GuessingOptions", "nowhere:load", "nowhere:learn")
    )
    yield
    unregister("guessing")


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "options.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_toml_gives_options_and_what_is_given_beside_it_wins(tmp_path: Path) -> None:
    path = written(tmp_path, 'recipe = "best"\nseed = 3\ntime_budget = 60\nresplit = true\n')
    found = read_options(path, {"seed": 4})
    assert found == TrainOptions(seed=4, resplit=True, own={"recipe": "best", "time_budget": 60})
    assert make_options(found.as_dict()) == found
    assert read_options(written(tmp_path, "")) == TrainOptions()
    own = own_options("classifier", found.own)
    assert own == ClassifierOptions(recipe="best", time_budget=60)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('recipie = "best"', "unknown option 'recipie' in .*options.toml; did you mean recipe"),
        ("[train]\nseed = 1", "unknown option 'train'"),
        ("seed = 1.5", "--seed in .*options.toml is 1.5; expected a whole number from 0 to 2147483647"),
        ("seed = true", "--seed in .* is True; expected a whole number"),
        ('image_size = "512"', "--image-size in .* is '512'; expected a whole number from 32 to 16384"),
        ("policy = 0.5", "--policy in .* is 0.5; expected text"),
        ("resplit = 1", "--resplit in .* is 1; expected true or false"),
        ("seed = -1", "--seed in .* is -1"),
        ("test = 0.9", "--test in .* is 0.9; expected a number from 0 to below 0.9"),
        ("calibration = nan", "--calibration in .* is nan"),
        ("time_budget = 0", "--time-budget in .* is 0; expected a number above 0"),
        ("time_budget = inf", "--time-budget in .* is inf; expected a number above 0"),
        ('method = "patch"', "--method in .* is 'patch'; expected one of auto, classifier"),
        (
            'precision = "float16"',
            "--precision in .* is 'float16'; expected .*; did you mean bfloat16",
        ),
        ("epochs = 0", "--epochs in .* is 0; expected a whole number from 1 to 10000"),
        ("micro_batch = 1", "--micro-batch in .* is 1; expected a whole number of 2 or more"),
        ("label_smoothing = 1.0", "--label-smoothing in .* is 1; expected a number from 0 to below 1"),
        ("own = 1", "unknown option 'own'"),
        ("seed = = 1", "not TOML"),
    ],
)
def test_wrong_files_are_refused(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        read_options(written(tmp_path, text))


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="none.toml cannot be read"):
        read_options(tmp_path / "none.toml")
    (tmp_path / "bad.toml").write_bytes(b"recipe = '\xff'")
    with pytest.raises(ConfigError, match="bad.toml cannot be read"):
        read_options(tmp_path / "bad.toml")


@pytest.mark.parametrize(
    "values",
    [{"seed": "1"}, {"image_size": 2.0}, {"weights": Path("w.pth")}, {"recipe": None}, {"recipe": 3}],
)
def test_python_is_checked_like_toml(values: dict[str, Any]) -> None:
    flag = "--" + next(iter(values)).replace("_", "-")
    with pytest.raises(ConfigError, match=f"{flag} is"):
        make_options(values)
    with pytest.raises(ConfigError, match=f"{flag} is"):
        brightfield.train("nowhere", **values)


def test_what_is_none_is_not_given() -> None:
    assert make_options({"focal": None, "calibration": None}) == TrainOptions()


def test_a_recipe_may_be_an_object_and_is_written_down_as_plain_values() -> None:
    mine = replace(RECIPES["tutorial"], name="mine")
    options = make_options({"recipe": mine})
    assert own_options("classifier", options.own).recipe is mine
    said = options.as_dict()["recipe"]
    assert json.loads(json.dumps(said)) == said
    assert (said["name"], said["how"]["way"]) == ("mine", "fine-tune")


def test_the_python_function_takes_every_common_option_and_refuses_what_is_unknown() -> None:
    taken = inspect.signature(brightfield.train).parameters
    usual = {name: declared.default for name, declared in options_of(TrainOptions).items()}
    assert {name: taken[name].default for name in usual} == usual
    with pytest.raises(ConfigError, match="unknown option 'epoch'; did you mean epochs"):
        brightfield.train("nowhere", epoch=3)


@pytest.mark.usefixtures("guessing")
def test_an_option_of_another_method_is_refused_by_name_of_those_that_know_it() -> None:
    with pytest.raises(ConfigError, match="--luck is no option of the method classifier, but of guessing"):
        make_options({"method": "classifier", "luck": 0.1})
    with pytest.raises(ConfigError, match="--mix is no option of the method guessing, but of classifier"):
        own_options("guessing", {"mix": "none"})
    with pytest.raises(ConfigError, match="unknown option 'lukc'; did you mean luck"):
        make_options({"lukc": 0.1})
    assert own_options("guessing", {}) == GuessingOptions(luck=0.5)
    with pytest.raises(ConfigError, match="--luck is 0; expected a number above 0 to 1"):
        GuessingOptions(luck=0)


@pytest.mark.usefixtures("guessing")
def test_a_value_is_checked_by_the_method_or_by_those_that_may_be_chosen() -> None:
    assert make_options({"image_size": 16}).own == {"image_size": 16}, "guessing takes it"
    for values in ({"image_size": 4}, {"image_size": 16, "method": "classifier"}):
        with pytest.raises(ConfigError, match=f"--image-size is {values['image_size']}"):
            make_options(values)


@pytest.mark.usefixtures("guessing")
def test_the_command_line_has_every_option_once(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "--help"]) == 0
    words = " ".join(capsys.readouterr().out.split())
    usage = words.partition("Train an inspector")[0]
    assert usage.count("--image-size") == 1
    assert "the longer side in pixels to which images are resized [classifier, " in words
    assert "options of the method guessing: guesses --luck SHARE how much of it (default: 0.5)" in words
    assert "seed of the splits and of all random numbers (default: 0)" in words
    for name in (*options_of(TrainOptions), *options_of(ClassifierOptions)):
        assert f"--{name.replace('_', '-')}" in usage
