"""Items computed ahead of their use."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from brightfield.data.parallel import prefetch


def test_items_come_in_order_and_are_made_elsewhere() -> None:
    makers = set()

    def make() -> Iterator[int]:
        for i in range(5):
            makers.add(threading.get_ident())
            yield i

    assert list(prefetch(make())) == [0, 1, 2, 3, 4]
    assert threading.get_ident() not in makers


def test_the_next_item_is_made_while_this_one_is_used() -> None:
    begun = threading.Event()

    def make() -> Iterator[int]:
        yield 0
        begun.set()
        yield 1

    items = prefetch(make())
    assert next(items) == 0
    assert begun.wait(30)
    assert list(items) == [1]


def test_an_error_comes_in_its_place() -> None:
    def make() -> Iterator[int]:
        yield 0
        raise ValueError("the second")

    items = prefetch(make())
    assert next(items) == 0
    with pytest.raises(ValueError, match="the second"):
        next(items)


def test_whoever_stops_early_leaves_no_thread_behind() -> None:
    before = threading.active_count()
    items = prefetch(iter(range(9)))
    next(items)
    items.close()  # type: ignore[attr-defined]
    assert threading.active_count() == before
