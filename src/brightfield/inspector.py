"""The inspector: a fitted method, its calibration, its operating point and a reference, as one artefact."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from brightfield.bundle import read_bundle, write_bundle
from brightfield.data.decode import decode
from brightfield.data.preprocessing import Preprocessing
from brightfield.data.tiling import at_peak
from brightfield.decide.calibration import (
    Calibrated,
    Calibrator,
    Conformal,
    calibrate,
    calibrator_from_dict,
)
from brightfield.decide.operating_point import OperatingPoint, standing
from brightfield.decide.scores import Scores, scores_of_logits
from brightfield.decide.venn_abers import venn_abers
from brightfield.errors import BundleError, ConfigError, ImageError
from brightfield.methods.base import Judgement, Method
from brightfield.methods.classifier import load_classifier
from brightfield.verdict import Decision, Scale, Verdict

ImageLike = str | Path | Image.Image | npt.NDArray[Any]

DEFECT = "defect"
"""What a part that does not pass is called where no defect types are known."""

NAMED = 0.5
"""The probability of the class named at which heat is 1, where there is no normal class to reject against."""


@dataclass(frozen=True)
class Inspector:
    """One judge of parts, ready for the line; it never changes.

    Attributes:
        method: What scores.
        preprocessing: What happens to every image first.
        classes: The normal class first, where there is one.
        normal: The class that counts as good, or None.
        calibrator: From logits to probabilities.
        operating_point: The threshold and what chose it; None without a normal class.
        facts: What the manifest says beside: training, fingerprints, metrics, licence of the weights.
        reference: Scores and looks of the images that calibrated it, against which drift is measured.
        parts: Which image (by SHA-256) was in which part.
    """

    method: Method
    preprocessing: Preprocessing
    classes: tuple[str, ...]
    normal: str | None
    calibrator: Calibrator
    operating_point: OperatingPoint | None
    facts: dict[str, Any]
    reference: dict[str, npt.NDArray[Any]]
    parts: dict[str, str]

    @property
    def normal_index(self) -> int | None:
        """The normal class's index, or None."""
        return None if self.normal is None else self.classes.index(self.normal)

    @property
    def out_of_fold(self) -> bool:
        """Whether the training images calibrated it, each judged by networks that had not been shown it."""
        return bool(self.facts.get("training", {}).get("folds", 0))

    def inspect(self, image: ImageLike, *, explain: bool = True, threshold: float | None = None) -> Verdict:
        """Judge one image.

        Args:
            image: A path, a Pillow image, or an array, uint8 or uint16, (H, W), (H, W, 3) or (H, W, 4).
            explain: Whether to make a heatmap, which takes a little longer.
            threshold: One on the operating point's scale instead of its own.

        Raises:
            ImageError: If the image cannot be read, or is too small to show a part.
            ConfigError: If the threshold is not on that scale.
        """
        point = self._point(threshold)
        pixels = decode(image)
        begin = time.perf_counter()
        name = str(image) if isinstance(image, str | Path) else ""
        judgement = self.method.judge(self._working(pixels, name or "the image"), explain=explain)
        verdict = self._verdict(judgement, point, name)
        peak = self._peak(verdict, point)
        heatmap = _heatmap(judgement, peak, (pixels.shape[0], pixels.shape[1]))
        return replace(
            verdict,
            heatmap=heatmap,
            heatmap_kind=None if heatmap is None else self.method.heatmap_kind,
            milliseconds=(time.perf_counter() - begin) * 1000,
        )

    def _working(self, pixels: npt.NDArray[Any], name: str) -> npt.NDArray[np.uint8]:
        try:
            return self.preprocessing.working(pixels)
        except ImageError as error:
            raise ImageError(f"{name}: {error}") from error

    def prepare(self, *, explain: bool = True) -> None:
        """Do now what the first picture would otherwise wait for: the network is made ready to run."""
        self.method.judge(self.preprocessing.working(np.zeros((64, 64), np.uint8)), explain=explain)

    def inspect_many(
        self, images: Iterable[ImageLike], *, explain: bool = False, threshold: float | None = None
    ) -> Iterator[Verdict]:
        """Judge images one after another; without heatmaps unless asked for."""
        for image in images:
            yield self.inspect(image, explain=explain, threshold=threshold)

    def scores_of(self, logits: npt.NDArray[np.float64]) -> Scores:
        """Return the scores of the method's logits (N, K)."""
        return scores_of_logits(logits, self.normal_index)

    def calibrated(self, scores: Scores) -> Calibrated:
        """Return what is known of pictures with such scores."""
        return calibrate(self.calibrator, scores, self.normal_index)

    def probability_interval(self, score: float) -> tuple[float, float] | None:
        """Return the Venn-Abers interval of the probability of a defect at a verdict's score.

        It is wide where the calibration part showed few parts of such a score. One of its ends is calibrated
        over all parts, whatever the scores are distributed like, where images held out of training calibrate;
        where the training images did out of fold, by a few of the members, that holds nearly.

        Returns:
            (low, high) in [0, 1]; None where there are no probabilities of a defect.
        """
        if self.normal_index is None or isinstance(self.calibrator, Conformal):
            return None
        seen = self.scores_of(self.reference["logits"]).defect
        low, high = venn_abers(seen, self.reference["labels"] != self.normal_index, [score])[0]
        return float(low), float(high)

    def with_operating_point(self, point: OperatingPoint) -> Inspector:
        """Return the same inspector with another operating point."""
        return replace(self, operating_point=point)

    def with_metrics(self, metrics: dict[str, Any] | None) -> Inspector:
        """Return the same inspector with the figures of an evaluation for its manifest."""
        return replace(self, facts={**self.facts, "metrics": metrics})

    def _point(self, threshold: float | None) -> OperatingPoint | None:
        if threshold is None or self.operating_point is None:
            if threshold is not None:
                raise ConfigError("--threshold needs a normal class; this inspector only names the class")
            return self.operating_point
        # only the threshold is asked of it: what the other one promised and counted does not hold here
        return OperatingPoint(f"fixed={threshold:g}", threshold, 0, 0, 0, 0, scale=self.operating_point.scale)

    def _verdict(self, judgement: Judgement, point: OperatingPoint | None, name: str) -> Verdict:
        scores = self.scores_of(judgement.logits[None])
        judged = self.calibrated(scores)
        decision = None if point is None else point.decide(float(judged.on(point.scale, scores.defect)[0]))
        shares = None if judged.by_class is None else judged.by_class[0]
        return Verdict(
            decision=decision,
            label=self.label_of(shares, None if decision is None else str(decision)),
            score=float(scores.defect[0]),
            threshold=None if point is None else point.threshold,
            method=self.method.name,
            milliseconds=0.0,
            probabilities={}
            if shares is None
            else dict(zip(self.classes, (float(v) for v in shares), strict=True)),
            probability=None if judged.probability is None else float(judged.probability[0]),
            p_value=None if judged.p_value is None else float(judged.p_value[0]),
            image=name,
            scale=None if point is None else point.scale,
        )

    def label_of(self, shares: npt.NDArray[np.float64] | None, decision: str | None) -> str:
        """Return the class to name: the normal one for what passes, else the likeliest defect."""
        normal = self.normal_index
        if shares is None:
            return str(self.normal) if decision == "OK" else DEFECT
        if normal is None or decision is None:
            return self.classes[int(shares.argmax())]
        if decision == "OK":
            return self.classes[normal]
        return self.classes[int(np.where(np.arange(len(shares)) == normal, -1.0, shares).argmax())]

    def _peak(self, verdict: Verdict, point: OperatingPoint | None) -> float:
        """Return how hot the hottest place is."""
        if point is None:
            return standing(verdict.probabilities[verdict.label], NAMED)
        if point.scale is Scale.PROBABILITY and verdict.probability is not None:
            return standing(verdict.probability, point.stops_at)
        return 0.0 if verdict.decision is Decision.OK else 1.0

    def save(self, path: str | Path) -> None:
        """Write the inspector as a bundle: a folder, or one file where the path ends in `.bfz`.

        Raises:
            BundleError: If the place cannot be written or holds something else.
        """
        point = None if self.operating_point is None else self.operating_point.as_dict()
        manifest = {
            **self.facts,
            "method": self.method.name,
            "classes": list(self.classes),
            "normal": self.normal,
            "preprocessing": self.preprocessing.as_dict(),
            "calibration": self.calibrator.as_dict(),
            "operating_point": point,
            "settings": self.method.settings(),
        }
        parts = "".join(f"{part},{digest}\n" for digest, part in sorted(self.parts.items()))
        write_bundle(
            Path(path),
            manifest,
            {"weights": self.method.state()},
            {"reference": self.reference},
            {"parts.csv": parts.encode()},
        )

    @classmethod
    def load(cls, path: str | Path) -> Inspector:
        """Read an inspector that `save` wrote.

        Raises:
            BundleError: If it is no bundle, of an unknown schema, incomplete or changed.
        """
        bundle = read_bundle(Path(path))
        manifest = dict(bundle.manifest)
        if manifest["method"] != "classifier":
            raise BundleError(
                f"{path} holds the method {manifest['method']!r}, which this version does not know"
            )
        try:
            preprocessing = Preprocessing.from_dict(manifest["preprocessing"])
            calibration = dict(manifest["calibration"])
            point = manifest["operating_point"]
            classes = tuple(manifest["classes"])
            lines = bundle.file("parts.csv").decode().splitlines()
            settings = manifest["settings"]
        except (KeyError, TypeError, ValueError) as e:
            raise BundleError(f"{path}: the manifest lacks or garbles {e}; expected a whole bundle") from e
        return cls(
            method=load_classifier(settings, dict(bundle.tensors("weights")), preprocessing, classes),
            preprocessing=preprocessing,
            classes=classes,
            normal=manifest["normal"],
            calibrator=calibrator_from_dict(calibration),
            operating_point=None if point is None else OperatingPoint.from_dict(point),
            facts={k: manifest[k] for k in FACTS},
            reference=dict(bundle.arrays("reference")),
            parts=dict(reversed(line.split(",")) for line in lines),  # type: ignore[misc]
        )


def _heatmap(judgement: Judgement, peak: float, shape: tuple[int, int]) -> npt.NDArray[np.float32] | None:
    """Return the heat in the original image's pixels, where the method's 1 is at `peak`."""
    heat = judgement.heat
    if heat is None:
        return None
    picture = Image.fromarray(heat).resize((shape[1], shape[0]), Image.Resampling.BILINEAR)
    # what is below 1 must not be rounded up to it
    top = np.float32(peak) if peak >= 1 else min(np.float32(peak), np.nextafter(np.float32(1), np.float32(0)))
    return at_peak(np.array(picture, dtype=np.float32), float(top * heat.max()))


FACTS = ("training", "fingerprints", "metrics", "weights_licence", "created_with")
"""What a manifest says beside what the inspector needs to work."""


def load(path: str | Path) -> Inspector:
    """Read an inspector from its bundle; see `Inspector.load`."""
    return Inspector.load(path)
