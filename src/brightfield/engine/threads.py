"""How many threads judging may use, and the one pool that all judging shares."""

from __future__ import annotations

import functools
import os
from concurrent.futures import ThreadPoolExecutor


@functools.cache
def count() -> int:
    """Return the threads judging uses: `OMP_NUM_THREADS` where it is set, else the cores of this process."""
    asked = os.environ.get("OMP_NUM_THREADS", "")
    if asked.isdigit() and int(asked) > 0:
        return int(asked)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@functools.cache
def pool() -> ThreadPoolExecutor:
    """Return the pool that runs the pieces of large batches, made when it is first needed."""
    return ThreadPoolExecutor(count(), thread_name_prefix="brightfield-engine")
