from __future__ import annotations

from pathlib import Path

import grey_parts
import numpy as np
import pytest
from PIL import Image

from brightfield.monitor.measurement import (
    Measured,
    Measurement,
    embeddings,
    in_natural_order,
    measured_in,
    size_of,
    thumbnail,
)


def made(i: int, *, embedding: np.ndarray | None) -> Measurement:
    return Measurement(embedding, 0.1 * i, 0.2, 0.3, 100 + i, 200, row=0.4, column=0.6 + 0.01 * i)


def test_a_reference_is_kept_and_found_again() -> None:
    measured = Measured(
        rows=np.array([0, 3, 4]),
        measurements=tuple(made(i, embedding=np.full(4, i, np.float32)) for i in range(3)),
        images=("good/a.png", "good/größe.png", "bad/c\udcff.png"),
        positions=np.array([5, 1, 2]),
        groups=np.array([-1, 0, 0]),
        thumbnails={1: np.arange(12, dtype=np.uint8).reshape(2, 2, 3)},
    )
    found = measured_in({"scores": np.zeros(3), **measured.arrays()})
    assert found is not None
    assert found.measurements == measured.measurements
    for one, other in zip(found.measurements, measured.measurements, strict=True):
        assert (one.embedding == other.embedding).all()  # type: ignore[union-attr]
    assert found.images == measured.images
    for name in ("rows", "positions", "groups"):
        assert (getattr(found, name) == getattr(measured, name)).all()
    assert (found.thumbnails[1] == measured.thumbnails[1]).all()


def test_without_embeddings_none_are_kept() -> None:
    measured = Measured(np.arange(1), (made(1, embedding=None),), ("a",), np.arange(1), np.arange(1))
    found = measured_in(measured.arrays())
    assert found is not None
    assert found.measurements[0].embedding is None


def test_a_reference_of_before_has_no_measurements() -> None:
    assert measured_in({"scores": np.zeros(3), "brightness_contrast": np.zeros((3, 2))}) is None


def test_embeddings_of_different_lengths_are_none() -> None:
    few = [made(0, embedding=np.zeros(3, np.float32)), made(1, embedding=np.zeros(4, np.float32))]
    assert embeddings(few) is None
    assert embeddings(few[:1]) is not None


def test_the_order_of_names_counts_numbers_by_value() -> None:
    names = ["b/img10.png", "a/img2.png", "b/img2.png", "a/img1b.png", "c/1.png"]
    order = [names[i] for i in np.argsort(in_natural_order(names))]
    assert order == ["c/1.png", "a/img1b.png", "a/img2.png", "b/img2.png", "b/img10.png"]


@pytest.mark.parametrize("turned", [False, True])
def test_the_size_is_that_of_the_decoded_picture(tmp_path: Path, turned: bool) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6 if turned else 1
    Image.fromarray(np.zeros((20, 30, 3), np.uint8)).save(tmp_path / "a.jpg", exif=exif)
    assert size_of(tmp_path / "a.jpg") == ((30, 20) if turned else (20, 30))


def test_thumbnails_are_small_and_small_pictures_stay() -> None:
    assert thumbnail(np.zeros((400, 800, 3), np.uint8)).shape == (48, 96, 3)
    assert (thumbnail(grey_parts.picture(1)) == grey_parts.picture(1)).all()
