"""Pictures within a page."""

from __future__ import annotations

import base64


def data_uri(png: bytes) -> str:
    """Return a PNG as a URI that holds it."""
    return f"data:image/png;base64,{base64.b64encode(png).decode('ascii')}"
