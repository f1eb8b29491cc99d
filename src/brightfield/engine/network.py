"""A network in ONNX Runtime: a batch of normalised pictures to a list of maps."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import numpy.typing as npt

from brightfield.engine import threads
from brightfield.errors import BundleError

FloatArray = npt.NDArray[np.float32]


class Network:
    """A network that judges: float32 (N, C, H, W) to a list of float32 arrays.

    It may be called from several threads at once.

    Raises:
        BundleError: If ONNX Runtime cannot run the model.
    """

    def __init__(self, model: bytes) -> None:
        self.model = model
        self._lock = threading.Lock()
        self._sessions: dict[int, Any] = {}
        self._input = str(self._session(threads.count()).get_inputs()[0].name)

    def __call__(self, x: FloatArray, *, alone: bool = False) -> list[FloatArray]:
        """Return the network's outputs for a batch.

        Args:
            x: The batch.
            alone: Whether to use this thread only, as where several call at once.
        """
        session = self._session(1 if alone else threads.count())
        return list(session.run(None, {self._input: np.ascontiguousarray(x)}))

    def _session(self, count: int) -> Any:
        """Return the session that uses so many threads, made under a lock when it is first needed."""
        with self._lock:
            if count not in self._sessions:
                self._sessions[count] = _open(self.model, count)
            return self._sessions[count]


def _open(model: bytes, count: int) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = count
    options.log_severity_level = 3
    # NumPy takes over between two calls: threads that wait busily would keep the processor from it
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    gpu = "CUDAExecutionProvider"
    providers = [gpu] if gpu in onnxruntime.get_available_providers() else []
    try:
        return onnxruntime.InferenceSession(model, options, providers=[*providers, "CPUExecutionProvider"])
    except Exception as error:
        raise BundleError(
            f"ONNX Runtime {onnxruntime.__version__} cannot run the network ({str(error)[:200]}); "
            "upgrade onnxruntime, or train again"
        ) from error
