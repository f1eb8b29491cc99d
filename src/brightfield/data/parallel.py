"""Many files at once, in order, with a bounded number in memory."""

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
    """Return the threads that all calls share, made when they are first needed."""
    return ThreadPoolExecutor(_workers(), thread_name_prefix="brightfield-files")


def _workers() -> int:
    return os.cpu_count() or 1


def ordered_map(work: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
    """Yield the work's result for each item, in order, from threads that all calls share.

    Threads suit images, as Pillow lets others run while it decodes. The work itself must not call this.

    Raises:
        Exception: Whatever the work raises, at its place in the order; what was not begun is dropped.
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


def ahead(items: Iterable[Item]) -> Iterator[Item]:
    """Yield items in order, each made in another thread while the one before is used.

    Raises:
        Exception: Whatever making an item raises, in its place.
    """
    waiting, end = iter(items), object()
    with ThreadPoolExecutor(1) as pool:
        following = pool.submit(next, waiting, end)
        while (item := following.result()) is not end:
            following = pool.submit(next, waiting, end)
            yield item  # type: ignore[misc]
