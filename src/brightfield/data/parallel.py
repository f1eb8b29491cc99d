"""Many files at once, in order, with a bounded number in memory."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def ordered_map(work: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
    """Yield the work's result for each item, in order, from threads.

    Threads suit images, as Pillow lets others run while it decodes.

    Raises:
        Exception: Whatever the work raises, at its place in the order; what was not begun is dropped.
    """
    workers = os.cpu_count() or 1
    pool = ThreadPoolExecutor(workers)
    waiting: deque[Future[Result]] = deque()
    try:
        for item in items:
            waiting.append(pool.submit(work, item))
            if len(waiting) > 2 * workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


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
