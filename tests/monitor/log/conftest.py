"""Logs in files, and in a PostgreSQL cluster of their own."""

from __future__ import annotations

import importlib.util
import itertools
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from brightfield.verdict import Decision, Scale, Verdict

BENCHMARKS = Path(__file__).parents[3] / "benchmarks"

_numbers = itertools.count()


def from_benchmarks(name: str) -> ModuleType:
    """Return a module of the benchmarks, which are no package."""
    spec = importlib.util.spec_from_file_location(name, BENCHMARKS / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # a dataclass looks itself up there
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def killed_writers() -> ModuleType:
    """The benchmark's module that has writers killed."""
    return from_benchmarks("killed_writers")


@pytest.fixture(scope="session")
def server() -> Iterator[Callable[[], str]]:
    """Return a function that makes a database in a PostgreSQL cluster and returns its URL."""
    postgres = from_benchmarks("postgres_cluster")
    where = postgres.binaries()
    if where is None:
        pytest.skip("PostgreSQL's server is not installed (Debian: postgresql)")
    with postgres.cluster(where, flushed=False) as url:
        yield lambda: postgres.new_database(url, f"log{next(_numbers)}")


@pytest.fixture(params=["sqlite", "postgresql"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The place of a log that is not there yet: a file, and a database."""
    if request.param == "sqlite":
        return str(tmp_path / "line.db")
    return str(request.getfixturevalue("server")())


@pytest.fixture
def verdict_of() -> Callable[..., Verdict]:
    """Return a function that makes a verdict with a probability, rejected from 0.5 on."""

    def make(probability: float = 0.75, **other: Any) -> Verdict:
        decision = Decision.DEFECT if probability >= 0.5 else Decision.OK
        values: dict[str, Any] = {
            "decision": decision,
            "label": "OK" if decision is Decision.OK else "pit",
            "score": probability * 10 - 5,
            "threshold": 0.5,
            "method": "classifier",
            "milliseconds": 3.5,
            "probability": probability,
            "probabilities": {"OK": 1 - probability, "pit": probability},
            "scale": Scale.PROBABILITY,
            "image": "parts/1.png",
        }
        return Verdict(**{**values, **other})

    return make
