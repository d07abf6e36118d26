"""The documentation as a site: it builds without a warning and asks nobody else for anything."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from tests.support import places

pytest.importorskip("material", reason="the site needs the extra docs")
pytestmark = pytest.mark.slow
ROOT = places.ROOT
TAGS = re.compile(r"<(?:script|img|iframe|source|link)\b[^>]*?(?:src|href)=\"?([^\" >]+)", re.I)


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    place = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--quiet", "--strict", "--site-dir", place],
        cwd=ROOT, capture_output=True, text=True, timeout=240,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return place


def test_every_page_of_the_docs_is_in_the_site(site):
    pages = [path.relative_to(ROOT / "docs") for path in (ROOT / "docs").rglob("*.md")]
    assert len(pages) > 20
    missing = [
        page for page in pages
        if not (site / page.with_suffix(".html")).exists()
        and not (page.name == "README.md" and (site / page.parent / "index.html").exists())
    ]  # fmt: skip
    assert missing == []


def test_pages_load_nothing_from_elsewhere(site):
    pages = list(site.rglob("*.html"))
    assert len(pages) > 20
    loaded = {address for page in pages for address in TAGS.findall(page.read_text("utf-8"))}
    assert loaded
    assert [address for address in loaded if re.match(r"(https?:)?//", address)] == []


def test_diagrams_are_drawn_by_a_script_of_the_site(site):
    page = (site / "architecture.html").read_text("utf-8")
    assert 'class="mermaid"' in page
    assert "assets/mermaid.min.js" in page
    assert (site / "assets" / "mermaid.min.js").stat().st_size > 1_000_000
