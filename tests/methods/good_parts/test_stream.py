"""A stream of tiles is what cutting every picture gives."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from brightfield.data.preprocessing import Preprocessing
from brightfield.errors import ImageError
from brightfield.methods.good_parts import stream
from brightfield.methods.good_parts.stream import tile_stream, working_pictures
from brightfield.methods.patches.members import tags_of

RULE = Preprocessing(8, None, False, 64, 8, (0.5, 0.4, 0.3), (0.2, 0.3, 0.4))
SHAPES = [(64, 64), (100, 130), (20, 200), (64, 64)]
PICTURES = [
    np.random.default_rng(i).integers(0, 256, (*shape, 3), dtype=np.uint8) for i, shape in enumerate(SHAPES)
]


@pytest.mark.parametrize("most", [1, 3, 100])
def test_tiles_in_batches(most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "PIXELS_AT_ONCE", most * 64 * 64)
    monkeypatch.setattr(stream.threads, "count", lambda: 1)
    batches = list(tile_stream(PICTURES, RULE))
    assert all(len(b.x) <= most for b in batches)
    assert all(len(b.x) == most for b in batches[:-1])
    expected = [RULE.tiles(picture) for picture in PICTURES]
    tiles = np.concatenate([t for t, _ in expected]).astype(np.float32) / 255
    normalised = (tiles - np.array(RULE.mean, np.float32)) / np.array(RULE.std, np.float32)
    x = np.concatenate([b.x for b in batches])
    assert np.allclose(x, np.moveaxis(normalised, 3, 1), atol=1e-5)
    assert np.concatenate([b.pictures for b in batches]).tolist() == [
        i for i, (t, _) in enumerate(expected) for _ in t
    ]
    assert [p for b in batches for p in b.places] == [
        (SHAPES[i], origin) for i, (_, origins) in enumerate(expected) for origin in origins
    ]


def test_tags_say_where_a_patch_comes_from() -> None:
    (batch,) = tile_stream(PICTURES[:2], RULE)
    inside = np.zeros((len(batch.x), 4, 4), np.bool_)
    inside[0, 1, 2] = inside[3, 0, 3] = True
    (first, second) = tags_of(batch, inside).tolist()
    # the middles of cells of 16 px: rows 1 and 0, columns 2 and 3
    top, left = batch.places[3][1]
    assert first == [0, 24, 40]
    assert second == [1, top + 8, left + 56]


def test_files_are_read_in_order_and_named_in_errors(tmp_path: Path) -> None:
    for i, picture in enumerate(PICTURES):
        Image.fromarray(picture).save(tmp_path / f"{i}.png")
    paths = sorted(tmp_path.glob("*.png"))
    for found, picture in zip(working_pictures(paths, RULE), PICTURES, strict=True):
        assert np.array_equal(found, picture)
    Image.new("L", (4, 4)).save(tmp_path / "small.png")
    with pytest.raises(ImageError, match=r"small\.png: it has 4x4 px"):
        list(working_pictures([tmp_path / "small.png"], RULE))


def test_no_picture_no_tile() -> None:
    assert list(tile_stream([], RULE)) == []
