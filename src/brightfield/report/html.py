"""The report as one self-contained HTML file."""

from __future__ import annotations

from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from brightfield.disk.atomic import write_atomically
from brightfield.report.page import context
from brightfield.report.report import Report


def environment() -> Environment:
    """Return the Jinja environment of this package's templates, which escapes what they print."""
    return Environment(
        loader=PackageLoader("brightfield.report", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def render(report: Report) -> str:
    """Return the report as one HTML document that loads no other file."""
    return environment().get_template("template.html.j2").render(context(report))


def write_report(path: Path, report: Report) -> None:
    """Write the report as one self-contained HTML file, atomically."""
    write_atomically(path, render(report).encode("utf-8"))
