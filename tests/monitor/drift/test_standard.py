from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from drift_lines import BAD, GOOD, Line, reference

from brightfield.monitor.drift.pool import levelled, slopes_of
from brightfield.monitor.drift.reference import Seen
from brightfield.monitor.drift.standard import CHARTED, OFF, SCORE, fit_standard

BRIGHTNESS = CHARTED.index("brightness")


def test_new_parts_are_standard_normal_in_every_value() -> None:
    standard, _ = fit_standard(reference(300))
    parts = Line(7).parts(2000)
    scores = standard.scores(standard.values(parts))
    assert scores.shape == (2000, standard.embedded + len(CHARTED))
    varied = [i for i in range(scores.shape[1]) if np.ptp(scores[:, i]) > 0]
    assert len(varied) == scores.shape[1] - 2  # all pictures have one size
    # the mean of 300 has a standard error of 0.06; defective ones are fewer
    assert np.abs(scores.mean(axis=0)).max() < 0.3
    assert scores[:, varied].std(axis=0) == pytest.approx(1.0, abs=0.15)


@pytest.mark.parametrize("defective", [0.0, 0.7])
def test_the_share_of_defective_parts_moves_nothing(defective: float) -> None:
    standard, _ = fit_standard(reference(2000))
    scores = standard.scores(standard.values(Line(8, defective=defective).parts(2000)))
    watched = [i for i in range(scores.shape[1]) if i != scores.shape[1] - 1]
    assert np.abs(scores[:, watched].mean(axis=0)).max() < 0.15


def test_without_labels_the_share_of_defective_parts_would_move_them() -> None:
    known = reference(2000)
    parts = tuple(replace(part, label=GOOD) for part in known.parts)
    standard, _ = fit_standard(replace(known, parts=parts, classes=np.zeros(2000, np.int64)))
    many = [replace(part, label=GOOD) for part in Line(8, defective=0.7).parts(1000)]
    scores = standard.scores(standard.values(many))
    assert np.abs(scores.mean(axis=0)).max() > 0.5


def test_a_change_shows_in_its_own_value() -> None:
    standard, _ = fit_standard(reference(300))
    values = {name: standard.embedded + i for i, name in enumerate(CHARTED)}
    darker = standard.scores(standard.values(Line(9).parts(500, brightness=-0.1)))
    assert darker[:, values["brightness"]].mean() < -1.2
    assert np.abs(darker[:, [values["contrast"], values["row"]]].mean(axis=0)).max() < 0.2
    larger = standard.scores(standard.values(Line(9).parts(20, height=1)))
    assert (larger[:, values["height"]] > 2.5).all()
    odd = standard.scores(standard.values(Line(9).parts(200, look=3.0)))
    assert odd[:, values[OFF]].mean() > 0.5 or np.linalg.norm(odd[:, : standard.embedded].mean(0)) > 2


def test_scores_count_where_a_part_passed() -> None:
    standard, _ = fit_standard(reference(100))
    passed, rejected = (Seen(Line(2).part()[0].measurement, GOOD, no, 0.0) for no in (False, True))
    active = standard.active([passed, rejected])
    assert active[:, CHARTED.index(SCORE)].tolist() == [True, False]
    assert np.delete(active, CHARTED.index(SCORE), axis=1).all()


@pytest.mark.parametrize(("count", "embedded"), [(40, 4), (100, 10), (400, 11)])
def test_few_pictures_have_few_values(count: int, embedded: int) -> None:
    standard, pool = fit_standard(reference(count))
    assert standard.embedded == pool.embedded == embedded


def test_a_rare_type_is_compared_with_other_defects() -> None:
    known = reference(200)
    standard, _ = fit_standard(known)
    rare = replace(known.parts[0], label="dent")
    assert standard.kinds_of([rare]).tolist() == [standard.number_of[BAD]]
    few = replace(known, parts=tuple(replace(p, label=GOOD) for p in known.parts))
    assert fit_standard(few)[0].kinds_of([rare]).tolist() == [0]


def test_pictures_of_one_part_do_not_vouch_for_one_another() -> None:
    known = reference(60, defective=0.0)
    known = replace(known, parts=tuple(replace(part, label=GOOD) for part in known.parts))
    twice = replace(
        known,
        parts=(*known.parts, *known.parts),
        images=(*known.images, *known.images),
        classes=np.zeros(120, np.int64),
        positions=np.arange(120),
        blocks=np.tile(np.arange(60), 2),
    )
    standard, pool = fit_standard(twice)
    # each value is relative to the mean of the 118 pictures of other parts
    brightness = np.array([part.measurement.brightness for part in known.parts])
    others = (brightness.sum() - brightness) / 59
    spread = standard.kinds[0].spread[standard.embedded + BRIGHTNESS]
    found = pool.values[:60, standard.embedded + BRIGHTNESS]
    assert found == pytest.approx((brightness - others) / spread, abs=1e-5)


def test_slopes_worked_out_by_hand() -> None:
    levels = np.array([0.0, 0.0, 2.0, 2.0] * 12)
    defective = np.array([False, False, True, True] * 12)
    values = np.column_stack([np.array([1.0, 3.0, 5.0, 5.0] * 12), levels])
    slopes = slopes_of(values, levels, defective)
    assert slopes == pytest.approx([3 / 2, 0.0])  # means of 2 and 5, levels of 0 and 2; the last is the score
    rest = levelled(values, levels, slopes)
    assert rest[defective, 0].mean() == pytest.approx(rest[~defective, 0].mean())


@pytest.mark.parametrize("defects", [0, 5])
def test_too_few_defects_give_no_slope(defects: int) -> None:
    defective = np.arange(100) < defects
    assert not slopes_of(np.ones((100, 3)) * defective[:, None], 2.0 * defective, defective).any()
