"""From a method's heat and segments to the mask, the class map and the defects of a verdict."""

from __future__ import annotations

import colour_method as colour
import numpy as np
import pytest
from colour_method import FAINT, STRONG, part

from brightfield.data.region import Region
from brightfield.errors import InputError
from brightfield.verdict import UNTYPED, Decision, HeatmapKind

SCRATCH = ("scratch", slice(10, 12), slice(20, 60), STRONG)
PIT = ("pit", slice(30, 36), slice(10, 16), STRONG)


def test_every_defect_has_a_type_a_place_and_a_size() -> None:
    verdict = colour.inspector().inspect(part((60, 80), SCRATCH, PIT))
    assert verdict.decision is Decision.DEFECT
    assert verdict.measured
    assert [(d.type, d.area, d.length, d.width, d.box, d.centre) for d in verdict.defects] == [
        ("scratch", 80, 40.0, 2.0, (10, 20, 2, 40), (10.5, 39.5)),
        ("pit", 36, 6.0, 6.0, (30, 10, 6, 6), (32.5, 12.5)),
    ]
    assert [d.probability for d in verdict.defects] == [1.0, 1.0]
    assert [d.heat for d in verdict.defects] == pytest.approx([2.0, 2.0], rel=1e-6)  # 1 is at half the colour
    assert verdict.types == ("scratch", "pit")
    expected = np.zeros((60, 80), np.uint8)
    expected[SCRATCH[1:3]], expected[PIT[1:3]] = 1, 2
    assert verdict.class_map is not None
    assert verdict.class_map.dtype == np.uint8
    assert np.array_equal(verdict.class_map, expected)
    assert np.array_equal(verdict.mask_of("pit"), expected == 2)
    with pytest.raises(InputError, match="type 'crack'; known are: scratch, pit"):
        verdict.mask_of("crack")


def test_a_connected_defect_has_one_type_by_vote() -> None:
    # one connected region: 60 pixels of red, 40 of a green that is twice as probable
    picture = part(
        (60, 80),
        ("scratch", slice(10, 15), slice(10, 22), FAINT),
        ("pit", slice(10, 15), slice(22, 30), STRONG),
    )
    verdict = colour.inspector().inspect(picture)
    (defect,) = verdict.defects
    assert (defect.type, defect.area, defect.probability) == ("pit", 100, 1.0)
    assert verdict.class_map is not None
    assert set(np.unique(verdict.class_map)) == {0, 2}


def test_a_part_that_passes_has_its_marks_measured_too() -> None:
    verdict = colour.inspector().inspect(part((60, 80), ("pit", slice(30, 36), slice(10, 16), FAINT)))
    assert verdict.decision is Decision.OK
    assert [(d.type, d.area) for d in verdict.defects] == [("pit", 36)]
    clean = colour.inspector().inspect(part())
    assert (clean.defects, clean.measured) == ((), True)


def test_without_a_heatmap_nothing_is_measured() -> None:
    verdict = colour.inspector().inspect(part((60, 80), PIT), explain=False)
    assert (verdict.defects, verdict.measured, verdict.mask, verdict.class_map) == ((), False, None, None)
    assert "defects" not in verdict.as_dict()
    with pytest.raises(InputError, match="no mask"):
        verdict.mask_of("pit")


@pytest.mark.parametrize(
    ("classes", "expected"),
    [(("OK", "scratch", "pit"), UNTYPED), (("OK", "dent"), "dent"), (("OK",), UNTYPED)],
)
def test_without_segments_the_only_defect_class_is_the_type(classes: tuple[str, ...], expected: str) -> None:
    inspector = colour.inspector(types=(), classes=classes)
    for picture in (part((60, 80), SCRATCH, PIT), part((60, 80), ("pit", slice(3, 9), slice(3, 9), FAINT))):
        verdict = inspector.inspect(picture)
        assert {d.type for d in verdict.defects} == {expected}
        assert {d.probability for d in verdict.defects} == {None}
        assert (verdict.class_map, verdict.types) == (None, ())
        assert verdict.mask is not None
        assert np.array_equal(verdict.mask_of(expected), verdict.mask)
    assert not inspector.inspect(part()).mask_of("anything").any()


def test_an_attribution_map_makes_no_mask() -> None:
    inspector = colour.inspector()
    inspector.method.heatmap_kind = HeatmapKind.ATTRIBUTION  # type: ignore[misc]
    verdict = inspector.inspect(part((60, 80), PIT))
    assert verdict.heatmap is not None
    assert (verdict.mask, verdict.defects, verdict.measured) == (None, (), False)


def test_defects_are_measured_in_the_pixels_of_the_picture() -> None:
    # judged at a quarter of its size, on a grid of 4 x 4 px
    picture = part((160, 320), ("scratch", slice(40, 48), slice(80, 240), STRONG))
    (defect,) = colour.inspector(long_side=80, mm_per_pixel=0.01).inspect(picture).defects
    assert (defect.length, defect.width) == pytest.approx((160, 8), abs=5)  # blurred by resizing
    assert defect.centre == pytest.approx((43.5, 159.5), abs=1)
    assert defect.length_mm == pytest.approx(defect.length / 100)


def test_in_a_region_of_interest_defects_lie_where_they_lie_in_the_picture() -> None:
    mask = np.zeros((60, 80), bool)
    mask[20:50, 5:45] = True
    picture = part((60, 80), SCRATCH, PIT, ("scratch", slice(40, 42), slice(30, 70), STRONG))
    verdict = colour.inspector(region=Region.of(mask)).inspect(picture)
    assert [(d.type, d.box) for d in verdict.defects] == [
        ("pit", (30, 10, 6, 6)),
        ("scratch", (40, 30, 2, 15)),
    ]
    assert verdict.class_map is not None
    assert verdict.class_map.shape == (60, 80)
    assert np.array_equal(verdict.class_map > 0, verdict.mask)
    assert verdict.class_map[31, 11] == 2
