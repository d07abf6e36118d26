"""The causes that a text allows, while they are being ranked."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rwlib.diagnose.callers import CallerKind, caller_kind, is_role_session, role_of
from rwlib.diagnose.classify import LineVerdict
from rwlib.diagnose.denial import Denial
from rwlib.diagnose.facts import Facts
from rwlib.diagnose.model import RANK, Confidence
from rwlib.masking import mask

if TYPE_CHECKING:
    from rwlib.target import Target

LONGEST_QUOTE = 320


@dataclass(frozen=True)
class Reading:
    """One error as it was read, with the target it is compared with."""

    facts: Facts
    verdict: LineVerdict
    target: Target | None = None
    target_file: str = ""

    @property
    def error_class(self) -> str:
        """The class of the error."""
        return self.verdict.error_class

    @property
    def denial(self) -> Denial | None:
        """AWS's own refusal, when the text words one."""
        return self.facts.denial

    @property
    def caller(self) -> str | None:
        """ARN of the caller that the text names."""
        return self.denial.caller if self.denial else None

    @property
    def caller_kind(self) -> CallerKind:
        """Whose ARN that is."""
        workload = self.target.workload_identity_arn if self.target else ""
        return caller_kind(self.caller, workload)

    @property
    def action(self) -> str | None:
        """The action that was refused or tried."""
        return self.facts.action

    @property
    def resource(self) -> str | None:
        """What it was tried on: as AWS names it, else from the URI in the text."""
        if self.denial and self.denial.resource:
            return self.denial.resource
        return self.facts.bucket_arn if self.facts.side == "s3" else None

    @property
    def quote(self) -> str:
        """The words that decide the class, masked and not too long."""
        return quoted(self.verdict.evidence)

    @property
    def role_session(self) -> bool:
        """Tell whether a session of the customer's role is speaking: the role was assumed."""
        if self.caller_kind != "role" or not self.caller:
            return False
        if self.target and role_of(self.caller).endswith(f"/{self.target.role_name}"):
            return True
        return is_role_session(self.caller)


@dataclass
class Candidates:
    """Possible causes in the order of their rank, and those that the text rules out."""

    found: dict[str, tuple[Confidence, tuple[str, ...]]] = field(default_factory=dict)
    excluded: dict[str, str] = field(default_factory=dict)

    def add(self, confidence: Confidence, cause: str, *evidence: str) -> Candidates:
        """Add a cause; the first mention of a cause stands."""
        if cause not in self.found and cause not in self.excluded:
            said = tuple(mask(each) for each in evidence if each)
            self.found[cause] = (confidence, said or ("the text leaves it open",))
        return self

    def certain(self, cause: str, *evidence: str) -> Candidates:
        """Add a cause that the text alone settles."""
        return self.add("certain", cause, *evidence)

    def likely(self, cause: str, *evidence: str) -> Candidates:
        """Add a cause that the text points to."""
        return self.add("likely", cause, *evidence)

    def possible(self, *causes: str, because: str = "") -> Candidates:
        """Add causes that the text leaves open."""
        for cause in causes:
            self.add("possible", cause, because)
        return self

    def exclude(self, causes: Iterable[str], reason: str) -> Candidates:
        """Rule causes out, with the reason."""
        for cause in causes:
            if cause not in self.found:
                self.excluded.setdefault(cause, mask(reason))
        return self

    def ranked(self) -> list[tuple[str, Confidence, tuple[str, ...]]]:
        """Return the causes, certain first; equals stay in the order they were added."""
        return sorted(
            ((cause, confidence, why) for cause, (confidence, why) in self.found.items()),
            key=lambda each: RANK[each[1]],
        )


def quoted(text: str) -> str:
    """Return a span of the text as evidence: masked, on one line, cut in the middle."""
    text = mask(text)
    if len(text) > LONGEST_QUOTE:
        text = f"{text[: LONGEST_QUOTE - 100]} … {text[-90:]}"
    return f'the text says "{text}"'
