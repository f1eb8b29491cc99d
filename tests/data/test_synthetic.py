"""Rendered parts: their defects have the size that was asked for."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.distance import pdist

from brightfield.data.load import load
from brightfield.data.split import split
from brightfield.data.synthetic import make_parts, render_part
from brightfield.errors import ConfigError

KINDS = ("scratch", "pit", "stain")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("px", [4, 12, 30])
def test_the_longest_extent_is_as_asked(kind: str, px: float) -> None:
    for seed in range(3):
        image, mask = render_part(np.random.default_rng(seed), size=(160, 240), kind=kind, defect_px=px)
        assert image.dtype == np.uint8
        assert image.shape == (160, 240, 3)
        assert pdist(np.argwhere(mask)).max() + 1 == pytest.approx(px, abs=1.5)


@pytest.mark.parametrize("kind", KINDS)
def test_the_defect_is_where_the_mask_is(kind: str) -> None:
    size = (120, 180)
    flawless, none = render_part(np.random.default_rng(7), size=size)
    assert not none.any()
    image, mask = render_part(np.random.default_rng(7), size=size, kind=kind, defect_px=20)
    # the noise is drawn after the defect, so only a change beyond noise counts
    change = np.abs(image.astype(int) - flawless).max(axis=2)
    near = np.zeros(size, dtype=bool)
    rows, columns = np.nonzero(mask)
    near[max(rows.min() - 3, 0) : rows.max() + 4, max(columns.min() - 3, 0) : columns.max() + 4] = True
    assert change[mask].mean() > 2 * change[~near].mean()
    assert change[~near].max() < 30


def test_the_same_generator_gives_the_same_part() -> None:
    one, _ = render_part(np.random.default_rng(1), size=(64, 96))
    same, _ = render_part(np.random.default_rng(1), size=(64, 96))
    other, _ = render_part(np.random.default_rng(2), size=(64, 96))
    np.testing.assert_array_equal(one, same)
    assert (one != other).any()


def test_made_parts_load_and_split(tmp_path: Path) -> None:
    made = make_parts(tmp_path / "parts", n_ok=9, n_defect=18, size=(64, 96), defect_px=8, seed=3)
    assert made.name == "parts"
    assert made.counts() == {"OK": 9, "pit": 6, "scratch": 6, "stain": 6}
    assert made.normal == "OK"
    assert all((s.mask is None) == (s.label == "OK") for s in made.samples)
    assert load(tmp_path / "parts") == made
    (tmp_path / "parts" / "manifest.csv").unlink()
    assert load(tmp_path / "parts") == made  # the folders say the same
    assert split(made).split("test").counts()["pit"] == 2
    again = make_parts(tmp_path / "again", n_ok=9, n_defect=18, size=(64, 96), defect_px=8, seed=3)
    assert again.fingerprint() == made.fingerprint()


def test_bad_wishes_are_refused(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    with pytest.raises(ConfigError, match="unknown kinds of defect: dent; expected some of scratch, pit"):
        render_part(rng, kind="dent")
    with pytest.raises(ConfigError, match=r"defect_px is 200; expected 3 to 48"):
        render_part(rng, kind="pit", defect_px=200)
    with pytest.raises(ConfigError, match="at least 48 pixels"):
        render_part(rng, size=(20, 20))
    with pytest.raises(ConfigError, match="0 OK and 0 defective"):
        make_parts(tmp_path, n_ok=0, n_defect=0)
