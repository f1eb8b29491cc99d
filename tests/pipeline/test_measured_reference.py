from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import brightfield
from brightfield.data.synthetic import make_parts
from brightfield.monitor.drift.reference import reference_of, seen_in
from brightfield.monitor.drift.watch import Watch, plan
from brightfield.monitor.measurement import measured_in
from brightfield.pipeline.measured_reference import rows_to_measure


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("parts")
    make_parts(place, n_ok=80, n_defect=24, size=(64, 64), defect_px=12, kinds=("pit",))
    return place


@pytest.mark.parametrize("method", ["classifier", "patchcore"])
def test_the_reference_is_measured_as_the_line_is(folder: Path, method: str, tmp_path: Path) -> None:
    brightfield.train(
        folder, tmp_path / "line.bf", method=method, weights="none", backbone="test_resnet", image_size=64
    )
    inspector = brightfield.load(tmp_path / "line.bf")
    measured = measured_in(inspector.reference)
    assert measured is not None
    assert len(measured) == len(inspector.reference["labels"])
    assert len(measured.thumbnails) == 6
    assert sorted(measured.positions.tolist()) == sorted(set(measured.positions.tolist()))
    widths = set()
    for row in (0, len(measured) // 2, len(measured) - 1):
        seen = inspector.inspect(folder / measured.images[row], explain=False, measure=True).measurement
        kept = measured.measurements[row]
        assert seen is not None
        assert seen.embedding is not None
        assert kept.embedding is not None
        assert seen == kept  # all but the embedding, which differs by rounding with the size of the batch
        assert seen.embedding == pytest.approx(kept.embedding, abs=1e-3 * float(np.abs(kept.embedding).max()))
        widths.add(len(kept.embedding))
    assert widths == {32}
    watch = Watch(plan(reference_of(inspector), 1000))
    for image in measured.images[:40]:
        part = seen_in(inspector.inspect(folder / image, explain=False, measure=True))
        assert part is not None
        watch.see(part, image)
    assert [alarm for alarm in watch.alarms if alarm.kind == "drift"] == []


@pytest.mark.parametrize(("count", "most", "rows"), [(3, 10, [0, 1, 2]), (9, 3, [0, 4, 8]), (1, 5, [0])])
def test_pictures_are_taken_evenly(count: int, most: int, rows: list[int]) -> None:
    assert rows_to_measure(count, most).tolist() == rows
