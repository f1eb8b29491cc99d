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
from brightfield.errors import WeightsError

TOLERANCE = 1e-3
"""Of the largest value of a map, by which ONNX Runtime may differ from torch."""

OPSET = 17


def export_network(net: nn.Module, shapes: Sequence[tuple[int, int, int]], *, any_size: bool) -> Network:
    """Return a network in ONNX Runtime, compared with torch on pictures of each shape (C, H, W).

    Args:
        net: It returns a tuple of maps; it is put in evaluation mode.
        shapes: The first is traced.
        any_size: Whether the network may see pictures of any height and width, not only of the first shape.

    Raises:
        WeightsError: If it cannot be exported, or gives other values once it is.
    """
    net.eval()
    draws = torch.Generator().manual_seed(0)
    probes = [torch.randn(2, *shape, generator=draws) for shape in shapes]
    with torch.inference_mode(False), torch.no_grad():
        expected = [net(probe) for probe in probes]
        try:
            with _same_padding(net), _resampled_weights(), _nothing_printed():
                model = _trace(net, probes[0][:1], any_size)
            network = Network(model)
            found = [network(probe.numpy()) for probe in probes]
        # whatever a tracer or a compiler trips over
        except Exception as error:
            raise WeightsError(
                f"this backbone cannot be run by ONNX Runtime ({type(error).__name__}: "
                f"{' '.join(str(error).split())[:200]}); choose another with --backbone"
            ) from error
    for olds, news in zip(expected, found, strict=True):
        for old, new in zip(olds, news, strict=True):
            most = TOLERANCE * max(1e-6, float(old.abs().max()))
            if old.shape != new.shape or not torch.allclose(old, torch.from_numpy(new), rtol=0.0, atol=most):
                raise WeightsError(
                    "this backbone gives other values in ONNX Runtime than in torch; choose another with "
                    "--backbone"
                )
    return network


def _trace(net: nn.Module, example: Tensor, any_size: bool) -> bytes:
    """Return a network as an ONNX model whose batch size is free, and its picture size where asked for."""
    file = io.BytesIO()
    free = {0: "batch", 2: "height", 3: "width"} if any_size else {0: "batch"}
    with warnings.catch_warnings():
        # the tracing exporter is the quick one: a second, where the newer one takes many
        warnings.simplefilter("ignore")
        torch.onnx.export(
            net,
            (example,),
            file,  # type: ignore[arg-type]
            input_names=["x"],
            dynamic_axes={"x": free},
            opset_version=OPSET,
            dynamo=False,
        )
    return file.getvalue()


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
def _resampled_weights() -> Iterator[None]:
    """Have weights that are resampled to a picture's size traced as the result, and not as the way to it.

    Transformers resample their positions antialiased, which ONNX lacks. A network that resamples its input
    so is still refused.
    """
    functional: Any = nn.functional
    tracer: Any = torch._C
    interpolate = functional.interpolate

    def untraced(x: Tensor, *args: Any, **more: Any) -> Any:
        state = tracer._get_tracing_state()
        if state is None or not more.get("antialias"):
            return interpolate(x, *args, **more)
        tracer._set_tracing_state(None)
        try:
            return interpolate(x, *args, **more).detach()
        finally:
            tracer._set_tracing_state(state)

    functional.interpolate = untraced
    try:
        yield
    finally:
        functional.interpolate = interpolate


@contextlib.contextmanager
def _nothing_printed() -> Iterator[None]:
    """Keep the standard output clean: where it fails, torch's exporter prints a whole graph there."""
    libc = ctypes.CDLL(None)
    try:
        sys.stdout.flush()
        kept = os.dup(1)
    except (OSError, ValueError):  # nobody reads it
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
