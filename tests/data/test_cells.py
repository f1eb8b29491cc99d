"""Cells that spreadsheets do not run, and back."""

from __future__ import annotations

import pytest

from brightfield.data.cells import defused, restored


@pytest.mark.parametrize(
    ("text", "cell"),
    [
        ("=1+1", "'=1+1"),
        ("+scratch", "'+scratch"),
        ("-OK", "'-OK"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("\t=1", "'\t=1"),
        ("\r=1", "'\r=1"),
        ("\n=1", "'\n=1"),
        ("'=1", "''=1"),
        ("''-", "'''-"),
        ("OK", "OK"),
        ("a=b", "a=b"),
        ("'quoted'", "'quoted'"),
        ("'", "'"),
        ("", ""),
    ],
)
def test_formulas_become_text_and_text_comes_back(text: str, cell: str) -> None:
    assert defused(text) == cell
    assert restored(cell) == text


def test_what_was_never_defused_is_left_alone() -> None:
    for cell in ("OK", "'n", "=1", "-5"):
        assert restored(cell) == cell
