"""The command line in this process, and what it said."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from brightfield.cli.main import main


@dataclass(frozen=True)
class Said:
    """Exit code, stdout and stderr of one command."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """The one JSON document on stdout."""
        return json.loads(self.out)


@pytest.fixture
def brightfield(capsys: pytest.CaptureFixture[str]) -> Callable[..., Said]:
    """Return a function that runs `brightfield` with these words."""

    def run(*words: object) -> Said:
        capsys.readouterr()
        code = main([str(word) for word in words])
        return Said(code, *capsys.readouterr())

    return run
