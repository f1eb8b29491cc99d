"""A page on which a person judges pictures: one HTML file that needs no server and no network."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Any

from brightfield.explain.overlay import data_uri

_MARK = "__DATA__"


@dataclass(frozen=True)
class Card:
    """One picture of a page.

    Attributes:
        id: The name by which the page's file speaks of it; it tells nothing else.
        picture: A PNG or JPEG file.
        heat: A PNG file with transparency, to be laid over the picture; None without one.
    """

    id: str
    picture: bytes = field(repr=False)
    heat: bytes | None = field(default=None, repr=False)


def render(page: str, cards: Sequence[Card], *, normal: str, types: Sequence[str]) -> str:
    """Return the page as HTML.

    Nothing on it tells what the inspector decided, or which pieces are known.

    Args:
        page: The page's own id, which its file names.
        cards: The pictures in the order in which they are shown.
        normal: The class of good parts.
        types: The defect types to choose from; with one alone no type is asked for.
    """
    document = {
        "page": page,
        "normal": normal,
        "types": list(types),
        "ask": len(types) > 1,
        "items": [_item(card) for card in cards],
    }
    text = json.dumps(document, ensure_ascii=True).replace("<", "\\u003c")  # no tag can end the script
    return _template().replace(_MARK, text)


def _item(card: Card) -> dict[str, Any]:
    heat = None if card.heat is None else data_uri(card.heat)
    return {"id": card.id, "picture": data_uri(card.picture), "heat": heat}


def _template() -> str:
    return files(__package__).joinpath("page.html").read_text(encoding="utf-8")
