"""How networks run fast on the machine at hand: device, number format, memory layout, allocator."""

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
    """Where and in which number format a network runs.

    Attributes:
        device: `cpu` or `cuda`.
        dtype: In which it scores: bfloat16 where a GPU multiplies it natively, else float32.
        training: In which it learns, under autocast: weights and sums stay in float32.
    """

    device: str
    dtype: torch.dtype
    training: torch.dtype = torch.float32

    def place(self, module: nn.Module) -> nn.Module:
        """Move a module to the device, in the memory layout its convolutions prefer."""
        return module.to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]

    def put(self, batch: Tensor) -> Tensor:
        """Move a (N, C, H, W) batch to the device in the same layout."""
        return batch.to(self.device).contiguous(memory_format=torch.channels_last)

    @contextlib.contextmanager
    def autocast(self, *, training: bool = False) -> Iterator[None]:
        """Compute in `dtype` inside the block, or in `training`."""
        dtype = self.training if training else self.dtype
        with torch.autocast(self.device, dtype, enabled=dtype != torch.float32):
            yield


def pick_runtime(device: str = "auto", precision: str = "auto", trunk: nn.Module | None = None) -> Runtime:
    """Return the quickest runtime of this machine, or of the device named: `cpu` or `cuda`.

    Args:
        device: `auto` takes a GPU where there is one.
        precision: In which number format it learns: `float32`, `bfloat16` or `auto`: the quickest here.
        trunk: What will learn, where that is known: some processors are quick in bfloat16 at some networks.
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
    """Tell whether this processor trains a network faster in bfloat16.

    With whole tiles of it (Intel's AMX) any network trains about three times as fast as in float32. With
    AVX-512's instructions, two numbers at a time, plain convolutions gain and depthwise ones lose.
    """
    if not hasattr(torch.cpu, "get_capabilities"):
        return False  # an older torch cannot tell
    able = torch.cpu.get_capabilities()
    return bool(able.get("amx_bf16") or (able.get("avx512_bf16") and trunk is not None and _is_plain(trunk)))


def _is_plain(trunk: nn.Module) -> bool:
    return all(m.groups == 1 for m in trunk.modules() if isinstance(m, nn.Conv2d))


def keep_freed_memory() -> None:
    """Tell glibc to keep large freed blocks instead of handing them back to the kernel.

    Activations are freed and taken again at every layer; returning them costs a page fault for each 4 KiB, a
    third of the time of a forward pass here. Elsewhere than on glibc this does nothing.
    """
    if platform.libc_ver()[0] != "glibc":
        return
    libc = ctypes.CDLL(None)
    libc.mallopt(M_MMAP_THRESHOLD, 1 << 30)
    libc.mallopt(M_TRIM_THRESHOLD, -1)  # never
