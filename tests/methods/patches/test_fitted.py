"""A fitted method on patches: heat lies where a picture was changed, with tiles too."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import patch_methods
import pytest

from brightfield.data.preprocessing import Preprocessing
from brightfield.errors import BundleError
from brightfield.methods.base import Stored
from brightfield.methods.patches.fitted import PatchMethod, load_patch_method

WHOLE = Preprocessing(8, 96, True, 96, 0, (0.45,) * 3, (0.25,) * 3, square=True)
TILED = Preprocessing(8, None, False, 64, 8, (0.45,) * 3, (0.25,) * 3)


def fitted(name: str, rule: Preprocessing) -> PatchMethod:
    shape = (96, 96) if rule.square else (150, 200)
    return patch_methods.fitted_method(name, rule, patch_methods.pictures(8, shape))


@pytest.fixture(scope="module", params=[(n, r) for n in patch_methods.KINDS for r in ("whole", "tiled")])
def method(request: pytest.FixtureRequest) -> PatchMethod:
    name, rule = request.param
    return fitted(name, WHOLE if rule == "whole" else TILED)


def centre(heat: np.ndarray) -> tuple[float, float]:
    """Return the middle of the hot places, (row, column)."""
    weight = np.where(heat >= heat.max() / 2, heat, 0).astype(np.float64)
    rows, columns = np.mgrid[: heat.shape[0], : heat.shape[1]]
    return float((rows * weight).sum() / weight.sum()), float((columns * weight).sum() / weight.sum())


@pytest.mark.parametrize(("top", "left"), [(16, 60), (64, 20), (40, 40)])
def test_evidence_lies_where_a_patch_was_changed(method: PatchMethod, top: int, left: int) -> None:
    shape = (96, 96) if method.preprocessing.square else (150, 200)
    (picture,) = patch_methods.pictures(1, shape, seed=9)
    changed = picture.copy()
    changed[top : top + 16, left : left + 16] = (255, 0, 255)
    before, after = method.judge([picture, changed], explain=True)
    assert after.score > before.score
    assert after.heat is not None
    row, column = centre(after.heat)
    # a bank's cells are 8 px; a flow sees the tile at half its size, and 3x3 of its cells of 16 px together
    reach = 16 if method.name == "patchcore" else 24
    assert abs(row - (top + 8)) < reach
    assert abs(column - (left + 8)) < reach


def test_it_reaches_into_every_corner(method: PatchMethod) -> None:
    """Of large pictures too, whose tiles overlap."""
    shape = (96, 96) if method.preprocessing.square else (150, 200)
    (picture,) = patch_methods.pictures(1, shape, seed=9)
    for rows in (slice(0, 14), slice(-14, None)):
        for columns in (slice(0, 14), slice(-14, None)):
            changed = picture.copy()
            changed[rows, columns] = (255, 0, 255)
            (judged,) = method.judge([changed], explain=True)
            assert judged.heat is not None
            assert judged.heat.shape == shape
            hot = judged.heat[rows, columns].max()
            assert hot > 0.5 * judged.heat.max()


def test_a_score_is_that_of_the_most_unusual_tile() -> None:
    method = fitted("patchcore", TILED)
    (picture,) = patch_methods.pictures(1, (150, 200), seed=9)
    tiles, origins = TILED.tiles(picture)
    assert len(tiles) > 4
    whole, *single = method.judge([picture, *tiles], explain=False)
    # a tile that lies within the picture is a picture of its own
    assert all(top >= 0 and left >= 0 for top, left in origins)
    assert whole.score == pytest.approx(max(one.score for one in single), rel=1e-4)


def test_a_fusion_adds_the_evidence_of_its_members() -> None:
    method = fitted("fusion", WHOLE)
    alone = [PatchMethod("alone", method.features, [member], WHOLE, backbone={}) for member in method.members]
    some = patch_methods.pictures(3, (96, 96), seed=9)
    some[1][30:50, 30:50] = 255
    together = method.judge(some, explain=False)
    for i, judged in enumerate(together):
        parts = [one.judge([some[i]], explain=False)[0].score for one in alone]
        assert judged.score == pytest.approx(sum(parts), rel=1e-4)


def test_padding_is_no_evidence() -> None:
    """A picture smaller than its tile is judged by its own cells: the padding's are left out."""
    method = fitted("patchcore", TILED)
    grid = method.cells([((30, 64), (-17, 0))], (16, 16))
    assert grid.shape == (1, 16, 16)
    # cells of 4 px: centres from 2 on; the picture is rows 17 to 46 of the tile
    assert np.flatnonzero(grid[0, :, 0]).tolist() == list(range(4, 12))
    small = patch_methods.pictures(1, (30, 64), seed=9)[0]
    (judged,) = method.judge([small], explain=True)
    assert judged.heat is not None
    assert judged.heat.shape == (30, 64)


def without(stored: Stored, name: str) -> Stored:
    return replace(stored, arrays={k: v for k, v in stored.arrays.items() if k != name})


def test_what_does_not_fit_together_is_refused() -> None:
    stored = fitted("patchcore", WHOLE).stored()
    assert load_patch_method("patchcore", stored, WHOLE).stored().settings == stored.settings
    short = {**stored.arrays, "0.bank": stored.arrays["0.bank"][:, :5]}
    for broken in (
        without(stored, "0.bank"),
        without(stored, "0.offset"),
        replace(stored, arrays=short),
        replace(stored, networks={}),
        replace(stored, settings={**stored.settings, "members": []}),
        replace(stored, settings={}),
    ):
        with pytest.raises(BundleError, match="do not fit its settings"):
            load_patch_method("patchcore", broken, WHOLE)
