"""Compare methods: train each on the same split, and judge the same test images with all."""

from __future__ import annotations

import json
import logging
import statistics
import tempfile
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from brightfield.bundle import check_replaceable
from brightfield.data.dataset import Dataset
from brightfield.data.load import load as load_dataset
from brightfield.data.split import resplit, split
from brightfield.decide.policy import parse_policy
from brightfield.errors import AgreementError, ConfigError, DataError, InputError, WriteError
from brightfield.evaluation.comparison import Comparison, Contender, rank
from brightfield.evaluation.run import Evaluation, Picked, evaluate_split
from brightfield.evaluation.summary import summarise
from brightfield.inspector import Inspector, load
from brightfield.learn.processes import processes
from brightfield.methods.base import Learner
from brightfield.methods.registry import METHODS
from brightfield.options import AUTO, TrainOptions, declared_by
from brightfield.pipeline.preflight import (
    calibrates_out_of_fold,
    check_labels,
    held_out_share,
    make_learner,
    near_duplicates,
    prepare,
    warn_of_near_duplicates,
)
from brightfield.pipeline.train import train
from brightfield.pipeline.workspace import workspace_of
from brightfield.progress import Progress, silent
from brightfield.report.comparison import write_comparison

log = logging.getLogger(__name__)

FEWEST = 2
MOST_TIMED = 50
"""The number of test images, at most, on which the time of an image is measured."""


@dataclass(frozen=True)
class Candidate:
    """A method that applies to a data set.

    Attributes:
        options: The options of its training.
        data: The images as it takes them: the shared splits, but without a calibration split where the
            training images calibrate out of fold.
        fingerprint: The fingerprint of the data that its bundle will hold.
        bundle: Where its bundle is written.
    """

    options: TrainOptions
    data: Dataset
    fingerprint: str
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
    dataset = data if isinstance(data, Dataset) else load_dataset(data, normal=options.normal)
    check_labels(dataset)
    dataset = resplit(dataset) if options.resplit else dataset
    kept = None if output is None else Path(output)
    with _folder(kept) as folder:
        for name in names:
            check_replaceable(folder / name)
        duplicates, shared, candidates, left_out = _candidates(dataset, names, options, folder, tell)
        _check_enough(candidates, left_out, "apply to")
        warn_of_near_duplicates(shared, duplicates, parse_policy(options.policy))
        inspectors: dict[str, Inspector] = {}
        for name, candidate in candidates.items():
            trained = _trained(candidate, duplicates, resume, tell)
            if isinstance(trained, Inspector):
                inspectors[name] = trained
            else:
                left_out[name] = trained
        _check_enough(inspectors, left_out, "could be trained on")
        bundles = {name: candidates[name].bundle for name in inspectors}
        comparison = _judged(inspectors, bundles, shared, tell)
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
    dataset: Dataset, names: Sequence[str], options: TrainOptions, folder: Path, progress: Progress
) -> tuple[npt.NDArray[np.intp], Dataset, dict[str, Candidate], dict[str, str]]:
    """Return the near-duplicates, the shared splits, the methods that apply, and why others do not.

    The data set is split once, for all methods. The calibration split is left out if no method needs it.
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
    with tempfile.TemporaryDirectory("-brightfield") as notes:
        duplicates = near_duplicates(dataset, Path(notes), progress)
    policy = parse_policy(options.policy)
    folded = {n for n, one in learners.items() if calibrates_out_of_fold(dataset, one, options, policy)}
    share = 0.0 if folded == set(learners) else held_out_share(dataset, options)
    groups = [int(g) for g in duplicates]
    shared = split(dataset, test=options.test, calibration=share, seed=options.seed, duplicates=groups)
    if not len(shared.split("test")):
        raise DataError("there is no test split to compare methods on; give --test a share above 0")
    candidates: dict[str, Candidate] = {}
    for name, learner in learners.items():
        data = _without_calibration(shared) if name in folded else shared
        try:
            ready = prepare(data, learner, of_method[name], duplicates)
        except InputError as error:
            left_out[name] = str(error)
            continue
        candidates[name] = Candidate(of_method[name], data, ready.data.fingerprint(), folder / name)
    return duplicates, shared, candidates, left_out


def _options_of(method: str, options: TrainOptions) -> TrainOptions:
    """Return the options for one method, with those of its own that it declares.

    Raises:
        ConfigError: If the method does not allow a value.
    """
    own = {name: value for name, value in options.own.items() if name in declared_by(method)}
    return replace(options, method=method, own=own, resplit=False)


def _without_calibration(shared: Dataset) -> Dataset:
    """Return the data set with the calibration images in the train split."""
    return shared.subset(
        replace(s, split="train" if s.split == "calibration" else s.split) for s in shared.samples
    )


def _check_enough(found: Iterable[str], left_out: Mapping[str, str], what: str) -> None:
    names = list(found)
    if len(names) >= FEWEST:
        return
    count = f"only {names[0]} {what.replace('apply', 'applies')}" if names else f"no method {what}"
    reasons = "".join(f"; {name}: {why}" for name, why in left_out.items())
    train_it = f". brightfield train --method {names[0]} trains it alone" if names else ""
    raise DataError(f"{count} these images, and it takes two methods at least to compare{reasons}{train_it}")


def _trained(
    candidate: Candidate, duplicates: npt.NDArray[np.intp], resume: bool, progress: Progress
) -> Inspector | str:
    """Return the inspector of a method as its bundle holds it, or why its training failed."""
    method, bundle = candidate.options.method, candidate.bundle
    if resume and (bundle.is_file() or (bundle.is_dir() and any(bundle.iterdir()))):
        return _resumed(candidate)
    try:
        train(
            candidate.data,
            bundle,
            candidate.options,
            resume=resume and workspace_of(bundle).exists(),
            progress=_of_method(method, progress),
            duplicates=duplicates,
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
    for what, found, expected in (
        ("options", training["options"], wanted),
        ("data", fingerprints["data"], candidate.fingerprint),
    ):
        if found != expected:
            raise ConfigError(
                f"--resume: {candidate.bundle} was trained with other {what}; give the same again, or "
                "compare from the start with --force instead of --resume"
            )
    log.info("%s is already trained", candidate.options.method)
    return inspector


def _of_method(method: str, progress: Progress) -> Progress:
    return lambda stage, done, total: progress(f"{method}: {stage}", done, total)


def _judged(
    inspectors: Mapping[str, Inspector], bundles: Mapping[str, Path], shared: Dataset, progress: Progress
) -> Comparison:
    """Return the comparison of trained methods on the test split; figures are added to their bundles."""
    test = Picked(shared.split("test"), (), {})
    evaluations = {
        name: evaluate_split(inspector, test, _of_method(name, progress))
        for name, inspector in inspectors.items()
    }
    evaluations = _on_common_images(evaluations)
    figure, standings = rank({name: e.predictions for name, e in evaluations.items()})
    milliseconds = _milliseconds(inspectors, next(iter(evaluations.values())).dataset, progress)
    contenders = []
    for name in standings:
        tested = inspectors[name].with_metrics(evaluations[name].metrics)
        tested.save(bundles[name])
        size = sum(file.stat().st_size for file in bundles[name].rglob("*") if file.is_file())
        seconds = float(tested.facts["training"]["seconds"])
        contenders.append(
            Contender(tested, evaluations[name], seconds, milliseconds[name], size, bundles[name])
        )
    notes = dict.fromkeys(
        f"{name}: {note}" for name, evaluation in evaluations.items() for note in evaluation.notes
    )
    return Comparison(tuple(contenders), figure, tuple(standings.values()), {}, shared, tuple(notes))


def _on_common_images(evaluations: Mapping[str, Evaluation]) -> dict[str, Evaluation]:
    """Return the evaluations on the images that every method could judge.

    Raises:
        DataError: If there is no such image.
    """
    common = set.intersection(*(set(e.predictions.images) for e in evaluations.values()))
    if not common:
        raise DataError("there is no test image that every method can judge; look at the images' sizes")
    return {name: _only(evaluation, common) for name, evaluation in evaluations.items()}


def _only(evaluation: Evaluation, images: Collection[str]) -> Evaluation:
    """Return an evaluation on these images; pixel figures stay those of all images it judged."""
    if len(evaluation.predictions) == len(images):
        return evaluation
    predictions = evaluation.predictions.only(images)
    point, pixel = evaluation.metrics["operating_point"], evaluation.metrics.get("pixel")
    return replace(
        evaluation,
        predictions=predictions,
        metrics=summarise(predictions, operating_point=point, pixel=pixel),
        dataset=evaluation.dataset.subset(s for s in evaluation.dataset.samples if s.image in images),
    )


def _milliseconds(
    inspectors: Mapping[str, Inspector], dataset: Dataset, progress: Progress
) -> dict[str, float]:
    """Return the median time of an image judged alone with its heatmap, by method.

    The methods judge each image in turn, so that what else the machine does slows all alike.
    """
    rows = np.unique(np.linspace(0, len(dataset) - 1, min(len(dataset), MOST_TIMED)).astype(np.intp))
    times: dict[str, list[float]] = {name: [] for name in inspectors}
    for inspector in inspectors.values():
        inspector.prepare(explain=True)
    for done, row in enumerate(rows, start=1):
        for name, inspector in inspectors.items():
            times[name].append(inspector.inspect(dataset.samples[row].path).milliseconds)
        progress("time an image", done, len(rows))
    return {name: statistics.median(of_method) for name, of_method in times.items()}
