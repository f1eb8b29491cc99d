"""The receptive-field rule of each operation: its units' field from the fields of its inputs."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from torch import fx

from brightfield.arch.receptive import Span, join, shift, window

Spans = tuple[Span, Span]
"""The spans along the vertical and the horizontal axis."""

WHOLE = "whole"
"""In place of spans: every unit sees the whole image."""

NOTHING = "nothing"
"""In place of spans: the value does not depend on the image, like weights and functions of them."""

Seen = Spans | str | None
"""The receptive field of a node's units: spans, `WHOLE`, `NOTHING`, or None if it is unknown."""


def shape_of(node: Any) -> tuple[int, ...]:
    """Return the shape of a node's output, the batch included."""
    return tuple(int(s) for s in node.meta["val"].shape)


def pair(value: Any) -> tuple[int, int]:
    """Return a size as (vertical, horizontal), given one number for both axes or two."""
    values = list(value) if isinstance(value, list | tuple) else [value]
    return (int(values[0]), int(values[-1]))


def argument(node: fx.Node, index: int, name: str, default: Any) -> Any:
    """Return an argument of a node, given by position or by name, or the default."""
    return node.args[index] if len(node.args) > index else node.kwargs.get(name, default)


def _same(_node: fx.Node, before: Sequence[Seen]) -> Seen:
    """Return the field of an operation on each position alone: the union of its inputs' fields."""
    if not before:
        return NOTHING
    if any(b is None for b in before):
        return None
    if any(b == WHOLE for b in before):
        return WHOLE
    pairs = [b for b in before if isinstance(b, tuple)]
    joined = join(p[0] for p in pairs), join(p[1] for p in pairs)
    return None if joined[0] is None or joined[1] is None else (joined[0], joined[1])


def unknown(_node: fx.Node, before: Sequence[Seen]) -> Seen:
    """Return the field of an unknown operation: the whole image if its inputs see that, else unknown."""
    return _only_whole(before)


def _whole(_node: fx.Node, before: Sequence[Seen]) -> Seen:
    """Return the field of an operation that reads all positions: the whole image if its inputs are known."""
    if not before:
        return NOTHING
    return None if any(b is None for b in before) else WHOLE


def _only_whole(before: Sequence[Seen]) -> Seen:
    """Return the whole image if all inputs see that, else unknown, as for positions in another order."""
    return (WHOLE if all(b == WHOLE for b in before) else None) if before else NOTHING


def _kernel_of_conv(node: fx.Node) -> tuple[int, int]:
    shape = shape_of(node.args[1])
    return (shape[2], shape[3])


def _conv(node: fx.Node, before: Sequence[Seen]) -> Seen:
    kernel = _kernel_of_conv(node)
    dilation = pair(argument(node, 5, "dilation", 1))
    padding = argument(node, 4, "padding", 0)
    if padding == "same":
        pads = tuple((k - 1) * d // 2 for k, d in zip(kernel, dilation, strict=True))
    else:
        pads = (0, 0) if padding == "valid" else pair(padding)
    return _windowed(before, kernel, pair(argument(node, 3, "stride", 1)), (pads[0], pads[1]), dilation)


def _max_pool(node: fx.Node, before: Sequence[Seen]) -> Seen:
    kernel = pair(node.args[1])
    stride = pair(argument(node, 2, "stride", None) or kernel)
    padding, dilation = pair(argument(node, 3, "padding", 0)), pair(argument(node, 4, "dilation", 1))
    return _windowed(before, kernel, stride, padding, dilation)


def _average_pool(node: fx.Node, before: Sequence[Seen]) -> Seen:
    kernel = pair(node.args[1])
    stride = pair(argument(node, 2, "stride", None) or kernel)
    return _windowed(before, kernel, stride, pair(argument(node, 3, "padding", 0)), (1, 1))


def _windowed(
    before: Sequence[Seen],
    kernel: tuple[int, int],
    stride: tuple[int, int],
    padding: tuple[int, int],
    dilation: tuple[int, int],
) -> Seen:
    spans = before[0]
    if not isinstance(spans, tuple):
        return spans
    y, x = (window(spans[i], kernel[i], stride[i], padding[i], dilation[i]) for i in (0, 1))
    return y, x


def _adaptive(node: fx.Node, before: Sequence[Seen]) -> Seen:
    """Return the field of an adaptive pooling.

    A pooling to one position sees the whole image. If the input's size is a multiple of the output's, the
    field is that of plain pooling.
    """
    size_in, size_out = shape_of(node.args[0])[2:], shape_of(node)[2:]
    if not isinstance(before[0], tuple):
        return before[0]
    if size_out == size_in:
        return before[0]
    if math.prod(size_out) == 1:
        return WHOLE
    if any(i % o for i, o in zip(size_in, size_out, strict=True)):
        return None
    step = (size_in[0] // size_out[0], size_in[1] // size_out[1])
    return _windowed(before, step, step, (0, 0), (1, 1))


def _pad(node: fx.Node, before: Sequence[Seen]) -> Seen:
    # torch's order: left, right, top, bottom
    pads = [int(p) for p in node.args[1]] + [0, 0, 0, 0]  # type: ignore[union-attr, arg-type]
    spans = before[0]
    if not isinstance(spans, tuple):
        return spans
    return shift(spans[0], pads[2]), shift(spans[1], pads[0])


def _reshape(node: fx.Node, before: Sequence[Seen]) -> Seen:
    """Return the field of a reshaping, which keeps positions only if it keeps a map's height and width."""
    shape_in, shape_out = shape_of(node.all_input_nodes[0]), shape_of(node)
    if len(shape_out) >= 4 and len(shape_in) >= 4 and shape_out[-2:] == shape_in[-2:]:
        return _same(node, before)
    return _whole(node, before) if len(shape_out) == 2 else _only_whole(before)  # (N, C * H * W) reads all


def _transpose(node: fx.Node, before: Sequence[Seen]) -> Seen:
    """Return the field of a transposition, which changes nothing unless it moves the spatial axes.

    Between (N, C, H, W) and (N, H, W, C) the positions stay too; the caller keeps track of that order.
    """
    rank = len(shape_of(node))
    dims = node.args[1] if str(node.target).startswith("aten.permute") else None
    if rank == 4 and dims is not None and list(dims) in ([0, 2, 3, 1], [0, 3, 1, 2]):  # type: ignore[arg-type]
        return _same(node, before)
    axes: list[Any] = list(node.args[1:])
    if rank > 4 and dims is None and max(int(d) % rank for d in axes) < rank - 2:
        return _same(node, before)
    return _only_whole(before)


def _along_channels(node: fx.Node, before: Sequence[Seen]) -> Seen:
    """Return the field of a linear layer or norm over the last axis: on (N, H, W, C) it keeps positions."""
    return _same(node, before) if len(shape_of(node.args[0])) == 4 else _whole(node, before)


def _reduce(node: fx.Node, before: Sequence[Seen]) -> Seen:
    """Return the field of a mean or maximum, which keeps positions only if it is over the channels."""
    shape_in, shape_out = shape_of(node.all_input_nodes[0]), shape_of(node)
    if len(shape_in) == 4 and len(shape_out) == 4 and shape_out[2:] == shape_in[2:]:
        return _same(node, before)
    return _whole(node, before)


SEVERAL = ("chunk", "split", "split_with_sizes", "unbind")
"""The operations that return several maps."""

_POINTWISE = [
    "relu",
    "relu6",
    "hardtanh",
    "clamp",
    "silu",
    "gelu",
    "sigmoid",
    "tanh",
    "hardswish",
    "hardsigmoid",
    "elu",
    "leaky_relu",
    "prelu",
    "mish",
    "softplus",
    "add",
    "sub",
    "mul",
    "div",
    "neg",
    "abs",
    "exp",
    "sqrt",
    "rsqrt",
    "pow",
    "batch_norm",
    "dropout",
    "feature_dropout",
    "alpha_dropout",
    "cat",
    "clone",
    "contiguous",
    "to",
    "detach",
    "alias",
    "channel_shuffle",
    "chunk",
    "split",
    "split_with_sizes",
]
RULES: dict[str, Callable[[fx.Node, Sequence[Seen]], Seen]] = {
    **dict.fromkeys(_POINTWISE, _same),
    "conv2d": _conv,
    "max_pool2d": _max_pool,
    "avg_pool2d": _average_pool,
    "adaptive_avg_pool2d": _adaptive,
    "adaptive_max_pool2d": _adaptive,
    "pad": _pad,
    "constant_pad_nd": _pad,
    **dict.fromkeys(("view", "reshape", "flatten", "unflatten", "squeeze", "unsqueeze", "expand"), _reshape),
    **dict.fromkeys(("mean", "amax", "max", "sum"), _reduce),
    **dict.fromkeys(("transpose", "permute"), _transpose),
    **dict.fromkeys(("linear", "layer_norm"), _along_channels),
    **dict.fromkeys(("baddbmm", "matmul", "softmax", "scaled_dot_product_attention"), _whole),
    "<built-in function getitem>": _same,
}
