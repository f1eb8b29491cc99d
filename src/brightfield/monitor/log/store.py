"""The log of verdicts: what was answered, when, by which inspector, and what people said of it."""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from sqlalchemy import Connection, bindparam, func, insert, select, update

from brightfield.disk.room import writing
from brightfield.errors import ConfigError, LogError
from brightfield.monitor.log import judging
from brightfield.monitor.log.database import Database
from brightfield.monitor.log.keep import Keep
from brightfield.monitor.log.pictures import Pictures, content_of
from brightfield.monitor.log.place import may_write, place_of
from brightfield.monitor.log.queries import conditions, counted
from brightfield.monitor.log.records import Entry, Event, Filter, Judged, Sampled
from brightfield.monitor.log.rows import entry_of, row_of
from brightfield.monitor.log.schema import bring_up_to_date
from brightfield.monitor.log.tables import entries
from brightfield.verdict import Verdict

_PAGE = 1000
_EVERYTHING = Filter()

# built once: building a statement takes longer than running it
_WITH_KEY = select(entries).where(entries.c.key == bindparam("key"))
_LAST = select(func.coalesce(func.max(entries.c.id), 0))
_INSERT = insert(entries)

logger = logging.getLogger(__name__)


class VerdictLog:
    """A log of verdicts in a file (SQLite) or in a PostgreSQL database.

    Several programs may write to one log at once, and each program from several threads. What is returned by
    a method that writes is in the log for good: killing the program afterwards does not undo it.
    """

    def __init__(
        self,
        place: str | Path,
        *,
        keep: Keep | None = None,
        power_safe: bool = False,
        create: bool = True,
    ) -> None:
        """Open a log; a new one is made, an older one is brought up to date.

        Args:
            place: The path of a file, or a URL: `postgresql://user@host/database`.
            keep: Which pictures are kept; those of parts that do not pass, if nothing else is said.
            power_safe: Whether each verdict of a file is flushed to the disk itself, so that a power cut
                costs none. Without it one may cost the last; a killed program never does.
            create: Whether to make a log where there is none. If not, a file that may only be read is opened
                to be read.

        Raises:
            ConfigError: If the place or the policy cannot be used, or pictures would be kept in the folder of
                another log.
            LogError: If the place holds something else, a log of a newer version, or none and `create` is
                not set.
            WriteError: If the file system refuses.
            MissingPackageError: If a package of the extra `log` or `postgres` is missing.
        """
        where = place_of(place)
        if where.path is not None:
            _check_file(where.path, create=create)
        writes = create or may_write(where)
        self._database = Database(where, power_safe=power_safe, writes=writes)
        self._pictures = Pictures(self._database, keep or Keep())
        try:
            bring_up_to_date(self._database, create=create)
            if keep is not None:
                self._pictures.check_folder()
        except BaseException:
            self.close()
            raise

    @property
    def shown(self) -> str:
        """The log's place for messages, without a password."""
        return self._database.place.shown

    @property
    def folder(self) -> Path | None:
        """The folder of kept pictures; None if the log has none."""
        return self._pictures.folder

    @property
    def database(self) -> Database:
        """The database, for what belongs to the log and is written elsewhere."""
        return self._database

    def record(
        self,
        verdict: Verdict,
        *,
        part: str | None = None,
        lot: str | None = None,
        station: str | None = None,
        picture: bytes | str | Path | None = None,
    ) -> Entry:
        """Write a verdict and return its entry, which is in the log for good by then.

        If the same part came before, in the same lot and at the same station, nothing is written, and the
        first answer is returned with `repeated` set; if it now comes with another picture, that is logged as
        a warning and said in `other_picture`.

        Where the verdict knows the SHA-256 of the file that was judged, and the picture is another by now,
        the entry is of the file that was judged, no picture is kept, and a warning says so.

        Args:
            verdict: The verdict.
            part: The part's number or name; without one every call makes a new entry.
            lot: The lot that it belongs to.
            station: The place that looked at it.
            picture: The bytes of the file that was judged, which are `content` of a look with a measurement,
                or its path, which is read again. It is kept if the policy says so.

        Raises:
            InputError: If an id is empty or too long, or the picture is of no image format.
            LogError: If the database fails.
            WriteError: If the file system refuses.
        """
        content = None if picture is None else content_of(picture)
        digest = None if content is None else hashlib.sha256(content).hexdigest()
        judged = verdict.image_sha256
        if judged is not None and digest != judged:
            if content is not None:
                logger.warning(
                    "%s: %s is not the picture that was judged, as if written over since; none is kept",
                    *(self.shown, verdict.image or "the picture"),
                )
            content, digest = None, judged
        row = row_of(verdict, part=part, lot=lot, station=station, digest=digest)
        if content is not None:
            earlier = None if part is None else self._earlier(row["key"])
            if earlier is not None:
                return self._again(earlier, digest)
            row |= self._pictures.store(content, row)
        try:
            entry = self._database.write(lambda connection: _insert(connection, row))
        except BaseException:
            self._pictures.discard(row["picture"])
            raise
        if (entry.time, entry.picture) != (row["time"], row["picture"]):  # another process was quicker
            self._pictures.discard(row["picture"])
            return self._again(entry, digest)
        self._pictures.prune_if_due(row["picture_bytes"] or 0)
        return entry

    def entry(self, number: int) -> Entry:
        """Return the entry with this `id`.

        Raises:
            LogError: If there is none.
        """
        rows = self._database.mappings(select(entries).where(entries.c.id == number))
        if not rows:
            raise LogError(f"{self.shown} has no entry {number}; `brightfield log` shows which there are")
        return entry_of(rows[0])

    def entries(
        self, asked: Filter = _EVERYTHING, *, newest_first: bool = False, most: int | None = None
    ) -> Iterator[Entry]:
        """Yield the entries that a filter means, of those that are there when the first is asked for.

        They are read a page at a time, so a long log takes no memory and holds up no writer.

        Args:
            asked: Which entries are meant.
            newest_first: Whether the last entry comes first.
            most: How many at the most; None for all.

        Raises:
            ConfigError: If the filter cannot be understood.
        """
        last = int(self._database.rows(_LAST)[0][0])
        bound = entries.c.id <= last
        order = entries.c.id.desc() if newest_first else entries.c.id
        while most is None or most > 0:
            size = _PAGE if most is None else min(_PAGE, most)
            page = select(entries).where(bound, *conditions(asked)).order_by(order).limit(size)
            rows = [entry_of(row) for row in self._database.mappings(page)]
            yield from rows
            if len(rows) < size:
                return
            most = None if most is None else most - size
            seen = rows[-1].id
            bound = entries.c.id < seen if newest_first else entries.c.id.between(seen + 1, last)

    def after(self, number: int) -> Iterator[Entry]:
        """Yield the entries behind this `id`: whoever asks again with the last one's misses none."""
        return self.entries(Filter(after=number))

    def count(self, asked: Filter = _EVERYTHING) -> int:
        """Return how many entries a filter means."""
        return sum(self.counts((), asked).values())

    def counts(
        self, by: Sequence[str] = ("decision",), asked: Filter = _EVERYTHING
    ) -> dict[tuple[str | None, ...], int]:
        """Return how many entries there are of each group that a filter means.

        Args:
            by: What tells groups apart: `decision`, `label`, `lot`, `station`, `inspector`, `day` (in UTC).
            asked: Which entries are meant.

        Raises:
            ConfigError: If the filter cannot be understood, or entries cannot be counted by that.
        """
        rows = self._database.rows(counted(asked, by))
        return {tuple(group): int(n) for *group, n in rows}

    def judge(self, judged: Iterable[Judged]) -> int:
        """Add judgements by people, all or none, and return how many are new.

        Raises:
            InputError: If one names no class or no person, or an entry that is not there.
        """
        return judging.add_judgements(self._database, judged)

    def judgements(self, asked: Filter | None = None, *, source: str | None = None) -> Iterator[Judged]:
        """Yield judgements in the order in which they came in: of the entries that a filter means, or all."""
        return judging.find_judgements(self._database, asked, source)

    def sample(self, drawn: Iterable[Sampled]) -> int:
        """Add what an audit drew, all or none, and return how many are new.

        Raises:
            InputError: If a probability is out of range, or an entry is not there.
        """
        return judging.add_samples(self._database, drawn)

    def sampling(self, asked: Filter | None = None, *, draw: str | None = None) -> Iterator[Sampled]:
        """Yield what audits drew, in the order of drawing: of the entries that a filter means, or all."""
        return judging.find_samples(self._database, asked, draw)

    def tell(self, event: Event) -> Event:
        """Add an event and return it with its number.

        Raises:
            InputError: If it names an entry that is not there.
        """
        return judging.add_event(self._database, event)

    def events(self, kind: str | None = None, *, after: int = 0) -> Iterator[Event]:
        """Yield events in the order in which they came in: of one kind or all, behind one number."""
        return judging.find_events(self._database, kind, after)

    def spare(self, numbers: Iterable[int]) -> None:
        """Keep the pictures of these entries for good, as those that a person judged or an audit drew are."""
        marked = [{"number": number} for number in numbers]
        spared = update(entries).where(entries.c.id == bindparam("number")).values(spared=True)
        if marked:
            self._database.write(lambda connection: connection.execute(spared, marked))

    def picture_of(self, entry: Entry) -> Path | None:
        """Return the path of an entry's picture: the kept one, or where it was if it still is the same.

        It is None where neither is there.
        """
        kept = self._pictures.find(entry.picture)
        if kept is not None or not entry.image or entry.picture_sha256 is None:
            return kept
        original = Path(entry.image)
        try:
            same = hashlib.sha256(original.read_bytes()).hexdigest() == entry.picture_sha256
        except (OSError, ValueError):
            return None
        return original if same else None

    def prune(self) -> int:
        """Delete the pictures that the policy no longer keeps, and return how many; `record` does so too.

        Those that a person judged, an audit drew or `spare` named stay.
        """
        return self._pictures.prune()

    def kept(self) -> tuple[int, int]:
        """Return how many pictures are kept, and how many bytes they take."""
        query = select(func.count(), func.sum(entries.c.picture_bytes)).where(entries.c.picture.is_not(None))
        ((count, size),) = self._database.rows(query)
        return int(count), int(size or 0)

    def close(self) -> None:
        """Close the connections to the database."""
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _earlier(self, key: str) -> Entry | None:
        return self._database.read(lambda connection: _with_key(connection, key))

    def _again(self, entry: Entry, digest: str | None) -> Entry:
        other = digest is not None and entry.picture_sha256 not in (None, digest)
        if other:
            logger.warning(
                "%s: part %s was judged before, at %s, from another picture; the first answer stands",
                *(self.shown, entry.part, entry.time),
            )
        return replace(entry, repeated=True, other_picture=other)


def _check_file(path: Path, *, create: bool) -> None:
    """Check that a log's file can be there, and make its folder.

    Raises:
        LogError: If there is none and none is to be made.
        ConfigError: If the path is a folder.
        WriteError: If the folder cannot be made.
    """
    if path.is_dir():
        raise ConfigError(f"{path} is a folder; expected a file for the log, such as {path / 'line.db'}")
    if path.exists():
        if not os.access(path, os.R_OK):
            raise LogError(f"{path} may not be read by you; ask for the right to")
        return
    if not create:
        raise LogError(f"{path} does not exist; expected a log of verdicts, as `inspect --log` writes it")
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)


def _with_key(connection: Connection, key: str) -> Entry | None:
    row = connection.execute(_WITH_KEY, {"key": key}).mappings().first()
    return None if row is None else entry_of(row)


def _insert(connection: Connection, row: dict[str, Any]) -> Entry:
    """Insert a row unless its key is there, and return the entry that is.

    The key may be this row's own: a server can commit and be gone before it says so.
    """
    earlier = _with_key(connection, row["key"])
    if earlier is not None:
        return earlier
    whole = {"id": int(connection.execute(_LAST).scalar_one()) + 1, **row}
    connection.execute(_INSERT, whole)
    return entry_of(whole)
