"""Public data sets: found on the disk, or a message that says how to get them."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from brightfield.data.catalog import CATALOG, data_root, fetch, is_catalog_name, load_catalog
from brightfield.data.load import load
from brightfield.errors import DataError


def picture(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", (4, 3), 100).save(path)


def test_where_data_is_looked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BRIGHTFIELD_DATA", str(tmp_path))
    assert data_root() == tmp_path
    assert data_root(tmp_path / "named") == tmp_path / "named"
    monkeypatch.delenv("BRIGHTFIELD_DATA")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert data_root() == tmp_path / ".local" / "share" / "brightfield" / "data"


@pytest.mark.parametrize("name", ["cifar10", "magnetic-tile", "mvtec-ad/screw", "ballscrew"])
def test_absent_data_says_what_to_put_where(tmp_path: Path, name: str) -> None:
    entry = CATALOG[name.partition("/")[0]]
    with pytest.raises(DataError) as caught:
        load(name, root=tmp_path)
    message = str(caught.value)
    for told in (str(tmp_path / entry.name), entry.how, entry.expected, entry.licence, entry.homepage):
        assert told in message


def test_a_folder_of_the_same_name_is_pointed_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "ballscrew").mkdir()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match=r"write \./ballscrew"):
        load("ballscrew", root=tmp_path / "elsewhere")


def test_elpv_uninstalled_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(DataError, match=r"pip install elpv-dataset .*CC BY-NC-SA 4\.0"):
        load("elpv")


def test_elpv() -> None:
    if importlib.util.find_spec("elpv_dataset") is None:
        pytest.skip("elpv-dataset is not installed")
    dataset = load("elpv")
    assert dataset.counts() == {"OK": 1508 + 295, "Defective": 106 + 715}
    assert dataset.licence == "CC BY-NC-SA 4.0"
    strata = {s.stratum for s in dataset.samples}
    assert len(strata) == 8
    assert {"0.0/mono", "1.0/poly"} < strata


def test_categories_and_names_are_suggested(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="did you mean mvtec-ad/screw"):
        load("mvtec-ad/scrw", root=tmp_path)
    with pytest.raises(DataError, match="there are: bottle"):
        load("mvtec-ad", root=tmp_path)
    with pytest.raises(DataError, match="'elvp' is not in the catalog.*did you mean elpv"):
        fetch("elvp", root=tmp_path)
    assert is_catalog_name("mvtec-ad/screw")
    assert not is_catalog_name("elpv/screw")


def test_data_on_the_disk_is_found(tmp_path: Path) -> None:
    picture(tmp_path / "mvtec-ad" / "screw" / "train" / "good" / "000.png")
    picture(tmp_path / "ballscrew" / "images" / "a.jpg")
    (tmp_path / "ballscrew" / "manifest.csv").write_text("image,label,mask,group\nimages/a.jpg,OK,,p1\n")
    picture(tmp_path / "magnetic-tile" / "MT_Free" / "Imgs" / "a.jpg")
    assert load_catalog("mvtec-ad/screw", root=tmp_path).name == "mvtec-ad/screw"
    assert load_catalog("ballscrew", root=tmp_path).samples[0].group == "p1"
    assert load_catalog("magnetic-tile", root=tmp_path).normal == "Free"
    assert fetch("ballscrew", root=tmp_path) == tmp_path / "ballscrew"


@pytest.fixture
def binary(tmp_path: Path) -> np.ndarray:
    """Write CIFAR-10's binary version with two images a file; return the first image."""
    folder = tmp_path / "cifar10" / "cifar-10-batches-bin"
    folder.mkdir(parents=True)
    (folder / "batches.meta.txt").write_text("cat\ndog\n\n")
    images = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3), np.uint8)
    records = b"".join(bytes([i]) + images[i].transpose(2, 0, 1).tobytes() for i in (0, 1))
    for name in (*(f"data_batch_{i}.bin" for i in range(1, 6)), "test_batch.bin"):
        (folder / name).write_bytes(records)
    return images[0]


def test_binary_cifar_is_converted(tmp_path: Path, binary: np.ndarray) -> None:
    with pytest.raises(DataError, match="brightfield data fetch cifar10"):
        load("cifar10", root=tmp_path)
    fetch("cifar10", root=tmp_path)
    dataset = load("cifar10", root=tmp_path)
    assert dataset.split("train").counts() == {"cat": 5, "dog": 5}
    assert dataset.split("test").counts() == {"cat": 1, "dog": 1}
    np.testing.assert_array_equal(np.asarray(Image.open(dataset.samples[0].path)), binary)


@pytest.mark.usefixtures("binary")
def test_broken_binary_cifar_leaves_nothing_behind(tmp_path: Path) -> None:
    folder = tmp_path / "cifar10" / "cifar-10-batches-bin"
    (folder / "data_batch_3.bin").write_bytes(b"short")
    with pytest.raises(DataError, match=r"data_batch_3\.bin has 5 bytes; expected a multiple of 3073"):
        fetch("cifar10", root=tmp_path)
    assert not (tmp_path / "cifar10" / "train").exists()
    (folder / "data_batch_3.bin").unlink()
    with pytest.raises(DataError, match="cannot be read"):
        fetch("cifar10", root=tmp_path)


def test_pickled_cifar_is_not_opened(tmp_path: Path) -> None:
    (tmp_path / "cifar10" / "cifar-10-batches-py").mkdir(parents=True)
    with pytest.raises(DataError, match="pickle can run any code; get the binary version"):
        load("cifar10", root=tmp_path)
