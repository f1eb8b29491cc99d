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
from brightfield.data.decode import bit_depth
from brightfield.data.mask_types import mask_types
from brightfield.data.preprocessing import Preprocessing
from brightfield.data.region_check import facts_inside
from brightfield.data.scan import ImageFacts, scan_readable
from brightfield.decide.scores import Scores
from brightfield.engine.network import Network
from brightfield.errors import DataError
from brightfield.learn.backbone import BackboneSpec, build_trunk
from brightfield.learn.export import exported
from brightfield.learn.runtime import pick_runtime
from brightfield.learn.weights import RANDOM_WEIGHTS, WeightsOrigin, load_weights
from brightfield.methods.base import Fitted, Job, Picture
from brightfield.methods.scoring import scores_of
from brightfield.methods.segmenter.crops import Crops
from brightfield.methods.segmenter.fitted import (
    GRAIN,
    PICTURES,
    TYPES,
    ExportedPixels,
    Known,
    Segmenter,
)
from brightfield.methods.segmenter.marks import Marks, read_marks
from brightfield.methods.segmenter.network import Judge, LibraryNet, SegmenterNet
from brightfield.methods.segmenter.options import COMPACT, TIME_BUDGET, SegmenterOptions, losses_of
from brightfield.methods.segmenter.training import Settings, train_segmenter

log = logging.getLogger(__name__)

LARGEST = 1600
"""The longer side in pixels up to which pictures keep their size."""

TILE, OVERLAP = 1024, 128
"""The side of the pieces in which larger pictures are seen, and how much neighbours overlap, in pixels."""

CROP = 224
"""The side of crops in pixels."""


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
    train, types = job.data.split("train"), mask_types(job.data)
    trunk = build_trunk(options.backbone)
    origin = load_weights(trunk, options.weights)
    net = _network(trunk, len(types) + 1, options, origin)
    facts = facts_inside(scan_readable([s.path for s in train.samples], job.progress), job.region)
    rule, reason = preprocessing_for(facts, trunk.spec, options, job)
    log.info("%s", reason)
    caches = [_cache(job, name, rule) for name in ("train", "calibration")]
    marks = read_marks(train, caches[0].shapes, types, rule, job.progress)
    class_of_type = classes_of(train, marks, types)
    if not any(m.types is not None for m in marks):
        raise DataError(
            "no mask of the training split marks a pixel; expected white ones: see brightfield data check"
        )
    crops = Crops(
        caches[0], marks, weak_types(train, class_of_type), _crop_side(facts, rule, options), rule.fill
    )
    trained, history = train_segmenter(
        net,
        crops,
        rule,
        pick_runtime(trunk=net),
        Settings(
            losses_of(options.loss),
            len(types),
            TIME_BUDGET if options.time_budget is None else options.time_budget,
            options.epochs,
            job.seed,
        ),
        job.folder,
        job.progress,
    )
    judge = Judge(trained.cpu()).eval()
    known = Known(
        types,
        class_of_type,
        len(job.data.classes),
        int(job.data.normal_index or 0),
        trunk.spec.fixed_size,
    )
    network = export(judge, rule.tile, fixed=known.fixed)
    method = Segmenter(ExportedPixels(network), known, rule)
    return Fitted(
        method=method,
        preprocessing=rule,
        cache=caches[1],
        history=history,
        out_of_fold=None,
        facts={
            "plan": f"{reason}; {len(history)} epochs on crops of {crops.side} px",
            "fit_seconds": round(time.perf_counter() - begin, 1),
            "types": list(types),
            "parameters": sum(p.numel() for p in trained.parameters()),
            "notes": notes_of(train, marks),
        },
        weights_licence=f"{origin.licence} ({origin.source})",
        weights_sha256=origin.sha256,
        learned=partial(_learned, Segmenter(TorchPixels(judge), known, rule)),
    )


def _network(trunk: Any, classes: int, options: SegmenterOptions, origin: WeightsOrigin) -> nn.Module:
    if options.decoder == COMPACT:
        return SegmenterNet(trunk, classes, options.deepest, pretrained=origin is not RANDOM_WEIGHTS)
    return LibraryNet(trunk, classes, options.decoder)


def preprocessing_for(
    facts: Sequence[ImageFacts], spec: BackboneSpec, options: SegmenterOptions, job: Job
) -> tuple[Preprocessing, str]:
    """Return the preprocessing of images with these facts, and the reason for the working size in words."""
    large = round(float(np.percentile([max(f.height, f.width) for f in facts], 95)))
    most = options.image_size or LARGEST
    tile = spec.input_size if spec.fixed_size else -(-(options.tile or TILE) // GRAIN) * GRAIN
    shrunk = large > most
    rule = Preprocessing(
        bits=bit_depth([f.maximum for f in facts if f.maximum is not None]),
        long_side=most if shrunk or options.image_size else None,
        enlarge=False,
        tile=tile,
        overlap=min(OVERLAP, tile // 4),
        mean=spec.mean,
        std=spec.std,
        region=job.region,
    )
    seen = f"shrunk to {most} px" if shrunk else "seen at their own size"
    return rule, f"images of {large} px {seen}"


def _crop_side(facts: Sequence[ImageFacts], rule: Preprocessing, options: SegmenterOptions) -> int:
    """Return the side of crops: no larger than pictures are, and a multiple of `GRAIN`."""
    longest = max(max(f.height, f.width) for f in facts)
    if rule.long_side is not None:
        longest = min(longest, rule.long_side)
    side = options.crop or CROP
    return max(GRAIN, min(-(-side // GRAIN), -(-longest // GRAIN)) * GRAIN)


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
            counted = np.bincount(mark.types.ravel(), minlength=len(types) + 1)
            for number in range(len(types)):
                pixels[number][train.classes.index(str(sample.label))] += int(counted[number + 1])
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


def notes_of(train: Dataset, marks: Sequence[Marks]) -> list[str]:
    """Return what a reader must know of the masks, in sentences."""
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
    return notes


def export(judge: Judge, tile: int, *, fixed: bool) -> Network:
    """Return a trained network, in evaluation mode, as ONNX Runtime executes it.

    Args:
        judge: The network.
        tile: The side of the largest pieces that it sees.
        fixed: Whether it takes pieces of that side only.
    """
    sides = [(tile, tile)] if fixed else [(96, 96), (64, 128)]
    free = {0: "batch"} if fixed else {0: "batch", 2: "height", 3: "width"}
    return exported(judge, sides, (PICTURES, TYPES), free)


def _learned(method: Segmenter, pictures: Sequence[Picture]) -> Scores:
    return scores_of(method.judge(pictures, explain=False))
