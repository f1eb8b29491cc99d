"""Several processes train the network that one would have trained."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import brightfield
from brightfield.errors import ConfigError
from brightfield.learn.processes import Processes, processes, take_device

TRAIN = """
import sys
from dataclasses import replace
import numpy as np, torch
torch.set_num_threads(1)
from brightfield.data.preprocessing import Preprocessing
from brightfield.learn.network import build_network
from brightfield.learn.runtime import pick_runtime
from brightfield.learn.small import NETWORKS, FastCNN, build_small_trunk, small_head
from brightfield.learn.processes import joined, processes
from brightfield.learn.recipes import SCRATCH_RECIPES
from brightfield.learn.scratch import ScratchData, train_from_scratch
from pathlib import Path

place, recipe, name = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
NETWORKS["tiny"] = replace(NETWORKS["fast_cnn"], body=lambda: FastCNN((8, 8, 8), convolutions=3))
# without norms nothing depends on how a batch is shared out
settings = replace(
    SCRATCH_RECIPES[recipe].how,
    epochs=2, batch=32, micro_batch=5, validation=0.0, whitening_epochs=1,
)
torch.manual_seed(0)
trunk = build_small_trunk(name, 32)
net = build_network(trunk, 2, small_head(name, trunk), pick_runtime("cpu", "float32"))
rng = np.random.default_rng(0)
images = torch.from_numpy(rng.integers(0, 255, (90, 32, 32, 3), dtype=np.uint8))
rule = Preprocessing(8, 32, True, 32, 0, (0.5, 0.5, 0.5), (0.25, 0.25, 0.25))
data = ScratchData(images, torch.arange(90) % 2, rule, np.arange(0))
with joined(processes()) as group:
    train_from_scratch(net, data, settings, seed=0, checkpoint=place / "state.pt", process_group=group)
torch.save(net.state_dict(), place / f"{group.world}-{group.rank}.pt")
"""


def launch(world: int, *words: object) -> subprocess.CompletedProcess[str]:
    """Run Python with these words in so many processes."""
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={world}"]
    python = command if world > 1 else [sys.executable]
    return subprocess.run(
        [*python, *(str(w) for w in words)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"},
    )


@pytest.mark.parametrize("recipe", ["fast", "tutorial"])
def test_two_processes_end_with_the_weights_of_one(tmp_path: Path, recipe: str) -> None:
    script = tmp_path / "train.py"
    script.write_text(textwrap.dedent(TRAIN))
    for world in (1, 2):
        place = tmp_path / str(world)
        place.mkdir()
        said = launch(world, script, place, recipe, "lenet5")
        assert said.returncode == 0, said.stderr[-2000:]
    one, first, second = (torch.load(p) for p in sorted(tmp_path.glob("*/*-*.pt")))
    for key, value in one.items():
        assert torch.equal(first[key], second[key])
        assert torch.allclose(value, first[key], atol=2e-3), key


def test_two_processes_stay_alike_when_the_whitening_bias_stops_learning(tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    script.write_text(textwrap.dedent(TRAIN))
    said = launch(2, script, tmp_path, "fast", "tiny")
    assert said.returncode == 0, said.stderr[-2000:]
    first, second = (torch.load(tmp_path / f"2-{rank}.pt") for rank in (0, 1))
    learned = [key for key in first if not key.endswith(("mean", "var", "batches_tracked"))]
    assert sum(key.endswith("whitening.bias") for key in learned) == 1
    assert all(torch.equal(first[key], second[key]) for key in learned)


TELL = """
import sys
from pathlib import Path
from brightfield.learn.processes import joined, processes

with joined(processes()) as group:
    told = group.broadcast_from_first(group.rank + 0.3)
(Path(sys.argv[1]) / f"{group.rank}.txt").write_text(repr(told))
"""


def test_the_figure_of_the_first_process_counts_in_all(tmp_path: Path) -> None:
    # each judges the held-out images by the statistics of its own norms, and may find another figure
    script = tmp_path / "tell.py"
    script.write_text(TELL)
    said = launch(2, script, tmp_path)
    assert said.returncode == 0, said.stderr[-2000:]
    assert [(tmp_path / f"{rank}.txt").read_text() for rank in (0, 1)] == ["0.3", "0.3"]
    assert Processes().broadcast_from_first(0.7) == 0.7


@pytest.mark.slow
def test_the_command_line_in_two_processes(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for name, colour in (("red", (90, 0, 0)), ("green", (0, 90, 0))):
        (tmp_path / "data" / name).mkdir(parents=True)
        for i in range(40):
            noise = rng.integers(0, 160, (32, 32, 3)) + np.array(colour)
            Image.fromarray(noise.astype(np.uint8)).save(tmp_path / "data" / name / f"{i}.png")
    words = ("-m", "brightfield", "train", tmp_path / "data", "-o", tmp_path / "bundle", "--json")
    said = launch(2, *words, "--backbone", "fast_cnn", "--report", tmp_path / "report")
    assert said.returncode == 0, said.stderr[-2000:]
    (line,) = said.stdout.strip().splitlines()
    assert json.loads(line)["metrics"]["accuracy"] > 0.8
    assert brightfield.load(tmp_path / "bundle").inspect(tmp_path / "data" / "red" / "0.png").label == "red"
    assert (tmp_path / "report" / "report.html").exists()
    assert not list(tmp_path.glob(".*"))


def test_what_torchrun_says(monkeypatch: pytest.MonkeyPatch) -> None:
    assert processes() == Processes(0, 1)
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setenv("WORLD_SIZE", "3")
    assert processes() == Processes(1, 3)
    assert not processes().first
    for rank in ("3", "x"):
        monkeypatch.setenv("RANK", rank)
        with pytest.raises(ConfigError, match="RANK"):
            processes()


def test_only_networks_from_scratch_are_shared(
    monkeypatch: pytest.MonkeyPatch, synthetic_parts: Path
) -> None:
    monkeypatch.setenv("RANK", "0")
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(ConfigError, match="2 processes were started"):
        brightfield.train(synthetic_parts, backbone="test_resnet", weights="none")


def test_each_process_has_a_gpu_of_its_own_before_a_network_goes_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken: list[int] = []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "set_device", taken.append)
    monkeypatch.setenv("LOCAL_RANK", "1")
    take_device(Processes(0, 1))
    assert taken == []
    take_device(Processes(1, 2))
    assert taken == [1]

    class PlacedError(Exception):
        pass

    def learn(*_: object) -> None:
        assert taken == [1, 1]
        raise PlacedError

    monkeypatch.setenv("RANK", "1")
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setattr("brightfield.pipeline.train._train", learn)
    for name in "ab":
        (tmp_path / name).mkdir()
        for i in range(4):
            Image.new("RGB", (32, 32), (60 * i, 0, 0)).save(tmp_path / name / f"{i}.png")
    with pytest.raises(PlacedError):
        brightfield.train(tmp_path, backbone="lenet5")
