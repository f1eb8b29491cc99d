"""Kept features: those of new pictures are computed, those of known ones read, and the folder stays small."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from brightfield.data.cache import build_cache
from brightfield.data.preprocessing import Preprocessing
from brightfield.engine.spec import HeadSpec
from brightfield.engine.trunk import Trunk
from brightfield.engine.view_names import FLIPS
from brightfield.learn.backbone import build_trunk
from brightfield.learn.features import FeatureBank, Keeping, extract
from brightfield.learn.frozen import Freezer
from brightfield.learn.kept_features import CACHE_VARIABLE, features_folder, open_kept, prune
from brightfield.learn.network import build_network
from brightfield.learn.runtime import pick_runtime

RULE = Preprocessing(8, None, False, 64, 8, (0.5, 0.4, 0.3), (0.2, 0.3, 0.4))


@pytest.fixture(scope="module")
def freezer() -> Freezer:
    torch.manual_seed(0)
    return Freezer(build_network(build_trunk("test_resnet"), 2, HeadSpec(), pick_runtime("cpu")))


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Nine pictures, every third of which is cut into three tiles."""
    folder = tmp_path_factory.mktemp("pictures")
    rng = np.random.default_rng(0)
    paths = [folder / f"{i}.png" for i in range(9)]
    for i, path in enumerate(paths):
        size = (64, 64) if i % 3 else (64, 150)
        Image.fromarray(rng.integers(0, 256, size, dtype=np.uint8)).save(path)
    return paths


@pytest.fixture
def computed(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The number of tiles that the trunk is given, batch by batch."""
    batches: list[int] = []
    pooled = Trunk.pooled

    def counted(self: Trunk, x: np.ndarray) -> np.ndarray:
        batches.append(len(x))
        return pooled(self, x)

    monkeypatch.setattr(Trunk, "pooled", counted)
    return batches


def extracted(
    freezer: Freezer, paths: list[Path], place: Path, rule: Preprocessing = RULE, name: str = "work"
) -> FeatureBank:
    work = place.with_name(name)
    cache = build_cache(paths, rule=rule, folder=work / "pixels")
    digests = [hashlib.sha256(p.read_bytes()).hexdigest() for p in paths]
    return extract(freezer, cache, rule, views=FLIPS[:2], folder=work, keeping=Keeping(place, digests))


def test_only_new_pictures_are_computed(
    freezer: Freezer, pictures: list[Path], computed: list[int], tmp_path: Path
) -> None:
    whole = extracted(freezer, pictures, tmp_path / "none", name="whole")
    computed.clear()
    extracted(freezer, [*pictures[5:], *pictures[:3]], tmp_path / "kept", name="first")
    computed.clear()
    again = extracted(freezer, pictures, tmp_path / "kept", name="second")
    assert again.found == 7
    # pictures 3 and 4 are new: 3 tiles and 1, in two views
    assert sum(computed) == 2 * 4
    np.testing.assert_allclose(
        again.values.astype(np.float32), whole.values.astype(np.float32), rtol=2e-3, atol=2e-3
    )
    computed.clear()
    last = extracted(freezer, pictures, tmp_path / "kept", name="third")
    assert (last.found, computed) == (9, [])
    np.testing.assert_array_equal(last.values, again.values)


def test_another_network_or_preprocessing_has_features_of_its_own(
    freezer: Freezer, pictures: list[Path], tmp_path: Path
) -> None:
    extracted(freezer, pictures[:3], tmp_path / "kept", name="first")
    torch.manual_seed(1)
    other = Freezer(build_network(build_trunk("test_resnet"), 2, HeadSpec(), pick_runtime("cpu")))
    assert extracted(other, pictures[:3], tmp_path / "kept", name="second").found == 0
    smaller = Preprocessing(8, 48, False, 48, 8, RULE.mean, RULE.std)
    assert extracted(freezer, pictures[:3], tmp_path / "kept", smaller, "third").found == 0
    assert extracted(freezer, pictures[:3], tmp_path / "kept", name="fourth").found == 3


def test_a_damaged_block_is_computed_again(freezer: Freezer, pictures: list[Path], tmp_path: Path) -> None:
    extracted(freezer, pictures[:3], tmp_path / "kept", name="first")
    (block,) = (tmp_path / "kept").glob("*/*.safetensors")
    block.write_bytes(block.read_bytes()[:-50])
    again = extracted(freezer, pictures[:3], tmp_path / "kept", name="second")
    assert again.found == 0
    assert extracted(freezer, pictures[:3], tmp_path / "kept", name="third").found == 3


def test_where_nothing_can_be_kept_the_training_does_without(
    freezer: Freezer,
    pictures: list[Path],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    kept = tmp_path / "kept"
    kept.write_text("a file is in the way")
    bank = extracted(freezer, pictures[:1], kept)
    assert len(bank) == 1
    assert "features are not kept" in caplog.text


def test_what_was_used_longest_ago_gives_way(tmp_path: Path) -> None:
    one = np.ones((1, 2, 100), dtype=np.float16)
    digests = [f"{i:064x}" for i in range(4)]
    for i, digest in enumerate(digests):
        open_kept(tmp_path, "key").keep([digest], [one * i])
    blocks = {d: p.block for d, p in open_kept(tmp_path, "key").places.items()}
    for age, digest in enumerate(digests):
        os.utime(blocks[digest], (1e9 + age, 1e9 + age))
    open_kept(tmp_path, "key").used(digests[:1])
    size = blocks[digests[0]].stat().st_size
    assert prune(tmp_path, 2 * size) == 2
    assert set(open_kept(tmp_path, "key").places) == {digests[0], digests[3]}
    np.testing.assert_array_equal(open_kept(tmp_path, "key").read(digests[3]), one * 3)
    assert open_kept(tmp_path, "key").read(digests[1]) is None
    assert prune(tmp_path, 2 * size) == 0


def test_where_features_are_kept(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path))
    assert features_folder() == tmp_path / "features"
    monkeypatch.delenv(CACHE_VARIABLE)
    assert features_folder() == Path.home() / ".cache" / "brightfield" / "features"
