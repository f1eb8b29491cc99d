"""The fitted segmenter: pictures in pieces, scores, heat, the region of interest, and what is stored."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import segmenter_method

from brightfield.data.preprocessing import Preprocessing
from brightfield.data.region import Region
from brightfield.decide.scores import defect_score
from brightfield.errors import BundleError
from brightfield.methods.base import Judgement, Stored
from brightfield.methods.segmenter.evidence import evidence_of
from brightfield.methods.segmenter.fitted import Known, Segmenter, load_segmenter

RULE = Preprocessing(8, None, False, 64, 16, (0.0,) * 3, (1.0,) * 3)  # pixels / 255 is what is seen
KNOWN = Known(("pit", "scratch"), (1, 2), classes=3, normal=0)
CLASSES = ("OK", "pit", "scratch")
FloatArray = npt.NDArray[np.float32]
Picture = npt.NDArray[np.uint8]


@dataclass
class Cells:
    """Sees in each cell of a stride the mean of the first two channels, as the probabilities of two types."""

    stride: int = 2
    seen: list[FloatArray] = field(default_factory=list)

    def __call__(self, x: FloatArray) -> FloatArray:
        self.seen.append(x)
        n, _, height, width = x.shape
        cells = x[:, :2].reshape(n, 2, height // self.stride, self.stride, width // self.stride, self.stride)
        return cells.mean((3, 5), dtype=np.float32)

    def models(self) -> dict[str, bytes]:
        return {}


def method_of(rule: Preprocessing = RULE, stride: int = 2, **known: Any) -> Segmenter:
    return Segmenter(Cells(stride), replace(KNOWN, **known), rule)


def judged(picture: Picture, rule: Preprocessing = RULE, stride: int = 2, **known: Any) -> Judgement:
    (found,) = method_of(rule, stride, **known).judge([picture], explain=True)
    return found


def pieces_of(picture: Picture, rule: Preprocessing = RULE, **known: Any) -> list[FloatArray]:
    """Return what the network sees of a picture."""
    cells = Cells()
    Segmenter(cells, replace(KNOWN, **known), rule).judge([picture], explain=False)
    return cells.seen


def noise(shape: tuple[int, int], seed: int = 0, most: int = 100) -> Picture:
    return np.random.default_rng(seed).integers(0, most, (*shape, 3), dtype=np.uint8)


SHAPES = [(64, 64), (65, 64), (63, 129), (200, 150), (97, 301), (20, 400), (7, 5), (1000, 9)]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("stride", [1, 2, 4])
def test_what_is_seen_in_pieces_is_what_is_seen_at_once(shape: tuple[int, int], stride: int) -> None:
    picture = noise(shape)
    whole = judged(picture, replace(RULE, tile=1024), stride)
    for tile in (64, 96, 128):
        found = judged(picture, replace(RULE, tile=tile, overlap=tile // 4), stride)
        assert found.score == pytest.approx(whole.score, rel=1e-5)
        assert found.logits == pytest.approx(whole.logits, rel=2e-3), "but for ties among the highest"
        assert found.heat is not None
        assert found.heat.shape == shape
        assert found.heat == pytest.approx(whole.heat, abs=1e-4)
        assert found.segments is not None
        assert whole.segments is not None
        assert found.segments.probability == pytest.approx(whole.segments.probability, abs=1e-5)
        assert (found.segments.class_map != whole.segments.class_map).mean() < 0.02, "but for ties"


@pytest.mark.parametrize(("length", "tile"), [(65, 64), (200, 64), (201, 96), (1000, 96), (3000, 1024)])
def test_pieces_overlap_and_cover_the_picture(length: int, tile: int) -> None:
    picture = np.zeros((32, length, 3), np.uint8)
    picture[..., 0], picture[..., 1] = np.arange(length) // 256, np.arange(length) % 256
    overlap = min(128, tile // 4)
    pieces = pieces_of(picture, replace(RULE, tile=tile, overlap=overlap))
    codes = [np.rint(255 * piece[0, :2, 0, 0]) for piece in pieces]
    starts = [int(256 * high + low) for high, low in codes]
    assert starts[0] == 0
    assert all(start % 32 == 0 for start in starts)
    assert starts[-1] + tile >= length > starts[-1]
    assert all(piece.shape == (1, 3, 32, tile) for piece in pieces)
    assert all(a + tile - b >= overlap for a, b in pairwise(starts))


def test_what_is_outside_the_picture_has_the_padding_colour() -> None:
    rule = replace(RULE, mean=(0.5, 0.4, 0.2), std=(0.5,) * 3)
    (piece,) = pieces_of(np.full((40, 33, 3), 255, np.uint8), rule)
    assert piece.shape == (1, 3, 64, 64)
    assert piece[0, :, :40, :33].min() >= 1
    assert np.abs(piece[0, :, 40:]).max() < 0.01
    assert np.abs(piece[0, :, :, 33:]).max() < 0.01


def test_a_network_of_one_size_sees_no_other() -> None:
    for shape in SHAPES:
        rule = replace(RULE, tile=96, overlap=24)
        assert {piece.shape for piece in pieces_of(noise(shape), rule, fixed=True)} == {(1, 3, 96, 96)}
        found = judged(noise(shape), rule, fixed=True)
        expected = judged(noise(shape), rule)
        assert found.heat == pytest.approx(expected.heat, abs=1e-4)


@pytest.mark.parametrize("stride", [1, 2, 4, 8])
def test_the_score_is_the_mean_evidence_of_sixteen_pixels(stride: int) -> None:
    picture = noise((64, 96), 3)
    (at_once,) = method_of(replace(RULE, tile=1024), stride).judge([picture], explain=False)
    cells = picture[..., :2].reshape(64 // stride, stride, 96 // stride, stride, 2).mean((1, 3)).sum(2) / 255
    top = np.sort(cells.ravel())[-max(1, 16 // stride**2) :]
    assert at_once.score == pytest.approx(np.log1p(top / 1e-3).mean(), rel=1e-5)
    assert at_once.heat is None
    assert at_once.segments is None
    assert at_once.logits is not None
    assert defect_score(at_once.logits[None], 0)[0] == pytest.approx(at_once.score)


def parts() -> Picture:
    """Return a dark picture with a pit of 12x16 px, red, and a longer scratch of 4 px, green."""
    picture = np.full((100, 140, 3), 2, np.uint8)
    picture[20:32, 30:46, 0] = 200
    picture[60:64, 40:120, 1] = 240
    return picture


def test_types_lie_where_they_are_and_the_surest_names_the_class() -> None:
    found = judged(parts())
    segments = found.segments
    assert segments is not None
    assert segments.types == KNOWN.types
    assert (segments.class_map.dtype, segments.class_map.shape) == (np.uint8, (100, 140))
    assert (segments.class_map[20:32, 30:46] == 1).all()
    assert (segments.class_map[60:64, 40:120] == 2).all()
    probable = segments.probability > 0.5
    assert probable[20:32, 30:46].mean() > 0.9
    assert probable[60:64, 40:120].mean() > 0.9
    assert probable.sum() == pytest.approx(12 * 16 + 4 * 80, rel=0.05)
    assert found.logits is not None
    assert found.logits.argmax() == 2
    assert judged(parts()[:50]).logits.argmax() == 1  # type: ignore[union-attr]


def test_two_types_of_a_class_count_together() -> None:
    known = {"types": ("a", "b"), "class_of_type": (2, 2)}
    logits = judged(parts()[:50], **known).logits
    assert logits is not None
    assert logits.argmax() == 2


def test_what_has_this_score_is_hot_somewhere() -> None:
    speck = np.zeros((64, 64, 3), np.uint8)
    speck[30:32, 30:32, 0] = 255  # one cell, which enlarging blurs
    for stride in (1, 2, 4):
        found = judged(speck, stride=stride)
        assert found.heat is not None
        assert float(found.heat.max()) >= found.score > 0
        assert float(found.heat.max()) <= float(evidence_of(np.ones(1, np.float32))[0])
    black = judged(speck * 0)
    assert black.score == 0
    assert black.heat is not None
    assert not black.heat.any()


@pytest.mark.parametrize("stride", [1, 2])
def test_outside_the_region_nothing_counts(stride: int) -> None:
    inside = np.zeros((90, 121), bool)
    inside[10:80, 20:101] = True
    inside[10:40, 20:50] = False  # a corner of its box, at whole cells
    rule = replace(RULE, region=Region.of(inside))
    picture, seen = rule.working(noise((90, 121))), inside[10:80, 20:101]
    assert picture.shape == (70, 81, 3)
    quiet, loud = (judged(np.where(seen[..., None], picture, np.uint8(v)), rule, stride) for v in (0, 250))
    assert quiet.score == loud.score
    assert quiet.logits == pytest.approx(loud.logits)
    for found in (quiet, loud):
        assert found.heat is not None
        assert found.segments is not None
        assert not found.heat[~seen].any()
        assert found.heat[seen].any()
        assert not found.segments.probability[~seen].any()


def test_a_region_between_the_cells_still_counts() -> None:
    inside = np.zeros((64, 64), bool)
    inside[10:30, 20] = True
    rule = replace(RULE, region=Region.of(inside))
    found = judged(np.full((20, 1, 3), 90, np.uint8), rule)
    assert found.score > 0


def test_stored_and_loaded_again() -> None:
    rule = replace(RULE, tile=96, mean=(0.5,) * 3, std=(0.25,) * 3)
    method = segmenter_method.random_method(rule)
    stored = method.stored()
    assert set(stored.networks) == {"segmenter"}
    assert stored.arrays == {}
    again = load_segmenter(stored, rule, ("fine", "scratch", "pit"), "fine")
    assert again.known == method.known
    picture = noise((150, 131), 5, 256)
    for explain in (False, True):
        (a,), (b,) = method.judge([picture], explain=explain), again.judge([picture], explain=explain)
        assert a.score == b.score
        np.testing.assert_array_equal(a.logits, b.logits)
        np.testing.assert_array_equal(a.heat, b.heat)


@pytest.mark.parametrize(
    ("changed", "normal", "said"),
    [
        ({"types": ["burr"]}, "fine", "types and their classes do not fit"),
        ({"types": [], "class_of_type": []}, "fine", "types and their classes do not fit"),
        ({"class_of_type": [1, 2, 3]}, "fine", "a type is of class number 3; there are 3"),
        ({"class_of_type": [1, 2, -1]}, "fine", "a type is of class number -1"),
        ({"class_of_type": [1, 2, 0]}, "fine", "a type is of the normal class"),
        ({}, None, "no class is normal"),
        ({}, "good", ""),
    ],
)
def test_settings_that_do_not_fit_are_refused(changed: dict[str, Any], normal: str | None, said: str) -> None:
    stored = segmenter_method.random_method(RULE).stored()
    wrong = Stored(stored.networks, {}, {**stored.settings, **changed})
    with pytest.raises(BundleError, match=f"do not fit its settings.*{said}"):
        load_segmenter(wrong, RULE, ("fine", "scratch", "pit"), normal)


@pytest.mark.parametrize("missing", ["types", "class_of_type", "fixed", "network"])
def test_a_bundle_that_is_not_whole_is_refused(missing: str) -> None:
    stored = segmenter_method.random_method(RULE).stored()
    settings = {name: value for name, value in stored.settings.items() if name != missing}
    networks = {} if missing == "network" else stored.networks
    with pytest.raises(BundleError, match="do not fit its settings"):
        load_segmenter(Stored(networks, {}, settings), RULE, ("fine", "scratch", "pit"), "fine")
