"""Features are computed once, whatever happens in between."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from brightfield.data.cache import PixelCache, build_cache
from brightfield.data.preprocessing import Preprocessing
from brightfield.data.tiling import cut_tiles
from brightfield.engine.spec import HeadSpec
from brightfield.engine.trunk import Trunk
from brightfield.engine.view_names import FLIPS
from brightfield.errors import WriteError
from brightfield.learn.backbone import build_trunk
from brightfield.learn.features import extract, tile_batches
from brightfield.learn.frozen import Freezer
from brightfield.learn.network import build_network
from brightfield.learn.runtime import pick_runtime

RULE = Preprocessing(8, None, False, 64, 8, (0.5, 0.4, 0.3), (0.2, 0.3, 0.4))


@pytest.fixture(scope="module")
def freezer() -> Freezer:
    torch.manual_seed(0)
    spec = HeadSpec(taps=(-2, -1), pools=("mean", "max"))
    return Freezer(build_network(build_trunk("test_resnet"), 2, spec, pick_runtime("cpu")))


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> PixelCache:
    folder = tmp_path_factory.mktemp("pictures")
    rng = np.random.default_rng(0)
    paths = []
    for i in range(70):  # more than a block
        size = (64, 64) if i % 10 else (64, 150)
        paths.append(folder / f"{i}.png")
        Image.fromarray(rng.integers(0, 256, size, dtype=np.uint8)).save(paths[-1])
    return build_cache(paths, rule=RULE, folder=folder / "cache")


def test_batches_hold_the_tiles_in_order(cache: PixelCache) -> None:
    whole = np.concatenate(list(tile_batches(cache, RULE, range(12))))
    assert np.array_equal(
        whole, np.concatenate([cut_tiles(cache[i], 64, 8, RULE.fill)[0] for i in range(12)])
    )


def test_values_are_those_of_each_tile_in_each_view(
    freezer: Freezer, cache: PixelCache, tmp_path: Path
) -> None:
    bank = extract(freezer, cache, RULE, views=FLIPS, folder=tmp_path)
    counts = [3 if i % 10 == 0 else 1 for i in range(70)]
    assert bank.starts.tolist() == [0, *np.cumsum(counts)]
    assert bank.values.shape == (4, sum(counts), 2 * (192 + 96))
    assert bank.values.dtype == np.float16
    tile = cut_tiles(cache[10], 64, 8, RULE.fill)[0][1]
    x = (tile / 255 - np.array(RULE.mean)) / np.array(RULE.std)
    turned = torch.tensor(x[::-1, ::-1].copy(), dtype=torch.float32).permute(2, 0, 1)[None]
    with torch.no_grad():
        maps = freezer.net.trunk.eval()(turned)[-2:]
    expected = torch.cat([p for m in maps for p in (m.mean((2, 3)), m.amax((2, 3)))], 1)[0]
    at = bank.starts[10] + 1
    assert np.allclose(bank.values[1, at], expected.numpy(), rtol=5e-3, atol=2e-3)
    assert not np.array_equal(bank.values[0, at], bank.values[1, at])


class KilledError(Exception):
    pass


def test_a_killed_extraction_goes_on(freezer: Freezer, cache: PixelCache, tmp_path: Path) -> None:
    whole = extract(freezer, cache, RULE, views=FLIPS[:2], folder=tmp_path / "whole")

    def die(stage: str, done: int, total: int) -> None:
        if done:
            raise KilledError

    with pytest.raises(KilledError):
        extract(freezer, cache, RULE, views=FLIPS[:2], folder=tmp_path / "killed", progress=die)
    told: list[int] = []
    bank = extract(
        freezer,
        cache,
        RULE,
        views=FLIPS[:2],
        folder=tmp_path / "killed",
        progress=lambda s, d, n: told.append(d),
    )
    assert told == [64, 70], "did not go on where it stopped"
    assert np.array_equal(bank.values, whole.values)
    for file in (tmp_path / "killed").glob("*.f16"):
        file.write_bytes(file.read_bytes()[:-2])
    again = extract(freezer, cache, RULE, views=FLIPS[:2], folder=tmp_path / "killed")
    assert np.array_equal(again.values, whole.values), "used a damaged file"


def test_no_room_is_said_before_anything_is_computed(
    freezer: Freezer, cache: PixelCache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int, start: int, size: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    def unwanted(*args: object) -> None:
        raise AssertionError("computed")

    with monkeypatch.context() as patch:
        patch.setattr(os, "posix_fallocate", full)
        patch.setattr(Trunk, "pooled", unwanted)
        # 2 views of 84 tiles, each 2 x (192 + 96) numbers of 2 bytes
        with pytest.raises(WriteError, match=r"the disk is full; 194 kB are needed, .* are free"):
            extract(freezer, cache, RULE, views=FLIPS[:2], folder=tmp_path)
    assert list(tmp_path.iterdir()) == []
    assert len(extract(freezer, cache, RULE, views=FLIPS[:2], folder=tmp_path)) == 70


def test_the_file_has_no_holes(freezer: Freezer, cache: PixelCache, tmp_path: Path) -> None:
    class StoppedError(Exception):
        pass

    def stop(stage: str, done: int, total: int) -> None:
        raise StoppedError

    with pytest.raises(StoppedError):
        extract(freezer, cache, RULE, views=FLIPS[:2], folder=tmp_path, progress=stop)
    (file,) = tmp_path.glob("*.f16")
    assert file.stat().st_size == 193_536
    assert file.stat().st_blocks * 512 >= 193_536


def test_other_settings_have_other_features(freezer: Freezer, cache: PixelCache, tmp_path: Path) -> None:
    extract(freezer, cache, RULE, views=FLIPS[:1], folder=tmp_path)
    net = freezer.net
    other = Freezer(build_network(build_trunk("test_resnet"), 2, net.head.spec, net.runtime))
    order = HeadSpec(taps=(-2, -1), pools=("max", "mean"))
    swapped = Freezer(build_network(net.trunk, 2, order, net.runtime))
    extract(other, cache, RULE, views=FLIPS[:1], folder=tmp_path)
    extract(swapped, cache, RULE, views=FLIPS[:1], folder=tmp_path)
    assert len(list(tmp_path.glob("*.f16"))) == 3
