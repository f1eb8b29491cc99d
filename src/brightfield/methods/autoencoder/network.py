"""The autoencoder's network and its structural loss, in torch."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

WINDOW, DEVIATION = 11, 1.5
"""The side and the standard deviation, in pixels, of the Gaussian window of the structural similarity."""

MOMENTS = 5
"""The local means that the structural similarity is made of."""

K1, K2 = 0.01, 0.03
"""The constants of the structural similarity, for values in [0, 1]."""

NARROWEST = 8
"""The least side of the bottleneck in cells; the encoder halves the picture until it is reached or nearly."""

BOTTLENECK = 16
"""The channels of the bottleneck."""

WIDTHS = (16, 32, 64, 96, 128)
"""The channels after each halving; further ones keep the last."""

MIDDLE = 0.5
"""What normalisation subtracts: the network sees values in [-0.5, 0.5]."""


class Autoencoder(nn.Module):
    """Reconstructs pictures through a narrow bottleneck: (N, 3, side, side) to the same.

    Convolutions of stride 2 down, nearest enlargement and convolutions up (Odena et al., Deconvolution and
    checkerboard artifacts, 2016); nothing passes by the bottleneck.
    """

    def __init__(self, side: int) -> None:
        """Build the network with random weights for square pictures of `side` pixels."""
        super().__init__()
        sides = [side]
        while sides[-1] >= 2 * NARROWEST and len(sides) <= len(WIDTHS):
            sides.append(-(-sides[-1] // 2))
        widths = WIDTHS[: len(sides) - 1]
        channels = (3, *widths)
        self.down = nn.Sequential(
            *(_block(channels[i], channels[i + 1], stride=2) for i in range(len(widths))),
            nn.Conv2d(widths[-1], BOTTLENECK, 1),
        )
        self.sides = tuple(reversed(sides[:-1]))  # from the bottleneck's next larger one to the picture's
        up = (*reversed(widths), widths[0])
        self.widen = _block(BOTTLENECK, widths[-1], stride=1)
        self.up = nn.ModuleList(_block(up[i], up[i + 1], stride=1) for i in range(len(widths)))
        self.last = nn.Conv2d(widths[0], 3, 3, padding=1, padding_mode="replicate")

    def begin_with(self, colour: Tensor) -> None:
        """Let the untrained network give nearly one colour, normalised (3,), whatever it sees."""
        with torch.no_grad():
            self.last.weight.mul_(0.1)
            self.last.bias.copy_(colour)  # type: ignore[union-attr]

    def forward(self, x: Tensor) -> Tensor:
        """Return the reconstruction of a normalised batch."""
        x = self.widen(self.down(x))
        for side, block in zip(self.sides, self.up, strict=True):
            x = block(functional.interpolate(x, size=(side, side), mode="nearest"))
        out: Tensor = self.last(x)
        return out


def _block(before: int, after: int, *, stride: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(before, after, 3, stride=stride, padding=1, bias=False),
        nn.BatchNorm2d(after),
        nn.LeakyReLU(0.1),
    )


class Residual(nn.Module):
    """How unlike its reconstruction a picture is at each pixel, of values in [0, 1] around `MIDDLE`.

    The structural dissimilarity of brightness, (1 - SSIM) / 2 (Wang et al., Image quality assessment: from
    error visibility to structural similarity, 2004; as a loss: Bergmann et al., Improving unsupervised defect
    segmentation by applying structural similarity to autoencoders, 2019), and the mean absolute difference of
    the colours. Its mean is the loss that trains the network.
    """

    across: Tensor
    down: Tensor

    def __init__(self) -> None:
        super().__init__()
        offsets = torch.arange(WINDOW) - WINDOW // 2
        weights = torch.exp(-0.5 * (offsets / DEVIATION) ** 2)
        kernel = (weights / weights.sum()).expand(MOMENTS, 1, 1, WINDOW)  # as whole kernels, for the export
        self.register_buffer("across", kernel.contiguous())
        self.register_buffer("down", kernel.transpose(2, 3).contiguous())

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        """Return the residual (N, H, W), at least 0, of two normalised batches (N, 3, H, W) in float32."""
        structure = self.similarity(x.mean(1, keepdim=True), y.mean(1, keepdim=True))
        return (1 - structure).clamp(min=0) / 2 + (x - y).abs().mean(1)

    def similarity(self, x: Tensor, y: Tensor) -> Tensor:
        """Return the structural similarity (N, H, W), at most 1, of grey batches (N, 1, H, W) around 0.

        Pictures are mirrored at their border, which they must exceed by more than half a window.
        """
        # variances are differences of squares, which round the less the closer to 0 the values are
        means = self._blurred(torch.cat([x, y, x * x, y * y, x * y], 1))  # (N, 5, H, W)
        mean_x, mean_y, square_x, square_y, product = means.unbind(1)
        covariance = product - mean_x * mean_y
        variances = (square_x - mean_x * mean_x).clamp(min=0) + (square_y - mean_y * mean_y).clamp(min=0)
        light_x, light_y = mean_x + MIDDLE, mean_y + MIDDLE
        c1, c2 = K1**2, K2**2
        alike = (2 * light_x * light_y + c1) / (light_x * light_x + light_y * light_y + c1)
        structured = (2 * covariance + c2) / (variances + c2)
        return alike * structured

    def _blurred(self, x: Tensor) -> Tensor:
        """Return the weighted mean over the window around each pixel, (N, 5, H, W)."""
        half = WINDOW // 2
        x = functional.pad(x, (half, half, half, half), mode="reflect")
        x = functional.conv2d(x, self.across, groups=MOMENTS)
        return functional.conv2d(x, self.down, groups=MOMENTS)


class Judge(nn.Module):
    """The network as it is exported: the residual (N, side, side) of normalised tiles (N, 3, side, side)."""

    def __init__(self, net: Autoencoder) -> None:
        super().__init__()
        self.net, self.residual = net, Residual()

    def forward(self, x: Tensor) -> Tensor:
        """Return the residual of each tile."""
        out: Tensor = self.residual(x, self.net(x))
        return out
