from __future__ import annotations

import numpy as np
import pytest

from brightfield.monitor.drift.alarms import DRIFT, VERDICTS, Recent, drift_alarm, verdicts_alarm
from brightfield.monitor.drift.standard import CHARTED, SCORE

EMBEDDED = 3
UP = {name: 1 + i for i, name in enumerate(CHARTED)}
DOWN = {name: 1 + len(CHARTED) + i for i, name in enumerate(CHARTED)}
MORE, FEWER = 1 + 2 * len(CHARTED), 2 + 2 * len(CHARTED)


def recent(count: int, after: int, rejects: float = 0.0, **changes: float) -> Recent:
    """Return parts 11, 12 ... whose values are 0, and others from the one numbered `after` on."""
    scores = np.zeros((count, EMBEDDED + len(CHARTED)))
    first = after - 11
    for name, change in changes.items():
        if name == "look":
            scores[first:, :EMBEDDED] = change
        else:
            scores[first:, EMBEDDED + CHARTED.index(name)] = change
    rejected = np.where(np.arange(count) >= first, rejects, 0.0)
    numbers = list(range(11, 11 + count))
    active = np.ones((count, len(CHARTED)), np.bool_)
    return Recent(numbers, [f"{n}.png" for n in numbers], scores, active, rejected)


def test_the_chart_that_alarmed_says_since_when_and_values_say_what() -> None:
    alarm = drift_alarm(recent(10, 17, look=2.0, sharpness=-1.6, row=1.7), EMBEDDED, 0)
    assert (alarm.at, alarm.since, alarm.until, alarm.kind) == (20, 17, 20, DRIFT)
    assert (alarm.what, alarm.also) == ("shifted", ("blurrier", "new look"))  # 2 * 1.7 and 2 * 1.6
    assert alarm.parts == (17, 18, 19, 20)
    assert alarm.images == ("17.png", "18.png", "19.png", "20.png")


def test_a_value_that_is_hardly_off_is_not_named() -> None:
    alarm = drift_alarm(recent(10, 17, look=2.0, sharpness=-1.4), EMBEDDED, 0)
    assert (alarm.what, alarm.also) == ("new look", ())
    alarm = drift_alarm(recent(10, 17, sharpness=-1.4), EMBEDDED, DOWN["sharpness"])
    assert (alarm.what, alarm.also) == ("blurrier", ())  # its own chart says so


@pytest.mark.parametrize(("light", "word"), [(2.0, "brighter"), (-2.0, "darker")])
def test_another_light_comes_before_another_contrast(light: float, word: str) -> None:
    alarm = drift_alarm(recent(10, 17, brightness=light, contrast=-2.5), EMBEDDED, DOWN["contrast"])
    assert (alarm.what, alarm.also) == (word, ("lower contrast",))
    alarm = drift_alarm(recent(10, 17, brightness=light, contrast=-2.5, row=2.8), EMBEDDED, UP["row"])
    assert (alarm.what, alarm.also) == ("shifted", (word, "lower contrast"))
    alarm = drift_alarm(recent(10, 17, brightness=1.5 * light, row=2.8, contrast=2.5), EMBEDDED, UP["row"])
    assert (alarm.what, alarm.also) == (word, ("shifted", "higher contrast"))


def test_the_pictures_are_those_that_are_furthest_off_in_their_order() -> None:
    given = recent(12, 13, brightness=1.0)
    given.scores[[3, 6, 8], EMBEDDED + CHARTED.index("brightness")] = (4.0, 3.0, 5.0)
    alarm = drift_alarm(given, EMBEDDED, UP["brightness"])
    assert {14, 17, 19} <= set(alarm.parts)
    assert len(alarm.parts) == 5
    assert list(alarm.parts) == sorted(alarm.parts)


def test_rejects_are_said_as_what_they_are() -> None:
    alarm = verdicts_alarm(recent(20, 25, 3.0), EMBEDDED, MORE)
    assert (alarm.what, alarm.kind, alarm.since) == ("more rejects", VERDICTS, 25)
    alarm = verdicts_alarm(recent(20, 25, -3.0), EMBEDDED, FEWER)
    assert (alarm.what, alarm.since) == ("fewer rejects", 25)


def test_scores_count_where_a_part_passed() -> None:
    given = recent(10, 15, **{SCORE: 2.0})
    given.scores[:4, EMBEDDED + CHARTED.index(SCORE)] = 9.0
    given.active[:4, CHARTED.index(SCORE)] = False
    alarm = verdicts_alarm(given, EMBEDDED, UP[SCORE])
    assert (alarm.what, alarm.kind, alarm.since) == ("higher scores", VERDICTS, 15)


def test_as_json() -> None:
    alarm = drift_alarm(recent(4, 13, height=2.5), EMBEDDED, UP["height"])
    assert alarm.as_dict() == {
        "at": 14,
        "since": 13,
        "what": "other size",
        "kind": "drift",
        "also": [],
        "until": 14,
        "images": ["13.png", "14.png"],
    }
