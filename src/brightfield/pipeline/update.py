"""Add good parts to a trained inspector, without training: the memory bank takes them in."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from brightfield.bundle import check_replaceable, read_bundle
from brightfield.data.dataset import Dataset, order_classes
from brightfield.data.split import resplit
from brightfield.errors import ConfigError, DataError
from brightfield.evaluation.run import digests, splits_seen
from brightfield.inspector import Inspector
from brightfield.methods.base import Updated
from brightfield.methods.registry import updater
from brightfield.options import AUTO, TrainOptions
from brightfield.pipeline.facts import code_fingerprint, now, place_at, place_from
from brightfield.pipeline.lineage import with_step
from brightfield.pipeline.old_and_new import load_parts
from brightfield.pipeline.placing import place
from brightfield.pipeline.preflight import check_labels, near_duplicates
from brightfield.pipeline.tested import Tested, judge_test_split
from brightfield.pipeline.update_calibration import as_calibrated_before, calibrated_anew, calibrates
from brightfield.progress import Progress, silent
from brightfield.version import __version__

ANEW, KEPT = "anew", "kept"
"""How an update calibrates: on the calibration split, or as before."""


def update(
    data: str | Path | Dataset,
    output: str | Path | None,
    bundle: str | Path,
    options: TrainOptions | None = None,
    *,
    progress: Progress | None = None,
) -> tuple[Inspector, Dataset]:
    """Return the inspector in a bundle with more good parts taken in, and the data set with its splits.

    Pictures are known by their SHA-256. Those that the bundle knows stay in their split; of new ones the good
    ones of the train split are taken in. If the calibration split has enough parts, the inspector is
    calibrated anew on it; otherwise calibration and threshold stay, with a warning of what still holds.

    Args:
        data: As in `train`: the whole data set with new pictures in it, or new pictures alone.
        output: The bundle to write, as in `train`; None does not save.
        bundle: The bundle of the inspector.
        options: The policy, the seed and the shares to hold out of the new pictures. The policy `auto` stands
            for the one that the inspector was trained with.
        progress: Callback for progress reports.

    Raises:
        InputError: If the method cannot be updated, or the data or the options are wrong.
    """
    begin = time.perf_counter()
    options, tell = options or TrainOptions(), progress or silent
    if output is not None:
        check_replaceable(Path(output))
    parent = str(read_bundle(Path(bundle)).manifest["sha256"])
    base = Inspector.load(bundle)
    updater(base.method.name)  # a method that takes nothing in is an error before the data are read
    _check_options(options, base)
    dataset = _dataset(data, base, options)
    policy = _policy(options, base)
    with tempfile.TemporaryDirectory(suffix="-brightfield") as folder:
        seen = splits_seen(base, digests(dataset))
        duplicates = near_duplicates(dataset, Path(folder), tell)
        placed = place(dataset, seen, options, [int(g) for g in duplicates])
        how = Taking(base, policy, options.policy != AUTO, Path(folder), tell)
        inspector, placed, recorded = taken_in(how, dataset, placed, seen)
    places = known_places(base, Path(bundle), output, [dataset.place])
    step = {
        "parent": parent,
        "at": now(),
        **recorded,
        "seconds": round(time.perf_counter() - begin, 1),
    }
    inspector = replace(inspector, facts=facts_of_update(base, placed, policy, recorded, places))
    inspector = with_step(inspector, base, step)
    if output is not None:
        inspector.save(output)
    return inspector, placed


@dataclass(frozen=True)
class Taking:
    """How good parts are taken in.

    Attributes:
        base: The inspector whose memory bank takes them in.
        policy: How the threshold would be chosen.
        asked: Whether this policy was asked for, so that too few parts for it are an error.
        folder: A folder for what is needed meanwhile.
        progress: Callback for progress reports.
    """

    base: Inspector
    policy: str
    asked: bool
    folder: Path
    progress: Progress


def taken_in(
    how: Taking, dataset: Dataset, placed: Dataset, seen: Sequence[str | None]
) -> tuple[Inspector, Dataset, dict[str, Any]]:
    """Return the inspector with the new good parts of the train split, and what the manifest says of that.

    Args:
        how: How they are taken in.
        dataset: The data set, with its own splits.
        placed: The same with a split for every picture.
        seen: The split of each picture when the inspector was trained; None for new ones.

    Returns:
        The inspector, with the facts of the one before; the data set with the splits that were used; facts.

    Raises:
        InputError: If the method cannot be updated, no good part is new, or the policy needs more parts.
    """
    base = how.base
    take_in = updater(base.method.name)
    anew = calibrates(placed, base, how.policy, asked=how.asked)
    placed = placed if anew else _all_teach(dataset, placed, seen)
    added = _added(placed, seen)
    updated: Updated = take_in(base.method, added, how.progress)
    if anew:
        inspector = calibrated_anew(placed, base, updated, how.policy, how.folder, how.progress)
    else:
        inspector = as_calibrated_before(base, updated, placed)
    inspector = inspector.with_rules(base.rules, base.mm_per_pixel)
    inspector = replace(inspector, splits={**inspector.splits, **base.splits})
    recorded = {
        "good_parts_added": len(added),
        "calibration": ANEW if anew else KEPT,
        **_recorded(placed, updated),
    }
    return inspector, placed, recorded


def known_places(
    base: Inspector, bundle: Path, output: str | Path | None, new: Sequence[str | Path | None]
) -> list[str]:
    """Return where the data sets are that an inspector and its successor know, as seen from the latter."""
    before = (base.facts.get("fingerprints") or {}).get("data_places") or []
    every = [*(place_at(bundle, str(place)) for place in before), *new]
    seen = (place_from(None if output is None else Path(output), place) for place in every)
    return list(dict.fromkeys(place for place in seen if place is not None))


def update_and_test(
    data: str | Path | Dataset,
    output: str | Path,
    bundle: str | Path,
    options: TrainOptions | None = None,
    *,
    report: Path | None = None,
    progress: Progress | None = None,
) -> Tested:
    """Update an inspector as `update` does, and judge the test split of the data set, if it has one.

    Raises:
        InputError: As `update`.
    """
    inspector, placed = update(data, output, bundle, options, progress=progress)
    if all(sample.split != "test" for sample in placed.samples):
        return Tested(inspector, None)
    return judge_test_split(inspector, placed, output, report=report, progress=progress)


def _check_options(options: TrainOptions, base: Inspector) -> None:
    """Check that no option asks for what an update keeps as it is.

    Raises:
        ConfigError: If one does.
    """
    if options.method not in (AUTO, base.method.name):
        raise ConfigError(
            f"--method {options.method} with --from a bundle of the method {base.method.name}: an update "
            "keeps the method; remove --method, or train without --from"
        )
    if options.normal not in (None, base.normal):
        raise ConfigError(
            f"--normal {options.normal!r} with --from a bundle whose good parts are {base.normal!r}: remove "
            "--normal, or train without --from"
        )
    fixed = ("roi", "rules", "mm_per_pixel")
    given = [*(name for name in fixed if getattr(options, name) is not None), *options.own]
    if given:
        flags = ", ".join("--" + name.replace("_", "-") for name in given)
        raise ConfigError(
            f"{flags}: an update keeps all that the bundle of --from was trained with; remove it, or train "
            "without --from"
        )


def _dataset(data: str | Path | Dataset, base: Inspector, options: TrainOptions) -> Dataset:
    """Return the data set to add, with the inspector's normal class.

    Raises:
        DataError: If it has no picture of good parts, or one without a label.
    """
    dataset = data if isinstance(data, Dataset) else load_parts(data, base)
    dataset = resplit(dataset) if options.resplit else dataset
    check_labels(dataset)
    if base.normal is None or base.normal not in dataset.labels:
        found = ", ".join(sorted({str(label) for label in dataset.labels})) or "no images"
        raise DataError(
            f"{dataset.name} has {found}; expected the class {base.normal!r}, which the bundle of --from "
            "counts as good: name the folder of good parts so"
        )
    labels = {str(label) for label in dataset.labels}
    return replace(dataset, classes=order_classes(labels, base.normal), normal=base.normal)


def _policy(options: TrainOptions, base: Inspector) -> str:
    """Return the policy that was asked for, or the one that the inspector was trained with."""
    trained = (base.facts.get("training") or {}).get("options") or {}
    return options.policy if options.policy != AUTO else str(trained.get("policy", AUTO))


def _all_teach(dataset: Dataset, placed: Dataset, seen: Sequence[str | None]) -> Dataset:
    """Return the data set without the new good parts that were held out in vain, as nothing is calibrated."""
    own = [s.split for s in dataset.samples]
    return placed.subset(
        replace(s, split="train")
        if s.split == "calibration" and s.label == placed.normal and not before and not given
        else s
        for s, before, given in zip(placed.samples, seen, own, strict=True)
    )


def _added(placed: Dataset, seen: Sequence[str | None]) -> list[tuple[str, Path]]:
    """Return the names and files of the new good parts to take in.

    Raises:
        DataError: If there are none.
    """
    added = [
        (s.image, s.path)
        for s, before in zip(placed.samples, seen, strict=True)
        if before is None and s.split == "train" and s.label == placed.normal
    ]
    if added:
        return added
    counts = {name: sum(s == name for s in seen) for name in ("train", "calibration", "test")}
    known = ", ".join(f"{n} of the {name} split" for name, n in counts.items() if n) or "none"
    raise DataError(
        f"{placed.name} has no new good part to take in. Of its pictures ({len(placed)}) the bundle knows "
        f"{sum(counts.values())} ({known}), and none of the others is good and may teach. Known pictures "
        "stay in their split: figures on what tests or calibrates would be too good if it were learned"
    )


def _recorded(placed: Dataset, updated: Updated) -> dict[str, Any]:
    """Return what the manifest says of the data that were added, and of what that changed."""
    return {
        "data": placed.name,
        "data_fingerprint": placed.fingerprint(),
        "brightfield": __version__,
        "scores_only_fall": updated.scores_only_fall,
        **updated.facts,
    }


def facts_of_update(
    base: Inspector, placed: Dataset, policy: str, recorded: Mapping[str, Any], places: Sequence[str]
) -> dict[str, Any]:
    """Return the facts of the updated inspector: those of the inspector before, with what has changed."""
    training, fingerprints = base.facts["training"], base.facts["fingerprints"]
    splits = {name: dict(counts) for name, counts in fingerprints["splits"].items()}
    splits["train"][base.normal] = splits["train"].get(base.normal, 0) + recorded["good_parts_added"]
    if recorded["calibration"] == ANEW:
        splits["calibration"] = placed.split("calibration").counts()
    if any(s.split == "test" for s in placed.samples):
        splits["test"] = placed.split("test").counts()
    return {
        **base.facts,
        "training": {
            **training,
            "options": {**training["options"], "policy": policy},
        },
        "fingerprints": {
            **fingerprints,
            "splits": splits,
            "data_places": list(places),
            "code": code_fingerprint(),
        },
        "metrics": None,
    }
