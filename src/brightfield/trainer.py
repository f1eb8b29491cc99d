"""From a folder to an inspector: split, plan, decode, fit, calibrate, choose the threshold, save."""

from __future__ import annotations

import hashlib
import json
import logging
import platform
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from brightfield.assembly import Made, assemble
from brightfield.atomic import write_atomically
from brightfield.bundle import check_replaceable
from brightfield.data.cache import build_cache
from brightfield.data.dataset import Dataset, check_classes
from brightfield.data.fingerprints import near_duplicate_groups
from brightfield.data.load import load as load_dataset
from brightfield.data.preprocessing import Preprocessing
from brightfield.data.scan import scan
from brightfield.data.split import fold_numbers, resplit, split
from brightfield.decide.policy import Policy, parse_policy
from brightfield.errors import ConfigError, DataError
from brightfield.inspector import Inspector
from brightfield.methods.classifier import Classifier
from brightfield.methods.fit import fit_classifier, fit_from_scratch
from brightfield.models.backbone import Trunk, build_trunk
from brightfield.models.network import TileNet, build_network
from brightfield.models.runtime import pick_runtime
from brightfield.models.small import NETWORKS, build_small_trunk, small_head
from brightfield.models.weights import RANDOM_WEIGHTS, WeightsOrigin, load_weights
from brightfield.options import AUTO, TrainOptions, own_options
from brightfield.progress import Progress
from brightfield.readiness import (
    check_calibration,
    check_labels,
    check_policy_applies,
    warn_of_near_duplicates,
)
from brightfield.tracking import record_settings
from brightfield.training.plan import Plan, Wishes, plan
from brightfield.training.processes import Processes, joined, processes, take_device
from brightfield.training.recipe_selection import choose_recipe
from brightfield.training.recipes import FromScratch, Recipe, TrainHead
from brightfield.version import __version__
from brightfield.workspace import Workspace

if TYPE_CHECKING:
    from brightfield.methods.classifier_options import ClassifierOptions

log = logging.getLogger(__name__)

HELD_OUT = 0.15
"""Share of the images that calibrate where the training images cannot."""

ENOUGH_FOR_A_TEMPERATURE = 2000

TIMED = 5  # pictures


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
    own = _own(options)
    begin = time.perf_counter()
    dataset = data if isinstance(data, Dataset) else load_dataset(data, normal=options.normal)
    if options.resplit:
        dataset = resplit(dataset)
    check_labels(dataset)
    check_policy_applies(options.policy, dataset)
    recipe, wishes = choose_recipe(own, dataset), Wishes(own.image_size, own.tile)
    together = _processes(recipe)
    net, origin = _network(recipe, own.weights, options.seed, dataset)
    recipe, wishes = _as_built(recipe, wishes, net)
    progress = progress if together.first else None
    workspace = Workspace(output, options, dataset, resume, together, recipe.as_dict())
    with joined(together), workspace as folder:
        record_settings({"data": dataset.name, "options": options.as_dict(), "recipe": recipe.as_dict()})
        with together.first_goes_first():
            crossed = _calibrates_out_of_fold(dataset, options, recipe, policy)
            dataset, duplicates = _parts(dataset, options, crossed, folder, progress)
            check_classes(dataset.part("train"))
            part = dataset.part("train" if crossed else "calibration")
            check_calibration(part, policy)
            fold_of = _folds(part, recipe, options, duplicates) if crossed else None
        made = _fit(dataset, net, recipe, wishes, options, fold_of, duplicates, folder, together, progress)
        workspace.precious = True
        inspector = assemble(
            dataset, made, policy, advice="" if output is None else _advice(policy), progress=progress
        )
        seconds = workspace.spent + time.perf_counter() - begin  # all but the saving
        facts = _facts(dataset, made, options, recipe, origin, seconds)
        inspector = replace(inspector, facts=facts)
        if output is not None and together.first:
            inspector.save(output)
    return inspector


def _own(options: TrainOptions) -> ClassifierOptions:
    chosen: ClassifierOptions = own_options(
        "classifier" if options.method == AUTO else options.method, options.own
    )
    return chosen


def _as_built(recipe: Recipe, wishes: Wishes, net: TileNet) -> tuple[Recipe, Wishes]:
    """Return what a network from scratch makes of them, which has its own head and is built for one size."""
    if not isinstance(recipe.how, FromScratch):
        return recipe, wishes
    return replace(recipe, head=net.head.spec), replace(wishes, image_size=recipe.how.image_size)


def _processes(recipe: Recipe) -> Processes:
    together = processes()
    if together.world > 1 and not isinstance(recipe.how, FromScratch):
        raise ConfigError(
            f"{together.world} processes were started; only networks trained from scratch share the work "
            "among several: start one"
        )
    take_device(together)
    return together


def _network(
    recipe: Recipe, weights: str | None, seed: int, dataset: Dataset
) -> tuple[TileNet, WeightsOrigin]:
    import torch

    torch.manual_seed(seed)
    trunk: Trunk
    if isinstance(recipe.how, FromScratch):
        trunk = build_small_trunk(recipe.backbone, recipe.how.image_size, recipe.head.members)
        origin = RANDOM_WEIGHTS
        head = small_head(recipe.backbone, trunk)
        head = head if recipe.how.dropout is None else replace(head, dropout=recipe.how.dropout)
    else:
        trunk = build_trunk(recipe.backbone, NETWORKS)
        origin = load_weights(trunk, weights)
        head = recipe.head.on(trunk.spec.strides, trunk.spec.fixed_size)
    runtime = pick_runtime(precision=recipe.precision, trunk=trunk.net)
    return build_network(trunk, len(dataset.classes), head, runtime), origin


def _advice(policy: Policy) -> str:
    kind = "that promises a rate too" if policy.promises else "that promises no rate"
    return (
        f". What was learned is kept: the same command with another --policy, {kind}, and --resume goes on "
        "from there"
    )


def _calibrates_out_of_fold(dataset: Dataset, options: TrainOptions, recipe: Recipe, policy: Policy) -> bool:
    """Tell whether the training images calibrate too, so that no part has to be held out for that.

    A guarantee needs images that trained nothing; and a part that the data set names for calibration is used.
    """
    own = any(s.part == "calibration" for s in dataset.samples)
    # what tunes the trunk shows it every image
    able = isinstance(recipe.how, TrainHead) and recipe.how.folds > 0
    return able and options.calibration is None and not policy.promises and not own


def _folds(
    part: Dataset, recipe: Recipe, options: TrainOptions, duplicates: npt.NDArray[np.intp]
) -> npt.NDArray[np.intp]:
    folds = recipe.how.folds if isinstance(recipe.how, TrainHead) else 0
    return np.array(fold_numbers(part, folds, options.seed, duplicates=duplicates.tolist()))


def _parts(
    dataset: Dataset, options: TrainOptions, crossed: bool, folder: Path, progress: Progress | None
) -> tuple[Dataset, npt.NDArray[np.intp]]:
    """Return the data set with a part for every image, and the near-duplicate groups of the training part.

    Where we choose the parts, near-duplicates stay together.
    """
    note = folder / "near-duplicates.json"
    if note.exists():
        groups = json.loads(note.read_text(encoding="utf-8"))
    else:
        groups = near_duplicate_groups([s.path for s in dataset.samples], progress)
        write_atomically(note, json.dumps([int(g) for g in groups]).encode())
    calibration = 0.0 if crossed else HELD_OUT if options.calibration is None else options.calibration
    if dataset.normal is None:
        # there is no threshold to choose, and a temperature does not get better with more
        calibration = min(calibration, ENOUGH_FOR_A_TEMPERATURE / len(dataset))
    parted = split(dataset, test=options.test, calibration=calibration, seed=options.seed, duplicates=groups)
    warn_of_near_duplicates(parted, groups, parse_policy(options.policy))
    trains = np.array([s.part == "train" for s in parted.samples])
    return parted, np.asarray(groups)[trains]


def _fit(
    dataset: Dataset,
    net: TileNet,
    recipe: Recipe,
    wishes: Wishes,
    options: TrainOptions,
    fold_of: npt.NDArray[np.intp] | None,
    duplicates: npt.NDArray[np.intp],
    folder: Path,
    together: Processes,
    progress: Progress | None,
) -> Made:
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
            for name in (("train", "calibration") if fold_of is None else ("train",))
        ]
    rule = chosen.preprocessing
    if isinstance(recipe.how, FromScratch):
        fitted = fit_from_scratch(
            net,
            training,
            caches[0],
            rule,
            recipe,
            recipe.how,
            duplicates=duplicates,
            seed=options.seed,
            workspace=folder,
            together=together,
            progress=progress,
        )
    else:
        fitted = fit_classifier(
            net,
            training,
            caches[0],
            rule,
            recipe,
            views=_kept_views(recipe)[: chosen.views],
            duplicates=duplicates,
            seed=options.seed,
            workspace=folder,
            fold_of=fold_of,
            progress=progress,
        )
    part = training if fold_of is not None else dataset.part("calibration")
    return Made(fitted.classifier, fitted.history, chosen, part, caches[-1], fitted.out_of_fold)


def _kept_views(recipe: Recipe) -> tuple[str, ...]:
    """Return the views whose features are kept; none by what trains on fresh augmentations."""
    return recipe.how.views if isinstance(recipe.how, TrainHead) else ()


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
    if not _kept_views(recipe) and wishes == Wishes():
        # recipes that train on fresh augmentations see the picture whole, at the backbone's own size
        wishes = Wishes(image_size=net.trunk.spec.input_size)
    views = max(1, len(_kept_views(recipe)))
    budget = 0.0 if isinstance(recipe.how, FromScratch) else recipe.how.time_budget  # its size is fixed
    chosen = plan(facts, net, wishes, views=views, budget=budget, tiled=tiled)
    document = {
        "preprocessing": chosen.preprocessing.as_dict(),
        "views": chosen.views,
        "reason": chosen.reason,
    }
    write_atomically(note, json.dumps(document).encode())
    return chosen


def _facts(
    dataset: Dataset,
    made: Made,
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
            "views": _views(made),
            "folds": 0 if made.out_of_fold is None else made.out_of_fold.folds,
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


def _views(made: Made) -> dict[str, Any]:
    """Return the views that every picture is judged in, and what they cost on this machine.

    Milliseconds a picture, the median of a few, in all views and in the first alone; None without a picture.
    """
    judge = made.classifier
    names, pictures = list(judge.views), [made.cache[i] for i in range(min(TIMED, len(made.cache)))]
    if not pictures:
        return {"names": names, "milliseconds": None, "milliseconds_of_one": None}
    plain = Classifier(judge.net, judge.preprocessing, judge.normal, names[:1])
    one = _median_milliseconds(plain, pictures)
    every = one if len(names) == 1 else _median_milliseconds(judge, pictures)
    return {"names": names, "milliseconds": round(every, 1), "milliseconds_of_one": round(one, 1)}


def _median_milliseconds(judge: Classifier, pictures: Sequence[npt.NDArray[np.uint8]]) -> float:
    judge.judge(pictures[0], explain=False)  # the first prepares what later ones use
    seconds = []
    for picture in pictures:
        begin = time.perf_counter()
        judge.judge(picture, explain=False)
        seconds.append(time.perf_counter() - begin)
    return 1e3 * float(np.median(seconds))


def code_fingerprint() -> str:
    """Return the SHA-256 of this package's source."""
    digest = hashlib.sha256()
    root = Path(__file__).parent
    for file in sorted(root.rglob("*.py")):
        digest.update(file.relative_to(root).as_posix().encode() + file.read_bytes())
    return digest.hexdigest()
