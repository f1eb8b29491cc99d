"""Heatmaps as files: what each grey level means."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from brightfield.explain.files import encode_heatmap, read_heatmap, write_maps
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
