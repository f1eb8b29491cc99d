"""Export of a torch network to ONNX, with a comparison of their outputs."""

from __future__ import annotations

import contextlib
import ctypes
import functools
import importlib
import io
import itertools
import os
import sys
import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy.typing as npt
import torch
from torch import Tensor, nn

from brightfield.engine.network import Network
from brightfield.engine.trunk import PICTURES, POOLED, SIZE, map_name
from brightfield.errors import MissingPackageError, WeightsError, said_if_missing

TOLERANCE = 1e-3
"""The largest difference between ONNX Runtime and torch, as a share of an output's largest value."""

OPSET = 18


def export_trunk(net: nn.Module, side: int, seen: Sequence[int], *, any_size: bool) -> Network:
    """Export a trunk to ONNX and compare it with torch at every size that it will be used at.

    Args:
        net: The trunk, from a batch (N, 3, H, W) to a tuple of outputs; it is put in evaluation mode.
        side: The side of the pictures in pixels.
        seen: The sides to which the model resizes the pictures; it is traced with the first.
        any_size: Whether the model takes pictures of any size, and not of `side` only.

    Raises:
        WeightsError: If the trunk cannot be exported, or its outputs differ.
    """
    whole = _Resized(net).eval()
    probe = torch.randn(2, 3, side, side, generator=torch.Generator().manual_seed(0))
    sizes = [torch.tensor([s, s]) for s in seen]
    with torch.inference_mode(False), torch.no_grad():
        expected = [whole(probe, size) for size in sizes]
        with _same_padding(net), _said_if_not_run():
            network = Network(_trace(whole, (probe[:1], sizes[0]), len(expected[0]), any_size))
            found = [
                network({PICTURES: probe.numpy(), SIZE: size.numpy()}, network.outputs) for size in sizes
            ]
    for of_torch, of_onnx in zip(itertools.chain(*expected), itertools.chain(*found), strict=True):
        _check_alike(of_torch, of_onnx)
    return network


def exported(
    net: nn.Module,
    shapes: Sequence[tuple[int, int]],
    names: tuple[str, str],
    free: Mapping[int, str],
) -> Network:
    """Export a network with one input and one output to ONNX, and compare it with torch at every shape.

    Args:
        net: The network, of normalised pictures (N, 3, H, W); it is put in evaluation mode.
        shapes: The (H, W) of pictures at which it is compared; it is traced with the first.
        names: The names of its input and its output.
        free: The names of the input's axes whose length may vary, by their numbers.

    Raises:
        WeightsError: If the network cannot be exported, or its outputs differ.
    """
    net.eval()
    draw = torch.Generator().manual_seed(0)
    probes = [torch.randn(2, 3, height, width, generator=draw) for height, width in shapes]
    with torch.inference_mode(False), torch.no_grad():
        expected = [net(probe) for probe in probes]
        with _same_padding(net), _said_if_not_run():
            network = Network(traced(net, (probes[0][:1],), names[:1], names[1:], {names[0]: free}))
            found = [network({names[0]: probe.numpy()}, network.outputs)[0] for probe in probes]
    for of_torch, of_onnx in zip(expected, found, strict=True):
        _check_alike(of_torch, of_onnx)
    return network


@contextlib.contextmanager
def _said_if_not_run() -> Iterator[None]:
    """Raise `WeightsError` where what is traced and run inside the block fails; nothing is printed."""
    try:
        with _nothing_printed():
            yield
    except (MemoryError, MissingPackageError):
        raise
    except Exception as error:  # a tracer or a compiler may raise anything
        raise WeightsError(
            f"this backbone cannot be run by ONNX Runtime ({type(error).__name__}: "
            f"{' '.join(str(error).split())[:200]}); choose another with --backbone"
        ) from error


def _check_alike(of_torch: Tensor, of_onnx: npt.NDArray[Any]) -> None:
    """Check that an output is the same in ONNX Runtime as in torch.

    Raises:
        WeightsError: If they differ.
    """
    most = TOLERANCE * max(1e-6, float(of_torch.abs().max()))
    if of_torch.shape != of_onnx.shape or not torch.allclose(
        of_torch, torch.from_numpy(of_onnx), rtol=0.0, atol=most
    ):
        raise WeightsError(
            "this backbone gives other values in ONNX Runtime than in torch; choose another with --backbone"
        )


def _trace(net: nn.Module, example: tuple[Tensor, Tensor], outputs: int, any_size: bool) -> bytes:
    """Return a network as an ONNX model of any batch size, and with `any_size` of any picture size."""
    free = {0: "batch", 2: "height", 3: "width"} if any_size else {0: "batch"}
    outputs_named = [POOLED, *(map_name(i) for i in range(outputs - 1))]
    return traced(net, example, [PICTURES, SIZE], outputs_named, {PICTURES: free})


def traced(
    net: nn.Module,
    example: tuple[Tensor, ...],
    inputs: Sequence[str],
    outputs: Sequence[str],
    free: Mapping[str, Mapping[int, str]],
) -> bytes:
    """Return a network as an ONNX model.

    Args:
        net: The network, in evaluation mode.
        example: An example of its inputs.
        inputs: The names of the inputs.
        outputs: The names of the outputs.
        free: The names of the axes of an input whose length may vary, by their numbers.
    """
    with said_if_missing():
        importlib.import_module("onnx")  # torch's exporter needs it
    register: Any = torch.onnx.register_custom_op_symbolic  # type: ignore[attr-defined]
    register("aten::_upsample_bicubic2d_aa", _bicubic, OPSET)
    file = io.BytesIO()
    with warnings.catch_warnings():
        # the tracing exporter takes a second, and the newer one many
        warnings.simplefilter("ignore")
        torch.onnx.export(
            net,
            example,
            file,  # type: ignore[arg-type]
            input_names=list(inputs),
            output_names=list(outputs),
            dynamic_axes=free,
            opset_version=OPSET,
            dynamo=False,
        )
    return file.getvalue()


def _bicubic(graph: Any, x: Any, size: Any, *_rest: Any) -> Any:
    """Return the ONNX node of torch's bicubic resizing, which transformers use on position embeddings."""
    return _resize_node(graph, x, size, mode_s="cubic", cubic_coeff_a_f=-0.5)


def _resize_node(graph: Any, x: Any, size: Any, **mode: Any) -> Any:
    """Return an ONNX node that resizes (N, C, H, W) to a size (h, w), antialiased as in torch."""
    nothing = graph.op("Constant", value_t=torch.tensor([], dtype=torch.float32))
    options = {"coordinate_transformation_mode_s": "half_pixel", "antialias_i": 1, "exclude_outside_i": 1}
    return graph.op("Resize", x, nothing, nothing, size, axes_i=[2, 3], **options, **mode)


class _Resized(nn.Module):
    """A network that resizes its pictures to a given size first."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, x: Tensor, size: Tensor) -> tuple[Tensor, ...]:
        seen: tuple[Tensor, ...] = self.net(_Resize.apply(x, size))
        return seen


class _Resize(torch.autograd.Function):
    """Antialiased bilinear resizing to a size that is an input of the model, exported as one node."""

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
    """Trace timm's "same" convolutions as ONNX's own inside the block, so that any input size works."""
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
    """Suppress standard output inside the block: on an error torch's exporter prints the whole graph."""
    libc = ctypes.CDLL(None)
    try:
        sys.stdout.flush()
        kept = os.dup(1)
    except (AttributeError, OSError, ValueError):  # no libc, or standard output is closed
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
    """A convolution with "same" padding, whose output size is the input's divided by the stride; one node."""

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
