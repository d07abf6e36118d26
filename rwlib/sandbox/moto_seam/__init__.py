"""The one place that knows what moto looks like inside.

Everything else in the sandbox asks `World`. It holds for the moto versions in ``HOLDS_FOR``; a
test fails when another one is installed.
"""

from __future__ import annotations

HOLDS_FOR = ("5.2",)
"""Leading parts of the moto versions this package was written against."""
