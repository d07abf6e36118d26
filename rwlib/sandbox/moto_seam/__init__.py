"""The one place that knows what moto looks like inside.

Everything else in the sandbox asks `World`. It holds for the moto versions in ``HOLDS_FOR``; a
test fails when another one is installed.
"""

from __future__ import annotations

from rwlib.sandbox.moto_seam.keeping import MOTO_VERSION
from rwlib.sandbox.moto_seam.pickling import UnreadableStateError
from rwlib.sandbox.moto_seam.world import World

HOLDS_FOR = ("5.2",)
"""Leading parts of the moto versions this package was written against."""

__all__ = ["HOLDS_FOR", "MOTO_VERSION", "UnreadableStateError", "World"]
