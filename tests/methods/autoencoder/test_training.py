"""Training of the autoencoder: how long, and that an interrupted one ends alike."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from brightfield.data.preprocessing import Preprocessing
from brightfield.learn.runtime import pick_runtime
from brightfield.methods.autoencoder import training
from brightfield.methods.autoencoder.training import Data, train_autoencoder
from brightfield.progress import Progress, silent

RULE = Preprocessing(8, 32, True, 32, 0, (0.5, 0.5, 0.5), (1.0, 1.0, 1.0), square=True)


def striped(n: int, seed: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """Return pictures of stripes of random phase and brightness."""
    rng = np.random.default_rng(seed)
    waves = np.sin(np.arange(32) / 3 + rng.uniform(0, 6, (n, 1))) * rng.uniform(20, 60, (n, 1)) + 128
    return np.broadcast_to(waves[:, None, :, None], (n, 32, 32, 3)).astype(np.uint8)


def train(
    folder: Path, *, epochs: int | None = 3, budget: float = 60.0, progress: Progress = silent
) -> tuple[dict[str, torch.Tensor], list[dict[str, float]]]:
    data = Data(striped(40, 0), striped(6, 1), RULE, (3,))
    net, history = train_autoencoder(
        data, pick_runtime("cpu"), budget=budget, epochs=epochs, seed=4, folder=folder, progress=progress
    )
    return net.state_dict(), history


def test_the_first_steps_tell_the_epochs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(range(1000))
    monkeypatch.setattr(training.time, "perf_counter", lambda: float(next(clock)))
    told: list[tuple[str, int, int]] = []
    _, history = train(tmp_path, epochs=None, budget=20.0, progress=lambda *said: told.append(said))
    # three timed steps took 1 s: 60 steps fit into 20 s, in epochs of a tenth, as an epoch has 10 at least
    assert len(history) == 10
    assert told[-1] == ("train", 10, 10)


def test_it_learns_and_the_best_epoch_wins(tmp_path: Path) -> None:
    _, history = train(tmp_path, epochs=12)
    assert history[-1]["train_loss"] < 0.6 * history[0]["train_loss"]
    likeness = [row["validation_likeness"] for row in history]
    assert max(likeness) > likeness[0]


def test_an_interrupted_training_ends_alike(tmp_path: Path) -> None:
    def stopped(_stage: str, done: int, _total: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    whole, history = train(tmp_path / "a", epochs=4)
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path / "b", epochs=4, progress=stopped)
    resumed, again = train(tmp_path / "b", epochs=None, budget=1e-9)  # its course was chosen before
    assert again == history
    assert all(torch.equal(resumed[name], value) for name, value in whole.items())
