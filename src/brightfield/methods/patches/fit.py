"""Fitting of the methods on patches: a memory bank, a flow, or both, on good parts alone."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from brightfield.data.region_check import facts_inside
from brightfield.data.scan import scan_readable
from brightfield.decide.scores import Scores
from brightfield.engine.patches import Embedding
from brightfield.engine.spec import HeadSpec
from brightfield.engine.trunk import PIXELS_AT_ONCE
from brightfield.learn.backbone import build_trunk
from brightfield.learn.drawn_defects import with_defect
from brightfield.learn.frozen import Freezer
from brightfield.learn.network import TileNet, build_network, rescaled
from brightfield.learn.runtime import pick_runtime
from brightfield.learn.weights import load_weights
from brightfield.methods.base import Fitted, Job, Picture
from brightfield.methods.good_parts.held_out import (
    calibration_cache,
    good_duplicates,
    good_training_parts,
    hold_out,
)
from brightfield.methods.good_parts.stream import TileBatch, tile_stream, told, working_pictures
from brightfield.methods.patches.coreset import Coreset
from brightfield.methods.patches.crops import read_crops
from brightfield.methods.patches.detectors import Bank, Detector, Member
from brightfield.methods.patches.fitted import ExportedFeatures, Features, PatchMethod
from brightfield.methods.patches.flow import FlowInTorch, exported_flow, train_flow
from brightfield.methods.patches.members import (
    BANK,
    FLOW,
    MOST_FOR_A_FLOW,
    TAGS,
    Collected,
    Measured,
    MemberPlan,
    Seen,
    bank_of,
    best_bank,
    collect,
    embeddings,
    measure,
    standardised,
    unfitted,
)
from brightfield.methods.patches.options import FlowOptions, FusionOptions, PatchCoreOptions, PatchOptions
from brightfield.methods.patches.plan import Wanted, make_plan
from brightfield.methods.patches.position import MOST, position_weight
from brightfield.methods.scoring import scores_of

log = logging.getLogger(__name__)

KINDS = {"patchcore": (BANK,), "flow": (FLOW,), "fusion": (BANK, FLOW)}
"""The kinds of detectors of each method."""

FOR_WHITENING = 128
"""The most pictures on which the whitening is fitted."""

DRAWN = 120
"""The least number of drawn defects by which a bank is chosen."""


@dataclass(frozen=True, eq=False)
class TorchFeatures:
    """The maps of a trunk that torch executes, as `Features` has it."""

    net: TileNet

    def maps(
        self, x: npt.NDArray[np.float32], scale: float, needed: Sequence[int]
    ) -> list[npt.NDArray[np.float32]]:
        """Return some maps of a normalised batch seen at a scale."""
        # few at once: the activations of many would take more memory than all the rest of a fit
        step = max(1, PIXELS_AT_ONCE // (x.shape[2] * x.shape[3]))
        pieces = [self._piece(x[at : at + step], scale, needed) for at in range(0, len(x), step)]
        return [np.concatenate(of_map) for of_map in zip(*pieces, strict=True)]

    def _piece(
        self, x: npt.NDArray[np.float32], scale: float, needed: Sequence[int]
    ) -> list[npt.NDArray[np.float32]]:
        net = self.net.eval()
        with torch.inference_mode():
            batch = rescaled(torch.from_numpy(np.ascontiguousarray(x)), scale)
            every: list[Tensor] = net.trunk(net.runtime.put(batch))
            return [every[net.head.spec.taps[i]].float().cpu().numpy() for i in needed]

    def models(self) -> dict[str, bytes]:
        """Return nothing: this trunk is not exported."""
        return {}


def fit(job: Job, name: str, options: PatchOptions) -> Fitted:
    """Fit a method on the good parts of the training split.

    Raises:
        DataError: If an image cannot be read.
        WeightsError: If the weights cannot be loaded, or ONNX Runtime cannot run the network.
    """
    torch.manual_seed(job.seed)
    trunk = build_trunk(options.backbone)
    origin = load_weights(trunk, options.weights)
    runtime = pick_runtime(trunk=trunk)
    good = good_training_parts(job)
    facts = facts_inside(scan_readable([s.path for s in good.samples], job.progress), job.region)
    detail = options.detail if isinstance(options, PatchCoreOptions | FusionOptions) else "deep"
    wanted = Wanted(KINDS[name], detail, options.share, options.image_size, options.tile)
    plan = make_plan(facts, trunk.spec, wanted, job.region)
    log.info("%s", plan.reason)
    used = sorted({i for member in plan.members for i in member.maps})
    taps = tuple(i - len(trunk.spec.channels) for i in used)
    # the trunk is exported for each of the scales, as a network that takes one size only needs it
    scales = tuple(sorted({member.scale for member in plan.members}, reverse=True))
    spec = HeadSpec(taps=taps, pools=("mean",), scales=scales)
    net = build_network(trunk, 2, spec, runtime)
    members = [replace(m, maps=tuple(used.index(i) for i in m.maps)) for m in plan.members]
    exported = ExportedFeatures(Freezer(net).trunk(plan.preprocessing.tile).networks)
    in_torch = TorchFeatures(net)
    features: Features = exported if runtime.device == "cpu" else in_torch
    seen = Seen(features, plan.preprocessing, tuple(trunk.spec.channels[i] for i in used))
    strides = tuple(trunk.spec.strides[i] for i in used)
    fitted = _Fit(job, options, seen, members, runtime.training, strides)
    result = fitted.run([s.path for s in good.samples], hold_out(good, good_duplicates(job), job.seed))
    method = PatchMethod(name, exported, result.members, plan.preprocessing, backbone=trunk.spec.as_dict())
    learned = PatchMethod(name, in_torch, result.in_torch, plan.preprocessing, backbone={})
    return Fitted(
        method=method,
        preprocessing=plan.preprocessing,
        cache=calibration_cache(job, plan.preprocessing),
        history=result.history,
        out_of_fold=None,
        facts={"plan": plan.reason, "backbone": trunk.spec.name, **result.facts},
        weights_licence=f"{origin.licence} ({origin.source})",
        weights_sha256=origin.sha256,
        learned=partial(_learned, learned),
    )


def _learned(method: PatchMethod, pictures: Sequence[Picture]) -> Scores:
    return scores_of(method.judge(pictures, explain=False))


@dataclass(frozen=True)
class _Result:
    """The fitted members, as they will be stored and in torch, the history and facts of the fit."""

    members: list[Member]
    in_torch: list[Member]
    history: list[dict[str, float]]
    facts: dict[str, Any]


@dataclass(frozen=True)
class _Fit:
    """The inputs of a fit's passes over the good parts."""

    job: Job
    options: PatchOptions
    seen: Seen
    plans: list[MemberPlan]
    precision: torch.dtype
    strides: tuple[int, ...]

    def run(self, paths: Sequence[Path], held: npt.NDArray[np.bool_]) -> _Result:
        """Fit the members on the parts that are not held out, standardise them, and add the others."""
        begin = time.perf_counter()
        kept = [p for p, h in zip(paths, held, strict=True) if not h] or list(paths)
        aside = [p for p, h in zip(paths, held, strict=True) if h] or list(paths)
        embedded = self._embeddings(kept)
        collected = [
            Collected(Coreset(self.options.bank, e.width, TAGS, self.job.seed))
            if isinstance(self.options, PatchCoreOptions | FusionOptions) and plan.name == BANK
            else Collected(None)
            for plan, e in zip(self.plans, embedded, strict=True)
        ]
        every = _step(len(kept), MOST_FOR_A_FLOW)
        collect(self.seen, self.plans, embedded, collected, self._tiles(kept, "features"), every=every)
        members, twins, history = [], [], []
        for plan, embedding, one in zip(self.plans, embedded, collected, strict=True):
            detector, alike, losses = self._detector(one)
            history += losses
            members.append(unfitted(plan, embedding, detector))
            twins.append(alike)
        rows, measured = self._chosen(members, aside)
        # the held-out parts are good parts too: now that nothing is measured on them, the bank takes them in
        banks = [i for i in rows if collected[i].coreset is not None]
        if banks and held.any():
            plans, embeds = [self.plans[i] for i in banks], [embedded[i] for i in banks]
            more = self._tiles(aside, "features", first=len(kept))
            self._take_in(plans, embeds, [collected[i] for i in banks], more)
        final: list[Member] = []
        for i in rows:
            coreset = collected[i].coreset
            detector = members[i].detector if coreset is None else self._bank(coreset, [*kept, *aside])
            final.append(replace(standardised(members[i], measured[i]), detector=detector))
        in_torch = [
            m if m.name == BANK else replace(m, detector=twins[i]) for m, i in zip(final, rows, strict=True)
        ]
        facts = {
            "fit_seconds": round(time.perf_counter() - begin, 1),
            "good_parts": len(paths),
            "members": [_described(m, self.strides) for m in final],
        }
        return _Result(final, in_torch, history, facts)

    def _embeddings(self, paths: Sequence[Path]) -> list[Embedding]:
        """Return each plan's embedding, with positions where the parts lie still."""
        some = paths[:: _step(len(paths), FOR_WHITENING)]
        embedded = embeddings(self.seen, self.plans, self._tiles(some, "whitening"))
        options = self.options
        wanted = options.position if isinstance(options, PatchCoreOptions | FusionOptions) else "no"
        if wanted == "no":
            return embedded
        samples = [Collected(None) for _ in self.plans]
        few = paths[:: _step(len(paths), MOST)]
        collect(self.seen, self.plans, embedded, samples, self._tiles(few, "position"))
        return [
            replace(e, position=position_weight(np.stack(s.tiles), wanted)) if plan.name == BANK else e
            for plan, e, s in zip(self.plans, embedded, samples, strict=True)
        ]

    def _chosen(self, members: list[Member], aside: Sequence[Path]) -> tuple[list[int], list[Measured]]:
        """Return the rows of the members to keep, one bank at the most, and all members' distances."""
        measured = measure(self.seen, members, self._tiles(aside, "standardise"), len(aside))
        banks = [i for i, m in enumerate(members) if m.name == BANK]
        if len(banks) < 2:
            return list(range(len(members))), measured
        times = -(-DRAWN // len(aside))
        paths = [p for p in aside for _ in range(times)]
        rng = np.random.default_rng(self.job.seed)
        pictures = told(
            working_pictures(paths, self.seen.preprocessing), "drawn defects", len(paths), self.job.progress
        )
        drawn = measure(
            self.seen, members, tile_stream(_drawn(pictures, rng), self.seen.preprocessing), len(paths)
        )
        best = best_bank(members, measured, drawn)
        return [i for i in range(len(members)) if i not in banks or i == best], measured

    def _take_in(
        self,
        plans: Sequence[MemberPlan],
        embedded: Sequence[Embedding],
        collected: Sequence[Collected],
        batches: Iterator[TileBatch],
    ) -> None:
        """Take more good parts into the banks."""
        collect(self.seen, plans, embedded, collected, batches)
        for one in collected:
            if one.coreset is not None:
                one.coreset.finish()

    def _detector(self, one: Collected) -> tuple[Detector, Detector, list[dict[str, float]]]:
        """Return a detector, the same one in torch, and its history."""
        if one.coreset is not None:
            one.coreset.finish()
            bank = bank_of(one.coreset)
            return bank, bank, []
        patches, inside = np.stack(one.tiles), np.stack(one.inside)
        net, history = train_flow(
            patches,
            inside,
            epochs=self.options.flow_epochs if isinstance(self.options, FlowOptions | FusionOptions) else 0,
            seed=self.job.seed,
            precision=self.precision,
            progress=self.job.progress,
        )
        grid = (patches.shape[1], patches.shape[2])
        return exported_flow(net, patches.shape[3], grid), FlowInTorch(net), history

    def _bank(self, coreset: Coreset, paths: Sequence[Path]) -> Bank:
        """Return a coreset's memory bank, with crops from the pictures that the tags number."""
        image_of = {s.path: s.image for s in self.job.data.samples}
        named = [(image_of[path], path) for path in paths]
        return bank_of(coreset, read_crops(coreset.tags, named, self.seen.preprocessing, self.job.progress))

    def _tiles(self, paths: Sequence[Path], stage: str, first: int = 0) -> Iterator[TileBatch]:
        """Yield the tiles of files, numbered from `first`, with progress."""
        pictures = told(
            working_pictures(paths, self.seen.preprocessing), stage, len(paths), self.job.progress
        )
        return tile_stream(pictures, self.seen.preprocessing, first=first)


def _step(count: int, most: int) -> int:
    """Return the step at which no more than `most` of `count` are taken, evenly spaced."""
    return max(1, -(-count // most))


def _drawn(pictures: Iterator[Picture], rng: np.random.Generator) -> Iterator[Picture]:
    """Yield each picture with a drawn defect; pasted pieces come from the picture before it."""
    before: Picture | None = None
    for picture in pictures:
        yield with_defect(rng, picture, picture if before is None else before)[0]
        before = picture


def _described(member: Member, strides: Sequence[int]) -> dict[str, Any]:
    """Return what the manifest says of a member."""
    bank = member.detector.patches if isinstance(member.detector, Bank) else None
    return {
        "name": member.name,
        "strides": [strides[i] for i in member.maps],
        "scale": round(member.scale, 3),
        "patches": None if bank is None else len(bank),
        "lies_still": None if bank is None else member.embedding.position > 0,
    }
