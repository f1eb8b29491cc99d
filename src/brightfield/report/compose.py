"""From an evaluation to the three files of a report folder."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from brightfield.data.tiling import at_peak
from brightfield.disk.atomic import write_atomically
from brightfield.disk.room import check_overwrites
from brightfield.errors import ImageError
from brightfield.evaluation.predictions import Predictions
from brightfield.evaluation.run import Evaluation
from brightfield.explain.overlay import HOTTEST, as_png, overlay, shrink, shrink_heat
from brightfield.inspector import Inspector
from brightfield.progress import Progress, silent
from brightfield.report.html import write_report
from brightfield.report.report import Exhibit, Report
from brightfield.verdict import HeatmapKind

RESULTS = ("report.html", "metrics.json", "predictions.csv")
"""What is written into the folder of an evaluation."""

MOST_OF_A_KIND = 8
MOST_PAIRS, MOST_OF_A_PAIR = 6, 3
_PICTURE_SIDE = 640


def write_evaluation(
    inspector: Inspector, made: Evaluation, folder: Path, progress: Progress | None = None
) -> None:
    """Write `metrics.json`, `predictions.csv` and `report.html` into a folder, each whole or not at all.

    Raises:
        ConfigError: If one of them would be written over a file of the data set.
        WriteError: If the file system refuses.
    """
    read = (file for sample in made.dataset.samples for file in (sample.path, sample.mask))
    check_overwrites((folder / name for name in RESULTS), read)
    made.predictions.write_csv(folder / "predictions.csv")
    write_atomically(folder / "metrics.json", json.dumps(made.document, indent=2, allow_nan=False).encode())
    training = inspector.facts.get("training") or {}
    report = Report(
        title=f"{made.dataset.name}: what the inspector makes of it",
        predictions=made.predictions,
        metrics=made.metrics,
        history=training.get("history", []),
        exhibits=list(_exhibits(inspector, made, progress)),
        facts=_facts(inspector, made),
        notes=made.notes,
        heatmap_kind=inspector.method.heatmap_kind,
    )
    write_report(folder / "report.html", report)


def worst(made: Evaluation) -> dict[str, list[int]]:
    """Return the rows of the worst mistakes by kind, the worst first, at most eight of each.

    The worst escape is the defect that looked best; the worst overkill the good part that looked worst.
    Without a normal class they are the surest mistakes of the pairs of classes confused most often.
    """
    p = made.predictions
    if p.normal is None:
        return {"confusion": _confusions(made)}
    defect, scores = p.is_defect, p.scores
    escapes = np.flatnonzero(defect & p.decided("OK"))
    overkills = np.flatnonzero(~defect & p.decided("DEFECT"))
    reviews = np.flatnonzero(p.decided("REVIEW"))
    return {
        "escape": sorted(escapes.tolist(), key=lambda i: scores[i])[:MOST_OF_A_KIND],
        "overkill": sorted(overkills.tolist(), key=lambda i: -scores[i])[:MOST_OF_A_KIND],
        "review": sorted(reviews.tolist(), key=lambda i: -scores[i])[:MOST_OF_A_KIND],
    }


def _confusions(made: Evaluation) -> list[int]:
    """Return the rows of the surest mistakes of each of the pairs of classes that are confused most often."""
    p = made.predictions
    sure = np.zeros(len(p)) if p.class_probabilities is None else p.class_probabilities.max(1)
    pairs: dict[tuple[str, str], list[int]] = defaultdict(list)
    for i in sorted(range(len(p)), key=lambda i: -sure[i]):
        if p.labels[i] != p.truth[i]:
            pairs[p.truth[i], p.labels[i]].append(i)
    often = sorted(pairs.values(), key=len, reverse=True)[:MOST_PAIRS]
    return [i for rows in often for i in rows[:MOST_OF_A_PAIR]]


def _exhibits(inspector: Inspector, made: Evaluation, progress: Progress | None) -> Iterator[Exhibit]:
    tell = progress or silent
    rows = [(kind, i) for kind, found in worst(made).items() for i in found]
    p, samples = made.predictions, made.dataset.samples
    looks = inspector.looks((samples[i].path, True) for _, i in rows)
    for done, ((kind, i), look) in enumerate(zip(rows, looks, strict=True), start=1):
        tell("pictures", done, len(rows))
        if isinstance(look, ImageError):
            continue  # it was there a moment ago, when it was judged
        image, heatmap = shrink(look.picture, _PICTURE_SIDE), look.verdict.heatmap
        attribution = look.verdict.heatmap_kind is HeatmapKind.ATTRIBUTION
        if kind == "escape" and heatmap is not None and attribution:
            heatmap = at_peak(heatmap, HOTTEST)
        laid = None if heatmap is None else as_png(overlay(image, shrink_heat(heatmap, image.shape)))
        yield Exhibit(
            image=samples[i].image,
            kind=kind,
            truth=p.truth[i],
            label=p.labels[i],
            value=_shown_value(p, i),
            threshold=None if p.thresholds is None else float(p.thresholds[i]),
            picture_png=as_png(image),
            overlay_png=laid,
        )


def _shown_value(predictions: Predictions, row: int) -> float | None:
    """Return what an exhibit says of how sure the inspector was: without a normal class, of the label."""
    if predictions.normal is not None:
        return float(predictions.values[row])
    shares, label = predictions.class_probabilities, predictions.labels[row]
    if shares is None or label not in predictions.classes:
        return None
    return float(shares[row, predictions.classes.index(label)])


def _facts(inspector: Inspector, made: Evaluation) -> dict[str, dict[str, str]]:
    facts = inspector.facts
    training, prints = facts.get("training") or {}, facts.get("fingerprints") or {}
    settings = inspector.method.stored().settings
    recipe = training.get("recipe") or {}
    options = training.get("options") or {}
    created = facts.get("created_with") or {}
    splits = {
        f"images of the {name} split": ", ".join(f"{n} {c}" for c, n in counts.items())
        for name, counts in (prints.get("splits") or {}).items()
    }
    return {
        "Judged here": {
            "data set": made.dataset.name,
            "images": str(len(made.dataset)),
            "terms of the images": made.dataset.licence or "not stated",
            "fingerprint (SHA-256)": made.dataset.fingerprint(),
        },
        "Training data": {
            "data set": str(prints.get("data_name")),
            **splits,
            "fingerprint (SHA-256)": str(prints.get("data")),
        },
        "Model": {
            "method": inspector.method.name,
            "backbone": str(settings.get("backbone", {}).get("name", "")),
            "weights": str(facts.get("weights_licence")),
            "working size": str(training.get("plan")),
            "recipe": str(recipe.get("name")),
            "seed": str(options.get("seed")),
            "training time": f"{training.get('seconds')} s",
        },
        "Code": {
            **{name: str(version) for name, version in created.items()},
            "fingerprint (SHA-256)": str(prints.get("code")),
        },
    }
