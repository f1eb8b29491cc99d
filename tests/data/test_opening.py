"""Whatever a decoder raises for one picture is that picture's error, and nobody else opens pictures."""

from __future__ import annotations

import re
import struct
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from brightfield.data.check import check
from brightfield.data.decode import decode
from brightfield.data.load import load
from brightfield.data.masks import read_mask
from brightfield.data.opening import blamed_on, opened, picture_at_work
from brightfield.data.scan import scan
from brightfield.errors import ImageError
from brightfield.explain.files import read_heatmap
from brightfield.methods.classifier.options import ClassifierOptions
from brightfield.methods.classifier.recipe_selection import choose_recipe

SOURCE = Path(__file__).parents[2] / "src" / "brightfield"

WHATEVER = [
    RuntimeError("no image item"),
    NotImplementedError("flags 8"),
    AssertionError(),
    ZeroDivisionError("division by zero"),
    AttributeError("no attribute"),
    StopIteration(),
    RecursionError("too deep"),
    SyntaxError("broken PNG"),
    struct.error("unpack"),
    OSError(5, "input/output error"),
]


def picture(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (16, 12), (200, 100, 50)).save(path)
    return path


def surface(path: Path) -> Path:
    """Write a DirectDraw surface whose pixel format no decoder knows, under a picture's name."""
    header = struct.pack("<7I", 124, 0x1007, 16, 16, 0, 0, 0) + bytes(44) + struct.pack("<2I", 32, 8)
    path.write_bytes((b"DDS " + header).ljust(128, b"\0"))
    return path


def raiser(error: BaseException) -> Any:
    def fail(*_args: object, **_options: object) -> None:
        raise error

    return fail


@pytest.mark.parametrize("error", WHATEVER, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("stage", ["open", "load"])
def test_whatever_a_decoder_raises_names_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, stage: str
) -> None:
    path = picture(tmp_path / "a.png")
    if stage == "open":
        monkeypatch.setattr(Image, "open", raiser(error))
    else:
        monkeypatch.setattr("PIL.PngImagePlugin.PngImageFile.load", raiser(error))
    said = re.escape(str(error) or type(error).__name__)
    with pytest.raises(ImageError, match=rf"a\.png is truncated or corrupt \({said}\); copy or export") as e:
        decode(path)
    assert e.value.__cause__ is error
    assert picture_at_work() is None


def test_too_little_memory_for_one_picture_is_its_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = picture(tmp_path / "a.png")
    monkeypatch.setattr("PIL.PngImagePlugin.PngImageFile.load", raiser(MemoryError()))
    with pytest.raises(ImageError, match=r"a\.png does not fit into memory"):
        decode(path)


def test_ctrl_c_is_nobodys_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = picture(tmp_path / "a.png")
    monkeypatch.setattr(Image, "open", raiser(KeyboardInterrupt()))
    with pytest.raises(KeyboardInterrupt):
        decode(path)


def test_a_surface_is_named_by_all_that_read_pictures(tmp_path: Path) -> None:
    bad, good = surface(tmp_path / "bad.png"), picture(tmp_path / "good.png")
    for read in (decode, read_mask, read_heatmap):
        with pytest.raises(ImageError, match=r"bad\.png is truncated or corrupt \(Unknown pixel format"):
            read(bad)
    broken, fine = scan([bad, good])
    assert "bad.png is truncated or corrupt" in str(broken.error)
    assert (fine.error, fine.width, fine.height) == (None, 16, 12)


def test_an_image_that_pillow_opened_but_cannot_read_is_named(tmp_path: Path) -> None:
    data = picture(tmp_path / "whole.png").read_bytes()
    (tmp_path / "cut.png").write_bytes(data[: data.index(b"IDAT") + 6])
    with Image.open(tmp_path / "cut.png") as image, pytest.raises(ImageError, match=r"cut\.png is truncated"):
        decode(image)


def test_a_surface_is_one_finding_of_a_check_and_no_obstacle_to_a_recipe(tmp_path: Path) -> None:
    for name in ("OK/a.png", "OK/b.png", "pit/a.png"):
        picture(tmp_path / name)
    surface(tmp_path / "OK" / "bad.png")
    surface(tmp_path / "pit" / "b.png")
    dataset = load(tmp_path)
    found = [f.files for f in check(dataset).findings if f.kind == "unreadable"]
    assert found == [("OK/bad.png",), ("pit/b.png",)]
    assert choose_recipe(ClassifierOptions(), dataset).name == "fast"


def test_a_damaged_avif_under_another_name(tmp_path: Path) -> None:
    if "AVIF" not in Image.SAVE and not (Image.init() and "AVIF" in Image.SAVE):
        pytest.skip("this Pillow writes no AVIF")
    Image.new("RGB", (64, 48), (90, 80, 70)).save(tmp_path / "whole.avif")
    data = (tmp_path / "whole.avif").read_bytes()
    (tmp_path / "a.jpg").write_bytes(data[: len(data) // 2])
    with pytest.raises(ImageError, match=r"a\.jpg is (truncated or corrupt|not an image)"):
        decode(tmp_path / "a.jpg")


def test_an_error_of_our_own_passes_as_it_is() -> None:
    with pytest.raises(ImageError, match="^too small$"), blamed_on("a.png"):
        raise ImageError("too small")


def test_each_thread_knows_its_own_picture(tmp_path: Path) -> None:
    paths = [picture(tmp_path / f"{i}.png") for i in range(16)]

    def name(path: Path) -> str | None:
        with opened(path) as image:
            image.load()
            return picture_at_work()

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(name, paths)) == [str(path) for path in paths]


def test_reading_leaves_the_filters_of_warnings_alone(tmp_path: Path) -> None:
    before = list(warnings.filters)
    with opened(picture(tmp_path / "a.png")):
        assert list(warnings.filters) == before


def test_one_module_opens_pictures() -> None:
    opening = [path for path in SOURCE.rglob("*.py") if "Image.open(" in path.read_text(encoding="utf-8")]
    assert opening == [SOURCE / "data" / "opening.py"]
