"""A torch network as ONNX: traced, compared with torch, and refused where the two differ."""

from __future__ import annotations

import contextlib
import ctypes
import functools
import io
import os
import sys
import warnings
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from brightfield.engine.network import Network
from brightfield.engine.trunk import PICTURES, POOLED, SIZE
from brightfield.errors import WeightsError

TOLERANCE = 1e-3
"""Of the largest value of an output, by which ONNX Runtime may differ from torch."""

OPSET = 18


def export_trunk(net: nn.Module, side: int, seen: Sequence[int], *, any_size: bool) -> Network:
    """Return a trunk in ONNX Runtime, compared with torch at each size at which it is to see pictures.

    Args:
        net: From a batch (N, 3, H, W) to a tuple of outputs; it is put in evaluation mode.
        side: Of the pictures in pixels.
        seen: The sides to which the model makes them smaller or larger; the first is traced.
        any_size: Whether the model may see pictures at any size, not only at the first.

    Raises:
        WeightsError: If it cannot be exported, or gives other values once it is.
    """
    whole = _Resized(net).eval()
    probe = torch.randn(2, 3, side, side, generator=torch.Generator().manual_seed(0))
    sizes = [torch.tensor([s, s]) for s in seen]
    with torch.inference_mode(False), torch.no_grad():
        expected = [whole(probe, size) for size in sizes]
        try:
            with _same_padding(net), _nothing_printed():
                network = Network(_trace(whole, (probe[:1], sizes[0]), len(expected[0]), any_size))
            found = [
                network({PICTURES: probe.numpy(), SIZE: size.numpy()}, network.outputs) for size in sizes
            ]
        # whatever a tracer or a compiler trips over
        except Exception as error:
            raise WeightsError(
                f"this backbone cannot be run by ONNX Runtime ({type(error).__name__}: "
                f"{' '.join(str(error).split())[:200]}); choose another with --backbone"
            ) from error
    for old, new in (
        (o, n) for olds, news in zip(expected, found, strict=True) for o, n in zip(olds, news, strict=True)
    ):
        most = TOLERANCE * max(1e-6, float(old.abs().max()))
        if old.shape != new.shape or not torch.allclose(old, torch.from_numpy(new), rtol=0.0, atol=most):
            raise WeightsError(
                "this backbone gives other values in ONNX Runtime than in torch; choose another with "
                "--backbone"
            )
    return network


def _trace(net: nn.Module, example: tuple[Tensor, Tensor], outputs: int, any_size: bool) -> bytes:
    """Return a network as an ONNX model whose batch size is free, and its picture size where asked for."""
    file = io.BytesIO()
    free = {0: "batch", 2: "height", 3: "width"} if any_size else {0: "batch"}
    register: Any = torch.onnx.register_custom_op_symbolic  # type: ignore[attr-defined]
    register("aten::_upsample_bicubic2d_aa", _bicubic, OPSET)
    with warnings.catch_warnings():
        # the tracing exporter is the quick one: a second, where the newer one takes many
        warnings.simplefilter("ignore")
        torch.onnx.export(
            net,
            example,
            file,  # type: ignore[arg-type]
            input_names=[PICTURES, SIZE],
            output_names=[POOLED, *(f"map {i}" for i in range(outputs - 1))],
            dynamic_axes={PICTURES: free},
            opset_version=OPSET,
            dynamo=False,
        )
    return file.getvalue()


def _bicubic(graph: Any, x: Any, size: Any, *_rest: Any) -> Any:
    """Return the ONNX node of torch's bicubic resampling, by which transformers fit positions to a size."""
    return _resize_node(graph, x, size, mode_s="cubic", cubic_coeff_a_f=-0.5)


def _resize_node(graph: Any, x: Any, size: Any, **how: Any) -> Any:
    """Return an ONNX node that resamples (N, C, H, W) to a size (2,), antialiased as torch does it."""
    nothing = graph.op("Constant", value_t=torch.tensor([], dtype=torch.float32))
    ways = {"coordinate_transformation_mode_s": "half_pixel", "antialias_i": 1, "exclude_outside_i": 1}
    return graph.op("Resize", x, nothing, nothing, size, axes_i=[2, 3], **ways, **how)


class _Resized(nn.Module):
    """A network that sees pictures at a size that is given."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, x: Tensor, size: Tensor) -> tuple[Tensor, ...]:
        seen: tuple[Tensor, ...] = self.net(_Resize.apply(x, size))
        return seen


class _Resize(torch.autograd.Function):
    """Bilinear resampling, antialiased, to a size that is an input of the model: one node in ONNX."""

    @staticmethod
    def forward(_ctx: Any, x: Tensor, size: Tensor) -> Tensor:
        height, width = (int(side) for side in size)
        if (height, width) == x.shape[2:]:
            return x.clone()
        return nn.functional.interpolate(x, (height, width), mode="bilinear", antialias=True)

    @staticmethod
    def symbolic(graph: Any, x: Any, size: Any) -> Any:
        return _resize_node(graph, x, size, mode_s="linear")


@contextlib.contextmanager
def _same_padding(net: nn.Module) -> Iterator[None]:
    """Have timm's "same" convolutions traced as ONNX has them: padded for whatever size comes."""
    from timm.layers.conv2d_same import Conv2dSame

    def forward(conv: nn.Conv2d, x: Tensor) -> Tensor:
        out: Tensor = _SameConv.apply(x, conv.weight, conv.bias, conv.stride, conv.dilation, conv.groups)
        return out

    same = [m for m in net.modules() if isinstance(m, Conv2dSame)]
    for module in same:
        module.forward = functools.partial(forward, module)  # type: ignore[method-assign]
    try:
        yield
    finally:
        for module in same:
            del module.forward


@contextlib.contextmanager
def _nothing_printed() -> Iterator[None]:
    """Keep the standard output clean: where it fails, torch's exporter prints a whole graph there."""
    libc = ctypes.CDLL(None)
    try:
        sys.stdout.flush()
        kept = os.dup(1)
    except (AttributeError, OSError, ValueError):  # there is none, or it is closed
        yield
        return
    try:
        with open(os.devnull, "wb") as nowhere:
            os.dup2(nowhere.fileno(), 1)
        yield
    finally:
        libc.fflush(None)
        os.dup2(kept, 1)
        os.close(kept)


class _SameConv(torch.autograd.Function):
    """A convolution padded so that its output is the input divided by the stride: one node in ONNX."""

    @staticmethod
    def forward(
        _ctx: Any,
        x: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        stride: tuple[int, int],
        dilation: tuple[int, int],
        groups: int,
    ) -> Tensor:
        from timm.layers.padding import get_same_padding

        high, wide = (
            get_same_padding(int(x.shape[2 + i]), int(weight.shape[2 + i]), stride[i], dilation[i])
            for i in (0, 1)
        )
        padded = nn.functional.pad(x, (wide // 2, wide - wide // 2, high // 2, high - high // 2))
        return nn.functional.conv2d(padded, weight, bias, stride, 0, dilation, groups)

    @staticmethod
    def symbolic(
        graph: Any,
        x: Any,
        weight: Any,
        bias: Any,
        stride: tuple[int, int],
        dilation: tuple[int, int],
        groups: int,
    ) -> Any:
        inputs = [x, weight] if bias is None else [x, weight, bias]
        return graph.op(
            "Conv",
            *inputs,
            auto_pad_s="SAME_UPPER",
            strides_i=stride,
            dilations_i=dilation,
            group_i=groups,
        )
