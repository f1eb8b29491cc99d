"""What is refused before a training begins."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from brightfield.data.dataset import Dataset, Sample
from brightfield.decide.policy import parse_policy
from brightfield.errors import ConfigError, DataError
from brightfield.pipeline.preflight import check_calibration, check_labels, warn_of_near_duplicates


def parts(
    labels: dict[str, int], normal: str | None = "OK", group: str | None = None, part: str = "calibration"
) -> Dataset:
    samples = tuple(
        Sample(f"{label}/{i}.png", Path(f"{label}/{i}.png"), label, split=part, group=group)
        for label, n in labels.items()
        for i in range(n)
    )
    return Dataset("parts", samples, tuple(labels), normal)


def test_labels() -> None:
    check_labels(parts({"OK": 2, "crack": 1}))
    with pytest.raises(DataError, match="one class only, 'OK'"):
        check_labels(parts({"OK": 2}))


@pytest.mark.parametrize(("labels", "normal"), [({"OK": 5}, "OK"), ({"crack": 5}, "OK"), ({"cat": 5}, None)])
def test_a_kind_that_is_missing(labels: dict[str, int], normal: str | None) -> None:
    with pytest.raises(DataError, match="the calibration split shows"):
        check_calibration(parts(labels, normal), parse_policy("f1"))


def test_promises_that_so_few_parts_cannot_prove() -> None:
    held = parts({"OK": 200, "crack": 60})
    check_calibration(held, parse_policy("escape<=0.05@0.95 and overkill<=0.05@0.95"))
    with pytest.raises(DataError, match="at least 149 of them without an error, 89 more.*--calibration"):
        check_calibration(held, parse_policy("escape<=0.02@0.95"))
    with pytest.raises(ConfigError, match="type 'dent'"):
        check_calibration(held, parse_policy("escape[dent]<=0.05@0.95"))


def test_pictures_of_one_group_are_no_parts_of_their_own(caplog: pytest.LogCaptureFixture) -> None:
    held = parts({"OK": 200, "crack": 60}, group="screw 1")
    with caplog.at_level(logging.WARNING):
        check_calibration(held, parse_policy("f1"))
        assert caplog.text == ""
        check_calibration(held, parse_policy("escape<=0.05@0.95"))
    assert "260 pictures show 1 groups" in caplog.text


def test_a_burst_of_pictures_is_no_lot_of_parts(caplog: pytest.LogCaptureFixture) -> None:
    held = parts({"OK": 4, "crack": 2})
    with caplog.at_level(logging.WARNING):
        warn_of_near_duplicates(held, [0, 1, 2, 3, 4, 5], parse_policy("escape<=0.5@0.5"))
        warn_of_near_duplicates(held, [0, 0, 0, 3, 4, 4], parse_policy("f1"))
        assert caplog.text == ""
        warn_of_near_duplicates(held, [0, 0, 0, 3, 4, 4], parse_policy("escape<=0.5@0.5"))
    assert "3 pictures of the calibration split are nearly the same as another" in caplog.text
