"""The nearest vectors against a loop."""

from __future__ import annotations

import numpy as np
import pytest

from brightfield.engine import nearest as module
from brightfield.engine.nearest import nearest, squared_norms


@pytest.mark.parametrize(("queries", "vectors", "width"), [(1, 1, 1), (7, 5, 3), (200, 40, 17)])
def test_it_is_what_a_loop_finds(queries: int, vectors: int, width: int) -> None:
    rng = np.random.default_rng(queries)
    some = rng.normal(size=(queries, width)).astype(np.float32)
    many = rng.normal(size=(vectors, width)).astype(np.float32)
    squares, rows = nearest(some, many, squared_norms(many))
    assert squares.dtype == np.float32
    for i, query in enumerate(some):
        distances = [float(((query - v).astype(np.float64) ** 2).sum()) for v in many]
        assert rows[i] == int(np.argmin(distances))
        assert squares[i] == pytest.approx(min(distances), rel=1e-4, abs=1e-5)


def test_pieces_are_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    some, many = (rng.normal(size=(n, 9)).astype(np.float32) for n in (101, 30))
    squares, rows = nearest(some, many, squared_norms(many))
    monkeypatch.setattr(module, "_PRODUCTS_AT_ONCE", 100)  # three queries at once
    pieces, of_pieces = nearest(some, many, squared_norms(many))
    assert np.allclose(pieces, squares, atol=1e-5)
    assert np.array_equal(of_pieces, rows)


def test_a_vector_is_at_no_distance_below_zero_from_itself() -> None:
    many = (1000 + np.random.default_rng(1).normal(size=(50, 40))).astype(np.float32)
    squares, rows = nearest(many, many, squared_norms(many))
    assert np.array_equal(rows, np.arange(50)) or float(squares.max()) < 1e-6 * 40 * 1000**2
    assert float(squares.min()) >= 0
