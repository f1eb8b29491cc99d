"""Every pixel format a camera writes, and every file that is none."""

from __future__ import annotations

import struct
import tracemalloc
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from brightfield.data.decode import bit_depth, decode, to_rgb8
from brightfield.errors import ImageError

RGB = np.array(
    [[[200, 30, 10], [0, 255, 90], [12, 13, 14]], [[1, 2, 3], [250, 250, 250], [0, 0, 0]]], np.uint8
)
GREY = np.array([[0, 10, 20], [100, 200, 255]], np.uint8)


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".tif", ".webp"])
def test_lossless_colour_comes_back_as_it_was(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    Image.fromarray(RGB).save(path, **({"lossless": True} if suffix == ".webp" else {}))
    np.testing.assert_array_equal(decode(path), RGB)
    np.testing.assert_array_equal(decode(str(path)), RGB)


def test_jpeg_comes_back_nearly(tmp_path: Path) -> None:
    flat = np.full((16, 24, 3), (180, 90, 40), np.uint8)
    Image.fromarray(flat).save(tmp_path / "a.jpg", quality=95)
    got = decode(tmp_path / "a.jpg")
    assert got.shape == (16, 24, 3)
    assert np.abs(got.astype(int) - flat).max() <= 3


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".tif"])
def test_grey_stays_two_dimensional(tmp_path: Path, suffix: str) -> None:
    Image.fromarray(GREY).save(tmp_path / f"a{suffix}")
    got = decode(tmp_path / f"a{suffix}")
    assert got.dtype == np.uint8
    np.testing.assert_array_equal(got, GREY)


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_sixteen_bit_grey_keeps_its_values(tmp_path: Path, suffix: str) -> None:
    deep = np.array([[0, 1, 4095], [256, 65535, 777]], np.uint16)
    Image.fromarray(deep).save(tmp_path / f"a{suffix}")
    got = decode(tmp_path / f"a{suffix}")
    assert got.dtype == np.uint16
    np.testing.assert_array_equal(got, deep)


def test_sixteen_bit_big_endian_keeps_its_values() -> None:
    image = Image.frombytes("I;16B", (2, 1), np.array([258, 65535], ">u2").tobytes())
    np.testing.assert_array_equal(decode(image), [[258, 65535]])
    assert decode(image).dtype == np.uint16


def test_thirty_two_bit_integers_must_fit_sixteen(tmp_path: Path) -> None:
    Image.fromarray(np.array([[5, 60000]], np.int32)).save(tmp_path / "a.tif")
    np.testing.assert_array_equal(decode(tmp_path / "a.tif"), [[5, 60000]])
    Image.fromarray(np.array([[5, 70000]], np.int32)).save(tmp_path / "b.tif")
    with pytest.raises(ImageError, match="5 to 70000; expected 0 to 65535"):
        decode(tmp_path / "b.tif")


def test_bilevel_becomes_black_and_white(tmp_path: Path) -> None:
    Image.fromarray(GREY).convert("1", dither=Image.Dither.NONE).save(tmp_path / "a.png")
    np.testing.assert_array_equal(decode(tmp_path / "a.png"), [[0, 0, 0], [0, 255, 255]])


def test_palette_becomes_colour(tmp_path: Path) -> None:
    image = Image.new("P", (2, 2))
    image.putpalette([10, 20, 30, 200, 100, 50])
    image.putdata([0, 1, 1, 0])
    image.save(tmp_path / "a.png")
    got = decode(tmp_path / "a.png")
    np.testing.assert_array_equal(got[0], [[10, 20, 30], [200, 100, 50]])


def test_cmyk_becomes_colour(tmp_path: Path) -> None:
    Image.new("CMYK", (8, 8), (0, 255, 255, 0)).save(tmp_path / "a.tif")
    np.testing.assert_array_equal(decode(tmp_path / "a.tif")[0, 0], [255, 0, 0])


def test_transparency_is_laid_on_black(tmp_path: Path) -> None:
    rgba = np.array([[[200, 100, 50, 255], [200, 100, 50, 0], [200, 100, 50, 51]]], np.uint8)
    Image.fromarray(rgba).save(tmp_path / "a.png")
    np.testing.assert_array_equal(decode(tmp_path / "a.png"), [[[200, 100, 50], [0, 0, 0], [40, 20, 10]]])
    np.testing.assert_array_equal(decode(rgba), decode(tmp_path / "a.png"))


def rounded(value: int, alpha: int, white: int) -> int:
    """Return value * alpha / white to the nearest whole number; white is odd, so there is no half."""
    quotient, rest = divmod(value * alpha, white)
    return quotient + (2 * rest > white)


def test_every_value_under_every_alpha_is_rounded_to_the_nearest(tmp_path: Path) -> None:
    values, alphas = np.meshgrid(np.arange(256, dtype=np.uint8), np.arange(256, dtype=np.uint8))
    expected = np.array([[rounded(v, a, 255) for v in range(256)] for a in range(256)], np.uint8)
    rgba = np.stack([values, values[:, ::-1], values, alphas], axis=2)
    Image.fromarray(rgba).save(tmp_path / "a.png")
    Image.fromarray(np.stack([values, alphas], axis=2)).save(tmp_path / "grey.png")
    colour = np.stack([expected, expected[:, ::-1], expected], axis=2)
    np.testing.assert_array_equal(decode(tmp_path / "a.png"), colour)
    np.testing.assert_array_equal(decode(rgba), colour)
    np.testing.assert_array_equal(decode(tmp_path / "grey.png"), expected)


def test_sixteen_bits_under_alpha_do_not_overflow() -> None:
    some = [0, 1, 2, 32767, 32768, 40000, 65534, 65535]
    array = np.array([[[v, 65535 - v, v, a] for v in some] for a in some], np.uint16)
    expected = [[[rounded(c, a, 65535) for c in (v, 65535 - v, v)] for v in some] for a in some]
    np.testing.assert_array_equal(decode(array), expected)


def test_transparency_is_the_same_in_every_block_of_rows(tmp_path: Path) -> None:
    rgba = np.random.default_rng(0).integers(
        0, 256, (331, 977, 4), np.uint8
    )  # several blocks, the last short
    Image.fromarray(rgba).save(tmp_path / "a.png")
    wide = rgba.astype(np.int64)
    expected = (2 * wide[..., :3] * wide[..., 3:] + 255) // 510
    np.testing.assert_array_equal(decode(tmp_path / "a.png"), expected)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_transparency_takes_little_memory_beside_the_picture(dtype: type) -> None:
    array = np.full((2000, 1500, 4), 99, dtype)
    tracemalloc.start()
    try:
        got = decode(array)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < array.nbytes + got.nbytes + 4_000_000


def signed_tiff(path: Path, values: list[list[int]]) -> Path:
    """Write a TIFF of one strip of signed bytes, tag by tag (TIFF 6.0, section 2)."""
    pixels = np.array(values, np.int8)
    tags = [(256, 3, pixels.shape[1]), (257, 3, pixels.shape[0]), (258, 3, 8), (259, 3, 1), (262, 3, 1)]
    tags += [(273, 4, 8), (277, 3, 1), (278, 3, pixels.shape[0]), (279, 4, pixels.size), (339, 3, 2)]
    strip = pixels.tobytes()
    entries = b"".join(struct.pack("<HHII", tag, kind, 1, value) for tag, kind, value in tags)
    head = b"II*\0" + struct.pack("<I", 8 + len(strip))
    path.write_bytes(head + strip + struct.pack("<H", len(tags)) + entries + bytes(4))
    return path


def test_signed_bytes_are_read_where_none_is_negative(tmp_path: Path) -> None:
    np.testing.assert_array_equal(
        decode(signed_tiff(tmp_path / "a.tif", [[0, 5], [127, 9]])), [[0, 5], [127, 9]]
    )
    bad = signed_tiff(tmp_path / "b.tif", [[0, -3], [100, 9]])
    with pytest.raises(ImageError, match=r"b\.tif has signed values from -3 to 100; expected 0 to 255"):
        decode(bad)
    with Image.open(bad) as image, pytest.raises(ImageError, match="-3 to 100"):
        decode(image)


def test_grey_with_transparency_stays_grey(tmp_path: Path) -> None:
    Image.fromarray(np.array([[[100, 255], [100, 0]]], np.uint8)).save(tmp_path / "a.png")
    np.testing.assert_array_equal(decode(tmp_path / "a.png"), [[100, 0]])


def test_transparent_palette_entry_is_black(tmp_path: Path) -> None:
    image = Image.new("P", (2, 1))
    image.putpalette([10, 20, 30, 200, 100, 50])
    image.putdata([0, 1])
    image.save(tmp_path / "a.png", transparency=1)
    np.testing.assert_array_equal(decode(tmp_path / "a.png"), [[[10, 20, 30], [0, 0, 0]]])


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".tif"])
@pytest.mark.parametrize(
    ("orientation", "turned"), [(3, np.rot90(GREY, 2)), (6, np.rot90(GREY, -1)), (8, np.rot90(GREY, 1))]
)
def test_exif_orientation_is_applied(
    tmp_path: Path, suffix: str, orientation: int, turned: np.ndarray
) -> None:
    large = np.kron(GREY, np.ones((16, 16), np.uint8))
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / f"a{suffix}"
    Image.fromarray(large).save(path, exif=exif)
    got = to_rgb8(decode(path))[8::16, 8::16, 0]
    assert got.shape == turned.shape
    assert np.abs(got.astype(int) - turned).max() <= 4


def test_a_pillow_image_is_read_upright_and_left_alone() -> None:
    image = Image.fromarray(GREY)
    image.getexif()[0x0112] = 6
    np.testing.assert_array_equal(decode(image), np.rot90(GREY, -1))
    assert image.size == (3, 2)


def test_the_first_of_several_pages_is_taken(tmp_path: Path) -> None:
    Image.fromarray(GREY).save(tmp_path / "a.tif", save_all=True, append_images=[Image.fromarray(255 - GREY)])
    np.testing.assert_array_equal(decode(tmp_path / "a.tif"), GREY)


@pytest.mark.parametrize("array", [GREY, GREY[:, :, None], GREY.astype(np.uint16), GREY.astype(">u2")])
def test_grey_arrays_are_taken(array: np.ndarray) -> None:
    got = decode(array)
    assert got.dtype in (np.uint8, np.uint16)
    np.testing.assert_array_equal(got, GREY)


def test_sixteen_bit_transparency_of_arrays() -> None:
    array = np.array([[[60000, 0, 65535, 65535], [60000, 0, 65535, 0]]], np.uint16)
    np.testing.assert_array_equal(decode(array), [[[60000, 0, 65535], [0, 0, 0]]])


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((2, 2)), "float64.*expected uint8 or uint16"),
        (np.full((2, 2), np.nan, np.float32), "NaN"),
        (np.zeros((2, 2), np.int64), "int64"),
        (np.zeros((2, 2), bool), "bool"),
        (np.zeros((2, 2, 2), np.uint8), r"\(H, W, 4\)"),
        (np.zeros((3, 2, 2, 3), np.uint8), r"\(3, 2, 2, 3\)"),
        (np.zeros((0, 4), np.uint8), "no pixels"),
    ],
)
def test_other_arrays_are_refused(array: np.ndarray, message: str) -> None:
    with pytest.raises(ImageError, match=message):
        decode(array)


def test_something_else_is_refused() -> None:
    with pytest.raises(ImageError, match="not an image that can be read; expected PNG"):
        decode(b"abc")
    with pytest.raises(ImageError, match="int"):
        decode(3)  # type: ignore[arg-type]


def test_the_bytes_of_a_file_are_its_picture(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    assert np.array_equal(decode((tmp_path / "a.png").read_bytes()), pixels)


def test_floating_point_files_are_refused(tmp_path: Path) -> None:
    Image.fromarray(np.array([[0.5, np.nan]], np.float32)).save(tmp_path / "a.tif")
    with pytest.raises(ImageError, match="floating-point"):
        decode(tmp_path / "a.tif")


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".tif", ".bmp", ".webp"])
@pytest.mark.parametrize("share", [0.02, 0.5, 0.9])
def test_truncated_files_are_refused(tmp_path: Path, suffix: str, share: float) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    Image.fromarray(noise).save(tmp_path / f"whole{suffix}")
    data = (tmp_path / f"whole{suffix}").read_bytes()
    broken = tmp_path / f"broken{suffix}"
    broken.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(ImageError, match="broken"):
        decode(broken)


def test_a_corrupt_png_is_refused(tmp_path: Path) -> None:
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (32, 32), np.uint8)).save(tmp_path / "a.png")
    data = bytearray((tmp_path / "a.png").read_bytes())
    data[200:260] = bytes(60)
    (tmp_path / "a.png").write_bytes(data)
    with pytest.raises(ImageError, match="truncated or corrupt"):
        decode(tmp_path / "a.png")


def test_what_is_no_image_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text.png").write_text("not an image", encoding="utf-8")
    (tmp_path / "empty.png").touch()
    with pytest.raises(ImageError, match="not an image"):
        decode(tmp_path / "text.png")
    with pytest.raises(ImageError, match="is empty"):
        decode(tmp_path / "empty.png")
    with pytest.raises(ImageError, match="does not exist"):
        decode(tmp_path / "missing.png")
    with pytest.raises(ImageError, match="is a folder"):
        decode(tmp_path)


def test_a_decompression_bomb_is_refused(tmp_path: Path) -> None:
    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 20_000, 20_000, 8, 2, 0, 0, 0))
    data = b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")
    (tmp_path / "bomb.png").write_bytes(data)
    with pytest.raises(ImageError, match="suspiciously many pixels"):
        decode(tmp_path / "bomb.png")


def test_the_white_level_is_fixed() -> None:
    deep = np.array([[0, 2048, 4095, 65535]], np.uint16)
    np.testing.assert_array_equal(to_rgb8(deep, 12)[..., 0], [[0, 128, 255, 255]])
    np.testing.assert_array_equal(to_rgb8(deep, 16)[..., 1], [[0, 8, 16, 255]])
    np.testing.assert_array_equal(to_rgb8(deep[:, :2], 12), to_rgb8(deep, 12)[:, :2])


def test_eight_bits_are_kept_whatever_the_depth() -> None:
    np.testing.assert_array_equal(to_rgb8(RGB, 12), RGB)
    assert to_rgb8(GREY).shape == (2, 3, 3)
    with pytest.raises(ImageError, match="bits is 11"):
        to_rgb8(GREY.astype(np.uint16), 11)


@pytest.mark.parametrize(
    ("maxima", "bits"),
    [([], 8), ([255], 8), ([256], 10), ([90, 1023], 10), ([4095], 12), ([4096], 14), ([65535, 3], 16)],
)
def test_bit_depth_is_the_smallest_that_holds_all(maxima: list[int], bits: int) -> None:
    assert bit_depth(maxima) == bits


def test_bit_depth_refuses_more_than_sixteen() -> None:
    with pytest.raises(ImageError, match="65536"):
        bit_depth([65536])
