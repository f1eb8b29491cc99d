"""A normalising flow on patch vectors, in torch: its network, its training and its export."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from brightfield.engine.network import Network
from brightfield.learn.export import traced
from brightfield.methods.patches.detectors import DISTANCES, PATCHES, Flow
from brightfield.progress import Progress

FloatArray = npt.NDArray[np.float32]

STEPS = 6
BATCH = 16
PEAK_RATE = 2e-3
WARM_UP = 0.2
"""The share of the training in which the learning rate rises; then it falls to zero."""

STRETCH = 1.2
"""The largest factor of one step's scaling is e to this power, about 3.3."""


class Coupling(nn.Module):
    """One step: half of the channels, shuffled, is scaled and shifted by a function of the other half.

    Dinh et al., Density estimation using Real NVP, 2017, with soft limits of the scaling.
    """

    order: Tensor

    def __init__(self, width: int, kernel: int, order: Tensor) -> None:
        super().__init__()
        self.register_buffer("order", order)
        self.kept = width // 2
        changed = width - self.kept
        self.inner = nn.Sequential(
            nn.Conv2d(self.kept, width, kernel, padding=kernel // 2, padding_mode="replicate"),
            nn.ReLU(),
            nn.Conv2d(width, 2 * changed, 1),
        )
        last = self.inner[2]
        nn.init.zeros_(last.weight)  # type: ignore[arg-type]
        nn.init.zeros_(last.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the step's output (N, D, h, w) and the logarithm of its volume factor (N, h, w)."""
        x = x[:, self.order]
        kept, changed = x[:, : self.kept], x[:, self.kept :]
        scaling, shift = self.inner(kept).chunk(2, 1)
        scaling = STRETCH * (2 / torch.pi) * torch.atan(scaling)
        return torch.cat([kept, changed * scaling.exp() + shift], 1), scaling.sum(1)


class FlowNet(nn.Module):
    """Coupling steps with windows of 3 and of 1 cells in turn, as in FastFlow (Yu et al. 2021)."""

    def __init__(self, width: int, seed: int) -> None:
        super().__init__()
        draws = torch.Generator().manual_seed(seed)
        self.steps = nn.ModuleList(
            Coupling(width, 3 if i % 2 == 0 else 1, torch.randperm(width, generator=draws))
            for i in range(STEPS)
        )

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return what patches (N, D, h, w) become, and the logarithm of the volume factor (N, h, w)."""
        volume = torch.zeros(1)
        for step in self.steps:
            x, change = step(x)
            volume = volume + change
        return x, volume


class FlowDistance(nn.Module):
    """The root mean square over the channels of what a flow maps each patch to: (N, D, h, w) to (N, h, w)."""

    def __init__(self, flow: FlowNet) -> None:
        super().__init__()
        self.flow = flow

    def forward(self, x: Tensor) -> Tensor:
        """Return the distances."""
        mapped: Tensor = self.flow(x)[0]
        return mapped.square().mean(1).sqrt()


class FlowInTorch:
    """A flow as a detector that torch executes, to compare the exported one with."""

    def __init__(self, net: FlowDistance) -> None:
        self.net = net

    def distances(self, patches: FloatArray) -> FloatArray:
        """Return the distances, (N, h, w, D) to (N, h, w)."""
        with torch.inference_mode():
            return self.net(torch.from_numpy(patches).permute(0, 3, 1, 2)).numpy()  # type: ignore[no-any-return]


def train_flow(
    patches: npt.NDArray[np.float16],
    inside: npt.NDArray[np.bool_],
    *,
    epochs: int,
    seed: int,
    precision: torch.dtype,
    progress: Progress,
) -> tuple[FlowDistance, list[dict[str, float]]]:
    """Train a flow to map patches of good parts to a normal distribution; return it and its history.

    Args:
        patches: The patch vectors of T tiles, float16 (T, h, w, D).
        inside: Which of them count, bool (T, h, w).
        epochs: How often every tile is seen.
        seed: The seed of the weights, the order and the flips.
        precision: The number format of training under autocast.
        progress: Called after every epoch.
    """
    torch.manual_seed(seed)
    net = FlowNet(patches.shape[3], seed).to(memory_format=torch.channels_last)
    draws = torch.Generator().manual_seed(seed)
    optimiser = torch.optim.AdamW(net.parameters(), lr=PEAK_RATE, weight_decay=1e-5)
    batches = -(-len(patches) // BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, PEAK_RATE, total_steps=epochs * batches, pct_start=WARM_UP
    )
    history: list[dict[str, float]] = []
    for epoch in range(epochs):
        losses = []
        for rows in torch.split(torch.randperm(len(patches), generator=draws), BATCH):
            x = torch.from_numpy(patches[rows.numpy()]).float().permute(0, 3, 1, 2)  # (B, D, h, w)
            counted = torch.from_numpy(inside[rows.numpy()]).float()  # (B, h, w)
            flipped = [d for d in (2, 3) if torch.rand(1, generator=draws) < 0.5]
            x, counted = x.flip(flipped), counted.flip([d - 1 for d in flipped])
            loss = _loss(net, x.contiguous(memory_format=torch.channels_last), counted, precision)
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(net.parameters(), 1.0)
            optimiser.step()
            schedule.step()
            losses.append(loss.detach())
        history.append({"epoch": epoch + 1, "loss": float(torch.stack(losses).mean())})
        progress("flow", epoch + 1, epochs)
    return FlowDistance(net.eval()), history


def _loss(net: FlowNet, x: Tensor, counted: Tensor, precision: torch.dtype) -> Tensor:
    """Return the mean negative log-likelihood of the counted patches for each channel, without constants."""
    with torch.autocast("cpu", precision, enabled=precision != torch.float32):
        mapped, volume = net(x)
    surprise = 0.5 * mapped.float().square().sum(1) - volume.float()  # (B, h, w)
    loss: Tensor = (surprise * counted).sum() / counted.sum().clamp(min=1) / x.shape[1]
    return loss


def exported_flow(net: FlowDistance, width: int, grid: tuple[int, int]) -> Flow:
    """Return a trained flow as a detector that ONNX Runtime executes, for maps of any size."""
    example = torch.zeros(1, width, *grid)
    with torch.inference_mode(False), torch.no_grad():
        free = {0: "batch", 2: "height", 3: "width"}
        return Flow(Network(traced(net, (example,), [PATCHES], [DISTANCES], {PATCHES: free})))
