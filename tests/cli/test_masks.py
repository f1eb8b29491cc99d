"""`brightfield masks`: what it prints, its exit codes, and where it refuses to write."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import colour_method as colour
import pytest
from colour_method import STRONG, part
from PIL import Image

PIT = ("pit", slice(30, 36), slice(10, 16), STRONG)


@pytest.fixture
def parts(tmp_path: Path) -> Path:
    for name, shapes in (("OK/0.png", ()), ("pit/0.png", (PIT,)), ("pit/1.png", ())):
        (tmp_path / "parts" / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(part((60, 80), *shapes)).save(tmp_path / "parts" / name)
    return tmp_path / "parts"


@pytest.fixture
def bundle(tmp_path: Path) -> Iterator[Path]:
    with colour.registered():
        colour.inspector().save(tmp_path / "inspector")
        yield tmp_path / "inspector"


def test_what_it_prints(brightfield, bundle: Path, parts: Path, tmp_path: Path) -> None:
    said = brightfield("masks", bundle, parts, "-o", tmp_path / "out")
    assert said.code == 0
    assert said.out.splitlines() == [
        "pictures with proposed defects: 1; regions: pit 1",
        "pictures in which nothing was found, with empty masks: 1 (pit/1.png)",
        "good parts, with empty masks: 1",
        str(tmp_path / "out" / "annotations.json"),
        str(tmp_path / "out" / "masks"),
    ]
    assert "propose: 3" in said.err


def test_one_document_and_the_forms(brightfield, bundle: Path, parts: Path, tmp_path: Path) -> None:
    words = ("masks", bundle, parts, "--json", "--quiet")
    said = brightfield(*words, "-o", tmp_path / "a", "--format", "coco", "--only-defective", "--smallest", 50)
    assert said.code == 0
    assert said.err == ""
    assert said.document["left_out"] == 1
    assert said.document["regions"] == {}
    assert [p.name for p in (tmp_path / "a").iterdir()] == ["annotations.json"]
    brightfield(*words, "-o", tmp_path / "b", "--format", "all", "--overlay", "--threshold", 1)
    found = sorted(p.relative_to(tmp_path / "b").as_posix() for p in (tmp_path / "b").rglob("*.*"))
    assert found == [
        "annotations.json",
        "mask_values.csv",
        "masks/OK/0.json",
        "masks/OK/0_mask.png",
        *(f"masks/pit/{i}{end}" for i in (0, 1) for end in (".json", ".overlay.png", "_mask.png")),
    ]


def test_a_picture_that_cannot_be_read_ends_with_2(
    brightfield, bundle: Path, parts: Path, tmp_path: Path
) -> None:
    (parts / "pit" / "2.png").write_bytes(b"broken")
    said = brightfield("masks", bundle, parts, "-o", tmp_path / "out", "--json", "--quiet")
    assert said.code == 2
    assert said.document["unreadable"] == ["pit/2.png"]
    assert said.document["images"] == 3
    assert "is not an image that can be read" in said.err


def test_where_it_refuses_to_write(brightfield, bundle: Path, parts: Path, tmp_path: Path) -> None:
    for place, message in (
        (parts, "holds the images to judge"),
        (parts / "masks", "is inside the data set"),
        (bundle / "masks", "is inside the inspector's bundle"),
        (tmp_path, "holds images of the data set"),
        (bundle / "manifest.json", "is a file"),
    ):
        said = brightfield("masks", bundle, parts, "-o", place)
        assert said.code == 2
        assert message in said.err
    assert not (parts / "masks").exists()
    assert brightfield("masks", bundle, parts).code == 2
