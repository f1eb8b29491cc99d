from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from scipy import ndimage
from sklearn.metrics import f1_score, jaccard_score, roc_auc_score

from brightfield.errors import InputError
from brightfield.evaluation.pixels import PixelMeter


def two_defects() -> tuple[np.ndarray, np.ndarray]:
    mask = np.zeros((20, 20), dtype=bool)
    mask[2:4, 2:4] = True  # 4 pixels
    mask[10:14, 10:14] = True  # 16 pixels
    heatmap = np.full((20, 20), 0.2, dtype=np.float32)
    return heatmap, mask


def test_auroc_agrees_with_scikit_learn_over_all_pixels() -> None:
    generator = np.random.default_rng(0)
    heatmaps = generator.gamma(2.0, 0.4, (3, 32, 24)).astype(np.float32) - 0.2
    masks = generator.random((3, 32, 24)) < 0.1
    heatmaps[masks] += 0.3
    masks[2] = False
    meter = PixelMeter()
    for heatmap, mask in zip(heatmaps, masks, strict=True):
        meter.update(heatmap, mask)
    expected = roc_auc_score(masks.ravel(), heatmaps.ravel())
    assert meter.result().auroc == pytest.approx(expected, abs=1e-4)


def test_overlap_at_the_threshold_by_hand() -> None:
    heatmap, mask = two_defects()
    heatmap[10:14, 10:13] = 1.0  # 12 of the 16, exactly at the threshold
    heatmap[0, :5] = 3.0  # 5 false
    heatmap[2:4, 2:4] = np.nextafter(np.float32(1.0), np.float32(0.0))  # just below it
    meter = PixelMeter()
    meter.update(heatmap, mask)
    result = meter.result()
    assert result.iou == pytest.approx(12 / (20 + 5))
    assert result.dice == pytest.approx(2 * 12 / (20 + 17))
    assert result.regions == 2


def test_aupro_weighs_regions_alike_whatever_their_size() -> None:
    heatmap, mask = two_defects()
    heatmap[10:14, 10:14] = 2.0  # the large one is found before any calm pixel, the small one never is
    heatmap[2:4, 2:4] = 0.0
    meter = PixelMeter()
    meter.update(heatmap, mask)
    # Overlap is 1/2 from rate 0 to rate 1, since all calm pixels share one value above the small defect's.
    assert meter.result().aupro == pytest.approx(0.5)


def test_aupro_stops_at_a_false_positive_rate_of_0_3() -> None:
    mask = np.zeros((1, 11), dtype=bool)
    mask[0, 0] = True
    heatmap = np.array([[0.95, *np.linspace(1.4, 0.5, 10)]], dtype=np.float32)
    meter = PixelMeter()
    meter.update(heatmap, mask)  # five of ten calm pixels lie above the defect: it is found at rate 0.5
    assert meter.result().aupro == 0.0
    meter = PixelMeter()
    heatmap[0, 0] = 1.25  # two lie above it: found from rate 0.2 to the limit of 0.3
    meter.update(heatmap, mask)
    assert meter.result().aupro == pytest.approx(0.1 / 0.3)


def test_regions_touch_at_corners() -> None:
    mask = np.eye(4, dtype=bool)
    meter = PixelMeter()
    meter.update(np.zeros((4, 4), dtype=np.float32), mask)
    assert meter.result().regions == 1


def test_images_count_the_same_one_by_one_as_in_one() -> None:
    generator = np.random.default_rng(1)
    heatmaps = generator.random((2, 16, 16)).astype(np.float32) * 2.0
    masks = np.zeros((2, 16, 16), dtype=bool)
    masks[0, 3:6, 3:6] = True
    apart, together = PixelMeter(), PixelMeter()
    apart.update(heatmaps[0], masks[0])
    apart.update(heatmaps[1], None)
    together.update(np.hstack(list(heatmaps)), np.hstack(list(masks)))
    first, second = apart.result().as_dict(), together.result().as_dict()
    assert (first.pop("images"), second.pop("images")) == (2, 1)
    assert first == pytest.approx(second)


def test_good_parts_alone_have_no_figures() -> None:
    meter = PixelMeter()
    meter.update(np.zeros((4, 4), dtype=np.float32), None)
    result = meter.result()
    assert (result.auroc, result.aupro, result.iou, result.dice) == (None, None, None, None)


def test_result_does_not_end_the_counting() -> None:
    heatmap, mask = two_defects()
    meter = PixelMeter()
    meter.update(heatmap, mask)
    assert meter.result() == meter.result()
    meter.update(heatmap, mask)
    assert meter.result().images == 2


def test_refuses_maps_that_do_not_fit_or_hold_no_number() -> None:
    meter = PixelMeter()
    with pytest.raises(InputError, match="same shape"):
        meter.update(np.zeros((4, 4), dtype=np.float32), np.zeros((4, 5), dtype=bool))
    with pytest.raises(InputError, match="finite"):
        meter.update(np.full((4, 4), np.nan, dtype=np.float32), None)
    assert meter.result().images == 0


def naive_aupro(heatmaps: list[np.ndarray], masks: list[np.ndarray], limit: float) -> float:
    """Try every value as a threshold: the mean share found of each defect, over the share of good pixels."""
    rates, overlaps = [0.0], [0.0]
    good = sum(int((~m).sum()) for m in masks)
    for value in sorted({float(v) for h in heatmaps for v in h.ravel()}, reverse=True):
        shares = []
        for heatmap, mask in zip(heatmaps, masks, strict=True):
            labels, n = ndimage.label(mask, np.ones((3, 3)))
            shares += [float((heatmap[labels == k] >= value).mean()) for k in range(1, n + 1)]
        false = sum(int((h[~m] >= value).sum()) for h, m in zip(heatmaps, masks, strict=True))
        rates.append(false / good)
        overlaps.append(sum(shares) / len(shares))
    area = 0.0
    for (x0, x1), (y0, y1) in zip(pairwise(rates), pairwise(overlaps), strict=True):
        if x0 < limit and x1 > x0:
            end = min(x1, limit)
            area += (end - x0) * (y0 + (y0 + (y1 - y0) * (end - x0) / (x1 - x0))) / 2
    return area / limit


def random_maps(seed: int) -> tuple[list[np.ndarray], list[np.ndarray], list[str | None]]:
    generator = np.random.default_rng(seed)
    heatmaps = [generator.gamma(2.0, 0.4, (9, 12)).astype(np.float32) for _ in range(5)]
    masks = [ndimage.uniform_filter(generator.random((9, 12)), 3) > 0.6 for _ in range(5)]
    masks[0][:], masks[1][:] = False, False
    for heatmap, mask in zip(heatmaps, masks, strict=True):
        heatmap[mask] += 0.5
    return heatmaps, masks, [None, None, "crack", "dent", "crack"]


@pytest.mark.parametrize("seed", range(5))
def test_aupro_agrees_with_trying_every_threshold_by_type(seed: int) -> None:
    heatmaps, masks, types = random_maps(seed)
    meter = PixelMeter()
    for heatmap, mask, kind in zip(heatmaps, masks, types, strict=True):
        meter.update(heatmap, mask, found=heatmap >= 1.2, defect_type=kind)
    found = {None: meter.result(), **meter.per_type()}
    assert set(found) == {None, "crack", "dent"}
    for name, result in found.items():
        rows = [i for i, kind in enumerate(types) if name is None or kind in (None, name)]
        heat, truth = [heatmaps[i] for i in rows], [masks[i] for i in rows]
        assert result.images == len(rows)
        assert result.aupro == pytest.approx(naive_aupro(heat, truth, 0.3), abs=1e-3)
        assert result.aupro_5 == pytest.approx(naive_aupro(heat, truth, 0.05), abs=1e-3)
        flat, marked = np.stack(heat).ravel(), np.stack(truth).ravel()
        assert result.auroc == pytest.approx(roc_auc_score(marked, flat), abs=1e-3)
        assert result.dice == pytest.approx(f1_score(marked, flat >= 1.2))
        assert result.iou == pytest.approx(jaccard_score(marked, flat >= 1.2))


def test_pixels_outside_the_region_do_not_count() -> None:
    generator = np.random.default_rng(4)
    heatmap = generator.gamma(2.0, 0.4, (32, 24)).astype(np.float32)
    mask = generator.random((32, 24)) < 0.1
    region = np.zeros((32, 24), dtype=bool)
    region[4:20, 3:15] = True
    limited, cropped = PixelMeter(), PixelMeter()
    found = heatmap >= 1.2
    for kind in ("crack", "dent"):
        limited.update(heatmap, mask, region=region, found=found, defect_type=kind)
        cropped.update(heatmap[4:20, 3:15], mask[4:20, 3:15], found=found[4:20, 3:15], defect_type=kind)
    limited.update(heatmap, None, region=region, found=found)
    cropped.update(heatmap[4:20, 3:15], None, found=found[4:20, 3:15])
    # its defects lie outside: all that counts of it is good
    limited.update(heatmap, mask & ~region, region=region, found=found, defect_type="dent")
    cropped.update(heatmap[4:20, 3:15], None, found=found[4:20, 3:15], defect_type="dent")
    assert limited.result() == cropped.result()
    assert limited.per_type() == cropped.per_type()
