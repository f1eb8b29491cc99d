"""The folder of kept pictures: writing one, finding one, deleting those that are too old or too many."""

from __future__ import annotations

import contextlib
import re
import secrets
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import ColumnElement, Connection, exists, func, select, update

from brightfield.data.decode import IMAGE_SUFFIXES
from brightfield.disk.atomic import write_atomically
from brightfield.disk.room import writing
from brightfield.errors import ConfigError, ImageError, InputError
from brightfield.monitor.log.database import Database
from brightfield.monitor.log.keep import Keep
from brightfield.monitor.log.tables import entries, judgements, samples

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

_AT_ONCE = 200


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

    def store(self, content: bytes, row: dict[str, Any]) -> dict[str, Any]:
        """Write a picture if the policy keeps it, and return the columns of its row that say so.

        Args:
            content: The bytes of the picture's file.
            row: The columns of the entry.

        Raises:
            WriteError: If the file cannot be written.
            InputError: If the bytes are of no image format.
        """
        digest = str(row["picture_sha256"])
        if self.folder is None or not self._keep.keeps(row["decision"], digest):
            return {}
        file = f"{row['day']}/{digest[:16]}-{secrets.token_hex(4)}{_suffix(content, row['image'])}"
        write_atomically(self.folder / file, content)
        return {"picture": file, "picture_bytes": len(content)}

    def discard(self, file: str | None) -> None:
        """Delete a picture that was stored for an entry which is not kept."""
        path = self._path(file)
        if path is not None:
            path.unlink(missing_ok=True)

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
        if (room and stored) or age:
            self.prune()

    def prune(self) -> int:
        """Delete what the policy no longer keeps, and return how many pictures that were.

        Pictures that a person judged, that an audit drew, or that are spared, stay.

        Raises:
            WriteError: If a picture cannot be deleted.
        """
        deleted = 0
        if self.folder is None:  # what others keep elsewhere is theirs
            return deleted
        if self._keep.days is not None:
            before = (datetime.now(UTC) - timedelta(days=self._keep.days)).isoformat(timespec="microseconds")
            deleted += self._delete_while(entries.c.time < before, None)
            self._sweep(before[:10])
            self._looked = time.monotonic()
        if self._keep.megabytes is not None:
            deleted += self._delete_while(None, self._keep.megabytes * _MEGABYTE * (1 - _SPARE))
            self._since_pruned = 0.0
        return deleted

    def _delete_while(self, condition: ColumnElement[bool] | None, most: float | None) -> int:
        """Delete the oldest pictures that meet a condition, or as many as there are bytes too many."""
        deleted = 0
        while count := self._database.write(lambda c: self._delete_some(c, condition, most)):
            deleted += count
        return deleted

    def _delete_some(
        self, connection: Connection, condition: ColumnElement[bool] | None, most: float | None
    ) -> int:
        kept = entries.c.picture.is_not(None)
        surplus = float("inf")
        if most is not None:
            total = select(func.sum(entries.c.picture_bytes)).where(kept)
            surplus = float(connection.execute(total).scalar() or 0) - most
        oldest = select(entries.c.id, entries.c.picture, entries.c.picture_bytes).where(kept, *_unprotected())
        if condition is not None:
            oldest = oldest.where(condition)
        gone = []
        for number, file, size in connection.execute(oldest.order_by(entries.c.id).limit(_AT_ONCE)):
            if surplus <= 0:
                break
            self._unlink(self._path(file))
            gone.append(number)
            surplus -= size
        # the file first: killed in between, an entry names a file that is gone, and no file is forgotten
        if gone:
            forget = update(entries).where(entries.c.id.in_(gone))
            connection.execute(forget.values(picture=None, picture_bytes=None))
        return len(gone)

    def _path(self, file: str | None) -> Path | None:
        """Return the path of a picture; None for a name that is none of ours, such as one with `..`."""
        if file is None or self.folder is None or not _NAME.fullmatch(file):
            return None
        return self.folder / file

    def _unlink(self, path: Path | None) -> None:
        if path is not None:
            with writing(path):
                path.unlink(missing_ok=True)

    def _sweep(self, day: str) -> None:
        """Delete files of days before this one that no entry names: those of processes killed meanwhile."""
        for folder in self._days_before(day):
            with self._database.reading() as connection:
                named = set(
                    connection.execute(
                        select(entries.c.picture).where(
                            entries.c.picture.is_not(None), entries.c.picture.startswith(f"{folder.name}/")
                        )
                    ).scalars()
                )
            for path in folder.iterdir():
                if path.is_file() and f"{folder.name}/{path.name}" not in named:
                    self._unlink(path)
            with contextlib.suppress(OSError):  # pictures that stay are in it
                folder.rmdir()

    def _days_before(self, day: str) -> Iterator[Path]:
        if self.folder is None or not self.folder.is_dir():
            return
        for folder in sorted(self.folder.iterdir()):
            if folder.is_dir() and _DAY.fullmatch(folder.name) and folder.name < day:
                yield folder


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
