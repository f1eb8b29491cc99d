"""Several processes write one log of verdicts and are killed, again and again, with SIGKILL."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

WRITER = """
import sys
from brightfield.monitor.log.store import VerdictLog
from brightfield.verdict import Decision, Scale, Verdict

place, name, first, count = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
with VerdictLog(place) as log:
    for i in range(first, count):
        p = (i * 37 % 100) / 100
        decision = Decision.DEFECT if p >= 0.9 else Decision.OK
        verdict = Verdict(
            decision, "pit" if p >= 0.9 else "OK", p, 0.9, "classifier", 1.0,
            probability=p, scale=Scale.PROBABILITY, image=f"{name}/{i}.png",
        )
        entry = log.record(verdict, part=f"{name}-{i}", lot="A", station=name)
        print(i, entry.id, flush=True)
"""

SOURCE = Path(__file__).resolve().parents[1] / "src"


@dataclass
class Line:
    """One writer over all its lives.

    Attributes:
        name: The name of the writer, of which its parts have theirs.
        parts: How many parts it has.
        answered: The id of the entry that was answered for each of its parts.
        contradictions: Parts that were answered again, with another entry.
        killed: How many times a process of it was killed while it ran.
    """

    name: str
    parts: int
    answered: dict[int, int] = field(default_factory=dict)
    contradictions: list[int] = field(default_factory=list)
    killed: int = 0
    process: subprocess.Popen[str] | None = None

    def start(self, place: str) -> None:
        """Start a process that goes on with the last part that was answered, which it asks for again."""
        first = max(self.answered, default=0)
        words = [sys.executable, "-c", WRITER, place, self.name, str(first), str(self.parts)]
        env = {**os.environ, "PYTHONPATH": str(SOURCE), "OMP_NUM_THREADS": "1"}
        self.process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True, env=env)

    def listen(self, most: int | None = None) -> None:
        """Take in so many answers, or all until the process ends."""
        heard = 0
        stream = None if self.process is None else self.process.stdout
        while stream is not None and (most is None or heard < most) and (line := stream.readline()):
            if line.endswith("\n"):
                self._hear(*map(int, line.split()))
            heard += 1

    def kill(self) -> bool:
        """Kill the process where it is, take in what it had answered, and return whether it still ran."""
        if self.process is not None:
            self.process.send_signal(signal.SIGKILL)
        ran = self.finish() == -signal.SIGKILL
        self.killed += ran
        return ran

    def finish(self) -> int:
        """Take in the rest of the answers, and return the exit code."""
        if self.process is None:
            return 0
        with self.process as process:  # closes the pipe
            self.listen()
            return process.wait()

    def _hear(self, part: int, entry: int) -> None:
        if self.answered.setdefault(part, entry) != entry:
            self.contradictions.append(part)


def write_and_kill(place: str, *, writers: int, kills: int, each: int, seed: int = 0) -> list[Line]:
    """Have several processes write to one log, kill one after another, and start it again.

    Args:
        place: The path or URL of the log.
        writers: How many processes write at once.
        kills: How many times one of them is killed.
        each: How many parts each of them has, and as many more whenever it has done them before it is killed.
        seed: Of when they are killed.

    Raises:
        RuntimeError: If a process fails by itself.
    """
    chance = random.Random(seed)
    lines = [Line(f"w{i}", each) for i in range(writers)]
    for line in lines:
        line.start(place)
    for i in range(kills):
        line = lines[i % writers]
        line.listen(chance.randrange(1, max(2, each // 3)))
        while not line.kill():
            line.parts += each
            line.start(place)
            line.listen(1)
        line.start(place)
    codes = [line.finish() for line in lines]
    if any(codes):
        raise RuntimeError(f"writers ended with {codes}")
    return lines


def faults(place: str, lines: list[Line]) -> dict[str, int]:
    """Return how many answered verdicts the log lacks, or has more than once, or with another entry."""
    from brightfield.monitor.log.store import VerdictLog

    with VerdictLog(place, create=False) as log:
        found = list(log.entries())
    times = Counter((entry.station, entry.part) for entry in found)
    numbers = {(entry.station, entry.part): entry.id for entry in found}
    answered = {
        (line.name, f"{line.name}-{part}"): number for line in lines for part, number in line.answered.items()
    }
    other = sum(numbers.get(key) != number for key, number in answered.items() if key in times)
    return {
        "answered and lost": sum(key not in times for key in answered),
        "kept twice": sum(n > 1 for n in times.values()),
        "answered with another entry": other + sum(len(line.contradictions) for line in lines),
        "never answered": sum(line.parts for line in lines) - len(answered),
        "gaps in the numbers": (found[-1].id if found else 0) - len(found),
    }
