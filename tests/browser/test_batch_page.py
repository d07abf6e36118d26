"""The summary of a batch in a browser: sorted, filtered, escaped, and without a network."""

from __future__ import annotations

import pytest

from rwlib.batch.summary import write_summary
from rwlib.verify import HOPS

pytestmark = pytest.mark.slow

HOSTILE = "<script>document.title = 'run'</script> & \"quoted\" 'ü'"
RESULTS = [
    {"row": 1, "name": "b10", "status": "done", "hops": {"trust": "pass", "bucket": "pass"}},
    {"row": 2, "name": "b9", "status": "failed", "hops": {"trust": "fail", "bucket": "pass"}},
    {"row": 3, "name": "a1", "status": "error", "hops": {}},
    {"row": 4, "name": "c", "status": "manual", "hops": {"trust": "pass", "bucket": "unknown"}},
]
HEAD = {
    "name": HOSTILE,
    "headline": "2 of 4 targets failed",
    "exit_code": 1,
    "total": 4,
    "counts": {"done": 1, "error": 1, "failed": 1, "manual": 1},
    "source": "targets.csv",
    "made_by": "ada@example",
    "endpoint": "AWS",
    "started": "2026-01-01T00:00:00+00:00",
    "finished": "2026-01-01T00:01:00+00:00",
    "seconds": 60.0,
}


@pytest.fixture
def summary(page, tmp_path):
    """The page, and the names of the rows that it shows, from top to bottom."""
    results = [
        {"exit_code": 0, "changes": [], "problem": HOSTILE, "headline": "", "seconds": 1.0, **each}
        for each in RESULTS
    ]
    write_summary(tmp_path, HEAD, lambda: results)
    page.set_content((tmp_path / "summary.html").read_text())

    def names():
        return page.locator("tbody tr:not([hidden]) th").all_inner_texts()

    return names


def test_rows_are_sorted_by_a_heading_and_back(page, summary):
    assert summary() == ["b10", "b9", "a1", "c"]
    heading = page.get_by_role("button", name="Target")
    heading.click()
    assert summary() == ["a1", "b9", "b10", "c"]
    heading.click()
    assert summary() == ["c", "b10", "b9", "a1"]
    assert page.locator("th[aria-sort=descending]").all_inner_texts() == ["Target"]
    page.get_by_role("button", name="trust").click()
    assert summary()[1] == "b9"
    page.get_by_role("button", name="Row").click()
    assert summary() == ["b10", "b9", "a1", "c"]


def test_rows_are_filtered_by_status_hop_and_words(page, summary):
    page.get_by_label("Status").select_option("failed")
    assert summary() == ["b9"]
    page.get_by_label("Status").select_option("")
    page.get_by_label("Hop that is not a pass").select_option("bucket")
    assert summary() == ["c"]
    page.get_by_label("Hop that is not a pass").select_option("trust")
    assert summary() == ["b9"]
    assert page.locator("#shown").inner_text() == "1 of 4 shown"
    page.get_by_label("Hop that is not a pass").select_option("")
    page.get_by_label("Show rows with").fill("B error")
    assert summary() == []
    page.get_by_label("Show rows with").fill("QUOTED a1")
    assert summary() == ["a1"]


def test_page_shows_texts_as_they_are_and_asks_nobody(page, summary):
    from axe_playwright_python.sync_playwright import Axe

    assert page.title() == f"{HOSTILE}: 4 targets"
    assert page.locator("h1").inner_text() == HOSTILE
    assert page.locator(".rw-said").nth(1).inner_text() == HOSTILE
    assert (page.elsewhere, page.faults) == ([], [])
    found = Axe().run(page).response["violations"]
    assert [each["id"] for each in found if each["impact"] in ("serious", "critical")] == []


def test_table_is_there_when_scripts_are_off(browser, tmp_path):
    write_summary(tmp_path, HEAD, lambda: [{**RESULTS[2], "exit_code": 4, "changes": [],
                                            "problem": "no", "seconds": 0.1}])  # fmt: skip
    context = browser.new_context(java_script_enabled=False)
    try:
        plain = context.new_page()
        plain.set_content((tmp_path / "summary.html").read_text())
        assert plain.locator("tbody th").all_inner_texts() == ["a1"]
        assert not plain.get_by_label("Status").is_visible()
    finally:
        context.close()


def test_every_hop_fits_1440_pixels(page, tmp_path):
    row = {
        "row": 1, "name": "events-of-the-subsidiary-in-frankfurt-orders", "status": "failed",
        "exit_code": 1, "changes": ["one"], "problem": "not so: " + "a long sentence " * 20,
        "hops": dict.fromkeys(HOPS, "pass"), "seconds": 12.5, "account_id": "111122223333",
    }  # fmt: skip
    rows = [row, {**row, "name": "b", "account_id": "777788889999"}]
    write_summary(tmp_path, HEAD, lambda: rows)
    page.set_viewport_size({"width": 1440, "height": 900})
    page.set_content((tmp_path / "summary.html").read_text())
    over = "element => element.scrollWidth - element.clientWidth"
    assert page.locator(".rw-wide").evaluate(over) <= 0
    assert page.locator("thead th").count() == 7 + len(HOPS)
