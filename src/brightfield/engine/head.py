"""The fitted head in NumPy: class logits from pooled features, and gradients back to the features."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from brightfield.engine.numeric import erf, product
from brightfield.engine.spec import HeadSpec

FloatArray = npt.NDArray[np.float32]


def _gelu(z: FloatArray) -> FloatArray:
    return np.asarray(z * _normal_cdf(z))


def _gelu_derivative(z: FloatArray) -> FloatArray:
    density = np.exp(-0.5 * z * z) / np.float32(np.sqrt(2 * np.pi))
    return np.asarray(_normal_cdf(z) + z * density)


def _normal_cdf(z: FloatArray) -> FloatArray:
    """Return the standard normal cumulative distribution function of each value."""
    return np.asarray(np.float32(0.5) * (1 + erf(z / np.float32(np.sqrt(2)))))


ACTIVATIONS: dict[str, tuple[Callable[[FloatArray], FloatArray], Callable[[FloatArray], FloatArray]]] = {
    "gelu": (_gelu, _gelu_derivative),
    "relu": (lambda z: np.maximum(z, 0), lambda z: (z > 0).astype(np.float32)),
    "tanh": (np.tanh, lambda z: 1 - np.tanh(z) ** 2),
}
"""Each activation and its derivative."""


@dataclass(frozen=True, eq=False)
class Head:
    """An ensemble of M small networks over one pooled vector, (N, D) to (N, K), whose logits are averaged.

    Attributes:
        spec: The layers, members and activation.
        center: float32 (D,), subtracted from the pooled vector.
        scale: float32 (D,), by which the difference is divided.
        weights: One array a layer, float32 (M, in, out).
        biases: One array a layer, float32 (M, 1, out).
    """

    spec: HeadSpec
    center: FloatArray
    scale: FloatArray
    weights: tuple[FloatArray, ...] = field(repr=False)
    biases: tuple[FloatArray, ...] = field(repr=False)

    def logits(self, x: FloatArray) -> FloatArray:
        """Return the members' mean logits: (N, D) to (N, K)."""
        return np.asarray(self.layers(x)[-1].mean(0))

    def layers(self, x: FloatArray) -> list[FloatArray]:
        """Return every layer's pre-activations, (M, N, out) each; the last layer's are the logits."""
        activate = ACTIVATIONS[self.spec.activation][0]
        z = (x - self.center) / self.scale  # (N, D)
        members = self.spec.members
        if self.spec.apart:
            apart = z.reshape(len(z), members, -1).transpose(1, 0, 2)  # (M, N, D / M)
            out = [np.matmul(apart, self.weights[0]) + self.biases[0]]
        else:
            # one matrix product for all members: (N, M * out) -> (N, M, out)
            joined = product(z, self.joined_first_layer).reshape(len(z), members, -1)
            out = [joined.transpose(1, 0, 2) + self.biases[0]]  # (M, N, out)
        for w, b in zip(self.weights[1:], self.biases[1:], strict=True):
            out.append(np.matmul(activate(out[-1]), w) + b)  # (M, N, in) @ (M, in, out)
        return out

    def gradient(self, layers: Sequence[FloatArray], logit_gradient: FloatArray, width: int) -> FloatArray:
        """Return the gradient of a score with respect to the first `width` pooled values, (N, width).

        Args:
            layers: What `layers` returned for N pooled vectors.
            logit_gradient: The gradient of the score with respect to their mean logits, (N, K).
            width: How many of the D pooled values, from the first on.
        """
        derivative = ACTIVATIONS[self.spec.activation][1]
        # a member's share of the mean logits is 1 / M: (N, K) -> (M, N, K)
        back = np.broadcast_to(logit_gradient / self.spec.members, layers[-1].shape)
        for i in reversed(range(1, len(self.weights))):
            # (M, N, out) @ (M, out, in) -> (M, N, in)
            back = np.matmul(back, self.weights[i].transpose(0, 2, 1)) * derivative(layers[i - 1])
        n = back.shape[1]
        if self.spec.apart:
            inputs = np.matmul(back, self.weights[0].transpose(0, 2, 1))  # (M, N, D / M)
            joined = inputs.transpose(1, 0, 2).reshape(n, -1)[:, :width]  # (N, width)
        else:  # summed over all members by one product: (N, M * out) @ (M * out, width)
            joined = product(back.transpose(1, 0, 2).reshape(n, -1), self.joined_first_layer.T[:width])
        return np.asarray(joined / self.scale[:width])

    @functools.cached_property
    def joined_first_layer(self) -> FloatArray:
        """The first layers of all members as one matrix, float32 (M * out, D); unused if `spec.apart`."""
        return self.weights[0].transpose(0, 2, 1).reshape(-1, len(self.center))

    def only(self, members: Sequence[int]) -> Head:
        """Return a head of some of the members."""
        rows = list(members)
        return replace(
            self,
            spec=replace(self.spec, members=len(rows)),
            weights=tuple(w[rows] for w in self.weights),
            biases=tuple(b[rows] for b in self.biases),
        )

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Return what `head_from_arrays` takes."""
        arrays: dict[str, npt.NDArray[Any]] = {"center": self.center, "scale": self.scale}
        for i, (w, b) in enumerate(zip(self.weights, self.biases, strict=True)):
            arrays |= {f"weights.{i}": w, f"biases.{i}": b}
        return arrays


def head_from_arrays(spec: HeadSpec, arrays: Mapping[str, npt.NDArray[Any]]) -> Head:
    """Build a head from what `Head.arrays` returned.

    Raises:
        KeyError: If an array is missing.
        ValueError: If the arrays do not fit the spec or one another.
    """
    depth = len(spec.hidden) + 1
    weights = tuple(np.asarray(arrays[f"weights.{i}"], dtype=np.float32) for i in range(depth))
    biases = tuple(np.asarray(arrays[f"biases.{i}"], dtype=np.float32) for i in range(depth))
    width = len(arrays["center"]) // (spec.members if spec.apart else 1)
    for w, b, units in zip(weights, biases, (*spec.hidden, weights[-1].shape[-1]), strict=True):
        if w.shape != (spec.members, width, units) or b.shape != (spec.members, 1, units):
            raise ValueError(
                f"a layer is {w.shape} and {b.shape}; expected {spec.members} of {width} to {units}"
            )
        width = units
    if not spec.apart:  # stored as (M, out, D), so that `joined_first_layer` is a view and not a copy
        stored = np.ascontiguousarray(weights[0].transpose(0, 2, 1))
        weights = (stored.transpose(0, 2, 1), *weights[1:])
    return Head(spec, np.asarray(arrays["center"]), np.asarray(arrays["scale"]), weights, biases)
