"""Checks that were made already, as facts for the diagnosis."""

from __future__ import annotations

from collections.abc import Iterable

from rwlib.verify.check import Check


class CheckedFacts:
    """Checks that were made already, asked by their id."""

    def __init__(self, checks: Iterable[Check]) -> None:
        self._checks = {check.id: check for check in checks}

    def check(self, check_id: str, /) -> Check | None:
        """Return the check of that id, None when it was not made."""
        return self._checks.get(check_id)
