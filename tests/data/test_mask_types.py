"""Masks tell defect types apart: by outlines, by a table of values, else by the image's class."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from brightfield.data import mask_types as module
from brightfield.data.dataset import Dataset, Sample
from brightfield.data.load import load
from brightfield.data.mask_kinds import Outlines, Shape
from brightfield.data.mask_types import mask_types, read_types
from brightfield.data.mask_values import read_table
from brightfield.data.masks import read_mask
from brightfield.errors import DataError, ImageError

Values = npt.NDArray[np.uint8]


def values() -> Values:
    """A 2 in 6 pixels, a 7 in 4."""
    array = np.zeros((16, 24), dtype=np.uint8)
    array[2:4, 5:8] = 2
    array[10:12, 20:22] = 7
    return array


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two good parts, and one of the class Defect with a mask of several values."""
    for name in ("OK/0.png", "OK/1.png", "Defect/0.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.fromarray(np.full((16, 24), 90, dtype=np.uint8)).save(tmp_path / name)
    place = tmp_path / "masks" / "Defect" / "0.png"
    place.parent.mkdir(parents=True)
    Image.fromarray(values()).save(place)
    return tmp_path


def defect_of(folder: Path) -> tuple[Dataset, Sample]:
    dataset = load(folder)
    return dataset, next(s for s in dataset.samples if s.label == "Defect")


def test_a_table_names_the_values(folder: Path) -> None:
    (folder / "masks" / "mask_values.csv").write_text("value,type\n2,scratch\n7,pit\n")
    dataset, sample = defect_of(folder)
    assert mask_types(dataset) == ("pit", "scratch")
    found = read_types(sample, ("pit", "scratch"))
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found, np.select([values() == 2, values() == 7], [2, 1], 0))
    np.testing.assert_array_equal(read_mask(sample.mask), values() > 0)


def test_a_value_may_mean_good(folder: Path) -> None:
    (folder / "mask_values.csv").write_text("value;type\n0;background\n2;scratch\n7;OK\n")
    dataset, sample = defect_of(folder)
    assert mask_types(dataset) == ("scratch",)
    np.testing.assert_array_equal(read_mask(sample.mask), values() == 2)


def test_colours_and_palettes(folder: Path) -> None:
    place = folder / "masks" / "Defect" / "0.png"
    picture = Image.fromarray(values(), mode="P")
    picture.putpalette([0, 0, 0, 9, 9, 9, 255, 0, 0, *(10,) * 12, 0, 0, 255])
    for picture_kind, table in (
        (picture, "2,scratch\n7,pit"),
        (picture, "#FF0000,scratch\n0 0 255,pit"),
        (picture.convert("RGB"), '"255,0,0",scratch\n#0000ff,pit\n#000000,'),
    ):
        picture_kind.save(place)
        (folder / "mask_values.csv").write_text(f"value,type\n{table}\n")
        dataset, sample = defect_of(folder)
        found = read_types(sample, mask_types(dataset))
        np.testing.assert_array_equal(found, np.select([values() == 2, values() == 7], [2, 1], 0))


def test_a_value_without_a_name_is_an_error_that_names_it(folder: Path) -> None:
    (folder / "mask_values.csv").write_text("value,type\n2,scratch\n")
    dataset, sample = defect_of(folder)
    with pytest.raises(
        ImageError, match=r"0\.png has 4 pixels with values .* does not name \(7\); add a line"
    ):
        read_types(sample, mask_types(dataset))
    with pytest.raises(ImageError, match="does not name"):
        read_mask(sample.mask)


def test_without_a_table_all_is_of_the_images_class_and_that_is_said_once(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    module._say_untyped.cache_clear()
    dataset, sample = defect_of(folder)
    assert mask_types(dataset) == ("Defect",)
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            np.testing.assert_array_equal(read_types(sample, ("Defect",)), values() > 0)
    assert [r.getMessage() for r in caplog.records if "mask_values.csv" in r.getMessage()] == [
        "masks hold several values, but no mask_values.csv (value,type) says what they stand for: all that a "
        "mask marks is taken as its image's class"
    ]


def test_no_mask_is_read_to_know_the_types(folder: Path) -> None:
    (folder / "masks" / "Defect" / "0.png").write_bytes(b"broken")
    assert mask_types(load(folder)) == ("Defect",)


def test_outlines_carry_their_types() -> None:
    ring = (2.0, 1.0, 6.0, 1.0, 6.0, 5.0, 2.0, 5.0)
    mask = Outlines(Path("a.json"), 8, 10, (Shape("pit", (ring,)), Shape("burr", runs=(70, 5, 5))))
    sample = Sample("a.png", Path("a.png"), "Defect", mask=mask)
    dataset = Dataset("parts", (sample,), ("OK", "Defect"), "OK")
    assert mask_types(dataset) == ("burr", "pit")
    found = read_types(sample, ("burr", "dent", "pit"))
    assert {int(v): int((found == v).sum()) for v in np.unique(found)} == {0: 59, 1: 5, 3: 16}
    with pytest.raises(DataError, match=r"a\.png marks 'burr', which is none of the types \(pit\)"):
        read_types(sample, ("pit",))


def test_a_good_part_with_an_empty_mask_has_no_type(tmp_path: Path) -> None:
    Image.new("L", (10, 8)).save(tmp_path / "m.png")
    sample = Sample("a.png", tmp_path / "a.png", "OK", mask=tmp_path / "m.png")
    assert mask_types(Dataset("parts", (sample,), ("OK",), "OK")) == ()
    assert not read_types(sample, ()).any()


def test_no_mask_and_too_many_types_are_errors(tmp_path: Path) -> None:
    sample = Sample("a.png", tmp_path / "a.png", "pit")
    with pytest.raises(DataError, match=r"a\.png has no mask"):
        read_types(sample, ("pit",))
    with pytest.raises(DataError, match="256 defect types; expected 255 at most"):
        read_types(sample, [str(i) for i in range(256)])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("value,type\n1,pit\n1,burr\n", "row 2: 1 has a name already"),
        ("value,type\n1,pit\n#ff0000,burr\n", "both numbers and colours"),
        ("value,type\n", "has no values"),
        ("value,type\nred,pit\n", "row 1: the value is 'red'"),
        ("value,type\n70000,pit\n", "the value is '70000'"),
        ("value,type\n300 0 0,pit\n", "the value is '300 0 0'"),
        ("value,name\n1,pit\n", "has no column type"),
    ],
)
def test_wrong_tables_are_refused_with_the_row(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "mask_values.csv").write_text(text)
    with pytest.raises(DataError, match=message):
        read_table(tmp_path / "mask_values.csv")
