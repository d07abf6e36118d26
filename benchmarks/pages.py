"""From the browser's request to a form that can be filled in: the app and JupyterLab.

Run: python benchmarks/pages.py [--other FOLDER] [--rounds N]

With ``--other``, another checkout of this repository is measured in turn with this one, in the
same run and with the same browser, and the ratio is printed. Needs Chromium and the extras
``lab``, ``app`` and ``browser``.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

HERE = Path(__file__).resolve().parent.parent
KINDS = {"app": 0.5, "lab": 0.6}
FORM = ".rw-field-bucket input"
PATIENCE = 300_000
LAB_IS_READY = (
    "() => window.jupyterapp?.shell?.currentWidget?.sessionContext?.session?.kernel?.status"
    " === 'idle'"
)
RUN_ALL = "() => { window.jupyterapp.commands.execute('notebook:run-all-cells') }"


@contextmanager
def served(tree: Path, kind: str) -> Iterator[str]:
    """Serve a checkout's notebooks and give the address that it prints."""
    runs = Path(tempfile.mkdtemp(prefix="rwlib-pages-"))
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("AWS_", "RWC_", "RW_", "RWLIB_", "JUPYTER"))
    }
    environment |= {"PYTHONPATH": str(tree), "XDG_STATE_HOME": str(runs / "state")}
    module = "rwlib.launcher" if (tree / "rwlib" / "launcher.py").exists() else "rwlib.lab"
    python = tree / ".venv" / "bin" / "python"
    command = [str(python) if python.exists() else sys.executable, "-m", module]
    command += ["--no-browser", "--sandbox"]
    command += ["--runs", str(runs), "--notebooks", str(tree / "notebooks"), "--token", "measured"]
    command += ["--app"] if kind == "app" else []
    with (runs.parent / f"{runs.name}.log").open("wb") as log:
        server = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=log, env=environment, text=True, cwd=tree
        )
    try:
        assert server.stdout is not None
        address = server.stdout.readline().strip()
        wait_until_it_answers(address)
        yield address
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait()
        shutil.rmtree(runs, ignore_errors=True)


def wait_until_it_answers(address: str) -> None:
    """Wait for the server, which is not what is measured."""
    import urllib.error
    import urllib.request

    base = re.match(r"http://127\.0\.0\.1:\d+", address)
    assert base, address
    for _ in range(600):
        try:
            urllib.request.urlopen(f"{base.group()}/api", timeout=10)
            return
        except urllib.error.HTTPError:
            return
        except OSError:
            time.sleep(0.2)


def seconds(browser: Any, address: str, kind: str) -> float:
    """Return how long it takes from the request until the bucket's field takes what is typed."""
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    started = time.perf_counter()
    page.goto(f"{address}&reset" if kind == "lab" else address, wait_until="commit")
    if kind == "lab":
        page.wait_for_function(LAB_IS_READY)
        page.evaluate(RUN_ALL)
    field = page.locator(FORM).first
    field.wait_for(state="visible")
    field.fill("acme-analytics")
    took = time.perf_counter() - started
    context.close()
    return took


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--other", type=Path, help="Another checkout, measured in turn with this")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--kinds", nargs="+", choices=tuple(KINDS), default=tuple(KINDS))
    options = parser.parse_args()
    from playwright.sync_api import sync_playwright

    trees = {"this": HERE} | ({"other": options.other.resolve()} if options.other else {})
    found: dict[tuple[str, str], list[float]] = {}
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        for _ in range(options.rounds):
            for kind in options.kinds:
                for name, tree in trees.items():
                    with served(tree, kind) as address:
                        took = seconds(browser, address, kind)
                    found.setdefault((kind, name), []).append(took)
        browser.close()
    print(f"{'page':<5} {'tree':<6} {'seconds':>8}   (median of {options.rounds})")
    for (kind, name), times in found.items():
        print(f"{kind:<5} {name:<6} {median(times):>8.2f}")
    late = False
    for kind in options.kinds if options.other else ():
        ratio = median(found[kind, "this"]) / median(found[kind, "other"])
        late |= ratio > KINDS[kind]
        print(f"{kind}: {ratio:.2f} of the other's time; wanted at most {KINDS[kind]}")
    return int(late)


if __name__ == "__main__":
    raise SystemExit(main())
