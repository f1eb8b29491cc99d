"""The inspector: a fitted method, its calibration, its operating point and a reference, as one artefact."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from brightfield.bundle import Bundle, read_bundle, write_bundle
from brightfield.data.decode import Pixels, decode, to_rgb8
from brightfield.data.parallel import ordered_map
from brightfield.data.preprocessing import Preprocessing
from brightfield.decide.calibration import (
    Calibrated,
    Calibrator,
    Conformal,
    calibrate,
    calibrator_from_dict,
    score_at,
)
from brightfield.decide.heat import attribution_heatmap, evidence_heatmap, peak_of
from brightfield.decide.operating_point import OperatingPoint
from brightfield.decide.scores import Scores
from brightfield.errors import BundleError, ConfigError, ImageError
from brightfield.methods.base import Judgement, Method, Picture, Stored
from brightfield.methods.registry import loader
from brightfield.methods.scoring import scores_of
from brightfield.verdict import HeatmapKind, Verdict

ImageLike = str | Path | bytes | Image.Image | npt.NDArray[Any]

UNTYPED = "defect"
"""What a part is called that does not pass, by a method that knows no types of defect."""

_TOGETHER = 32 * 256 * 256
"""Pixels of the pictures that are judged together."""

FACTS = ("training", "fingerprints", "metrics", "agreement", "weights_licence", "created_with")
"""What a manifest says beside what the inspector needs to work."""


@dataclass(frozen=True)
class Look:
    """One picture and what an inspector says of it.

    Attributes:
        pixels: As decoded: (H, W) or (H, W, 3), uint8 or uint16.
        verdict: What was said.
        bits: The white level of 16-bit pixels, as a number of bits.
    """

    pixels: Pixels
    verdict: Verdict
    bits: int = 8

    @property
    def picture(self) -> npt.NDArray[np.uint8]:
        """The picture as people see it, uint8 (H, W, 3)."""
        return to_rgb8(self.pixels, self.bits)

    def _repr_html_(self) -> str:
        """Show the picture, its heat and the decision in a notebook."""
        return self.verdict._repr_html_()


@dataclass(frozen=True)
class _Request:
    """A picture to judge, decoded and at its working size."""

    name: str
    pixels: Pixels
    working: Picture
    explain: bool


@dataclass(frozen=True)
class Inspector:
    """One judge of parts, ready for the line. It never changes, and several threads may use it at once.

    Attributes:
        method: What scores.
        preprocessing: What happens to every image first.
        classes: The normal class first, where there is one.
        normal: The class that counts as good, or None.
        calibrator: From scores to probabilities or p-values.
        operating_point: The threshold and what chose it; None without a normal class.
        facts: What the manifest says beside: training, fingerprints, metrics, licence of the weights.
        reference: Scores, labels and brightness of the images that calibrated it, against which drift is
            measured.
        splits: Which image (by SHA-256) was in which split.
    """

    method: Method
    preprocessing: Preprocessing
    classes: tuple[str, ...]
    normal: str | None
    calibrator: Calibrator
    operating_point: OperatingPoint | None
    facts: dict[str, Any]
    reference: dict[str, npt.NDArray[Any]]
    splits: dict[str, str]

    @property
    def normal_index(self) -> int | None:
        """The normal class's index, or None."""
        return None if self.normal is None else self.classes.index(self.normal)

    @property
    def out_of_fold(self) -> bool:
        """Whether the training images calibrated it, each judged by networks that had not been shown it."""
        return bool((self.facts.get("training") or {}).get("folds", 0))

    @property
    def reference_scores(self) -> Scores:
        """The scores of the images that calibrated it."""
        return Scores(self.reference["scores"], self.reference.get("logits"))

    def look(self, image: ImageLike, *, explain: bool = True, threshold: float | None = None) -> Look:
        """Judge one image and return its pixels with the verdict.

        Args:
            image: A path, an encoded file's bytes, a Pillow image, or an array, uint8 or uint16, (H, W),
                (H, W, 3) or (H, W, 4).
            explain: Whether to make a heatmap, which takes a little longer.
            threshold: Instead of the operating point's, on its scale.

        Raises:
            ImageError: If the image cannot be read, or is too small to show a part.
            ConfigError: If the threshold is out of range, or there is no normal class.
        """
        point = self._point(threshold)
        return self._judged([self._request(image, explain)], point)[0]

    def inspect(self, image: ImageLike, *, explain: bool = True, threshold: float | None = None) -> Verdict:
        """Judge one image: the verdict of `look`."""
        return self.look(image, explain=explain, threshold=threshold).verdict

    def inspect_many(
        self, images: Iterable[ImageLike], *, explain: bool = False, threshold: float | None = None
    ) -> Iterator[Verdict]:
        """Judge images in order, small ones several at once; without heatmaps unless asked for.

        Raises:
            ImageError: Of the first image that cannot be read, once those before it are judged.
        """
        for found in self.looks(((image, explain) for image in images), threshold=threshold):
            if isinstance(found, ImageError):
                raise found
            yield found.verdict

    def looks(
        self, images: Iterable[tuple[ImageLike, bool]], *, threshold: float | None = None
    ) -> Iterator[Look | ImageError]:
        """Judge images in order, several at once; one that cannot be read becomes its error.

        Args:
            images: Each with whether it gets a heatmap. Some are taken ahead.
            threshold: As in `look`.
        """
        point = self._point(threshold)
        waiting: list[_Request | ImageError] = []
        pixels = 0
        for request in ordered_map(self._request_or_error, images):
            waiting.append(request)
            if isinstance(request, _Request):
                pixels += max(request.working[..., 0].size, request.pixels.size // 16)
            if pixels >= _TOGETHER:
                yield from self._looked(waiting, point)
                waiting, pixels = [], 0
        yield from self._looked(waiting, point)

    def _looked(
        self, waiting: Sequence[_Request | ImageError], point: OperatingPoint | None
    ) -> Iterator[Look | ImageError]:
        """Judge what was read, the explained ones apart, and yield all in their order."""
        found: dict[int, Look] = {}
        for explain in (False, True):
            rows = [i for i, r in enumerate(waiting) if isinstance(r, _Request) and r.explain == explain]
            requests = [r for r in waiting if isinstance(r, _Request) and r.explain == explain]
            if requests:
                found |= dict(zip(rows, self._judged(requests, point), strict=True))
        for i, request in enumerate(waiting):
            yield request if isinstance(request, ImageError) else found[i]

    def _request_or_error(self, asked: tuple[ImageLike, bool]) -> _Request | ImageError:
        try:
            return self._request(*asked)
        except ImageError as error:
            return error

    def _request(self, image: ImageLike, explain: bool) -> _Request:
        name = str(image) if isinstance(image, str | Path) else ""
        pixels = decode(image)
        try:
            working = self.preprocessing.working(pixels)
        except ImageError as error:
            raise ImageError(f"{name or 'the image'}: {error}") from error
        return _Request(name, pixels, working, explain)

    def _judged(self, requests: Sequence[_Request], point: OperatingPoint | None) -> list[Look]:
        """Judge pictures that are all explained or all not."""
        begin = time.perf_counter()
        judgements = self.method.judge([r.working for r in requests], explain=requests[0].explain)
        calibrated = self.calibrated(scores_of(judgements))
        looks = []
        for i, (request, judgement) in enumerate(zip(requests, judgements, strict=True)):
            verdict = self._verdict(judgement, _row(calibrated, i), point, request)
            looks.append(Look(request.pixels, verdict, self.preprocessing.bits))
        each = (time.perf_counter() - begin) * 1000 / len(requests)
        return [replace(one, verdict=replace(one.verdict, milliseconds=each)) for one in looks]

    def prepare(self, *, explain: bool = True) -> None:
        """Do now what the first picture would otherwise wait for: memory is taken, matrices are made."""
        blank = self.preprocessing.working(np.zeros((64, 64), np.uint8))
        self.method.judge([blank], explain=explain)

    def calibrated(self, scores: Scores) -> Calibrated:
        """Return probabilities or p-values of scores, as the calibration gives them."""
        return calibrate(self.calibrator, scores, self.normal_index)

    def probability_interval(self, score: float) -> tuple[float, float] | None:
        """Return the Venn-Abers interval of the probability of a defect at a verdict's score.

        It is wide where the calibration split showed few parts of such a score. One of its ends is calibrated
        over all parts, whatever the scores are distributed like, where images held out of training calibrate;
        where the training images did out of fold, by a few of the members, that holds nearly.

        Returns:
            (low, high) in [0, 1]; None without a normal class, or where good parts alone calibrate.
        """
        if self.normal_index is None or isinstance(self.calibrator, Conformal):
            return None
        from brightfield.decide.venn_abers import venn_abers  # here, as it needs scikit-learn

        is_defect = self.reference["labels"] != self.normal_index
        low, high = venn_abers(self.reference["scores"], is_defect, [score])[0]
        return float(low), float(high)

    def with_operating_point(self, point: OperatingPoint) -> Inspector:
        """Return the same inspector with another operating point."""
        return replace(self, operating_point=point)

    def with_metrics(self, metrics: dict[str, Any] | None) -> Inspector:
        """Return the same inspector with the figures of an evaluation for its manifest."""
        return replace(self, facts={**self.facts, "metrics": metrics})

    def _point(self, threshold: float | None) -> OperatingPoint | None:
        point = self.operating_point
        if threshold is None:
            return point
        if point is None:
            raise ConfigError("--threshold needs a normal class; this inspector only names the class")
        # only the threshold is asked of it: what the other one promised and counted does not hold here
        return OperatingPoint(f"fixed={threshold:g}", threshold, 0, 0, 0, 0, scale=point.scale)

    def _verdict(
        self, judgement: Judgement, values: Calibrated, point: OperatingPoint | None, request: _Request
    ) -> Verdict:
        probability, p_value = (
            None if v is None else float(v[0]) for v in (values.probability, values.p_value)
        )
        shares = None if values.by_class is None else values.by_class[0]
        decision = None
        if point is not None:
            decision = point.decide(float(values.on(point.scale, np.array([judgement.score]))[0]))
        named = self.label_of(shares, None if decision is None else str(decision))
        bare = Verdict(
            decision=decision,
            label=named,
            score=judgement.score,
            threshold=None if point is None else point.threshold,
            scale=None if point is None else point.scale,
            method=self.method.name,
            milliseconds=0.0,
            probabilities={} if shares is None else dict(zip(self.classes, shares.tolist(), strict=True)),
            probability=probability,
            p_value=p_value,
            image=request.name,
        )
        if judgement.heat is None:
            return bare
        shape = (request.pixels.shape[0], request.pixels.shape[1])
        kind = self.method.heatmap_kind
        if kind is HeatmapKind.EVIDENCE and point is not None:
            heatmap = evidence_heatmap(judgement.heat, shape, score_at(self.calibrator, point))
        else:
            heatmap = attribution_heatmap(judgement.heat, shape, peak_of(bare, point))
        return replace(
            bare,
            heatmap=heatmap,
            heatmap_kind=kind,
            mask=heatmap >= 1 if kind is HeatmapKind.EVIDENCE else None,
            picture=_as_bytes(request.pixels, self.preprocessing.bits),
        )

    def label_of(self, shares: npt.NDArray[np.float64] | None, decision: str | None) -> str:
        """Return the class to name: the normal one for what passes, else the likeliest defect."""
        normal = self.normal_index
        if shares is None:
            others = [name for name in self.classes if name != self.normal]
            return str(self.normal) if decision == "OK" else others[0] if len(others) == 1 else UNTYPED
        if normal is None or decision is None:
            return self.classes[int(shares.argmax())]
        if decision == "OK":
            return self.classes[normal]
        return self.classes[int(np.where(np.arange(len(shares)) == normal, -1.0, shares).argmax())]

    def save(self, path: str | Path) -> None:
        """Write the inspector as a bundle: a folder, or one file where the path ends in `.bfz`.

        Raises:
            BundleError: If the place cannot be written or holds something else.
        """
        stored = self.method.stored()
        point = None if self.operating_point is None else self.operating_point.as_dict()
        manifest = {
            **self.facts,
            "method": self.method.name,
            "classes": list(self.classes),
            "normal": self.normal,
            "preprocessing": self.preprocessing.as_dict(),
            "calibration": self.calibrator.as_dict(),
            "operating_point": point,
            "settings": dict(stored.settings),
        }
        splits = "".join(f"{split},{digest}\n" for digest, split in sorted(self.splits.items()))
        write_bundle(
            Path(path),
            manifest,
            {_WEIGHTS: stored.arrays},
            {"reference": self.reference},
            {
                _SPLITS: splits.encode(),
                **{f"{name}{_ONNX}": model for name, model in stored.networks.items()},
            },
        )

    @classmethod
    def load(cls, path: str | Path) -> Inspector:
        """Read an inspector that `save` wrote.

        Raises:
            BundleError: If it is no bundle, of an unknown schema or method, incomplete or changed.
        """
        bundle = read_bundle(Path(path))
        manifest = dict(bundle.manifest)
        load_method = loader(str(manifest["method"]))
        try:
            preprocessing = Preprocessing.from_dict(manifest["preprocessing"])
            calibration = dict(manifest["calibration"])
            point = manifest["operating_point"]
            classes, normal = tuple(manifest["classes"]), manifest["normal"]
            lines = bundle.file(_SPLITS).decode().splitlines()
            stored = _stored(bundle, manifest["settings"])
        except (KeyError, TypeError, ValueError) as e:
            raise BundleError(f"{path}: the manifest lacks or garbles {e}; expected a whole bundle") from e
        return cls(
            method=load_method(stored, preprocessing, classes, normal),
            preprocessing=preprocessing,
            classes=classes,
            normal=normal,
            calibrator=calibrator_from_dict(calibration),
            operating_point=None if point is None else OperatingPoint.from_dict(point),
            facts={k: manifest[k] for k in FACTS},
            reference=dict(bundle.arrays("reference")),
            splits=dict(reversed(line.split(",")) for line in lines),  # type: ignore[misc]
        )


_WEIGHTS, _SPLITS, _ONNX = "weights", "splits.csv", ".onnx"


def load(path: str | Path) -> Inspector:
    """Read an inspector from its bundle; see `Inspector.load`."""
    return Inspector.load(path)


def _stored(bundle: Bundle, settings: dict[str, Any]) -> Stored:
    networks = {
        name.removesuffix(_ONNX): data for name, data in bundle.content.items() if name.endswith(_ONNX)
    }
    return Stored(networks, dict(bundle.tensors(_WEIGHTS)), settings)


def _row(values: Calibrated, i: int) -> Calibrated:
    picked = (
        None if v is None else v[i : i + 1] for v in (values.probability, values.p_value, values.by_class)
    )
    return Calibrated(*picked)


def _as_bytes(pixels: Pixels, bits: int) -> npt.NDArray[np.uint8]:
    return np.asarray(pixels, dtype=np.uint8) if pixels.dtype == np.uint8 else to_rgb8(pixels, bits)
