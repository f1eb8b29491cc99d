"""A page as a test reads it."""

from __future__ import annotations

import re
from html.parser import HTMLParser

VOID = {"meta", "input", "img", "br", "link", "hr"}


class Page(HTMLParser):
    """What a test asks of a page: tags closed in order, ids, attributes, text by element."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "script" not in self.open and "style" not in self.open:
            self.text.append(data)

    def attributes(self, name: str, *tags: str) -> list[str]:
        found = [attributes.get(name) for tag, attributes in self.tags if not tags or tag in tags]
        return [value for value in found if value is not None]

    def sections(self) -> list[str]:
        return self.attributes("id", "section")

    @property
    def prose(self) -> str:
        """All text, with each run of whitespace as one space."""
        return re.sub(r"\s+", " ", " ".join(self.text))
