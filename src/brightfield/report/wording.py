"""How the report says numbers: in the words of a person who answers for the quality of a line."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from brightfield.verdict import Scale

SCALES = {Scale.PROBABILITY: "probability", Scale.P_VALUE: "p-value", Scale.SCORE: "score"}
SEVERAL = {Scale.PROBABILITY: "probabilities", Scale.P_VALUE: "p-values", Scale.SCORE: "scores"}

GLOSSARY = {
    "Escape": "A defective part that passed. The escape rate is missed defects / all defects.",
    "Overkill": "A good part that was rejected. The overkill rate is rejected good parts / all good parts.",
    "For review": "The inspector was not sure: the part goes to a person. It counts as neither escape nor "
    "overkill. Accuracy, precision, recall and F1 count it as stopped, like a rejected part.",
    "Score": "How defective a part looks, on the method's own scale. Higher is more defective.",
    "Probability": "The calibrated chance, from 0 to 1, that the part is defective.",
    "P-value": "The share of good parts that look at least as unusual as this one, itself among them. The "
    "lower, the more unusual. It is no chance of a defect: no defective parts were there to learn that from.",
    "Threshold": "The value from which a part no longer passes.",
    "Operating point": "The threshold or thresholds in use, and the policy that chose them.",
    "95% confidence": "Counting few parts leaves doubt. The interval (Clopper-Pearson) holds the true rate "
    "in at least 95 of 100 such evaluations.",
    "Precision": "Of the parts called so, the share that truly is so.",
    "Recall": "Of the parts that truly are so, the share that was called so.",
    "F1": "One figure from precision and recall (their harmonic mean).",
    "AUROC": "The chance that a defective part looks worse than a good one; 1 is perfect, 0.5 is chance.",
    "Average precision": "Precision averaged over all recalls; 1 is perfect.",
    "ECE": "Expected calibration error: how far probabilities lie from what happened, on average over "
    "15 bins of equal width; 0 is perfect.",
    "Brier score": "The mean squared distance between probability and truth; 0 is perfect.",
    "Effectiveness": "Right decisions / all decisions, over every look at every part. With the miss rate and "
    "the false alarm rate the handbook of measurement system analysis (AIAG) calls it acceptable from 90%, "
    "2% and 5% on, marginal from 80%, 5% and 10%.",
    "Kappa": "Agreement beyond what chance would give: 1 is perfect, 0 is chance (Cohen's with the truth, "
    "Fleiss' of several looks).",
    "AUPRO": "How well the heatmap covers each defect, averaged up to 30% false alarms; 1 is perfect.",
    "IoU and Dice": "Overlap of the pixels found with the pixels marked; 1 is perfect.",
}

NOT_FOR_CLASSES = ("Escape", "Overkill", "For review", "Score", "Threshold", "Operating point")
PIXEL_WORDS = ("AUPRO", "IoU and Dice")
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

# What `OperatingPoint.as_dict()` calls them, and what a reader would.
POINT = {
    "n_calibration": "Parts it was chosen on",
    "n_defect": "Defective ones among them",
    "escapes": "Escapes among them",
    "overkills": "Overkills among them",
    "review": "Review from",
    "reviewed": "For review among them",
    "reviewed_defect": "Defective ones among those",
}

ABOUT_DEFECTS = "Of telling defective from good parts at the operating point; for review counts as stopped."
ABOUT_CLASSES = "Means over classes, but for accuracy, ECE and Brier score, which are over images."

POLICIES = {
    "f1": "The threshold was chosen for the best F1 to be expected from the calibrated probabilities.",
    "f1 by counting": "The threshold was chosen for the best F1 on the parts that it was chosen on.",
    "youden": "The threshold was chosen for the greatest sum of recall and specificity on the parts that "
    "calibrated it.",
    "recall": "The threshold was chosen to reach the recall asked for on the parts that calibrated it.",
    "precision": "The threshold was chosen to reach the precision asked for on the parts that calibrated it.",
    "escape": "Parts pass as far up as the escape rate asked for can be proven on the calibration split.",
    "overkill": "Parts are rejected as far down as the overkill rate asked for can be proven on the "
    "calibration split.",
    "overkill by expectation": "The threshold stops as much as it can while no more good parts than asked "
    "for are expected to be rejected.",
    "auto": "The threshold was chosen by what the calibration split holds.",
    "cost": "Each part meets the decision of the least expected cost at the line's own share of defects.",
    "fixed": "The threshold was given by hand; no data chose it.",
}

_SPOKE = (
    "Beside each is its heatmap: where it speaks for a defect, the hotter the likelier that was. "
    "The white line goes around what speaks most; without one, no single place did."
)
OF_EVIDENCE = (
    "Beside each is its map: how unusual each place is. The colour begins shortly before the value at which "
    "a part no longer passes, and the white line goes around what is beyond it."
)
"""What evidence maps beside exhibits mean."""

EXHIBITS = {
    "escape": (
        "Worst escapes",
        "Defective parts that passed, the least suspected first.",
        "Beside each is its heatmap, drawn in full strength as if the part had been rejected: "
        "where the little lay that spoke for a defect.",
    ),
    "overkill": ("Worst overkills", "Good parts that were rejected, the most suspected first.", _SPOKE),
    "review": ("For review", "Parts the inspector leaves to a person.", _SPOKE),
    "confusion": (
        "Most confused",
        "The surest mistakes of the pairs of classes that are most often taken for each other.",
        "Beside each is its heatmap: what spoke for the class that was named, the hotter the "
        "likelier that was. The white line goes around what spoke most, where it was likelier than not.",
    ),
}
"""Of each kind: its name, what is shown, and what the heatmaps beside it mean."""


VERDICTS = {
    "escape": "passed",
    "overkill": "rejected",
    "review": "for review",
    "confusion": "called",
}


def percent(share: float | None) -> str:
    """Return a share in [0, 1] as a percentage that never rounds to a bare 0% or 100% what is not."""
    if share is None:
        return "n/a"
    if 0.0 < share < 0.0001:
        return "below 0.01%"
    if 0.9999 < share < 1.0:
        return "above 99.99%"
    step = Decimal("0.01") if 0.0 < share < 0.001 or 0.999 < share < 1.0 else Decimal("0.1")
    # Half up, as people round and as the page's script does: 1 of 400 is 0.3% in both.
    return f"{Decimal(100.0 * share).quantize(step, ROUND_HALF_UP)}%"


def figure(value: Any) -> str:
    """Return a figure such as a metric with three digits behind the point, and n/a for None."""
    return "n/a" if value is None else f"{float(value):.3f}"


def number(value: float) -> str:
    """Return a threshold or score with four significant digits."""
    return f"{value:.4g}"


def rate_sentence(rate: Mapping[str, Any], parts: str, what: str) -> str:
    """Return the rate as a sentence.

    Args:
        rate: `Rate.as_dict()`.
        parts: Such as "defective parts".
        what: Such as "{were} rejected"; `{were}` becomes "was" for one.
    """
    if rate["value"] is None:
        return f"No {parts} were judged, so this rate is not known."
    low, high = percent(rate["low"]), percent(rate["high"])
    happened = what.replace("{were}", "was" if rate["k"] == 1 else "were")
    counted = f"{rate['k']:,} of {rate['n']:,} {parts} {happened}: {percent(rate['value'])}"
    return f"{counted}; with {percent_word(rate['confidence'])} confidence between {low} and {high}."


def acceptance_sentences(acceptance: Mapping[str, Any]) -> list[str]:
    """Return the verdict on an inspector, then one sentence a limit.

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
    """Return one sentence a figure on how an inspector differs from another.

    Args:
        differences: `Difference.as_dict()` by figure.
    """
    return [f"{check_name({'name': name})}: {_difference(name, d)}" for name, d in differences.items()]


def _difference(name: str, found: Mapping[str, Any]) -> str:
    shown = figure if name == "auroc" else percent
    ends = " to ".join(f"{100 * found[end]:+.1f}" for end in ("low", "high"))
    beyond = "could be chance" if found["p_value"] > 1 - found["confidence"] else "is more than chance"
    return (
        f"{shown(found['first'])}, the other's {shown(found['second'])}; the difference, {ends} points with "
        f"{percent_word(found['confidence'])} confidence, {beyond} (p = {found['p_value']:.2g}, "
        f"{found['test']})."
    )


def agreement_sentences(study: Mapping[str, Any]) -> list[str]:
    """Return what an agreement study found: how it was made, who decided how, and what changes decisions.

    Args:
        study: As `run_study` returns it.
    """
    said = [_looks(study)]
    for name, one in study["appraisers"].items():
        alike = one["repeatability"]
        twice = (
            "" if alike["value"] is None else f", alike every time on {percent(alike['value'])} of the parts"
        )
        misses = "" if one["miss_rate"] is None else f", misses {percent(one['miss_rate'])}"
        alarms = (
            "" if one["false_alarm_rate"] is None else f", false alarms {percent(one['false_alarm_rate'])}"
        )
        said.append(
            f"{name[:1].upper()}{name[1:]}: right in {percent(one['effectiveness'])} of {one['decisions']:,} "
            f"decisions{misses}{alarms}{twice}: {one['rating']}."
        )
    if len(study["appraisers"]) > 1:
        said.append(together_sentence(study))
    for cause, found in study["causes"].items():
        change = found["changed"]
        said.append(
            f"{cause[:1].upper()}{cause[1:]} as far as that goes, {change['k']:,} of {change['n']:,} "
            f"decisions change; 95 of 100 {SEVERAL[Scale(found['scale'])]} move by at most "
            f"{number(found['moves'])}."
        )
    return said


def together_sentence(study: Mapping[str, Any]) -> str:
    """Return on how many parts all appraisers of a study always agreed."""
    alike, right = study["all_alike"], study["all_right"]
    kappa = "" if study["kappa"] is None else f" Fleiss' kappa of all decisions is {figure(study['kappa'])}."
    return (
        f"Of {alike['n']:,} parts that all were shown, everybody always decided alike on {alike['k']:,} and "
        f"rightly on {right['k']:,}.{kappa}"
    )


def _looks(study: Mapping[str, Any]) -> str:
    parts = "1 part" if study["parts"] == 1 else f"{study['parts']:,} parts"
    kind = "the shots of each as they were taken" if study["repeated_shots"] else "each in one picture"
    how = f"{parts}, {kind}"
    if not study["trials"]:
        return f"{how}."
    far = study["disturbance"]
    times = "one shot" if study["trials"] == 1 else f"{study['trials']:,} shots"
    return (
        f"{how}; {times} made of every picture, moved by up to {far['shift']:g} px, up to "
        f"{percent_word(far['light'])} brighter or darker, out of focus by up to {far['focus']:g} px."
    )


def check_name(check: Mapping[str, Any]) -> str:
    """Return what a check is about."""
    name = str(check["name"])
    counts = {"n": "images", "n_defect": "defective parts"}
    plain = counts.get(name) or FIGURES.get(name) or name.replace("_", " ")
    return plain[:1].upper() + plain[1:]


def check_sentence(check: Mapping[str, Any], confidence: float) -> str:
    """Return a limit, what was found and what follows."""
    share = "rate" in check["name"] or check["name"] == "effectiveness" or check["bound"] is not None
    shown = percent if share else figure
    if check["name"] in ("n", "n_defect"):
        shown = _count
    wanted = f"{'at most' if check['at_most'] else 'at least'} {shown(check['limit'])} was agreed"
    if check["value"] is None:
        return f"{wanted}, no part of that kind was judged: {check['outcome']}."
    said = f"{wanted}, {shown(check['value'])} was found"
    if check["bound"] is not None:
        end = "at most" if check["at_most"] else "at least"
        said += f", which with {percent_word(confidence)} confidence means {end} {percent(check['bound'])}"
    return f"{said}: {check['outcome']}."


def _count(value: float) -> str:
    return f"{value:,.0f}"


def calibration_sentence(found: Mapping[str, Any]) -> str:
    """Return ECE and Brier score with their intervals, and what exactly right probabilities would show."""
    spread = found.get("calibration_spread") or {}
    parts = []
    for key, name in (("ece", "ECE"), ("brier", "Brier score")):
        within = spread.get(key)
        between = "" if within is None else f" ({figure(within['low'])} to {figure(within['high'])})"
        parts.append(f"{name} {figure(found[key])}{between}")
    said = f"{', '.join(parts)}."
    perfect = spread.get("ece_if_calibrated")
    if perfect is not None:
        said += (
            f" Exactly right probabilities would show an ECE of {figure(perfect['mean'])} on as many images, "
            f"and in {percent_word(perfect['confidence'])} of the cases {figure(perfect['low'])} to "
            f"{figure(perfect['high'])}: chance alone."
        )
    return said


def percent_word(confidence: float) -> str:
    """Return a confidence such as 0.95 as "95%"."""
    return f"{100.0 * confidence:g}%"


def flatten(document: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Return a nested document as readable names and values, in order; None is left out."""
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
    """Return what chose the threshold in words, or None for a policy this page does not know."""
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
    """Return the words this page uses and what they mean.

    Args:
        has_normal: Whether there is a normal class.
        has_pixels: Whether heatmaps were compared with masks.
        has_study: Whether there is an agreement study.
        scale: What the threshold is compared with.
    """
    words = dict(GLOSSARY)
    if not has_normal:
        words["Probability"] = "The calibrated chance, from 0 to 1, that the label is right."
        words["AUROC"] = (
            "The chance that an image of a class looks more like it than another does, averaged over classes."
        )
    if scale is Scale.P_VALUE:
        words["Threshold"] = "The p-value at which, and below which, a part no longer passes."
    left_out = (() if has_normal else NOT_FOR_CLASSES) + (() if has_pixels else PIXEL_WORDS)
    left_out += () if has_study else STUDY_WORDS
    left_out += () if scale is Scale.PROBABILITY or not has_normal else PROBABILITY_WORDS
    left_out += () if scale is Scale.P_VALUE else ("P-value",)
    return {word: meaning for word, meaning in words.items() if word not in left_out}


def _plain(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return number(value) if isinstance(value, float) else str(value)
