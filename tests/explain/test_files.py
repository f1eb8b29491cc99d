"""Heatmaps as files: what each grey level means."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from brightfield.errors import WriteError
from brightfield.explain.files import encode_heatmap, map_paths, read_heatmap, write_maps
from brightfield.explain.overlay import TYPE_COLOURS
from brightfield.verdict import Decision, HeatmapKind, Verdict

HEAT = np.array([[0.0, 0.0004, 0.0006, 1.0], [1.9996, 0.9996, 0.9999999, 66.0]], dtype=np.float32)


def verdict(*, mask: bool) -> Verdict:
    return Verdict(
        decision=Decision.DEFECT,
        label="pit",
        score=1.0,
        threshold=0.5,
        method="classifier",
        milliseconds=1.0,
        heatmap=HEAT,
        heatmap_kind=HeatmapKind.ATTRIBUTION,
        mask=HEAT >= 1.0 if mask else None,
    )


def test_a_thousand_levels_are_one_and_only_what_reaches_it(tmp_path: Path) -> None:
    file = tmp_path / "heat.png"
    file.write_bytes(encode_heatmap(HEAT))
    with Image.open(file) as image:
        assert image.mode.startswith("I;16")
        assert image.text["heatmap"].startswith("grey level / 1000")
        levels = np.asarray(image)
    assert levels.tolist() == [[0, 0, 1, 1000], [2000, 999, 999, 65535]]
    assert read_heatmap(file).tolist() == (levels / np.float32(1000)).tolist()


@pytest.mark.parametrize("letter", ["n", "缺"])
def test_names_that_would_be_too_long_are_shortened_alike(tmp_path: Path, letter: str) -> None:
    picture = np.zeros((2, 4, 3), np.uint8)
    for end in "ab":
        start = tmp_path / (letter * (250 // len(letter.encode())) + end)
        files = write_maps(start, verdict(mask=True), picture)
        written = {"heatmap": files.heatmap, "mask": files.mask, "overlay": files.overlay}
        assert {**written, "types": map_paths(start)["types"]} == map_paths(start)
        assert len({str(path).removesuffix(f".{kind}.png") for kind, path in written.items()}) == 1
    assert len(list(tmp_path.iterdir())) == 6
    assert map_paths(tmp_path / "a.b")["mask"] == tmp_path / "a.b.mask.png"


def test_of_an_image_that_cannot_be_written_nothing_is_left(tmp_path: Path) -> None:
    (tmp_path / "a.overlay.png").mkdir()
    with pytest.raises(
        WriteError, match=r"write .*a\.overlay\.png: a folder is in the way \(.*a\.overlay\.png\)"
    ):
        write_maps(tmp_path / "a", verdict(mask=True), np.zeros((2, 4, 3), np.uint8))
    assert [p.name for p in tmp_path.iterdir()] == ["a.overlay.png"]


def test_what_there_is_is_written_and_nothing_else(tmp_path: Path) -> None:
    picture = np.full((2, 4, 3), 90, dtype=np.uint8)
    files = write_maps(tmp_path / "deep" / "a.b", verdict(mask=False))
    assert (files.heatmap, files.mask, files.overlay) == (tmp_path / "deep" / "a.b.heatmap.png", None, None)
    files = write_maps(tmp_path / "c", verdict(mask=True), picture)
    assert files.mask is not None
    assert files.overlay is not None
    assert np.asarray(Image.open(files.mask)).tolist() == [[0, 0, 0, 255], [255, 0, 0, 255]]
    laid = np.asarray(Image.open(files.overlay))
    assert laid.shape == (2, 4, 3)
    assert laid[0, 0].tolist() == [90, 90, 90] or laid[0, 0].tolist() == [255, 255, 255]
    assert sorted(p.name for p in tmp_path.rglob("*.png")) == [
        "a.b.heatmap.png",
        "c.heatmap.png",
        "c.mask.png",
        "c.overlay.png",
    ]


def test_types_have_a_palette_and_their_names(tmp_path: Path) -> None:
    types = np.array([[0, 1, 2, 0], [0, 0, 2, 8]], np.uint8)
    found = replace(verdict(mask=True), class_map=types, types=tuple("abcdefghi"), mask=types > 0)
    files = write_maps(tmp_path / "a", found)
    assert files.types == tmp_path / "a.types.png"
    with Image.open(files.types) as image:
        assert json.loads(image.text["types"]) == list("abcdefghi")
        assert np.array_equal(np.asarray(image), types)
        rgb = np.asarray(image.convert("RGB"))
    assert rgb[0, 0].tolist() == [0, 0, 0]
    assert rgb[0, 1].tolist() == rgb[1, 3].tolist() == list(TYPE_COLOURS[0])  # the eighth type begins anew
    assert rgb[0, 2].tolist() == list(TYPE_COLOURS[1])
