"""The fitted combined method: a classifier's log-odds and the evidence of unusual patches, added up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from brightfield.data.preprocessing import Preprocessing
from brightfield.data.tiling import at_peak
from brightfield.decide.heat import at_size
from brightfield.errors import said_if_unfit
from brightfield.methods.base import Judgement, Method, Picture, Stored
from brightfield.methods.classifier.fitted import load_classifier
from brightfield.methods.declared import plain
from brightfield.methods.patches.fitted import load_patch_method
from brightfield.verdict import HeatmapKind

CLASSIFIER, PATCHES = "classifier", "patches"
NAME = "combined"


@dataclass(frozen=True)
class Scale:
    """The score of an ordinary good part and the spread of good parts' scores.

    Attributes:
        middle: The median score of good parts that were not learned from.
        unit: Their spread, above 0.
    """

    middle: float
    unit: float

    def __call__(self, score: Any) -> Any:
        """Return a score, or an array of scores, in units of the spread above the middle."""
        return (score - self.middle) / self.unit


@dataclass(frozen=True)
class Half:
    """One of the two methods.

    Attributes:
        method: The fitted method.
        preprocessing: Its preprocessing, without a region of interest: pictures are cut to it before.
        scale: The scale of its scores.
        weight: Its share of the score, in [0, 1].
    """

    method: Method
    preprocessing: Preprocessing
    scale: Scale
    weight: float


class Combined:
    """A classifier and unusual patches, as `Method` has it."""

    name = NAME
    heatmap_kind = HeatmapKind.ATTRIBUTION
    types: tuple[str, ...] = ()

    def __init__(self, classifier: Half, patches: Half, *, normal: int, tells_types: bool) -> None:
        """Build the method of its halves.

        Args:
            classifier: The classifier.
            patches: The method on patches.
            normal: The index of the normal class.
            tells_types: Whether there were enough defects for logits, and so for probabilities.
        """
        self.classifier, self.patches = classifier, patches
        self.normal, self.tells_types = normal, tells_types

    @property
    def score_step(self) -> float:
        """The step of the patches' scores, as it counts in the sum."""
        return self.patches.method.score_step * self.patches.weight / self.patches.scale.unit

    def judge(self, pictures: Sequence[Picture], *, explain: bool) -> list[Judgement]:
        """Return the judgement of each picture of a batch, with a heatmap if `explain` is set.

        The heatmap is the evidence of unusual patches, divided by its maximum; without any, the classifier's.

        Args:
            pictures: Images in their own pixels, uint8 (h, w, 3) each.
            explain: Whether to compute heatmaps.
        """
        of_patches = _judged(self.patches, pictures, explain)
        # where no patch is unusual, the classifier says where it looked
        calm = explain and any(one.heat is None or one.heat.max() <= 0 for one in of_patches)
        of_classifier = _judged(self.classifier, pictures, calm)
        joined = (self._joined(a, b) for a, b in zip(of_classifier, of_patches, strict=True))
        return [_in_own_pixels(one, picture) for one, picture in zip(joined, pictures, strict=True)]

    def _joined(self, of_classifier: Judgement, of_patches: Judgement) -> Judgement:
        score = self.score(of_classifier.score, of_patches.score)
        logits = None
        if self.tells_types and of_classifier.logits is not None:
            logits = shifted(of_classifier.logits, self.normal, score - of_classifier.score)
        heat = of_patches.heat
        if heat is not None and heat.max() > 0:
            heat = np.asarray(heat / heat.max(), dtype=np.float32)
        elif heat is not None:
            heat = of_classifier.heat
        closest = of_patches.closest
        if closest is not None:
            closest = replace(
                closest, distance=closest.distance * self.patches.weight / self.patches.scale.unit
            )
        return Judgement(score, logits, heat, closest, embedding=_both(of_classifier, of_patches))

    def score(self, of_classifier: float, of_patches: float) -> float:
        """Return the weighted sum of both scores, each on its own scale."""
        a, b = self.classifier, self.patches
        return float(a.weight * a.scale(of_classifier) + b.weight * b.scale(of_patches))

    def stored(self) -> Stored:
        """Return the state from which `load_combined` builds the method."""
        networks: dict[str, bytes] = {}
        arrays: dict[str, npt.NDArray[Any]] = {}
        settings: dict[str, Any] = {"tells_types": self.tells_types}
        for name, half in ((CLASSIFIER, self.classifier), (PATCHES, self.patches)):
            stored = half.method.stored()
            networks |= {f"{name}-{key}": model for key, model in stored.networks.items()}
            arrays |= {f"{name}.{key}": array for key, array in stored.arrays.items()}
            settings[name] = {
                "method": half.method.name,
                "settings": dict(stored.settings),
                "preprocessing": half.preprocessing.as_dict(),
                "middle": half.scale.middle,
                "unit": half.scale.unit,
                "weight": half.weight,
            }
        return Stored(networks, arrays, plain(settings))


def _judged(half: Half, pictures: Sequence[Picture], explain: bool) -> list[Judgement]:
    return half.method.judge([half.preprocessing.shrunk(picture) for picture in pictures], explain=explain)


def _both(first: Judgement, second: Judgement) -> npt.NDArray[np.float32] | None:
    """Return the embeddings of both halves in one; None if a half has none."""
    if first.embedding is None or second.embedding is None:
        return None
    return np.concatenate([first.embedding, second.embedding])


def _in_own_pixels(judgement: Judgement, picture: Picture) -> Judgement:
    """Return a judgement whose heat and closest place are in the picture's own pixels."""
    closest, heat = judgement.closest, judgement.heat
    if heat is None:
        return judgement
    shape = (picture.shape[0], picture.shape[1])
    moved = None if closest is None else closest.moved(heat.shape, shape, (0, 0))
    return replace(judgement, heat=at_peak(at_size(heat, shape), float(heat.max())), closest=moved)


def shifted(logits: npt.NDArray[np.float64], normal: int, change: float) -> npt.NDArray[np.float64]:
    """Return logits (K,) whose log-odds of a defect are larger by `change`, the types' shares unchanged."""
    out = np.array(logits, dtype=np.float64)
    out[normal] -= change
    return out


def load_combined(
    stored: Stored, _preprocessing: Preprocessing, classes: Sequence[str], normal: str | None
) -> Combined:
    """Load the method from the state that `Combined.stored` returned.

    Raises:
        BundleError: If a half does not fit its settings, or ONNX Runtime cannot run a network.
    """
    with said_if_unfit():
        halves = [_half(name, stored, classes, normal) for name in (CLASSIFIER, PATCHES)]
        tells_types = bool(stored.settings["tells_types"])
        return Combined(*halves, normal=list(classes).index(str(normal)), tells_types=tells_types)


def _half(name: str, stored: Stored, classes: Sequence[str], normal: str | None) -> Half:
    values: Mapping[str, Any] = stored.settings[name]
    own = Stored(
        {k.removeprefix(f"{name}-"): v for k, v in stored.networks.items() if k.startswith(f"{name}-")},
        {k.removeprefix(f"{name}."): v for k, v in stored.arrays.items() if k.startswith(f"{name}.")},
        values["settings"],
    )
    preprocessing = Preprocessing.from_dict(dict(values["preprocessing"]))
    method: Method
    if name == CLASSIFIER:
        method = load_classifier(own, preprocessing, classes, normal)
    else:
        method = load_patch_method(str(values["method"]), own, preprocessing)
    scale = Scale(float(values["middle"]), float(values["unit"]))
    return Half(method, preprocessing, scale, float(values["weight"]))
