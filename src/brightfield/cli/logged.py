"""The options of `inspect` that keep every verdict in a log, and the answers that come from there."""

from __future__ import annotations

import argparse
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from brightfield.cli.places import check_apart
from brightfield.cli.terminal import number as number_of
from brightfield.errors import ConfigError, DataError, ImageError, said_if_missing

if TYPE_CHECKING:
    from brightfield.inspector import Look
    from brightfield.monitor.log.records import Entry
    from brightfield.monitor.log.store import VerdictLog
    from brightfield.verdict import Verdict

PICTURE, STEM, NAME, PATH, NO_PART = "picture", "stem", "name", "path", "none"
_OF_PICTURE = "sha256:"
_DIGITS = 32
_SHOWN = 3
_NEEDS_LOG = ("lot", "station", "keep", "keep_days", "keep_mb", "keep_in", "parts", "part_from")


@dataclass(frozen=True)
class Ids:
    """What identifies a part; None for what is not known."""

    part: str | None
    lot: str | None
    station: str | None


def add_log_options(parser: argparse.ArgumentParser) -> None:
    """Add `--log` and what belongs to it."""
    group = parser.add_argument_group("keeping every verdict in a log")
    group.add_argument(
        "--log",
        metavar="FILE|URL",
        help="write every verdict to this log before it is printed: a file (SQLite), or postgresql://...",
    )
    group.add_argument("--lot", metavar="LOT", help="the lot that the parts belong to")
    group.add_argument("--station", metavar="NAME", help="the place that looks at them")
    group.add_argument(
        "--part-from",
        choices=(PICTURE, STEM, NAME, PATH, NO_PART),
        help="what tells parts apart, so that one that comes again gets its first answer: the content of its "
        "picture (default), its file name, with or without suffix, or its path; none: each is a new part",
    )
    group.add_argument(
        "--parts", metavar="CSV", type=Path, help="a table image,part[,lot][,station] instead of --part-from"
    )
    group.add_argument(
        "--keep",
        metavar="WHICH",
        help="which pictures to keep: all, rejects (default of a file), none, a share such as 0.05, or "
        "rejects+0.05",
    )
    group.add_argument(
        "--keep-days", metavar="DAYS", type=number_of, help="delete kept pictures after so many days"
    )
    group.add_argument(
        "--keep-mb", metavar="MB", type=number_of, help="keep so many megabytes, the newest pictures"
    )
    group.add_argument(
        "--keep-in",
        metavar="DIR",
        type=Path,
        help="the folder for pictures (default of a file: FILE.pictures)",
    )
    group.add_argument(
        "--power-safe",
        action="store_true",
        help="flush every verdict to the disk, so that it survives a power cut",
    )


class Answers:
    """A log that is asked before each answer is given."""

    def __init__(self, log: VerdictLog, known: dict[Path, Ids], common: Ids, part_from: str) -> None:
        self._log = log
        self._known = known
        self._common = common
        self._part_from = part_from

    def answer(self, image: Path, look: Look | ImageError) -> tuple[Look | ImageError, Entry | None]:
        """Write a verdict to the log, and return the look with the answer that stands, and its entry.

        An image that cannot be read has no entry.

        Raises:
            LogError: If the verdict cannot be written, so that it must not be given out.
            WriteError: Likewise, as the file system refuses.
        """
        if isinstance(look, ImageError):
            return look, None
        ids = self._known.get(image) or replace(self._common, part=self._part(image, look))
        # the bytes that were judged, as the camera may have written over the file since
        entry = self._log.record(
            look.verdict, part=ids.part, lot=ids.lot, station=ids.station, picture=look.content
        )
        return (first_answer(look, entry), entry) if entry.repeated else (look, entry)

    def _part(self, image: Path, look: Look) -> str | None:
        match self._part_from:
            case "picture":
                digest = look.verdict.image_sha256
                return None if digest is None else _OF_PICTURE + digest[:_DIGITS]
            case "none":
                return None
            case other:
                return named_part(image, other)


def check_log_options(args: argparse.Namespace) -> None:
    """Check the options of the log that need nothing else to be known.

    Raises:
        ConfigError: If one is given without `--log`, if two contradict each other, or if the log would be
            within the bundle.
    """
    if args.log is None:
        given = [name for name in _NEEDS_LOG if getattr(args, name) is not None]
        if given or args.power_safe:
            option = f"--{(given or ['power_safe'])[0].replace('_', '-')}"
            raise ConfigError(f"{option} belongs to a log; add --log FILE")
        return
    if args.parts is not None and args.part_from is not None:
        raise ConfigError("--parts and --part-from both say which part a picture shows; give one of them")
    places = [args.keep_in, None if "://" in args.log else Path(args.log)]
    for place in places:
        if place is not None:
            check_apart(place, bundles=(args.bundle,))


@contextmanager
def answers(args: argparse.Namespace, images: Sequence[Path]) -> Iterator[Answers | None]:
    """Yield the log that the command line names; None if it names none.

    Raises:
        ConfigError: If an option cannot be used.
        DataError: If the table of parts cannot be used, or two images have the name of one part.
        LogError: If the log cannot be opened.
    """
    if args.log is None:
        yield None
        return
    common = Ids(None, args.lot, args.station)
    known = {} if args.parts is None else read_parts(args.parts, images, common)
    part_from = args.part_from or PICTURE
    if part_from in (STEM, NAME):
        _check_names(images, part_from)
    with said_if_missing():
        from brightfield.monitor.log.keep import Keep
        from brightfield.monitor.log.store import VerdictLog
    keep = Keep(args.keep, args.keep_days, args.keep_mb, args.keep_in)
    with VerdictLog(args.log, keep=keep, power_safe=args.power_safe) as log:
        yield Answers(log, known, common, part_from)


def without_kept(images: Sequence[Path], args: argparse.Namespace) -> list[Path]:
    """Return the images but those that the log keeps, unless they were named themselves."""
    if args.log is None:
        return list(images)
    folder = args.keep_in or (None if "://" in args.log else Path(f"{args.log}.pictures"))
    if folder is None or any(_inside(named, folder) for named in args.images):
        return list(images)
    return [image for image in images if not _inside(image, folder)]


def named_part(image: Path, part_from: str) -> str:
    """Return the part's id that an image's path gives; bytes that are no text are escaped."""
    from brightfield.monitor.log.rows import storable

    if part_from == PATH:
        return storable(os.path.abspath(image))
    return storable(image.stem if part_from == STEM else image.name)


def read_parts(table: Path, images: Sequence[Path], common: Ids) -> dict[Path, Ids]:
    """Return the ids of each image, from a CSV table with paths relative to it.

    Args:
        table: The table, with the columns image, part and, where known, lot and station.
        images: The images to judge; all must be in it.
        common: The lot and the station of rows that name none.

    Raises:
        DataError: If the table cannot be read, lacks an image, or says that two images show one part.
    """
    from brightfield.data.manifest import read_csv

    ids: dict[str, Ids] = {}
    for number, row in enumerate(read_csv(table, ("image", "part"), ("lot", "station")), start=1):
        if not row.get("image") or not row.get("part"):
            raise DataError(f"{table}, row {number}: image or part is empty; give both, or remove the row")
        place = os.path.abspath(table.parent / row["image"].replace("\\", "/"))
        ids[place] = Ids(row["part"], row.get("lot") or common.lot, row.get("station") or common.station)
    missing = [image for image in images if os.path.abspath(image) not in ids]
    if missing:
        raise DataError(
            f"{table}: {len(missing)} of {len(images)} images have no row, first {_some(missing)}; paths in "
            f"the column image are relative to {table.parent}"
        )
    known = {image: ids[os.path.abspath(image)] for image in images}
    _check_once([(known[image], image) for image in images], str(table), "give each its own")
    return known


def first_answer(look: Look, entry: Entry) -> Look:
    """Return a look with the answer that a part got when it first came.

    Its maps stay where they are of the same picture.
    """
    from brightfield.verdict import Decision, Scale

    verdict = look.verdict.without_maps() if entry.other_picture else look.verdict
    first = replace(
        verdict,
        decision=None if entry.decision is None else Decision(entry.decision),
        label=entry.label,
        score=entry.score,
        probability=entry.probability,
        p_value=entry.p_value,
        probabilities=dict(entry.probabilities),
        threshold=entry.threshold,
        scale=None if entry.scale is None else Scale(entry.scale),
        rule=entry.rule,
        method=entry.method,
        milliseconds=entry.milliseconds,
    )
    return replace(look, verdict=first)


def by_another(verdict: Verdict, entry: Entry | None) -> bool:
    """Return whether an answer was given before by another inspector than the one that judges now."""
    return entry is not None and entry.repeated and entry.inspector_sha256 != verdict.inspector


def answered_before(verdict: Verdict, entry: Entry | None) -> str:
    """Return the words on an answer that was given before, and when; empty for a new one."""
    if entry is None or not entry.repeated:
        return ""
    who = " by another inspector" if by_another(verdict, entry) else ""
    return f"answered before{who}, {entry.time[:19].replace('T', ' ')} UTC"


def fields_of(entry: Entry, verdict: Verdict) -> dict[str, Any]:
    """Return what `inspect --json` says of an entry beside the verdict."""
    names = ("part", "lot", "station", "time", "repeated", "other_picture")
    own = {"entry": entry.id, **{name: getattr(entry, name) for name in names}}
    own["other_inspector"] = by_another(verdict, entry)
    return own if entry.defects is None else {**own, "defects": list(entry.defects)}


def _check_names(images: Sequence[Path], part_from: str) -> None:
    _check_once(
        [(Ids(named_part(image, part_from), None, None), image) for image in images],
        f"--part-from {part_from}",
        f"choose --part-from {PATH} or {PICTURE}",
    )


def _check_once(found: Sequence[tuple[Ids, Path]], where: str, mend: str) -> None:
    """Check that no two images show one part: the second would get the answer of the first."""
    counted = Counter(ids for ids, _ in found)
    shared = next((ids for ids, n in counted.items() if n > 1), None)
    if shared is not None:
        images = [image for ids, image in found if ids == shared]
        raise DataError(
            f"{where}: {len(images)} images show the part {shared.part!r} ({_some(images)}), and would all "
            f"get the answer of the first; {mend}"
        )


def _some(images: Sequence[Path]) -> str:
    return ", ".join(map(str, images[:_SHOWN])) + (", ..." if len(images) > _SHOWN else "")


def _inside(path: Path, folder: Path) -> bool:
    return Path(os.path.abspath(path)).is_relative_to(os.path.abspath(folder))
