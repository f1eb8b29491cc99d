"""Layer-by-layer analysis of an exported graph: sizes, parameters, multiply-adds, receptive fields."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, fx, nn

from brightfield.arch.receptive import Span
from brightfield.arch.receptive_rules import NOTHING, RULES, SEVERAL, Seen, argument, pair, shape_of, unknown


@dataclass(frozen=True)
class Layer:
    """One operation of a network.

    Attributes:
        name: The path of the module that runs the operation.
        kind: The kind of operation, such as `conv 3x3`.
        output: The shape of its output without the batch, (C, H, W) for a map.
        parameters: The number of its parameters; shared ones count in the first layer that uses them.
        multiply_adds: The multiply-adds for one image, without norms, activations and biases.
        seen: The receptive field of its units.
        node: The name of its node in the graph.
        channels_last: Whether its output is stored as (H, W, C) in the graph.
    """

    name: str
    kind: str
    output: tuple[int, ...]
    parameters: int
    multiply_adds: int
    seen: Seen
    node: str
    channels_last: bool = False

    @property
    def spatial(self) -> bool:
        """Whether the output is a map of more than one position."""
        return len(self.output) == 3 and self.output[1] * self.output[2] > 1

    @property
    def stride(self) -> int | None:
        """The vertical stride in input pixels; None if it is unknown."""
        return self.seen[0].step if isinstance(self.seen, tuple) else None


@dataclass(frozen=True)
class Architecture:
    """The analysis of a network.

    Attributes:
        name: The network's name.
        input: The shape of the input image, (C, H, W).
        layers: The layers, in the order of execution.
        variant: The variant, if it is not the usual network of this name.
    """

    name: str
    input: tuple[int, int, int]
    layers: tuple[Layer, ...]
    _graph: Any
    variant: str | None = None

    @property
    def title(self) -> str:
        """The name and the variant."""
        return self.name if self.variant is None else f"{self.name} {self.variant}"

    @property
    def parameters(self) -> int:
        """The parameters of all layers."""
        return sum(layer.parameters for layer in self.layers)

    @property
    def multiply_adds(self) -> int:
        """The multiply-adds of all layers for one image."""
        return sum(layer.multiply_adds for layer in self.layers)

    def stages(self) -> list[Layer]:
        """Return the last layer of each stride that outputs a map, shallow to deep."""
        last = {layer.stride: layer for layer in self.layers if layer.spatial and layer.stride is not None}
        return [last[s] for s in sorted(last)]

    def output_of(self, layer: Layer, x: Tensor) -> Tensor:
        """Return a layer's output for one image, (1, C, H, W); gradients flow to the image."""
        out: Tensor = self._graph.value(layer.node, x)
        return out.permute(0, 3, 1, 2) if layer.channels_last else out  # (1, H, W, C) -> (1, C, H, W)

    def gradient(self, layer: Layer, x: Tensor) -> Tensor:
        """Return the gradient of a layer's central unit with respect to the image, (C, H, W).

        The unit's channels are summed with unequal weights: after a norm over the channels their plain sum is
        constant.
        """
        leaf = x.detach().clone().requires_grad_(True)
        with torch.enable_grad():
            out = self.output_of(layer, leaf)
            centre = out[0, :, out.shape[2] // 2, out.shape[3] // 2]  # (channels,)
            weights = torch.linspace(0.5, 1.5, len(centre)) if len(centre) > 1 else torch.ones(1)
            return torch.autograd.grad((weights * centre).sum(), leaf)[0][0]

    def field(self, layer: Layer) -> tuple[tuple[int, int], tuple[int, int]] | None:
        """Return the receptive field of a layer's central unit, cut at the image's border; None if unknown.

        Returns:
            (first row, last row), (first column, last column).
        """
        if not layer.spatial or layer.seen is None:
            return None
        if isinstance(layer.seen, str):
            return (0, self.input[1] - 1), (0, self.input[2] - 1)
        bounds = []
        for span, places, pixels in zip(layer.seen, layer.output[1:], self.input[1:], strict=True):
            low, high = span.at(places // 2)
            bounds.append((max(low, 0), min(high, pixels - 1)))
        return bounds[0], bounds[1]


def analyse(net: nn.Module, shape: tuple[int, int, int], name: str = "network") -> Architecture:
    """Return the analysis of a network in evaluation mode, for images of a shape (C, H, W).

    Raises:
        RuntimeError: If torch cannot export the network, or the network does not take such images.
    """
    net.eval()
    example = torch.zeros(1, *shape)
    with torch.no_grad():
        net(example)  # the error of a failed run is clearer than that of a failed export
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.export.export(net, (example,), strict=False)
    reader = _Reader(program, shape)
    return Architecture(name, shape, tuple(reader.layers), _Graph(program))


class _Graph:
    """An exported program, executed up to any node."""

    def __init__(self, program: Any) -> None:
        self.module: fx.GraphModule = program.graph_module
        values = {**program.state_dict, **program.constants}
        # one entry for each placeholder; None for the image
        self.arguments = [values.get(s.target) for s in program.graph_signature.input_specs]

    def value(self, node: str, x: Tensor) -> Tensor:
        """Return the value of a node for one image."""
        values = iter(self.arguments)
        env: dict[fx.Node, Any] = {}
        interpreter = fx.Interpreter(self.module)
        for n in self.module.graph.nodes:
            if n.op == "placeholder":
                given = next(values)
                env[n] = x if given is None else given
            else:
                args, kwargs = fx.node.map_arg((n.args, n.kwargs), env.__getitem__)
                env[n] = getattr(interpreter, n.op)(n.target, args, kwargs)
            if n.name == node:
                return env[n]  # type: ignore[no-any-return]
        raise KeyError(node)


class _Reader:
    """Walks an exported graph once, and collects its layers and the receptive field of each node."""

    def __init__(self, program: Any, shape: tuple[int, int, int]) -> None:
        signature = program.graph_signature
        self.paths: dict[str, str] = dict(signature.inputs_to_parameters)
        self.counts = {name: int(p.numel()) for name, p in program.state_dict.items()}
        self.used: set[str] = set()
        self.seen: dict[fx.Node, Seen] = {}
        self.channels_last: set[fx.Node] = set()  # the nodes of maps that are stored as (N, H, W, C)
        self.layers: list[Layer] = []
        user = set(signature.user_inputs)
        for node in program.graph_module.graph.nodes:
            if node.op == "placeholder":
                self.seen[node] = (Span(), Span()) if node.name in user else None
            elif node.op == "call_function":
                self._call(node)

    def _call(self, node: fx.Node) -> None:
        op = str(node.target).split(".")[1] if str(node.target).startswith("aten.") else str(node.target)
        op = op.rstrip("_")
        maps = [n for n in node.all_input_nodes if n not in self._constants(node)]
        before = [self.seen.get(n) for n in maps]
        value = node.meta.get("val")
        has_maps = isinstance(value, Tensor) or op in SEVERAL
        self.seen[node] = RULES.get(op, unknown)(node, before) if has_maps else None
        channels_last = any(n in self.channels_last for n in maps)
        if op == "permute":
            channels_last = list(node.args[1]) == [0, 2, 3, 1]  # type: ignore[arg-type]
        if channels_last:
            self.channels_last.add(node)
        names = [self.paths[n.name] for n in node.all_input_nodes if n.name in self.paths]
        first_used = [n for n in dict.fromkeys(names) if n not in self.used]
        self.used.update(first_used)
        kind = _KINDS.get(op)
        trivial = op == "cat" and len(maps) < 2
        if not isinstance(value, Tensor) or (kind is None and not first_used) or trivial:
            return  # neither a known kind of layer nor one with parameters
        output = tuple(int(s) for s in value.shape[1:])
        channels_last = channels_last and len(output) == 3
        seen = self.seen[node]
        self.layers.append(
            Layer(
                name=_path(node),
                kind=kind(node) if kind else op.replace("_", " "),
                output=(output[2], output[0], output[1]) if channels_last else output,  # as (C, H, W)
                parameters=sum(self.counts[n] for n in first_used),
                multiply_adds=_multiply_adds(op, node),
                seen=None if seen == NOTHING else seen,
                node=node.name,
                channels_last=channels_last,
            )
        )

    def _constants(self, node: fx.Node) -> set[fx.Node]:
        """Return a node's inputs that do not depend on the image: weights, buffers and their functions."""
        return {
            n
            for n in node.all_input_nodes
            if (n.op == "placeholder" and self.seen[n] is None)
            or (n.op != "placeholder" and n in self.seen and self.seen[n] == NOTHING)
        }


def _path(node: fx.Node) -> str:
    """Return the path of the innermost module that runs a node."""
    stack = node.meta.get("nn_module_stack") or {}
    path = str(list(stack.values())[-1][0]) if stack else ""
    return path.removeprefix("L['self'].").strip(".")


def _conv_kind(node: fx.Node) -> str:
    weight = shape_of(node.args[1])
    size = "x".join(str(k) for k in weight[2:])
    groups = int(argument(node, 6, "groups", 1))
    depthwise = groups > 1 and groups == shape_of(node.args[0])[1]
    return f"{'depthwise ' if depthwise else 'grouped ' if groups > 1 else ''}conv {size}"


def _pool_kind(word: str) -> Callable[[fx.Node], str]:
    return lambda node: f"{word} pool {'x'.join(str(k) for k in pair(node.args[1]))}"


_KINDS: dict[str, Callable[[fx.Node], str]] = {
    "conv2d": _conv_kind,
    "linear": lambda _: "linear",
    "baddbmm": lambda _: "linear",
    "batch_norm": lambda _: "batch norm",
    "layer_norm": lambda _: "layer norm",
    "group_norm": lambda _: "group norm",
    "max_pool2d": _pool_kind("max"),
    "avg_pool2d": _pool_kind("average"),
    "adaptive_avg_pool2d": lambda _: "average pool",
    "adaptive_max_pool2d": lambda _: "max pool",
    "mean": lambda _: "mean",
    "amax": lambda _: "max",
    "add": lambda _: "add",
    "cat": lambda _: "join",
    "matmul": lambda _: "matrix product",
    "scaled_dot_product_attention": lambda _: "attention",
}


def _multiply_adds(op: str, node: fx.Node) -> int:
    if op == "conv2d":
        # outputs times the weights of one filter, (C in / groups) * h * w
        return math.prod(shape_of(node)) * math.prod(shape_of(node.args[1])[1:])
    if op == "baddbmm":
        return math.prod(shape_of(node)) * shape_of(node.args[1])[-1]
    if op == "linear":
        return math.prod(shape_of(node)) * shape_of(node.args[1])[1]
    if op == "matmul":
        return math.prod(shape_of(node)) * shape_of(node.args[0])[-1]
    if op == "scaled_dot_product_attention":
        # queries times keys, then attention times values: L * S * (E + Ev) for each head
        query, value = shape_of(node.args[0]), shape_of(node.args[2])
        return math.prod(query[:-1]) * shape_of(node.args[1])[-2] * (query[-1] + value[-1])
    return 0
