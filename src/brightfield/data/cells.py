"""Cells of CSV tables, escaped so that a spreadsheet does not run their text as a formula."""

from __future__ import annotations

import re

_LIVE = re.compile(r"'*[=+\-@\t\r\n]")
_DEFUSED = re.compile(r"'+[=+\-@\t\r\n]")


def defused(text: str) -> str:
    """Return a cell's text with an apostrophe before it if a spreadsheet could run it as a formula.

    That is text that begins with `=`, `+`, `-`, `@`, a tab or a line break. Text that begins with apostrophes
    and one of these gets one more, so that `restored` returns it unchanged.
    """
    return f"'{text}" if _LIVE.match(text) else text


def restored(cell: str) -> str:
    """Return the text of a cell that `defused` wrote."""
    return cell[1:] if _DEFUSED.match(cell) else cell
