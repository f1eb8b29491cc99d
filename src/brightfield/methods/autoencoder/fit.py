"""Fitting of the autoencoder on good parts alone."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from brightfield.data.dataset import Dataset
from brightfield.data.preprocessing import Preprocessing
from brightfield.data.region_check import facts_inside
from brightfield.data.scan import ImageFacts, scan_readable
from brightfield.decide.scores import Scores
from brightfield.engine.network import Network
from brightfield.learn.export import traced
from brightfield.learn.runtime import pick_runtime
from brightfield.methods.autoencoder.beside import LEAST_PARTS, MOST_PARTS, compare, memory_bank, note_of
from brightfield.methods.autoencoder.fitted import (
    RESIDUAL,
    TILES,
    AutoencoderMethod,
    ExportedResiduals,
    Residuals,
    Standard,
)
from brightfield.methods.autoencoder.network import MIDDLE, Autoencoder, Judge
from brightfield.methods.autoencoder.options import FLIPS, PATCHCORE, TIME_BUDGET, AutoencoderOptions
from brightfield.methods.autoencoder.training import Data, train_autoencoder
from brightfield.methods.base import Fitted, Job, Picture
from brightfield.methods.good_parts.evidence import cells_in, top_mean, unit_of
from brightfield.methods.good_parts.held_out import (
    calibration_cache,
    good_duplicates,
    good_training_parts,
    hold_out,
)
from brightfield.methods.good_parts.sizes import Sizes, make_preprocessing
from brightfield.methods.good_parts.stream import TileBatch, tile_stream, told, working_pictures
from brightfield.methods.scoring import scores_of

log = logging.getLogger(__name__)

SIDE, SMALL_SIDE, SMALL = 256, 128, 160
"""The side of whole pictures and of tiles; the smaller one for pictures up to `SMALL` pixels."""

MOST_BYTES = 512 * 2**20
"""The memory for the tiles that are learned from; of more tiles an even share is kept."""

ROUNDING = 1e-3
"""The rounding error of a residual, within which it counts as ordinary: good parts may be all one picture."""

MOST_VALIDATED = 256
"""The most held-out tiles by which the best epoch is chosen."""


@dataclass(frozen=True, eq=False)
class TorchResiduals:
    """The residuals of a network that torch executes, as `Residuals` has it."""

    net: Judge

    def __call__(self, x: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Return the residual of each tile."""
        with torch.inference_mode():
            return self.net(torch.from_numpy(x)).numpy()  # type: ignore[no-any-return]

    def models(self) -> dict[str, bytes]:
        """Return nothing: this network is not exported."""
        return {}


def fit(job: Job, options: AutoencoderOptions) -> Fitted:
    """Train the autoencoder on the good parts of the training split, and standardise its residuals.

    Raises:
        DataError: If an image cannot be read.
        WeightsError: If the weights of the method beside it cannot be loaded.
    """
    begin = time.perf_counter()
    good = good_training_parts(job)
    facts = facts_inside(scan_readable([s.path for s in good.samples], job.progress), job.region)
    rule, reason = _preprocessing(facts, options, job)
    log.info("%s", reason)
    kept, aside = _shared_out(good, hold_out(good, good_duplicates(job), job.seed))
    data = Data(
        gathered(_pictures(job, kept, rule, "good parts"), rule, MOST_BYTES // (3 * rule.tile**2)),
        gathered(_pictures(job, aside, rule, "held-out parts"), rule, MOST_VALIDATED),
        rule,
        FLIPS[options.flips],
    )
    net, history = train_autoencoder(
        data,
        pick_runtime(trunk=Autoencoder(SMALL_SIDE)),
        budget=TIME_BUDGET if options.time_budget is None else options.time_budget,
        epochs=options.epochs,
        seed=job.seed,
        folder=job.folder,
        progress=job.progress,
    )
    judge = Judge(net.cpu()).eval()
    exported = exported_residuals(judge, rule.tile)
    tiles = tile_stream(_pictures(job, aside, rule, "standardise"), rule)
    standard = _standard(exported, rule, options.share, tiles, len(aside))
    method = AutoencoderMethod(exported, standard, rule)
    found = _beside(job, options, method, kept, aside)
    return Fitted(
        method=method,
        preprocessing=rule,
        cache=calibration_cache(job, rule),
        history=history,
        out_of_fold=None,
        facts={
            "plan": f"{reason}; {len(data.tiles)} tiles learned in {len(history)} epochs",
            "fit_seconds": round(time.perf_counter() - begin, 1),
            "good_parts": len(kept),
            **found,
        },
        weights_licence="none: trained from scratch",
        weights_sha256=None,
        learned=partial(_learned, AutoencoderMethod(TorchResiduals(judge), standard, rule)),
    )


def _preprocessing(
    facts: Sequence[ImageFacts], options: AutoencoderOptions, job: Job
) -> tuple[Preprocessing, str]:
    usual = float(np.median([max(f.height, f.width) for f in facts]))
    sizes = Sizes(SMALL_SIDE if usual <= SMALL else SIDE, options.image_size, options.tile)
    return make_preprocessing(facts, sizes, (MIDDLE,) * 3, (1.0, 1.0, 1.0), job.region)


def _shared_out(good: Dataset, held: npt.NDArray[np.bool_]) -> tuple[Dataset, Dataset]:
    """Return the parts to learn from and those held out; where all or none are, both are all."""
    kept, aside = (
        good.subset(s for s, h in zip(good.samples, held, strict=True) if h == wanted)
        for wanted in (False, True)
    )
    return (kept if len(kept) else good), (aside if len(aside) else good)


def _pictures(job: Job, parts: Dataset, rule: Preprocessing, stage: str) -> Iterator[Picture]:
    """Yield parts at working size, with progress."""
    paths: list[Path] = [s.path for s in parts.samples]
    return told(working_pictures(paths, rule), stage, len(paths), job.progress)


def gathered(pictures: Iterable[Picture], rule: Preprocessing, most: int) -> npt.NDArray[np.uint8]:
    """Return the tiles of pictures, uint8 (T, side, side, 3); of more than `most` every n-th."""
    kept: list[Picture] = []
    every, number = 1, 0
    for picture in pictures:
        for tile in rule.tiles(picture)[0]:
            if number % every == 0:
                kept.append(tile)
            number += 1
            if len(kept) > max(1, most):
                kept, every = kept[::2], 2 * every
    return np.stack(kept)


def exported_residuals(judge: Judge, side: int) -> ExportedResiduals:
    """Return a trained network, in evaluation mode, as ONNX Runtime executes it."""
    example = torch.zeros(1, 3, side, side)
    with torch.inference_mode(False), torch.no_grad():
        return ExportedResiduals(
            Network(traced(judge, (example,), [TILES], [RESIDUAL], {TILES: {0: "batch"}}))
        )


def _standard(
    residuals: Residuals, rule: Preprocessing, share: float, batches: Iterable[TileBatch], count: int
) -> Standard:
    """Return what residuals mean, by a stream of the tiles of `count` held-out good parts."""
    method = AutoencoderMethod(residuals, Standard(0.0, 1.0, share), rule)
    scores = np.full(count, -np.inf)
    sampled: list[npt.NDArray[np.float32]] = []
    for batch in batches:
        cells = method.cells(batch.x)
        inside = cells_in(batch.places, rule, cells.shape[1:])
        for row, picture in enumerate(batch.pictures):
            values = cells[row][inside[row]]
            sampled.append(values[:: max(1, len(values) // 64)])
            scores[picture] = max(scores[picture], top_mean(values, share))
    ordinary = float(np.median(np.concatenate(sampled)))
    return Standard(ordinary + ROUNDING, unit_of(scores, ordinary, ROUNDING), share)


def _beside(
    job: Job, options: AutoencoderOptions, method: AutoencoderMethod, kept: Dataset, aside: Dataset
) -> dict[str, Any]:
    """Return the facts of the comparison with a memory bank, if one is wanted."""
    if options.beside != PATCHCORE:
        return {}
    if len(aside) < LEAST_PARTS:
        return {
            "notes": [
                f"How the autoencoder compares is not known: {len(aside)} good parts were held out, and a "
                f"comparison takes {LEAST_PARTS}. brightfield compare measures it on the test split."
            ]
        }
    bank = memory_bank(job, kept, method.preprocessing)
    judged = aside.subset(aside.samples[:MOST_PARTS])
    pictures = _pictures(job, judged, method.preprocessing, "compare")
    found = compare({method.name: method, bank.name: bank}, pictures, method.preprocessing, job.seed)
    return {"beside": found, "notes": [note_of(found)]}


def _learned(method: AutoencoderMethod, pictures: Sequence[Picture]) -> Scores:
    return scores_of(method.judge(pictures, explain=False))
