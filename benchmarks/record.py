"""How every benchmark writes its measurements down: one row each, appended to a CSV file."""

from __future__ import annotations

import csv
import datetime
import importlib.metadata
import os
import platform
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

COLUMNS = (
    *("benchmark", "dataset", "variant", "seed", "metric", "value", "unit"),
    *("hardware", "versions", "date"),
)
RESULTS = Path(__file__).resolve().parent / "results"


@dataclass(frozen=True)
class Row:
    """One measurement; hardware, versions and date are added when it is written."""

    benchmark: str
    dataset: str
    variant: str
    seed: int
    metric: str
    value: float
    unit: str


def append(path: Path, rows: Iterable[Row]) -> None:
    """Append measurements to a CSV file, with its header where it is new."""
    path.parent.mkdir(parents=True, exist_ok=True)
    new = not path.exists()
    date = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d")
    with path.open("a", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        if new:
            writer.writerow(COLUMNS)
        for row in rows:
            measured = (row.benchmark, row.dataset, row.variant, row.seed, row.metric, f"{row.value:.6g}")
            writer.writerow((*measured, row.unit, hardware(), versions(), date))


def hardware() -> str:
    """Return the CPU's model, its widest instructions, the number of cores, and the accelerator if any."""
    import torch

    gpu = f", {torch.cuda.get_device_name()}" if torch.cuda.is_available() else ""
    return f"{_cpu()}{_instructions()}, {os.cpu_count()} cores{gpu}"


def versions() -> str:
    """Return the versions that a measurement depends on."""
    try:
        own = importlib.metadata.version("brightfield")
    except importlib.metadata.PackageNotFoundError:
        own = "source"
    torch = importlib.metadata.version("torch")
    return f"brightfield {own}, torch {torch}, python {platform.python_version()}"


def _instructions() -> str:
    import torch

    able = torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}
    names = (
        ("amx_bf16", "AMX"),
        ("avx512_bf16", "AVX-512 with bfloat16"),
        ("avx512_f", "AVX-512"),
        ("avx2", "AVX2"),
    )
    return next((f" ({said})" for name, said in names if able.get(name)), "")


def _cpu() -> str:
    info = Path("/proc/cpuinfo")
    if info.is_file():
        for line in info.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
