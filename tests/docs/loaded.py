"""The scripts beside the documentation, as modules."""

from __future__ import annotations

import importlib.util
import sys

from tests.support import places


def script(name):
    """Load a script of docs/ by its name."""
    path = places.ROOT / "docs" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(f"docs_{name}", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module
