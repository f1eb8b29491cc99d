"""A memory bank that takes more good parts in."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from brightfield.data.decode import decode
from brightfield.data.synthetic import make_parts
from brightfield.engine.nearest import nearest, squared_norms
from brightfield.errors import BundleError, ConfigError
from brightfield.inspector import Inspector
from brightfield.methods.patches.coreset import Coreset
from brightfield.methods.patches.detectors import Bank
from brightfield.methods.patches.fitted import PatchMethod
from brightfield.methods.patches.update import update
from brightfield.methods.registry import updater
from brightfield.progress import silent


@pytest.fixture
def method(memory_bundle: Path) -> PatchMethod:
    found = Inspector.load(memory_bundle).method
    assert isinstance(found, PatchMethod)
    return found


@pytest.fixture
def new_parts(tmp_path: Path) -> list[tuple[str, Path]]:
    data = make_parts(tmp_path / "new", n_ok=3, n_defect=0, size=(96, 128), defect_px=18, seed=5)
    return [(f"new/{s.path.name}", s.path) for s in data.samples]


def bank_of(method: PatchMethod) -> Bank:
    (bank,) = (m.detector for m in method.members if isinstance(m.detector, Bank))
    return bank


def with_size(method: PatchMethod, size: int) -> PatchMethod:
    """Return the method with a bank that may hold so many patches."""
    (member,) = method.members
    bank = bank_of(method)
    assert bank.selection is not None
    roomy = dataclasses.replace(bank, selection=dataclasses.replace(bank.selection, size=size))
    members = [dataclasses.replace(member, detector=roomy)]
    return PatchMethod(method.name, method.features, members, method.preprocessing, backbone=method.backbone)


def test_a_full_bank_stays_within_its_size(method: PatchMethod, new_parts: list[tuple[str, Path]]) -> None:
    found = update(method, new_parts, silent)
    before, after = bank_of(method), bank_of(found.method)  # type: ignore[arg-type]
    assert len(before.patches) == len(after.patches) == 150
    assert found.facts["patches_added"] == found.facts["patches_removed"] > 0
    assert not found.scores_only_fall
    assert after.crops is not None
    images = {after.crops.image(i) for i in range(150)}
    assert {name for name, _ in new_parts} & images
    assert len(after.crops) == 150


def test_the_crops_stay_with_their_patches(method: PatchMethod, new_parts: list[tuple[str, Path]]) -> None:
    before, after = bank_of(method), bank_of(update(method, new_parts, silent).method)  # type: ignore[arg-type]
    assert before.crops is not None
    assert after.crops is not None
    squares, rows = nearest(after.patches, before.patches, squared_norms(before.patches))
    same = np.flatnonzero((after.patches == before.patches[rows]).all(1))
    assert len(same) > 50
    for new in same[::5]:
        assert after.crops.image(int(new)) == before.crops.image(int(rows[new]))
        np.testing.assert_array_equal(after.crops.picture(int(new)), before.crops.picture(int(rows[new])))
    assert squares.max() > 0


def test_with_room_no_score_rises_and_those_taken_in_fall(
    method: PatchMethod, new_parts: list[tuple[str, Path]], synthetic_parts: Path
) -> None:
    roomy = with_size(method, 100_000)
    found = update(roomy, new_parts, silent)
    assert found.scores_only_fall
    assert found.facts["patches_removed"] == 0
    files = [*sorted(synthetic_parts.glob("*/*.png"))[::3], *(path for _, path in new_parts)]
    pictures = [method.preprocessing.working(decode(file)) for file in files]
    before, after = (
        np.array([j.score for j in of.judge(pictures, explain=False)]) for of in (roomy, found.method)
    )
    assert (after <= before + 1e-4 * np.abs(before)).all()
    assert before[-3:].max() > 0
    np.testing.assert_array_equal(after[-3:], 0)  # each of their patches is in the bank


def test_a_stream_that_pauses_ends_with_the_same_patches() -> None:
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(5000, 60)).astype(np.float32)
    tags = np.arange(5000)[:, None]
    whole = Coreset(50, 60, 1, seed=3)
    for at in range(0, 5000, 500):
        if at == 2500:
            whole.finish()
            paused = Coreset.resumed(whole.selection, whole.vectors, whole.tags)
        whole.add(vectors[at : at + 500], tags[at : at + 500])
        if at >= 2500:
            paused.add(vectors[at : at + 500], tags[at : at + 500])
    whole.finish()
    paused.finish()
    np.testing.assert_array_equal(whole.tags, paused.tags)
    np.testing.assert_array_equal(whole.vectors, paused.vectors)


def test_a_bank_of_unknown_selection_is_refused(
    method: PatchMethod, new_parts: list[tuple[str, Path]]
) -> None:
    (member,) = method.members
    bare = dataclasses.replace(member, detector=Bank(bank_of(method).patches))
    method.members = (bare,)
    with pytest.raises(BundleError, match="how its memory bank was selected"):
        update(method, new_parts, silent)


@pytest.mark.parametrize("name", ["flow", "classifier"])
def test_other_methods_have_to_be_trained_again(name: str) -> None:
    with pytest.raises(ConfigError, match=f"method {name}, which cannot take pictures in.*fusion, patchcore"):
        updater(name)
