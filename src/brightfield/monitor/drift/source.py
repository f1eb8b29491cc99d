"""What is watched: a folder of pictures, in the order of their names, or a log of verdicts."""

from __future__ import annotations

import logging
import time
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from brightfield.data.image_files import image_files
from brightfield.disk.storage import file_digest
from brightfield.errors import DataError, ImageError
from brightfield.inspector import Inspector
from brightfield.monitor.drift.reference import Reference, Seen, digest_of, reference_from, seen_in
from brightfield.monitor.measurement import in_natural_order
from brightfield.verdict import Decision

if TYPE_CHECKING:
    from brightfield.monitor.log.records import Entry
    from brightfield.monitor.log.store import VerdictLog

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Observed:
    """A part as it comes from what is watched.

    Attributes:
        image: The name of its picture.
        seen: What drift is told from; None where nothing is known of it.
        entry: Its number in the log; None without a log.
        without: Why nothing is known of it; empty where something is.
    """

    image: str
    seen: Seen | None
    entry: int | None = None
    without: str = ""


SETTLED_S = 1.0
"""A picture that was last written to so many seconds ago is complete."""

KEPT = ".pictures"
"""The ending of a folder in which a log keeps pictures."""


class Source(Protocol):
    """What is watched."""

    def new(self) -> Iterator[Observed]:
        """Yield the parts that have come since it was asked last, in their order."""

    def picture(self, part: Observed) -> Path | None:
        """Return where the picture of a part is; None where it is not kept."""


class FolderSource:
    """Pictures in a folder, which are judged when they are read; new ones may be added.

    A picture that is added must have a name behind those that were there, as names give the order.
    """

    def __init__(self, inspector: Inspector, folder: Path, *, growing: bool = False) -> None:
        """Begin before the first picture.

        Args:
            inspector: The inspector.
            folder: The folder.
            growing: Whether pictures may still be being written: those of the last second wait.
        """
        self.inspector, self.folder, self._growing = inspector, folder, growing
        self._known: set[Path] = set()
        self._changing: dict[Path, tuple[tuple[int, int], float]] = {}

    def new(self) -> Iterator[Observed]:
        """Judge and yield the pictures that were not there before."""
        images = ordered_images(self.folder, self._known)
        if self._growing:
            images = self._settled(images)
        self._known.update(images)
        looks = self.inspector.looks(((image, False) for image in images), measure=True)
        for image, look in zip(images, looks, strict=True):
            name = image.relative_to(self.folder).as_posix()
            if isinstance(look, ImageError):
                yield Observed(name, None, without=str(look))
            else:
                yield Observed(name, seen_in(look.verdict))

    def _settled(self, images: Sequence[Path]) -> list[Path]:
        """Return the pictures that are complete; the others wait for a later look.

        One from the future, as a camera with another clock writes it, is complete when it has stayed as it is
        from one look to another.
        """
        now, settled = time.time(), []
        waiting, self._changing = self._changing, {}
        for image in images:
            try:
                found = image.stat()
            except OSError:  # it was taken away, or is a link to nothing
                continue
            state = found.st_mtime_ns, found.st_size
            before, since = waiting.get(image, (None, now))
            since = since if before == state else now
            if found.st_mtime < now - SETTLED_S or (
                found.st_mtime > now and before == state and now - since >= SETTLED_S
            ):
                settled.append(image)
            else:
                self._changing[image] = state, since
        return settled

    def picture(self, part: Observed) -> Path | None:
        """Return the path of a picture."""
        return self.folder / part.image


class LogSource:
    """The verdicts in a log, in the order in which they were written."""

    def __init__(self, log: VerdictLog, sha256: str | None, last: int | None = None) -> None:
        """Begin before the first entry.

        Args:
            log: The log.
            sha256: The inspector whose verdicts are watched; None for all. Those of others, which measure by
                their own features, are counted and not compared.
            last: The last entry that is watched; None for all that come.
        """
        self.log, self.sha256, self._end = log, sha256, last
        self._last = 0

    def new(self) -> Iterator[Observed]:
        """Yield the entries that were written since."""
        for entry in self.log.after(self._last):
            if self._end is not None and entry.id > self._end:
                return
            self._last = entry.id
            yield self._observed(entry)

    def picture(self, part: Observed) -> Path | None:
        """Return where the picture of an entry is kept."""
        return None if part.entry is None else self.log.picture_of(self.log.entry(part.entry))

    def _observed(self, entry: Entry) -> Observed:
        other = self.sha256 is not None and entry.inspector_sha256 != self.sha256
        if other:
            return Observed(entry.image, None, entry.id, "another inspector judged it")
        if entry.measurement is None or entry.measurement.embedding is None:
            return Observed(entry.image, None, entry.id, "it was logged without a measurement")
        rejected = entry.decision == Decision.DEFECT
        return Observed(entry.image, Seen(entry.measurement, entry.label, rejected, entry.score), entry.id)


def ordered_images(folder: Path, known: Collection[Path] = ()) -> list[Path]:
    """Return the images below a folder in the order of their file names, with numbers by value.

    Pictures that a log in it keeps beside itself are left out.

    Args:
        folder: The folder.
        known: Images that are left out.
    """
    found = (image for image, _ in image_files(folder) if image not in known)
    images = [image for image in found if not _is_kept_by_log(image, folder)]
    places = in_natural_order([image.relative_to(folder).as_posix() for image in images])
    return [image for _, image in sorted(zip(places.tolist(), images, strict=True))]


def _is_kept_by_log(image: Path, folder: Path) -> bool:
    inside = image.relative_to(folder).parent.parts
    names = [i for i, name in enumerate(inside, start=1) if name.endswith(KEPT)]
    return any(folder.joinpath(*inside[:i]).with_suffix("").is_file() for i in names)


def judged_reference(inspector: Inspector, folder: Path) -> Reference:
    """Return a reference of a folder's pictures, in order; warns of those that trained the inspector.

    Raises:
        DataError: If there are too few.
        ImageError: If one cannot be read.
    """
    images = check_folder_of_images(folder)
    verdicts = list(inspector.inspect_many(images, measure=True))
    digests = [file_digest(image) for image in images]
    reference = reference_from(verdicts, inspector.normal, digest_of(digests))
    taught = sum(inspector.splits.get(digest) == "train" for digest in digests)
    if taught:
        log.warning(
            "%d of the %d pictures in %s trained the inspector, which scores those as more normal: "
            "scores and rejects of the line may look higher than they were; better give pictures that it has "
            "not seen",
            taught,
            len(images),
            folder,
        )
    return reference


def check_folder_of_images(folder: Path) -> Sequence[Path]:
    """Return the images below a folder, in order.

    Raises:
        DataError: If there are none.
    """
    images = ordered_images(folder)
    if not images:
        raise DataError(f"no images in {folder}; expected pictures of the line, in the order of their names")
    return images
