"""What a lab's check found, and how a notebook shows it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

Mistake = Literal[
    "trusts_everybody",
    "trusts_account",
    "trusts_pattern",
    "trusts_another",
    "every_resource",
    "prefix_pattern",
    "more_than_needed",
    "bucket_policy_opened",
    "bucket_policy_widened",
    "key_policy_opened",
    "guard_emptied",
    "boundary_removed",
    "boundary_widened",
    "allowed_principal_added",
    "closed_again",
    "public_access_opened",
    "encryption_changed",
    "bucket_key_changed",
    "key_switched_off",
    "others_changed",
    "writes_elsewhere",
    "nothing_created",
    "denies",
    "refuses_what_it_allowed",
    "written_otherwise",
    "goes_through",
    "gone",
]
"""The kinds of wrong repair that `rwlib.labs.advice` has a sentence about."""


@dataclass(frozen=True)
class Observed:
    """One line of what a guard found, and the kind of mistake that it shows, if it shows one."""

    line: str
    mistake: Mistake | None = None


@dataclass(frozen=True)
class Finding:
    """One line of a result: what was looked at, whether it is as it should be, and why not.

    Parameters
    ----------
    mistakes
        The kinds of mistake that the evidence shows.
    """

    title: str
    passed: bool
    evidence: tuple[str, ...] = ()
    mistakes: tuple[Mistake, ...] = ()


@dataclass(frozen=True, repr=False)
class Result:
    """The result of a lab's check."""

    number: int
    findings: tuple[Finding, ...]

    @property
    def passed(self) -> bool:
        """Everything is as it should be."""
        return all(finding.passed for finding in self.findings)

    @property
    def works(self) -> bool:
        """RisingWave's retry worked, whatever the guards say."""
        return self.findings[0].passed

    def __repr__(self) -> str:
        lines = []
        for each in self.findings:
            lines.append(f"{'✓' if each.passed else '✗'} {each.title}")
            lines += [f"    {line}" for text in each.evidence for line in text.splitlines()]
        return "\n".join([*lines, self._end])

    def _repr_html_(self) -> str:
        from rwlib.display import render

        return f"<p><strong>{self._end}</strong></p>{render('results', self.findings)}"

    @property
    def _end(self) -> str:
        return "Lab solved." if self.passed else "Not solved yet."

    def to_dict(self) -> dict[str, Any]:
        """Return the result as plain JSON values."""
        return {
            "lab": self.number,
            "passed": self.passed,
            "findings": [
                {"title": each.title, "passed": each.passed, "evidence": list(each.evidence)}
                for each in self.findings
            ],
        }
