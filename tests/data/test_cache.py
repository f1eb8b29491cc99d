"""Decoded once, served for ever; killed at any moment, never half read."""

from __future__ import annotations

import errno
import json
import os
import pickle
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from brightfield.data import cache as cache_module
from brightfield.data.cache import PixelCache, build_cache
from brightfield.data.preprocessing import Preprocessing
from brightfield.errors import DataError, ImageError, WriteError

NATIVE = Preprocessing(8, None, True, 64, 0, (0.5, 0.4, 0.3), (0.2,) * 3)


def sized(long_side: int, *, enlarge: bool = True) -> Preprocessing:
    return replace(NATIVE, long_side=long_side, enlarge=enlarge)


@pytest.fixture
def paths(tmp_path: Path) -> list[Path]:
    rng = np.random.default_rng(0)
    shapes = [(5, 7, 3), (4, 4), (9, 3, 3), (5, 7, 3)]
    out = []
    for i, shape in enumerate(shapes):
        out.append(tmp_path / f"{i}.png")
        Image.fromarray(rng.integers(0, 256, shape, np.uint8)).save(out[-1])
    return out


def test_pixels_come_back_as_pillow_reads_them(paths: list[Path], tmp_path: Path) -> None:
    cache = build_cache(paths, rule=NATIVE, folder=tmp_path / "c")
    assert len(cache) == 4
    for i, path in enumerate(paths):
        expected = np.asarray(Image.open(path).convert("RGB"))
        np.testing.assert_array_equal(cache[i], expected)
        assert cache.shapes[i] == expected.shape
        assert cache[i].dtype == np.uint8


def test_images_are_resized(paths: list[Path], tmp_path: Path) -> None:
    cache = build_cache(paths, rule=sized(14), folder=tmp_path / "c")
    assert cache.shapes == [(10, 14, 3), (14, 14, 3), (14, 5, 3), (10, 14, 3)]


def test_sixteen_bits_share_one_white_level(tmp_path: Path) -> None:
    for name, value in (("a", 1023), ("b", 4095)):
        Image.fromarray(np.full((2, 2), value, np.uint16)).save(tmp_path / f"{name}.png")
    files = [tmp_path / "a.png", tmp_path / "b.png"]
    cache = build_cache(files, rule=replace(NATIVE, bits=12), folder=tmp_path / "c")
    assert [int(cache[i][0, 0, 0]) for i in (0, 1)] == [64, 255]


def test_a_batch_is_a_new_array(paths: list[Path], tmp_path: Path) -> None:
    cache = build_cache(paths, rule=NATIVE, folder=tmp_path / "c")
    batch = cache.batch([3, 0])
    np.testing.assert_array_equal(batch, np.stack([cache[3], cache[0]]))
    assert batch.flags.writeable
    with pytest.raises(DataError, match="7x5, 3x9|3x9, 7x5|4x4"):
        cache.batch([0, 1])
    assert cache.batch([0, 3], out=batch) is batch
    np.testing.assert_array_equal(batch, np.stack([cache[0], cache[3]]))
    np.testing.assert_array_equal(cache.batch([1])[0], cache[1])
    with pytest.raises(DataError, match=r"out is uint8 \(2, 5, 7, 3\); expected uint8 \(1, 5, 7, 3\)"):
        cache.batch([0], out=batch)
    with pytest.raises(IndexError, match="image 4 of 4"):
        cache[4]


def test_a_second_run_decodes_nothing(
    paths: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = build_cache(paths, rule=NATIVE, folder=tmp_path / "c")

    def refuse(*args: object) -> None:
        raise AssertionError("decoded again")

    monkeypatch.setattr(cache_module, "decode", refuse)
    again = build_cache(paths, rule=NATIVE, folder=tmp_path / "c")
    np.testing.assert_array_equal(again[2], first[2])


def test_a_changed_file_rule_or_order_is_another_cache(paths: list[Path], tmp_path: Path) -> None:
    folder = tmp_path / "c"
    indices = {build_cache(paths, rule=NATIVE, folder=folder).index}
    indices.add(build_cache(paths, rule=sized(6), folder=folder).index)
    indices.add(build_cache(paths, rule=sized(6, enlarge=False), folder=folder).index)
    indices.add(build_cache(paths, rule=replace(NATIVE, bits=12), folder=folder).index)
    indices.add(build_cache(paths[::-1], rule=NATIVE, folder=folder).index)
    Image.new("RGB", (2, 2), "red").save(paths[0])
    changed = build_cache(paths, rule=NATIVE, folder=folder)
    assert len(indices | {changed.index}) == 6
    np.testing.assert_array_equal(changed[0][0, 0], [255, 0, 0])


def test_an_unreadable_file_is_named_and_nothing_is_left(paths: list[Path], tmp_path: Path) -> None:
    paths[2].write_bytes(paths[2].read_bytes()[:60])
    with pytest.raises(ImageError, match=r"2\.png"):
        build_cache(paths, rule=NATIVE, folder=tmp_path / "c")
    assert list((tmp_path / "c").iterdir()) == []
    with pytest.raises(ImageError, match=r"gone\.png does not exist"):
        build_cache([tmp_path / "gone.png"], rule=NATIVE, folder=tmp_path / "c")
    with pytest.raises(DataError, match="no images"):
        build_cache([], rule=NATIVE, folder=tmp_path / "c")


def test_a_folder_that_cannot_be_is_named(paths: list[Path]) -> None:
    with pytest.raises(WriteError, match="a file is in the way"):
        build_cache(paths, rule=NATIVE, folder=paths[0] / "c")


def test_no_room_says_how_much_all_would_take(
    tmp_path: Path, small_files: Callable[[int], AbstractContextManager[None]]
) -> None:
    files = [tmp_path / f"{i}.png" for i in range(10)]
    for i, file in enumerate(files):
        Image.new("RGB", (20, 20), (i, 0, 0)).save(file)
    folder = tmp_path / "c"
    with small_files(4000), pytest.raises(WriteError, match=r"write .*/c: .*; 12 kB are needed"):
        build_cache(files, rule=NATIVE, folder=folder)
    assert list(folder.iterdir()) == []
    assert len(build_cache(files, rule=NATIVE, folder=folder)) == 10


def test_a_disk_that_is_found_full_only_at_the_end(
    paths: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(WriteError, match=r"the disk is full; \d+ bytes are needed, .* are free"):
        build_cache(paths, rule=NATIVE, folder=tmp_path / "c")
    assert list((tmp_path / "c").iterdir()) == []


@pytest.mark.parametrize("damage", ["short pixels", "no pixels", "broken index"])
def test_a_damaged_cache_is_built_again(paths: list[Path], tmp_path: Path, damage: str) -> None:
    index = build_cache(paths, rule=NATIVE, folder=tmp_path / "c").index
    pixels = index.with_suffix(".u8")
    if damage == "short pixels":
        pixels.write_bytes(pixels.read_bytes()[:-1])
    elif damage == "no pixels":
        pixels.unlink()
    else:
        index.write_text("{", encoding="utf-8")
    cache = build_cache(paths, rule=NATIVE, folder=tmp_path / "c")
    np.testing.assert_array_equal(cache[0], np.asarray(Image.open(paths[0])))


def test_a_killed_build_is_never_read(paths: list[Path], tmp_path: Path) -> None:
    code = (
        "import os, signal, sys\n"
        "from pathlib import Path\n"
        "from brightfield.data.cache import build_cache\n"
        "from brightfield.data.preprocessing import Preprocessing\n"
        "rule = Preprocessing(8, None, True, 64, 0, (0.5, 0.4, 0.3), (0.2,) * 3)\n"
        "def die(stage, done, total):\n"
        "    if done == 3: os.kill(os.getpid(), signal.SIGKILL)\n"
        "build_cache([Path(p) for p in sys.argv[2:]], rule=rule,\n"
        "            folder=Path(sys.argv[1]), progress=die)\n"
    )
    folder = tmp_path / "c"
    source = str(Path(cache_module.__file__).parents[2])
    done = subprocess.run(
        [sys.executable, "-c", code, str(folder), *map(str, paths)],
        env={**os.environ, "PYTHONPATH": source},
        check=False,
    )
    assert done.returncode == -signal.SIGKILL
    left = list(folder.glob("*.partial"))
    assert left
    assert not list(folder.glob("*.json"))
    os.utime(left[0], (0, 0))
    cache = build_cache(paths, rule=NATIVE, folder=folder)
    np.testing.assert_array_equal(cache[2], np.asarray(Image.open(paths[2])))
    assert not list(folder.glob("*.partial"))


def test_grey_takes_a_third_of_the_room(tmp_path: Path) -> None:
    Image.new("L", (10, 10), 7).save(tmp_path / "g.png")
    cache = build_cache([tmp_path / "g.png"], rule=NATIVE, folder=tmp_path / "c")
    assert cache.index.with_suffix(".u8").stat().st_size == 100
    assert json.loads(cache.index.read_text())["shapes"] == [[10, 10, 1]]
    assert cache[0].shape == (10, 10, 3)


def test_a_cache_travels_between_processes_as_a_path(paths: list[Path], tmp_path: Path) -> None:
    cache = build_cache(paths, rule=NATIVE, folder=tmp_path / "c")
    packed = pickle.dumps(cache)
    assert len(packed) < 1000
    again: PixelCache = pickle.loads(packed)
    np.testing.assert_array_equal(again[1], cache[1])
