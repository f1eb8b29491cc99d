"""Updating an inspector: what is taken in, how it is calibrated, and what its manifest says."""

from __future__ import annotations

import json
import logging
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import brightfield
from brightfield.data.load import load
from brightfield.data.synthetic import make_parts
from brightfield.decide.guarantee import Guarantee
from brightfield.decide.operating_point import OperatingPoint
from brightfield.errors import ConfigError, DataError
from brightfield.inspector import Inspector
from brightfield.methods.base import Updated
from brightfield.options import TrainOptions, make_options
from brightfield.pipeline.update import update, update_and_test
from brightfield.pipeline.update_calibration import as_calibrated_before
from brightfield.verdict import Scale


@pytest.fixture(scope="module")
def whole(synthetic_parts: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data set of `memory_bundle` with 3 more good parts."""
    folder = Path(shutil.copytree(synthetic_parts, tmp_path_factory.mktemp("more") / "parts"))
    (folder / "manifest.csv").unlink()
    more = make_parts(folder.parent / "new", n_ok=3, n_defect=0, size=(96, 128), defect_px=18, seed=7)
    for sample in more.samples:
        shutil.copy(sample.path, folder / "OK" / f"new-{sample.path.name}")
    return folder


@pytest.fixture
def false_alarm(synthetic_parts: Path, tmp_path: Path) -> Path:
    """A folder OK of one picture that the inspector has not seen and would reject."""
    pixels = np.asarray(Image.open(sorted((synthetic_parts / "pit").iterdir())[0])).copy()
    pixels[0, 0] = 0
    (tmp_path / "alarm" / "OK").mkdir(parents=True)
    Image.fromarray(pixels).save(tmp_path / "alarm" / "OK" / "alarm.png")
    return tmp_path / "alarm"


def test_the_whole_data_set_is_calibrated_anew(memory_bundle: Path, whole: Path, tmp_path: Path) -> None:
    before = Inspector.load(memory_bundle)
    tested = update_and_test(whole, tmp_path / "new", memory_bundle)
    after = Inspector.load(tmp_path / "new")
    (step,) = after.facts["training"]["lineage"]
    assert step["parent"] == json.loads((memory_bundle / "manifest.json").read_text())["sha256"]
    assert (step["good_parts_added"], step["calibration"]) == (3, "anew")
    assert {k: v for k, v in after.splits.items() if k in before.splits} == before.splits
    assert sorted(after.splits.values()) == sorted([*before.splits.values(), *["train"] * 3])
    # the same calibration pictures, scored again
    np.testing.assert_array_equal(after.reference["labels"], before.reference["labels"])
    assert not np.array_equal(after.reference["scores"], before.reference["scores"])
    assert tested.evaluation is not None
    assert len(tested.evaluation.predictions) == list(before.splits.values()).count("test")
    counts = [i.facts["fingerprints"]["splits"]["train"]["OK"] for i in (before, after)]
    assert counts[1] == counts[0] + 3


def test_a_false_alarm_taken_in_passes(memory_bundle: Path, false_alarm: Path, tmp_path: Path) -> None:
    image = false_alarm / "OK" / "alarm.png"
    before = brightfield.load(memory_bundle)
    after = brightfield.train(false_alarm, tmp_path / "new.bfz", from_=memory_bundle)
    again = brightfield.load(tmp_path / "new.bfz")
    scores = [of.inspect(image, explain=False).score for of in (before, after, again)]
    assert scores[1] < 0.5 * scores[0]
    assert scores[2] == scores[1]
    assert again.facts["training"]["lineage"][0]["calibration"] == "kept"
    np.testing.assert_array_equal(again.reference["scores"], before.reference["scores"])


def test_the_folder_of_good_parts_itself_will_do(memory_bundle: Path, false_alarm: Path) -> None:
    inspector, placed = update(false_alarm / "OK", None, memory_bundle)
    assert placed.counts() == {"OK": 1}
    assert inspector.facts["training"]["lineage"][0]["good_parts_added"] == 1


def test_what_is_known_is_not_taken_in_again(
    memory_bundle: Path, false_alarm: Path, synthetic_parts: Path, tmp_path: Path
) -> None:
    with pytest.raises(DataError, match=r"no new good part.*36.*of the test split"):
        update(synthetic_parts, None, memory_bundle)
    update(false_alarm, tmp_path / "once", memory_bundle)
    with pytest.raises(DataError, match="1 of the train split"):
        update(false_alarm, None, tmp_path / "once")


def test_lineage_grows(memory_bundle: Path, false_alarm: Path, whole: Path, tmp_path: Path) -> None:
    update(false_alarm, tmp_path / "one", memory_bundle)
    inspector, _ = update(whole, tmp_path / "two", tmp_path / "one")
    first, second = inspector.facts["training"]["lineage"]
    assert second["parent"] == json.loads((tmp_path / "one" / "manifest.json").read_text())["sha256"]
    assert first["parent"] != second["parent"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"method": "classifier"}, "--method classifier with --from a bundle of the method patchcore"),
        ({"bank": 7}, "--bank: an update keeps"),
        ({"roi": "mask.png"}, "--roi: an update keeps"),
        ({"normal": "fine"}, "--normal 'fine'"),
    ],
)
def test_options_that_would_change_the_inspector(
    memory_bundle: Path, whole: Path, options: dict[str, object], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        update(whole, None, memory_bundle, make_options(options))


def test_a_policy_needs_parts_to_calibrate_on(memory_bundle: Path, false_alarm: Path) -> None:
    with pytest.raises(DataError, match=r"'f1' chooses a threshold.*0 good and 0 defective"):
        update(false_alarm, None, memory_bundle, TrainOptions(policy="f1"))


def test_a_class_that_is_not_the_good_one(memory_bundle: Path, false_alarm: Path) -> None:
    (false_alarm / "OK").rename(false_alarm / "fine")
    with pytest.raises(DataError, match="fine; expected the class 'OK'"):
        update(load(false_alarm), None, memory_bundle)


def test_methods_without_a_memory_bank(trained_bundle: Path, false_alarm: Path) -> None:
    with pytest.raises(ConfigError, match="method classifier, which cannot take pictures in"):
        update(false_alarm, None, trained_bundle)


@pytest.mark.parametrize(("only_fall", "kept"), [(True, ["overkill"]), (False, [])])
def test_only_promises_that_still_hold_are_kept(
    memory_bundle: Path,
    false_alarm: Path,
    caplog: pytest.LogCaptureFixture,
    only_fall: bool,
    kept: list[str],
) -> None:
    base = Inspector.load(memory_bundle)
    promises = (Guarantee("overkill", 0.1, 0.95, 29, 0), Guarantee("escape", 0.1, 0.95, 29, 0))
    point = OperatingPoint("any", 3.0, 58, 29, 0, 0, guarantees=promises, scale=Scale.SCORE)
    with caplog.at_level(logging.WARNING):
        after = as_calibrated_before(
            base.with_operating_point(point), Updated(base.method, only_fall, {}), load(false_alarm)
        )
    assert after.operating_point is not None
    assert [g.kind for g in after.operating_point.guarantees] == kept
    assert after.operating_point.threshold == 3.0
    assert ("no score has risen" in caplog.text) == only_fall
    assert ("nothing that was promised holds" in caplog.text) != only_fall


def test_an_update_needs_no_torch(memory_bundle: Path, false_alarm: Path) -> None:
    code = (
        "import sys, brightfield\n"
        f"brightfield.train({str(false_alarm)!r}, from_={str(memory_bundle)!r})\n"
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
