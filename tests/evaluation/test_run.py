"""Judging a data set: what was seen before is known again, what is new counts as a defect."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.metrics import roc_auc_score

import brightfield
from brightfield.errors import ConfigError, DataError
from brightfield.evaluation.predictions import read_csv
from brightfield.evaluation.run import evaluate
from brightfield.inspector import Inspector


def test_the_test_part_is_known_by_content_whatever_its_name(
    spot_inspector: Inspector, spots: Path, tmp_path: Path
) -> None:
    plain = evaluate(spot_inspector, spots)
    assert plain.metrics["n"] == 16
    assert plain.metrics["n_defect"] == 8
    assert set(plain.predictions.splits) == {"test"}
    made = sum(part != "test" for part in spot_inspector.splits.values())
    assert plain.notes == (
        f"{made} images that trained or calibrated the inspector are left out (--split all judges them too)",
    )
    for name in ("OK", "Defect"):
        (tmp_path / "renamed" / name).mkdir(parents=True)
        for i, file in enumerate(sorted((spots / name).iterdir(), reverse=True)):
            shutil.copy(file, tmp_path / "renamed" / name / f"part-{i}.png")
    renamed = evaluate(spot_inspector, tmp_path / "renamed")
    assert sorted(renamed.predictions.scores) == sorted(plain.predictions.scores)


def test_leaks_from_the_training_are_noted(spot_inspector: Inspector, spots: Path) -> None:
    made = evaluate(spot_inspector, spots, split="all")
    counts = {part: made.predictions.splits.count(part) for part in ("train", "calibration", "test")}
    assert counts["test"] == 16
    for part in ("train", "calibration"):
        assert any(f"{counts[part]} of these images were in the {part} split" in note for note in made.notes)
    assert len(evaluate(spot_inspector, spots, split="calibration").notes) == 1


def test_figures_are_those_of_the_verdicts(spot_inspector: Inspector, spots: Path) -> None:
    made = evaluate(spot_inspector, spots)
    paths = {s.image: s.path for s in made.dataset.samples}
    judged = [spot_inspector.inspect(paths[n], explain=False) for n in made.predictions.images]
    truth = np.array([t != "OK" for t in made.predictions.truth])
    called = np.array([v.decision == "DEFECT" for v in judged])
    assert made.metrics["accuracy"] == pytest.approx((truth == called).mean())
    assert made.metrics["auroc"] == pytest.approx(roc_auc_score(truth, [v.probability for v in judged]))
    assert made.metrics["escape_rate"]["value"] == pytest.approx((truth & ~called).sum() / truth.sum())
    assert made.metrics["auroc"] > 0.9


def test_pixels_are_judged_where_there_are_masks(
    spot_inspector: Inspector, spots: Path, tmp_path: Path
) -> None:
    pixel = evaluate(spot_inspector, spots).metrics["pixel"]
    assert pixel["images"] == 16
    assert pixel["regions"] == 8
    assert pixel["auroc"] > 0.8
    shutil.copytree(spots, tmp_path / "bare", ignore=shutil.ignore_patterns("masks"))
    assert "pixel" not in evaluate(spot_inspector, tmp_path / "bare").metrics
    shutil.copytree(spots, tmp_path / "noisy")
    for mask in (tmp_path / "noisy" / "masks" / "Defect").iterdir():
        Image.open(mask).convert("L").save(mask.with_suffix(".jpg"), quality=75)
        mask.unlink()
    assert evaluate(spot_inspector, tmp_path / "noisy").metrics["pixel"] == pixel
    shutil.copytree(spots, tmp_path / "crooked")
    for mask in (tmp_path / "crooked" / "masks" / "Defect").iterdir():
        Image.new("L", (20, 20), 255).save(mask)
    crooked = evaluate(spot_inspector, tmp_path / "crooked")
    assert crooked.metrics["pixel"]["images"] == 8  # the good ones
    assert any(
        "8 mask(s) are left out of the pixel figures" in n and "20x20" in n and "96x64" in n
        for n in crooked.notes
    )


def fresh(folder: Path, each: int = 4) -> Path:
    folder.mkdir(parents=True)
    for i in range(each):
        noise = np.random.default_rng(100 + i).integers(0, 256, (64, 96), dtype=np.uint8)
        Image.fromarray(noise).save(folder / f"{i}.png")
    return folder.parent


def test_an_unknown_type_counts_as_a_defect(spot_inspector: Inspector, spots: Path, tmp_path: Path) -> None:
    data = tmp_path / "new"
    shutil.copytree(spots / "OK", data / "OK")
    fresh(data / "crack")
    made = evaluate(spot_inspector, data, split="all")
    assert made.metrics["n_defect"] == 4
    assert made.metrics["classes"] == ["OK", "Defect", "crack"]
    assert any("never shown crack" in note for note in made.notes)
    assert made.metrics["per_class"]["crack"]["n"] == 4


def test_a_folder_of_defects_alone_can_be_judged(spot_inspector: Inspector, tmp_path: Path) -> None:
    made = evaluate(spot_inspector, fresh(tmp_path / "returns" / "Defect"))
    assert made.metrics["n"] == made.metrics["n_defect"] == 4
    assert any("no image is of the normal class 'OK'" in note for note in made.notes)


def test_what_cannot_be_judged(spot_inspector: Inspector, spots: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="'dev' is unknown.*test"):
        evaluate(spot_inspector, spots, split="dev")
    with pytest.raises(DataError, match="no images of the train split"):
        evaluate(spot_inspector, fresh(tmp_path / "returns" / "Defect"), split="train")
    with pytest.raises(DataError, match="'OK'.*'good'"):
        evaluate(spot_inspector, fresh(tmp_path / "other" / "good"))


def test_what_cannot_be_read_is_left_out_and_said(spot_inspector: Inspector, tmp_path: Path) -> None:
    data = fresh(tmp_path / "returns" / "Defect")
    whole = evaluate(spot_inspector, data)
    assert whole.unreadable == ()
    (data / "Defect" / "1.png").write_bytes(b"no picture")
    made = evaluate(spot_inspector, data)
    assert list(made.unreadable) == made.document["unreadable"] == ["Defect/1.png"]
    assert made.predictions.images == ("Defect/0.png", "Defect/2.png", "Defect/3.png")
    assert np.allclose(made.predictions.scores, whole.predictions.scores[[0, 2, 3]], atol=1e-5)
    assert any("1 image(s) cannot be judged" in n and "1.png is not an image" in n for n in made.notes)
    for picture in (data / "Defect").iterdir():
        picture.write_bytes(b"no picture")
    with pytest.raises(DataError, match="4 image"):
        evaluate(spot_inspector, data)


def test_what_the_rival_cannot_judge_is_not_compared(spot_inspector: Inspector, tmp_path: Path) -> None:
    data = fresh(tmp_path / "parts" / "Defect")
    fresh(tmp_path / "parts" / "OK")
    deep = np.tile(np.arange(64, dtype=np.uint16) * 900, (64, 1))  # of 16 bits
    Image.fromarray(deep).save(data / "OK" / "deep.png")
    both = replace(spot_inspector, preprocessing=replace(spot_inspector.preprocessing, bits=16))
    made = brightfield.evaluate(both, data, other=spot_inspector)
    assert made.metrics["n"] == 9
    assert "against" in made.metrics
    assert any("the other inspector: 1 image(s) cannot be judged" in note for note in made.notes)


def test_a_link_that_leads_nowhere_stops_nothing(spot_inspector: Inspector, tmp_path: Path) -> None:
    data = fresh(tmp_path / "parts" / "Defect")
    (data / "Defect" / "gone.png").symlink_to(tmp_path / "nowhere.png")
    made = brightfield.evaluate(spot_inspector, data, tmp_path / "report")
    assert made.unreadable == ("Defect/gone.png",)
    assert (tmp_path / "report" / "report.html").is_file()


def test_three_files_are_written(spot_inspector: Inspector, spots: Path, tmp_path: Path) -> None:
    made = brightfield.evaluate(spot_inspector, spots, tmp_path / "report")
    assert sorted(p.name for p in (tmp_path / "report").iterdir()) == [
        "metrics.json",
        "predictions.csv",
        "report.html",
    ]
    document = json.loads((tmp_path / "report" / "metrics.json").read_text(encoding="utf-8"))
    assert document["accuracy"] == made.metrics["accuracy"]
    back = read_csv(tmp_path / "report" / "predictions.csv", normal="OK")
    assert np.array_equal(back.scores, made.predictions.scores)
    page = (tmp_path / "report" / "report.html").read_text(encoding="utf-8")
    assert "http://" not in page.replace("http://www.w3.org", "")
