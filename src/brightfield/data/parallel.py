"""Parallel maps over files and prefetching, in order, with a bounded number of items in memory."""

from __future__ import annotations

import functools
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


@functools.cache
def _pool() -> ThreadPoolExecutor:
    """Return the thread pool that all calls share; it is made when it is first needed."""
    return ThreadPoolExecutor(_workers(), thread_name_prefix="brightfield-files")


def _workers() -> int:
    return os.cpu_count() or 1


def ordered_map(work: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
    """Yield `work(item)` for each item, in order, computed by a shared pool of threads.

    Threads suit images, since Pillow releases the interpreter lock while it decodes. `work` must not call
    `ordered_map` itself, which could block the pool.

    Raises:
        Exception: The exception that `work` raises, when its item's turn comes; waiting items are cancelled.
    """
    waiting: deque[Future[Result]] = deque()
    try:
        for item in items:
            waiting.append(_pool().submit(work, item))
            if len(waiting) > 2 * _workers():
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        for future in waiting:
            future.cancel()


def prefetch(items: Iterable[Item]) -> Iterator[Item]:
    """Yield items in order; the next one is computed in another thread while the caller uses the current one.

    Raises:
        Exception: The exception that the iterator raises, when the item's turn comes.
    """
    waiting, end = iter(items), object()
    with ThreadPoolExecutor(1) as pool:
        following = pool.submit(next, waiting, end)
        while (item := following.result()) is not end:
            following = pool.submit(next, waiting, end)
            yield item  # type: ignore[misc]
