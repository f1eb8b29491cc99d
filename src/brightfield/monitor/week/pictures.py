"""The pictures of alarms and of the reference, small enough for a page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from brightfield.explain.overlay import as_png, shrink
from brightfield.monitor.drift.pictures import read_picture
from brightfield.monitor.log.store import VerdictLog
from brightfield.monitor.measurement import measured_in
from brightfield.monitor.week.whole import Week

SIDE = 144
"""The longer side of a picture in pixels."""

MOST = 12
"""So many alarms have pictures, the last ones."""


@dataclass(frozen=True)
class Shown:
    """Small pictures as PNG.

    Attributes:
        alarms: Those of the parts that show an alarm best, by the part at which it was noticed.
        reference: Those of the line while it was well.
    """

    alarms: Mapping[int, Sequence[bytes]] = field(default_factory=dict)
    reference: Sequence[bytes] = ()


def pictures_of(log: VerdictLog, week: Week) -> Shown:
    """Return the pictures of a week's alarms that are still there, and some of the reference."""
    bits = week.inspector.preprocessing.bits
    alarms = {}
    for one in week.alarms[-MOST:]:
        read = (read_picture(log.picture_of(log.entry(number)), bits) for number in one.entries)
        alarms[one.alarm.at] = _small([picture for picture in read if picture is not None])
    measured = measured_in(week.inspector.reference)
    return Shown(alarms, () if measured is None else _small(list(measured.thumbnails.values())))


def _small(pictures: Sequence[npt.NDArray[np.uint8]]) -> tuple[bytes, ...]:
    return tuple(as_png(shrink(picture, SIDE)) for picture in pictures)
