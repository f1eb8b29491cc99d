"""`brightfield arch`: a network layer by layer."""

from __future__ import annotations

from pathlib import Path

import pytest


def test_table(brightfield) -> None:
    said = brightfield("arch", "lenet5")
    assert said.code == 0
    for words in ("conv 5x5", "6x28x28", "456", "0.35", "62,006 parameters", "all"):
        assert words in said.out, words


def test_the_variant_for_small_pictures_is_named(brightfield) -> None:
    small, usual = (brightfield("arch", "resnet18", "--input", size) for size in ("3x64x64", "3x72x72"))
    assert "resnet18 for small pictures: 11,173,962 parameters" in small.out
    assert "resnet18: 11,181,642 parameters" in usual.out  # with the usual 7x7 stem
    assert brightfield("arch", "mobilenet", "--json").document["variant"] == "for small pictures"
    assert brightfield("arch", "fast_cnn", "--json").document["variant"] is None


def test_the_last_pool_is_a_layer_and_joining_one_map_is_none(brightfield) -> None:
    kinds = [layer["kind"] for layer in brightfield("arch", "fast_cnn", "--json").document["layers"]]
    assert kinds[-3:] == ["max", "linear", "mean"]
    assert "join" not in kinds


def test_json_and_picture(brightfield, tmp_path: Path) -> None:
    picture = tmp_path / "new" / "fields.png"
    said = brightfield("arch", "fast_cnn", "--json", "-o", picture)
    assert said.code == 0
    document = said.document
    assert document["input"] == [3, 32, 32]
    assert document["parameters"] == sum(layer["parameters"] for layer in document["layers"])
    first = document["layers"][0]
    assert first["kind"] == "conv 2x2"
    assert first["receptive_field"] == [2, 2]
    assert first["centre"] == [0.5, 0.5]
    assert document["picture"] == str(picture)
    assert picture.stat().st_size > 1000
    assert document["defects"] is None


def test_the_picture_is_not_drawn_over_an_image(brightfield, synthetic_parts: Path) -> None:
    image = synthetic_parts / "OK" / "0000.png"
    before = image.read_bytes()
    said = brightfield("arch", "lenet5", "--data", synthetic_parts, "-o", image)
    assert (said.code, said.out) == (2, "")
    assert "0000.png would be written over" in said.err
    assert image.read_bytes() == before


def test_share_of_defects(brightfield, synthetic_parts: Path) -> None:
    said = brightfield("arch", "fast_cnn", "--json", "--data", synthetic_parts, "--input", "3x64x64")
    assert said.code == 0
    fit = said.document["defects"]["fit"]
    assert said.document["defects"]["n"] > 0
    shares = [row["own_size"] for row in fit]
    assert shares == sorted(shares)
    assert all(0 <= row["own_size"] <= row["shrunk"] <= 1 for row in fit)
    said = brightfield("arch", "fast_cnn", "--data", synthetic_parts, "--input", "3x64x64")
    assert "defects that fit" in said.out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["resnet_18"], "did you mean resnet18"),
        (["lenet5", "--input", "32"], "expected CHANNELSxHEIGHTxWIDTH"),
        (["lenet5", "--input", "3x0x32"], "expected CHANNELSxHEIGHTxWIDTH"),
        (["lenet5", "--input", "3x4x4"], "images of 4 px"),
        (["lenet5", "--classes", "0"], "expected 1 or more"),
        (["lenet5", "-o", "fields.jpg"], "ends in .png"),
        (["lenet5", "--data", "nowhere"], "nowhere"),
        (["fasterrcnn_resnet50_fpn"], "'fasterrcnn_resnet50_fpn' is unknown"),
    ],
)
def test_wrong_input(brightfield, words: list[str], message: str) -> None:
    said = brightfield("arch", *words)
    assert said.code == 2
    assert message in said.err
