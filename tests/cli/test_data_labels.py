from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from brightfield.pipeline import label_check
from brightfield.pipeline.label_check import Doubt, LabelReport

Brightfield = Callable[..., Any]


@pytest.fixture
def doubtful(monkeypatch: pytest.MonkeyPatch) -> None:
    doubts = tuple(Doubt(f"OK/{i:03}.png", "OK", "Defect", 0.9) for i in range(25))
    monkeypatch.setattr(label_check, "check_labels", lambda dataset, **_: LabelReport(36, 24.6, doubts))


@pytest.mark.usefixtures("doubtful")
def test_doubtful_labels_are_printed_with_their_number(
    brightfield: Brightfield, synthetic_parts: Path
) -> None:
    said = brightfield("data", "check", synthetic_parts, "--labels")
    assert said.code == 0, said.err
    assert "about 25 of 36 are expected to be wrong" in said.out
    assert "OK/000.png" in said.out
    assert "wrong: the estimated probability that the label is wrong, the highest first" in said.out
    assert "5 more; --json lists all" in said.out
    document = json.loads(brightfield("data", "check", synthetic_parts, "--labels", "--json").out)
    assert document["labels"]["expected"] == 24.6
    assert len(document["labels"]["doubts"]) == 25


def test_without_being_asked_for_labels_are_not_looked_at(
    brightfield: Brightfield, synthetic_parts: Path
) -> None:
    assert "labels" not in brightfield("data", "check", synthetic_parts, "--json").document
