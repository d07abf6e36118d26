"""Prints the score at the end of the run."""

from __future__ import annotations

import pytest

RESULTS: dict[str, bool] = {}


@pytest.fixture(scope="session")
def results() -> dict[str, bool]:
    """Which rows agree with AWS."""
    return RESULTS


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print how many rows agree."""
    if RESULTS:
        agreed = sum(RESULTS.values())
        share = 100 * agreed / len(RESULTS)
        terminalreporter.write_sep("=", "conformance")
        terminalreporter.write_line(
            f"{agreed} of {len(RESULTS)} scenarios answered as AWS answers ({share:.1f} %)"
        )
