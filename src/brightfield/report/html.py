"""The report as one self-contained HTML file."""

from __future__ import annotations

from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from brightfield.disk.atomic import write_atomically
from brightfield.report.page import context
from brightfield.report.report import Report


def environment() -> Environment:
    """Return what reads the templates of this package; what they print is escaped."""
    return Environment(
        loader=PackageLoader("brightfield.report", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def render(report: Report) -> str:
    """Return the page: one HTML document that loads nothing from anywhere."""
    return environment().get_template("template.html.j2").render(context(report))


def write_report(path: Path, report: Report) -> None:
    """Write the report as one self-contained HTML file, whole or not at all."""
    write_atomically(path, render(report).encode("utf-8"))
