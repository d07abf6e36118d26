"""Waiting for what a test needs, and looking whether a process is still there."""

from __future__ import annotations

import threading
import time
from pathlib import Path


def wait_until(condition, patience=60.0):
    """Look again and again; the bound is only reached when the test fails."""
    until = time.monotonic() + patience
    while not (found := condition()) and time.monotonic() < until:
        threading.Event().wait(0.05)
    return found


def is_running(process_id):
    try:
        state = Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"
