"""Write the code cells of every notebook as a module under build/notebooks, for mypy."""

from __future__ import annotations

import json
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def main() -> None:
    """Write one module for each notebook; the last expression of a cell stays an expression."""
    folder = ROOT / "build" / "notebooks"
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("*.py"):
        old.unlink()
    for path in sorted((ROOT / "notebooks").rglob("*.ipynb")):
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        code = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
        text = "\n\n".join(source for source in code if not source.startswith(("%", "!")))
        text = text.replace(": dict = ", ": dict[str, object] = ")
        text = text.replace(": list = ", ": list[str] = ")
        name = "nb_" + path.stem.replace("-", "_")
        (folder / f"{name}.py").write_text(f'"""{path.name}"""\n\n{text}\n', encoding="utf-8")


if __name__ == "__main__":
    main()
