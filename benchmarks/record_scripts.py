"""Record which scripts JupyterLab's and Voilà's pages ask for, in ``rwlib/data/page_scripts.json``.

Run: python benchmarks/record_scripts.py

To be run again when the pinned version of either has changed. Needs Chromium and the extras
``lab``, ``app`` and ``browser``.
"""

from __future__ import annotations

import json
import shutil
from importlib.metadata import version
from pathlib import Path
from typing import Any

from pages import FORM, HERE, LAB_IS_READY, PATIENCE, RUN_ALL, served

RECORD = Path("rwlib") / "data" / "page_scripts.json"
PACKAGES = {"app": "voila", "lab": "jupyterlab"}
# Where the two servers serve a script from, and what the record calls it.
PLACES = {
    "voila/static/": "static/",
    "voila/labextensions/": "labextensions/",
    "static/lab/": "static/",
    "lab/extensions/": "labextensions/",
}
# These begin what they belong to, and are asked for as ever.
BEGINS = ("main.", "voila.js", "remoteEntry.", "voila-style.js")


def name_of(path: str) -> str:
    """Return a script's name in the record, empty for what does not belong there."""
    file = path.rpartition("/")[2]
    if not file.endswith(".js") or file.startswith(BEGINS):
        return ""
    found = (
        to + path.removeprefix(begin) for begin, to in PLACES.items() if path.startswith(begin)
    )
    return next(found, "")


def asked_for(browser: Any, address: str, kind: str) -> list[str]:
    """Open the page, wait for the form, and return the scripts that it asked for."""
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    paths: list[str] = []
    page.on("request", lambda each: paths.append(each.url.split("?")[0].split("/", 3)[3]))
    page.goto(f"{address}&reset" if kind == "lab" else address, wait_until="commit")
    if kind == "lab":
        page.wait_for_function(LAB_IS_READY)
        page.evaluate(RUN_ALL)
    page.locator(FORM).first.wait_for(state="visible")
    page.wait_for_timeout(2000)
    context.close()
    return [name for path in dict.fromkeys(paths) if (name := name_of(path))]


def main() -> None:
    from playwright.sync_api import sync_playwright

    record = HERE / RECORD
    record.write_text("{}\n", encoding="utf-8")  # so that every script is asked for by itself
    found = {}
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        for kind, package in PACKAGES.items():
            with served(HERE, kind) as address:
                scripts = asked_for(browser, address, kind)
            found[package] = {"version": version(package), "scripts": scripts}
            print(f"{kind}: {len(scripts)} scripts of {package} {version(package)}")
        browser.close()
    record.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
