"""Names that say that a part is good, and names that only look like it."""

from __future__ import annotations

import unicodedata

import pytest

from brightfield.data.dataset import find_normal
from brightfield.data.normal_names import sounds_normal
from brightfield.errors import DataError

GOOD = (
    "ok OK Ok okay good Good GOOD normal Normal pass PASS passed free Free",
    "ok_front OK-front okFront OKFront front_ok ok2 0_good 1_OK ok_1 good_in_light ok_N",
    "Good_parts good-parts GoodParts goodParts pass_front front_passed",
    "no_defect no_defects NoDefect nodefect no-defect without_defect zero_defects not_bad no_ng",
    "non_defective NonDefective nondefective non-defective not_defective not_faulty no_crack",
    "undamaged undamaged_front unbroken faultless flawless",
    "defect_free defect-free DefectFree defectfree crack_free scratch_free_front burr_free",
    "MT_Free free_of_defects free_from_damage good_no_defect no_defect_ok",
)

BAD = (
    "not_ok NOT-OK NotOK notOk nOK n_ok nok NOK no_ok non_ok non-OK unOK un_ok in_normal ok_not",
    "not_good no_good no_good_parts non_good never_good not_really_good not_normal abnormal",
    "almost_good false_ok nicht_ok kein_OK pas_ok não_ok ikke_ok",
    "ng NG bad Bad bad_parts def_front defect defective damaged broken crack scratched reject ko",
    "ok_defect good_scratch ok_ng ng_ok good_bad pass_fail defect_ok no_ok_defect",
    "not_free not_defect_free not_crack_free not_free_of_defects no_free unfree free_front",
    "no_screw no_label missing passport bypass boarding_pass_scan goods goodyear token book",
    "normalized freedom cat dog airplane pit rust 1 0 _ ---",
)
WITH_BLANKS = ("good parts", "parts (good)", "No Defect", "free of cracks", "OK: front")
BAD_WITH_BLANKS = ("not ok", "Not Good", "nicht ok", "no good", "", unicodedata.normalize("NFD", "não ok"))


def words(lines: tuple[str, ...]) -> list[str]:
    return [word for line in lines for word in line.split()]


@pytest.mark.parametrize("name", [*words(GOOD), *WITH_BLANKS])
def test_names_of_good_parts(name: str) -> None:
    assert sounds_normal(name)
    assert find_normal(["pit", name]) == name


@pytest.mark.parametrize("name", [*words(BAD), *BAD_WITH_BLANKS])
def test_names_of_others(name: str) -> None:
    assert not sounds_normal(name)
    assert find_normal(["pit", name]) is None


def test_the_casting_data_set_needs_no_option() -> None:
    assert find_normal(["def_front", "ok_front"]) == "ok_front"


def test_a_plain_name_comes_before_one_that_says_more() -> None:
    assert find_normal(["OK", "ok_front", "pit"]) == "OK"


@pytest.mark.parametrize("names", [("ok_front", "ok_back"), ("no_defect", "Good_parts"), ("good", "OK")])
def test_two_that_could_be_meant_are_asked_about(names: tuple[str, str]) -> None:
    with pytest.raises(DataError, match=f"several classes could be the good one: {names[0]}, {names[1]}"):
        find_normal([*names, "pit"])
    assert find_normal([*names, "pit"], names[1]) == names[1]
