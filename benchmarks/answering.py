"""A process that answers requests, one JSON document a line; of the standard library alone.

It is started by `Asked` in one environment and runs `answer` in another, so that both sides of a comparison
can be asked in turn, each in a process of its own.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

HERE = Path(__file__).resolve().parent


def answer(handlers: Mapping[str, Callable[..., dict[str, Any]]]) -> None:
    """Answer requests from standard input until it ends; what is printed meanwhile goes to standard error."""
    with os.fdopen(os.dup(1), "w") as answers:
        os.dup2(2, 1)
        for line in sys.stdin:
            request = json.loads(line)
            answers.write(json.dumps(handlers[request.pop("do")](**request)) + "\n")
            answers.flush()


def peak_memory() -> float:
    """Return the most memory that this process held so far in MiB; NaN where Linux does not say it."""
    status = Path("/proc/self/status")
    lines = status.read_text(encoding="utf-8").splitlines() if status.is_file() else []
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM")), float("nan"))


class Clocks:
    """The time since this was made."""

    def __init__(self) -> None:
        self._begin = time.perf_counter(), time.process_time()

    def passed(self) -> dict[str, float]:
        """Return the seconds, and the CPU-seconds of this process's threads."""
        wall, cpu = self._begin
        return {"seconds": time.perf_counter() - wall, "cpu_seconds": time.process_time() - cpu}


class Asked:
    """A process that runs a function which calls `answer`, for as long as the `with` block lasts."""

    def __init__(self, python: str, function: str, threads: int) -> None:
        """Start the process.

        Args:
            python: The interpreter.
            function: `module:name`, of a module in this folder.
            threads: The threads that it may compute with.
        """
        module, _, name = function.partition(":")
        source = os.pathsep.join([str(HERE), str(HERE.parent / "src")])
        env = {**os.environ, "OMP_NUM_THREADS": str(threads), "PYTHONPATH": source}
        command = [python, "-c", f"import {module}; {module}.{name}()"]
        self._process = subprocess.Popen(
            command, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def ask(self, do: str, **request: Any) -> dict[str, Any]:
        """Return the answer to a request.

        Raises:
            RuntimeError: If the process ended instead; it has said why on standard error.
        """
        if self._process.stdin is None or self._process.stdout is None:
            raise RuntimeError("the process has no pipes")
        self._process.stdin.write(json.dumps({"do": do, **request}) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"the process ended with {self._process.wait()} when asked to {do}")
        found: dict[str, Any] = json.loads(line)
        return found

    def __enter__(self) -> Asked:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _at: TracebackType | None
    ) -> None:
        if self._process.stdin is not None:
            self._process.stdin.close()
        self._process.wait()
