"""Options are checked before anything is read, wherever they come from."""

from __future__ import annotations

import inspect
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

import brightfield
from brightfield.config import TrainOptions, make_options, read_options
from brightfield.errors import ConfigError


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "options.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_toml_gives_options_and_what_is_given_beside_it_wins(tmp_path: Path) -> None:
    path = written(tmp_path, 'recipe = "best"\nseed = 3\ntime_budget = 60\nresplit = true\n')
    found = read_options(path, {"seed": 4})
    assert found == TrainOptions(recipe="best", seed=4, time_budget=60, resplit=True)
    assert make_options(found.as_dict()) == found
    assert read_options(written(tmp_path, "")) == TrainOptions()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('recipie = "best"', "unknown option 'recipie'.*options.toml.*did you mean 'recipe'"),
        ("[train]\nseed = 1", "unknown option 'train'"),
        ("seed = 1.5", "'seed'.*1.5; expected int"),
        ("seed = true", "'seed'.*True; expected int"),
        ('image_size = "512"', "'image_size'.*'512'; expected int"),
        ("policy = 0.5", "'policy'.*expected str"),
        ("resplit = 1", "'resplit'.*expected bool"),
        ("seed = -1", "seed is -1.*0 up to"),
        ("test = 0.95", "test is 0.95.*0 up to 0.9"),
        ("calibration = nan", "calibration is nan"),
        ("time_budget = 0", "time_budget is 0.*above 0"),
        ("time_budget = nan", "time_budget is nan.*above 0"),
        ('method = "patch"', "method 'patch' is unknown.*classifier"),
        ('precision = "float16"', "precision 'float16' is unknown.*bfloat16"),
        ("epochs = 0", "--epochs is 0; expected 1 to"),
        ("micro_batch = 1", "--micro-batch is 1; expected 2 images or more"),
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
    "values", [{"seed": "1"}, {"image_size": 2.0}, {"weights": Path("w.pth")}, {"recipe": None}]
)
def test_python_is_checked_like_toml(values: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=next(iter(values))):
        TrainOptions(**values)


def test_the_python_function_takes_every_option() -> None:
    taken = inspect.signature(brightfield.train).parameters
    usual = {f.name: f.default for f in fields(TrainOptions)}
    assert {name: taken[name].default for name in usual} == usual
