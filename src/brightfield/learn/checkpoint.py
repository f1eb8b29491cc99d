"""Checkpoints: an interrupted training resumes from one and ends with the same weights."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import torch

from brightfield.disk.atomic import write_atomically


def save_checkpoint(path: Path, state: dict[str, Any], rng: np.random.Generator) -> None:
    """Write a training's state and that of the random generators, atomically."""
    buffer = io.BytesIO()
    with_rng = {**state, "torch_rng": torch.get_rng_state(), "numpy_rng": _as_text(rng.bit_generator.state)}
    torch.save(with_rng, buffer)
    write_atomically(path, buffer.getvalue())


def load_checkpoint(path: Path, rng: np.random.Generator) -> dict[str, Any] | None:
    """Return the saved state and restore the random generators; None if there is no checkpoint."""
    if not path.exists():
        return None
    state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    torch.set_rng_state(state.pop("torch_rng"))
    rng.bit_generator.state = _from_text(state.pop("numpy_rng"))
    return state


def _as_text(state: Any) -> Any:
    """Return a generator's state with its integers as text, since they have more than 64 bits."""
    if isinstance(state, dict):
        return {k: _as_text(v) for k, v in state.items()}
    return f"int:{state}" if isinstance(state, int) else state


def _from_text(state: Any) -> Any:
    if isinstance(state, dict):
        return {k: _from_text(v) for k, v in state.items()}
    return int(state[4:]) if isinstance(state, str) and state.startswith("int:") else state
