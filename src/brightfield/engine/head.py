"""A fitted head: pooled features to class logits, and the gradient back, in NumPy."""

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
    return np.asarray(z * _normal_share(z))


def _gelu_slope(z: FloatArray) -> FloatArray:
    density = np.exp(-0.5 * z * z) / np.float32(np.sqrt(2 * np.pi))
    return np.asarray(_normal_share(z) + z * density)


def _normal_share(z: FloatArray) -> FloatArray:
    return np.asarray(np.float32(0.5) * (1 + erf(z / np.float32(np.sqrt(2)))))


ACTIVATIONS: dict[str, tuple[Callable[[FloatArray], FloatArray], Callable[[FloatArray], FloatArray]]] = {
    "gelu": (_gelu, _gelu_slope),
    "relu": (lambda z: np.maximum(z, 0), lambda z: (z > 0).astype(np.float32)),
    "tanh": (np.tanh, lambda z: 1 - np.tanh(z) ** 2),
}
"""Each activation and its derivative."""


@dataclass(frozen=True, eq=False)
class Head:
    """Several small networks over one pooled vector, whose logits are averaged: (N, D) to (N, K).

    Attributes:
        spec: Its shape.
        center: float32 (D,), subtracted from the pooled vector.
        scale: float32 (D,), what the difference is divided by.
        weights: Of each layer, float32 (M, in, out).
        biases: Of each layer, float32 (M, 1, out).
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
        """Return every layer's values before its activation, (M, N, out) each; the last are the logits."""
        activate = ACTIVATIONS[self.spec.activation][0]
        z = (x - self.center) / self.scale
        members = self.spec.members
        if self.spec.apart:
            apart = z.reshape(len(z), members, -1).transpose(1, 0, 2)  # (M, N, D / M)
            out = [np.matmul(apart, self.weights[0]) + self.biases[0]]
        else:
            joined = product(z, self.first).reshape(len(z), members, -1)  # one product for all members
            out = [joined.transpose(1, 0, 2) + self.biases[0]]
        for w, b in zip(self.weights[1:], self.biases[1:], strict=True):
            out.append(np.matmul(activate(out[-1]), w) + b)
        return out

    def gradient(self, layers: Sequence[FloatArray], of_logits: FloatArray, width: int) -> FloatArray:
        """Return the gradient of a score with respect to the first `width` pooled values, (N, width).

        Args:
            layers: What `layers` returned for N pooled vectors.
            of_logits: The gradient with respect to their mean logits, (N, K).
            width: Of the D values, how many are asked for.
        """
        slope = ACTIVATIONS[self.spec.activation][1]
        back = np.broadcast_to(of_logits / self.spec.members, layers[-1].shape)  # (M, N, K)
        for i in reversed(range(1, len(self.weights))):
            back = np.matmul(back, self.weights[i].transpose(0, 2, 1)) * slope(layers[i - 1])
        n = back.shape[1]
        if self.spec.apart:
            inputs = np.matmul(back, self.weights[0].transpose(0, 2, 1))  # (M, N, D / M)
            joined = inputs.transpose(1, 0, 2).reshape(n, -1)[:, :width]
        else:
            joined = product(back.transpose(1, 0, 2).reshape(n, -1), self.first.T[:width])
        return np.asarray(joined / self.scale[:width])

    @functools.cached_property
    def first(self) -> FloatArray:
        """The first layer of all members side by side, float32 (M out, D), unless they read apart."""
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
        found: dict[str, npt.NDArray[Any]] = {"center": self.center, "scale": self.scale}
        for i, (w, b) in enumerate(zip(self.weights, self.biases, strict=True)):
            found |= {f"weights.{i}": w, f"biases.{i}": b}
        return found


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
    if not spec.apart:  # laid out so that all members together are one matrix, without a copy
        side_by_side = np.ascontiguousarray(weights[0].transpose(0, 2, 1))
        weights = (side_by_side.transpose(0, 2, 1), *weights[1:])
    return Head(spec, np.asarray(arrays["center"]), np.asarray(arrays["scale"]), weights, biases)
