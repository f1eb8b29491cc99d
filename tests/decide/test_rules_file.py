"""Files of rules: what they say, and that a wrong one is refused with the line and the reason."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from brightfield.decide.rules import Rules
from brightfield.decide.rules_file import read_rules
from brightfield.errors import ConfigError

WHOLE = """\
decide = "alone"
mm_per_pixel = 0.02
ignore_below_area_px = 4
limits = [
  "scratch.length_mm <= 2.0",   # from the drawing
  "pit.count <= 3",
]

[[region]]
name = "sealing face"
mask = "masks/face.png"
limits = ["any.count <= 0"]
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    face = np.zeros((30, 40), np.uint8)
    face[:, 20:] = 255
    (tmp_path / "masks").mkdir()
    Image.fromarray(face).save(tmp_path / "masks" / "face.png")
    Image.fromarray(face // 3 + 20).save(tmp_path / "grey.png")
    return tmp_path


def written(folder: Path, text: str) -> Path:
    path = folder / "rules.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_file_is_read_whole(folder: Path) -> None:
    rules = read_rules(written(folder, WHOLE))
    assert (rules.alone, rules.mm_per_pixel, rules.ignore_below_area_px) == (True, 0.02, 4.0)
    assert [(limit.text, limit.line) for limit in rules.limits] == [
        ("scratch.length_mm <= 2.0", 5),
        ("pit.count <= 3", 6),
    ]
    (face,) = rules.regions
    assert (face.name, face.limits[0].text, face.limits[0].line) == ("sealing face", "any.count <= 0", 12)
    assert face.region.mask.sum() == 600
    assert rules.source == "rules.toml"


def test_rules_come_back_from_a_bundle_as_they_were(folder: Path) -> None:
    rules = read_rules(written(folder, WHOLE))
    assert Rules.from_dict(rules.as_dict()) == rules
    for wrong in ({"limits": ["pit.size <= 3"]}, {"regions": [{"name": "x"}]}, {"decide": None, "limits": 3}):
        with pytest.raises((ValueError, KeyError, TypeError)):
            Rules.from_dict({**rules.as_dict(), **wrong})


def test_without_regions_the_rules_decide_beside_the_probability(folder: Path) -> None:
    rules = read_rules(written(folder, "limits = ['any.count <= 0']"))
    assert (rules.decide, rules.alone, rules.regions, rules.mm_per_pixel) == ("beside", False, (), None)


REGION = '\n[[region]]\nname = "face"\nmask = "masks/face.png"\nlimits = ["any.count <= 0"]\n'


@pytest.mark.parametrize(
    ("text", "line", "why"),
    [
        ("limits = [\n  'pit.count <= 3'\n  'pit.count <= 2'\n]", None, "is not TOML.*line 3"),
        ("", None, "there are no limits"),
        ("limits = []", None, "there are no limits"),
        ("limits = 'pit.count <= 3'", 1, "expected a list"),
        ("\nlimits = [3]", 2, "a limit is 3; expected text"),
        ("# pit.cuont <= 3\nlimits = ['pit.count <= 3',\n 'pit.cuont <= 3']", 3, "did you mean count"),
        ("limits = ['pit.count <= 3']\ndecide = 'besides'", 2, "expected 'beside' or 'alone'"),
        ("limit = ['pit.count <= 3']", 1, "unknown key 'limit'; did you mean limits"),
        ("limits = ['pit.count <= 3']\n[regions]\nx = 1", 2, "unknown key 'regions'; did you mean region"),
        ("limits = ['pit.count <= 3']\n[region]\nname = 'x'", 2, r"expected \[\[region\]\]"),
        ("limits = ['pit.count <= 3']\nmm_per_pixel = 0", 2, "mm_per_pixel is 0; expected a number above 0"),
        ("limits = ['pit.count <= 3']\nmm_per_pixel = '0.02'", 2, "expected a number above 0"),
        ("limits = ['pit.count <= 3']\nignore_below_area_px = true", 2, "expected a number above 0"),
        (REGION.replace('name = "face"\n', ""), 2, "the region has no name"),
        (REGION.replace('"face"', "3"), 3, "name is 3; expected text"),
        (REGION.replace("masks/face", "masks/fcae"), 4, "fcae.png cannot be read as a mask"),
        (REGION.replace("masks/face", "grey"), 4, "not black and white"),
        (REGION.replace('"any.count <= 0"', ""), 5, "has no limits"),
        (REGION.replace("count", "number"), 5, "unknown quantity 'number'"),
        (REGION.replace("mask ", "masks "), 4, "unknown key 'masks' of a region; did you mean mask"),
        (REGION + REGION, 7, "two regions are named 'face'"),
        (REGION + REGION.replace("count", "number").replace('face"\nm', 'back"\nm'), 10, "unknown quantity"),
    ],
)
def test_a_wrong_file_is_refused_with_line_and_reason(
    folder: Path, text: str, line: int | None, why: str
) -> None:
    path = written(folder, text)
    with pytest.raises(ConfigError, match=why) as refused:
        read_rules(path)
    assert str(path) in str(refused.value)
    if line is not None:
        assert f"{path}, line {line}: " in str(refused.value)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"--rules .*none.toml cannot be read: No such file"):
        read_rules(tmp_path / "none.toml")


def test_the_example_of_the_page_is_read(folder: Path) -> None:
    page = (Path(__file__).parents[2] / "docs" / "rules.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"^```toml\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    (folder / "masks" / "face.png").rename(folder / "face.png")
    rules = read_rules(written(folder, example))
    assert [limit.text for limit in rules.all_limits] == [
        "scratch.length_mm <= 2.0",
        "pit.count <= 3",
        "any.area_mm2 <= 0.5",
        "scratch.total_area_px <= 900",
        "any.count <= 0",
    ]
    assert (rules.decide, rules.mm_per_pixel, rules.ignore_below_area_px) == ("beside", 0.02, 6)
