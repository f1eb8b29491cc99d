"""The HTML display of a verdict in a notebook: the picture, the overlay and the decision."""

from __future__ import annotations

import base64
import html
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from brightfield.explain.overlay import as_png, overlay, shrink, shrink_heat, shrink_region

if TYPE_CHECKING:
    from brightfield.verdict import Verdict

SIDE = 320
"""The longer side of the pictures shown, in pixels."""

_TONES = {"OK": "#1a7f37", "REVIEW": "#9a6700", "DEFECT": "#b3261e"}


def verdict_html(verdict: Verdict) -> str:
    """Return a verdict as HTML: the picture, the overlay, and the decision with its figures."""
    headline = str(verdict.label if verdict.decision is None else verdict.decision)
    tone = _TONES.get(headline, "inherit")
    rows = [("label", verdict.label), *_values(verdict), ("method", verdict.method)]
    table = "".join(
        f"<tr><td style='text-align:left;padding:0 1em 0 0'>{html.escape(name)}</td>"
        f"<td style='text-align:left'>{html.escape(value)}</td></tr>"
        for name, value in rows
        if value
    )
    return (
        "<div style='display:flex;gap:16px;align-items:flex-start;flex-wrap:wrap'>"
        f"{_pictures(verdict)}<div><div style='font-size:1.4em;font-weight:600;color:{tone}'>"
        f"{html.escape(headline)}</div><table>{table}</table></div></div>"
    )


def _values(verdict: Verdict) -> list[tuple[str, str]]:
    figures = (
        ("probability of a defect", verdict.probability),
        ("p-value", verdict.p_value),
        ("score", verdict.score),
        ("threshold", verdict.threshold),
    )
    scale = "" if verdict.scale is None else f" ({verdict.scale.words})"
    return [
        (name + (scale if name == "threshold" else ""), f"{value:.4g}")
        for name, value in figures
        if value is not None
    ]


def _pictures(verdict: Verdict) -> str:
    if verdict.picture is None:
        return ""
    small = shrink(_in_colour(verdict.picture), SIDE)
    shown = [("picture", small)]
    if verdict.heatmap is not None:
        heat = shrink_heat(verdict.heatmap, small.shape)
        region = shrink_region(verdict.region, small.shape)
        shown.append(("heatmap", overlay(small, heat, region=region)))
    return "".join(
        f"<img alt='{name}' style='max-width:{SIDE}px' src='data:image/png;base64,"
        f"{base64.b64encode(as_png(picture)).decode()}'>"
        for name, picture in shown
    )


def _in_colour(picture: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    return np.repeat(picture[:, :, None], 3, axis=2) if picture.ndim == 2 else picture
