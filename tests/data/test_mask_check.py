"""What is wrong with masks is named, with how to mend it; what is right stays unmentioned."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from brightfield.data.check import check
from brightfield.data.dataset import Dataset
from brightfield.data.finding import Finding, Severity
from brightfield.data.mask_kinds import Outlines, Shape
from brightfield.data.mask_values import with_mask_values
from brightfield.data.synthetic import make_parts

Redraw = Callable[[Image.Image], Image.Image]


@pytest.fixture
def parts(tmp_path: Path) -> Dataset:
    return make_parts(tmp_path / "parts", n_ok=24, n_defect=21, size=(64, 96), defect_px=9, kinds=("pit",))


def redrawn(parts: Dataset, change: Redraw, some: int, suffix: str = ".png", **how: object) -> Dataset:
    """Return the parts with the masks of the last few changed, and saved under another name."""
    changed = []
    for sample in parts.samples[-some:]:
        place = Path(str(sample.mask)).with_name(f"{sample.path.stem}-other{suffix}")
        change(Image.open(str(sample.mask)).convert("L")).save(place, **how)
        changed.append(replace(sample, mask=place))
    return parts.subset([*parts.samples[:-some], *changed])


def only(dataset: Dataset) -> Finding:
    """Return the one finding that there is."""
    findings = check(dataset).findings
    assert [f.kind for f in findings] == [findings[0].kind]
    return findings[0]


def test_noise_is_told_once_for_all(parts: Dataset) -> None:
    found = only(redrawn(parts, lambda mask: mask, 3, ".jpg", quality=75))
    assert (found.severity, found.kind) == (Severity.NOTE, "mask-noise")
    assert found.files == ("pit/0042.png", "pit/0043.png", "pit/0044.png")
    assert "3 mask(s)" in found.message
    assert "PNG" in found.message


def test_numbers_of_classes_are_fine(parts: Dataset) -> None:
    assert check(redrawn(parts, lambda mask: mask.point(lambda v: v // 255), 3)).findings == ()
    assert check(redrawn(parts, lambda mask: mask.point(lambda v: v // 2), 3)).findings == ()


def test_inverted_masks_are_named(parts: Dataset) -> None:
    for suffix in (".png", ".jpg"):
        kinds = {f.kind: f for f in check(redrawn(parts, ImageOps.invert, 2, suffix)).findings}
        assert kinds.keys() == {"mask-full"} | ({"mask-noise"} if suffix == ".jpg" else set())
        found = kinds["mask-full"]
        assert found.severity is Severity.WARNING
        assert found.files == ("pit/0043.png", "pit/0044.png")
        assert "invert them" in found.message


@pytest.mark.parametrize(("rows", "named"), [(47, False), (48, True), (64, True)])
def test_nearly_all_is_three_quarters_of_the_picture(parts: Dataset, rows: int, named: bool) -> None:
    def cover(mask: Image.Image) -> Image.Image:
        pixels = np.zeros((64, 96), np.uint8)
        pixels[:rows] = 255
        return Image.fromarray(pixels)

    kinds = [f.kind for f in check(redrawn(parts, cover, 1)).findings]
    assert kinds == ["mask-full"] * named


def test_masks_that_are_grey(parts: Dataset) -> None:
    rng = np.random.default_rng(0)

    def photograph(mask: Image.Image) -> Image.Image:
        return Image.fromarray(rng.normal(120, 30, (64, 96)).clip(0, 255).astype(np.uint8))

    found = only(redrawn(parts, photograph, 2))
    assert (found.severity, found.kind) == (Severity.WARNING, "mask-grey")
    assert found.files == ("pit/0043.png", "pit/0044.png")
    assert "draw the defect white (255)" in found.message


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_the_picture_itself_is_no_mask(parts: Dataset, suffix: str) -> None:
    sample = parts.samples[-1]
    place = sample.path.with_name(f"copy{suffix}")
    Image.open(sample.path).convert("RGB").save(place)
    found = only(parts.subset([*parts.samples[:-1], replace(sample, mask=place)]))
    assert (found.severity, found.kind) == (Severity.ERROR, "mask-picture")
    assert found.files == ("pit/0044.png",)


def test_empty_masks_of_jpeg_are_empty(parts: Dataset) -> None:
    found = only(redrawn(parts, lambda mask: mask.point(lambda v: 0), 1, ".jpg"))
    assert (found.severity, found.kind) == (Severity.WARNING, "mask-empty")


def test_a_good_part_with_an_inverted_mask(parts: Dataset) -> None:
    place = parts.samples[0].path.with_name("white.png")
    Image.new("L", (96, 64), 255).save(place)
    masked = parts.subset([replace(parts.samples[0], mask=place), *parts.samples[1:]])
    assert {f.kind for f in check(masked).findings} == {"mask-on-normal", "mask-full"}


def test_several_values_without_a_table_are_told_once(parts: Dataset) -> None:
    def halved(mask: Image.Image) -> Image.Image:
        values = np.asarray(mask) // 255
        values[: len(values) // 2] *= 3
        return Image.fromarray(np.concatenate([values[:1] + 5, values[1:]]))

    found = only(redrawn(parts, halved, 4))
    assert (found.severity, found.kind) == (Severity.NOTE, "mask-values")
    assert "4 mask(s) hold several values, but no mask_values.csv" in found.message


def test_a_named_type_without_pixels_and_a_value_without_a_name(parts: Dataset) -> None:
    table = Path(str(parts.samples[-1].mask)).parents[1] / "mask_values.csv"
    table.write_text("value,type\n255,pit\n7,burr\n")
    valued = with_mask_values(parts, table.parent)
    found = only(valued)
    assert (found.severity, found.kind) == (Severity.NOTE, "mask-type")
    assert found.message.startswith("mask_values.csv says that the value 7 is 'burr', but no mask marks")
    report = check(valued)
    assert report.as_dict()["masks"] == {"images": 21, "types": {"pit": 21}}
    table.write_text("value,type\n7,burr\n")
    kinds = [f.kind for f in check(with_mask_values(parts, table.parent)).findings]
    assert kinds.count("mask-unreadable") == 21


def test_outlines_that_mark_nothing_are_named(parts: Dataset) -> None:
    thin = Shape("pit", ((1.6, 1.0, 2.4, 1.0, 2.4, 6.0),))
    square = Shape("pit", ((5.0, 5.0, 9.0, 5.0, 9.0, 9.0, 5.0, 9.0),))
    outlined = [replace(s, mask=Outlines(s.path, 64, 96, (square, thin))) for s in parts.samples[-2:]]
    found = only(parts.subset([*parts.samples[:-2], *outlined]))
    assert (found.severity, found.kind) == (Severity.WARNING, "mask-sliver")
    assert found.files == ("pit/0043.png", "pit/0044.png")
