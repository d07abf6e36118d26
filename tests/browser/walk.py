"""The hands of a user: open a notebook, run it, fill in, click, read."""

from __future__ import annotations

import json
import os
import re
import shutil
from pathlib import Path

import requests

from tests.support import places

KERNEL_IDLE = """() => {
  const widget = window.jupyterapp?.shell?.currentWidget;
  return widget?.sessionContext?.session?.kernel?.status === 'idle';
}"""
GONE = "!document.querySelector('.rw-live ol.rw-line')"
ASKED = ".jp-Dialog button.jp-mod-accept"
IMAGES = places.ROOT / "docs" / "images"
# README_IMAGES=write puts these screenshots where the README shows them.
IN_THE_README = {
    "page-01-mistake.png": "form.png",
    "page-10-section.png": "preview.png",
    "page-11-done.png": "applied.png",
    "page-60-verified.png": "verified.png",
    "page-61-broken.png": "broken.png",
    "page-62-fix.png": "fix.png",
    "app-00-empty.png": "app.png",
    "dark-preview.png": "dark.png",
}
FIELDS = {
    "cluster": ".rw-field-cluster-id select",
    "bucket": ".rw-field-bucket input",
    "prefix": ".rw-field-prefix input",
    "role": ".rw-field-role-name input",
}


class Walk:
    """One browser page on its way through the notebooks."""

    def __init__(self, page, address, shots, name):
        self.page = page
        self.name = name
        self.base, self.token = re.match(r"(http://[^/]+)/.*token=(.*)", address).groups()
        self.shots = shots
        self.typed = 0

    def shot(self, name, top=None):
        """Keep a screenshot; scrolled so that ``top`` stands at the top."""
        if top is not None:
            top.evaluate(
                "each => { each.style.scrollMarginTop = '60px';"
                " each.scrollIntoView({block: 'start'}); }"
            )
        path = self.shots / f"{self.name}-{name}.png"
        self.page.screenshot(path=str(path))
        if path.name in IN_THE_README and os.environ.get("README_IMAGES") == "write":
            IMAGES.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, IMAGES / IN_THE_README[path.name])

    def expect(self, locator):
        """Hold a part of the page against what it should come to show; waits for it."""
        from playwright.sync_api import expect

        return expect(locator)

    def field(self, name):
        return self.page.locator(FIELDS[name]).first

    def message(self, name):
        return self.page.locator(f".rw-field-{name} .rw-fail")

    def button(self, text):
        return self.page.locator("button.jupyter-button", has_text=re.compile(f"^{text}"))

    def step(self, number):
        """Text of a step on the progress line: 1 to 6."""
        return self.page.locator(".rw-live ol.rw-line").first.locator("li").nth(number - 1)

    def choose_cluster(self, label):
        self.field("cluster").select_option(label=label)

    def type(self, name, text):
        self.field(name).fill(text)
        self.field(name).press("Tab")
        self.typed += 1

    def type_until_kept(self, name, text):
        """Type once more what was lost with a field that was drawn anew meanwhile."""
        for _ in range(3):
            self.field(name).fill(text)
            self.field(name).press("Tab")
            for _ in range(10):
                self.page.wait_for_timeout(500)
                if self.field(name).input_value() != text or self.message(name).count():
                    break
            if self.field(name).input_value() == text:
                break
        self.typed += 1

    def wait_for(self, text, where=".rw-live"):
        self.page.locator(where, has_text=text).first.wait_for()

    def apply(self):
        """Preview stands on the page; press Apply and wait until it says what it did."""
        self.button(r"Apply \d").click()
        self.page.locator(".rw-note.rw-good").first.wait_for()


class LabWalk(Walk):
    """In JupyterLab."""

    opened = False

    def open(self, name):
        page = self.page
        if self.opened:
            # As a user does: save and close one notebook, open the next from the file browser.
            # What the kernel still shows would make the notebook unsaved again.
            page.wait_for_function(KERNEL_IDLE)
            page.evaluate(
                "async () => { await window.jupyterapp.commands.execute('docmanager:save') }"
            )
            page.evaluate("() => { window.jupyterapp.commands.execute('application:close') }")
            page.wait_for_function(f"() => {GONE} || document.querySelector('{ASKED}')")
            if page.locator(ASKED).count():
                page.locator(ASKED).click()
            page.wait_for_function(f"() => {GONE}")
            page.evaluate(
                "path => { window.jupyterapp.commands.execute('docmanager:open', {path}) }", name
            )
        else:
            self.end_other_kernels()
            page.goto(f"{self.base}/lab/tree/{name}?token={self.token}&reset")
        page.wait_for_function(KERNEL_IDLE)
        if not self.opened:
            page.evaluate(
                "() => window.jupyterapp.commands.execute('application:toggle-left-area')"
            )
        self.opened = True
        page.evaluate("() => { window.jupyterapp.commands.execute('notebook:run-all-cells') }")
        page.locator(".rw-live ol.rw-line").first.wait_for()
        last = page.locator(".jp-Notebook-cell.jp-CodeCell").last
        last.locator(".rw-live").first.wait_for(state="attached")
        page.wait_for_function(KERNEL_IDLE)

    def end_other_kernels(self):
        """End the kernels of earlier walks, so that each begins with nothing."""
        headers = {"Authorization": f"token {self.token}"}
        sessions = f"{self.base}/api/sessions"
        for each in requests.get(sessions, headers=headers, timeout=30).json():
            where = f"{sessions}/{each['id']}"
            requests.delete(where, headers=headers, timeout=30).raise_for_status()


class AppWalk(Walk):
    """In Voilà, where there is no code and nothing to run."""

    def open(self, name):
        page = self.page
        page.goto(f"{self.base}/voila/render/{name}?token={self.token}")
        page.locator(".rw-live ol.rw-line").first.wait_for()


def sandbox_environment(runs: Path) -> dict[str, str]:
    return json.loads((runs / "lab" / "sandbox.json").read_text())


def iam(runs: Path):
    """IAM of the sandbox that the notebooks work in, for breaking things behind their back."""
    import boto3

    values = sandbox_environment(runs)
    assert values["AWS_ENDPOINT_URL"].startswith("http://127.0.0.1:")
    os.environ["AWS_EC2_METADATA_DISABLED"] = "true"
    return boto3.client(
        "iam",
        endpoint_url=values["AWS_ENDPOINT_URL"],
        aws_access_key_id=values["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=values["AWS_SECRET_ACCESS_KEY"],
        region_name="us-east-1",
    )


def set_faults(runs: Path, **faults):
    """Switch faults of the sandbox that the notebooks work in."""
    url = sandbox_environment(runs)["AWS_ENDPOINT_URL"].rstrip("/")
    requests.put(f"{url}/_sandbox/faults", json=faults, timeout=30).raise_for_status()


def cut_off(page):
    """Tables of ours that are wider than the place they stand in."""
    return page.evaluate(
        """() => [...document.querySelectorAll('.rw-live .rw table')]
          .filter(each => each.offsetParent
            && each.getBoundingClientRect().right
              > each.closest('.rw-live').getBoundingClientRect().right + 1)
          .map(each => each.className + ': ' + each.innerText.slice(0, 60))"""
    )


def serious_faults(page, within=".rw-live"):
    """Accessibility faults that axe calls serious or critical, in our own output."""
    from axe_playwright_python.sync_playwright import Axe

    found = Axe().run(page, context={"include": [[within]]})
    return [
        f"{each['id']}: {each['nodes'][0]['html'][:160]} {each['nodes'][0]['failureSummary'][:200]}"
        for each in found.response["violations"]
        if each["impact"] in ("serious", "critical")
    ]
