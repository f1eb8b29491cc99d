"""Does the log keep what was answered, how fast does it write, and how fast does it find?

Three measurements, on SQLite and on a PostgreSQL cluster that is made for them in a temporary folder:

- 8 processes write one log, and one after another is killed with SIGKILL, twenty times in all. Each starts
  again and asks for its last part once more. Then every answered verdict must be there, exactly once, under
  the number that was answered.
- Verdicts written per second by 1 and by 8 processes, each verdict a transaction of its own.
- The time to filter and to count a million entries.

    python benchmarks/verdict_log.py
    python benchmarks/verdict_log.py --only rows --rows 100000

PostgreSQL (Debian: postgresql) is left out with a word where it is not installed.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import text

from brightfield.monitor.log.records import Filter, Judged
from brightfield.monitor.log.store import VerdictLog
from killed_writers import Line, faults, write_and_kill
from postgres_cluster import binaries, cluster, new_database
from record import Row, append
from runs import begun, new_parser

NAME = "verdict_log"

PARTS = ("killed", "speed", "rows")

COLUMNS = (
    *("id", "key", "time", "day", "part", "lot", "station", "decision", "label", "score", "probability"),
    *("threshold", "scale", "milliseconds", "method", "image", "picture_sha256", "inspector_sha256"),
    *("brightness", "contrast", "sharpness", "height", "width", "probabilities", "embedding"),
)

DECISION = "CASE WHEN i % 50 = 0 THEN 'DEFECT' WHEN i % 37 = 0 THEN 'REVIEW' ELSE 'OK' END"
SHARE = "((i * 7919) % 1000003) / 1000003.0"
"""Spread evenly over [0, 1), in no order."""

SECONDS = "(1767225600 + i * 2592000 / {rows})"
"""Thirty days from the beginning of 2026 on."""


@dataclass(frozen=True)
class Dialect:
    """How a database writes what the generated entries are made of."""

    name: str
    numbers: str
    time: str
    digest: str
    blob: str


SQLITE = Dialect(
    "SQLite",
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {rows})",
    f"strftime('%Y-%m-%dT%H:%M:%S.000000+00:00', {SECONDS}, 'unixepoch')",
    "printf('%032x', (i * 2654435761) % 4294967296)",
    "randomblob(128)",
)
POSTGRESQL = Dialect(
    "PostgreSQL",
    "WITH n AS (SELECT i FROM generate_series(1, {rows}::bigint) AS i)",
    f"to_char(to_timestamp({SECONDS}) AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.000000+00:00')",
    "md5(i::text)",
    "decode(repeat(md5(i::text), 8), 'hex')",
)

SEARCHES: dict[str, Filter] = {
    "a day": Filter(since="2026-01-10", until="2026-01-10"),
    "a week of a station": Filter(since="2026-01-10", until="2026-01-16", station="S1"),
    "a part": Filter(part="P4711"),
    "a lot": Filter(lot="L17"),
    "rejected": Filter(decision="DEFECT"),
    "rejected of a station": Filter(decision="DEFECT", station="S2"),
    "a label": Filter(label="pit"),
    "an inspector": Filter(inspector="0a"),
    "a range of scores": Filter(score=(0.45, 0.55)),
    "a range of probabilities": Filter(probability=(0.45, 0.55)),
    "judged": Filter(judged=True),
    "rejected, not judged": Filter(decision="DEFECT", judged=False),
    "a station, a decision, scores": Filter(station="S2", decision="OK", score=(0.2, 0.8)),
    "everything": Filter(),
}

COUNTS: dict[str, tuple[str, ...]] = {
    "by decision": ("decision",),
    "by lot": ("lot",),
    "by day and decision": ("day", "decision"),
}


def generate(log: VerdictLog, dialect: Dialect, rows: int) -> None:
    """Fill a log with entries of thirty days, 200 lots and 4 stations, and 2,000 judgements."""
    time_, lot = dialect.time.format(rows=rows), f"'L' || (i * 200 / {rows + 1})"
    values = (
        *("i", dialect.digest, time_, f"substr({time_}, 1, 10)", "'P' || i", lot, "'S' || (i % 4)", DECISION),
        *("CASE WHEN i % 50 = 0 THEN 'pit' ELSE 'OK' END", SHARE, SHARE, "0.5", "'probability'", "12.5"),
        *("'classifier'", "'camera/' || i || '.png'", f"{dialect.digest} || {dialect.digest}"),
        *(f"CASE WHEN i % 3 = 0 THEN '0a' ELSE '0b' END || '{'c' * 62}'",),
        *("0.5", "0.1", "0.7", "480", "640", '\'{"OK": 0.9, "pit": 0.1}\'', dialect.blob),
    )
    chosen = dialect.numbers.format(rows=rows)
    insert = f"{chosen} INSERT INTO entries ({', '.join(COLUMNS)}) SELECT {', '.join(values)} FROM n"
    escaped = insert.replace(":", "\\:")  # no parameters
    log.database.write(lambda connection: connection.execute(text(escaped)))
    log.judge(Judged(i, "OK", "Ada", source="audit") for i in range(1, rows, max(1, rows // 2000)))
    log.database.write(lambda connection: connection.execute(text("ANALYZE")))


def searched(log: VerdictLog, repeats: int) -> Iterator[tuple[str, float, int]]:
    """Yield what was searched, the median seconds for the number and the last 20, and the number."""
    for name, asked in SEARCHES.items():

        def both(asked: Filter = asked) -> int:
            list(log.entries(asked, newest_first=True, most=20))
            return log.count(asked)

        yield name, *timed(both, repeats)
    for name, by in COUNTS.items():

        def counted(by: tuple[str, ...] = by) -> int:
            return len(log.counts(by))

        yield f"counted {name}", *timed(counted, repeats)


def timed(work: Callable[[], int], repeats: int) -> tuple[float, int]:
    """Return the median seconds that work takes, and what it returns."""
    times = []
    found = 0
    for _ in range(repeats):
        begin = time.perf_counter()
        found = work()
        times.append(time.perf_counter() - begin)
    return statistics.median(times), found


def of_rows(place: str, dialect: Dialect, args: argparse.Namespace) -> Iterator[Row]:
    """Measure how long filters and counts take on many entries."""
    data = f"{args.rows:,} entries"
    with VerdictLog(place) as log:
        begin = time.perf_counter()
        generate(log, dialect, args.rows)
        print(f"{dialect.name}: {data} made in {time.perf_counter() - begin:.0f} s")
        slowest = 0.0
        for name, seconds, found in searched(log, args.repeats):
            print(f"  {name}: {found:,} in {seconds * 1000:.1f} ms")
            slowest = max(slowest, seconds)
            yield Row(NAME, data, f"{dialect.name}, {name}", 0, "filtered", seconds, "s")
        yield Row(NAME, data, dialect.name, 0, "slowest filter", slowest, "s")


def of_killed(place: str, dialect: Dialect, args: argparse.Namespace) -> Iterator[Row]:
    """Have writers killed, and count what the log lacks or has too much."""
    lines = write_and_kill(place, writers=args.writers, kills=args.kills, each=args.each)
    variant = f"{dialect.name}, {args.writers} writers"
    counts = {
        "killed": sum(line.killed for line in lines),
        "answered": sum(len(line.answered) for line in lines),
        **faults(place, lines),
    }
    print(f"{variant}: {counts}")
    for metric, value in counts.items():
        yield Row(NAME, f"{args.kills} kills", variant, 0, metric, value, "count")


def of_speed(place: str, dialect: Dialect, args: argparse.Namespace) -> Iterator[Row]:
    """Measure how many verdicts are written a second; the place is free for logs with other names."""
    for writers in (1, args.writers):
        each = max(10, args.verdicts // writers)
        lines = [Line(f"{writers}w{i}", each) for i in range(writers)]
        for line in lines:
            line.start(place)
        for line in lines:
            line.listen(1)  # the time to start is not counted, nor are the verdicts until then
        begin = time.perf_counter()
        first = sum(len(line.answered) for line in lines)
        for line in lines:
            line.finish()
        rate = (writers * each - first) / (time.perf_counter() - begin)
        variant = f"{dialect.name}, {writers} writers"
        print(f"{variant}: {rate:.0f} verdicts a second")
        yield Row(NAME, f"{each} verdicts each", variant, 0, "written", rate, "1/s")


MEASURED = {"killed": of_killed, "speed": of_speed, "rows": of_rows}


def main() -> None:
    """Measure, print and record."""
    parser = new_parser(__doc__)
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--writers", type=int, default=8)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--each", type=int, default=100, help="verdicts of each writer that is killed")
    parser.add_argument("--verdicts", type=int, default=2000, help="verdicts that are timed")
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--repeats", type=int, default=3)
    with begun(parser, NAME) as (args, folder), ExitStack() as stack:
        if args.smoke:
            args.writers, args.kills, args.each, args.verdicts, args.rows, args.repeats = (
                2,
                2,
                20,
                40,
                2000,
                1,
            )
        where = binaries()
        url = None if where is None else stack.enter_context(cluster(where))
        if url is None:
            print("PostgreSQL is not installed; measured is SQLite alone")
        for part in args.only:
            measure = MEASURED[part]
            append(args.output, list(measure(str(Path(folder) / f"{part}.db"), SQLITE, args)))
            if url is not None:
                append(args.output, list(measure(new_database(url, part), POSTGRESQL, args)))


if __name__ == "__main__":
    main()
