"""From a folder to an inspector: split, plan, decode, fit, calibrate, choose the threshold, save."""

from __future__ import annotations

import hashlib
import json
import logging
import platform
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from brightfield.atomic import write_atomically
from brightfield.bundle import check_replaceable
from brightfield.config import TrainOptions
from brightfield.data.cache import PixelCache, build_cache
from brightfield.data.dataset import Dataset
from brightfield.data.fingerprints import near_duplicate_groups
from brightfield.data.load import load as load_dataset
from brightfield.data.preprocessing import Preprocessing
from brightfield.data.scan import scan
from brightfield.data.split import resplit, split
from brightfield.decide.calibration import fit_calibrator, probabilities
from brightfield.decide.choose import choose
from brightfield.decide.operating_point import OperatingPoint
from brightfield.decide.policy import parse_policy
from brightfield.errors import ConfigError, DataError
from brightfield.inspector import Inspector
from brightfield.methods.classifier import Classifier
from brightfield.methods.fit import fit_classifier, fit_from_scratch
from brightfield.models.backbone import build_trunk
from brightfield.models.network import TileNet, build_network
from brightfield.models.runtime import pick_runtime
from brightfield.models.small import NETWORKS, build_small_trunk, small_head
from brightfield.models.weights import RANDOM_WEIGHTS, WeightsOrigin, load_weights
from brightfield.progress import Progress
from brightfield.readiness import check_calibration, check_labels
from brightfield.tracking import record_settings
from brightfield.training.choice import choose_recipe
from brightfield.training.plan import Plan, Wishes, plan
from brightfield.training.processes import Processes, joined, processes
from brightfield.training.recipes import Recipe, find_recipe
from brightfield.version import __version__
from brightfield.workspace import Workspace

log = logging.getLogger(__name__)

ENOUGH_FOR_A_TEMPERATURE = 2000
HEAT_IMAGES = 100
HEAT_QUANTILE = 0.95
HEAT_DEFECTS = 20
HEAT_FLOOR = 0.1  # of the median defect's peak


def train(
    data: str | Path | Dataset,
    output: str | Path | None = None,
    options: TrainOptions | None = None,
    *,
    resume: bool = False,
    progress: Progress | None = None,
) -> Inspector:
    """Train an inspector on a data set, and save it where an output is named.

    The training keeps its state in `.NAME.training` beside the output until it is done; with `resume`, one
    that was killed goes on from there and ends with the same figures.

    Args:
        data: A folder, a manifest, a name of the catalog, or a data set.
        output: The bundle: a folder, or one file if it ends in `.bfz`; None saves nothing.
        options: How to train.
        resume: Whether to go on with a training of the same output, data and options.
        progress: Told of every stage.

    Raises:
        InputError: If the data or the options are wrong; the message says how to mend it.
    """
    options = options or TrainOptions()
    if output is not None:
        check_replaceable(Path(output))
    policy = parse_policy(options.policy)
    find_recipe(options.recipe)  # a wrong name is said before anything is read
    begin = time.perf_counter()
    dataset = data if isinstance(data, Dataset) else load_dataset(data, normal=options.normal)
    check_labels(dataset)
    recipe = choose_recipe(options, dataset)
    wishes = Wishes(recipe.image_size or options.image_size, options.tile)
    net, origin = _network(recipe, options, dataset)
    together = _processes(recipe)
    progress = progress if together.first else None
    with joined(together), Workspace(output, options, dataset, resume, together) as folder:
        record_settings({"data": dataset.name, "options": options.as_dict(), "recipe": recipe.as_dict()})
        with together.first_goes_first():
            dataset = _parts(dataset, options, folder, progress)
            check_calibration(dataset, policy)
        made = _fit(dataset, net, recipe, wishes, options, folder, together, progress)
        seconds = time.perf_counter() - begin
        inspector = _assemble(dataset, made, policy_text=str(policy), progress=progress)
        facts = _facts(dataset, made, options, recipe, origin, seconds)
        inspector = replace(inspector, facts=facts)
        if output is not None and together.first:
            inspector.save(output)
    return inspector


def _processes(recipe: Recipe) -> Processes:
    together = processes()
    if together.world > 1 and recipe.from_scratch is None:
        raise ConfigError(
            f"{together.world} processes were started; only networks trained from scratch share the work "
            "among several: start one"
        )
    return together


def _network(recipe: Recipe, options: TrainOptions, dataset: Dataset) -> tuple[TileNet, WeightsOrigin]:
    import torch

    torch.manual_seed(options.seed)
    runtime = pick_runtime(precision=recipe.precision)
    if recipe.from_scratch is not None:
        small = build_small_trunk(recipe.backbone, int(recipe.image_size or 0))
        head = small_head(recipe.backbone, small)
        return build_network(small, len(dataset.classes), head, runtime), RANDOM_WEIGHTS
    trunk = build_trunk(recipe.backbone, NETWORKS)
    origin = load_weights(trunk, options.weights)
    spec = recipe.head.on(trunk.spec.strides)
    return build_network(trunk, len(dataset.classes), spec, runtime), origin


def _parts(dataset: Dataset, options: TrainOptions, folder: Path, progress: Progress | None) -> Dataset:
    """Return the data set with a part for every image; where we choose it, near-duplicates stay together."""
    if options.resplit:
        dataset = resplit(dataset)
    kept = {s.part for s in dataset.samples}
    if {"train", "calibration", "test"} <= kept:
        return split(dataset, seed=options.seed)
    note = folder / "near-duplicates.json"
    if note.exists():
        groups = json.loads(note.read_text(encoding="utf-8"))
    else:
        groups = near_duplicate_groups([s.path for s in dataset.samples], progress)
        write_atomically(note, json.dumps([int(g) for g in groups]).encode())
    calibration = options.calibration
    if dataset.normal is None:
        # there is no threshold to choose, and a temperature does not get better with more
        calibration = min(calibration, ENOUGH_FOR_A_TEMPERATURE / len(dataset))
    return split(dataset, test=options.test, calibration=calibration, seed=options.seed, duplicates=groups)


class _Made:
    """What a fit leaves behind."""

    def __init__(
        self, classifier: Classifier, history: list[dict[str, float]], chosen: Plan, calibration: PixelCache
    ) -> None:
        self.classifier = classifier
        self.history = history
        self.chosen = chosen
        self.calibration = calibration


def _fit(
    dataset: Dataset,
    net: TileNet,
    recipe: Recipe,
    wishes: Wishes,
    options: TrainOptions,
    folder: Path,
    together: Processes,
    progress: Progress | None,
) -> _Made:
    training = dataset.part("train")
    with together.first_goes_first():
        chosen = _plan(dataset, training, net, recipe, wishes, folder, progress)
        log.info("%s", chosen.reason)
        caches = [
            build_cache(
                [s.path for s in dataset.part(name).samples],
                resize=chosen.preprocessing.resize,
                bits=chosen.preprocessing.bits,
                folder=folder / "pixels",
                progress=progress,
            )
            for name in ("train", "calibration")
        ]
    rule = chosen.preprocessing
    if recipe.from_scratch is not None:
        fitted = fit_from_scratch(
            net,
            training,
            caches[0],
            rule,
            recipe,
            recipe.from_scratch,
            seed=options.seed,
            workspace=folder,
            together=together,
            progress=progress,
        )
    else:
        views = chosen.views if recipe.views else 0
        fitted = fit_classifier(
            net,
            training,
            caches[0],
            rule,
            recipe,
            views=views,
            seed=options.seed,
            workspace=folder,
            progress=progress,
        )
    return _Made(fitted.classifier, fitted.history, chosen, caches[1])


def _plan(
    dataset: Dataset,
    training: Dataset,
    net: TileNet,
    recipe: Recipe,
    wishes: Wishes,
    folder: Path,
    progress: Progress | None,
) -> Plan:
    """Return the plan; a resumed training keeps the one it began with, however fast the machine is now."""
    note = folder / "plan.json"
    if note.exists():
        kept = json.loads(note.read_text(encoding="utf-8"))
        return Plan(Preprocessing.from_dict(kept["preprocessing"]), kept["views"], kept["reason"])
    facts = scan([s.path for s in training.samples], progress)
    broken = [f for f in facts if f.error]
    if broken:
        raise DataError(
            f"{len(broken)} training image(s) cannot be read, first {broken[0].path}: {broken[0].error}. "
            "Run `brightfield data check` for all of them, and take them out"
        )
    tiled = dataset.normal is not None
    if not recipe.views and wishes == Wishes():
        # recipes that train on fresh augmentations see the picture whole, at the backbone's own size
        wishes = Wishes(image_size=net.trunk.spec.input_size)
    chosen = plan(facts, net, wishes, views=max(1, recipe.views), budget=recipe.time_budget, tiled=tiled)
    document = {
        "preprocessing": chosen.preprocessing.as_dict(),
        "views": chosen.views,
        "reason": chosen.reason,
    }
    write_atomically(note, json.dumps(document).encode())
    return chosen


def _assemble(dataset: Dataset, made: _Made, *, policy_text: str, progress: Progress | None) -> Inspector:
    """Calibrate on the calibration part, choose the operating point there, and fix the heatmaps' scale."""
    part = dataset.part("calibration")
    classifier = made.classifier
    labels = np.array([dataset.classes.index(str(s.label)) for s in part.samples])
    normal = None if dataset.normal is None else dataset.classes.index(dataset.normal)
    logits = classifier.score(made.calibration, progress)
    calibrator = fit_calibrator(logits, labels, normal)
    shares = probabilities(calibrator, logits, normal)
    point: OperatingPoint | None = None
    passed, rejected = np.arange(len(part)), np.arange(0)
    if normal is not None:
        defect = 1.0 - shares[:, normal]
        types = [str(s.label) for s in part.samples]
        point = choose(parse_policy(policy_text), defect, labels != normal, types)
        good = labels == normal
        calm = good & (defect < point.passes_below)
        passed = np.flatnonzero(calm if calm.any() else good)
        rejected = np.flatnonzero(~good & (defect >= point.threshold))
    unit = _heat_unit(classifier, made.calibration, passed, rejected)
    return Inspector(
        method=classifier,
        preprocessing=made.chosen.preprocessing,
        classes=dataset.classes,
        normal=dataset.normal,
        calibrator=calibrator,
        operating_point=point,
        heat_unit=unit,
        facts={},
        reference=_reference(made.calibration, logits, labels),
        parts={_digest(s.path): str(s.part) for s in dataset.samples},
    )


def _heat_unit(
    classifier: Classifier,
    cache: PixelCache,
    passed: npt.NDArray[np.intp],
    rejected: npt.NDArray[np.intp],
) -> float:
    """Return the heat that 95 of 100 good parts that pass stay below everywhere, so that they look calm.

    Where they show no heat at all, that would be nothing, and the faintest warmth would glow: the unit is
    at least a share of what defects show.
    """
    peaks = _heat_peaks(classifier, cache, passed, HEAT_IMAGES)
    defects = _heat_peaks(classifier, cache, rejected, HEAT_DEFECTS)
    unit = float(np.quantile(peaks, HEAT_QUANTILE, method="higher")) if peaks else 0.0
    least = HEAT_FLOOR * float(np.median(defects)) if defects else 0.0
    return max(unit, least) or 1.0


def _heat_peaks(
    classifier: Classifier, cache: PixelCache, rows: npt.NDArray[np.intp], most: int
) -> list[float]:
    few = rows[:: max(1, len(rows) // most)][:most]
    return [float(classifier.heat(cache[int(i)]).max()) for i in few]


def _reference(
    cache: PixelCache, logits: npt.NDArray[np.float64], labels: npt.NDArray[np.intp]
) -> dict[str, npt.NDArray[Any]]:
    looks = [(float(cache[i].mean()), float(cache[i].std())) for i in range(len(cache))]
    return {"logits": logits, "labels": labels, "brightness_contrast": np.asarray(looks)}


def _facts(
    dataset: Dataset,
    made: _Made,
    options: TrainOptions,
    recipe: Recipe,
    origin: WeightsOrigin,
    seconds: float,
) -> dict[str, Any]:
    import torch

    counts = {name: dataset.part(name).counts() for name in ("train", "calibration", "test")}
    return {
        "training": {
            "options": options.as_dict(),
            "recipe": recipe.as_dict(),
            "plan": made.chosen.reason,
            "precision": str(made.classifier.net.runtime.training).removeprefix("torch."),
            "history": made.history,
            "seconds": round(seconds, 1),
        },
        "fingerprints": {
            "data": dataset.fingerprint(),
            "data_name": dataset.name,
            "data_licence": dataset.licence,
            "parts": counts,
            "code": code_fingerprint(),
            "weights": origin.sha256,
        },
        "metrics": None,
        "weights_licence": f"{origin.licence} ({origin.source})",
        "created_with": {
            "brightfield": __version__,
            "torch": str(torch.__version__),
            "python": platform.python_version(),
        },
    }


def code_fingerprint() -> str:
    """Return the SHA-256 of this package's source."""
    digest = hashlib.sha256()
    root = Path(__file__).parent
    for file in sorted(root.rglob("*.py")):
        digest.update(file.relative_to(root).as_posix().encode() + file.read_bytes())
    return digest.hexdigest()


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
