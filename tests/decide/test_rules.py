"""A set of parts decided by limits, each worked out by hand.

The pictures are 60 x 80 px, a pixel is 0.1 mm wide, and the sealing face is their right half.

| part | scratches (length x width, mm) | pits (area, px) | probability |
|---|---|---|---|
| clean | | | passes |
| scratch | 4.0 x 0.2, in columns 10 to 49 | | rejected |
| faint scratch | 4.0 x 0.2, likewise | | passes |
| short scratch | 1.0 x 0.2, in columns 5 to 14 | | rejected |
| pits | | 9, 9, 9, 9, on the left | rejected |
| pit on the face | | 9, in columns 60 to 62 | rejected |
| two scratches | 1.5 x 0.1 and 1.5 x 0.1, on the left | | rejected |
"""

from __future__ import annotations

from pathlib import Path

import colour_method as colour
import numpy as np
import pytest
from colour_method import FAINT, STRONG, part
from PIL import Image

from brightfield.decide.operating_point import OperatingPoint
from brightfield.decide.rules import Rules
from brightfield.decide.rules_file import read_rules
from brightfield.errors import ConfigError, ImageError
from brightfield.inspector import Inspector
from brightfield.verdict import Decision, HeatmapKind, Verdict

PARTS = {
    "clean": part(),
    "scratch": part((60, 80), ("scratch", slice(5, 7), slice(10, 50), STRONG)),
    "faint scratch": part((60, 80), ("scratch", slice(5, 7), slice(10, 50), FAINT)),
    "short scratch": part((60, 80), ("scratch", slice(5, 7), slice(5, 15), STRONG)),
    "pits": part((60, 80), *(("pit", slice(r, r + 3), slice(8, 11), STRONG) for r in (5, 15, 25, 35))),
    "pit on the face": part((60, 80), ("pit", slice(30, 33), slice(60, 63), STRONG)),
    "two scratches": part((60, 80), *(("scratch", slice(r, r + 1), slice(9, 24), STRONG) for r in (5, 9))),
}
PASS, REJECT = Decision.OK, Decision.DEFECT


@pytest.fixture
def face(tmp_path: Path) -> Path:
    drawn = np.zeros((60, 80), np.uint8)
    drawn[:, 40:] = 255
    Image.fromarray(drawn).save(tmp_path / "face.png")
    return tmp_path / "face.png"


def ruled(face: Path, text: str, **changes: object) -> Inspector:
    path = face.with_name("rules.toml")
    path.write_text(text, encoding="utf-8")
    return colour.inspector(mm_per_pixel=0.1, **changes).with_rules(read_rules(path))


def decided(inspector: Inspector) -> dict[str, tuple[Decision | None, str | None]]:
    verdicts = {name: inspector.inspect(picture) for name, picture in PARTS.items()}
    return {name: (verdict.decision, verdict.rule) for name, verdict in verdicts.items()}


LIMITS = """
limits = ["scratch.length_mm <= 2.0", "pit.count <= 3", "scratch.total_area_px < 30"]
[[region]]
name = "sealing face"
mask = "face.png"
limits = ["scratch.length_mm <= 0.5", "any.count <= 0"]
"""


def test_alone_the_limits_decide(face: Path) -> None:
    assert decided(ruled(face, f'decide = "alone"\n{LIMITS}')) == {
        "clean": (PASS, None),
        "scratch": (REJECT, "scratch.length_mm <= 2.0: 4"),
        "faint scratch": (REJECT, "scratch.length_mm <= 2.0: 4"),
        "short scratch": (PASS, None),  # 20 px in all, 1 mm long, none on the face
        "pits": (REJECT, "pit.count <= 3: 4"),
        "pit on the face": (REJECT, "any.count <= 0: 1 (sealing face)"),
        "two scratches": (REJECT, "scratch.total_area_px < 30: 30"),
    }


def test_beside_the_probability_the_limits_reject_more(face: Path) -> None:
    assert decided(ruled(face, LIMITS)) == {
        "clean": (PASS, None),
        "scratch": (REJECT, "scratch.length_mm <= 2.0: 4"),
        "faint scratch": (REJECT, "scratch.length_mm <= 2.0: 4"),  # which the probability passes
        "short scratch": (REJECT, None),  # which the probability rejects
        "pits": (REJECT, "pit.count <= 3: 4"),
        "pit on the face": (REJECT, "any.count <= 0: 1 (sealing face)"),
        "two scratches": (REJECT, "scratch.total_area_px < 30: 30"),
    }


def test_in_a_region_the_part_inside_counts(face: Path) -> None:
    region = '[[region]]\nname = "face"\nmask = "face.png"\nlimits = ["scratch.{}"]'
    # columns 40 to 49 of the scratch lie on the face: 10 of its 40 px
    for limit, rule in {
        "length_mm <= 0.9": "scratch.length_mm <= 0.9: 1 (face)",
        "length_mm <= 1": None,
        "area_px <= 19": "scratch.area_px <= 19: 20 (face)",
        "total_area_px <= 20": None,
        "count <= 0": "scratch.count <= 0: 1 (face)",
        "probability <= 0.5": "scratch.probability <= 0.5: 1 (face)",
    }.items():
        assert ruled(face, region.format(limit)).inspect(PARTS["scratch"]).rule == rule
    assert ruled(face, region.format("count <= 0")).inspect(PARTS["short scratch"]).rule is None


def test_what_is_small_can_be_left_out(face: Path) -> None:
    for small, rule in {
        "ignore_below_area_px = 9": "pit.count <= 3: 4",
        "ignore_below_area_px = 10": None,
        "ignore_below_area_mm2 = 0.09": "pit.count <= 3: 4",
        "ignore_below_area_mm2 = 0.1": None,
    }.items():
        assert ruled(face, f"{small}\nlimits = ['pit.count <= 3']").inspect(PARTS["pits"]).rule == rule


def test_a_region_of_rules_is_scaled_to_the_picture(face: Path) -> None:
    inspector = ruled(face, LIMITS)
    large = np.kron(PARTS["pit on the face"], np.ones((3, 3, 1), np.uint8))
    assert inspector.inspect(large).rule == "any.count <= 0: 1 (sealing face)"
    with pytest.raises(ImageError, match="region 'sealing face' of the rules was drawn on 80x60 px"):
        inspector.inspect(part((60, 60)))


def test_without_a_heatmap_the_rules_decide_too_and_no_map_is_kept(face: Path) -> None:
    inspector = ruled(face, LIMITS)
    for name, picture in PARTS.items():
        quick, whole = inspector.inspect(picture, explain=False), inspector.inspect(picture)
        assert (quick.decision, quick.rule, quick.label) == (whole.decision, whole.rule, whole.label), name
        assert (quick.heatmap, quick.mask, quick.class_map, quick.picture) == (None, None, None, None)
        assert quick.defects == whole.defects
        assert quick.measured
    (first, *_), many = inspector.inspect_many([PARTS["pits"]]), inspector.inspect(PARTS["pits"])
    assert first.rule == many.rule


def test_the_label_follows_the_decision(face: Path) -> None:
    def label(inspector: Inspector, name: str) -> str:
        return inspector.inspect(PARTS[name]).label

    assert label(ruled(face, LIMITS), "faint scratch") == "scratch"
    assert label(ruled(face, LIMITS), "clean") == "OK"
    assert label(ruled(face, f'decide = "alone"\n{LIMITS}'), "short scratch") == "OK"
    plain = ruled(face, "limits = ['any.count <= 0']", types=(), classes=("OK", "dent"))
    assert label(plain, "faint scratch") == "dent"


def test_a_review_band_stays_where_no_limit_is_exceeded(face: Path) -> None:
    band = OperatingPoint("fixed=0.5", 0.99999, 0, 0, 0, 0, review=0.5)
    picture = part((60, 80), ("pit", slice(3, 6), slice(3, 6), 190))
    assert ruled(face, LIMITS, operating_point=band).inspect(picture).decision is Decision.REVIEW
    rejected = ruled(face, "limits = ['pit.count <= 0']", operating_point=band).inspect(picture)
    assert rejected.decision is Decision.DEFECT
    alone = ruled(face, "decide = 'alone'\nlimits = ['pit.count <= 1']", operating_point=band)
    assert alone.inspect(picture).decision is Decision.OK


def test_the_scale_of_the_command_goes_before_the_file_and_the_inspector(face: Path) -> None:
    rules = ruled(face, f"mm_per_pixel = 0.02\n{LIMITS}").rules
    inspector = colour.inspector(mm_per_pixel=0.1)

    def length(judge: Inspector) -> float | None:
        return judge.inspect(PARTS["scratch"]).defects[0].length_mm

    assert length(inspector) == pytest.approx(4.0)
    assert length(inspector.with_rules(rules)) == pytest.approx(0.8)
    assert length(inspector.with_rules(rules, 0.05)) == pytest.approx(2.0)
    assert length(inspector.with_rules(None, 0.05)) == pytest.approx(2.0)
    for wrong in (0.0, -1.0, float("nan")):
        with pytest.raises(ConfigError, match="above 0"):
            inspector.with_rules(None, wrong)


def test_rules_stay_in_the_bundle_with_their_masks(face: Path, tmp_path: Path) -> None:
    with colour.registered():
        inspector = ruled(face, LIMITS)
        inspector.save(tmp_path / "inspector.bfz")
        face.unlink()
        loaded = Inspector.load(tmp_path / "inspector.bfz")
        assert (loaded.rules, loaded.mm_per_pixel) == (inspector.rules, 0.1)
        assert decided(loaded) == decided(inspector)
        loaded.with_rules(None).save(tmp_path / "without.bfz")
        assert Inspector.load(tmp_path / "without.bfz").rules is None


def refused(rules: Rules, inspector: Inspector) -> str:
    with pytest.raises(ConfigError) as error:
        inspector.with_rules(rules)
    return str(error.value)


def test_rules_that_do_not_fit_are_refused(face: Path) -> None:
    def rules(limit: str) -> Rules:
        path = face.with_name("rules.toml")
        path.write_text(f"\nlimits = ['{limit}']")
        return read_rules(path)

    typed, plain = colour.inspector(), colour.inspector(types=())
    said = refused(rules("scrach.count <= 3"), typed)
    assert "rules.toml, line 2: " in said
    assert "unknown type 'scrach'; did you mean scratch?; known are: scratch, pit, any" in said
    assert "the class 'pit', but no defect can be of it" in refused(rules("pit.count <= 3"), plain)
    assert "known are: defect, any" in refused(rules("pit.count <= 3"), plain)
    assert plain.with_rules(rules("defect.count <= 3")).rules is not None
    assert "the class 'OK', but" in refused(rules("OK.count <= 3"), typed)
    assert "size of a pixel is not known" in refused(rules("pit.length_mm <= 3"), typed)
    assert "rules.toml, line 2: the limit 'pit.length_mm <= 3'" in refused(rules("pit.length_mm <= 3"), typed)
    assert "needs the probability of each defect" in refused(rules("any.probability <= 1"), plain)
    assert "no normal class" in refused(
        rules("any.count <= 3"), colour.inspector(normal=None, operating_point=None)
    )
    typed.method.heatmap_kind = HeatmapKind.ATTRIBUTION  # type: ignore[misc]
    assert "the method colour marks no defects" in refused(rules("any.count <= 3"), typed)


def test_the_notebook_and_the_line_name_the_rule(face: Path) -> None:
    verdict: Verdict = ruled(face, LIMITS).inspect(PARTS["pits"])
    assert "pit.count &lt;= 3: 4" in verdict._repr_html_()
    assert verdict.as_dict()["rule"] == "pit.count <= 3: 4"
    assert [d["type"] for d in verdict.as_dict()["defects"]] == ["pit"] * 4
