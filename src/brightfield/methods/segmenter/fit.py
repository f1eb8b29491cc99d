"""Fitting of the segmenter on pictures with masks."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from brightfield.data.cache import PixelCache, build_cache
from brightfield.data.dataset import Dataset
from brightfield.data.mask_types import mask_types
from brightfield.data.preprocessing import Preprocessing
from brightfield.data.region_check import facts_inside
from brightfield.data.scan import scan_readable
from brightfield.decide.scores import Scores
from brightfield.errors import DataError
from brightfield.learn.backbone import build_trunk
from brightfield.learn.runtime import pick_runtime
from brightfield.learn.weights import RANDOM_WEIGHTS, WeightsOrigin, load_weights
from brightfield.methods.base import Fitted, Job, Picture
from brightfield.methods.scoring import scores_of
from brightfield.methods.segmenter.crops import Crops
from brightfield.methods.segmenter.exporting import export, takes_one_size
from brightfield.methods.segmenter.fitted import ExportedPixels, Known, Segmenter
from brightfield.methods.segmenter.losses import UNKNOWN
from brightfield.methods.segmenter.marks import Marks, read_marks
from brightfield.methods.segmenter.network import Judge, LibraryNet, SegmenterNet
from brightfield.methods.segmenter.options import COMPACT, TIME_BUDGET, SegmenterOptions, losses_of
from brightfield.methods.segmenter.sizes import sizes_for
from brightfield.methods.segmenter.training import Settings, train_segmenter

log = logging.getLogger(__name__)

MOST_TYPES = UNKNOWN - 1
"""The most types that labels of 8 bits can tell apart."""


@dataclass(frozen=True, eq=False)
class TorchPixels:
    """The probabilities of a network that torch executes, as `Pixels` has it."""

    judge: Judge

    def __call__(self, x: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Return the probabilities of each type."""
        with torch.inference_mode():
            return self.judge(torch.from_numpy(x)).numpy()  # type: ignore[no-any-return]

    def models(self) -> dict[str, bytes]:
        """Return nothing: this network is not exported."""
        return {}


def fit(job: Job, options: SegmenterOptions) -> Fitted:
    """Train the segmenter on the training split.

    Raises:
        ConfigError: If the backbone and the decoder do not go together.
        DataError: If an image or a mask cannot be read, or no mask marks a pixel.
        WeightsError: If the weights cannot be loaded, or ONNX Runtime cannot run the network.
    """
    begin = time.perf_counter()
    torch.manual_seed(job.seed)
    train, types = job.data.split("train"), _types(job.data)
    trunk = build_trunk(options.backbone)
    origin = load_weights(trunk, options.weights)
    net = _network(trunk, len(types) + 1, options, origin)
    fixed = takes_one_size(net, trunk.spec)
    facts = facts_inside(scan_readable([s.path for s in train.samples], job.progress), job.region)
    sizes = sizes_for(facts, trunk.spec, options, job.region, fixed=fixed)
    rule = sizes.preprocessing
    log.info("%s", sizes.reason)
    caches = [_cache(job, name, rule) for name in ("train", "calibration")]
    marks = read_marks(train, caches[0].shapes, types, rule, job.progress)
    if not any(m.types is not None for m in marks):
        raise DataError(
            "no mask of the training split marks a pixel; expected white ones: see brightfield data check"
        )
    known = Known(
        types, classes_of(train, marks, types), len(train.classes), int(train.normal_index or 0), fixed
    )
    crops = Crops(caches[0], marks, weak_types(train, known.class_of_type), sizes.crop, rule.fill)
    trained, history = train_segmenter(
        net,
        crops,
        rule,
        pick_runtime(trunk=net),
        settings_of(options, len(types), job.seed),
        job.folder,
        job.progress,
    )
    judge = Judge(trained.cpu()).eval()
    return Fitted(
        method=Segmenter(ExportedPixels(export(judge, rule.tile, fixed=fixed)), known, rule),
        preprocessing=rule,
        cache=caches[1],
        history=history,
        out_of_fold=None,
        facts={
            "plan": f"{sizes.reason}; {len(history)} epochs on crops of {sizes.crop} px",
            "fit_seconds": round(time.perf_counter() - begin, 1),
            "types": list(types),
            "parameters": sum(p.numel() for p in trained.parameters()),
            "notes": notes_of(train, marks, known),
        },
        weights_licence=f"{origin.licence} ({origin.source})",
        weights_sha256=origin.sha256,
        learned=partial(_learned, Segmenter(TorchPixels(judge), known, rule)),
    )


def _types(data: Dataset) -> tuple[str, ...]:
    """Return the defect types of all splits, so that what a test measures is among them.

    Raises:
        DataError: If they are too many.
    """
    types = mask_types(data)
    if len(types) > MOST_TYPES:
        raise DataError(
            f"the masks tell {len(types)} defect types apart; expected {MOST_TYPES} at most: join some"
        )
    return types


def settings_of(options: SegmenterOptions, types: int, seed: int) -> Settings:
    """Return how a segmenter of so many types is trained."""
    budget = TIME_BUDGET if options.time_budget is None else options.time_budget
    return Settings(losses_of(options.loss), types, budget, options.epochs, seed)


def _network(trunk: Any, classes: int, options: SegmenterOptions, origin: WeightsOrigin) -> nn.Module:
    if options.decoder == COMPACT:
        return SegmenterNet(trunk, classes, options.deepest, pretrained=origin is not RANDOM_WEIGHTS)
    return LibraryNet(trunk, classes, options.decoder)


def _cache(job: Job, split: str, rule: Preprocessing) -> PixelCache:
    """Return the images of a split at working size."""
    paths = [s.path for s in job.data.split(split).samples]
    return build_cache(paths, rule=rule, folder=job.folder / "pixels", progress=job.progress)


def classes_of(train: Dataset, marks: Sequence[Marks], types: Sequence[str]) -> tuple[int, ...]:
    """Return each type's class: that of its name, or the one whose pictures show most of its pixels.

    Args:
        train: The training split.
        marks: The marked pixels of each picture.
        types: The types.
    """
    pixels: list[Counter[int]] = [Counter() for _ in types]
    for sample, mark in zip(train.samples, marks, strict=True):
        if mark.types is not None:
            index = train.classes.index(str(sample.label))
            for number, count in zip(*np.unique(mark.types, return_counts=True), strict=True):
                if number:
                    pixels[int(number) - 1][index] += int(count)
    first = next(i for i, name in enumerate(train.classes) if name != train.normal)
    found = []
    for name, counts in zip(types, pixels, strict=True):
        if name in train.classes and name != train.normal:
            found.append(train.classes.index(name))
        else:
            found.append(counts.most_common(1)[0][0] if counts else first)
    return tuple(found)


def weak_types(train: Dataset, class_of_type: Sequence[int]) -> list[int]:
    """Return for each picture the type that its class says, from 1 on; 0 if it has none or several."""
    of_class: dict[int, list[int]] = {}
    for number, index in enumerate(class_of_type, start=1):
        of_class.setdefault(index, []).append(number)
    found = [of_class.get(train.classes.index(str(s.label)), []) for s in train.samples]
    return [numbers[0] if len(numbers) == 1 else 0 for numbers in found]


def notes_of(train: Dataset, marks: Sequence[Marks], known: Known) -> list[str]:
    """Return what a reader must know of the masks, in sentences."""
    of_class = zip(weak_types(train, known.class_of_type), marks, strict=True)
    taught = {number for number, mark in of_class if not mark.known}
    taught |= {int(n) for m in marks if m.types is not None for n in np.unique(m.types)}
    untaught = [name for number, name in enumerate(known.types, start=1) if number not in taught]
    named = {known.normal, *known.class_of_type}
    nameless = [name for i, name in enumerate(train.classes) if i not in named]
    masked = sum(m.types is not None for m in marks)
    weak = sum(not m.known for m in marks)
    notes = [f"{masked} masks taught which pixels are defective."]
    if weak:
        notes.append(
            f"{weak} defective parts have no mask, or an empty one: their class alone taught, and that their "
            "defect is somewhere."
        )
    if any(s.mask is None and s.label == train.normal for s in train.samples):
        notes.append("Good parts without a mask were taken as what their label says: no pixel is defective.")
    if untaught:
        notes.append(f"No training picture shows {', '.join(untaught)}: nothing was learned of it.")
    if nameless:
        notes.append(
            f"No mask marks what parts of class {', '.join(nameless)} have: such parts are found as "
            "defective, but hardly ever named so."
        )
    return notes


def _learned(method: Segmenter, pictures: Sequence[Picture]) -> Scores:
    return scores_of(method.judge(pictures, explain=False))
