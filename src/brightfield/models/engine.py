"""Scoring with a frozen network: on the CPU it is compiled by ONNX Runtime, at about twice torch's speed."""

from __future__ import annotations

import contextlib
import functools
import io
import logging
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from brightfield.models.runtime import Runtime

log = logging.getLogger(__name__)

Scorer = Callable[[Tensor], list[Tensor]]
"""From a batch (N, C, H, W) to a network's outputs, without gradients."""

AT_ONCE = 2 * 256 * 256
"""Pixels in one call: more are no quicker, and their maps would leave the processor's cache."""

TOLERANCE = 1e-3
"""Of the largest value of a map, by which the compiled network may differ from the one it was made of."""


class Engine:
    """A network compiled for one size of input: (N, C, H, W) float32 to a list of float32 tensors.

    It is made of a copy of the weights: what is trained afterwards needs a new engine. A large batch is
    shared out among threads, each with pictures of its own; a small one has all threads at each picture.
    """

    def __init__(self, net: nn.Module, shape: tuple[int, ...]) -> None:
        """Compile a network for batches of `shape` (C, H, W); it returns a tuple, in evaluation mode.

        Raises:
            RuntimeError: If the network cannot be compiled, or gives other values once it is.
        """
        net.eval()
        probe = torch.randn(2, *shape, generator=torch.Generator().manual_seed(0))
        with torch.inference_mode(False), torch.no_grad():
            expected = net(probe)
            with _fixed_padding(net):
                self._model = _export(net, probe[:1])
        self._threads = torch.get_num_threads()
        self._sessions: dict[int, Any] = {}
        for old, new in zip(expected, self(probe), strict=True):
            if not torch.allclose(old, new, rtol=0.0, atol=TOLERANCE * max(1e-6, float(old.abs().max()))):
                raise RuntimeError("the compiled network gives other values")

    def __call__(self, x: Tensor) -> list[Tensor]:
        """Return the network's outputs for a batch."""
        pieces = self._pieces(x)
        if len(pieces) >= self._threads > 1:
            session = self._session(1)
            with ThreadPoolExecutor(self._threads) as pool:
                parts = list(pool.map(lambda piece: _run(session, piece), pieces))
        else:
            parts = [_run(self._session(self._threads), piece) for piece in pieces]
        return [
            torch.from_numpy(p[0] if len(p) == 1 else np.concatenate(p)) for p in zip(*parts, strict=True)
        ]

    def _pieces(self, x: Tensor) -> list[Tensor]:
        """Cut a batch into pieces of about one size, as many for each thread where there are enough."""
        count = -(-len(x) * x.shape[2] * x.shape[3] // AT_ONCE)
        if count >= self._threads:
            count = -(-count // self._threads) * self._threads
        return list(x.tensor_split(min(count, len(x))))

    def _session(self, threads: int) -> Any:
        if threads not in self._sessions:
            import onnxruntime

            options = onnxruntime.SessionOptions()
            options.intra_op_num_threads = threads
            options.log_severity_level = 3
            # torch takes over between two calls: threads that wait busily would keep the processor from it
            options.add_session_config_entry("session.intra_op.allow_spinning", "0")
            self._sessions[threads] = onnxruntime.InferenceSession(
                self._model, options, providers=["CPUExecutionProvider"]
            )
        return self._sessions[threads]


def _run(session: Any, x: Tensor) -> list[Any]:
    return list(session.run(None, {"x": np.ascontiguousarray(x.numpy())}))


def build_scorer(net: nn.Module, shape: tuple[int, ...], runtime: Runtime) -> Scorer:
    """Return the quickest way to score batches of (C, H, W) with a network whose weights stay as they are."""
    net.eval()
    if runtime.device == "cpu":
        try:
            return Engine(net, shape)
        # whatever a tracer or compiler trips over: torch gives the same answer, only later
        except Exception as e:  # noqa: BLE001
            log.warning("ONNX Runtime cannot run this network, torch will (%s: %s)", type(e).__name__, e)

    def score(x: Tensor) -> list[Tensor]:
        with torch.inference_mode(), runtime.autocast():
            return list(net(runtime.put(x)))

    return score


def _export(net: nn.Module, example: Tensor) -> bytes:
    """Return a network as an ONNX model whose batch size is free."""
    file = io.BytesIO()
    with warnings.catch_warnings():
        # the tracing exporter is the quick one: half a second, where the newer one takes seconds
        warnings.simplefilter("ignore")
        torch.onnx.export(
            net,
            (example,),
            file,  # type: ignore[arg-type]
            input_names=["x"],
            dynamic_axes={"x": {0: "batch"}},
            opset_version=17,
            dynamo=False,
        )
    return file.getvalue()


@contextlib.contextmanager
def _fixed_padding(net: nn.Module) -> Iterator[None]:
    """Have timm's "same" convolutions traced as convolutions with unequal padding, which torch has not."""
    from timm.layers.conv2d_same import Conv2dSame
    from timm.layers.padding import get_same_padding

    def forward(conv: nn.Conv2d, x: Tensor) -> Tensor:
        high, wide = (
            get_same_padding(int(x.shape[2 + i]), conv.kernel_size[i], conv.stride[i], conv.dilation[i])
            for i in (0, 1)
        )
        pads = (high // 2, wide // 2, high - high // 2, wide - wide // 2)
        out: Tensor = _PaddedConv.apply(
            x, conv.weight, conv.bias, pads, conv.stride, conv.dilation, conv.groups
        )
        return out

    same = [m for m in net.modules() if isinstance(m, Conv2dSame)]
    for module in same:
        module.forward = functools.partial(forward, module)  # type: ignore[method-assign]
    try:
        yield
    finally:
        for module in same:
            del module.forward


class _PaddedConv(torch.autograd.Function):
    """A convolution padded by (top, left, bottom, right): one node in ONNX."""

    @staticmethod
    def forward(
        _ctx: Any,
        x: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        pads: tuple[int, int, int, int],
        stride: tuple[int, int],
        dilation: tuple[int, int],
        groups: int,
    ) -> Tensor:
        top, left, bottom, right = pads
        padded = nn.functional.pad(x, (left, right, top, bottom))
        return nn.functional.conv2d(padded, weight, bias, stride, 0, dilation, groups)

    @staticmethod
    def symbolic(
        graph: Any,
        x: Any,
        weight: Any,
        bias: Any,
        pads: tuple[int, int, int, int],
        stride: tuple[int, int],
        dilation: tuple[int, int],
        groups: int,
    ) -> Any:
        inputs = [x, weight] if bias is None else [x, weight, bias]
        return graph.op("Conv", *inputs, pads_i=pads, strides_i=stride, dilations_i=dilation, group_i=groups)
