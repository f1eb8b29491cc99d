"""A network that ONNX Runtime executes."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from brightfield.engine import threads
from brightfield.errors import BundleError

FloatArray = npt.NDArray[np.float32]


class Network:
    """An ONNX model that takes and returns arrays; several threads may call it at once.

    Args:
        model: The serialised ONNX model.

    Raises:
        BundleError: If ONNX Runtime cannot run the model.
    """

    def __init__(self, model: bytes) -> None:
        self.model = model
        self._lock = threading.Lock()
        self._sessions: dict[int, Any] = {}
        self.outputs = tuple(str(output.name) for output in self._session(threads.count()).get_outputs())

    def __call__(
        self, inputs: Mapping[str, npt.NDArray[Any]], outputs: Sequence[str], *, alone: bool = False
    ) -> list[FloatArray]:
        """Run the model and return the requested outputs, in their order.

        Args:
            inputs: The input arrays by name.
            outputs: The names of the requested outputs, out of `self.outputs`.
            alone: Whether to compute in the calling thread only, for callers that run in parallel themselves.
        """
        session = self._session(1 if alone else threads.count())
        return list(session.run(list(outputs), dict(inputs)))

    def _session(self, count: int) -> Any:
        """Return the session that uses `count` threads; it is made when it is first needed."""
        with self._lock:
            if count not in self._sessions:
                self._sessions[count] = _open(self.model, count)
            return self._sessions[count]


def _open(model: bytes, count: int) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = count
    options.log_severity_level = 4  # errors are raised as exceptions
    # NumPy computes between two calls: threads that spin while they wait would keep the cores from it
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    gpu = "CUDAExecutionProvider"
    providers = [gpu] if gpu in onnxruntime.get_available_providers() else []
    try:
        return onnxruntime.InferenceSession(model, options, providers=[*providers, "CPUExecutionProvider"])
    except MemoryError:
        raise
    except Exception as error:  # the runtime's errors have no common base
        raise BundleError(
            f"ONNX Runtime {onnxruntime.__version__} cannot run the network ({str(error)[:200]}); "
            "upgrade onnxruntime, or train again"
        ) from error
