"""Folders and tables as people have them, and the ones that cannot be used."""

from __future__ import annotations

import logging
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from brightfield.data.dataset import Dataset, Sample, find_normal
from brightfield.data.load import load
from brightfield.errors import DataError, MissingPackageError


def picture(path: Path, value: int = 100) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", (4, 3), value).save(path)
    return path


def test_a_flat_tree(tmp_path: Path) -> None:
    for name in (
        "OK/b.png",
        "OK/deep/er/a.JPG",
        "crack/a.tif",
        "stain/x.webp",
        "OK/.hidden.png",
        ".git/c.png",
    ):
        picture(tmp_path / name)
    (tmp_path / "OK" / "notes.txt").write_text("no image")
    dataset = load(tmp_path)
    assert [s.image for s in dataset.samples] == [
        "OK/b.png",
        "OK/deep/er/a.JPG",
        "crack/a.tif",
        "stain/x.webp",
    ]
    assert dataset.classes == ("OK", "crack", "stain")
    assert dataset.normal == "OK"
    assert dataset.name == tmp_path.name
    assert {s.split for s in dataset.samples} == {None}


def test_masks_beside_and_in_their_own_folder_are_no_samples(tmp_path: Path) -> None:
    picture(tmp_path / "good" / "a.png")
    picture(tmp_path / "crack" / "b.jpg")
    beside = picture(tmp_path / "crack" / "b_mask.png")
    picture(tmp_path / "stain" / "c.png")
    apart = picture(tmp_path / "masks" / "stain" / "c.png")
    picture(tmp_path / "stain" / "plain_mask.png")  # called a mask, but of nothing
    masks = {s.image: s.mask for s in load(tmp_path).samples}
    assert masks == {
        "good/a.png": None,
        "crack/b.jpg": beside,
        "stain/c.png": apart,
        "stain/plain_mask.png": None,
    }


@pytest.mark.parametrize("held", ["val", "valid", "validation"])
def test_parts_in_folders(tmp_path: Path, held: str) -> None:
    for part in ("train", held, "test"):
        for label in ("cat", "dog"):
            picture(tmp_path / part / label / "a.png")
    dataset = load(tmp_path)
    assert [s.split for s in dataset.samples if s.image.startswith(held)] == ["calibration"] * 2
    assert len(dataset.split("train")) == len(dataset.split("test")) == 2
    assert dataset.normal is None
    assert load(tmp_path, normal="dog").classes == ("dog", "cat")


def test_a_mask_beside_its_image_may_have_its_name(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    seen = rng.integers(20, 200, (40, 50), dtype=np.uint8)
    blotch = np.zeros((40, 50), dtype=np.uint8)
    blotch[10:20, 10:30], blotch[9, 10:30] = 255, 130  # a rim that blends
    (tmp_path / "OK").mkdir()
    (tmp_path / "crack").mkdir()
    for name, pixels in {
        "crack/a.jpg": seen,
        "crack/a.png": blotch,
        "OK/b.bmp": seen,
        "OK/b.png": np.zeros_like(blotch),
        "crack/c.jpg": seen,  # exported twice
        "crack/c.png": seen,
        "crack/d.png": blotch,  # against the light, twice
        "crack/d.tif": blotch,
    }.items():
        Image.fromarray(pixels).save(tmp_path / name)
    assert {s.image: s.mask for s in load(tmp_path).samples} == {
        "OK/b.bmp": tmp_path / "OK" / "b.png",
        "crack/a.jpg": tmp_path / "crack" / "a.png",
        "crack/c.jpg": None,
        "crack/c.png": None,
        "crack/d.png": None,
        "crack/d.tif": None,
    }


def test_each_part_has_its_own_masks(tmp_path: Path) -> None:
    for part in ("train", "test"):
        picture(tmp_path / part / "OK" / "0.png")
        picture(tmp_path / part / "pit" / "1.png")
        picture(tmp_path / part / "masks" / "pit" / "1.png")
    picture(tmp_path / "train" / "pit" / "2.png")
    shared = picture(tmp_path / "masks" / "pit" / "2.png")
    masks = {s.image: s.mask for s in load(tmp_path).samples}
    for part in ("train", "test"):
        assert masks[f"{part}/pit/1.png"] == tmp_path / part / "masks" / "pit" / "1.png"
    assert masks["train/pit/2.png"] == shared


def test_mvtec_layout(tmp_path: Path) -> None:
    for name in ("train/good/000.png", "test/good/000.png", "test/hole/000.png", "test/cut/000.png"):
        picture(tmp_path / name)
    hole = picture(tmp_path / "ground_truth" / "hole" / "000_mask.png")
    dataset = load(tmp_path)
    assert dataset.classes == ("good", "cut", "hole")
    assert {s.image: s.mask for s in dataset.samples}["test/hole/000.png"] == hole
    assert dataset.split("train").counts() == {"good": 1, "cut": 0, "hole": 0}
    assert dataset.split("calibration").samples == ()


def test_magnetic_tile_layout_is_known(tmp_path: Path) -> None:
    for kind in ("Free", "Crack"):
        picture(tmp_path / f"MT_{kind}" / "Imgs" / "a.jpg")
        picture(tmp_path / f"MT_{kind}" / "Imgs" / "a.png")
    dataset = load(tmp_path)
    assert dataset.classes == ("Free", "Crack")
    assert [s.mask for s in dataset.samples] == [s.path.with_suffix(".png") for s in dataset.samples]


def test_one_class_is_allowed(tmp_path: Path) -> None:
    picture(tmp_path / "good" / "a.png")
    assert load(tmp_path).classes == ("good",)


def test_a_link_that_leads_in_a_circle_ends(tmp_path: Path) -> None:
    picture(tmp_path / "OK" / "a.png")
    try:
        os.symlink(tmp_path / "OK", tmp_path / "OK" / "again", target_is_directory=True)
    except OSError:
        pytest.skip("links cannot be made here")
    assert len(load(tmp_path)) == 1


def test_images_outside_class_folders_are_told_of(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    picture(tmp_path / "OK" / "a.png")
    picture(tmp_path / "overview.png")
    (tmp_path / "nothing").mkdir()
    with caplog.at_level(logging.WARNING):
        assert len(load(tmp_path)) == 1
    assert "1 images" in caplog.text
    assert "nothing" in caplog.text


def test_good_parts_without_a_class_folder_are_an_error_with_its_mend(tmp_path: Path) -> None:
    for folder in ("good_parts", "shots"):
        picture(tmp_path / folder / "a.png")
    with pytest.raises(
        DataError, match=f"give the folder around it, {tmp_path}: good_parts then is the class"
    ):
        load(tmp_path / "good_parts")
    with pytest.raises(DataError, match=f"move them into a folder {tmp_path / 'shots' / 'OK'}, and give"):
        load(tmp_path / "shots")


def test_folders_that_cannot_be_used(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is empty; expected a folder for each class"):
        load(tmp_path)
    picture(tmp_path / "loose.png")
    with pytest.raises(DataError, match=r"1 images \(loose\.png.*no class folders"):
        load(tmp_path)
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "a.heic").write_bytes(b"x")
    with pytest.raises(DataError, match=r"no images in .*ending in \.heic"):
        load(tmp_path / "sub")
    with pytest.raises(DataError, match=r"is a file; expected a folder, a manifest"):
        load(tmp_path / "loose.png")


def test_the_folder_above_a_data_set_is_refused(tmp_path: Path) -> None:
    picture(tmp_path / "screws" / "train" / "good" / "a.png")
    picture(tmp_path / "screws" / "test" / "good" / "a.png")
    with pytest.raises(DataError, match=r"'screws' in it looks like one; give .*screws"):
        load(tmp_path)
    picture(tmp_path / "zip" / "parts" / "OK" / "a.png")
    picture(tmp_path / "zip" / "parts" / "NOK" / "a.png")
    with pytest.raises(DataError, match="'parts' in it looks like one"):
        load(tmp_path / "zip")


@pytest.mark.parametrize(("name", "meant"), [("elpw", "elpv"), ("magnetic_tile", "magnetic-tile")])
def test_a_missing_path_suggests_a_name(name: str, meant: str) -> None:
    with pytest.raises(DataError, match=f"no file or folder {name}.*did you mean {meant}"):
        load(name)


def test_pickled_cifar_is_not_opened(tmp_path: Path) -> None:
    (tmp_path / "cifar-10-batches-py").mkdir()
    (tmp_path / "cifar-10-batches-py" / "data_batch_1").write_bytes(b"never read")
    with pytest.raises(DataError, match="pickle can run any"):
        load(tmp_path)


def test_the_normal_class_must_be_there_and_one(tmp_path: Path) -> None:
    picture(tmp_path / "good" / "a.png")
    picture(tmp_path / "OK" / "a.png")
    with pytest.raises(DataError, match="several classes could be the good one"):
        load(tmp_path)
    with pytest.raises(DataError, match="'fine' is not a class of this data set; its classes are: OK, good"):
        load(tmp_path, normal="fine")
    assert load(tmp_path, normal="good").classes == ("good", "OK")


def test_the_outer_folder_of_the_casting_data_set_is_refused(tmp_path: Path) -> None:
    for name in ("ok_front", "def_front"):
        picture(tmp_path / "casting" / name / "a.png")
    with pytest.raises(DataError, match="'casting' in it looks like one"):
        load(tmp_path)
    assert load(tmp_path / "casting").classes == ("ok_front", "def_front")


def test_a_name_that_denies_is_not_normal() -> None:
    assert find_normal(["not_ok", "scratched"]) is None
    assert find_normal(["not-good", "crack_free"]) == "crack_free"
    assert find_normal(["NOT OK", "ok"]) == "ok"


def manifest(folder: Path, text: str, name: str = "m.csv", encoding: str = "utf-8") -> Path:
    for image in ("a.png", "b.png", "masks/b.png"):
        picture(folder / image)
    (folder / name).write_text(text, encoding=encoding)
    return folder / name


@pytest.mark.parametrize("first", ["sep=;", '"sep=;"', "SEP=;", "\ufeffsep=;"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_manifest_whose_first_line_names_the_separator(tmp_path: Path, first: str, end: str) -> None:
    path = manifest(tmp_path, end.join([first, "image;label;note", "a.png;OK;1,2,3,4", "b.png;pit;", ""]))
    assert [(s.image, s.label) for s in load(path).samples] == [("a.png", "OK"), ("b.png", "pit")]


def test_a_separator_that_only_its_line_names(tmp_path: Path) -> None:
    path = manifest(tmp_path, "sep=|\nimage|label\na.png|OK\nb.png|pit, deep\n")
    assert load(path).classes == ("OK", "pit, deep")
    path.write_text("sep=|\n", encoding="utf-8")
    with pytest.raises(DataError, match="is empty; expected a header line"):
        load(path)


def test_cells_that_were_kept_from_being_formulas(tmp_path: Path) -> None:
    picture(tmp_path / "-a.png")
    path = manifest(tmp_path, "image,label\n'-a.png,'=OK\nb.png,'n\n")
    assert [(s.image, s.label) for s in load(path).samples] == [("-a.png", "=OK"), ("b.png", "'n")]


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_a_manifest(tmp_path: Path, separator: str, encoding: str) -> None:
    text = (
        "image,label,mask,group,split,stratum,defect_probability,note\n"
        "b.png,crack,masks/b.png,g1,test,s,0.75,x\n\n"
        "a.png, OK ,,,train,,,\n"
    ).replace(",", separator)
    dataset = load(manifest(tmp_path, text, encoding=encoding))
    a, b = dataset.samples
    assert (a.image, a.label, a.mask, a.group, a.split, a.stratum) == (
        "a.png",
        "OK",
        None,
        None,
        "train",
        None,
    )
    assert (b.label, b.mask, b.group, b.split) == ("crack", tmp_path / "masks" / "b.png", "g1", "test")
    assert (b.stratum, b.defect_probability) == ("s", 0.75)
    assert dataset.normal == "OK"


def test_a_folder_with_a_manifest_goes_by_it(tmp_path: Path) -> None:
    manifest(tmp_path, "image,label\na.png,OK\nb.png,bad\n", "manifest.csv")
    assert load(tmp_path).counts() == {"OK": 1, "bad": 1}
    # under the folder's name, as a file's own, manifest, tells nothing
    assert load(tmp_path / "manifest.csv").name == load(tmp_path).name == tmp_path.name
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "manifest.csv").rename(tmp_path / "elsewhere" / "table.csv")
    (tmp_path / "manifest.csv").symlink_to(tmp_path / "elsewhere" / "table.csv")
    assert load(tmp_path / "manifest.csv").name == tmp_path.name
    (tmp_path / "manifest.csv").rename(tmp_path / "week 12.csv")
    assert load(tmp_path / "week 12.csv").name == "week 12"


def test_ignored_columns_are_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        load(manifest(tmp_path, "image,label,camera\na.png,OK,7\n"))
    assert "camera" in caplog.text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ("image,label\n", "has no rows"),
        ("file,class\na.png,OK\n", "no column image and label; it has file, class"),
        ("image,label\na.png,\n", "row 1: the label of a.png is empty"),
        ("image,label\n,OK\n", "row 1: the image is empty"),
        ("image,label\na.png,OK\nc.png,OK\nd.png,OK\n", "2 of 3 images do not exist: .*c.png.*d.png"),
        ("image,label,mask\nb.png,bad,masks/c.png\n", "1 of 1 masks do not exist: .*c.png"),
        ("image,label\na.png,OK\na.png,bad\n", "more than once: a.png"),
        ("image,label,split\na.png,OK,holdout\n", "split is 'holdout'; expected train, val or test"),
        ("image,label,split\na.png,OK,train\nb.png,OK,\n", "1 of 2 rows name no split"),
        ("image,label,defect_probability\na.png,OK,1.5\n", "defect_probability is '1.5'"),
        ("image,label,defect_probability\na.png,OK,often\n", "defect_probability is 'often'"),
        ("image,label\na.png,OK,more\n", "row 1: 3 cells under 2 columns"),
    ],
)
def test_manifests_that_cannot_be_used(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        load(manifest(tmp_path, text))


def test_a_manifest_in_another_encoding_is_refused(tmp_path: Path) -> None:
    path = manifest(tmp_path, "image,label\na.png,beschädigt\n", encoding="latin-1")
    with pytest.raises(DataError, match="not UTF-8.*save it as"):
        load(path)


def test_a_parquet_manifest(tmp_path: Path) -> None:
    arrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    manifest(tmp_path, "")
    table = arrow.table(
        {"image": ["a.png", "b.png"], "label": [0, 1], "group": [None, 2.0], "mask": [None, None]}
    )
    parquet.write_table(table, tmp_path / "m.parquet")
    dataset = load(tmp_path / "m.parquet", normal="0")
    assert [(s.label, s.group, s.mask) for s in dataset.samples] == [("0", None, None), ("1", "2", None)]
    (tmp_path / "broken.parquet").write_bytes(b"PAR1")
    with pytest.raises(DataError, match="cannot be read as Parquet"):
        load(tmp_path / "broken.parquet")


def test_parquet_without_pyarrow_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "m.parquet").write_bytes(b"PAR1")
    monkeypatch.setitem(__import__("sys").modules, "pyarrow.parquet", None)
    with pytest.raises(MissingPackageError, match=r"pyarrow is needed.*pip install 'brightfield\[parquet\]'"):
        load(tmp_path / "m.parquet")


def test_the_fingerprint_follows_the_bytes(tmp_path: Path) -> None:
    picture(tmp_path / "OK" / "a.png")
    before = load(tmp_path).fingerprint()
    assert before == load(tmp_path).fingerprint()
    Image.fromarray(np.zeros((2, 2), np.uint8)).save(tmp_path / "OK" / "a.png")
    assert load(tmp_path).fingerprint() != before


def test_the_fingerprint_follows_whatever_the_training_uses(tmp_path: Path) -> None:
    mask, other = picture(tmp_path / "m.png"), picture(tmp_path / "n.png", 7)
    bare = Sample("a.png", picture(tmp_path / "a.png"), "pit", mask=mask)
    changed = (
        *(replace(bare, **{name: "x"}) for name in ("group", "split", "stratum", "label", "image")),
        *(replace(bare, mask=m) for m in (None, other)),
        replace(bare, defect_probability=0.5),
    )
    prints = {Dataset("d", (sample,), ("pit", "x"), None).fingerprint() for sample in (bare, *changed)}
    assert len(prints) == 1 + len(changed)
