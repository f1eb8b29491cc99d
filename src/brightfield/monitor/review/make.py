"""Making the next page: choosing what it shows, writing that down, and writing the file."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from brightfield.data.dataset import Dataset
from brightfield.disk.atomic import write_atomically
from brightfield.errors import ConfigError, DataError, ImageError
from brightfield.inspector import Inspector
from brightfield.monitor.log.records import Filter, Sampled
from brightfield.monitor.log.store import VerdictLog
from brightfield.monitor.review.cases import cases_of, find_cases
from brightfield.monitor.review.choose import Choice, choose, in_random_order
from brightfield.monitor.review.known import with_good_called
from brightfield.monitor.review.meant import entries_meant, normal_of, types_of
from brightfield.monitor.review.page import Card, render
from brightfield.monitor.review.pages import add_page
from brightfield.monitor.review.pictures import heat_file, picture_file
from brightfield.monitor.review.records import RANDOM, Item, Pool
from brightfield.monitor.review.shares import SHARES, check_shares
from brightfield.progress import Progress, silent
from brightfield.verdict import Decision

MOST_PICTURES = 500
"""The most pictures of a page: a larger one would use up what can be drawn until it counts as lost."""

_ID_BYTES = 5


@dataclass(frozen=True)
class Asked:
    """What a page should show.

    Attributes:
        n: How many pictures, from 1 to `MOST_PICTURES`.
        shares: The share of each kind.
        known: Known pieces: a data set with good and defective ones; None for none.
        entries: Entries that are to be shown in any case.
        inspector: The inspector, for heatmaps and the names of classes; None to do without.
        seed: Of the draws; None for one that nobody knows.
        since: The time from which on parts are shown, as in `Filter`; None for all.
    """

    n: int = 30
    shares: Mapping[Pool, float] = field(default_factory=lambda: dict(SHARES))
    known: Dataset | None = None
    entries: tuple[int, ...] = ()
    inspector: Inspector | None = None
    seed: int | None = None
    since: str | None = None

    def __post_init__(self) -> None:
        if self.n < 1:
            raise ConfigError(f"a page of {self.n} pictures was asked for; expected 1 at least")
        if self.n > MOST_PICTURES:
            raise ConfigError(
                f"a page of {self.n} pictures was asked for; expected {MOST_PICTURES} at most, as what is "
                "on a page is not drawn again until it comes back: make a page for each person"
            )
        check_shares(self.shares)


@dataclass(frozen=True)
class Page:
    """A page that was written.

    Attributes:
        id: The page's id, which the file that comes back names.
        path: The HTML file.
        counts: How many pictures it shows of each kind.
        notes: What could not be had.
    """

    id: str
    path: Path
    counts: Mapping[str, int]
    notes: tuple[str, ...] = ()


def make_page(log: VerdictLog, folder: Path, asked: Asked, progress: Progress | None = None) -> Page:
    """Choose what people should look at, write it down in the log, and write the page.

    Args:
        log: The log.
        folder: Where the page is written, as `review-<id>.html`.
        asked: What it should show.
        progress: Called after every picture.

    Raises:
        DataError: If there is no picture to show.
        ConfigError: If the inspector takes no decisions, no known piece is good, or `since` is no time.
        LogError: If the log cannot be read or written.
        WriteError: If the page cannot be written.
    """
    meant = entries_meant(log, asked.inspector, asked.since)
    normal = normal_of(log, meant, asked.inspector, asked.known)
    if asked.known is not None:
        asked = replace(asked, known=with_good_called(asked.known, normal))
    types = types_of(log, meant, normal, asked.inspector, asked.known)
    rng = np.random.default_rng(asked.seed)
    choice = Choice(log, meant, find_cases(log.database), normal, rng, asked.known)
    items = choose(choice, asked.n, asked.shares, asked.entries)
    named = [(secrets.token_hex(_ID_BYTES), item) for item in items]
    cards, readable = _cards(log, named, asked, progress or silent)
    if not cards:
        raise DataError(_nothing_to_show(log, meant))
    page = secrets.token_hex(_ID_BYTES)
    _write_down(log, page, readable)
    path = folder / f"review-{page}.html"
    write_atomically(path, render(page, cards, normal=normal, types=types).encode())
    counts = {str(pool): n for pool in Pool if (n := sum(i.pool is pool for _, i in readable))}
    return Page(page, path, counts, tuple(_notes(readable, asked, choice)))


def _why_none_passed(choice: Choice) -> str | None:
    """Return why no part that passed could be drawn; None where one could."""
    if next(in_random_order(choice, Pool.PASSED), None) is not None:
        return None
    drawn = [c for c in cases_of(choice.cases, choice.asked) if c.drawn and c.passed]
    away = sum(c.waiting for c in drawn)
    waiting = f"; {away} of them are on pages whose files have not come back" if away else ""
    n = choice.log.count(replace(choice.asked, decision=str(Decision.OK)))
    if n == 0:
        return "no part has passed, so none is on the page"
    if len(drawn) == n:
        return f"all parts that passed were drawn already, so none is on the page{waiting}"
    keep = "log with `--keep all` or a share, such as `--keep rejects+0.05`"
    if drawn:
        return f"all {len(drawn)} parts that passed and have a picture were drawn already{waiting}: {keep}"
    return (
        "no part that passed is on the page, as no picture of one is kept, so nothing is learned of escapes: "
        f"{keep}"
    )


def _cards(
    log: VerdictLog, named: Sequence[tuple[str, Item]], asked: Asked, progress: Progress
) -> tuple[list[Card], list[tuple[str, Item]]]:
    """Return the pictures that can be read, as cards and as items."""
    bits = None if asked.inspector is None else asked.inspector.preprocessing.bits
    pieces = {} if asked.known is None else {s.image: s.path for s in asked.known.samples}
    cards, readable = [], []
    for done, (name, item) in enumerate(named, start=1):
        number = item.entry_id
        path = pieces.get(item.piece or "") if number is None else log.picture_of(log.entry(number))
        progress("pictures", done, len(named))
        if path is None:
            continue
        try:
            cards.append(Card(name, picture_file(path, bits), _heat(asked.inspector, path)))
        except ImageError:
            continue
        readable.append((name, item))
    return cards, readable


def _heat(inspector: Inspector | None, path: Path) -> bytes | None:
    if inspector is None:
        return None
    heatmap = inspector.look(path, explain=True).verdict.heatmap
    return None if heatmap is None else heat_file(heatmap)


def _write_down(log: VerdictLog, page: str, items: Sequence[tuple[str, Item]]) -> None:
    made = add_page(log.database, page, items)
    drawn = [
        Sampled(one.item.entry_id, str(one.item.pool), one.item.probability, one.at, page)
        for one in made
        if one.item.pool in RANDOM and one.item.entry_id is not None and one.item.probability is not None
    ]
    log.sample(drawn)
    log.spare(one.item.entry_id for one in made if one.item.entry_id is not None)


def _notes(items: Sequence[tuple[str, Item]], asked: Asked, choice: Choice) -> list[str]:
    notes = []
    if not any(item.pool is Pool.PASSED for _, item in items):
        why = _why_none_passed(choice)
        notes += [] if why is None else [why]
    if asked.known is None:
        notes.append(
            "no known pieces are on the page, so it stays unknown how often people are wrong: name a folder "
            "of them with --seeded"
        )
    if len(items) < asked.n:
        notes.append(
            f"{len(items)} pictures are on the page, and {asked.n} were asked for: there are no more"
        )
    return notes


def _nothing_to_show(log: VerdictLog, meant: Filter) -> str:
    n = log.count(meant)
    return (
        f"{log.shown} has {n} entries of this inspector, and none has a picture that is still to be looked "
        "at; log with `--keep all`, or keep a share such as `--keep rejects+0.05`"
    )
