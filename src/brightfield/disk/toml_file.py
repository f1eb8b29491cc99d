"""TOML files that the user writes: options, acceptance limits, rules."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from brightfield.errors import ConfigError


def read_toml(path: Path, option: str) -> dict[str, Any]:
    """Read a TOML file.

    Args:
        path: The file.
        option: The command-line option that names it, for error messages.

    Raises:
        ConfigError: If it cannot be read or is not TOML.
    """
    return parse_toml(read_text(path, option), path, option)


def read_text(path: Path, option: str) -> str:
    """Read a text file; the arguments are those of `read_toml`.

    Raises:
        ConfigError: If it cannot be read.
    """
    try:
        return path.read_text(encoding="utf-8")
    except OSError as e:
        raise ConfigError(f"{option} {path} cannot be read: {e.strerror or e}") from e
    except UnicodeDecodeError as e:
        raise ConfigError(f"{option} {path} cannot be read: {e}") from e


def parse_toml(text: str, path: Path, option: str) -> dict[str, Any]:
    """Return the values of a TOML document that was read from a file.

    Raises:
        ConfigError: If it is not TOML.
    """
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as e:
        raise ConfigError(f"{option} {path} is not TOML: {e}") from e
