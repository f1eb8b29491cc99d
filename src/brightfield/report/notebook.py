"""What a notebook shows of an evaluation: the key figures and the report's charts."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from brightfield.evaluation.predictions import Predictions
from brightfield.report.html import environment
from brightfield.report.page import context
from brightfield.report.report import Report

_IDS = re.compile(r'(\bid="|href="#|url\(#)')
_STYLE, _STYLE_WITHIN = '<style type="text/css">*{', '<style type="text/css">.brightfield-evaluation svg *{'


def evaluation_html(
    title: str, predictions: Predictions, metrics: Mapping[str, Any], notes: Sequence[str] = ()
) -> str:
    """Return an evaluation as an HTML element that brings its own style, and touches no other on the page.

    Args:
        title: The heading, such as the name of the data set.
        predictions: One row an image.
        metrics: What `summarise` returned for them.
        notes: Sentences the reader must know.
    """
    found = context(Report(title=title, predictions=predictions, metrics=metrics, notes=notes))
    drawn = found["charts"]
    charts = _apart([svg for name in ("ranking", "calibration", "histogram") for svg in drawn[name]])
    return environment().get_template("notebook.html.j2").render({**found, "charts": charts})


def _apart(charts: Sequence[Markup]) -> list[Markup]:
    """Return charts whose ids and style are their own: a notebook shows several evaluations on one page."""
    mark = hashlib.sha256("".join(charts).encode()).hexdigest()[:8]
    own = (_IDS.sub(rf"\g<1>bf{mark}-", str(svg)) for svg in charts)
    return [Markup(svg.replace(_STYLE, _STYLE_WITHIN)) for svg in own]
