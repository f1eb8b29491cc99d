"""A study of an inspector whose decisions follow a picture's brightness."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from brightfield.data.dataset import Dataset, Sample
from brightfield.data.decode import decode
from brightfield.errors import ConfigError, DataError
from brightfield.evaluation.disturb import Disturbance
from brightfield.evaluation.study import Study, run_study
from brightfield.report.agreement import agreement_section
from brightfield.report.wording import agreement_sentences
from brightfield.verdict import Decision, Scale, Verdict

LEVELS = (60, 70, 96, 150, 104, 160)
"""Bright is defective from 100 on; the third and the fifth are near."""


class Judge:
    operating_point = object()

    def inspect(self, image: Any, *, explain: bool) -> Any:
        level = float(decode(image).mean())
        decision = Decision.DEFECT if level >= 100 else Decision.OK
        return Verdict(decision, "", level, 100.0, "levels", 1.0, scale=Scale.SCORE)


@pytest.fixture
def parts(tmp_path: Path) -> tuple[Dataset, Any]:
    samples = []
    for i, level in enumerate(LEVELS):
        path = tmp_path / f"{i}.png"
        Image.fromarray(np.full((16, 16), level, np.uint8)).save(path)
        label = "OK" if i in (0, 1, 2) else "spot"
        samples.append(Sample(f"{i}.png", path, label, group=f"part {i // 2}"))
    shown = [Judge().inspect(s.path, explain=False) for s in samples]
    predictions = SimpleNamespace(
        decisions=tuple(v.decision for v in shown),
        values=np.array([v.score for v in shown]),
        compared_on=Scale.SCORE,
        is_defect=np.array([s.label != "OK" for s in samples]),
    )
    return Dataset("d", tuple(samples), ("OK", "spot"), "OK"), predictions


def studied(parts: tuple[Dataset, Any], study: Study) -> dict[str, Any]:
    return run_study(Judge(), *parts, study)  # type: ignore[arg-type]


def test_light_alone_changes_what_is_near_the_threshold(parts: tuple[Dataset, Any]) -> None:
    found = studied(parts, Study(trials=40, disturbance=Disturbance(0, 0.1, 0)))
    assert list(found["causes"]) == ["darker", "brighter"]
    assert (found["causes"]["darker"]["changed"]["k"], found["causes"]["brighter"]["changed"]["k"]) == (1, 1)
    assert found["causes"]["darker"]["escape_rate"]["k"] == 1
    assert found["causes"]["brighter"]["overkill_rate"]["k"] == 1
    # of 60, 70, 96, 104, 150 and 160 a tenth, the most but for one in twenty: between 15 and 16
    for cause in found["causes"].values():
        assert (cause["scale"], 15 < cause["moves"] <= 16) == ("score", True)
    said = agreement_sentences(found)
    assert any(
        "Darker at the largest disturbance: 1 of 6 decisions change; 95 of 100 scores move" in s for s in said
    )
    assert (agreement_section(found) or {})["moved"] == "scores"
    one = found["appraisers"]["the inspector"]
    assert one["decisions"] == 6 * 40
    assert (one["repeatability"]["k"], one["repeatability"]["n"]) == (4, 6)
    assert 0 < one["miss_rate"] < 1 / 3
    again = studied(parts, Study(trials=40, disturbance=Disturbance(0, 0.1, 0)))
    assert again == found, "the same seed"


def test_moving_an_even_picture_changes_nothing(parts: tuple[Dataset, Any]) -> None:
    found = studied(parts, Study(trials=3, disturbance=Disturbance(2, 0, 1)))
    assert (agreement_section(found) or {})["title"] == "Are its decisions repeatable?"
    one = found["appraisers"]["the inspector"]
    assert one["repeatability"]["value"] == one["effectiveness"] == 1


def test_pictures_of_a_group_are_shots_of_a_part(parts: tuple[Dataset, Any]) -> None:
    dataset, predictions = parts
    with pytest.raises(DataError, match="'part 1' is good in some pictures and defective in others"):
        studied(parts, Study(repeated=True))
    mended = dataset.subset(replace(s, label="spot") if i == 2 else s for i, s in enumerate(dataset.samples))
    predictions.is_defect[2] = True
    found = studied((mended, predictions), Study(repeated=True))
    one = found["appraisers"]["the inspector"]
    assert (found["parts"], one["parts"], one["decisions"], one["repeatability"]["k"]) == (3, 3, 6, 2)
    assert found["causes"] == {}
    assert (agreement_section(found) or {})["title"] == "Are its decisions repeatable?"
    alone = dataset.subset(replace(s, group=None) for s in dataset.samples)
    with pytest.raises(DataError, match="column group"):
        studied((alone, predictions), Study(repeated=True))


def test_people_beside_the_inspector(parts: tuple[Dataset, Any], tmp_path: Path) -> None:
    path = tmp_path / "people.csv"
    rows = [f"{i}.png,Kim,{d}" for i, d in enumerate(("ok", "OK", "DEFECT", "spot", "DEFECT", "review"))]
    text = "\n".join(["image,appraiser,decision", *rows, "0.png,Kim,OK"])
    path.write_text(text.replace(",", ";"))  # as spreadsheets write it in half of Europe
    found = studied(parts, Study(appraisals=path))
    kim = found["appraisers"]["Kim"]
    assert (kim["decisions"], kim["effectiveness"], kim["false_alarm_rate"]) == (7, 5 / 7, 1 / 4)
    assert (found["all_alike"]["k"], found["all_alike"]["n"]) == (4, 6)
    section = agreement_section(found)
    assert section is not None
    assert section["title"] == "Does it decide as people do?"
    assert section["how"] == "6 parts, each in one picture."


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("image,person,decision\n0.png,Kim,OK", "no column appraiser"),
        ("image,appraiser,decision\n9.png,Kim,OK", "row 1: image '9.png' is not among"),
        ("image,appraiser,decision\n0.png,Kim,perhaps", "row 1: decision is 'perhaps'"),
        ("image,appraiser,decision\n0.png,,OK", "expected a person's name"),
        ("image,appraiser,decision", "has no rows"),
    ],
)
def test_wrong_files(parts: tuple[Dataset, Any], tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "people.csv"
    path.write_text(text)
    with pytest.raises(DataError, match=said):
        studied(parts, Study(appraisals=path))


def test_a_file_that_is_not_there_is_said_before_anything_is_judged(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.csv is not a file"):
        Study(appraisals=tmp_path / "none.csv")


def test_what_is_refused(parts: tuple[Dataset, Any]) -> None:
    with pytest.raises(ConfigError, match="--trials is -1"):
        Study(trials=-1)
    names_only = SimpleNamespace(operating_point=None)
    with pytest.raises(ConfigError, match="only names classes"):
        run_study(names_only, *parts, Study(trials=1))  # type: ignore[arg-type]
