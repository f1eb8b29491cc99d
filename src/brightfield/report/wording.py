"""Texts of the report: figures as sentences for quality managers, and the glossary."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from brightfield.report.pixel_words import PIXEL_FIGURES, PIXEL_GLOSSARY
from brightfield.verdict import Scale

SEVERAL = {Scale.PROBABILITY: "probabilities", Scale.P_VALUE: "p-values", Scale.SCORE: "scores"}

GLOSSARY = {
    "Escape": "A defective part that passed. The escape rate is missed defects / all defects.",
    "Overkill": "A good part that was rejected. The overkill rate is rejected good parts / all good parts.",
    "For review": "The inspector is not sure, so a person decides on the part. It counts as neither escape "
    "nor "
    "overkill. Accuracy, precision, recall and F1 count it as stopped, like a rejected part.",
    "Score": "How defective a part looks, on the method's own scale. Higher is more defective.",
    "Probability": "The calibrated chance, from 0 to 1, that the part is defective.",
    "P-value": "The share of good parts that look at least as unusual as this one, itself among them. The "
    "lower, the more unusual. It is not the probability of a defect, which cannot be estimated without "
    "defective parts.",
    "Threshold": "The value from which a part no longer passes.",
    "Operating point": "The threshold or thresholds in use, and the policy that chose them.",
    "95% confidence": "A rate from few parts is uncertain. The interval (Clopper-Pearson) contains the true "
    "rate "
    "in at least 95 of 100 such evaluations.",
    "Precision": "Of the parts predicted as a class, the share that truly is of that class.",
    "Recall": "Of the parts of a class, the share that was predicted as that class.",
    "F1": "One figure from precision and recall (their harmonic mean).",
    "AUROC": "The chance that a defective part looks worse than a good one; 1 is perfect, 0.5 is chance.",
    "Average precision": "Precision averaged over all recalls; 1 is perfect.",
    "ECE": "Expected calibration error: difference of predicted probabilities and observed shares, averaged "
    "over 15 bins of equal width; 0 is perfect.",
    "Brier score": "The mean squared distance between probability and truth; 0 is perfect.",
    "Effectiveness": "Correct decisions / all decisions, over every look at every part. With the miss rate "
    "and "
    "the false alarm rate the handbook of measurement system analysis (AIAG) calls it acceptable from 90%, "
    "2% and 5% on, marginal from 80%, 5% and 10%.",
    "Kappa": "Agreement beyond what chance would give: 1 is perfect, 0 is chance (Cohen's with the truth, "
    "Fleiss' of several looks).",
    **PIXEL_GLOSSARY,
}

NOT_FOR_CLASSES = ("Escape", "Overkill", "For review", "Score", "Threshold", "Operating point")
STUDY_WORDS = ("Effectiveness", "Kappa")
PROBABILITY_WORDS = ("Probability", "ECE", "Brier score")

FIGURES = {
    "accuracy": "Accuracy",
    "f1": "F1",
    "precision": "Precision",
    "recall": "Recall",
    "auroc": "AUROC",
    "average_precision": "Average precision",
    "ece": "ECE",
    "brier": "Brier score",
}

# keys of `OperatingPoint.as_dict()`, and their names in the report
POINT = {
    "n_calibration": "Parts it was chosen on",
    "n_defect": "Defective ones among them",
    "escapes": "Escapes among them",
    "overkills": "Overkills among them",
    "review": "Review from",
    "reviewed": "For review among them",
    "reviewed_defect": "Defective ones among those",
}

ABOUT_DEFECTS = (
    "Figures of separating defective from good parts at the operating point; parts for review count as "
    "stopped."
)
ABOUT_CLASSES = "Means over classes; accuracy, ECE and Brier score are means over images."

POLICIES = {
    "f1": "The threshold was chosen for the best expected F1, given the calibrated probabilities.",
    "f1 by counting": "The threshold was chosen for the best F1 on the calibration split.",
    "youden": "The threshold was chosen for the greatest sum of recall and specificity on the "
    "calibration split.",
    "recall": "The threshold was chosen to reach the requested recall on the calibration split.",
    "precision": "The threshold was chosen to reach the requested precision on the calibration split.",
    "escape": "The threshold is the highest that proves the requested escape rate on the calibration split.",
    "overkill": "The threshold is the lowest that proves the requested overkill rate on the calibration "
    "split.",
    "overkill by expectation": "The threshold is the lowest at which no more than the requested share of "
    "good "
    "parts is expected to be rejected.",
    "auto": "The policy was chosen by the labels of the calibration split.",
    "cost": "Each part gets the decision of least expected cost at the line's share of defects.",
    "fixed": "The threshold was given by hand; no data chose it.",
}

_SPOKE = (
    "Beside each is its heatmap: what made a defect likely, hotter for a higher probability. "
    "The white line surrounds the strongest places; without it, no single place decided."
)
OF_EVIDENCE = (
    "Beside each is its heatmap: how unusual each place is. Colour begins just below the value at which a "
    "part "
    "no longer passes; the white line surrounds the pixels found defective."
)
"""Explanation of evidence heatmaps beside exhibits."""

OF_TYPES = (
    "Beside each are the defects found, each type with an outline in its own colour; a place that is unusual "
    "but was not found defective is tinted."
)
"""Explanation of the outlines of defect types beside exhibits."""

OF_TRUTH = "A dashed blue line surrounds the true defects, as the mask has them."

EXHIBITS = {
    "escape": (
        "Worst escapes",
        "Defective parts that passed, the least suspected first.",
        "Beside each is its heatmap, drawn at full strength as if the part had been rejected: "
        "it shows the weak evidence for a defect.",
    ),
    "overkill": ("Worst overkills", "Good parts that were rejected, the most suspected first.", _SPOKE),
    "review": ("For review", "Parts that the inspector sends to review by a person.", _SPOKE),
    "confusion": (
        "Most confused",
        "The most confident errors of the pairs of classes that are confused most often.",
        "Beside each is its heatmap: what made the predicted class likely, hotter for a higher "
        "probability. The white line surrounds the strongest places if the probability is above 0.5.",
    ),
}
"""Heading, caption and explanation of the heatmaps, by kind of exhibit."""


VERDICTS = {
    "escape": "passed",
    "overkill": "rejected",
    "review": "for review",
    "confusion": "predicted",
}


def percent(share: float | None) -> str:
    """Return a share in [0, 1] as a percentage; only exactly 0 and 1 are shown as 0% and 100%."""
    if share is None:
        return "n/a"
    if 0.0 < share < 0.0001:
        return "below 0.01%"
    if 0.9999 < share < 1.0:
        return "above 99.99%"
    step = Decimal("0.01") if 0.0 < share < 0.001 or 0.999 < share < 1.0 else Decimal("0.1")
    # half up, as the page's script rounds: 1 of 400 is 0.3% in both
    return f"{Decimal(100.0 * share).quantize(step, ROUND_HALF_UP)}%"


def figure(value: Any) -> str:
    """Return a figure with three decimals, or n/a for None."""
    return "n/a" if value is None else f"{float(value):.3f}"


def number(value: float) -> str:
    """Return a threshold or score with four significant digits."""
    return f"{value:.4g}"


def rate_sentence(rate: Mapping[str, Any], parts: str, what: str) -> str:
    """Return the rate as a sentence.

    Args:
        rate: `Rate.as_dict()`.
        parts: The parts counted, such as "defective parts".
        what: What happened to them, such as "{were} rejected"; `{were}` becomes "was" for one part.
    """
    if rate["value"] is None:
        return f"No {parts} were judged, so this rate is not known."
    low, high = percent(rate["low"]), percent(rate["high"])
    happened = what.replace("{were}", "was" if rate["k"] == 1 else "were")
    counted = f"{rate['k']:,} of {rate['n']:,} {parts} {happened}: {percent(rate['value'])}"
    return f"{counted}; with {percent_word(rate['confidence'])} confidence between {low} and {high}."


def acceptance_sentences(acceptance: Mapping[str, Any]) -> list[str]:
    """Return the verdict of acceptance, and one sentence per limit.

    Args:
        acceptance: `Acceptance.as_dict()`.
    """
    checks = acceptance["checks"]
    met = sum(check["outcome"] == "met" for check in checks)
    verdict = "Accepted" if acceptance["accepted"] else "Not accepted"
    return [
        f"{verdict}: {met} of {len(checks)} limits are met.",
        *(f"{check_name(c)}: {check_sentence(c, acceptance['confidence'])}" for c in checks),
    ]


def difference_sentences(differences: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Return one sentence per figure on the difference between two inspectors.

    Args:
        differences: `Difference.as_dict()` by figure; of pixel figures, the two and their difference.
    """
    return [f"{check_name({'name': name})}: {_difference(name, d)}" for name, d in differences.items()]


def _difference(name: str, found: Mapping[str, Any]) -> str:
    shown = figure if name == "auroc" or name in PIXEL_FIGURES else percent
    if "test" not in found:
        points = f"{100 * found['value']:+.1f} points"
        return f"{shown(found['first'])}, the other's {shown(found['second'])}: {points}."
    ends = " to ".join(f"{100 * found[end]:+.1f}" for end in ("low", "high"))
    beyond = "could be chance" if found["p_value"] > 1 - found["confidence"] else "is more than chance"
    return (
        f"{shown(found['first'])}, the other's {shown(found['second'])}; the difference, {ends} points with "
        f"{percent_word(found['confidence'])} confidence, {beyond} (p = {found['p_value']:.2g}, "
        f"{found['test']})."
    )


def agreement_sentences(study: Mapping[str, Any]) -> list[str]:
    """Return the results of an agreement study: setup, each appraiser, causes of changed decisions.

    Args:
        study: The figures that `run_study` returned.
    """
    text = [_looks(study)]
    for name, one in study["appraisers"].items():
        alike = one["repeatability"]
        twice = (
            "" if alike["value"] is None else f", alike every time on {percent(alike['value'])} of the parts"
        )
        misses = "" if one["miss_rate"] is None else f", misses {percent(one['miss_rate'])}"
        alarms = (
            "" if one["false_alarm_rate"] is None else f", false alarms {percent(one['false_alarm_rate'])}"
        )
        text.append(
            f"{name[:1].upper()}{name[1:]}: correct in {percent(one['effectiveness'])} of "
            f"{one['decisions']:,} "
            f"decisions{misses}{alarms}{twice}: {one['rating']}."
        )
    if len(study["appraisers"]) > 1:
        text.append(together_sentence(study))
    for cause, found in study["causes"].items():
        change = found["changed"]
        text.append(
            f"{cause[:1].upper()}{cause[1:]} at the largest disturbance: {change['k']:,} of {change['n']:,} "
            f"decisions change; 95 of 100 {SEVERAL[Scale(found['scale'])]} move by at most "
            f"{number(found['moves'])}."
        )
    return text


def together_sentence(study: Mapping[str, Any]) -> str:
    """Return the sentence on the parts on which all appraisers of a study agreed."""
    alike, right = study["all_alike"], study["all_right"]
    kappa = "" if study["kappa"] is None else f" Fleiss' kappa of all decisions is {figure(study['kappa'])}."
    return (
        f"Of {alike['n']:,} parts shown to all, all decisions are equal on {alike['k']:,} and correct on "
        f"{right['k']:,}.{kappa}"
    )


def _looks(study: Mapping[str, Any]) -> str:
    parts = "1 part" if study["parts"] == 1 else f"{study['parts']:,} parts"
    kind = "with repeated shots of each" if study["repeated_shots"] else "each in one picture"
    how = f"{parts}, {kind}"
    if not study["trials"]:
        return f"{how}."
    far = study["disturbance"]
    times = "one disturbed copy" if study["trials"] == 1 else f"{study['trials']:,} disturbed copies"
    return (
        f"{how}; {times} of every picture, moved by up to {far['shift']:g} px, up to "
        f"{percent_word(far['light'])} brighter or darker, out of focus by up to {far['focus']:g} px."
    )


def check_name(check: Mapping[str, Any]) -> str:
    """Return the name of the figure that a check is about."""
    name = str(check["name"])
    counts = {"n": "images", "n_defect": "defective parts"}
    plain = counts.get(name) or {**FIGURES, **PIXEL_FIGURES}.get(name) or name.replace("_", " ")
    return plain[:1].upper() + plain[1:]


def check_sentence(check: Mapping[str, Any], confidence: float) -> str:
    """Return the sentence on a check: the limit, the measured figure and the outcome."""
    share = "rate" in check["name"] or check["name"] == "effectiveness" or check["bound"] is not None
    shown = percent if share else figure
    if check["name"] in ("n", "n_defect"):
        shown = _count
    limit = f"{'at most' if check['at_most'] else 'at least'} {shown(check['limit'])} was agreed"
    if check["value"] is None:
        return f"{limit}, no part of that kind was judged: {check['outcome']}."
    text = f"{limit}, {shown(check['value'])} was measured"
    if check["bound"] is not None:
        end = "at most" if check["at_most"] else "at least"
        text += f", which with {percent_word(confidence)} confidence means {end} {percent(check['bound'])}"
    return f"{text}: {check['outcome']}."


def _count(value: float) -> str:
    return f"{value:,.0f}"


def calibration_sentence(found: Mapping[str, Any]) -> str:
    """Return ECE and Brier score with their intervals, and the ECE of perfectly calibrated probabilities."""
    spread = found.get("calibration_spread") or {}
    parts = []
    for key, name in (("ece", "ECE"), ("brier", "Brier score")):
        within = spread.get(key)
        between = "" if within is None else f" ({figure(within['low'])} to {figure(within['high'])})"
        parts.append(f"{name} {figure(found[key])}{between}")
    text = f"{', '.join(parts)}."
    perfect = spread.get("ece_if_calibrated")
    if perfect is not None:
        text += (
            f" Perfectly calibrated probabilities would have an ECE of {figure(perfect['mean'])} on as many "
            "images by "
            f"chance alone, in {percent_word(perfect['confidence'])} of cases from {figure(perfect['low'])} "
            "to "
            f"{figure(perfect['high'])}."
        )
    return text


def percent_word(confidence: float) -> str:
    """Return a confidence such as 0.95 as "95%"."""
    return f"{100.0 * confidence:g}%"


def flatten(document: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Return a nested document as names and values in order, without those that are None."""
    found: dict[str, str] = {}
    for key, value in document.items():
        name = f"{prefix}{POINT.get(key, key)}".replace("_", " ")
        if isinstance(value, Mapping):
            found |= flatten(value, f"{name}: ")
        elif isinstance(value, list | tuple):
            found[name] = ", ".join(_plain(item) for item in value)
        elif value is not None:
            found[name] = _plain(value)
    return {name[:1].upper() + name[1:]: value for name, value in found.items()}


def policy_sentence(operating_point: Mapping[str, Any]) -> str | None:
    """Return the sentence on the policy that chose the threshold; None for an unknown policy."""
    scale = Scale(operating_point.get("scale", Scale.PROBABILITY))
    clauses = str(operating_point.get("policy", "")).split(" and ")
    found = [POLICIES.get(_sentence_name(clause, scale)) for clause in clauses]
    known = [sentence for sentence in found if sentence is not None]
    return " ".join(known) if len(known) == len(found) else None


def _sentence_name(clause: str, scale: Scale) -> str:
    name = re.split(r"[^a-z0-9]", clause, maxsplit=1)[0]
    if name == "f1" and scale is not Scale.PROBABILITY:
        return "f1 by counting"
    return "overkill by expectation" if clause.startswith("overkill=") else name


def glossary(
    has_normal: bool, has_pixels: bool, has_study: bool = False, scale: Scale = Scale.PROBABILITY
) -> dict[str, str]:
    """Return the terms used in the report and their meanings.

    Args:
        has_normal: Whether there is a normal class.
        has_pixels: Whether heatmaps were compared with masks.
        has_study: Whether there is an agreement study.
        scale: The scale of the threshold.
    """
    words = dict(GLOSSARY)
    if not has_normal:
        words["Probability"] = "The calibrated chance, from 0 to 1, that the label is right."
        words["AUROC"] = (
            "The chance that an image of a class scores higher for it than an image of another, averaged "
            "over "
            "classes."
        )
    if scale is Scale.P_VALUE:
        words["Threshold"] = "The p-value at which, and below which, a part no longer passes."
    left_out = (() if has_normal else NOT_FOR_CLASSES) + (() if has_pixels else tuple(PIXEL_GLOSSARY))
    left_out += () if has_study else STUDY_WORDS
    left_out += () if scale is Scale.PROBABILITY or not has_normal else PROBABILITY_WORDS
    left_out += () if scale is Scale.P_VALUE else ("P-value",)
    return {word: meaning for word, meaning in words.items() if word not in left_out}


def _plain(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return number(value) if isinstance(value, float) else str(value)
