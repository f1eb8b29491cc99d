"""What the units of each operation of an exported graph see, given what those before it see."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from torch import fx

from brightfield.arch.receptive import Span, join, shift, window

Spans = tuple[Span, Span]
"""Of the vertical and the horizontal axis."""

WHOLE = "whole"
"""Instead of spans: every unit sees the whole image."""

NOTHING = "nothing"
"""Instead of spans: no pixel reaches it, as weights and what is made of them."""

Seen = Spans | str | None
"""Spans, `WHOLE`, `NOTHING`, or None where the recurrences do not tell."""


def shape_of(node: Any) -> tuple[int, ...]:
    """Return the size of a node's output, the batch included."""
    return tuple(int(s) for s in node.meta["val"].shape)


def pair(value: Any) -> tuple[int, int]:
    """Return one number for both axes, or two, as two."""
    values = list(value) if isinstance(value, list | tuple) else [value]
    return (int(values[0]), int(values[-1]))


def argument(node: fx.Node, index: int, name: str, default: Any) -> Any:
    """Return an argument that may be given by place, by name or not at all."""
    return node.args[index] if len(node.args) > index else node.kwargs.get(name, default)


def _same(_node: fx.Node, before: Sequence[Seen]) -> Seen:
    """What works place by place sees what its inputs see, together."""
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
    """Tell nothing of an operation that is not known, except that who saw all still does."""
    return _told_whole(before)


def _whole(_node: fx.Node, before: Sequence[Seen]) -> Seen:
    """What reads every place of maps that are understood sees the whole image."""
    if not before:
        return NOTHING
    return None if any(b is None for b in before) else WHOLE


def _told_whole(before: Sequence[Seen]) -> Seen:
    """Tell nothing of a new order of the places, except that who saw all still does."""
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
    found = before[0]
    if not isinstance(found, tuple):
        return found
    y, x = (window(found[i], kernel[i], stride[i], padding[i], dilation[i]) for i in (0, 1))
    return y, x


def _adaptive(node: fx.Node, before: Sequence[Seen]) -> Seen:
    """An adaptive pool is a plain one where the sizes divide; to one place it sees the whole map."""
    given, made = shape_of(node.args[0])[2:], shape_of(node)[2:]
    if not isinstance(before[0], tuple):
        return before[0]
    if made == given:
        return before[0]
    if math.prod(made) == 1:
        return WHOLE
    if any(g % m for g, m in zip(given, made, strict=True)):
        return None
    step = (given[0] // made[0], given[1] // made[1])
    return _windowed(before, step, step, (0, 0), (1, 1))


def _pad(node: fx.Node, before: Sequence[Seen]) -> Seen:
    pads = [int(p) for p in node.args[1]] + [0, 0, 0, 0]  # type: ignore[union-attr, arg-type]
    found = before[0]
    if not isinstance(found, tuple):
        return found
    return shift(found[0], pads[2]), shift(found[1], pads[0])


def _reshape(node: fx.Node, before: Sequence[Seen]) -> Seen:
    """Reshaping keeps the places only where it keeps a map's height and width."""
    given, made = shape_of(node.all_input_nodes[0]), shape_of(node)
    if len(made) >= 4 and len(given) >= 4 and made[-2:] == given[-2:]:
        return _same(node, before)
    return _whole(node, before) if len(made) == 2 else _told_whole(before)


def _transpose(node: fx.Node, before: Sequence[Seen]) -> Seen:
    """Changing the order of other axes than the places' changes nothing; the reader minds (N, H, W, C)."""
    rank = len(shape_of(node))
    dims = node.args[1] if str(node.target).startswith("aten.permute") else None
    if rank == 4 and dims is not None and list(dims) in ([0, 2, 3, 1], [0, 3, 1, 2]):  # type: ignore[arg-type]
        return _same(node, before)
    axes: list[Any] = list(node.args[1:])
    if rank > 4 and dims is None and max(int(d) % rank for d in axes) < rank - 2:
        return _same(node, before)
    return _told_whole(before)


def _along_channels(node: fx.Node, before: Sequence[Seen]) -> Seen:
    """A linear layer, or a norm, over the last axis of (N, H, W, C) works place by place."""
    return _same(node, before) if len(shape_of(node.args[0])) == 4 else _whole(node, before)


def _reduce(node: fx.Node, before: Sequence[Seen]) -> Seen:
    """A mean or maximum over the channels keeps the places; one over the places sees them all."""
    given, made = shape_of(node.all_input_nodes[0]), shape_of(node)
    if len(given) == 4 and len(made) == 4 and made[2:] == given[2:]:
        return _same(node, before)
    return _whole(node, before)


SEVERAL = ("chunk", "split", "split_with_sizes", "unbind")
"""Operations that return several maps."""

_PLACE_BY_PLACE = [
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
SEES: dict[str, Callable[[fx.Node, Sequence[Seen]], Seen]] = {
    **dict.fromkeys(_PLACE_BY_PLACE, _same),
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
