"""Where the defects are: from heat to the maps, the defects and, where there are rules, the decision."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from brightfield.data.region import Seen
from brightfield.decide.calibration import Calibrator, score_at
from brightfield.decide.defects import Found, class_map_of, find, measured, voted
from brightfield.decide.heat import attribution_heatmap, evidence_maps, peak_of
from brightfield.decide.operating_point import OperatingPoint
from brightfield.decide.rules import Rules, check_rules
from brightfield.engine.resample import linear_at, nearest_at
from brightfield.errors import ConfigError
from brightfield.methods.base import Judgement, Method, Segments
from brightfield.verdict import UNTYPED, Decision, HeatmapKind, Verdict


@dataclass(frozen=True)
class Marking:
    """How an inspector marks and measures defects; the attributes are the inspector's.

    Attributes:
        kind: The meaning of its method's heat.
        calibrator: What turns scores into probabilities.
        point: Its operating point.
        pixel_threshold: The heat from which a pixel counts as defective.
        classes: Its classes, the normal one first.
        normal: The class of good parts.
        mm_per_pixel: The side of a pixel of the original picture in millimetres.
        rules: The limits that decide on measured defects.
    """

    kind: HeatmapKind
    calibrator: Calibrator
    point: OperatingPoint | None
    pixel_threshold: float | None
    classes: tuple[str, ...]
    normal: str | None
    mm_per_pixel: float | None = None
    rules: Rules | None = None

    @property
    def defect_classes(self) -> tuple[str, ...]:
        """All classes but the normal one."""
        return tuple(name for name in self.classes if name != self.normal)


def with_maps(verdict: Verdict, judgement: Judgement, seen: Seen, marking: Marking) -> Verdict:
    """Return a verdict with its heatmap and, of an evidence map, with the mask and the measured defects.

    Args:
        verdict: The verdict by the score alone.
        judgement: The method's judgement, with heat.
        seen: The part of the picture that was looked at.
        marking: How the inspector marks defects.
    """
    heat, point = judgement.heat, marking.point
    if heat is None:
        return verdict
    evidence = marking.kind is HeatmapKind.EVIDENCE
    mask = None
    if evidence and point is not None:
        bound = score_at(marking.calibrator, point)
        heatmap, mask = evidence_maps(heat, seen.size, bound, marking.pixel_threshold, seen.inside)
    else:
        heatmap = attribution_heatmap(heat, seen.size, peak_of(verdict, point), seen.inside)
        mask = heatmap >= 1 if evidence else None
    verdict = replace(verdict, heatmap=seen.placed(heatmap), heatmap_kind=marking.kind, region=seen.region)
    if mask is None:
        return verdict
    return _with_defects(replace(verdict, mask=seen.placed(mask)), judgement.segments, seen, marking)


def _with_defects(verdict: Verdict, segments: Segments | None, seen: Seen, marking: Marking) -> Verdict:
    """Return a verdict with the defects of its mask, and decided by the rules where there are any."""
    mask, heatmap = verdict.mask, verdict.heatmap
    if mask is None or heatmap is None:
        return verdict
    found = find(mask, heatmap, type_without_segments(verdict.label, marking.defect_classes))
    if segments is not None:
        found = typed(found, segments, seen)
        types = tuple(dict.fromkeys((*segments.types, *found.types)))
        verdict = replace(verdict, types=types, class_map=class_map_of(found, types))
    defects = measured(found, marking.mm_per_pixel)
    verdict = replace(verdict, defects=defects, measured=True)
    return verdict if marking.rules is None else ruled(verdict, found, marking.rules, marking)


def typed(found: Found, segments: Segments, seen: Seen) -> Found:
    """Return regions with the type that most of their pixels have, each by its probability of a defect.

    A region without a typed pixel keeps the type that it has.
    """
    rows, columns = np.nonzero(found.mask)
    corner = seen.corner
    rows, columns = rows - corner[0], columns - corner[1]
    probability = linear_at(segments.probability, seen.size, rows, columns)
    of_pixel = nearest_at(segments.class_map, seen.size, rows, columns)
    winners = voted(found.runs, of_pixel, probability, len(segments.types))
    types = tuple(
        segments.types[winner - 1] if winner else before
        for winner, before in zip(winners.tolist(), found.types, strict=True)
    )
    return replace(found, types=types, probability=probability)


def ruled(verdict: Verdict, found: Found, rules: Rules, marking: Marking) -> Verdict:
    """Return a verdict as the rules decide: the first limit that is exceeded rejects the part.

    A part that the probability would have passed gets the type of the defect that broke the limit as label.
    """
    broken = next(rules.broken(verdict.defects, found, marking.mm_per_pixel), None)
    if broken is not None:
        passed = verdict.decision is Decision.OK
        label = broken.defect.type if passed else verdict.label
        return replace(verdict, decision=Decision.DEFECT, label=label, rule=str(broken))
    if not rules.alone:
        return verdict
    return replace(verdict, decision=Decision.OK, label=str(marking.normal))


def type_without_segments(label: str, defect_classes: Sequence[str]) -> str:
    """Return the type of all defects of a part, where the method does not tell their types apart."""
    if label in defect_classes:
        return label
    return defect_classes[0] if len(defect_classes) == 1 else UNTYPED


def check_rules_fit(marking: Marking, method: Method, *, tells_classes: bool) -> None:
    """Check that the rules fit the defects that an inspector can find; there may be none.

    Args:
        marking: How the inspector marks defects.
        method: Its method.
        tells_classes: Whether it gives each class a probability.

    Raises:
        ConfigError: If the inspector makes no masks or takes no decisions, or a rule is about what it cannot
            find.
    """
    if marking.rules is None:
        return
    check_masks(method.name, marking.kind is HeatmapKind.EVIDENCE)
    if marking.point is None:
        raise ConfigError(
            "rules reject parts, but this inspector has no normal class and only names classes; train with "
            "--normal NAME"
        )
    without = marking.defect_classes if tells_classes else ()
    types = method.types or without or (type_without_segments("", marking.defect_classes),)
    segments = bool(method.types)
    check_rules(
        marking.rules, types=types, classes=marking.classes, segments=segments, scale=marking.mm_per_pixel
    )


def check_masks(method: str, makes_masks: bool) -> None:
    """Check that a method makes masks, in which defects can be measured.

    Raises:
        ConfigError: If it makes none.
    """
    if not makes_masks:
        raise ConfigError(
            f"the method {method} marks no defects: its heatmaps show what drove the decision, so there is "
            "nothing to measure; train a method that marks defects, such as patchcore, to decide by size"
        )


def label_of(
    shares: npt.NDArray[np.float64] | None, decision: str | None, classes: Sequence[str], normal: str | None
) -> str:
    """Return the label of a part: the normal class if it passes, else the most probable defect type.

    Args:
        shares: The probability of each class, (K,); None where the method gives none.
        decision: The decision; None without a normal class.
        classes: The K classes.
        normal: The normal class, or None.
    """
    defect_classes = [name for name in classes if name != normal]
    if decision == "OK" and normal is not None:
        return normal
    if shares is None:
        return type_without_segments("", defect_classes)
    if normal is None or decision is None:
        return classes[int(shares.argmax())]
    return max(defect_classes, key=lambda name: shares[classes.index(name)])
