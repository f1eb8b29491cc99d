"""The HTML display of a verdict in a notebook: the picture, the overlay and the decision."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from brightfield.explain.closest import GOOD, PART, boxed, pair
from brightfield.explain.overlaid import overlaid
from brightfield.explain.overlay import as_png, data_uri, shrink

if TYPE_CHECKING:
    from brightfield.verdict import Verdict

SIDE = 320
"""The longer side of the pictures shown, in pixels."""

PAIR = 128
"""The longer side in pixels of the place that is shown beside the closest good part."""

_TONES = {"OK": "#1a7f37", "REVIEW": "#9a6700", "DEFECT": "#b3261e"}


def verdict_html(verdict: Verdict) -> str:
    """Return a verdict as HTML: the picture, the overlay, and the decision with its figures."""
    headline = str(verdict.label if verdict.decision is None else verdict.decision)
    tone = _TONES.get(headline, "inherit")
    rows = [("label", verdict.label), *_values(verdict), ("rule", verdict.rule), ("method", verdict.method)]
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
        heat_shape = verdict.heatmap.shape
        drawn = overlaid(small, verdict.heatmap, verdict)
        closest = verdict.closest
        shown.append(("heatmap", drawn if closest is None else boxed(drawn, closest.box, heat_shape)))
    return "".join(_picture(name, picture) for name, picture in shown) + _closest(verdict)


def _picture(name: str, picture: npt.NDArray[np.uint8]) -> str:
    return f"<img alt='{name}' style='max-width:{SIDE}px' src='{data_uri(as_png(picture))}'>"


def _closest(verdict: Verdict) -> str:
    """Return the most unusual place beside the closest good part, with captions; empty without one."""
    if verdict.picture is None or verdict.closest is None:
        return ""
    names = (PART, f"{GOOD}: {verdict.closest.image}")
    shown = zip((PART, GOOD), names, pair(_in_colour(verdict.picture), verdict.closest, PAIR), strict=True)
    return "".join(
        f"<div style='width:{PAIR}px'>{_picture(name, picture)}"
        f"<div style='font-size:0.85em;overflow-wrap:anywhere'>{html.escape(caption)}</div></div>"
        for name, caption, picture in shown
    )


def _in_colour(picture: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    return np.repeat(picture[:, :, None], 3, axis=2) if picture.ndim == 2 else picture
