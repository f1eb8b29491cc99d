"""Pictures of lines for the benchmark of drift: judged and measured once, disturbed and not, and kept."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from brightfield.data.dataset import Dataset, Sample
from brightfield.data.decode import decode, to_rgb8
from brightfield.data.load import load
from brightfield.data.split import split
from brightfield.data.synthetic import make_parts
from brightfield.engine.measurement import Measurement
from brightfield.inspector import Inspector
from brightfield.inspector import load as load_inspector
from brightfield.monitor.drift.reference import Seen, seen_in
from brightfield.options import make_options
from brightfield.pipeline.train import train
from defect_sets import magnetic_tiles
from disturbed import RAMP, STEPS, Disturb, Rgb, dimmed, with_texture
from runs import SMOKE

TRAINED = 300
"""The pictures that train and calibrate an inspector, and are the reference."""

BASE, DISTURBED, DIMMED = 400, 60, 30
"""The pictures of a line that is well, under each disturbance, and at each step of a lamp that ages."""

TEXTURES = 12


@dataclass(frozen=True)
class Taken:
    """Pictures of one kind, as the inspector sees them.

    Attributes:
        parts: What drift is told from, N of them.
        defective: Whether each shows a defect, bool (N,).
        lots: A number for each stretch of pictures that belong together, (N,).
        milliseconds: The median time of a picture, with its measurement.
    """

    parts: tuple[Seen, ...]
    defective: npt.NDArray[np.bool_]
    lots: npt.NDArray[np.int64]
    milliseconds: float


@dataclass(frozen=True)
class Lines:
    """What lines are made of: an inspector, and pictures by what was done to them; `base` for nothing."""

    name: str
    inspector: Inspector
    taken: dict[str, Taken]


def cells(seed: int) -> Dataset:
    """Return solar cells, 300 of which train; the others are the line."""
    dataset = split(load("elpv"), test=0.75, calibration=0.0, seed=seed)
    rows = [i for i, s in enumerate(dataset.samples) if s.split == "train"]
    kept = set(np.random.RandomState(seed).permutation(rows)[:TRAINED].tolist())
    chosen = dataset.subset(s for i, s in enumerate(dataset.samples) if s.split == "test" or i in kept)
    return replace(chosen, name="elpv")


def tiles(folder: Path, groups: Path, seed: int) -> Dataset:
    """Return magnetic tiles; half of the tiles are the line, of which no picture trains."""
    dataset = magnetic_tiles(folder, groups, seed)
    names = np.random.RandomState(seed).permutation(np.unique([str(s.group) for s in dataset.samples]))
    trained = set(names[: len(names) // 2].tolist())
    return dataset.subset(
        replace(s, split="train" if s.group in trained else "test", mask=None) for s in dataset.samples
    )


def screws(manifest: Path, seed: int) -> Dataset:
    """Return ball screws; the line shows the places that trained, at other times."""
    dataset = load(manifest)
    chosen = np.random.RandomState(seed).permutation(len(dataset))[:TRAINED]
    trained = {dataset.samples[i].image for i in chosen}
    shared_out = dataset.subset(
        replace(s, split="train" if s.image in trained else "test", mask=None, group=None)
        for s in dataset.samples
    )
    return replace(shared_out, name="ball screws")


def synthetic(folder: Path) -> Dataset:
    """Return the parts of a smoke run."""
    parts = make_parts(folder / "parts", n_ok=120, n_defect=40, size=(64, 64), defect_px=12, kinds=("pit",))
    return parts.subset(
        replace(s, split="train" if i % 2 else "test", mask=None) for i, s in enumerate(parts.samples)
    )


def lines_of(dataset: Dataset, textures: Sequence[Sample], folder: Path, seed: int, *, smoke: bool) -> Lines:
    """Return an inspector of the train split, and the line's pictures; both are kept in a folder.

    Args:
        dataset: The data set with its train and test split.
        textures: Pictures of other parts, whose texture is laid over.
        folder: Where the inspector is, or is to be.
        seed: Of the training.
        smoke: Whether the training may take a second.
    """
    bundle = folder / f"{dataset.name.replace(' ', '-').replace(',', '')}-{seed}.bf"
    if not bundle.exists():
        trained = dataset.subset(replace(s, split=None) for s in dataset.split("train").samples)
        options = {"method": "classifier", "seed": seed, "test": 0.0, **(SMOKE if smoke else {})}
        train(trained, bundle, make_options(options))
    inspector = load_inspector(bundle)
    line = sorted(dataset.split("test").samples, key=lambda s: s.image)
    laid = with_texture([to_rgb8(decode(s.path)) for s in _spaced(textures, TEXTURES)])
    disturbances: dict[str, tuple[Disturb, int]] = {
        "base": (_as_it_is, BASE),
        **{name: (disturb, DISTURBED) for name, disturb in {**STEPS, "texture": laid}.items()},
        **{f"light {share}": (dimmed(share), DIMMED) for share in RAMP},
    }
    taken = {}
    for name, (disturb, count) in disturbances.items():
        place = bundle.with_name(f"{bundle.stem}.{name}.npz")
        taken[name] = _kept(place, inspector, _spaced(line, count), disturb, dataset)
    return Lines(dataset.name, inspector, taken)


def _as_it_is(picture: Rgb, _seed: int) -> Rgb:
    return picture


def _spaced(samples: Sequence[Sample], count: int) -> list[Sample]:
    rows = np.unique(np.linspace(0, len(samples) - 1, min(count, len(samples))).round().astype(int))
    return [samples[i] for i in rows]


def _kept(
    place: Path, inspector: Inspector, samples: Sequence[Sample], disturb: Disturb, dataset: Dataset
) -> Taken:
    """Return pictures as the inspector sees them, from a file where it has seen them before."""
    if not place.exists():
        begin, count = time.perf_counter(), len(samples)
        pictures = (disturb(to_rgb8(decode(s.path)), i) for i, s in enumerate(samples))
        verdicts = list(inspector.inspect_many(pictures, measure=True))
        print(dataset.name, place.stem, f"{count} pictures, {time.perf_counter() - begin:.0f} s", flush=True)
        seen = [part for verdict in verdicts if (part := seen_in(verdict)) is not None]
        took = np.median([v.milliseconds for v in verdicts])
        np.savez(place, allow_pickle=False, milliseconds=took, **_columns(seen))
    with np.load(place) as kept:
        columns = {name: kept[name] for name in kept.files}
    groups = [s.group or f"stretch {i // 10}" for i, s in enumerate(samples)]
    return Taken(
        parts=_parts(columns),
        defective=np.array([s.label != dataset.normal for s in samples]),
        lots=np.unique(groups, return_inverse=True)[1].astype(np.int64),
        milliseconds=float(columns["milliseconds"]),
    )


MEASURES: tuple[tuple[str, Callable[[float], float]], ...] = (
    *((name, float) for name in ("brightness", "contrast", "sharpness")),
    *((name, int) for name in ("height", "width")),
    *((name, float) for name in ("row", "column")),
)
"""The values of a measurement after its embedding, in their order."""


def _columns(parts: Sequence[Seen]) -> dict[str, npt.NDArray[np.generic]]:
    return {
        "embedding": np.stack([np.asarray(part.measurement.embedding) for part in parts]),
        "label": np.array([part.label for part in parts]),
        "rejected": np.array([part.rejected for part in parts]),
        "score": np.array([part.score for part in parts]),
        **{name: np.array([getattr(part.measurement, name) for part in parts]) for name, _ in MEASURES},
    }


def _parts(kept: dict[str, npt.NDArray[np.generic]]) -> tuple[Seen, ...]:
    columns = [[kind(value) for value in kept[name].tolist()] for name, kind in MEASURES]
    embedded = np.asarray(kept["embedding"], dtype=np.float32)
    measurements = [Measurement(one, *values) for one, *values in zip(embedded, *columns, strict=True)]
    rest = zip(measurements, kept["label"], kept["rejected"], kept["score"].tolist(), strict=True)
    return tuple(Seen(m, str(label), bool(rejected), float(score)) for m, label, rejected, score in rest)
