"""The data set: its samples, its classes, and the class that counts as good."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from brightfield.data.mask_kinds import Mask, Outlines, ValuedMask, mask_file
from brightfield.data.normal_names import NORMAL_NAMES, sounds_normal
from brightfield.disk.storage import file_digest
from brightfield.errors import DataError

SPLITS = ("train", "calibration", "test")


@dataclass(frozen=True)
class Sample:
    """One image and what is known of it.

    Attributes:
        image: The image's name in the data set: a path relative to its root, with forward slashes.
        path: The image file.
        label: The class; None if unknown.
        mask: What marks the defective pixels: an image file of the same size, such a file whose values stand
            for types, or outlines; see `brightfield.data.masks`.
        group: The part in the picture; all pictures of one group stay in one split.
        split: `train`, `calibration` or `test`, if the data set defines splits itself.
        stratum: The stratum for stratified splits, if it is finer than the label.
        defect_probability: The annotator's probability of a defect in [0, 1], if there is one.
    """

    image: str
    path: Path
    label: str | None
    mask: Mask | None = None
    group: str | None = None
    split: str | None = None
    stratum: str | None = None
    defect_probability: float | None = None

    @property
    def mask_file(self) -> Path | None:
        """The file that the mask is read from; None without a mask."""
        return None if self.mask is None else mask_file(self.mask)


@dataclass(frozen=True)
class Dataset:
    """A named, ordered collection of samples.

    Attributes:
        name: The name that reports show.
        samples: The samples, sorted by `image`.
        classes: All classes, the normal class first if there is one, the others sorted.
        normal: The class that counts as good; None for a plain classification problem.
        licence: The licence of the images, if known.
        place: Where it was loaded from, a path or a name of the catalog; None for one made otherwise.
    """

    name: str
    samples: tuple[Sample, ...] = field(repr=False)
    classes: tuple[str, ...]
    normal: str | None
    licence: str | None = None
    place: str | Path | None = None

    def __len__(self) -> int:
        return len(self.samples)

    @property
    def labels(self) -> tuple[str | None, ...]:
        """The class of each sample."""
        return tuple(s.label for s in self.samples)

    @property
    def normal_index(self) -> int | None:
        """The position of the normal class among the classes; None without one."""
        return None if self.normal is None else self.classes.index(self.normal)

    def counts(self) -> dict[str, int]:
        """Return the number of samples of each class."""
        counted = Counter(self.labels)
        return {name: counted[name] for name in self.classes}

    def split(self, name: str) -> Dataset:
        """Return the samples of one split, keeping the classes of the whole."""
        return self.subset(s for s in self.samples if s.split == name)

    def subset(self, samples: Iterable[Sample]) -> Dataset:
        """Return a data set of these samples with the same classes."""
        return replace(self, samples=tuple(samples))

    def fingerprint(self) -> str:
        """Return the SHA-256 (64 hexadecimal digits) of every sample's fields, image file and mask file."""
        digest = hashlib.sha256()
        for s in self.samples:
            known = (s.image, s.label, s.split, s.group, s.stratum, s.defect_probability)
            digest.update("".join(f"{value}\0" for value in known).encode())
            digest.update(_content(s.path))
            digest.update(b"" if s.mask is None else _mask_content(s.mask))
        return digest.hexdigest()


def _content(path: Path) -> bytes:
    try:
        return file_digest(path).encode()
    except OSError as error:
        return str(error.strerror).encode()  # an unreadable file is reported when it is decoded


def _mask_content(mask: Mask) -> bytes:
    if isinstance(mask, Outlines):  # its file may hold other images' outlines too, which change nothing here
        return repr((mask.height, mask.width, mask.shapes)).encode()
    names = repr((mask.names, mask.colours)).encode() if isinstance(mask, ValuedMask) else b""
    return _content(mask_file(mask)) + names


def find_normal(classes: Sequence[str], named: str | None = None) -> str | None:
    """Return the class that counts as good: `named`, or the one whose name says so; None if none does.

    A class named exactly as one of `NORMAL_NAMES` takes precedence over longer names: see `sounds_normal`.

    Raises:
        DataError: If the data set has no class `named`, or several names could mean the good class.
    """
    if named is not None:
        if named not in classes:
            raise DataError(
                f"--normal {named!r} is not a class of this data set; its classes are: {', '.join(classes)}"
            )
        return named
    exact = [c for c in classes if c.lower() in NORMAL_NAMES]
    candidates = exact or [c for c in classes if sounds_normal(c)]
    if len(candidates) > 1:
        listed = ", ".join(candidates)
        raise DataError(
            f"several classes could be the good one: {listed}; name it with --normal, or rename the others"
        )
    return candidates[0] if candidates else None


def order_classes(labels: Iterable[str], normal: str | None) -> tuple[str, ...]:
    """Return the distinct labels, the normal class first, the rest sorted."""
    rest = sorted(set(labels) - {normal})
    return tuple(rest) if normal is None else (normal, *rest)


def check_calibration_classes(calibration: Dataset, mend: str) -> None:
    """Raise an error if no threshold can be chosen on a calibration split.

    Args:
        calibration: The calibration split.
        mend: The remedy that the message names.

    Raises:
        DataError: If the split lacks good or defective parts; without a normal class, if it has one class.
    """
    found = {s.label for s in calibration.samples}
    there = ", ".join(sorted(str(label) for label in found)) or "no images"
    if len(found) < 2 or (calibration.normal is not None and calibration.normal not in found):
        wanted = "two classes at least" if calibration.normal is None else "good and defective parts"
        raise DataError(f"the calibration split shows {there}; expected {wanted}: {mend}")
