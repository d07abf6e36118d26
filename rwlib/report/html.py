"""A run's report as files: JSON, and one HTML page that opens without a network."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from rwlib.report.indented import indented_json
from rwlib.report.schema import validate_report

_MARKED = re.compile(r"`([^`\n]+)`")


def write_report(report: Mapping[str, Any], run_dir: Path) -> None:
    """Write the report as JSON and as one HTML page that opens without a network."""
    validate_report(report)
    run_dir.mkdir(parents=True, exist_ok=True)
    write_text(run_dir / "report.json", indented_json(report) + "\n")
    write_text(run_dir / "report.html", render_html(report))


def write_text(path: Path, text: str) -> None:
    """Write a file whole: a reader sees the old text or the new one, never half of it."""
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        part.write_text(text, encoding="utf-8")
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)  # half a file on a full disk would help nobody
        raise


def render_html(report: Mapping[str, Any]) -> str:
    """Return the report as one self-contained HTML page."""
    return str(template("report.html.j2").render(report=report))


def said(text: object) -> Any:
    """Return a sentence as HTML, with what stands between backticks as code; all is escaped."""
    from markupsafe import Markup, escape

    safe = escape(text)
    return Markup(_MARKED.sub(r"<code>\1</code>", str(safe))) if "`" in safe else safe


def template(name: str) -> Any:
    """Return one of the package's templates; everything put into it is escaped."""
    return _environment().get_template(name)


@cache
def _environment() -> Any:
    import jinja2

    from rwlib.report.comparison import compare_documents, documents_of, other_settings
    from rwlib.report.pictures import COLUMNS, access_map, chain, chain_svg

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("rwlib"),
        autoescape=True,
        # The package's files do not change while it runs.
        auto_reload=False,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["pretty"] = indented_json
    environment.filters["said"] = said
    environment.filters["documents"] = lambda change: list(
        documents_of(change["before"], change["after"])
    )
    environment.filters["settings"] = lambda change: other_settings(
        change["before"], change["after"], change["resource"]
    )
    environment.globals.update(
        compare=compare_documents,
        chain=chain,
        chain_svg=chain_svg,
        access_map=access_map,
        access_columns=COLUMNS,
    )
    return environment
