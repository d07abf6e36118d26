"""What goes into an evaluation and what comes out of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, NamedTuple

Effect = Literal["allowed", "explicit-deny", "implicit-deny", "depends"]
Layer = Literal["scp", "rcp", "resource", "trust", "identity", "boundary", "session", "service"]
Outcome = Literal["allowed", "denied", "near-miss", "no-policy", "rule"]

Document = Mapping[str, Any] | str
"""A policy document: parsed JSON, or its text."""


class Policy(NamedTuple):
    """A policy document with the name it is known by in the evidence.

    A plain ``(name, document)`` tuple works in its place.
    """

    name: str
    document: Document


GivenPolicy = Document | Policy | tuple[str, Document]

ABSENT_WORD = "absent"
"""What stands for a key that the request does not have."""
_NO_ADDRESS = f"through an S3 endpoint ({ABSENT_WORD})"

LAYER_NAMES: dict[str, str] = {
    "scp": "service control policy",
    "rcp": "resource control policy",
    "resource": "resource-based policy",
    "trust": "role trust policy",
    "identity": "identity-based policy",
    "boundary": "permissions boundary",
    "session": "session policy",
    "service": "rule of the service",
}
"""The words that AWS's "access denied" messages use for each kind of policy.

Source: IAM User Guide, "Troubleshoot access denied error messages".
"""


@dataclass(frozen=True)
class Request:
    """One request, as IAM sees it.

    Parameters
    ----------
    principal
        Who asks: the ARN of a user, role, role session, federated user or account root, a
        12-digit account id (its root user), a service such as ``redshift.amazonaws.com``, an
        identity provider, or ``"*"`` for a request without a signature. A mapping with one of
        ``AWS``, ``Service``, ``Federated`` or ``CanonicalUser`` says which of them is meant.
    action
        For example ``s3:GetObject``.
    resource
        ARN of the resource, or ``"*"`` for an action that has none.
    resource_account
        Account that owns the resource. Without it, the account in the resource's ARN; an S3 ARN
        has none, and is taken to be in the account of the principal.
    context
        Condition keys and their values: a string, number, boolean, date, or a list of them. A key
        that is missing, ``None`` or an empty list is absent from the request. Keys that follow
        from the principal and the resource (``aws:PrincipalArn``, ``aws:PrincipalAccount``,
        ``aws:PrincipalType``, ``aws:username``, ``aws:ResourceAccount``, ``s3:ResourceAccount`` …)
        are added unless given. The role of a session whose path is not ``/`` is known only from
        ``aws:PrincipalArn``. Nothing reads the clock: give ``aws:CurrentTime`` where it matters.
    canonical_user
        Canonical user id of the principal's account, for bucket policies that name one.
    """

    principal: str | Mapping[str, str]
    action: str
    resource: str = "*"
    resource_account: str | None = None
    context: Mapping[str, Any] = field(default_factory=dict)
    canonical_user: str | None = None


@dataclass(frozen=True)
class Unknown:
    """What is known of a condition key whose value is not.

    Parameters
    ----------
    like
        Patterns with ``*`` and ``?``; the value is like one of them. Empty: any text. For a
        number, the values that it can have.
    kind
        What the value is: ``number``, ``date`` or ``ip`` (an IPv4 address), else text.
    since
        For a date, the earliest that it can be.
    optional
        Whether the request may be without the key.
    many
        Whether the key may have several values.
    plain
        Whether it is written without ``*`` and ``?``, as ids, names and tags are: then a policy's
        ``StringEquals`` with such a character never holds.
    """

    like: tuple[str, ...] = ()
    kind: Literal["text", "number", "date", "ip"] = "text"
    since: datetime | None = None
    optional: bool = True
    many: bool = False
    plain: bool = False


@dataclass(frozen=True)
class Policies:
    """The policies that apply to a request, by kind.

    Parameters
    ----------
    identity
        Identity-based policies of the user (with its groups) or of the role.
    resource
        The policy of the resource: bucket policy, key policy, or a role's trust policy. Several
        are one with the statements of all.
    boundary
        Permissions boundary of the user or role. ``None`` and ``[]``: none is set.
    session
        Session policies. Several are one set: what any of them allows. ``None`` and ``[]``: none
        was passed.
    scps
        Service control policies of the principal's account. A flat list is one level of the
        organization; a list of lists has one list per level, and each level must allow.
    rcps
        Resource control policies of the resource's account, in the same form.
    """

    identity: GivenPolicy | Sequence[GivenPolicy] | None = ()
    resource: GivenPolicy | Sequence[GivenPolicy] | None = None
    boundary: GivenPolicy | Sequence[GivenPolicy] | None = None
    session: GivenPolicy | Sequence[GivenPolicy] | None = None
    scps: Sequence[GivenPolicy | Sequence[GivenPolicy]] | None = ()
    rcps: Sequence[GivenPolicy | Sequence[GivenPolicy]] | None = ()


@dataclass(frozen=True, slots=True)
class Mismatch:
    """One element of a statement that did not fit the request.

    Parameters
    ----------
    element
        ``Principal``, ``NotPrincipal``, ``Action``, ``NotAction``, ``Resource``, ``NotResource``
        or ``Condition``.
    wanted
        What the statement asks for, variables filled in.
    actual
        What the request has; ``None`` for a condition key that the request does not have.
    operator, key
        Of a condition.
    hint
        What would have matched.
    """

    element: str
    wanted: tuple[str, ...]
    actual: tuple[str, ...] | None
    hint: str
    operator: str | None = None
    key: str | None = None

    def __str__(self) -> str:
        where = f"Condition {self.operator} {self.key}" if self.key else self.element
        actual = "absent" if self.actual is None else _listed(self.actual)
        return f"{where}: wanted {_listed(self.wanted)}, the request has {actual}; {self.hint}"


@dataclass(frozen=True, slots=True)
class Reason:
    """Why one statement, or one layer, decided or failed to decide.

    Parameters
    ----------
    layer
        Kind of policy: a key of `LAYER_NAMES`.
    outcome
        ``allowed`` and ``denied`` statements decided; a ``near-miss`` would have allowed but for
        its ``mismatches``; ``no-policy`` stands for a layer without any Allow statement; a
        ``rule`` is one of AWS's own, told in ``note``.
    policy_index, policy_name, statement_index, sid
        Where the statement is. Indexes count from 0 within the layer and within the policy.
    mismatches
        The elements that did not match, only for a near miss.
    note
        What else is worth knowing, as a clause.
    """

    layer: Layer
    outcome: Outcome
    policy_index: int | None = None
    policy_name: str | None = None
    statement_index: int | None = None
    sid: str | None = None
    mismatches: tuple[Mismatch, ...] = ()
    note: str = ""

    @property
    def statement(self) -> str:
        """Where the statement is, in words: ``Sid ReadOnly of identity-based policy data-lake``."""
        kind = LAYER_NAMES[self.layer]
        if self.policy_index is None:
            return kind
        policy = self.policy_name or f"number {self.policy_index + 1}"
        if self.statement_index is None:
            return f"{kind} {policy}"
        which = f"Sid {self.sid}" if self.sid else f"statement {self.statement_index + 1}"
        return f"{which} of {kind} {policy}"

    def __str__(self) -> str:
        if self.outcome == "allowed":
            text = f"allowed by {self.statement}"
        elif self.outcome == "denied":
            text = f"denied by {self.statement}"
        elif self.outcome == "near-miss":
            misses = " | ".join(str(miss) for miss in self.mismatches)
            text = f"not allowed by {self.statement}: {misses}"
        elif self.outcome == "no-policy":
            text = f"no {LAYER_NAMES[self.layer]} has an Allow statement"
        else:
            return self.note if self.policy_index is None else f"{self.statement}: {self.note}"
        return f"{text} ({self.note})" if self.note else text


@dataclass(frozen=True, slots=True)
class Decision:
    """The answer, and why.

    Parameters
    ----------
    effect
        ``allowed``, ``explicit-deny`` (a Deny statement matched) or ``implicit-deny`` (an Allow
        that was needed is missing). With unknown keys these three are said only where they hold
        whatever the keys are (``implicit-deny`` also where some values meet a Deny and others
        merely no Allow); else ``depends``.
    action
        The action that was asked for.
    layer
        The kind of policy that decided: where the Deny stands, or where the Allow is missing, or
        which kind granted the request.
    reasons
        Deciding statements first, then near misses, nearest first.
    cautions
        Where AWS's documentation leaves room for another answer, in words.
    depends_on
        The unknown keys on which it depends.
    would_allow
        What would make it allowed: for each way a value, in words, for each of those keys. Empty
        where too much is unknown to list the ways.
    """

    effect: Effect
    action: str
    layer: Layer
    reasons: tuple[Reason, ...]
    cautions: tuple[str, ...] = ()
    depends_on: tuple[str, ...] = ()
    would_allow: tuple[Mapping[str, str], ...] = ()

    @property
    def allowed(self) -> bool:
        """Whether the request goes through."""
        return self.effect == "allowed"

    @property
    def phrase(self) -> str:
        """The clause of AWS's "access denied" message; empty for an allowed request.

        Source: IAM User Guide, "Troubleshoot access denied error messages".
        """
        name = LAYER_NAMES[self.layer]
        if self.effect in ("allowed", "depends") or self.layer == "service":
            return ""
        if self.effect == "implicit-deny":
            return f"because no {name} allows the {self.action} action"
        article = {"trust": "the", "identity": "an"}.get(self.layer, "a")
        return f"with an explicit deny in {article} {name}"

    @property
    def dependency(self) -> str:
        """On what it depends, and what would do, in one line; empty where it does not depend."""
        if not self.depends_on:
            return ""
        text = f"depends on {' and '.join(self.depends_on)}"
        if not self.would_allow:
            return text
        if len(self.depends_on) == 1:
            (key,) = self.depends_on
            ways = list(dict.fromkeys(way[key] for way in self.would_allow if key in way))
            by_address = key.lower().endswith("sourceip")
            if by_address:  # a request through an S3 endpoint has no such key
                words = {ABSENT_WORD: _NO_ADDRESS, "present": "any address"}
                ways = [words.get(way, way) for way in ways]
            joined = " or ".join(ways[:6]) + (" or others" if len(ways) > 6 else "")
            if by_address:
                return f"{text}; allowed from {joined}"
            return f"{text}; allowed when it is {joined}"
        ways = [
            " and ".join(f"{key} is {value}" for key, value in way.items())
            for way in self.would_allow[:4]
        ]
        more = " or otherwise" if len(self.would_allow) > 4 else ""
        return f"{text}; allowed when {' or '.join(ways)}{more}"

    @property
    def deciding(self) -> tuple[Reason, ...]:
        """The reasons that decided, without the near misses."""
        return tuple(reason for reason in self.reasons if reason.outcome != "near-miss")

    @property
    def near_misses(self) -> tuple[Reason, ...]:
        """Allow statements that did not fit, nearest first."""
        return tuple(reason for reason in self.reasons if reason.outcome == "near-miss")

    def __str__(self) -> str:
        lines = [f"{self.effect} {self.action} {self.phrase}".rstrip()]
        lines.extend(f"- {reason}" for reason in self.reasons)
        lines.extend(f"! {caution}" for caution in self.cautions)
        return "\n".join(lines)


def _listed(values: tuple[str, ...]) -> str:
    if not values:
        return "nothing"
    shown = ", ".join(f'"{value}"' for value in values[:8])
    return f"{shown}, … ({len(values)} in all)" if len(values) > 8 else shown
