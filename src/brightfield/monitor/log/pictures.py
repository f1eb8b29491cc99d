"""The folder of kept pictures: writing one, finding one, deleting those that are too old or too many."""

from __future__ import annotations

import contextlib
import functools
import logging
import re
import secrets
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import ColumnElement, Connection, exists, func, select, update

from brightfield.data.decode import IMAGE_SUFFIXES
from brightfield.disk.atomic import UNFINISHED, write_atomically
from brightfield.disk.room import writing
from brightfield.errors import ConfigError, ImageError, InputError, WriteError
from brightfield.monitor.log.database import Database
from brightfield.monitor.log.keep import Keep
from brightfield.monitor.log.owner import Owner, belongs, claim
from brightfield.monitor.log.tables import entries, identity, judgements, samples

_BEGINNINGS = {
    b"\x89PNG": ".png",
    b"\xff\xd8\xff": ".jpg",
    b"BM": ".bmp",
    b"II*\0": ".tif",
    b"MM\0*": ".tif",
    b"RIFF": ".webp",
}
_NAME = re.compile(r"\d{4}-\d{2}-\d{2}/[0-9a-f]{16}-[0-9a-f]{8}\.\w+")
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
_MEGABYTE = 1_000_000
_SPARE = 0.01
"""The share of the room that deleting makes free, so that it is not needed for every picture."""

_BETWEEN_LOOKS_SECONDS = 600.0
"""How often pictures are looked through for those that are too old."""

_MARGIN = timedelta(days=1)
"""How much longer a file without an entry is left: a program may be about to write the entry."""

_LONGEST_DAYS = 365_000
"""So long ago is before all pictures, and still a date."""

_AT_ONCE = 200

logger = logging.getLogger(__name__)


def content_of(picture: bytes | str | Path) -> bytes:
    """Return the bytes of a picture's file.

    Raises:
        ImageError: If the file cannot be read.
    """
    if isinstance(picture, bytes):
        return picture
    try:
        return Path(picture).read_bytes()
    except OSError as error:
        raise ImageError(
            f"{picture} cannot be read for the log ({error.strerror}); check the path"
        ) from error


@dataclass(frozen=True)
class _Page:
    """What became of some pictures: how many are deleted, the last entry looked at, and what was refused.

    `last` is None where there are no more to delete.
    """

    deleted: int
    last: int | None
    refused: tuple[WriteError, ...]


class Pictures:
    """The folder of a log's pictures, with the policy of what stays there."""

    def __init__(self, database: Database, keep: Keep) -> None:
        self.folder = keep.folder or database.place.pictures
        if self.folder is None and keep.pictures is not None and not keep.nothing:
            raise ConfigError(
                f"{database.place.shown} is a database, and pictures are kept in a folder; name one "
                "(--keep-in, in Python Keep(folder=...)), or keep none"
            )
        self._keep = keep
        self._database = database
        self._since_pruned: float = float("inf")  # bytes written; unknown at first
        self._looked: float | None = None
        self._identity: str | None = None
        self._claimed = False

    def store(self, content: bytes, row: dict[str, Any]) -> dict[str, Any]:
        """Write a picture if the policy keeps it, and return the columns of its row that say so.

        Args:
            content: The bytes of the picture's file.
            row: The columns of the entry.

        Raises:
            ConfigError: If the folder is another log's.
            WriteError: If the file cannot be written.
            InputError: If the bytes are of no image format.
        """
        digest = str(row["picture_sha256"])
        if self.folder is None or not self._keep.keeps(row["decision"], digest):
            return {}
        file = f"{row['day']}/{digest[:16]}-{secrets.token_hex(4)}{_suffix(content, row['image'])}"
        if not self._claimed:
            claim(self.folder, self._owner())
            self._claimed = True
        write_atomically(self.folder / file, content)
        return {"picture": file, "picture_bytes": len(content)}

    def discard(self, file: str | None) -> None:
        """Delete a picture that was stored for an entry which is not kept."""
        _not_deleted(self._path(file))  # where that fails, `prune` finds it

    def find(self, file: str | None) -> Path | None:
        """Return the path of a kept picture; None if there is none."""
        path = self._path(file)
        return path if path is not None and path.is_file() else None

    def prune_if_due(self, stored: int) -> None:
        """Delete what the policy no longer keeps, if so many new bytes, or time, make that likely."""
        keep = self._keep
        self._since_pruned += stored
        room = keep.megabytes is not None and self._since_pruned >= keep.megabytes * _MEGABYTE * _SPARE
        age = keep.days is not None and (
            self._looked is None or time.monotonic() - self._looked > _BETWEEN_LOOKS_SECONDS
        )
        if not ((room and stored) or age):
            return
        self._looked, self._since_pruned = time.monotonic(), 0.0  # also where it fails, lest each part tries
        try:
            self.prune()
        except (InputError, OSError) as error:  # the verdict is written; the line must not stop for this
            logger.warning("%s goes on, but old pictures stay: %s", self._database.place.shown, error)

    def prune(self) -> int:
        """Delete what the policy no longer keeps, and return how many pictures that were.

        Pictures that a person judged, that an audit drew, or that are spared, stay.

        Raises:
            ConfigError: If the folder is another log's.
            WriteError: If a picture cannot be deleted, after all others.
        """
        if self.folder is None:  # what others keep elsewhere is theirs
            return 0
        own = belongs(self.folder, self._owner())
        deleted, refused = 0, list[WriteError]()
        days, megabytes = self._keep.days, self._keep.megabytes
        if days is not None:
            limit = datetime.now(UTC) - timedelta(days=min(days, _LONGEST_DAYS))
            deleted += self._delete(entries.c.time < limit.isoformat(timespec="microseconds"), None, refused)
            if own:
                self._sweep(f"{limit - _MARGIN:%Y-%m-%d}", refused)
        if megabytes is not None:
            deleted += self._delete(None, megabytes * _MEGABYTE * (1 - _SPARE), refused)
        if refused:
            raise WriteError(f"{len(refused)} of the old pictures cannot be deleted, the first: {refused[0]}")
        return deleted

    def check_folder(self) -> None:
        """Check that no other log keeps its pictures in the folder.

        Raises:
            ConfigError: If one does.
            WriteError: If the folder's marker cannot be read.
        """
        if self.folder is not None:
            belongs(self.folder, self._owner())

    def _owner(self) -> Owner:
        if self._identity is None:
            self._identity = str(self._database.rows(select(identity.c.name))[0][0])
        return Owner(self._identity, self._database.place.shown)

    def _delete(
        self, condition: ColumnElement[bool] | None, most: float | None, refused: list[WriteError]
    ) -> int:
        """Delete the oldest pictures that meet a condition, or as many as there are bytes too many."""
        deleted, behind = 0, 0
        while True:
            page = self._database.write(functools.partial(self._delete_page, condition, most, behind))
            deleted += page.deleted
            refused += page.refused
            if page.last is None:
                return deleted
            behind = page.last

    def _delete_page(
        self, condition: ColumnElement[bool] | None, most: float | None, behind: int, connection: Connection
    ) -> _Page:
        kept = entries.c.picture.is_not(None)
        surplus = float("inf")
        if most is not None:
            total = select(func.sum(entries.c.picture_bytes)).where(kept)
            surplus = float(connection.execute(total).scalar() or 0) - most
        oldest = select(entries.c.id, entries.c.picture, entries.c.picture_bytes).where(kept, *_unprotected())
        if condition is not None:
            oldest = oldest.where(condition)
        found = oldest.where(entries.c.id > behind).order_by(entries.c.id).limit(_AT_ONCE)
        gone, refused, last = [], [], None
        for number, file, size in connection.execute(found).all():
            if surplus <= 0:
                last = None
                break
            last = number
            error = _not_deleted(self._path(file))
            if error is not None:  # one that cannot go must not save those behind it
                refused.append(error)
                continue
            gone.append(number)
            surplus -= size
        # the file first: killed in between, an entry names a file that is gone, and no file is forgotten
        if gone:
            forget = update(entries).where(entries.c.id.in_(gone))
            connection.execute(forget.values(picture=None, picture_bytes=None))
        return _Page(len(gone), last, tuple(refused))

    def _path(self, file: str | None) -> Path | None:
        """Return the path of a picture; None for a name that is none of ours, such as one with `..`."""
        if file is None or self.folder is None or not _NAME.fullmatch(file):
            return None
        return self.folder / file

    def _sweep(self, day: str, refused: list[WriteError]) -> None:
        """Delete pictures of days before this one that no entry names: those of processes killed meanwhile.

        What is not named as the log names its pictures is no picture of the log, and stays.
        """
        for folder in self._days_before(day):
            of_day = entries.c.picture.startswith(f"{folder.name}/")
            query = select(entries.c.picture).where(entries.c.picture.is_not(None), of_day)
            named = {row[0] for row in self._database.rows(query)}
            with contextlib.suppress(FileNotFoundError):  # another program was quicker
                ours = [path for path in folder.iterdir() if _is_ours(path)]
                left = (path for path in ours if f"{folder.name}/{path.name}" not in named)
                refused += [error for path in left if (error := _not_deleted(path))]
            with contextlib.suppress(OSError):  # files that stay are in it
                folder.rmdir()

    def _days_before(self, day: str) -> Iterator[Path]:
        if self.folder is None or not self.folder.is_dir():
            return
        for folder in sorted(self.folder.iterdir()):
            if folder.is_dir() and _DAY.fullmatch(folder.name) and folder.name < day:
                yield folder


def _is_ours(path: Path) -> bool:
    """Return whether a file is named as a log names a picture, whole or unfinished."""
    return bool(_NAME.fullmatch(f"{path.parent.name}/{path.name}") or UNFINISHED.fullmatch(path.name))


def _not_deleted(path: Path | None) -> WriteError | None:
    """Delete a picture, and return why that is not possible; None where it is gone."""
    if path is None:
        return None
    try:
        with writing(path):
            path.unlink(missing_ok=True)
    except WriteError as error:
        return error
    return None


def _unprotected() -> list[ColumnElement[bool]]:
    judged = exists().where(judgements.c.entry_id == entries.c.id)
    drawn = exists().where(samples.c.entry_id == entries.c.id)
    return [~entries.c.spared, ~judged, ~drawn]


def _suffix(content: bytes, name: str) -> str:
    own = Path(name).suffix.lower()
    if own in IMAGE_SUFFIXES:
        return own
    known = (suffix for start, suffix in _BEGINNINGS.items() if content.startswith(start))
    found = next(known, None)
    if found is None:
        raise InputError("the picture is no image file; expected the bytes of PNG, JPEG, TIFF, BMP or WebP")
    return found
