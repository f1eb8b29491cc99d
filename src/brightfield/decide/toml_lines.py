"""On which line of a TOML file a text, a key or a table stands, which its values do not say."""

from __future__ import annotations

import re
import tomllib

_TEXT_OR_COMMENT = re.compile(
    r'"""(?:[^\\]|\\.)*?"""|\'\'\'.*?\'\'\'|"(?:[^"\\\n]|\\.)*"|\'[^\'\n]*\'|#[^\n]*', re.DOTALL
)


class TomlLines:
    """The lines of a TOML document.

    Texts are looked for from the last one found on, in the order in which they stand in the file, so that
    each of several equal ones has its own line.
    """

    def __init__(self, document: str) -> None:
        """Take a document, which must be valid."""
        found = [m for m in _TEXT_OR_COMMENT.finditer(document) if not m[0].startswith("#")]
        self._texts = [
            (document.count("\n", 0, m.start()) + 1, tomllib.loads(f"x = {m[0]}")["x"]) for m in found
        ]
        # texts and comments are blanked, so that what is left are keys, numbers and brackets
        bare = _TEXT_OR_COMMENT.sub(lambda m: re.sub(r"[^\n]", " ", m[0]), document)
        self._bare = bare.split("\n")
        self._next = 0

    def of_text(self, text: str) -> int | None:
        """Return the line on which the next such text begins; None if there is none."""
        for i in range(self._next, len(self._texts)):
            if self._texts[i][1] == text:
                self._next = i + 1
                return self._texts[i][0]
        return None

    def of_key(self, key: str, table: str = "", number: int = 0) -> int | None:
        """Return the line of a key that is written bare; None if it is not found.

        Args:
            key: The key.
            table: The name of the array of tables that it stands in, as in `[[name]]`; empty for none.
            number: Which of these tables, from 0 on.
        """
        return self._first(re.compile(rf"\s*{re.escape(key)}\s*="), table, number)

    def of_table(self, table: str, number: int) -> int | None:
        """Return the line of a header `[table]` or `[[table]]`, counted from 0; None if it is not found."""
        return self._first(re.compile(rf"\s*\[\[?\s*{re.escape(table)}\s*\]"), table, number)

    def _first(self, pattern: re.Pattern[str], table: str, number: int) -> int | None:
        inside, seen = "", dict[str, int]()
        for i, line in enumerate(self._bare, start=1):
            header = re.match(r"\s*\[\[?\s*([^\[\]\s]+)\s*\]", line)
            if header:
                inside = header[1]
                seen[inside] = seen.get(inside, -1) + 1
            here = inside == table and (not table or seen[inside] == number)
            if here and pattern.match(line):
                return i
        return None
