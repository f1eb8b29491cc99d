"""Matplotlib figures as inline SVG, in the colours of the page's theme and with unique ids."""

from __future__ import annotations

import html
import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# near-black placeholders for the page's CSS variables, which matplotlib does not accept as colours
INK, SOFT, LINE = "#010101", "#020202", "#030303"
OK, REVIEW, DEFECT, ACCENT = "#040404", "#050505", "#060606", "#070707"
PAPER = "#080808"
THEME = {
    INK: "var(--ink)",
    SOFT: "var(--soft)",
    LINE: "var(--line)",
    OK: "var(--ok)",
    REVIEW: "var(--review)",
    DEFECT: "var(--defect)",
    ACCENT: "var(--accent)",
    PAPER: "var(--card)",
}

STYLE = {
    "svg.fonttype": "none",
    "svg.hashsalt": "brightfield",
    "text.parse_math": False,
    "font.size": 10.0,
    "text.color": INK,
    "axes.edgecolor": LINE,
    "axes.labelcolor": SOFT,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.facecolor": "none",
    "grid.color": LINE,
    "grid.linewidth": 0.6,
    "xtick.color": LINE,
    "ytick.color": LINE,
    "xtick.labelcolor": SOFT,
    "ytick.labelcolor": SOFT,
    "legend.frameon": False,
    "lines.solid_capstyle": "round",
}


@contextmanager
def drawing(width: float, height: float) -> Iterator[Figure]:
    """Yield a figure in the page's style, sized in points; restore matplotlib's settings afterwards."""
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context(STYLE):  # type: ignore[arg-type]
        yield Figure(figsize=(width / 72.0, height / 72.0), layout="constrained")


def as_svg(figure: Figure, name: str, description: str) -> str:
    """Return the figure as an `<svg>` element; call it inside `drawing`.

    Args:
        figure: The figure.
        name: A name unique in the page; every id begins with it.
        description: Text alternative of the chart for screen readers.
    """
    buffer = io.StringIO()
    bare = dict.fromkeys(("Creator", "Date", "Format", "Type"))
    figure.savefig(buffer, format="svg", transparent=True, metadata=bare)
    text = buffer.getvalue()
    text = text[text.index("<svg") :].strip()
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r'\bid="', f'id="{name}-', text)
    text = re.sub(r'(href="|url\()#', rf"\g<1>#{name}-", text)
    box = re.search(r'viewBox="[^"]*"', text)
    head = f'<svg {box.group() if box else ""} role="img" aria-label="{html.escape(description)}">'
    text = head + text[text.index(">") + 1 :]
    text = text.replace("xlink:href", "href")
    for stand_in, variable in THEME.items():
        text = text.replace(stand_in, variable)
    return text


def frame(axes: Axes, x: str, y: str) -> None:
    """Label the axes and remove tick marks."""
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    axes.tick_params(length=0)
