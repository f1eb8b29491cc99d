"""Number formats: what scores and what learns, here and on other processors."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from brightfield.learn.runtime import Runtime, pick_runtime

PLAIN = nn.Sequential(nn.Conv2d(3, 8, 3), nn.Linear(8, 2))
DEPTHWISE = nn.Sequential(nn.Conv2d(3, 8, 3), nn.Conv2d(8, 8, 3, groups=8))


@pytest.mark.parametrize(
    ("trunk", "training"), [(PLAIN, torch.bfloat16), (DEPTHWISE, torch.float32), (None, torch.float32)]
)
def test_two_numbers_at_a_time_serve_plain_convolutions(
    monkeypatch: pytest.MonkeyPatch, trunk: nn.Module | None, training: torch.dtype
) -> None:
    able = {"amx_bf16": False, "avx512_bf16": True}
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: able, raising=False)
    assert pick_runtime("cpu", trunk=trunk).training == training


@pytest.mark.parametrize(
    ("precision", "capabilities", "training"),
    [
        ("auto", {"amx_bf16": True}, torch.bfloat16),
        ("auto", {"amx_bf16": False, "avx512_bf16": True}, torch.float32),
        ("auto", {}, torch.float32),
        ("float32", {"amx_bf16": True}, torch.float32),
        ("bfloat16", {}, torch.bfloat16),
    ],
)
def test_a_processor_learns_in_what_it_is_quick_at_and_scores_in_float32(
    monkeypatch: pytest.MonkeyPatch, precision: str, capabilities: dict[str, bool], training: torch.dtype
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities, raising=False)
    assert pick_runtime("cpu", precision) == Runtime("cpu", torch.float32, training)


def test_a_torch_that_cannot_tell_learns_in_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(torch.cpu, "get_capabilities", raising=False)
    assert pick_runtime("cpu").training == torch.float32


def test_only_the_training_computes_in_its_format() -> None:
    runtime = Runtime("cpu", torch.float32, torch.bfloat16)
    conv, x = nn.Conv2d(3, 4, 3), torch.zeros(1, 3, 8, 8)
    with runtime.autocast(training=True):
        assert conv(x).dtype == torch.bfloat16
    with runtime.autocast():
        assert conv(x).dtype == torch.float32
