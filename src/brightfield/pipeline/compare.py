"""Compare methods: train each on the same split, and judge the same test images with all."""

from __future__ import annotations

import json
import logging
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from brightfield.bundle import check_replaceable
from brightfield.data.dataset import Dataset
from brightfield.data.hold_out import split_test
from brightfield.data.load import load as load_dataset
from brightfield.data.region import Region
from brightfield.data.region_check import check_fits
from brightfield.data.region_mask import read_region
from brightfield.data.split import resplit
from brightfield.errors import AgreementError, ConfigError, DataError, InputError, WriteError
from brightfield.evaluation.ranking import Comparison
from brightfield.inspector import Inspector, load
from brightfield.learn.processes import processes
from brightfield.methods.base import Learner
from brightfield.methods.registry import METHODS
from brightfield.options import AUTO, TrainOptions, declared_by
from brightfield.pipeline.judge_alike import judge_alike
from brightfield.pipeline.preflight import (
    check_labels,
    make_learner,
    near_duplicates,
    prepare,
)
from brightfield.pipeline.train import train
from brightfield.pipeline.workspace import workspace_of
from brightfield.progress import Progress, silent, with_prefix
from brightfield.report.comparison import write_comparison

log = logging.getLogger(__name__)

FEWEST = 2


@dataclass(frozen=True)
class Shared:
    """The images that all methods are given.

    Attributes:
        data: The data set; every image has a split, and all methods are tested on the same.
        duplicates: int (N,), a group number for each image, equal for near-duplicates.
    """

    data: Dataset
    duplicates: npt.NDArray[np.intp]


@dataclass(frozen=True)
class Candidate:
    """A method that applies to a data set.

    Attributes:
        options: The options of its training.
        fingerprint: The fingerprint of the data that its bundle will hold.
        region: The region of interest that its bundle will hold.
        bundle: Where its bundle is written.
    """

    options: TrainOptions
    fingerprint: str
    region: Region | None
    bundle: Path


def compare(
    data: str | Path | Dataset,
    output: str | Path | None = None,
    options: TrainOptions | None = None,
    *,
    methods: Sequence[str] | None = None,
    resume: bool = False,
    progress: Progress | None = None,
) -> Comparison:
    """Train all methods that apply on one split, and judge the same test images with each.

    A method that does not apply to the data, or fails while it is trained, is left out with the reason.

    Args:
        data: A folder, a manifest, a catalog name or a data set.
        output: The folder for the bundles, one named after each method, and for `compare.json`,
            `compare.csv` and `compare.html`; None keeps nothing.
        options: The options of the trainings; each method takes those of its own that it declares.
        methods: Names of the methods; None for all there are.
        resume: Whether to continue an interrupted comparison: methods already trained are not trained again.
        progress: Callback for progress reports; stages of a training begin with the method's name.

    Raises:
        InputError: If the data or the options are wrong, or fewer than two methods could be compared.
        WriteError: If a bundle or a result cannot be written.
    """
    options, tell = options or TrainOptions(), progress or silent
    names = _names(options, methods)
    if resume and output is None:
        raise ConfigError("--resume continues the comparison in a folder; name that folder with -o")
    if options.rules is not None:
        raise ConfigError(
            "--rules: methods are compared by their scores, and not all of them mark defects; remove it, and "
            "give the rules to the inspector of your choice with `brightfield threshold BUNDLE --rules FILE`"
        )
    region = None if options.roi is None else read_region(Path(options.roi))
    dataset = data if isinstance(data, Dataset) else load_dataset(data, normal=options.normal)
    check_labels(dataset)
    dataset = resplit(dataset) if options.resplit else dataset
    kept = None if output is None else Path(output)
    with _folder(kept) as folder:
        for name in names:
            check_replaceable(folder / name)
        shared, candidates, left_out = _candidates(dataset, names, options, region, folder, tell)
        inspectors: dict[str, Inspector] = {}
        for name, candidate in candidates.items():
            trained = _trained(candidate, shared, resume, tell)
            if isinstance(trained, Inspector):
                inspectors[name] = trained
            else:
                left_out[name] = trained
        _check_enough(inspectors, left_out, "could be trained on")
        bundles = {name: candidates[name].bundle for name in inspectors}
        comparison = judge_alike(inspectors, bundles, shared.data, tell)
        comparison = replace(comparison, left_out=left_out, output=kept)
        if kept is None:
            forgotten = tuple(replace(each, bundle=None) for each in comparison.contenders)
            return replace(comparison, contenders=forgotten)
        write_comparison(comparison, kept, tell)
    return comparison


def _names(options: TrainOptions, methods: Sequence[str] | None) -> list[str]:
    """Return the methods asked for, without repeats.

    Raises:
        ConfigError: If fewer than two are asked for, one is unknown, an option belongs to none of them, or
            several processes were started.
    """
    if options.method != AUTO:
        raise ConfigError(f"method = {options.method!r} names one; name those to compare with --methods")
    names = list(dict.fromkeys(METHODS if methods is None else methods))
    for name in names:
        if name not in METHODS:
            raise ConfigError(f"--methods: {name!r} is unknown; known are: {', '.join(METHODS)}")
    if methods is not None and len(names) < FEWEST:
        raise ConfigError(f"--methods names {', '.join(names) or 'none'}; expected two methods at least")
    for option in options.own:
        if not any(option in declared_by(name) for name in names):
            flag = "--" + option.replace("_", "-")
            raise ConfigError(f"{flag} is no option of {', '.join(names)}: remove it, or add its method")
    if processes().world > 1:
        raise ConfigError(f"{processes().world} processes were started; compare trains in one: start one")
    return names


@contextmanager
def _folder(kept: Path | None) -> Iterator[Path]:
    if kept is not None:
        yield kept
        return
    with tempfile.TemporaryDirectory("-brightfield") as folder:
        yield Path(folder)


def _candidates(
    dataset: Dataset,
    names: Sequence[str],
    options: TrainOptions,
    region: Region | None,
    folder: Path,
    progress: Progress,
) -> tuple[Shared, dict[str, Candidate], dict[str, str]]:
    """Return the shared split, the methods that apply to it, and why others do not.

    Raises:
        DataError: If fewer than two methods apply, there is no test split, or the region of interest does not
            fit the images.
    """
    learners: dict[str, Learner] = {}
    left_out: dict[str, str] = {}
    of_method: dict[str, TrainOptions] = {}
    for name in names:
        try:
            of_method[name] = _options_of(name, options)
            learners[name] = make_learner(dataset, of_method[name])
        except InputError as error:
            left_out[name] = str(error)
    _check_enough(learners, left_out, "apply to")
    shared = _shared(dataset, options, progress)
    if region is not None:
        check_fits(shared.data, region, progress)
    candidates: dict[str, Candidate] = {}
    for name, learner in learners.items():
        try:
            ready = prepare(shared.data, learner, of_method[name], shared.duplicates)
        except InputError as error:
            left_out[name] = str(error)
            continue
        candidates[name] = Candidate(of_method[name], ready.data.fingerprint(), region, folder / name)
    _check_enough(candidates, left_out, "apply to")
    return shared, candidates, left_out


def _shared(dataset: Dataset, options: TrainOptions, progress: Progress) -> Shared:
    """Return the data set with the test split that all methods share.

    What calibrates is held out of the other images for each method by itself, if at all: by the same rule and
    the same seed, it is the same for all methods that hold images out.

    Raises:
        DataError: If there is no test split.
    """
    with tempfile.TemporaryDirectory("-brightfield") as folder:
        duplicates = near_duplicates(dataset, Path(folder), progress)
    groups = [int(g) for g in duplicates]
    data = split_test(dataset, test=options.test, seed=options.seed, duplicates=groups)
    if not len(data.split("test")):
        raise DataError("there is no test split to compare methods on; give --test a share above 0")
    return Shared(data, duplicates)


def _options_of(method: str, options: TrainOptions) -> TrainOptions:
    """Return the options for one method, with those of its own that it declares.

    Raises:
        ConfigError: If the method does not allow a value.
    """
    own = {name: value for name, value in options.own.items() if name in declared_by(method)}
    return replace(options, method=method, own=own, resplit=False)


def _check_enough(found: Iterable[str], left_out: Mapping[str, str], what: str) -> None:
    names = list(found)
    if len(names) >= FEWEST:
        return
    count = f"only {names[0]} {what.replace('apply', 'applies')}" if names else f"no method {what}"
    reasons = "".join(f"; {name}: {why}" for name, why in left_out.items())
    train_it = f". brightfield train --method {names[0]} trains it alone" if names else ""
    raise DataError(f"{count} these images, and it takes two methods at least to compare{reasons}{train_it}")


def _trained(candidate: Candidate, shared: Shared, resume: bool, progress: Progress) -> Inspector | str:
    """Return the inspector of a method as its bundle holds it, or why its training failed."""
    method, bundle = candidate.options.method, candidate.bundle
    if resume and (bundle.is_file() or (bundle.is_dir() and any(bundle.iterdir()))):
        return _resumed(candidate)
    try:
        train(
            shared.data,
            bundle,
            candidate.options,
            resume=resume and workspace_of(bundle).exists(),
            progress=with_prefix(method, progress),
            duplicates=shared.duplicates,
        )
    except WriteError:
        raise  # a full disk stops the next method too
    except (InputError, AgreementError) as error:
        log.warning("%s is left out: %s", method, error)
        return str(error)
    return load(bundle)


def _resumed(candidate: Candidate) -> Inspector:
    """Return the inspector that an earlier run of the comparison trained.

    Raises:
        ConfigError: If it was trained with other options or on other data.
    """
    inspector = load(candidate.bundle)
    training, fingerprints = inspector.facts["training"], inspector.facts["fingerprints"]
    wanted = json.loads(json.dumps(candidate.options.as_dict()))
    digest = None if candidate.region is None else candidate.region.sha256
    for what, found, expected in (
        # of the region its content counts, not its place
        ("options", {**training["options"], "roi": None}, {**wanted, "roi": None}),
        ("data", fingerprints["data"], candidate.fingerprint),
        ("pixels of --roi", fingerprints.get("roi"), digest),
    ):
        if found != expected:
            raise ConfigError(
                f"--resume: {candidate.bundle} was trained with other {what}; give the same again, or "
                "compare from the start with --force instead of --resume"
            )
    log.info("%s is already trained", candidate.options.method)
    return inspector
