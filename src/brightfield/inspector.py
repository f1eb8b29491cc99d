"""The inspector: a fitted method with its calibration, operating point and reference scores."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from brightfield.bundle import WEIGHTS, network_files, read_bundle, stored_in, write_bundle
from brightfield.data.decode import to_8bit
from brightfield.data.parallel import ordered_map
from brightfield.data.preprocessing import Preprocessing
from brightfield.decide.calibration import (
    Calibrated,
    Calibrator,
    Conformal,
    calibrate,
    calibrator_from_dict,
)
from brightfield.decide.operating_point import OperatingPoint, fixed_point
from brightfield.decide.rules import Rules, check_scale
from brightfield.decide.scores import Scores
from brightfield.engine.trunk import BATCH_PIXELS
from brightfield.errors import BundleError, ImageError
from brightfield.methods.base import Judgement, Method
from brightfield.methods.locating import Marking, check_rules_fit, label_of, with_maps
from brightfield.methods.prepared import ImageLike as ImageLike  # part of this module's interface
from brightfield.methods.prepared import Prepared, prepared
from brightfield.methods.registry import loader
from brightfield.methods.scoring import scores_of
from brightfield.verdict import Look as Look  # part of this module's interface
from brightfield.verdict import Verdict

FACTS = ("training", "fingerprints", "metrics", "agreement", "weights_licence", "created_with")
"""The keys of the manifest that describe the inspector but are not needed to judge."""


@dataclass(frozen=True)
class _How:
    """How pictures are judged: by this operating point, and whether they are measured."""

    point: OperatingPoint | None
    measure: bool


@dataclass(frozen=True)
class Inspector:
    """A calibrated inspector of parts; immutable, and safe to use from several threads.

    Attributes:
        method: The fitted method that scores pictures.
        preprocessing: The preprocessing of every image.
        classes: Names of the classes, the normal class first where there is one.
        normal: The class of good parts, or None.
        calibrator: Turns scores into probabilities or p-values.
        operating_point: The threshold and the policy that chose it; None without a normal class.
        facts: Values of the manifest by `FACTS`: training, fingerprints, metrics, licence of the weights.
        reference: Scores, labels, brightness and logits of the calibration images, to measure drift.
        splits: The split of each image of the data set, by the image's SHA-256.
        pixel_threshold: The heat from which a pixel counts as defective: in units of the score for evidence
            maps, of the heatmap for attribution maps; None for 1 in the heatmap.
        mm_per_pixel: The side of a pixel of the original pictures in millimetres; None if not known.
        rules: Limits on measured defects that decide beside the probability, or alone; see `with_rules`.
        sha256: The SHA-256 in the manifest of the bundle that it was loaded from, which a log of verdicts
            knows it by; None where it was not loaded.
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
    pixel_threshold: float | None = None
    mm_per_pixel: float | None = None
    rules: Rules | None = None
    sha256: str | None = None

    @property
    def normal_index(self) -> int | None:
        """Index of the normal class in `classes`, or None."""
        return None if self.normal is None else self.classes.index(self.normal)

    @property
    def out_of_fold(self) -> bool:
        """Whether out-of-fold scores of the training images calibrated the inspector."""
        return bool((self.facts.get("training") or {}).get("folds", 0))

    @property
    def reference_scores(self) -> Scores:
        """The scores of the images that calibrated the inspector."""
        return Scores(self.reference["scores"], self.reference.get("logits"))

    def look(
        self, image: ImageLike, *, explain: bool = True, threshold: float | None = None, measure: bool = False
    ) -> Look:
        """Judge one image and return its pixels with the verdict.

        Args:
            image: A path, the bytes of an image file, a Pillow image, or a uint8 or uint16 array of shape
                (H, W), (H, W, 3) or (H, W, 4).
            explain: Whether to compute a heatmap, which takes a little longer.
            threshold: A threshold to use instead of the operating point's, on the same scale.
            measure: Whether the verdict holds a measurement of the picture, by which drift is noticed, and
                the look the bytes of its file, which a log keeps.

        Raises:
            ImageError: If the image cannot be read, or is too small.
            ConfigError: If the threshold is out of range, or there is no normal class.
        """
        how = _How(self._point(threshold), measure)
        return self._judge([self._prepared(image, explain, how)], how)[0]

    def inspect(
        self, image: ImageLike, *, explain: bool = True, threshold: float | None = None, measure: bool = False
    ) -> Verdict:
        """Judge one image and return its verdict; the arguments are those of `look`."""
        return self.look(image, explain=explain, threshold=threshold, measure=measure).verdict

    def inspect_many(
        self,
        images: Iterable[ImageLike],
        *,
        explain: bool = False,
        threshold: float | None = None,
        measure: bool = False,
    ) -> Iterator[Verdict]:
        """Judge images in batches and yield their verdicts in order; the arguments are those of `look`.

        Raises:
            ImageError: If an image cannot be read, after the verdicts on those before it.
        """
        requests = ((image, explain) for image in images)
        for look in self.looks(requests, threshold=threshold, measure=measure):
            if isinstance(look, ImageError):
                raise look
            yield look.verdict

    def looks(
        self,
        images: Iterable[tuple[ImageLike, bool]],
        *,
        threshold: float | None = None,
        measure: bool = False,
    ) -> Iterator[Look | ImageError]:
        """Judge images in batches and yield in order a look, or the error of an image that cannot be read.

        Args:
            images: Pairs of an image and whether to compute its heatmap; a batch is read in advance.
            threshold: As in `look`.
            measure: As in `look`.
        """
        return self._looks(images, _How(self._point(threshold), measure))  # a wrong threshold fails at once

    def _looks(self, images: Iterable[tuple[ImageLike, bool]], how: _How) -> Iterator[Look | ImageError]:
        batch: list[Prepared | ImageError] = []
        pixels = 0
        for request in ordered_map(lambda asked: self._prepared_or_error(*asked, how), images):
            batch.append(request)
            if isinstance(request, Prepared):
                pixels += max(request.working[..., 0].size, request.pixels.size // 16)
            if pixels >= BATCH_PIXELS:
                yield from self._judge_batch(batch, how)
                batch, pixels = [], 0
        yield from self._judge_batch(batch, how)

    def _judge_batch(self, batch: Sequence[Prepared | ImageError], how: _How) -> Iterator[Look | ImageError]:
        """Judge a batch and yield its looks and errors in order; those with heatmaps are judged apart."""
        looks: dict[int, Look] = {}
        for explain in (False, True):
            rows = [i for i, r in enumerate(batch) if isinstance(r, Prepared) and r.explain == explain]
            requests = [r for r in batch if isinstance(r, Prepared) and r.explain == explain]
            if requests:
                looks |= dict(zip(rows, self._judge(requests, how), strict=True))
        for i, request in enumerate(batch):
            yield request if isinstance(request, ImageError) else looks[i]

    def _prepared_or_error(self, image: ImageLike, explain: bool, how: _How) -> Prepared | ImageError:
        try:
            return self._prepared(image, explain, how)
        except ImageError as error:
            return error

    def _prepared(self, image: ImageLike, explain: bool, how: _How) -> Prepared:
        return prepared(
            *(image, self.preprocessing), explain=explain, rules=self.rules, keep_content=how.measure
        )

    def _judge(self, requests: Sequence[Prepared], how: _How) -> list[Look]:
        """Judge pictures that all get a heatmap or all get none."""
        begin = time.perf_counter()
        located = requests[0].explain or self.rules is not None  # rules need the defects
        judgements = self.method.judge([r.working for r in requests], explain=located)
        calibrated = self.calibrated(scores_of(judgements))
        looks = []
        for i, (request, judgement) in enumerate(zip(requests, judgements, strict=True)):
            verdict = self._verdict(judgement, calibrated.row(i), how.point, request)
            if how.measure:
                measurement = request.measured(judgement.embedding)
                verdict = replace(verdict, measurement=measurement, image_sha256=request.sha256)
            looks.append(Look(request.pixels, verdict, self.preprocessing.bits, request.content))
        each = (time.perf_counter() - begin) * 1000 / len(requests)
        return [replace(look, verdict=replace(look.verdict, milliseconds=each)) for look in looks]

    def prepare(self, *, explain: bool = True) -> None:
        """Warm up: allocate memory and build matrices, so that the first picture is as fast as others."""
        self.method.judge([self.preprocessing.blank()], explain=explain or self.rules is not None)

    def calibrated(self, scores: Scores) -> Calibrated:
        """Return the calibrated probabilities or p-values of scores."""
        return calibrate(self.calibrator, scores, self.normal_index)

    def probability_interval(self, score: float) -> tuple[float, float] | None:
        """Return the Venn-Abers interval for the probability of a defect at a verdict's score.

        One of its ends is calibrated for any distribution of scores if held-out images calibrated the
        inspector, and approximately so if out-of-fold scores did. Few calibration parts make it wide. It
        is (low, high) in [0, 1]; None without a normal class, or where good parts alone calibrate.
        """
        if self.normal_index is None or isinstance(self.calibrator, Conformal):
            return None
        from brightfield.decide.venn_abers import venn_abers  # imported here, as it needs scikit-learn

        is_defect = self.reference["labels"] != self.normal_index
        low, high = venn_abers(self.reference["scores"], is_defect, [score])[0]
        return float(low), float(high)

    def with_operating_point(self, point: OperatingPoint) -> Inspector:
        """Return a copy of the inspector with another operating point."""
        return replace(self, operating_point=point)

    def with_rules(self, rules: Rules | None, mm_per_pixel: float | None = None) -> Inspector:
        """Return a copy of the inspector that decides by these rules too; None takes its rules away.

        Args:
            rules: The rules, as `read_rules` reads them.
            mm_per_pixel: The side of a pixel in millimetres; None for that of the rules, or else the
                inspector's own.

        Raises:
            ConfigError: If the rules do not fit the inspector, or it makes no masks or takes no decisions.
        """
        check_scale(mm_per_pixel)
        scale = mm_per_pixel or (None if rules is None else rules.mm_per_pixel) or self.mm_per_pixel
        changed = replace(self, rules=rules, mm_per_pixel=scale)
        marking = changed._marking(self.operating_point)
        check_rules_fit(marking, self.method, tells_classes="logits" in self.reference)
        return changed

    def with_metrics(self, metrics: dict[str, Any] | None) -> Inspector:
        """Return a copy of the inspector with the figures of an evaluation in its manifest."""
        return replace(self, facts={**self.facts, "metrics": metrics})

    def _point(self, threshold: float | None) -> OperatingPoint | None:
        point = self.operating_point
        if threshold is None:
            return point
        return fixed_point(point, threshold)

    def _marking(self, point: OperatingPoint | None) -> Marking:
        return Marking(
            kind=self.method.heatmap_kind,
            calibrator=self.calibrator,
            point=point,
            pixel_threshold=self.pixel_threshold,
            classes=self.classes,
            normal=self.normal,
            mm_per_pixel=self.mm_per_pixel,
            rules=self.rules,
        )

    def _verdict(
        self, judgement: Judgement, values: Calibrated, point: OperatingPoint | None, request: Prepared
    ) -> Verdict:
        probability, p_value = (
            None if v is None else float(v[0]) for v in (values.probability, values.p_value)
        )
        shares = None if values.by_class is None else values.by_class[0]
        decision = None
        if point is not None:
            decision = point.decide(float(values.on(point.scale, np.array([judgement.score]))[0]))
        label = self.label_of(shares, None if decision is None else str(decision))
        verdict = Verdict(
            decision=decision,
            label=label,
            score=judgement.score,
            threshold=None if point is None else point.threshold,
            scale=None if point is None else point.scale,
            method=self.method.name,
            milliseconds=0.0,
            probabilities={} if shares is None else dict(zip(self.classes, shares.tolist(), strict=True)),
            probability=probability,
            p_value=p_value,
            image=request.name,
            inspector=self.sha256,
        )
        if judgement.heat is None:
            return verdict
        seen, closest = self.preprocessing.seen(request.pixels), judgement.closest
        verdict = with_maps(verdict, judgement, seen, self._marking(point))
        if not request.explain:
            return verdict.without_maps()
        return replace(
            verdict,
            picture=to_8bit(request.pixels, self.preprocessing.bits),
            closest=closest and closest.moved(request.working.shape, seen.size, seen.corner),
        )

    def label_of(self, shares: npt.NDArray[np.float64] | None, decision: str | None) -> str:
        """Return the label: the normal class for a part that passes, else the most probable defect type."""
        return label_of(shares, decision, self.classes, self.normal)

    def save(self, path: str | Path) -> None:
        """Write the inspector as a bundle: a folder, or one file where the path ends in `.bfz`.

        Raises:
            BundleError: If something that is not a bundle is at the path.
            WriteError: If the bundle cannot be written.
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
            "pixel_threshold": self.pixel_threshold,
            "mm_per_pixel": self.mm_per_pixel,
            "rules": None if self.rules is None else self.rules.as_dict(),
            "settings": dict(stored.settings),
        }
        splits = "".join(f"{split},{digest}\n" for digest, split in sorted(self.splits.items()))
        write_bundle(
            Path(path),
            manifest,
            {WEIGHTS: stored.arrays},
            {"reference": self.reference},
            {_SPLITS: splits.encode(), **network_files(stored)},
        )

    @classmethod
    def load(cls, path: str | Path) -> Inspector:
        """Read an inspector that `save` wrote.

        Raises:
            BundleError: If it is not a bundle, of an unknown schema or method, incomplete or changed.
        """
        bundle = read_bundle(Path(path))
        manifest = dict(bundle.manifest)
        load_method = loader(str(manifest["method"]))
        try:
            preprocessing = Preprocessing.from_dict(manifest["preprocessing"])
            calibration = dict(manifest["calibration"])
            point, pixel = manifest["operating_point"], manifest.get("pixel_threshold")
            classes, normal = tuple(manifest["classes"]), manifest["normal"]
            lines = bundle.file(_SPLITS).decode().splitlines()
            stored = stored_in(bundle, manifest["settings"])
            pixel = None if pixel is None else float(pixel)
            scale, rules = manifest.get("mm_per_pixel"), manifest.get("rules")
            scale = None if scale is None else float(scale)
            rules = None if rules is None else Rules.from_dict(rules)
        except (KeyError, TypeError, ValueError) as e:
            raise BundleError(
                f"{path}: the manifest has a missing or wrong value ({e}); copy or train the bundle again"
            ) from e
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
            pixel_threshold=pixel,
            mm_per_pixel=scale,
            rules=rules,
            sha256=str(manifest["sha256"]),
        )


_SPLITS = "splits.csv"


def load(path: str | Path) -> Inspector:
    """Read an inspector from its bundle; see `Inspector.load`."""
    return Inspector.load(path)
