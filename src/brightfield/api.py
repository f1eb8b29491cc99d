"""The public functions `train`, `retrain`, `shadow`, `compare`, `evaluate` and `masks`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from brightfield.data.dataset import Dataset
from brightfield.data.load import load_unlabelled
from brightfield.errors import ConfigError, DataError, said_if_missing
from brightfield.evaluation.acceptance import Limits, accept, check_applies, read_limits
from brightfield.evaluation.compare import against, check_comparable, pixels_against
from brightfield.evaluation.gate import Demands
from brightfield.evaluation.ranking import Comparison
from brightfield.evaluation.run import Evaluation, choose_split, evaluate_split, load_for
from brightfield.evaluation.run import evaluate as _evaluate
from brightfield.evaluation.study import Study, check_can_decide, run_study
from brightfield.inspector import Inspector, load
from brightfield.options import TrainOptions, make_options
from brightfield.pipeline.preflight import group_note
from brightfield.pipeline.propose import Proposed, Proposing, propose
from brightfield.progress import Progress
from brightfield.report.compose import write_evaluation

if TYPE_CHECKING:
    from brightfield.monitor.log.records import Filter
    from brightfield.monitor.log.store import VerdictLog
    from brightfield.monitor.shadow import Shadow
    from brightfield.pipeline.retrain import Retrained


def train(
    data: str | Path | Dataset,
    output: str | Path | None = None,
    *,
    method: str = "auto",
    normal: str | None = None,
    policy: str = "auto",
    seed: int = 0,
    test: float = 0.2,
    calibration: float | None = None,
    resplit: bool = False,
    roi: str | Path | None = None,
    mm_per_pixel: float | None = None,
    rules: str | Path | None = None,
    resume: bool = False,
    from_: str | Path | None = None,
    keep_features: bool | str | Path = False,
    progress: Progress | None = None,
    **options: Any,
) -> Inspector:
    """Train an inspector, and save it where an output is given; `TrainOptions` tells more of the options.

    Args:
        data: A folder, a manifest, a catalog name or a data set.
        output: The bundle: a folder, or one file if it ends in `.bfz`; None does not save.
        method: The method to train.
        normal: The class of good parts.
        policy: How the threshold is chosen.
        seed: Seed of the splits and of all random numbers.
        test: Share of the images for the test split.
        calibration: Share of the remaining images for the calibration split.
        resplit: Whether to ignore the data set's own splits and split all images again.
        roi: A mask of the region of interest, white where the inspector looks.
        mm_per_pixel: The side of a pixel of the original pictures in millimetres.
        rules: A TOML file of limits on measured defects that decide beside the probability.
        resume: Whether to continue an interrupted training of the same output.
        from_: The bundle of an inspector whose memory bank takes in the new good parts; see `update`.
        keep_features: Whether the features of a frozen backbone are kept by picture, for a later training of
            these pictures; a folder says where, by default `features_folder`.
        progress: Callback for progress reports.
        options: Options of the method itself; for the classifier, those of `ClassifierOptions`.

    Raises:
        InputError: If the data or the options are wrong; the message says how to correct it.
    """
    common = {"method": method, "normal": normal, "policy": policy, "seed": seed, "test": test}
    common |= {"calibration": calibration, "resplit": resplit, "mm_per_pixel": mm_per_pixel}
    files = {name: None if file is None else str(file) for name, file in (("roi", roi), ("rules", rules))}
    chosen = make_options({**common, **files, **options})
    if from_ is not None:
        return _updated(data, output, from_, chosen, resume, progress)
    with said_if_missing():
        from brightfield.pipeline.train import train as run  # here, as evaluating must not need torch
    kept = kept_features(keep_features)
    return run(data, output, chosen, resume=resume, progress=progress, kept_features=kept)


def kept_features(asked: bool | str | Path) -> Path | None:
    """Return the folder in which features are kept; None where they are not."""
    if asked is False:
        return None
    from brightfield.learn.kept_features import features_folder

    return features_folder() if asked is True else Path(asked)


def retrain(
    bundle: str | Path,
    data: str | Path,
    output: str | Path,
    *,
    old: str | Path | None = None,
    golden: str | Path | None = None,
    golden_flips: int = 0,
    margin: float = 0.01,
    confidence: float = 0.95,
    strict: bool = False,
    trade: bool = True,
    anew: bool = False,
    resume: bool = False,
    keep_features: bool | str | Path = True,
    keep_refused: str | Path | None = None,
    progress: Progress | None = None,
    **options: Any,
) -> Retrained:
    """Train a successor from old and new pictures, compare it, and save it if it is no worse.

    Args:
        bundle: The bundle of the inspector before.
        data: The new pictures, labelled, or old and new ones together.
        output: The bundle to write.
        old: The data set that the inspector before was trained on; None to find it by the bundle.
        golden: A labelled data set of pictures that must stay rightly decided; they never teach.
        golden_flips: How many golden pictures may turn from right to wrong.
        margin: The rise of an error rate that does not matter, in [0, 1).
        confidence: One-sided confidence of every test, in (0.5, 1).
        strict: Whether the successor must be shown to be no worse by more than the margin.
        trade: Whether more overkills may be paid for by as many fewer escapes.
        anew: Whether to train anew even where a memory bank could take the new good parts in.
        resume: Whether to continue an interrupted training of the same output.
        keep_features: As in `train`.
        keep_refused: A bundle to write where the successor is refused; None keeps none.
        progress: Callback for progress reports.
        options: Options of the training that differ from those of the inspector before; see `train`.

    Raises:
        InputError: If the bundle, the data or the options are wrong, or nothing is left to compare on.
    """
    from brightfield.pipeline.retrain import Asked
    from brightfield.pipeline.retrain import retrain as run

    asked = Asked(
        old=old,
        golden=golden,
        demands=Demands(margin, confidence, golden_flips, strict, trade),
        changed={name: value for name, value in options.items() if value is not None},
        anew=anew,
        resume=resume,
        kept_features=kept_features(keep_features),
        keep_refused=None if keep_refused is None else Path(keep_refused),
    )
    return run(bundle, data, output, asked, progress=progress)


def shadow(
    parent: Inspector | str | Path,
    successor: Inspector | str | Path,
    log: VerdictLog | str | Path,
    asked: Filter | None = None,
    *,
    progress: Progress | None = None,
) -> Shadow:
    """Judge the kept pictures of a log with a successor, and list where it decides otherwise.

    Args:
        parent: The inspector before, or its bundle; what it answered itself is taken from the log.
        successor: The inspector that may replace it, or its bundle.
        log: The log, or its place.
        asked: Which entries are meant; None for all.
        progress: Callback for progress reports.

    Raises:
        InputError: If a bundle or the log cannot be read, or no picture is there.
    """
    with said_if_missing():
        from brightfield.monitor.log.store import VerdictLog as Log
        from brightfield.monitor.shadow import shadow as run

    first, second = (i if isinstance(i, Inspector) else load(i) for i in (parent, successor))
    if isinstance(log, Log):
        return run(first, second, log, asked, progress=progress)
    with Log(log, create=False) as opened:
        return run(first, second, opened, asked, progress=progress)


def _updated(
    data: str | Path | Dataset,
    output: str | Path | None,
    bundle: str | Path,
    options: TrainOptions,
    resume: bool,
    progress: Progress | None,
) -> Inspector:
    if resume:
        raise ConfigError("resume with from_: an update keeps no state; remove it")
    from brightfield.pipeline.update import update

    return update(data, output, bundle, options, progress=progress)[0]


def compare(
    data: str | Path | Dataset,
    output: str | Path | None = None,
    *,
    methods: Sequence[str] | None = None,
    normal: str | None = None,
    policy: str = "auto",
    seed: int = 0,
    test: float = 0.2,
    calibration: float | None = None,
    resplit: bool = False,
    roi: str | Path | None = None,
    resume: bool = False,
    progress: Progress | None = None,
    **options: Any,
) -> Comparison:
    """Train all methods that apply on one split, and judge the same test images with each.

    Args:
        data: As in `train`.
        output: A folder for the bundles and for `compare.json`, `compare.csv` and `compare.html`; None keeps
            nothing.
        methods: Names of the methods; None for all there are.
        normal: As in `train`, like the options from `policy` to `roi`.
        policy: How the thresholds are chosen.
        seed: Seed of the splits and of all random numbers.
        test: Share of the images for the test split.
        calibration: Share of the remaining images for the calibration split.
        resplit: Whether to ignore the data set's own splits and split all images again.
        roi: A mask of the region of interest; all methods look there only.
        resume: Whether to continue an interrupted comparison: methods already trained are not trained again.
        progress: Callback for progress reports.
        options: Options of single methods, which go to those that declare them.

    Raises:
        InputError: If the data or the options are wrong, or fewer than two methods could be compared.
    """
    with said_if_missing():
        from brightfield.pipeline.compare import compare as run  # here, as evaluating must not need torch

    common = {
        "normal": normal,
        "policy": policy,
        "seed": seed,
        "test": test,
        "calibration": calibration,
        "resplit": resplit,
        "roi": None if roi is None else str(roi),
    }
    chosen = make_options({**common, **options})
    return run(data, output, chosen, methods=methods, resume=resume, progress=progress)


def evaluate(
    inspector: Inspector | str | Path,
    data: str | Path | Dataset,
    output: str | Path | None = None,
    *,
    split: str | None = None,
    limits: Limits | str | Path | None = None,
    other: Inspector | str | Path | None = None,
    study: Study | None = None,
    progress: Progress | None = None,
) -> Evaluation:
    """Judge one split of a data set; write metrics, predictions and a report where a folder is given.

    Args:
        inspector: An inspector, or the path of its bundle.
        data: As in `train`.
        output: A folder for `metrics.json`, `predictions.csv` and `report.html`, created if missing.
        split: `train`, `calibration`, `test` or `all`; by default the test split if there is one, else all.
        limits: Acceptance limits for the figures, or a TOML file of them; see `read_limits`.
        other: Another inspector, or its bundle, to compare with on the same images.
        study: An agreement study with repeated or disturbed shots or people's decisions; see `Study`.
        progress: Callback for progress reports.

    Raises:
        InputError: If the bundle or the data are wrong; the message says how to correct it.
    """
    loaded = inspector if isinstance(inspector, Inspector) else load(inspector)
    agreed = read_limits(Path(limits)) if isinstance(limits, str | Path) else limits
    dataset = data if isinstance(data, Dataset) else load_for(loaded, data)
    studied = study is not None and study.asked
    if studied:
        check_can_decide(loaded)
    if agreed is not None:
        types = {str(s.label) for s in dataset.samples} - {loaded.normal}
        check_applies(agreed, types, studied, any(s.mask for s in dataset.samples))
    picked = choose_split(loaded, dataset, split)
    if agreed is not None and picked.known:
        raise DataError(
            f"{sum(picked.known.values())} of these images made the inspector (it was trained or "
            "calibrated on them), so it cannot be accepted on them; give other images, or choose --split test"
        )
    other_inspector = other if isinstance(other, Inspector) or other is None else load(other)
    if other_inspector is not None:
        labels = [s.label for s in picked.dataset.samples if s.label is not None]
        check_comparable(loaded.normal, other_inspector.normal, labels)
    evaluation = evaluate_split(loaded, picked, progress)
    if study is not None and studied:
        confidence = 0.95 if agreed is None else agreed.confidence
        evaluation = _studied(loaded, evaluation, study, progress, confidence)
    if agreed is not None:
        evaluation = _accepted(evaluation, agreed)
    if other_inspector is not None:
        evaluation = _compared(evaluation, other_inspector, progress)
    if output is not None:
        write_evaluation(loaded, evaluation, Path(output), progress)
    return evaluation


def masks(
    inspector: Inspector | str | Path,
    data: str | Path | Dataset,
    output: str | Path,
    *,
    split: str = "all",
    formats: Sequence[str] = ("png", "coco"),
    threshold: float | None = None,
    smallest: int = 1,
    only_defective: bool = False,
    overlay: bool = False,
    progress: Progress | None = None,
) -> Proposed:
    """Write proposed masks for the pictures of a data set, to be corrected in a labelling tool.

    See `Proposing` for details of the options from `formats` to `overlay`.

    Args:
        inspector: An inspector, or the path of its bundle.
        data: As in `train`, or a folder of images without classes: there the inspector's decision says which
            parts are good.
        output: A folder for `masks/<class>/<image>_mask.png` and `annotations.json`, created if missing.
        split: `train`, `calibration`, `test` or `all`.
        formats: What is written: `png`, `coco`, `labelme`.
        threshold: The heat from which a pixel is proposed; None for what the inspector itself marks.
        smallest: The least number of pixels of a proposed region.
        only_defective: Whether good parts get no file, instead of an empty mask.
        overlay: Whether a picture with the proposal over the image is written beside each mask.
        progress: Callback for progress reports.

    Raises:
        InputError: If the bundle, the data or the options are wrong; the message says how to correct it.
    """
    how = Proposing(tuple(formats), threshold, smallest, only_defective, overlay)
    loaded = inspector if isinstance(inspector, Inspector) else load(inspector)
    dataset = data if isinstance(data, Dataset) else load_unlabelled(data) or load_for(loaded, data)
    picked = dataset if split == "all" else choose_split(loaded, dataset, split).dataset
    return propose(loaded, picked, Path(output), how, progress)


def _studied(
    inspector: Inspector, evaluation: Evaluation, study: Study, progress: Progress | None, confidence: float
) -> Evaluation:
    """Return an evaluation with the figures of an agreement study."""
    dataset, predictions = evaluation.dataset, evaluation.predictions
    agreement = run_study(inspector, dataset, predictions, study, progress, confidence, evaluation.unreadable)
    return replace(evaluation, metrics={**evaluation.metrics, "agreement": agreement})


def _accepted(evaluation: Evaluation, limits: Limits) -> Evaluation:
    """Return an evaluation with the outcome of acceptance limits, and a note on grouped pictures."""
    note = group_note(evaluation.dataset.samples)
    notes = evaluation.notes if note is None else (*evaluation.notes, note)
    acceptance = accept(evaluation.metrics, limits).as_dict()
    return replace(evaluation, notes=notes, metrics={**evaluation.metrics, "acceptance": acceptance})


def _compared(evaluation: Evaluation, other_inspector: Inspector, progress: Progress | None) -> Evaluation:
    """Return an evaluation with the differences to another inspector on the same images."""
    of_other = _evaluate(other_inspector, evaluation.dataset, split="all", progress=progress)
    both = evaluation.predictions.only(of_other.predictions.images)
    differences = {name: d.as_dict() for name, d in against(both, of_other.predictions).items()}
    differences |= pixels_against(evaluation.metrics.get("pixel"), of_other.metrics.get("pixel"))
    notes = tuple(f"the other inspector: {note}" for note in of_other.notes)
    return replace(
        evaluation, metrics={**evaluation.metrics, "against": differences}, notes=evaluation.notes + notes
    )
