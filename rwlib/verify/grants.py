"""Everything that the role may do beyond what its connectors need, each with a request as proof.

All policies in effect are read: attached and inline ones, the permissions boundary, the bucket
policy and the key policy, and the trust policy for who may assume the role. Each Allow is compared
with the least privilege of the connectors. How resource patterns and the values of condition keys
overlap is decided exactly (`rwlib.evaluate.containment`); whether a request that lies beyond the
need goes through is decided by the evaluator. No request, no finding.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from functools import cached_property
from ipaddress import ip_network
from itertools import islice, pairwise, product
from typing import Any, Literal, NamedTuple

from rwlib.connectors import connector_profile
from rwlib.errors import InputError
from rwlib.evaluate import (
    ANY,
    PatternToken,
    PatternTooLargeError,
    Policies,
    Request,
    arn_tokens,
    cells,
    evaluate,
    literal_tokens,
    may_overlap,
    moment,
    redshift_services,
    text_tokens,
)
from rwlib.steps import policy_document, principals_of, statements_of
from rwlib.target import Target
from rwlib.verify.check import Check, Status
from rwlib.verify.deciding import role_session, with_grants
from rwlib.verify.iam_actions import IamAction, actions_like, glob, iam_action, unlisted
from rwlib.verify.kinds import title_of
from rwlib.verify.situation import Situation

Kind = Literal["outside", "unused"]
LetIn = Literal["everybody", "account", "pattern", "one"]
Tolerated = Callable[[Request, str, Kind], bool]

_CONTEXTS = 400
_LOOKED_AT = 4000
_FEW = 3
_FEW_BINDINGS = 16
_BUCKET_CHARACTERS = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-.")
_DIGITS = frozenset("0123456789")
_REGION_CHARACTERS = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-")
# What a key's users do; the rest changes the key itself. Source: KMS developer guide, "AWS KMS
# permissions".
_CRYPTOGRAPHY = ("decrypt", "encrypt", "reencrypt", "generatedatakey", "describekey", "generatemac",
                 "verify", "sign", "getpublickey")  # fmt: skip


@dataclass(frozen=True)
class ExcessGrant:
    """Something that a policy allows and that no connector of the target needs.

    Parameters
    ----------
    id
        Stable: the same grant has the same id in every run, wherever it is granted.
    kind
        ``outside`` when another prefix, bucket, service or principal becomes reachable;
        ``unused`` when it stays inside the target's prefix, bucket or key.
    title
        The grant in plain words.
    witness
        A request that the policies allow and that no connector makes.
    sources
        The policies that grant it.
    assumes
        What else must hold on the resource's side; empty when nothing must.
    by_trust
        Whether the trust policy grants it: somebody else may assume the role.
    lets_in
        Whom a grant of the trust policy lets in: ``everybody``, a whole ``account``, the roles of
        an account that fit a ``pattern``, or ``one`` principal.
    written
        Where it is written: the text of each statement, and of a trust policy the principal.
    """

    id: str
    kind: Kind
    title: str
    actions: tuple[str, ...]
    resources: tuple[str, ...]
    sources: tuple[str, ...]
    witness: Request
    assumes: str = ""
    by_trust: bool = False
    lets_in: LetIn = "one"
    written: frozenset[tuple[str, str]] = frozenset()

    @property
    def line(self) -> str:
        """The grant, its proof and its id in one line of evidence."""
        return f"{self.proof} [{self.id}]"

    @property
    def proof(self) -> str:
        """The grant and its proof, without the id."""
        return f"{self.title}; for example {self.example}"

    @property
    def example(self) -> str:
        """A request that the grant lets through, and what else must hold."""
        shown = {
            key: value
            for key, value in self.witness.context.items()
            if key.lower() not in _OWN or (key.lower(), str(value)) == _WITHOUT_TLS
        }
        where = "".join(f", with {key} {value}" for key, value in shown.items())
        asked = f"{self.witness.action} on {self.witness.resource}{where}"
        if self.by_trust:
            who = self.witness.principal
            name = who if isinstance(who, str) else next(iter(who.values()))
            asked = f"{self.witness.action} by {name}{where}"
        more = f", {self.assumes}" if self.assumes else ""
        return f"{asked}{more}"

    def to_dict(self) -> dict[str, Any]:
        """Return the grant as plain JSON values."""
        return {
            "id": self.id,
            "kind": self.kind,
            "title": self.title,
            "actions": list(self.actions),
            "resources": list(self.resources),
            "sources": list(self.sources),
            "assumes": self.assumes,
            "witness": {
                "principal": self.witness.principal,
                "action": self.witness.action,
                "resource": self.witness.resource,
                "context": {key: str(value) for key, value in self.witness.context.items()},
            },
        }


# Keys that every request of the role's session has with this very value, or none.
_OWN = frozenset(
    (
        "aws:principalarn", "aws:principalaccount", "aws:principaltype", "aws:userid",
        "aws:username", "aws:principalisawsservice", "aws:principalservicename",
        "aws:principalservicenameslist", "aws:resourceaccount", "s3:resourceaccount",
        "aws:currenttime", "aws:epochtime", "aws:multifactorauthpresent",
        "aws:multifactorauthage", "aws:viaawsservice", "aws:securetransport",
        "aws:federatedprovider", "kms:calleraccount", "aws:sourceaccount", "aws:sourcearn",
    )
)  # fmt: skip
_WITHOUT_TLS = ("aws:securetransport", "false")
_TAG = "aws:principaltag/"
_NAMED_TAG = re.compile(r"""aws:principaltag/[^"{},']+""")
_VARIABLE = re.compile(r"\$\{([^},'$*?]+)(?:,\s*'([^']*)')?\}")
_FREE_ALL_THE_SAME = frozenset({"aws:securetransport"})
# A request comes through the internet or through an endpoint of a VPC, and has the keys of that
# way alone. Source: IAM User Guide, "AWS global condition context keys".
_BY_INTERNET = "aws:sourceip"
_ENDPOINT_ALWAYS = frozenset({"aws:sourcevpce", "aws:sourcevpc", "aws:vpcsourceip"})
_BY_ENDPOINT = _ENDPOINT_ALWAYS | {
    *("aws:sourcevpcarn", "aws:vpceaccount", "aws:vpceorgid", "aws:vpceorgpaths")
}
_AN_ENDPOINT = "vpce-0123456789abcdef0"
# What stands for any value of a key whose values have a form.
_SOME_VALUE = {
    "aws:sourcevpce": _AN_ENDPOINT, "aws:sourcevpc": "vpc-0123456789abcdef0",
    "aws:sourceip": "203.0.113.9", "aws:vpcsourceip": "10.0.0.9",
    "aws:principalorgid": "o-a1b2c3d4e5", "aws:resourceorgid": "o-a1b2c3d4e5",
}  # fmt: skip
_LONGEST_SESSION = timedelta(hours=12)
_A_MINUTE = timedelta(minutes=1)
_OF_CLOCK = frozenset({"aws:currenttime", "aws:epochtime"})
_LAST_SECOND = 10**11
# What S3 asks for beside s3:PutObject, by the condition keys of the headers that a request has.
# Source: Amazon S3 API Reference, PutObject, "Permissions".
_ASKED_TOO = {
    "s3:PutObjectAcl": ("s3:x-amz-acl", "s3:x-amz-grant-"),
    "s3:PutObjectTagging": ("s3:requestobjecttag",),
    "s3:PutObjectLegalHold": ("s3:object-lock-legal-hold",),
    # The mode, retain-until-date and remaining-retention-days.
    "s3:PutObjectRetention": ("s3:object-lock-mode", "s3:object-lock-re"),
}
_REGION = re.compile(r"[a-z]{2,}(-[a-z]+)+-\d")
# Source: AWS General Reference, "Amazon S3 endpoints and quotas".
_OPT_IN_REGIONS = (
    *("af-south-1", "ap-east-1", "ap-east-2", "ap-south-2", "ap-southeast-3", "ap-southeast-4"),
    *("ap-southeast-5", "ap-southeast-6", "ap-southeast-7", "ca-west-1", "eu-central-2"),
    *("eu-south-1", "eu-south-2", "il-central-1", "me-central-1", "me-south-1", "mx-central-1"),
)
_REGIONS = (
    *("us-east-1", "us-east-2", "us-west-1", "us-west-2", "ap-northeast-1", "ap-northeast-2"),
    *("ap-northeast-3", "ap-south-1", "ap-southeast-1", "ap-southeast-2", "ca-central-1"),
    *("eu-central-1", "eu-north-1", "eu-west-1", "eu-west-2", "eu-west-3", "sa-east-1"),
    *_OPT_IN_REGIONS,
)


def actions_matcher(
    actions: tuple[str, ...], not_actions: tuple[str, ...]
) -> Callable[[str], bool]:
    """Return whether an action in lower case is one of those that a statement speaks of."""
    negated = bool(not_actions)
    pattern = glob(*(not_actions or actions))
    return lambda name: (pattern.fullmatch(name) is None) is negated


@dataclass(frozen=True, eq=False)
class _Statement:
    """A statement as it is written, with where it stands."""

    source: str
    layer: Literal["identity", "resource"]
    document: Mapping[str, Any]
    variables: bool

    @property
    def allows(self) -> bool:
        return self.document.get("Effect") == "Allow"

    def _listed(self, name: str) -> tuple[str, ...]:
        value = self.document.get(name, ())
        return (value,) if isinstance(value, str) else tuple(value)

    @property
    def actions(self) -> tuple[str, ...]:
        return self._listed("Action")

    @property
    def not_actions(self) -> tuple[str, ...]:
        return self._listed("NotAction")

    @property
    def resources(self) -> tuple[str, ...]:
        return self._listed("Resource")

    @property
    def not_resources(self) -> tuple[str, ...]:
        return self._listed("NotResource")

    @cached_property
    def matches(self) -> Callable[[str], bool]:
        """Whether an action in lower case is one of the statement's."""
        return actions_matcher(self.actions, self.not_actions)

    @cached_property
    def tests(self) -> tuple[tuple[str, str, str, tuple[str, ...]], ...]:
        """Operator, key in lower case, key as written, and values of each condition."""
        found = []
        for operator, keys in (self.document.get("Condition") or {}).items():
            for key, given in keys.items():
                values = given if isinstance(given, list) else [given]
                texts = tuple(
                    str(each).lower() if isinstance(each, bool) else str(each) for each in values
                )
                found.append((operator, key.lower(), key, texts))
        return tuple(found)

    @cached_property
    def named_tags(self) -> frozenset[str]:
        """Keys of the caller's tags that the statement asks for, in lower case."""
        return frozenset(_NAMED_TAG.findall(json.dumps(self.document).lower()))

    @property
    def bare(self) -> str:
        """The statement without its Sid, for comparing."""
        return bare_statement(self.document)


def bare_statement(statement: Mapping[str, Any]) -> str:
    """Return the text of a statement without its Sid, for comparing."""
    return json.dumps(
        {key: value for key, value in statement.items() if key != "Sid"}, sort_keys=True
    )


def _statements(
    source: str, document: Mapping[str, Any] | None, layer: Literal["identity", "resource"]
) -> list[_Statement]:
    if not document:
        return []
    variables = document.get("Version") == "2012-10-17"
    return [_Statement(source, layer, each, variables) for each in statements_of(document)]


@dataclass
class _Found:
    """What one statement grants beyond the need, by kind."""

    actions: list[str] = field(default_factory=list)
    resources: list[str] = field(default_factory=list)
    witness: Request | None = None
    assumes: str = ""


def needed_documents(target: Target, situation: Situation) -> list[Mapping[str, Any]]:
    """Return the least privilege of the target's connectors, and of the other targets' policies.

    What another target of this runbook claims on the same role, for the same Workload Identity,
    was asked for too, so that two buckets of one cluster may share a role.
    """
    wanted = target.model_copy(update={"policy_style": "recommended"})
    place = {
        "account_id": situation.account_id,
        "region_name": situation.bucket.region_name,
        "kms_key_arn": situation.bucket.kms_key_arn,
    }
    try:
        own = policy_document(wanted, **place)
    except InputError:
        # Without a Glue database nothing of Glue is needed for certain.
        own = policy_document(
            wanted.model_copy(update={"connectors": ["s3_sink"], "glue_database": ""}), **place
        )
    return [own, *_of_other_targets(situation).values()]


def _of_other_targets(situation: Situation) -> dict[str, Mapping[str, Any]]:
    """Return the policies on the role that are other targets' of this runbook, by their ARN."""
    return {
        name: document
        for name, document in situation.identity
        if name in situation.ours and name != situation.policy_arn
    }


def excess_grants(
    target: Target,
    situation: Situation,
    workload_identity_arn: str = "",
    *,
    had: Situation | None = None,
    tolerated: Tolerated | None = None,
    workload_id: str = "",
) -> tuple[ExcessGrant, ...]:
    """List every grant beyond what the target's connectors need, those outside first.

    Parameters
    ----------
    had
        What stood before: what it allowed already is not listed.
    tolerated
        Tells of a request, its access level (`IamAction.level`) and its kind that it is not to be
        listed.
    workload_id
        The Workload Identity's unique id, where it is known: no other principal has it.

    Raises
    ------
    InputError
        A policy in effect is malformed.
    PatternTooLargeError
        Patterns, or combinations of condition keys, are too many to be compared exactly, and
        nothing outside was found.
    """
    found, undecided = _compared(
        target, situation, workload_identity_arn, had, tolerated, workload_id
    )
    if undecided and not any(each.kind == "outside" for each in found):
        # What was found is no answer to whether there is more; an outside grant is one.
        raise too_many(" and ".join(_sources_of(undecided)))
    return found


def _compared(
    target: Target,
    situation: Situation,
    workload_identity_arn: str,
    had: Situation | None = None,
    tolerated: Tolerated | None = None,
    workload_id: str = "",
) -> tuple[tuple[ExcessGrant, ...], tuple[_Statement, ...]]:
    """Return the grants beyond the need, and the statements that were not compared to the end."""
    if situation.trust_policy is None:
        return (), ()
    found: list[ExcessGrant] = []
    undecided: list[_Statement] = []
    now = datetime.now(UTC)
    for when in (now, *_later(situation, now)):
        search = _Search(target, situation, had, tolerated, now=when, later=when > now)
        found += search.grants()
        undecided += search.undecided
    workload = (workload_identity_arn or target.workload_identity_arn, workload_id)
    for statement in _statements("the trust policy", situation.trust_policy, "resource"):
        try:
            found.extend(_trust_grants(target, situation, workload, statement, had))
        except PatternTooLargeError:
            undecided.append(statement)
    return _merged(found), tuple(undecided)


def _later(situation: Situation, now: datetime) -> list[datetime]:
    """Return the moments at which a policy's dates begin to let more through, or end to refuse."""
    found: dict[datetime, None] = {}
    for statement in _all_statements(situation):
        for _, key, _, values in statement.tests:
            for when in map(moment, values if key in _OF_CLOCK else ()):
                if when is not None and now.timestamp() < when < _LAST_SECOND:
                    then = datetime.fromtimestamp(math.floor(when), UTC)
                    found |= dict.fromkeys((then, then + timedelta(seconds=1)))
    return sorted(found)


def _sources_of(statements: Iterable[_Statement]) -> list[str]:
    return list(dict.fromkeys(each.source for each in statements))


def _merged(found: Iterable[ExcessGrant]) -> tuple[ExcessGrant, ...]:
    """Return each grant once, with all the policies that grant it, those outside first."""
    merged: dict[str, ExcessGrant] = {}
    for each in found:
        known = merged.get(each.id)
        if known is None:
            merged[each.id] = each
        else:
            sources = tuple(dict.fromkeys((*known.sources, *each.sources)))
            written = known.written | each.written
            merged[each.id] = replace(known, sources=sources, written=written)
    return tuple(sorted(merged.values(), key=lambda each: (each.kind != "outside", each.title)))


class Reach(NamedTuple):
    """What a role reaches beyond the need of its connectors, and what of it was not asked for.

    Parameters
    ----------
    check
        Whether that may stay so.
    grants
        Every grant beyond the need, whether accepted or not.
    beside
        The situation without what the target accepts and what other targets asked for: whoever
        may still do something there does so against the target's wish.
    """

    check: Check
    grants: tuple[ExcessGrant, ...]
    beside: Situation


def judge_reach(target: Target, situation: Situation, workload_identity_arn: str = "") -> Reach:
    """See that the role reaches nothing beyond what its connectors need.

    A grant outside that ``accept_findings`` doesn't name fails. What stays inside the target's
    prefix, bucket and key is reported and passes, so that the documented policy can be used. Where
    policies are too large to be compared to the end, or may not be read, the answer is
    ``unknown``, and has an id of its own: a reach that is not decided is not "nothing outside", so
    that id has to be accepted too.
    """
    grants, undecided = _compared(target, situation, workload_identity_arn)
    beside = _without(situation, _accepted_texts(target, grants, undecided))
    return Reach(_verdict_on(target, situation, grants, undecided), grants, beside)


def _accepted_texts(
    target: Target, grants: Iterable[ExcessGrant], undecided: Iterable[_Statement]
) -> set[tuple[str, str]]:
    """Return where it is written what the target accepts of the role's reach.

    A statement of which not every outside grant is accepted is not among them.
    """
    accepted = set(target.accept_findings)
    texts = {
        each
        for grant in grants
        if grant.id in accepted and (grant.by_trust or grant.kind == "outside")
        for each in grant.written
    }
    refused = {text for grant in unaccepted(target, grants) for text, _ in grant.written}
    if _undecided_id(undecided) in accepted:
        texts |= {(each.bare, "") for each in undecided if each.bare not in refused}
    return texts


def _verdict_on(
    target: Target,
    situation: Situation,
    grants: tuple[ExcessGrant, ...],
    undecided: tuple[_Statement, ...],
) -> Check:
    title = title_of("excess_grants")

    def verdict(
        status: Status,
        evidence: Iterable[str],
        fix: str = "",
        reason: str = "",
        hops: Iterable[str] = (),
    ) -> Check:
        check = Check("excess_grants", "requests", title, status, tuple(evidence), fix, reason)
        return replace(check, hops=tuple(dict.fromkeys(hops)))

    accepted = set(target.accept_findings)
    questions = _open_questions(situation, undecided)
    notes = [f"accepted: {each.line}" for each in grants if each.id in accepted]
    gone = accepted - {each.id for each in grants} - set(questions)
    notes += [f"accept_findings names {each}, which was not found" for each in sorted(gone)]
    notes += [each.line for each in grants if each.kind == "unused" and each.id not in accepted]
    said = [f"accepted: {line}" for each, (line, _) in questions.items() if each in accepted]
    asked = {each: found for each, found in questions.items() if each not in accepted}
    notes = [*(line for line, _ in asked.values()), *said, *notes]
    blocking = unaccepted(target, grants)
    ids = [*(each.id for each in blocking), *asked]
    notes += _excused(target, situation)
    accept = f"if it is wanted: accept_findings: [{', '.join(ids)}]"
    if blocking:
        return verdict(
            "fail",
            [*(each.line for each in blocking), *notes],
            f"take the grant away where it stands, or give this target a role_name of its own; "
            f"{accept}",
            "grant_beyond_need",
            ("trust" if each.by_trust else "requests" for each in blocking),
        )
    if asked:
        ways = " and ".join(dict.fromkeys(way for _, way in asked.values()))
        return verdict("unknown", notes, f"{ways}, or judge it by hand and, {accept}",
                       "grants_not_decided")  # fmt: skip
    unread = {what: why for what, why in situation.unread_grants().items()
              if _unread_id(what) not in accepted}  # fmt: skip
    if unread:
        lines = [_not_read(what, why) for what, why in unread.items()]
        return verdict("unknown", [*lines, *notes], reason="not_readable")
    if questions:
        return verdict("unknown", notes, reason="undecided_grants_accepted")
    if situation.trust_policy is None:
        return verdict("pass", ["the role does not exist yet"])
    return verdict("pass", notes or ["every policy in effect was compared with the need"])


def _open_questions(
    situation: Situation, undecided: tuple[_Statement, ...]
) -> dict[str, tuple[str, str]]:
    """Return what is not decided about the role's reach: by its id a line, and what would help.

    What of the bucket policy may not be read is no such question: that policy is its owner's, and
    a check of its own says so.
    """
    found = {}
    if undecided:
        open_id = _undecided_id(undecided)
        line = f"{_undecided(' and '.join(_sources_of(undecided)))} [{open_id}]"
        found[open_id] = (line, "split it")
    if situation.trust_policy is not None:
        for what, why in situation.unread_of_role().items():
            if what != "role":
                open_id = _unread_id(what)
                line = f"{_not_read(what, why)} [{open_id}]"
                found[open_id] = (line, "run it with credentials that may read it")
    return found


def _not_read(what: str, why: str) -> str:
    return f"{what} not looked at, though it could grant more: {why}"


def _unread_id(what: str) -> str:
    """Return the id under which a target accepts that something of a role was not looked at."""
    return _grant_id("undecided", [], ["not looked at", what], "")


def _excused(target: Target, situation: Situation) -> Iterator[str]:
    """Say what counts as asked for because another target of this runbook has it on the role."""
    for arn in _of_other_targets(situation):
        yield (
            f"{arn.rpartition(':policy/')[2]} is another target's of this runbook on the same "
            "role, and counts as asked for; verify that target to have it judged"
        )
    needs = {connector_profile(name).trusted_service for name in target.connectors}
    if situation.redshift_claimed and "redshift.amazonaws.com" not in needs:
        yield (
            "the trust policy may let Redshift in: another target of this runbook on the same "
            "role needs it"
        )


def _undecided_id(statements: Iterable[_Statement]) -> str:
    """Return the id under which a target accepts that statements were not compared to the end."""
    said = sorted({f"{each.layer} {each.bare}" for each in statements})
    return _grant_id("undecided", [], said, "") if said else ""


def _without(situation: Situation, written: Collection[tuple[str, str]]) -> Situation:
    """Return a situation without statements, and without what other targets asked for.

    Parameters
    ----------
    written
        The text of each statement, with the principal of a trust policy that is taken out; an
        empty one stands for the whole statement.
    """

    def left(document: Mapping[str, Any] | None) -> Any:
        if not document:
            return document
        kept = []
        for statement in statements_of(document):
            text = bare_statement(statement)
            names = {who for each, who in written if each == text}
            if (rest := _without_principals(statement, names)) is not None:
                kept.append(rest)
        return {**document, "Statement": kept}

    asked = {each for each in situation.ours if each != situation.policy_arn}
    return replace(
        situation,
        trust_policy=left(situation.trust_policy),
        identity=tuple(
            (name, left(document)) for name, document in situation.identity if name not in asked
        ),
        bucket=replace(situation.bucket, policy=left(situation.bucket.policy)),
    )


def _without_principals(
    statement: Mapping[str, Any], names: Collection[str]
) -> Mapping[str, Any] | None:
    """Return a statement without some of its principals, None when nothing of it is left."""
    if not names:
        return statement
    principal = statement.get("Principal")
    if "" in names or not isinstance(principal, Mapping):
        return None
    left = {}
    for kind, given in principal.items():
        kept = [
            each
            for each in ([given] if isinstance(given, str) else given)
            if f"{kind} {each}" not in names
        ]
        if kept:
            left[kind] = kept
    return {**statement, "Principal": left} if left else None


def unaccepted(target: Target, found: Iterable[ExcessGrant]) -> list[ExcessGrant]:
    """Return the grants that reach outside and that the target does not name as wanted."""
    wanted = set(target.accept_findings)
    return [each for each in found if each.kind == "outside" and each.id not in wanted]


class _Search:
    """The search through all statements in effect on one role."""

    def __init__(
        self,
        target: Target,
        situation: Situation,
        had: Situation | None = None,
        tolerated: Tolerated | None = None,
        *,
        now: datetime,
        later: bool = False,
    ) -> None:
        self.target = target
        self.now, self.later = now, later
        self.situation = situation
        self.had = had
        self.tolerated = tolerated
        self.account = situation.account_id
        self.bucket_arn = f"arn:aws:s3:::{target.bucket}"
        self.key_arn = target.kms_key_arn or situation.bucket.kms_key_arn
        self.session = role_session(situation.role_arn)
        documents = needed_documents(target, situation)
        self.needed = [("needed", json.dumps(each)) for each in documents]
        self.identity = [(name, json.dumps(document)) for name, document in situation.identity]
        bucket = situation.bucket
        attached = [
            each for name, document in situation.identity
            for each in _statements(name, document, "identity")
        ]  # fmt: skip
        self.statements = [
            *attached,
            *_statements("the bucket policy", bucket.policy, "resource"),
            *_statements("the key policy", self._about_the_key(_key_side(situation)), "resource"),
        ]
        limits = _statements(*situation.boundary, "identity") if situation.boundary else []
        self.bounds = [each for each in limits if each.allows] if situation.boundary else None
        # A Deny without conditions leaves only what its NotResource names, or nothing.
        self.walls = [
            each
            for each in (*attached, *limits)
            if not each.allows and not each.tests and ("*" in each.resources or each.not_resources)
        ]
        needs = [each for document in documents for each in _statements("", document, "identity")]
        denials = [each for each in self.statements if not each.allows]
        self.deciding = [*needs, *limits, *denials, *_all_statements(had)]
        self.same = {each.bare for each in needs}
        self.base = self._base()
        self.values = {
            key.lower(): (str(value),)
            for key, value in self.base.items()
            if key.lower() in _OWN or key.lower().startswith(_TAG)
        } | {"aws:principalaccount": (self.account,)}
        prefix = target.prefix
        self.folder = f"{self.bucket_arn}/{prefix}/" if prefix else f"{self.bucket_arn}/"
        self.inside = [(*literal_tokens(self.folder), ANY), literal_tokens(self.bucket_arn)]
        self._shapes: dict[tuple[str, str], tuple[PatternToken, ...]] = {}
        self._overlaps: dict[tuple[str, str], bool] = {}
        # Statements that have more ways of coming out than were looked at.
        self.undecided: dict[_Statement, None] = {}

    def _about_the_key(self, document: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
        """Return a key policy with the key's ARN for its resource.

        In a key policy ``"Resource": "*"`` means the key to which it is attached (KMS developer
        guide, "Key policies in AWS KMS").
        """
        if document is None or not self.key_arn:
            return document
        statements = [
            {**each, "Resource": self.key_arn} if each.get("Resource") in ("*", ["*"]) else each
            for each in statements_of(document)
        ]
        return {**document, "Statement": statements}

    def _base(self) -> dict[str, Any]:
        situation, now = self.situation, self.now
        base: dict[str, Any] = {
            "aws:PrincipalArn": situation.role_arn,
            "aws:SecureTransport": "true",
            "aws:ViaAWSService": "false",
            "aws:MultiFactorAuthPresent": "false",
            "aws:CurrentTime": _written(now),
            "aws:EpochTime": str(int(now.timestamp())),
            "s3:ResourceAccount": self.account,
        }
        if situation.role_id:
            base["aws:userid"] = f"{situation.role_id}:reqsign"
        # RisingWave gives its sessions no tags, so they have the role's.
        named = {key for each in self.deciding for key in each.named_tags}
        named |= {key for each in self.statements for key in each.named_tags}
        for key, value in (situation.role_tags or {}).items():
            if f"{_TAG}{key}".lower() in named:
                base[f"aws:PrincipalTag/{key}"] = value
        return base

    def _is_fixed(self, key: str) -> bool:
        """Tell whether every request of the role's session has a key with one value, or none."""
        if key.startswith(_TAG):
            return self.situation.role_tags is not None
        return key in _OWN and key not in _FREE_ALL_THE_SAME

    def _filled(self, text: str) -> str:
        """Write what is known of the session in place of its variables."""

        def value(found: re.Match[str]) -> str:
            key, default = found[1].strip().lower(), found[2]
            if key in self.values:
                return self.values[key][0]
            return default if default is not None and self._is_fixed(key) else found[0]

        return _VARIABLE.sub(value, text)

    def grants(self) -> Iterator[ExcessGrant]:
        """Yield what each Allow grants beyond the need."""
        for statement in self.statements:
            nothing = "*" in statement.not_resources or self._leaves_to_account(statement)
            if statement.allows and not nothing and statement.bare not in self.same:
                try:
                    yield from self._of_statement(statement)
                except PatternTooLargeError:
                    self.undecided[statement] = None

    def _leaves_to_account(self, statement: _Statement) -> bool:
        """Tell whether a resource's policy lets the role in only where its own policies do.

        So it does where it names the account: those policies are looked at themselves (IAM User
        Guide, "AWS JSON policy elements: Principal").
        """
        account = {self.account, f"arn:aws:iam::{self.account}:root"}
        if statement.layer != "resource" or "NotPrincipal" in statement.document:
            return False
        return set(principals_of(statement.document)) <= account

    def _of_statement(self, statement: _Statement) -> Iterator[ExcessGrant]:
        by_kind: dict[Kind, _Found] = {}
        but = ", ".join(statement.not_actions)
        asked = statement.actions or ((f"everything but {but}",) if but else ())
        resources = statement.resources or (("*",) if statement.not_resources else ())
        for action in asked:
            best: dict[Kind, list[tuple[str, Request, str]]] = {"outside": [], "unused": []}
            for resource in resources:
                hits = [
                    hit
                    for place, bound in self._bound(statement, resource)
                    if (hit := self._of_pair(statement, "" if but else action, place, bound))
                ]
                for kind, request, assumes in sorted(hits, key=lambda hit: hit[0])[:1]:  # the worst
                    best[kind].append((resource, request, assumes))
            for kind, reached in best.items():
                if not reached:
                    continue
                record = by_kind.setdefault(kind, _Found())
                record.actions.append(action)
                for resource, request, assumes in reached:
                    if resource not in record.resources:
                        record.resources.append(resource)
                    if record.witness is None or (record.assumes and not assumes):
                        record.witness, record.assumes = request, assumes
        for kind, record in by_kind.items():
            yield self._grant(statement, kind, record)

    def _grant(self, statement: _Statement, kind: Kind, record: _Found) -> ExcessGrant:
        assert record.witness is not None
        keys = tuple(dict.fromkeys(key for _, _, key, _ in statement.tests))
        excluded = statement.not_resources
        resources = tuple(f"everything but {', '.join(excluded)}" for _ in "1" if excluded)
        resources = resources or tuple(record.resources)
        under = f", under conditions on {' and '.join(keys)}" if keys else ""
        source = statement.source.rpartition(":policy/")[2] or statement.source
        title = f"{source} allows {_actions_in_words(record.actions)} on " + (
            f"{_resources_in_words(resources)}{under}"
        )
        condition = json.dumps(statement.document.get("Condition") or {}, sort_keys=True)
        return ExcessGrant(
            _grant_id(kind, record.actions, resources, condition),
            kind,
            title,
            tuple(record.actions),
            resources,
            (statement.source,),
            record.witness,
            record.assumes,
            written=frozenset({(statement.bare, "")}),
        )

    def _bound(
        self, statement: _Statement, resource: str
    ) -> Iterator[tuple[str, dict[str, str | None]]]:
        """Yield a pattern with its variables filled in, and what that takes of the request's keys.

        A key that a request may have with any value makes the pattern reach wherever its caller
        likes: it is tried with what the statement's own conditions name, with a value that nobody
        names, and absent where the variable has a default.
        """
        free: dict[str, list[str | None]] = {}
        for found in _VARIABLE.finditer(resource) if statement.variables else ():
            key = found[1].strip().lower()
            if key in self.values or self._is_fixed(key):
                continue
            named = [
                value for _, tested, _, values in statement.tests if tested == key
                for value in values if not re.search(r"[*?$]", value)
            ]  # fmt: skip
            somewhere = {"aws:requestedregion": self.situation.bucket.region_name, **_SOME_VALUE}
            texts: list[str | None] = [*named, somewhere.get(key, "xxx")]
            if found[2] is not None:
                texts.append(None)
            free.setdefault(key, texts)
        if not free:
            yield resource, {}
            return
        if math.prod(map(len, free.values())) > _FEW_BINDINGS:
            self.undecided[statement] = None
        for values in islice(product(*free.values()), _FEW_BINDINGS):
            bound = dict(zip(free, values, strict=True))

            def filled(found: re.Match[str], bound: Mapping[str, str | None] = bound) -> str:
                key, default = found[1].strip().lower(), found[2]
                if key not in bound:
                    return found[0]
                value = bound[key]
                return value if value is not None else default or ""

            yield _VARIABLE.sub(filled, resource), bound

    def _of_pair(
        self,
        statement: _Statement,
        action_pattern: str,
        resource: str,
        bound: Mapping[str, str | None],
    ) -> tuple[Kind, Request, str] | None:
        """Find the worst request that a statement allows for one action and resource pattern."""
        tokens = arn_tokens(resource, self.values, variables=statement.variables)
        if tokens is None:
            return None
        seen: set[Any] = set()
        unused: tuple[Kind, Request, str] | None = None
        keys = {key for _, key, _, _ in statement.tests}
        # What the statement asks of a key that a request can't have, or has with one value.
        unmet = {key for key in keys if not self._holds(statement, key, None)}
        if any(map(self._is_fixed, unmet)):
            return None
        for name, action in self._actions(statement, action_pattern):
            if not all(map(action.may_carry, {*unmet, *bound})):
                continue
            shapes = [
                each for each in self._shapes_of(action) if self._overlap(each, resource, tokens)
            ]
            shapes = [each for each in shapes if self._is_left(statement, name, each)]
            if not shapes:
                continue
            deciders = tuple(
                index for index, each in enumerate(self.deciding) if each.matches(name)
            )
            tests = [*statement.tests]
            for index in deciders:
                tests += self.deciding[index].tests
            free = frozenset(key for _, key, _, _ in tests if action.may_carry(key))
            signature = (tuple(shapes), deciders, free, self._group(action, name))
            if signature in seen:
                continue
            seen.add(signature)
            deciding = [self.deciding[index] for index in deciders]
            for kind, request, assumes in self._requests(
                statement, action, shapes, tokens, deciding, bound
            ):
                if kind == "outside":
                    return kind, request, assumes
                unused = unused or (kind, request, assumes)
        return unused

    def _actions(self, statement: _Statement, pattern: str) -> Iterator[tuple[str, IamAction]]:
        if pattern and "*" not in pattern and "?" not in pattern:
            if ":" in pattern:
                yield pattern.lower(), iam_action(pattern.lower()) or unlisted(pattern)
            return
        for name, action in actions_like(pattern or "*"):
            if pattern or statement.matches(name):
                yield name, action

    def _group(self, action: IamAction, name: str) -> tuple[str, bool, bool]:
        """Tell actions apart by what `kind_of` looks at."""
        cryptography = name.partition(":")[2].startswith(_CRYPTOGRAPHY)
        return action.level, "s3:prefix" in action.keys, name.startswith("kms:") and cryptography

    def _shapes_of(self, action: IamAction) -> tuple[str, ...]:
        if action.listed and not action.shapes:
            return ("*",)
        return action.shapes or ("",)

    def _overlap(self, shape: str, resource: str, tokens: Sequence[PatternToken]) -> bool:
        key = (shape, resource)
        if key not in self._overlaps:
            head, other = _head(shape.replace("${Partition}", "aws")), _head(resource)
            self._overlaps[key] = (head.startswith(other) or other.startswith(head)) and any(
                may_overlap(self._shape(shape, account), tokens) for account in (self.account, "")
            )
        return self._overlaps[key]

    def _is_left(self, statement: _Statement, name: str, shape: str) -> bool:
        """Tell quickly whether boundary and Deny statements may leave something of an action.

        What a resource's policy grants to everybody or to a session, a boundary does not limit
        (IAM User Guide, "Policy evaluation logic").
        """
        if self.bounds is not None and statement.layer == "identity":
            bounds = [each for each in self.bounds if each.matches(name)]
            if not any(
                (each.not_resources and "*" not in each.not_resources)
                or self._overlaps_any(shape, each.resources, each.variables)
                for each in bounds
            ):
                return False
        return all(
            self._overlaps_any(shape, each.not_resources, each.variables)
            for each in self.walls
            if each.matches(name)
        )

    def _overlaps_any(self, shape: str, resources: Sequence[str], variables: bool) -> bool:
        for resource in resources:
            tokens = arn_tokens(resource, self.values, variables=variables)
            if tokens is not None and self._overlap(shape, resource, tokens):
                return True
        return False

    def _shape(self, template: str, account: str) -> tuple[PatternToken, ...]:
        key = (template, account)
        if key not in self._shapes:
            self._shapes[key] = tuple(_shape_tokens(template, account))
        return self._shapes[key]

    def _requests(
        self,
        statement: _Statement,
        action: IamAction,
        shapes: Sequence[str],
        tokens: Sequence[PatternToken],
        deciding: Sequence[_Statement],
        bound: Mapping[str, str | None],
    ) -> Iterator[tuple[Kind, Request, str]]:
        """Yield requests that the statement allows, that go through, and that nobody needs."""
        beside = [*self.inside]
        for each in (statement, *deciding):
            named = each.resources if each is not statement else ()
            for text in (*named, *each.not_resources):
                other = arn_tokens(text, self.values, variables=each.variables)
                if other is not None and other not in beside and text != "*":
                    beside.append(other)
        contexts = self._contexts(statement, action, deciding)
        if bound:
            given = {key: value for key, value in bound.items() if value is not None}
            kept = [{k: v for k, v in each.items() if k.lower() not in bound} for each in contexts]
            distinct = {tuple(sorted(each.items())): each for each in kept}
            contexts = [each | given for each in distinct.values()]
            if not action.name.startswith("kms:"):
                tested = {key for each in (statement, *deciding) for _, key, _, _ in each.tests}
                tested |= set(bound)
                possible = (each for each in contexts if _one_way(each, tested))
                contexts = [_with_endpoint(each, tested) for each in possible]
        if not contexts:
            return
        for shape in shapes:
            for account in (self.account, ""):
                places = cells([self._shape(shape, account), tokens], beside)
                # An action that is about no resource is asked for on "*".
                for place in sorted(dict.fromkeys(t or "*" for t in places.values()), key=len):
                    for context in contexts:
                        yield from self._tried(statement, action, place, context)
                if places:
                    break

    def _tried(
        self, statement: _Statement, action: IamAction, place: str, context: Mapping[str, str]
    ) -> Iterator[tuple[Kind, Request, str]]:
        named = (place.split(":") + [""] * 5)[4]
        owner = named if re.fullmatch(r"\d{12}", named) else self.account
        if any(key.lower() == "aws:requestedregion" for key in context):
            context = self._asked_where_it_is(place, context)
        request = Request(self.session, action.name, place, owner, {**self.base, **context})
        alone = json.dumps({"Version": "2012-10-17" if statement.variables else "2008-10-17",
                            "Statement": [statement.document]})  # fmt: skip
        side, assumes = self._resource_side(request)
        if statement.layer == "identity":
            only = Policies(identity=[("alone", alone)], resource=side)
            free = Policies(resource=side)
            if owner == self.account and evaluate(request, free).allowed:
                return
        else:
            only = Policies(resource=alone)
        if not evaluate(request, only).allowed:
            return
        whole = Policies(identity=self.identity, resource=side, boundary=self.situation.boundary)
        if not all(evaluate(each, whole).allowed for each in (request, *_asked_too(request))):
            return
        if evaluate(
            request, Policies(identity=self.needed, resource=_open_to(self.account))
        ).allowed:
            return
        if self.had is not None and self._had_already(request, self.had):
            return
        if self.later:
            assumes = " ".join(filter(None, (assumes, f"from {_written(self.now)} on")))
        kind = self.kind_of(request, action)
        if self.tolerated is None or not self.tolerated(request, action.level, kind):
            yield kind, request, assumes

    def _asked_where_it_is(self, place: str, context: Mapping[str, str]) -> Mapping[str, str]:
        """Return a context with the Region in which the resource is asked for, where it is known.

        A bucket is asked in its own Region, IAM in one for the whole partition (Amazon S3 User
        Guide, "Making requests"; IAM User Guide, ``aws:RequestedRegion``).
        """
        parts = (place.split(":") + [""] * 5)[:5]
        region = parts[3] if _REGION.fullmatch(parts[3]) else ""
        if place == self.bucket_arn or place.startswith(f"{self.bucket_arn}/"):
            region = self.situation.bucket.region_name
        elif parts[2] == "iam" and parts[1] == "aws":
            region = "us-east-1"
        if not region:
            return context
        return {
            key: region if key.lower() == "aws:requestedregion" else value
            for key, value in context.items()
        }

    def _had_already(self, request: Request, had: Situation) -> bool:
        side, _ = self._resource_side(request, had)
        policies = Policies(identity=list(had.identity), resource=side, boundary=had.boundary)
        return evaluate(request, policies).allowed

    def _resource_side(
        self, request: Request, situation: Situation | None = None
    ) -> tuple[Mapping[str, Any] | None, str]:
        """Return the resource's own policy, and what is assumed where it is not known."""
        situation = situation or self.situation
        bucket, place = situation.bucket, request.resource
        if place == self.bucket_arn or place.startswith(f"{self.bucket_arn}/"):
            return bucket.policy, ""
        if place == self.key_arn and bucket.kms_key_policy is not None:
            return _key_side(situation), ""
        if place == situation.role_arn and request.action.lower() == "sts:assumerole":
            return situation.trust_policy, ""
        if place.startswith("arn:") and request.resource_account != self.account:
            return _open_to(self.account), "where the other account lets this one in"
        if request.action.lower().startswith("sts:") and ":role/" in place:
            return _open_to(self.account), "where that role trusts the account"
        if place.startswith("arn:aws:kms:"):
            return _open_to(self.account), "where the key policy is AWS's default one"
        return None, ""

    def kind_of(self, request: Request, action: IamAction) -> Kind:
        """Tell whether a request reaches beyond the target's prefix, bucket and key."""
        prefix, place, name = self.target.prefix, request.resource, request.action.lower()
        reads = action.level in "RL"
        inside = False
        if place.startswith(self.folder):
            inside = True
        elif place == self.bucket_arn:
            inside = reads
            if "s3:prefix" in action.keys and prefix:
                asked = prefix_asked(request)
                inside = asked == prefix or asked.startswith(f"{prefix}/")
        elif self.key_arn and place == self.key_arn:
            inside = reads or name.partition(":")[2].startswith(_CRYPTOGRAPHY)
        elif name.startswith("glue:") and action.level in "RLW":
            glue = Request(self.session, "glue:GetTable", place, self.account, self.base)
            inside = evaluate(glue, Policies(identity=self.needed[:1])).allowed
        return "unused" if inside else "outside"

    def _contexts(
        self, statement: _Statement, action: IamAction, deciding: Sequence[_Statement]
    ) -> list[dict[str, str]]:
        """Return what the keys that the policies ask for can be, so that the statement holds."""
        keys = TestedKeys()
        for each in (statement, *deciding):
            for operator, key, shown, values in each.tests:
                if self._is_fixed(key) or not action.may_carry(key):
                    continue
                known = tuple(map(self._filled, values)) if each.variables else values
                keys.add(operator, key, shown, known, each.variables)
        keys.name_what_there_is()
        found, more = keys.contexts(
            self._inside_values,
            lambda key, value: _can_be(key, value) and self._holds(statement, key, value),
            # S3 asks KMS for its callers: by which way, AWS does not say.
            lambda context, tested: action.name.startswith("kms:") or _one_way(context, tested),
        )
        if more:
            self.undecided[statement] = None
        return [_with_endpoint(each, keys.tested) for each in found]

    def _inside_values(self, key: str) -> list[tuple[PatternToken, ...]]:
        prefix = self.target.prefix
        if key != "s3:prefix" or not prefix:
            return []
        return [literal_tokens(prefix), (*literal_tokens(f"{prefix}/"), ANY)]

    def _holds(self, statement: _Statement, key: str, value: tuple[str, str] | None) -> bool:
        return _holds(statement, key, value, self.session, self.base)


def prefix_asked(request: Request) -> str:
    """Return which prefix a listing asks for, however the policy spells the condition key.

    Names of condition keys are not case-sensitive (IAM User Guide, "IAM JSON policy elements:
    Condition").
    """
    values = (value for key, value in request.context.items() if key.lower() == "s3:prefix")
    return str(next(values, None) or "")


def _asked_too(request: Request) -> Iterator[Request]:
    """Yield what S3 asks for beside a request that writes an object, because of its headers."""
    if request.action.lower() == "s3:putobject":
        given = [key.lower() for key, value in request.context.items() if value is not None]
        for action, heads in _ASKED_TOO.items():
            if any(key.startswith(heads) for key in given):
                yield replace(request, action=action)


def _can_be(key: str, value: tuple[str, str] | None) -> bool:
    """Tell whether a request of a role's session can have a value of a key, or be without it.

    It is always asked in some Region, and its credentials are at most twelve hours old (AWS STS
    API Reference, AssumeRole).
    """
    if key == "aws:requestedregion":
        return value is not None and _REGION.fullmatch(value[1]) is not None
    if key == "aws:tokenissuetime":
        issued = moment(value[1]) if value else None
        return issued is not None and issued >= (datetime.now(UTC) - _LONGEST_SESSION).timestamp()
    return True


def _one_way(context: Mapping[str, str], tested: Iterable[str]) -> bool:
    """Tell whether one way through the network gives a request these of the tested keys."""
    present = {key.lower() for key in context}
    absent = set(tested) - present
    if not present & _BY_ENDPOINT and _BY_INTERNET not in absent:
        return True
    return _BY_INTERNET not in present and not absent & _ENDPOINT_ALWAYS


def _with_endpoint(context: dict[str, str], tested: Iterable[str]) -> dict[str, str]:
    """Name an endpoint where only a request through one has these keys."""
    present = {key.lower() for key in context}
    through = present & _BY_ENDPOINT or (_BY_INTERNET in tested and _BY_INTERNET not in present)
    if not through or "aws:sourcevpce" in {*present, *tested}:
        return context
    return {**context, "aws:SourceVpce": _AN_ENDPOINT}


def _holds(
    statement: _Statement,
    key: str,
    value: tuple[str, str] | None,
    session: str,
    base: Mapping[str, Any],
) -> bool:
    """Tell whether the statement's own conditions on one key hold with a value."""
    condition: dict[str, Any] = {}
    for operator, found, shown, values in statement.tests:
        if found == key:
            condition.setdefault(operator, {})[shown] = list(values)
    if not condition:
        return True
    document = {
        "Version": "2012-10-17" if statement.variables else "2008-10-17",
        "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": condition}],
    }
    context = {**base, **(dict([value]) if value else {})}
    request = Request(session, "s3:GetObject", "arn:aws:s3:::x/x", None, context)
    return evaluate(request, Policies(identity=[("condition", json.dumps(document))])).allowed


class TestedKeys:
    """The condition keys that statements test, and what each of them can be."""

    def __init__(self) -> None:
        self._tests: dict[str, list[tuple[str, tuple[str, ...], bool]]] = {}
        self._spelled: dict[str, str] = {}

    def add(
        self, operator: str, key: str, shown: str, values: tuple[str, ...], variables: bool
    ) -> None:
        """Take note of a test; ``shown`` is the key as the policy spells it."""
        self._tests.setdefault(key, []).append((operator, values, variables))
        self._spelled.setdefault(key, shown)

    def contexts(
        self,
        inside: Callable[[str], list[tuple[PatternToken, ...]]] = lambda key: [],
        keep: Callable[[str, tuple[str, str] | None], bool] = lambda key, value: True,
        possible: Callable[[Mapping[str, str], Iterable[str]], bool] = lambda context, keys: True,
    ) -> tuple[list[dict[str, str]], bool]:
        """Return a context for each way in which the tests can come out, and whether more exist.

        Parameters
        ----------
        inside
            Patterns of a key that are to be told apart as well.
        keep
            Whether a value of a key, or its absence, is looked at.
        possible
            Whether a request can have these keys together, given all that are tested.
        """
        choices: list[list[tuple[str, str] | None]] = []
        for key, asked in self._tests.items():
            found: list[tuple[str, str] | None] = [
                None if value is None else (self._spelled[key], value)
                for value in _possible_values(asked, inside(key))
            ]
            choices.append([each for each in found if keep(key, each)])
        contexts: list[dict[str, str]] = []
        for looked_at, chosen in enumerate(product(*choices)):
            if len(contexts) == _CONTEXTS or looked_at == _LOOKED_AT:
                return contexts, True
            context = dict(pair for pair in chosen if pair is not None)
            if possible(context, self.tested):
                contexts.append(context)
        return contexts, False

    def name_what_there_is(self) -> None:
        """Let a tested Region be one that there is, and credentials new or old ones.

        Beside those that the tests name.
        """
        now = datetime.now(UTC)
        oldest = now - _LONGEST_SESSION + _A_MINUTE
        for key, operator, values in (
            ("aws:requestedregion", "StringEquals", _REGIONS),
            ("aws:tokenissuetime", "DateEquals", (_written(now), _written(oldest))),
        ):
            if key in self._tests:
                self.add(operator, key, self._spelled[key], values, variables=False)

    @property
    def tested(self) -> frozenset[str]:
        """The keys, in lower case."""
        return frozenset(self._tests)


def _possible_values(
    tests: Sequence[tuple[str, tuple[str, ...], bool]], inside: Sequence[tuple[PatternToken, ...]]
) -> list[str | None]:
    """Return a value of a key for each way in which the tests can come out, absence first."""
    patterns: list[tuple[PatternToken, ...]] = [*inside]
    possible: list[str | None] = [None]
    ordered: dict[str, list[str]] = {}
    for operator, values, variables in tests:
        name = operator.rpartition(":")[2].lower().removesuffix("ifexists")
        if _values_around(name, ()) is not None:
            kind = next((each for each in ("numeric", "date") if name.startswith(each)), name)
            ordered.setdefault(kind, []).extend(values)
        elif name.startswith("arn"):
            patterns += [tokens for each in values
                         if (tokens := arn_tokens(each, variables=variables))]  # fmt: skip
        elif name.endswith("like"):
            patterns += [tokens for each in values if (tokens := text_tokens(each, variables))]
        else:
            patterns += [literal_tokens(each) for each in values if each]
            # A request may have a key with an empty value: a listing whose prefix is empty.
            possible += [each for each in values if not each]
            if "ignorecase" in name:
                possible += [each.swapcase() for each in values if not _VARIABLE.search(each)]
            elif name.startswith("binary"):
                possible += values
    for kind, given in ordered.items():
        possible += _values_around(kind, tuple(given)) or ()
    if patterns:
        anything = (PatternToken(frozenset(), negated=True), ANY)
        texts = list(cells([anything], list(dict.fromkeys(patterns))).values())
        # A Region that an account may have switched off stands for the others only where it must.
        possible += sorted(texts, key=lambda text: (text in _OPT_IN_REGIONS, len(text or "")))
    distinct = list(dict.fromkeys(possible))
    return distinct if inside else _told_apart(tests, distinct)


def tested_tokens(operator: str, value: str, variables: bool) -> tuple[PatternToken, ...]:
    """Return the automaton of a condition's value as its operator reads it; empty for none.

    To ``StringLike`` a star fits colons too, to ``ArnLike`` it ends with its part of the ARN (IAM
    User Guide, "IAM JSON policy elements: Condition operators").
    """
    name = operator.rpartition(":")[2].lower().removesuffix("ifexists")
    if name.startswith("arn"):
        return arn_tokens(value, variables=variables) or ()
    if name.endswith("like"):
        return text_tokens(value, variables)
    return literal_tokens(value)


def _told_apart(
    tests: Sequence[tuple[str, tuple[str, ...], bool]], values: list[str | None]
) -> list[str | None]:
    """Keep one value of those on which every test comes out the same."""
    if len(values) <= _FEW or any("${" in text for _, texts, _ in tests for text in texts):
        return values
    documents = [
        json.dumps(
            {
                "Version": "2012-10-17" if variables else "2008-10-17",
                "Statement": [
                    {"Effect": "Allow", "Action": "*", "Resource": "*",
                     "Condition": {operator: {"aws:Referer": list(texts)}}}
                ],
            }
        )
        for operator, texts, variables in dict.fromkeys(tests)
    ]  # fmt: skip
    found: dict[tuple[bool, ...], str | None] = {}
    for value in values:
        context = {} if value is None else {"aws:Referer": value}
        request = Request("arn:aws:iam::111122223333:role/x", "s3:GetObject", "arn:aws:s3:::x/x",
                          None, context)  # fmt: skip
        outcome = tuple(
            evaluate(request, Policies(identity=[("test", each)])).allowed for each in documents
        )
        found.setdefault(outcome, value)
    return list(found.values())


def _key_side(situation: Situation) -> Mapping[str, Any] | None:
    """Return the key policy, with what the key's grants say beside it."""
    bucket = situation.bucket
    if bucket.kms_key_policy is None:
        return None
    return with_grants(bucket.kms_key_policy, bucket.kms_grants or (), situation.role_arn)


def _all_statements(situation: Situation | None) -> list[_Statement]:
    """Return the statements of every policy of a situation but its trust policy."""
    if situation is None:
        return []
    documents = [*situation.identity, *([situation.boundary] if situation.boundary else [])]
    return [
        *(each for name, document in documents for each in _statements(name, document, "identity")),
        *_statements("the bucket policy", situation.bucket.policy, "resource"),
        *_statements("the key policy", _key_side(situation), "resource"),
    ]


def _values_around(operator: str, values: tuple[str, ...]) -> list[str] | None:
    """Return values on both sides of those that are tested; None for an operator on texts."""
    if "ip" in operator and "address" in operator:
        return [*_addresses_around(values), "203.0.113.9", "198.51.100.7"]
    if operator == "bool":
        return ["true", "false"]
    if operator == "null":
        return ["x"]
    if operator.startswith("date"):
        return [*_seconds_around(values), "1971-01-01T00:00:00Z", "2999-01-01T00:00:00Z"]
    if not operator.startswith("numeric"):
        return None
    return _numbers_around(values)


def _addresses_around(values: Iterable[str]) -> list[str]:
    """Return the first and the last address of each range, and those just outside of it."""
    addresses = []
    for each in values:
        try:
            network = ip_network(each, strict=False)
        except ValueError:
            continue
        kind, first, last = type(network[0]), int(network[0]), int(network[-1])
        for number in (first, last, first - 1, last + 1):
            if 0 <= number < 2**network.max_prefixlen:
                addresses.append(str(kind(number)))
    return addresses


def _seconds_around(values: Iterable[str]) -> list[str]:
    """Return each date, with the seconds before and after it."""
    found = []
    for each in values:
        found.append(each)
        when = moment(each)
        if when is not None and abs(when) < 10**11:
            start = datetime.fromtimestamp(math.floor(when), UTC)
            near = (start + timedelta(seconds=step) for step in (-1, 1))
            found += [then.strftime("%Y-%m-%dT%H:%M:%SZ") for then in near]
    return found


def _numbers_around(values: Iterable[str]) -> list[str]:
    """Return each number, its neighbours, and one between each two that follow each other."""
    numbers: dict[Decimal, str] = {}
    others = []
    for each in values:
        try:
            numbers.setdefault(Decimal(each), each)
        except InvalidOperation:
            others.append(each)
    ordered = sorted(number for number in numbers if number.is_finite())
    found = [*others, *(numbers[each] for each in ordered)]
    for number in ordered:
        found += [f"{number - 1:f}", f"{number + 1:f}"]
    found += [f"{(low + high) / 2:f}" for low, high in pairwise(ordered)]
    return found


def _written(when: datetime) -> str:
    return when.strftime("%Y-%m-%dT%H:%M:%SZ")


def _head(pattern: str) -> str:
    """Return the text before the first wildcard or variable."""
    return re.split(r"[*?]|\$\{", pattern, maxsplit=1)[0]


def _shape_tokens(template: str, account: str) -> Iterator[PatternToken]:
    if not template:
        yield ANY
        return
    pieces = re.split(r"\$\{([^}]*)\}", template)
    for index, piece in enumerate(pieces):
        if index % 2 == 0:
            yield from literal_tokens(piece)
        elif piece == "Partition":
            yield from literal_tokens("aws")
        elif piece.lower() in ("account", "accountid"):
            yield from literal_tokens(account) if account else [PatternToken(_DIGITS)] * 12
        elif piece == "Region":
            yield PatternToken(_REGION_CHARACTERS)
            yield PatternToken(_REGION_CHARACTERS, many=True)
        elif piece == "BucketName":
            # "Bucket names must begin and end with a letter or number", and have three characters
            # at least (Amazon S3 User Guide, "General purpose bucket naming rules").
            end = PatternToken(_BUCKET_CHARACTERS - {"-", "."})
            within = PatternToken(_BUCKET_CHARACTERS)
            yield from (end, within, within._replace(many=True), end)
        else:
            last = index == len(pieces) - 2 and not pieces[-1]
            excluded = frozenset() if last else frozenset(":/")
            yield PatternToken(excluded, negated=True)
            yield PatternToken(excluded, negated=True, many=True)


def _open_to(account_id: str) -> dict[str, Any]:
    """Return a resource's policy that leaves the decision to the account's own policies."""
    return {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"AWS": f"arn:aws:iam::{account_id}:root"},
                "Action": "*",
                "Resource": "*",
            }
        ],
    }


def _grant_id(kind: str, actions: Iterable[str], resources: Iterable[str], condition: str) -> str:
    said = json.dumps(
        [kind, sorted(each.lower() for each in actions), sorted(resources), condition]
    )
    return f"{kind}-{hashlib.sha256(said.encode()).hexdigest()[:8]}"


def _actions_in_words(actions: Sequence[str]) -> str:
    if "*" in actions or "*:*" in actions:
        return "every action"
    return _counted(actions, "actions")


def _resources_in_words(resources: Sequence[str]) -> str:
    if "*" in resources:
        return "every resource"
    return _counted([each.removeprefix("arn:aws:s3:::") for each in resources], "resources")


def _counted(names: Sequence[str], what: str) -> str:
    if len(names) <= 4:
        return ", ".join(names)
    return f"{', '.join(names[:3])} and {len(names) - 3} more {what}"


def _trust_grants(
    target: Target,
    situation: Situation,
    workload: tuple[str, str],
    statement: _Statement,
    had: Situation | None = None,
) -> Iterator[ExcessGrant]:
    """Yield whom a statement lets in beside the Workload Identity, and Redshift where it copies.

    Parameters
    ----------
    workload
        The Workload Identity's ARN and its unique id, the latter empty where it is not known.
    """
    own = workload[0]
    wanted = {own, *_services(target, situation)}
    parts = own.split(":")
    sessions = f":{parts[4]}:assumed-role/{own.rpartition('/')[2]}/" if parts[4:] else "none"
    undecided: PatternTooLargeError | None = None
    actions = [
        each for each in ("sts:AssumeRole", "sts:AssumeRoleWithSAML",
                          "sts:AssumeRoleWithWebIdentity")
        if statement.matches(each.lower())
    ]  # fmt: skip
    if not statement.allows or not actions:
        return
    for kind, name in _principals(statement.document):
        if name in wanted or (kind == "AWS" and sessions in name):
            continue
        try:
            grant = _trust_grant(situation, statement, kind, name, workload, had)
        except PatternTooLargeError as error:
            undecided = error
            continue
        if grant is not None:
            yield grant
    if undecided is not None:
        raise undecided


def _services(target: Target, situation: Situation) -> set[str]:
    """Return the services that assume the role for a connector, by their regional names too."""
    found = {connector_profile(name).trusted_service for name in target.connectors} - {""}
    if situation.redshift_claimed:
        found.add("redshift.amazonaws.com")
    if "redshift.amazonaws.com" in found:
        for service in redshift_services(situation.bucket.region_name):
            found |= {service, service.replace("redshift", "redshift-serverless", 1)}
    return found


def _principals(statement: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    if "NotPrincipal" in statement:
        yield "AWS", "*"
        return
    given = statement.get("Principal", {})
    if given == "*":
        yield "AWS", "*"
        return
    for kind, names in given.items():
        for name in [names] if isinstance(names, str) else names:
            yield kind, name


def _trust_grant(
    situation: Situation,
    statement: _Statement,
    kind: str,
    name: str,
    workload: tuple[str, str],
    had: Situation | None,
) -> ExcessGrant | None:
    account = situation.account_id
    of = re.fullmatch(r"arn:[^:]*:(?:iam|sts)::(\d{12}):.*|(\d{12})", name)
    theirs = (of[1] or of[2]) if of else ""
    callers, who, action = [name], name, "sts:AssumeRole"
    lets_in: LetIn = "one"
    if kind == "AWS" and name == "*":
        theirs = "999999999999" if account != "999999999999" else "888888888888"
        callers, who = _callers(situation, (theirs,), workload[0], everybody=True), "everybody"
        lets_in = "everybody"
    elif kind == "AWS" and of and (of[2] or name.endswith(":root")):
        callers = _callers(situation, (theirs,), workload[0], everybody=False)
        who, lets_in = f"every role of account {theirs}", "account"
    elif kind == "Federated":
        action = "sts:AssumeRoleWithWebIdentity"
        action = "sts:AssumeRoleWithSAML" if ":saml-provider/" in name else action
    elif kind == "AWS" and not theirs:
        return None
    outside = kind == "Federated" or (kind == "AWS" and theirs != account)
    found_requests = (
        _assuming(situation, statement, kind, caller, action, had, workload[1])
        for caller in callers
    )
    request = next((each for each in found_requests if each is not None), None)
    if request is None:
        return None
    if "aws:PrincipalArn" in request.context and lets_in == "account":
        tried = {key for _, key, _, _ in statement.tests}
        if "aws:principalarn" in tried:
            who, lets_in = f"other roles of account {theirs}", "pattern"
    found: Kind = "outside" if outside else "unused"
    under = [key for _, _, key, _ in statement.tests]
    conditions = f", under conditions on {' and '.join(dict.fromkeys(under))}" if under else ""
    condition = json.dumps(statement.document.get("Condition") or {}, sort_keys=True)
    return ExcessGrant(
        _grant_id(found, ["sts:AssumeRole"], [f"{kind} {name}"], condition),
        found,
        f"The trust policy lets {who} assume the role{conditions}",
        ("sts:AssumeRole",),
        ("the role itself",),
        ("the trust policy",),
        request,
        by_trust=True,
        lets_in=lets_in,
        written=frozenset({(statement.bare, f"{kind} {name}")}),
    )


def _callers(
    situation: Situation, accounts: Sequence[str], workload: str, *, everybody: bool
) -> list[str]:
    """Return roles that stand for all that an account, or everybody, can be.

    One for each way in which the trust policy's conditions on ``aws:PrincipalArn`` can come out,
    and none of them the Workload Identity.
    """
    patterns: list[tuple[PatternToken, ...]] = [literal_tokens(workload)]
    named: dict[str, None] = dict.fromkeys(accounts)
    for statement in _statements("", situation.trust_policy, "resource"):
        for operator, key, _, values in statement.tests:
            if key == "aws:principalarn":
                for value in values:
                    tokens = tested_tokens(operator, value, statement.variables)
                    if tokens and tokens not in patterns:
                        patterns.append(tokens)
            if key in ("aws:principalarn", "aws:principalaccount") and everybody:
                found = [account for value in values for account in re.findall(r"\d{12}", value)]
                named |= dict.fromkeys(found)
    callers = [f"arn:aws:iam::{account}:role/any-role" for account in named]
    for account in named:
        shape = tuple(_shape_tokens(f"arn:aws:iam::{account}:role/${{RoleName}}", account))
        callers += [each for each in cells([shape], patterns).values() if each]
    return [each for each in dict.fromkeys(callers) if each != workload]


def _assuming(
    situation: Situation,
    statement: _Statement,
    kind: str,
    caller: str,
    action: str,
    had: Situation | None = None,
    foreign_id: str = "",
) -> Request | None:
    """Return a request with which a caller assumes the role; None when no value of a key does.

    Parameters
    ----------
    foreign_id
        The unique id of another principal than the caller, who cannot have it.
    """
    allow = _allow(action, situation.role_arn)
    before = None if had is None else had.trust_policy
    keys = _keys_at_the_door(situation, statement, before)
    principal: str | dict[str, str] = caller
    own: dict[str, str] = {}
    if kind == "AWS" and ":role/" in caller:
        principal, own = role_session(caller, "session"), {"aws:PrincipalArn": caller}
    elif kind in ("Service", "Federated"):
        principal = {kind: caller}
    session = role_session(situation.role_arn, "session")
    foreign = foreign_id if kind == "AWS" else ""

    def may_have(key: str, value: tuple[str, str] | None) -> bool:
        if foreign and key == "aws:userid" and value and value[1].startswith(foreign):
            return False
        return not signed or key == "aws:tokenissuetime" or _can_be(key, value)

    # What a variable stands for depends on the caller, so such a test is left to the evaluator.
    free = {key for _, key, _, values in statement.tests if any("$" in each for each in values)}
    signed = kind == "AWS"
    keys.name_what_there_is()
    contexts, more = keys.contexts(
        keep=lambda key, value: (
            may_have(key, value) and (key in free or _holds(statement, key, value, session, own))
        ),
        possible=lambda context, tested: not signed or _one_way(context, tested),
    )
    if signed:
        contexts = [_with_endpoint(each, keys.tested) for each in contexts]
    for found in contexts:
        context = own | found
        try:
            request = Request(principal, action, situation.role_arn, situation.account_id, context)
            theirs = [("their side", allow)]
            decision = evaluate(request, Policies(identity=theirs, resource=situation.trust_policy))
            known = (
                before is not None
                and evaluate(request, Policies(identity=theirs, resource=before)).allowed
            )
        except InputError:
            return None
        if decision.allowed and not known:
            return request
    if more:
        raise too_many("the trust policy")
    return None


def _keys_at_the_door(
    situation: Situation, statement: _Statement, before: Mapping[str, Any] | None
) -> TestedKeys:
    """Return the keys of which an AssumeRole depends that a statement could let through."""
    keys = TestedKeys()
    for each in (
        *_statements("", situation.trust_policy, "resource"),
        *_statements("", before, "resource"),
    ):
        other = each.allows and each.document != statement.document
        if other and (before is None or each.document not in statements_of(before)):
            continue
        for operator, key, shown, values in each.tests:
            if key in ("aws:principalarn", "aws:principalaccount", "aws:principaltype"):
                continue
            keys.add(operator, key, shown, values, each.variables)
    return keys


def too_many(what: str) -> PatternTooLargeError:
    """Return the error that says that a question was not answered to its end."""
    return PatternTooLargeError(f"{_undecided(what)}; split it, or judge it by hand")


def _undecided(what: str) -> str:
    return f"{what} tests so many condition keys that not every combination was looked at"


def _allow(action: str, resource: str) -> dict[str, Any]:
    return {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": action, "Resource": resource}],
    }
