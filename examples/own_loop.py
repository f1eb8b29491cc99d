"""Trains in a loop of one's own, and makes an inspector of the network.

The data set, its splits, decoded pictures, weights, the settings of a recipe, figures and the inspector are
Brightfield's; the network, its loss and the loop are yours:

    python examples/own_loop.py FOLDER    with a folder for each class, one of them called OK or good
    python examples/own_loop.py           synthetic parts, in seconds
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

import brightfield as bf
from brightfield.data.cache import build_cache
from brightfield.data.load import load
from brightfield.data.preprocessing import Preprocessing
from brightfield.data.split import split
from brightfield.data.synthetic import make_parts
from brightfield.engine.pixels import normalise
from brightfield.evaluation.metrics import auroc
from brightfield.learn.backbone import build_trunk
from brightfield.learn.recipes import FineTune
from brightfield.learn.weights import load_weights
from brightfield.pipeline.own_network import inspector_of

SIDE = 160


class Maps(nn.Module):
    """A pretrained backbone up to its last map: (N, 3, H, W) to (N, C, h, w)."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.backbone = build_trunk(name)
        self.spec = self.backbone.spec
        load_weights(self.backbone)

    def forward(self, x: Tensor) -> Tensor:
        """Return the last map of a normalised batch."""
        last: Tensor = self.backbone(x)[-1]
        return last


def synthetic(folder: Path) -> bf.Dataset:
    """Return good parts and parts with a pit."""
    return make_parts(folder, n_ok=60, n_defect=60, size=(160, 160), defect_px=30, kinds=("pit",))


def tensors(data: bf.Dataset, rule: Preprocessing, folder: Path) -> tuple[Tensor, Tensor]:
    """Return the pictures as the network sees them, float32 (N, 3, SIDE, SIDE), and their classes (N,)."""
    cache = build_cache([s.path for s in data.samples], rule=rule, folder=folder)
    squares = np.concatenate([rule.tiles(cache[i])[0] for i in range(len(cache))])
    labels = [data.classes.index(str(s.label)) for s in data.samples]
    return torch.from_numpy(np.ascontiguousarray(normalise(squares, rule))), torch.tensor(labels)


def learn(trunk: nn.Module, head: nn.Linear, x: Tensor, y: Tensor, how: FineTune) -> None:
    """Train in place, by the settings of a recipe."""
    optimiser = torch.optim.Adam([*trunk.parameters(), *head.parameters()], lr=how.learning_rate)
    for epoch in range(how.epochs):
        trunk.train()
        losses = []
        for rows in torch.randperm(len(x)).split(how.batch):
            loss = nn.functional.cross_entropy(head(trunk(x[rows]).mean((2, 3))), y[rows])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            losses.append(loss.item())
        print(f"epoch {epoch + 1}: loss {np.mean(losses):.3f}")
    trunk.eval()


def main(data: str | None, output: Path, epochs: int) -> None:
    """Train, test by hand and by the inspector, and save the inspector."""
    torch.manual_seed(0)
    with tempfile.TemporaryDirectory() as folder:
        parts = load(data) if data else synthetic(Path(folder) / "parts")
        dataset = split(parts, test=0.25, calibration=0.25, seed=0)
        trunk = Maps("tf_efficientnet_lite0")
        head = nn.Linear(trunk.spec.channels[-1], len(dataset.classes))
        rule = Preprocessing(8, SIDE, True, SIDE, 0, trunk.spec.mean, trunk.spec.std)
        x, y = tensors(dataset.split("train"), rule, Path(folder))
        learn(trunk, head, x, y, FineTune(epochs=epochs, batch=16))

        x, y = tensors(dataset.split("test"), rule, Path(folder))
        with torch.inference_mode():
            logits = head(trunk(x).mean((2, 3))).double()
        score = logits[:, 1:].logsumexp(1) - logits[:, 0]  # the normal class comes first
        print(f"AUROC by hand {auroc(y.numpy() != 0, score.numpy()):.4f}")

        inspector = inspector_of(trunk, head, dataset, rule, policy="f1")
        made = bf.evaluate(inspector, dataset, output / "report")
        print(f"AUROC of the inspector {made.metrics['auroc']:.4f}")
        inspector.save(output / "inspector")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", nargs="?")
    parser.add_argument("-o", "--output", type=Path, default=Path("own-loop-example"))
    parser.add_argument("--epochs", type=int, default=4)
    args = parser.parse_args()
    main(args.data, args.output, args.epochs)
