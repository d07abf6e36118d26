"""Errors that a person can act on.

Every message says what is wrong, what was given, and the next move. The command line turns
``exit_code`` into its own: 2 bad input, 3 a person must act, 4 credentials or a service refused.
"""

from __future__ import annotations

from typing import Literal

InputReason = Literal[
    "not_valid",
    "empty",
    "unknown_name",
    "wrong_type",
    "does_not_exist",
    "in_other_account",
    "in_other_region",
    "cannot_be_read",
]
"""Why an input cannot be used, as a code; the sentence beside it is for people."""


class RunbookError(Exception):
    """The root of every error this package raises on purpose."""

    exit_code = 2

    def _render_traceback_(self) -> list[str]:
        """Show one sentence in notebooks, where IPython would show a traceback."""
        return [f"{type(self).__name__}: {self}"]


class InputError(RunbookError, ValueError):
    """An input cannot be used; nothing was created.

    Parameters
    ----------
    field
        Name of the `rwlib.target.Target` field, or of the option.
    given
        The value as it was given.
    hint
        One clause: what is wrong, and what to write instead.
    reason
        What is wrong, as a code; other code reads this and never the sentence.
    todo
        What to write instead, where the hint does not say it.
    """

    def __init__(
        self,
        field: str,
        given: object,
        hint: str,
        *,
        reason: InputReason = "not_valid",
        todo: str = "",
    ) -> None:
        self.field = field
        self.given = given
        self.hint = f"{hint}; {todo}" if todo else hint
        self.reason = reason
        self.todo = todo
        self.clause = f"{_shown(given)} {_printable(self.hint)}"
        super().__init__(f"{field}: {self.clause}")


class ForeignTrustError(RunbookError):
    """The trust policy cannot be merged with; nothing was written."""


class PolicyLimitError(RunbookError):
    """A document or a count would pass a quota of IAM; nothing was written."""


class ConflictError(RunbookError):
    """Something of that name exists and is not this runbook's to change; nothing was written."""


class CredentialsError(RunbookError):
    """AWS or RisingWave Cloud credentials are missing, unreadable, expired or unknown."""

    exit_code = 4


class ServiceError(RunbookError):
    """A service refused a call or could not be reached."""

    exit_code = 4


class UnansweredError(ServiceError):
    """A service throttles, has a fault of its own or cannot be reached: only later helps."""


class EvidenceError(RunbookError):
    """What a run has to keep cannot be written; nothing is changed without it."""

    exit_code = 4


class CheckFailedError(RunbookError):
    """A check of the set-up failed; raised by headless notebooks at their pass criterion."""

    exit_code = 1


def _shown(value: object) -> str:
    try:
        text = value if isinstance(value, str) else repr(value)
    except ValueError:  # an integer too long for Python to write
        text = f"a {type(value).__name__}"
    if len(text) > 120:
        text = text[:117] + "..."
    return f"{text!r}" if isinstance(value, str) else text


def _printable(text: str) -> str:
    """Keep control characters of an echoed input away from the terminal."""
    return "".join(each if each.isprintable() else repr(each)[1:-1] for each in text)
