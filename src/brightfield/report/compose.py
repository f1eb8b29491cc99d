"""Write the files of an evaluation: metrics.json, predictions.csv and report.html."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from brightfield.data.mask_types import mask_types
from brightfield.data.tiling import at_peak
from brightfield.disk.atomic import write_atomically
from brightfield.disk.room import check_overwrites
from brightfield.errors import ImageError
from brightfield.evaluation.predictions import Predictions
from brightfield.evaluation.run import Evaluation
from brightfield.explain.closest import pair
from brightfield.explain.defect_table import NAME as DEFECTS
from brightfield.explain.defect_table import write_defects
from brightfield.explain.overlay import HOTTEST, as_png, shrink
from brightfield.inspector import Inspector, Look
from brightfield.progress import Progress, silent
from brightfield.report.html import write_report
from brightfield.report.lineage_text import lineage_lines
from brightfield.report.outlines import outlined_defects
from brightfield.report.overlaid import exhibited, truth_of
from brightfield.report.report import Exhibit, Pair, Report
from brightfield.verdict import HeatmapKind

RESULTS = ("report.html", "metrics.json", "predictions.csv", DEFECTS)
"""Names of the files in the folder of an evaluation; the last one is there where defects were measured."""

MOST_OF_A_KIND = 8
MOST_PAIRS, MOST_OF_A_PAIR = 6, 3
_PICTURE_SIDE, _PAIR_SIDE = 640, 192


def write_evaluation(
    inspector: Inspector, evaluation: Evaluation, folder: Path, progress: Progress | None = None
) -> None:
    """Write the files of an evaluation into a folder, each atomically.

    Raises:
        ConfigError: If one of them would overwrite a file of the data set.
        WriteError: If a file cannot be written.
    """
    inputs = (file for sample in evaluation.dataset.samples for file in (sample.path, sample.mask_file))
    check_overwrites((folder / name for name in RESULTS), inputs)
    evaluation.predictions.write_csv(folder / "predictions.csv")
    if evaluation.defects:
        _write_defects(folder / DEFECTS, evaluation)
    write_atomically(
        folder / "metrics.json", json.dumps(evaluation.document, indent=2, allow_nan=False).encode()
    )
    training = inspector.facts.get("training") or {}
    report = Report(
        title=f"{evaluation.dataset.name}: evaluation of the inspector",
        predictions=evaluation.predictions,
        metrics=evaluation.metrics,
        history=training.get("history", []),
        exhibits=list(_exhibits(inspector, evaluation, progress)),
        facts=_facts(inspector, evaluation),
        notes=(*evaluation.notes, *training.get("notes", ())),
        heatmap_kind=inspector.method.heatmap_kind,
        against_masks=evaluation.against_masks,
        outlined=list(outlined_defects(inspector, evaluation, progress)),
        types=inspector.method.types,
    )
    write_report(folder / "report.html", report)


def written(evaluation: Evaluation) -> tuple[str, ...]:
    """Return the names of the files that `write_evaluation` writes."""
    return RESULTS if evaluation.defects else RESULTS[:-1]


def _write_defects(path: Path, evaluation: Evaluation) -> None:
    p = evaluation.predictions
    heads = zip(p.images, p.splits, p.truth, (d or "" for d in p.decisions), strict=True)
    rows = ((head, evaluation.defects.get(head[0], ())) for head in heads)
    write_defects(path, ("image", "split", "truth", "decision"), rows)


def worst(evaluation: Evaluation) -> dict[str, list[int]]:
    """Return the rows of the worst errors by kind, the worst first, at most eight of each.

    The worst escape is the one with the lowest score; the worst overkill the one with the highest. Without a
    normal class they are the most confident errors of the pairs of classes confused most often.
    """
    p = evaluation.predictions
    if p.normal is None:
        return {"confusion": _confusions(evaluation)}
    defect, scores = p.is_defect, p.scores
    escapes = np.flatnonzero(defect & p.decided("OK"))
    overkills = np.flatnonzero(~defect & p.decided("DEFECT"))
    reviews = np.flatnonzero(p.decided("REVIEW"))
    return {
        "escape": sorted(escapes.tolist(), key=lambda i: scores[i])[:MOST_OF_A_KIND],
        "overkill": sorted(overkills.tolist(), key=lambda i: -scores[i])[:MOST_OF_A_KIND],
        "review": sorted(reviews.tolist(), key=lambda i: -scores[i])[:MOST_OF_A_KIND],
    }


def _confusions(evaluation: Evaluation) -> list[int]:
    """Return the rows of the most confident errors of the pairs of classes that are confused most often."""
    p = evaluation.predictions
    confidence = np.zeros(len(p)) if p.class_probabilities is None else p.class_probabilities.max(1)
    pairs: dict[tuple[str, str], list[int]] = defaultdict(list)
    for i in sorted(range(len(p)), key=lambda i: -confidence[i]):
        if p.labels[i] != p.truth[i]:
            pairs[p.truth[i], p.labels[i]].append(i)
    most_frequent = sorted(pairs.values(), key=len, reverse=True)[:MOST_PAIRS]
    return [i for rows in most_frequent for i in rows[:MOST_OF_A_PAIR]]


def _exhibits(inspector: Inspector, evaluation: Evaluation, progress: Progress | None) -> Iterator[Exhibit]:
    report_progress = progress or silent
    rows = [(kind, i) for kind, found in worst(evaluation).items() for i in found]
    p, samples = evaluation.predictions, evaluation.dataset.samples
    types = mask_types(evaluation.dataset)
    looks = inspector.looks((samples[i].path, True) for _, i in rows)
    for done, ((kind, i), look) in enumerate(zip(rows, looks, strict=True), start=1):
        report_progress("pictures", done, len(rows))
        if isinstance(look, ImageError):
            continue  # it has become unreadable since it was judged
        image, heatmap = shrink(look.picture, _PICTURE_SIDE), look.verdict.heatmap
        attribution = look.verdict.heatmap_kind is HeatmapKind.ATTRIBUTION
        if kind == "escape" and heatmap is not None and attribution:
            heatmap = at_peak(heatmap, HOTTEST)
        shown = None
        if heatmap is not None:
            truth = truth_of(samples[i], types, heatmap.shape)
            shown = as_png(exhibited(image, heatmap, look.verdict, truth))
        yield Exhibit(
            image=samples[i].image,
            kind=kind,
            truth=p.truth[i],
            label=p.labels[i],
            value=_shown_value(p, i),
            threshold=None if p.thresholds is None else float(p.thresholds[i]),
            picture_png=as_png(image),
            overlay_png=shown,
            closest=_pair(look),
        )


def _pair(look: Look) -> Pair | None:
    closest = look.verdict.closest
    if closest is None:
        return None
    part, good = pair(look.picture, closest, _PAIR_SIDE)
    return Pair(closest.image, as_png(part), as_png(good))


def _shown_value(predictions: Predictions, row: int) -> float | None:
    """Return the value on the threshold's scale, or without a normal class the label's probability."""
    if predictions.normal is not None:
        return float(predictions.values[row])
    shares, label = predictions.class_probabilities, predictions.labels[row]
    if shares is None or label not in predictions.classes:
        return None
    return float(shares[row, predictions.classes.index(label)])


def _facts(inspector: Inspector, evaluation: Evaluation) -> dict[str, dict[str, str]]:
    facts, region = inspector.facts, inspector.preprocessing.region
    training, fingerprints = facts.get("training") or {}, facts.get("fingerprints") or {}
    settings = inspector.method.stored().settings
    recipe = training.get("recipe") or {}
    options = training.get("options") or {}
    created = facts.get("created_with") or {}
    splits = {
        f"images of the {name} split": ", ".join(f"{n} {c}" for c, n in counts.items())
        for name, counts in (fingerprints.get("splits") or {}).items()
    }
    return {
        "Evaluation": {
            "data set": evaluation.dataset.name,
            "images": str(len(evaluation.dataset)),
            "licence of the images": evaluation.dataset.licence or "not stated",
            "fingerprint (SHA-256)": evaluation.dataset.fingerprint(),
        },
        "Training data": {
            "data set": str(fingerprints.get("data_name")),
            **splits,
            "fingerprint (SHA-256)": str(fingerprints.get("data")),
        },
        "Lineage": lineage_lines(facts),
        "Model": {
            "method": inspector.method.name,
            "backbone": str(settings.get("backbone", {}).get("name", "")),
            "licence of the weights": str(facts.get("weights_licence")),
            "working size": str(training.get("plan")),
            **({} if region is None else {"region of interest": f"{region.share:.0%} of the picture"}),
            "recipe": str(recipe.get("name")),
            "seed": str(options.get("seed")),
            "training time": f"{training.get('seconds')} s",
        },
        "Code": {
            **{name: str(version) for name, version in created.items()},
            "fingerprint (SHA-256)": str(fingerprints.get("code")),
        },
    }
