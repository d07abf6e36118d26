"""A real browser, a JupyterLab and a Voilà beside a sandbox, all on loopback.

The tests need Debian's Chromium and the extra ``browser``; where they are missing the tests are
skipped with the reason, unless ``RWLIB_BROWSER_TESTS=required``.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support import places

ROOT = places.ROOT
SHOTS = ROOT / "build" / "screenshots"
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), "")
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
]
# Seconds for one wait; a machine with much else to do needs more.
PATIENCE = 1000 * int(os.environ.get("RWLIB_BROWSER_SECONDS", "60"))
REQUIRED = os.environ.get("RWLIB_BROWSER_TESTS", "") == "required"


def missing():
    """Say what is missing for a browser test, empty when nothing is."""
    if not CHROMIUM:
        return "no chromium; on Debian: apt-get install chromium"
    for module in ("playwright", "jupyterlab", "voila", "axe_playwright_python"):
        # Importing JupyterLab takes seconds, in runs that leave these tests out, too.
        if importlib.util.find_spec(module) is None:
            return f"no {module}; install the extras lab, app and browser"
    return ""


def pytest_collection_modifyitems(items):
    reason = missing()
    if not reason or REQUIRED:
        return
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.skip(reason=reason))


@contextmanager
def served(runs, *options):
    """Run ``python -m rwlib.launcher`` and give its address when it answers."""
    import time
    import urllib.error
    import urllib.request

    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("AWS_", "RWC_", "RW_", "RWLIB_", "JUPYTER"))
    }
    environment.update(
        PYTHONPATH=str(ROOT), AWS_CONFIG_FILE=os.devnull, AWS_SHARED_CREDENTIALS_FILE=os.devnull,
        XDG_STATE_HOME=str(runs / "state"), PYTHONWARNINGS="ignore",
    )  # fmt: skip
    log = runs / "server.log"
    runs.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as errors:
        server = subprocess.Popen(
            [
                *(sys.executable, "-m", "rwlib.launcher", "--no-browser", "--sandbox"),
                *("--runs", str(runs), "--notebooks", str(ROOT / "notebooks"), *options),
            ],
            stdout=subprocess.PIPE,
            stderr=errors,
            env=environment,
            text=True,
        )
    try:
        address = server.stdout.readline().strip()
        assert address.startswith("http://127.0.0.1:"), log.read_text()[-2000:]
        base = re.match(r"http://127\.0\.0\.1:\d+", address).group()
        for _ in range(300):
            try:
                urllib.request.urlopen(f"{base}/api", timeout=5)
                break
            except urllib.error.HTTPError:
                break
            except OSError:
                assert server.poll() is None, log.read_text()[-2000:]
                time.sleep(0.1)
        yield address
    finally:
        server.send_signal(signal.SIGTERM)
        try:
            server.wait(timeout=40)
        except subprocess.TimeoutExpired:
            server.kill()


@pytest.fixture(scope="session")
def browser():
    from playwright.sync_api import expect, sync_playwright

    expect.set_options(timeout=PATIENCE)
    with sync_playwright() as play:
        running = play.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield running
        running.close()


@pytest.fixture
def page(browser):
    """A page of 1024 by 900, which remembers what it asked of other hosts and what it logged."""
    context = browser.new_context(viewport={"width": 1024, "height": 900})
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    shown = context.new_page()
    shown.elsewhere = []
    shown.faults = []
    shown.set_default_timeout(PATIENCE)

    def asked(request):
        if not re.match(r"(https?|wss?)://127\.0\.0\.1[:/]|data:|blob:|about:", request.url):
            shown.elsewhere.append(request.url)

    shown.on("request", asked)
    shown.on("pageerror", lambda error: shown.faults.append(str(error)))
    yield shown
    context.close()


@pytest.fixture(scope="session")
def screenshots():
    SHOTS.mkdir(parents=True, exist_ok=True)
    return SHOTS
