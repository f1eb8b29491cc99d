"""What the report says of single defects."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from some_defects import defect, image, pixel_of, true

from brightfield.evaluation.defect_figures import ImageDefects
from brightfield.report.defect_section import defect_section
from brightfield.report.outline_groups import legend, outline_groups
from brightfield.report.report import Outlined

HOSTILE = '</td><img src=x onerror="alert(1)">'


def parts(n: int = 12) -> list[ImageDefects]:
    """Return parts with a defect each, of lengths from 10 on; every third is missed, one named wrong."""
    images = []
    for i in range(n):
        length, part = 10.0 + i, f"part {i}"
        found = None if i % 3 == 0 else defect("scratch" if i == 1 else "pit", length + 1.0)
        images.append(image(part, [true(defect("pit", length), found, part=part, image=f"{part}.png")]))
    return [*images, image("good", good=True), image("marked", (), {"pit": 2}, stray=2, good=True)]


def section(images: list[ImageDefects], types: tuple[str, ...] = ("pit", "scratch")) -> dict[str, Any]:
    made = defect_section(pixel_of(images, types), images)
    assert made is not None
    return made


def test_rates_in_words() -> None:
    found, seen, false, good, mean = section(parts())["rates"]
    assert (found["value"], seen["value"], good["value"]) == ("66.7%", "66.7%", "50.0%")
    assert found["sentence"].startswith("8 of 12 true defects; ")
    assert found["sentence"].endswith("with 95% confidence.")
    assert false["value"] == "0.14"
    assert false["sentence"].startswith("2 in 14 images match no true one; ")
    assert false["sentence"].endswith("2 of them lie on sound surface.")
    assert mean["value"] == "0.750"
    assert (
        "2 types"
        in section([*parts(), image("b", [true(defect("scratch"), part="b")])])["rates"][4]["sentence"]
    )


def test_specks_are_said_to_be_left_out() -> None:
    assert "speck" not in section(parts())["rule"]
    assert section([*parts(), image("b", specks=1)])["rule"].endswith(
        "1 speck of the masks is too small to be counted."
    )
    assert "IoU above 0.3" in section(parts())["rule"]


def test_a_row_for_every_type() -> None:
    pit, scratch = section(parts())["rows"]
    assert (pit["name"], pit["n"], pit["found"], pit["missed"], pit["false"]) == ("pit", "12", "8", "4", "2")
    assert (pit["share"], pit["named"]) == ("66.7%", "7 of 8")
    assert pit["cells"] == ["0.500", "0.667", "0.750", "0.600"]
    assert (scratch["n"], scratch["share"], scratch["bar"], scratch["named"]) == ("0", "", None, "")
    assert section(parts())["background"][0] == ">0.999", "it is not perfect"


def test_without_types_there_is_neither_mean_nor_confusion() -> None:
    made = section(parts(), ())
    assert [rate["name"] for rate in made["rates"]][-1] != "Mean IoU"
    assert (made["typed"], made["overlap"], made["confusion"]) == (False, False, None)
    (pit,) = made["rows"]
    assert (pit["false"], pit["named"], pit["cells"]) == ("", "", ["", "", "", "0.600"])


def test_the_confusion_of_types_with_missed_and_false() -> None:
    made = section(parts())["confusion"]
    assert made["columns"] == ["pit", "scratch"]
    pit, scratch = made["rows"]
    assert [cell["count"] for cell in pit["cells"]] == ["7", "1", "4"]
    assert [cell["tone"] for cell in pit["cells"]] == ["ok", "review", "defect"]
    assert [cell["count"] for cell in scratch["cells"]] == ["0", "0", "0"]
    assert [cell["count"] for cell in made["false"]] == ["2", "0"]


def test_what_was_missed_with_its_size() -> None:
    made = section(parts())["missed"]
    assert made["sentence"] == (
        "Of 12 true defects, 4 were missed. Half of them are no longer than 14 px, "
        "nine of ten no longer than 18 px."
    )
    assert made["all"]
    assert [row["length"] for row in made["rows"]] == ["19 px", "16 px", "13 px", "10 px"]
    first = made["rows"][0]
    assert (first["image"], first["type"], first["place"], first["seen"]) == (
        "part 9.png",
        "pit",
        "5, 6",
        "not at all",
    )
    assert section([image("a", [true(defect(), defect())])])["missed"] is None


def test_sizes_and_measures() -> None:
    made = section(parts())
    assert [(row["name"], row["lengths"], row["found"]) for row in made["sizes"]] == [
        ("small", "10 to 13 px", "2 of 4"),
        ("medium", "14 to 17 px", "3 of 4"),
        ("large", "18 to 21 px", "3 of 4"),
    ]
    length, width, area = made["measured"]
    assert (length["bias"], length["median"], length["q90"]) == ("1.0 px", "1.0 px", "1.0 px")
    assert (width["bias"], area["bias"]) == ("0.0 px", "0.0 px²")
    assert made["matched"] == 8


def test_lengths_are_in_millimetres_where_their_size_is_known() -> None:
    images = parts()
    pixel = pixel_of(images, ("pit", "scratch"))
    pixel["defects"]["mm_per_pixel"] = 0.05  # type: ignore[index]
    made = defect_section(pixel, images)
    assert made is not None
    assert made["missed"]["rows"][0]["length"] == "0.95 mm"
    assert made["missed"]["rows"][0]["area"] == "0.075 mm²"
    assert "length of the true defect in mm" in made["chart"]


def test_a_few_defects_have_no_chart_and_no_thirds() -> None:
    made = section(parts(5))
    assert made["chart"] is None
    assert made["sizes"] == []
    assert section(parts(9))["chart"] is not None


def test_where_there_is_nothing_to_say_there_is_no_section() -> None:
    assert defect_section(None, ()) is None
    assert defect_section(pixel_of([image("a", good=True)]), [image("a", good=True)]) is None
    only_false = [image("a", (), {"pit": 1}, stray=1, good=True)]
    made = section(only_false)
    assert [rate["name"] for rate in made["rates"]] == ["False per image", "Good parts marked", "Mean IoU"]
    assert made["missed"] is None
    assert made["measured"] == []


def outlined(kind: str, **other: Any) -> Outlined:
    hit = Outlined(
        kind, "a.png", defect("pit", 12.3), defect("scratch", 11.0), True, 0.4567, b"plain", b"drawn"
    )
    return replace(hit, **other)


def test_words_beside_outlines() -> None:
    groups = outline_groups(
        [
            outlined("missed", found=None, seen=False),
            outlined("missed", found=None, seen=True),
            outlined("stray", truth=None),
            outlined("found"),
        ]
    )
    assert [group["kind"] for group in groups] == ["missed", "stray", "found"]
    lost, part = groups[0]["shown"]
    assert (lost["truth"], lost["found"]) == ("pit, 12 px long, 4.0 px wide", "not seen at all")
    assert part["found"] == "seen in part"
    (stray,) = groups[1]["shown"]
    assert (stray["truth"], stray["found"]) == ("", "found as scratch, 11 px long, 4.0 px wide")
    (hit,) = groups[2]["shown"]
    assert hit["found"] == "found as scratch, 11 px long, 4.0 px wide; IoU 0.457"
    assert hit["picture"].startswith("data:image/png;base64,")
    assert outline_groups([]) == []


@pytest.mark.parametrize(
    ("types", "names"),
    [
        ((), ["found"]),
        (("a", "b"), ["a", "b"]),
        (tuple("abcdefgh"), ["a, h", "b", "c", "d", "e", "f", "g"]),
    ],
)
def test_a_legend_has_a_line_for_each_colour(types: tuple[str, ...], names: list[str]) -> None:
    made = legend(types)
    assert [entry["name"] for entry in made] == names
    assert made[0]["colour"] == "rgb(230, 159, 0)"
    assert len({entry["colour"] for entry in made}) == len(made)
