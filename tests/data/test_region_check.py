"""A data set and its region: pictures that do not fit, and defects where nobody looks."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from brightfield.data.dataset import Dataset, Sample
from brightfield.data.region import Region
from brightfield.data.region_check import check_region, find_in_region, outside_note, shares_outside
from brightfield.errors import DataError

LEFT = Region.of(np.arange(60)[None].repeat(40, 0) < 30)
"""The left half of pictures of 60 by 40."""

DEFECTS = {"seen": (5, 15), "cut": (27, 37), "unseen": (40, 50)}
"""The first and last columns of each part's defect, of ten rows."""


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    samples = []
    for name, columns in (("good", None), *DEFECTS.items()):
        Image.new("L", (60, 40), 90).save(tmp_path / f"{name}.png")
        mask = None
        if columns is not None:
            drawn = np.zeros((40, 60), dtype=np.uint8)
            drawn[10:20, slice(*columns)] = 255
            mask = tmp_path / f"{name}-mask.png"
            Image.fromarray(drawn).save(mask)
        label = "OK" if mask is None else "pit"
        samples.append(Sample(f"{name}.png", tmp_path / f"{name}.png", label, mask, split="train"))
    return Dataset("parts", tuple(samples), ("OK", "pit"), "OK")


def test_shares_outside(dataset: Dataset) -> None:
    """Of the ten columns of `cut`, seven lie right of the middle."""
    shares = shares_outside(dataset.samples, LEFT)
    assert shares == {"seen.png": 0.0, "cut.png": 0.7, "unseen.png": 1.0}
    assert outside_note(shares) == (
        "of 3 images with a mask, 2 have defective pixels outside the region of interest, where nothing is "
        "looked at (on average 56.7% of a mask); of 1 all of it is outside: unseen.png"
    )
    assert outside_note({"seen.png": 0.0}) is None
    assert outside_note({}) is None


def test_a_defect_that_cannot_be_seen_is_named_before_it_teaches(
    dataset: Dataset, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        check_region(dataset, LEFT)
    (record,) = caplog.records
    assert "1 defective training picture(s)" in record.getMessage()
    assert "(unseen.png)" in record.getMessage()
    caplog.clear()
    tested = dataset.subset(replace(s, split="test") for s in dataset.samples)
    check_region(tested, LEFT)
    assert not caplog.records


def test_a_picture_of_another_shape_stops_the_training(dataset: Dataset, tmp_path: Path) -> None:
    Image.new("L", (40, 40), 90).save(tmp_path / "good.png")
    with pytest.raises(
        DataError, match=r"1 image\(s\) do not fit --roi; the first, good\.png: it is 40x40 px"
    ):
        check_region(dataset, LEFT)
    tested = [replace(s, split="test") if s.image == "good.png" else s for s in dataset.samples]
    check_region(dataset.subset(tested), LEFT)  # at the test it is one unreadable picture among others


def test_findings(dataset: Dataset, tmp_path: Path) -> None:
    Image.new("L", (40, 40), 90).save(tmp_path / "good.png")
    found = {f.kind: f for f in find_in_region(LEFT, dataset, ())}
    assert {kind: (str(f.severity), f.files) for kind, f in found.items()} == {
        "region-size": ("error", ("good.png",)),
        "region-unseen": ("warning", ("unseen.png",)),
        "region-outside": ("note", ("cut.png", "unseen.png")),
    }
