"""Where the project's folders are, for tests in any room."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT / "tests" / "data"
NOTEBOOKS = ROOT / "notebooks"
