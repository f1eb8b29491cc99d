from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from drift_lines import GOOD, Line, reference, shuffled

from brightfield.errors import ConfigError
from brightfield.monitor.drift import limits as limits_module
from brightfield.monitor.drift.alarms import DRIFT, VERDICTS
from brightfield.monitor.drift.reference import Seen
from brightfield.monitor.drift.watch import LOTS_FOR_LESS, SOON, Plan, Watch, plan


@pytest.fixture(autouse=True, scope="module")
def _quick() -> object:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(limits_module, "REFERENCES", 25)
        yield


@pytest.fixture(scope="module")
def planned() -> Plan:
    return plan(reference(250), 1000)


def watched(planned: Plan, *stretches: tuple[int, dict[str, float]], line: Line | None = None) -> Watch:
    watch, line = Watch(planned), line or Line(42)
    for count, changes in stretches:
        for part in line.parts(count, **changes):
            watch.see(part, f"part-{watch.number + 1}.png")
    return watch


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"brightness": -0.15}, "darker"),
        ({"brightness": 0.15}, "brighter"),
        ({"contrast": -0.12}, "lower contrast"),
        ({"contrast": 0.12}, "higher contrast"),
        ({"sharpness": -0.09}, "blurrier"),
        ({"sharpness": 0.09}, "sharper"),
        ({"row": 0.03}, "shifted"),
        ({"height": 1}, "other size"),
        ({"look": 2.0}, "new look"),
    ],
)
def test_an_alarm_says_what_changed_and_since_when(
    planned: Plan, changes: dict[str, float], what: str
) -> None:
    watch = watched(planned, (60, {}), (25, changes))
    (alarm,) = [one for one in watch.alarms if one.kind == DRIFT]
    assert alarm.what == what
    assert 61 <= alarm.at <= 76
    assert abs(alarm.since - 61) <= 2
    assert alarm.until > alarm.at
    assert 1 <= len(alarm.images) <= 5
    assert alarm.images == tuple(f"part-{number}.png" for number in alarm.parts)
    assert all(alarm.since <= number <= alarm.at for number in alarm.parts)
    assert list(alarm.parts) == sorted(alarm.parts)


def test_a_line_in_control_gives_no_alarm(planned: Plan) -> None:
    assert watched(planned, (400, {})).alarms == []


def test_more_defects_are_no_drift_and_are_said_as_what_they_are(planned: Plan) -> None:
    watch, before, after = Watch(planned), Line(3, defective=0.1), Line(4, defective=0.6)
    for line, count in ((before, 150), (after, 60)):
        for part in line.parts(count):
            watch.see(part, "")
    (alarm,) = watch.alarms
    assert (alarm.kind, alarm.what) == (VERDICTS, "more rejects")
    assert abs(alarm.since - 151) < 25
    for part in Line(5, defective=0.6).parts(150):  # that is how the line is now
        watch.see(part, "")
    assert len(watch.alarms) == 1
    for part in Line(6, defective=0.0).parts(150):
        watch.see(part, "")
    assert [alarm.what for alarm in watch.alarms] == ["more rejects", "fewer rejects"]


def test_a_line_with_fewer_defects_than_the_training_set_is_no_news(planned: Plan) -> None:
    assert watched(planned, (500, {}), line=Line(7, defective=0.01)).alarms == []


def passed(part: Seen) -> Seen:
    """Return a part as it is when nothing is rejected."""
    return replace(part, label=GOOD, rejected=False, score=part.score - 3.0 * part.rejected)


@pytest.fixture(scope="module")
def without_rejects() -> Plan:
    found = reference(76, defective=0.0)
    return plan(replace(found, parts=tuple(map(passed, found.parts))), 1000)


def test_a_reject_now_and_then_is_no_news_where_the_reference_has_none(without_rejects: Plan) -> None:
    alarms = []
    for seed in range(3):
        watch, rng = Watch(without_rejects), np.random.default_rng(seed)
        for part in Line(50 + seed, defective=0.0).parts(500):
            watch.see(replace(passed(part), rejected=bool(rng.random() < 0.01)), "")
        alarms += [alarm.what for alarm in watch.alarms if "rejects" in alarm.what]
    assert len(alarms) <= 1  # of about 15 rejects


def test_a_run_of_rejects_is_one_alarm_where_the_reference_has_none(without_rejects: Plan) -> None:
    watch = Watch(without_rejects)
    for i, part in enumerate(Line(12, defective=0.0).parts(300)):
        watch.see(replace(passed(part), rejected=200 <= i < 206), "")
    found = [alarm for alarm in watch.alarms if "rejects" in alarm.what]
    assert found[0].what == "more rejects"
    assert found[0].at in range(202, 207)
    assert len(found) <= 2  # at most it is also said that they have gone


def test_a_change_that_stays_is_one_alarm_and_one_that_comes_back_another(planned: Plan) -> None:
    dark = {"brightness": -0.2}
    watch = watched(planned, (40, {}), (200, dark))
    (alarm,) = [one for one in watch.alarms if one.kind == DRIFT]
    assert alarm.until >= 240 - 20
    watch = watched(planned, (40, {}), (30, dark), (60, {}), (30, dark))
    first, second = [one for one in watch.alarms if one.kind == DRIFT and one.what == "darker"][:2]
    assert first.until <= 70 + 20
    assert second.since > first.until + SOON


def test_a_change_of_another_kind_is_another_alarm(planned: Plan) -> None:
    watch = watched(planned, (40, {}), (60, {"brightness": -0.2}), (60, {"sharpness": -0.12}))
    found = [one for one in watch.alarms if one.kind == DRIFT]
    assert [one.what for one in found] == ["darker", "blurrier"]
    assert found[0].until <= 110
    assert abs(found[1].since - 101) <= 3


def test_begun_anew_the_same_change_is_another_alarm(planned: Plan) -> None:
    watch, line = watched(planned, (40, {}), (20, {"brightness": -0.2})), Line(8)
    count = len(watch.alarms)
    watch.begin_anew()
    for part in line.parts(20, brightness=-0.2):
        watch.see(part, "")
    assert len(watch.alarms) == count + 1
    assert watch.alarms[-1].since > 60


def test_parts_without_a_measurement_count(planned: Plan) -> None:
    watch = Watch(planned)
    for _ in range(10):
        watch.skip()
    for part in [*Line(9).parts(20), *Line(9).parts(20, brightness=0.2)]:
        watch.see(part, "")
    assert (watch.number, watch.judged) == (50, 40)
    assert abs(watch.alarms[0].since - 31) <= 2


def test_lots_in_the_reference_widen_the_limits_until_the_line_shows_none() -> None:
    alike = plan(reference(300, lot=40, alike=0.6), 1000)
    assert not alike.alike.independent
    watch = Watch(alike)
    wide = watch.limits.of_charts
    parts = Line(10).parts(60)
    for part in parts[:30]:
        watch.see(part, "")
    assert LOTS_FOR_LESS * alike.alike.length > 30  # a few lots of a line do not show that it has none
    assert watch.limits.of_charts[0] == wide[0]
    for part in parts[30:]:
        watch.see(part, "")
    assert watch.limits.alike.independent
    assert watch.limits.of_charts[0] != wide[0]
    independent = plan(shuffled(reference(300, lot=10, alike=0.6)), 1000)
    assert independent.alike.independent


def test_lots_of_the_line_give_few_alarms() -> None:
    planned = plan(reference(300, lot=5, alike=0.5), 1000)
    alarms = 0
    for seed in range(4):
        watch = watched(planned, (300, {}), line=Line(200 + seed, lot=5, alike=0.5))
        alarms += sum(alarm.kind == DRIFT for alarm in watch.alarms)
        assert not watch.limits.alike.independent
    assert alarms <= 3  # 1.2 are expected


def test_taken_for_independent_such_a_line_would_give_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Watch, "_check", lambda _self: None)
    planned = plan(shuffled(reference(300, lot=5, alike=0.5)), 1000)
    line = Line(200, lot=5, alike=0.5)
    watch = Watch(planned)
    alarms = 0
    for part in line.parts(300):
        if watch.see(part, "") is not None:
            alarms += 1
            watch.begin_anew()
    assert alarms > 6


def test_the_same_parts_give_the_same_alarms(planned: Plan) -> None:
    first, second = (watched(planned, (50, {}), (40, {"row": 0.03})) for _ in range(2))
    assert first.alarms == second.alarms


def test_series_are_shares_of_limits(planned: Plan) -> None:
    kept: list[tuple[int, np.ndarray]] = []
    watch = Watch(planned, series=lambda number, values: kept.append((number, values)))
    for part in [*Line(11).parts(40), *Line(11).parts(15, brightness=-0.3)]:
        watch.see(part, "")
    assert [number for number, _ in kept] == list(range(1, 56))
    at = watch.alarms[0].at
    assert kept[at - 1][1].max() > 1
    assert max(values.max() for number, values in kept if number < at) <= 1


@pytest.mark.parametrize("length", [10, 1e9, -5])
def test_an_impossible_run_length_is_refused(length: float) -> None:
    with pytest.raises(ConfigError, match=r"--run-length is .*; expected 100 to 100,000"):
        plan(reference(60), length)


def test_a_reference_of_equal_pictures_can_be_compared_with() -> None:
    known = reference(40, defective=0.0)
    watch = Watch(plan(replace(known, parts=known.parts[:1] * len(known)), 1000))
    for _ in range(60):
        watch.see(known.parts[0], "")
    assert watch.alarms == []
    for part in Line(13, defective=0.0).parts(20, brightness=-0.2):
        watch.see(part, "")
    assert watch.alarms[0].kind == DRIFT
