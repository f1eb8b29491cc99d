"""Text in the cells of tables that people open in a spreadsheet, which takes some text for a formula."""

from __future__ import annotations

import re

_LIVE = re.compile(r"'*[=+\-@\t\r\n]")
_DEFUSED = re.compile(r"'+[=+\-@\t\r\n]")


def defused(text: str) -> str:
    """Return text that no spreadsheet runs: with an apostrophe before what begins with `=`, `+`, `-` or `@`.

    So do tabs and line breaks, and names that have such an apostrophe already, lest it be lost in `restored`.
    """
    return f"'{text}" if _LIVE.match(text) else text


def restored(cell: str) -> str:
    """Return the text that `defused` made a cell of."""
    return cell[1:] if _DEFUSED.match(cell) else cell
