"""Known pieces: good and defective parts whose class is known, to be mixed in among others."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from brightfield.data.dataset import Dataset, order_classes
from brightfield.data.load import load
from brightfield.errors import ConfigError, DataError


def load_known(data: str | Path, normal: str | None) -> Dataset:
    """Return known pieces, with the good class named as the line names it, or found by its words.

    Args:
        data: What `brightfield.data.load` takes.
        normal: The line's class of good parts; None where it is not known.

    Raises:
        DataError: If the data set cannot be read, or several classes could be the good one.
    """
    if normal is not None:
        try:
            return load(data, normal=normal)
        except DataError:
            pass  # it calls them otherwise, or cannot be read, which is said below
    return load(data)


def with_good_called(known: Dataset, normal: str) -> Dataset:
    """Return known pieces whose good class is called as the line calls it.

    Raises:
        ConfigError: If no class of them counts as good.
    """
    good = {known.normal, normal} & set(known.classes)
    if not good:
        raise ConfigError(
            f"no class of {known.name} counts as good ({', '.join(known.classes)}); known pieces are good "
            f"and defective ones: call the folder of the good ones {normal!r}, as the log does"
        )
    samples = tuple(replace(s, label=normal) if s.label in good else s for s in known.samples)
    return replace(
        known, samples=samples, classes=order_classes(set(known.classes) - good, normal), normal=normal
    )
