"""The number of threads for inference, and the one thread pool that it uses."""

from __future__ import annotations

import functools
import os
from concurrent.futures import ThreadPoolExecutor


@functools.cache
def count() -> int:
    """Return the number of threads: `OMP_NUM_THREADS` where it is set, else the cores of this process."""
    configured = os.environ.get("OMP_NUM_THREADS", "")
    if configured.isdigit() and int(configured) > 0:
        return int(configured)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@functools.cache
def pool() -> ThreadPoolExecutor:
    """Return the thread pool that runs the pieces of large batches; it is made when it is first needed."""
    return ThreadPoolExecutor(count(), thread_name_prefix="brightfield-engine")
