"""How networks run fast on the machine at hand: device, number format, memory layout, allocator."""

from __future__ import annotations

import contextlib
import ctypes
import platform
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

M_TRIM_THRESHOLD = -1
M_MMAP_THRESHOLD = -3


@dataclass(frozen=True)
class Runtime:
    """Where and in which number format a network runs.

    Attributes:
        device: `cpu` or `cuda`.
        dtype: bfloat16 where a GPU multiplies it natively, else float32.
    """

    device: str
    dtype: torch.dtype

    def place(self, module: nn.Module) -> nn.Module:
        """Move a module to the device, in the memory layout its convolutions prefer."""
        return module.to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]

    def put(self, batch: Tensor) -> Tensor:
        """Move a (N, C, H, W) batch to the device in the same layout."""
        return batch.to(self.device).contiguous(memory_format=torch.channels_last)

    @contextlib.contextmanager
    def autocast(self) -> Iterator[None]:
        """Compute in `dtype` inside the block."""
        with torch.autocast(self.device, self.dtype, enabled=self.dtype != torch.float32):
            yield


def pick_runtime(device: str = "auto") -> Runtime:
    """Return the quickest runtime of this machine, or of the device named: `cpu` or `cuda`."""
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    if device == "cuda":
        native = torch.cuda.is_bf16_supported(including_emulation=False)
        return Runtime(device, torch.bfloat16 if native else torch.float32)
    keep_freed_memory()
    return Runtime(device, torch.float32)


def keep_freed_memory() -> None:
    """Tell glibc to keep large freed blocks instead of handing them back to the kernel.

    Activations are freed and taken again at every layer; returning them costs a page fault for each 4 KiB, a
    third of the time of a forward pass here. Elsewhere than on glibc this does nothing.
    """
    if platform.libc_ver()[0] != "glibc":
        return
    libc = ctypes.CDLL(None)
    libc.mallopt(M_MMAP_THRESHOLD, 1 << 30)
    libc.mallopt(M_TRIM_THRESHOLD, (1 << 31) - 1)
