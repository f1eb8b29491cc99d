"""The runtime of networks on this machine: device, number format, memory layout, allocator."""

from __future__ import annotations

import contextlib
import ctypes
import platform
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

_NAMED = {"float32": torch.float32, "bfloat16": torch.bfloat16}

M_TRIM_THRESHOLD = -1
M_MMAP_THRESHOLD = -3


@dataclass(frozen=True)
class Runtime:
    """The device and the number formats of a network.

    Attributes:
        device: `cpu` or `cuda`.
        dtype: The number format of inference: bfloat16 if a GPU supports it natively, else float32.
        training: The number format of training under autocast; weights and sums stay float32.
    """

    device: str
    dtype: torch.dtype
    training: torch.dtype = torch.float32

    def place(self, module: nn.Module) -> nn.Module:
        """Return the module, moved to the device in channels-last memory layout."""
        return module.to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]

    def put(self, batch: Tensor) -> Tensor:
        """Return a batch (N, C, H, W), moved to the device in channels-last memory layout."""
        return batch.to(self.device).contiguous(memory_format=torch.channels_last)

    @contextlib.contextmanager
    def autocast(self, *, training: bool = False) -> Iterator[None]:
        """Compute in the number format of inference inside the block, or in that of training."""
        dtype = self.training if training else self.dtype
        with torch.autocast(self.device, dtype, enabled=dtype != torch.float32):
            yield


def pick_runtime(device: str = "auto", precision: str = "auto", trunk: nn.Module | None = None) -> Runtime:
    """Return the fastest runtime on this machine.

    Args:
        device: `cpu`, `cuda`, or `auto` for a GPU if there is one.
        precision: The number format of training: `float32`, `bfloat16`, or `auto` for the fastest.
        trunk: The network to train, if known: on some processors the fastest format depends on it.
    """
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    if device == "cuda":
        native = torch.cuda.is_bf16_supported(including_emulation=False)
        quickest = torch.bfloat16 if native else torch.float32
        return Runtime(device, quickest, _NAMED.get(precision, quickest))
    keep_freed_memory()
    quickest = torch.bfloat16 if _is_quick_in_bfloat16(trunk) else torch.float32
    return Runtime(device, torch.float32, _NAMED.get(precision, quickest))


def _is_quick_in_bfloat16(trunk: nn.Module | None) -> bool:
    """Return whether this processor trains a network faster in bfloat16.

    With Intel's AMX, which multiplies matrix tiles, any network trains about three times as fast as in
    float32. With AVX-512's bfloat16 instructions, plain convolutions become faster and depthwise ones slower.
    """
    if not hasattr(torch.cpu, "get_capabilities"):
        return False  # an older torch cannot tell
    has = torch.cpu.get_capabilities()
    return bool(has.get("amx_bf16") or (has.get("avx512_bf16") and trunk is not None and _is_plain(trunk)))


def _is_plain(trunk: nn.Module) -> bool:
    """Return whether a network has no grouped or depthwise convolutions."""
    return all(m.groups == 1 for m in trunk.modules() if isinstance(m, nn.Conv2d))


def keep_freed_memory() -> None:
    """Make glibc keep large freed blocks instead of returning them to the kernel.

    Activations are freed and allocated again at every layer. A block from the kernel costs a page fault for
    every 4 KiB, which took a third of a forward pass where this was measured. Without glibc nothing changes.
    """
    if platform.libc_ver()[0] != "glibc":
        return
    libc = ctypes.CDLL(None)
    libc.mallopt(M_MMAP_THRESHOLD, 1 << 30)
    libc.mallopt(M_TRIM_THRESHOLD, -1)  # never
