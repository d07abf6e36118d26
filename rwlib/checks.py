"""Verify the setup: a verdict for every hop from RisingWave to the bucket.

A check only looks. It says pass, fail, unknown or manual, with its evidence and its fix; what
could not be looked at is unknown with the reason, never pass.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from rwlib.changes import canonical, document_diff
from rwlib.evaluate import Decision, Policies, Request, evaluate
from rwlib.probes import Probe, forbidden_callers, forbidden_probes, required_probes
from rwlib.situation import Situation
from rwlib.target import Target
from rwlib.trust import REDSHIFT_SERVICE, SID, condition_keys, principals

Status = Literal["pass", "fail", "unknown", "manual"]

APPLY = "run it again with apply: the step puts this right"


@dataclass(frozen=True)
class Check:
    """The verdict on one hop.

    Parameters
    ----------
    id
        Stable id.
    hop
        Where on the way: identity, policy, role, boundary, trust, allowed principal, bucket, KMS,
        SQL or connector.
    status
        ``pass``, ``fail``, ``unknown`` (could not be looked at) or ``manual`` (a person says so).
    evidence
        What was seen, one line each.
    fix
        What to do, empty when nothing is to be done.
    """

    id: str
    hop: str
    title: str
    status: Status
    evidence: tuple[str, ...] = ()
    fix: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return the check as plain JSON values."""
        return {**asdict(self), "evidence": list(self.evidence)}


@dataclass(frozen=True)
class Verdict:
    """A probe and what came of it."""

    probe: Probe
    decision: Decision

    @property
    def as_expected(self) -> bool:
        """True when an allowed request is allowed, or a forbidden one is refused."""
        return (self.decision.effect == "allowed") == self.probe.allow

    @property
    def line(self) -> str:
        """The verdict in one line of evidence."""
        reason = str(self.decision.reasons[0]) if self.decision.reasons else ""
        mark = "allowed" if self.decision.effect == "allowed" else "refused"
        return f"{self.probe.title} ({self.probe.action} on {self.probe.place}): {mark}; {reason}"

    def to_dict(self) -> dict[str, Any]:
        """Return the verdict as plain JSON values."""
        return {
            "id": self.probe.id,
            "title": self.probe.title,
            "action": self.probe.action,
            "resource": self.probe.resource,
            "should_be": "allowed" if self.probe.allow else "refused",
            "is": "allowed" if self.decision.effect == "allowed" else "refused",
            "reason": str(self.decision.reasons[0]) if self.decision.reasons else "",
        }


def check_situation(
    target: Target,
    situation: Situation,
    wanted_policy: Mapping[str, Any],
    *,
    workload_identity_arn: str = "",
) -> list[Check]:
    """Return the verdict of every hop, in the order of the way.

    Parameters
    ----------
    wanted_policy
        The document that Step 1 builds for this target.
    workload_identity_arn
        When it is not in the target but was fetched from Cloud metadata.
    """
    workload = workload_identity_arn or target.workload_identity_arn
    verdicts = probe_role(target, situation)
    return [
        _identity(situation),
        *_policy(target, situation, wanted_policy),
        _role(target, situation),
        _boundary(target, situation, verdicts),
        *_trust(situation, workload),
        *_bucket(target, situation, verdicts),
        *_kms(target, situation, verdicts),
        _requests("requests_allowed", "What the connectors do is allowed", verdicts, True),
        _requests("requests_refused", "What nobody asked for is refused", verdicts, False),
        *_connectors(target, situation),
    ]


def probe_role(target: Target, situation: Situation) -> list[Verdict]:
    """Evaluate what a session of the role may and may not do, without calling AWS."""
    probes = required_probes(
        target,
        account_id=situation.account_id,
        region_name=situation.bucket.region_name,
        kms_key_arn=situation.bucket.kms_key_arn,
    ) + forbidden_probes(target)
    return [Verdict(probe, decide(situation, probe)) for probe in probes]


def decide(situation: Situation, probe: Probe, *, boundary: bool = True) -> Decision:
    """Evaluate one request of a session of the role."""
    bucket = situation.bucket
    resource: Mapping[str, Any] | None = None
    owner = situation.account_id
    if probe.resource.startswith("arn:aws:kms:"):
        # A key whose policy could not be read is taken to have AWS's default key policy, which
        # leaves the decision to the account's identity policies; check kms_key_policy says so.
        owner = probe.resource.split(":")[4]
        resource = bucket.kms_key_policy or _default_key_policy(owner)
    elif probe.resource in (f"arn:aws:s3:::{bucket.name}",) or probe.resource.startswith(
        f"arn:aws:s3:::{bucket.name}/"
    ):
        resource = bucket.policy
    return evaluate(
        Request(
            principal=role_session(situation.role_arn),
            action=probe.action,
            resource=probe.resource,
            resource_account=owner,
            context={
                "aws:PrincipalArn": situation.role_arn,
                "aws:SecureTransport": True,
                "aws:ViaAWSService": False,
                **probe.context,
            },
        ),
        Policies(
            identity=list(situation.identity),
            resource=resource,
            boundary=situation.boundary if boundary else None,
        ),
    )


def _default_key_policy(account_id: str) -> dict[str, Any]:
    return {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"AWS": f"arn:aws:iam::{account_id}:root"},
                "Action": "kms:*",
                "Resource": "*",
            }
        ],
    }


def role_session(role_arn: str, session_name: str = "reqsign") -> str:
    """ARN of a session of the role; RisingWave's S3 client names its sessions ``reqsign``."""
    account = role_arn.split(":")[4]
    return f"arn:aws:sts::{account}:assumed-role/{role_arn.split('/')[-1]}/{session_name}"


def assume(situation: Situation, caller_arn: str) -> Decision:
    """Evaluate whether a caller may assume the role, its own account allowing it."""
    allow = {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": situation.role_arn}
        ],
    }
    context = {"sts:RoleSessionName": "reqsign", "aws:SecureTransport": True}
    caller = caller_arn
    if ":role/" in caller_arn:
        caller = role_session(caller_arn)
        context |= {"aws:PrincipalArn": caller_arn}
    return evaluate(
        Request(caller, "sts:AssumeRole", situation.role_arn, situation.account_id, context),
        Policies(identity=[("allowed principals", allow)], resource=situation.trust_policy),
    )


def _identity(situation: Situation) -> Check:
    return Check(
        "identity",
        "identity",
        "AWS knows who is asking",
        "pass",
        (f"{situation.caller_arn} in account {situation.account_id}",),
    )


def _policy(target: Target, situation: Situation, wanted: Mapping[str, Any]) -> Iterable[Check]:
    document, name = situation.policy_document, target.policy_name
    title = f"Policy {name} is the one this target asks for"
    if document is None:
        why = situation.unknown.get(situation.policy_arn, "")
        yield Check("policy_documents", "policy", title, "fail", (f"there is none: {why}",), APPLY)
    elif canonical(document) == canonical(wanted):
        size = len(document.get("Statement", []))
        yield Check("policy_documents", "policy", title, "pass", (f"{size} statements, equal",))
    else:
        diff = tuple(document_diff(document, wanted).splitlines()[2:])
        yield Check("policy_documents", "policy", title, "fail", diff, APPLY)
    if situation.trust_policy is None or situation.policy_arn not in situation.attached:
        evidence = f"{situation.policy_arn} is not attached to {situation.role_arn}"
        status: Status = "fail"
    else:
        evidence, status = f"{situation.policy_arn} is attached", "pass"
    yield Check(
        "policy_attached",
        "policy",
        "The policy is attached to the role",
        status,
        (evidence,),
        APPLY if status == "fail" else "",
    )


def _role(target: Target, situation: Situation) -> Check:
    title = f"Role {target.role_name} exists"
    if situation.trust_policy is None:
        return Check("role_exists", "role", title, "fail", (situation.role_arn,), APPLY)
    planned = ("it is going to be created or is there already",) if situation.planned else ()
    return Check("role_exists", "role", title, "pass", (situation.role_arn, *planned))


def _boundary(target: Target, situation: Situation, verdicts: list[Verdict]) -> Check:
    title = "The permissions boundary leaves room for the connectors"
    if situation.boundary is None:
        wanted = target.permissions_boundary_arn
        why = situation.unknown.get(wanted, "") if wanted else ""
        if why:
            return Check("boundary", "boundary", title, "unknown", (f"{wanted}: {why}",))
        if wanted and situation.trust_policy is not None:
            return Check(
                "boundary", "boundary", title, "fail", (f"{wanted} is not set on the role",), APPLY
            )
        return Check("boundary", "boundary", title, "pass", ("none is set",))
    stopped = [
        verdict
        for verdict in verdicts
        if verdict.probe.allow
        and verdict.decision.effect != "allowed"
        and decide(situation, verdict.probe, boundary=False).effect == "allowed"
    ]
    name = situation.boundary[0]
    if not stopped:
        return Check("boundary", "boundary", title, "pass", (f"{name} allows every request",))
    return Check(
        "boundary",
        "boundary",
        title,
        "fail",
        tuple(verdict.line for verdict in stopped),
        f"whoever owns {name} must allow these requests in it; no policy of the role can",
    )


def _trust(situation: Situation, workload: str) -> Iterable[Check]:
    titles = {
        "trust_principal": "The trust policy names the Workload Identity",
        "trust_conditions": "The trust policy asks for nothing that RisingWave cannot send",
        "trust_deny": "No Deny of the trust policy shuts RisingWave out",
        "trust": "RisingWave may assume the role, and nobody else of its account",
    }
    if situation.trust_policy is None:
        for check_id, title in titles.items():
            yield Check(check_id, "trust", title, "fail", ("there is no role",), APPLY)
        return
    if not workload:
        for check_id, title in titles.items():
            yield Check(check_id, "trust", title, "unknown", ("Workload Identity not known",))
        return
    statements = situation.trust_policy.get("Statement", [])
    statements = statements if isinstance(statements, list) else [statements]
    decision = assume(situation, workload)
    reasons = tuple(str(reason) for reason in decision.reasons[:3])

    def verdict(check_id: str, bad: Iterable[str], good: str, fix: str) -> Check:
        evidence = tuple(bad)
        return Check(
            check_id,
            "trust",
            titles[check_id],
            "fail" if evidence else "pass",
            evidence or (good,),
            fix if evidence else "",
        )

    yield verdict(
        "trust_principal",
        [] if _names(statements, workload) else [_found_principals(statements, workload)],
        workload,
        APPLY,
    )
    yield verdict(
        "trust_conditions",
        _conditions(statements, workload, decision.effect == "allowed"),
        "no condition is in the way",
        "remove the condition from that statement: RisingWave sends no external id and no "
        "session name of your choosing",
    )
    yield verdict(
        "trust_deny",
        reasons if decision.effect == "explicit-deny" else (),
        "no Deny matches the Workload Identity",
        "exempt the Workload Identity in that Deny; an Allow does not help",
    )
    callers = {
        **forbidden_callers(workload, situation.account_id),
        **{
            arn: "named beside the Workload Identity in the runbook's own statement"
            for statement in statements
            if statement.get("Sid") == SID and statement.get("Effect") == "Allow"
            for arn in principals(statement)
            if arn != workload and arn.startswith("arn:")
        },
    }
    too_wide = [
        f"{arn} may assume the role too: {title}"
        for arn, title in callers.items()
        if assume(situation, arn).effect == "allowed"
    ]
    bad = [*([] if decision.effect == "allowed" else reasons or ("not allowed",)), *too_wide]
    yield verdict("trust", bad, f"only {workload}", APPLY)


def _names(statements: list[Mapping[str, Any]], workload: str) -> bool:
    account = workload.split(":")[4]
    wide = {"*", account, f"arn:aws:iam::{account}:root"}
    named = {
        principal
        for statement in statements
        if statement.get("Effect") == "Allow"
        for principal in principals(statement)
    }
    return workload in named or bool(named & wide)


def _found_principals(statements: list[Mapping[str, Any]], workload: str) -> str:
    found = [each for statement in statements for each in principals(statement)]
    deleted = [each for each in found if each.startswith(("AROA", "AIDA"))]
    if deleted:
        return (
            f"it names {deleted[0]}, the id of a role that was deleted; a role made again under "
            "the same name has another id, so the ARN must be written again"
        )
    return f"it names {', '.join(found) or 'nobody'}, not {workload}"


def _conditions(statements: list[Mapping[str, Any]], workload: str, allowed: bool) -> Iterable[str]:
    if allowed:
        return
    for statement in statements:
        if statement.get("Effect") != "Allow" or workload not in principals(statement):
            continue
        for key in sorted(condition_keys(statement)):
            yield f"{statement.get('Sid') or 'a statement'} has a condition on {key}"


def _bucket(target: Target, situation: Situation, verdicts: list[Verdict]) -> Iterable[Check]:
    bucket = situation.bucket
    yield Check(
        "bucket_exists", "bucket", f"Bucket {bucket.name} exists", "pass", (bucket.region_name,)
    )
    wanted = target.region_name or bucket.region_name
    yield Check(
        "bucket_region",
        "bucket",
        "The region in the SQL is the bucket's",
        "pass" if wanted == bucket.region_name else "fail",
        (f"the bucket is in {bucket.region_name}",),
        "" if wanted == bucket.region_name else f"write region_name: {bucket.region_name}",
    )
    owner: tuple[Status, str] = (
        ("pass", f"account {situation.account_id}")
        if bucket.owned
        else ("unknown", "AWS does not say whose it is")
    )
    yield Check(
        "bucket_owner", "bucket", "The bucket is in the role's account", owner[0], (owner[1],)
    )
    yield _bucket_policy(situation, verdicts)
    yield _public_access_block(situation)


def _bucket_policy(situation: Situation, verdicts: list[Verdict]) -> Check:
    title = "The bucket policy lets the role through"
    why = situation.bucket.why_unknown("bucket policy")
    if why:
        return Check("bucket_policy", "bucket", title, "unknown", (why,))
    if situation.bucket.policy is None:
        return Check("bucket_policy", "bucket", title, "pass", ("there is none",))
    denied = [
        verdict
        for verdict in verdicts
        if verdict.probe.allow
        and verdict.decision.effect == "explicit-deny"
        and verdict.decision.layer == "resource"
        and not verdict.probe.resource.startswith("arn:aws:kms:")
    ]
    if not denied:
        return Check("bucket_policy", "bucket", title, "pass", ("no Deny matches the requests",))
    by_org = [each for each in denied if _hangs_on_organization(situation, each.probe)]
    return Check(
        "bucket_policy",
        "bucket",
        title,
        "unknown" if len(by_org) == len(denied) else "fail",
        tuple(verdict.line for verdict in denied),
        f"exempt {situation.role_arn} in that Deny (ArnNotEquals aws:PrincipalArn), or change the "
        "requests' way as it asks; an Allow does not help",
    )


def _hangs_on_organization(situation: Situation, probe: Probe) -> bool:
    """True when only the id of the organization, which was not read, decides."""
    keys = {
        key
        for statement in (situation.bucket.policy or {}).get("Statement", [])
        if isinstance(statement, Mapping) and statement.get("Effect") == "Deny"
        for key in condition_keys(statement)
    }
    organization = {key for key in keys if key in ("aws:principalorgid", "aws:resourceorgid")}
    if not organization:
        return False
    values: dict[str, Any] = {}
    for statement in (situation.bucket.policy or {}).get("Statement", []):
        for block in statement.get("Condition", {}).values():
            for key, value in block.items():
                if key.lower() in organization:
                    values[key] = value if isinstance(value, str) else next(iter(value), "")
    as_member = replace(probe, context={**probe.context, **values})
    return decide(situation, as_member).effect != "explicit-deny"


def _public_access_block(situation: Situation) -> Check:
    title = "Block Public Access does not stand in the way"
    why = situation.bucket.why_unknown("block public access")
    if why:
        return Check("block_public_access", "bucket", title, "unknown", (why,))
    settings = situation.bucket.public_access_block or {}
    on = ", ".join(sorted(key for key, value in settings.items() if value)) or "nothing"
    # RestrictPublicBuckets stops cross-account access through a public policy; the role is in the
    # bucket's own account (S3 user guide, Blocking public access).
    return Check(
        "block_public_access", "bucket", title, "pass",
        (f"{on} is switched on; the role is in the bucket's own account",),
    )  # fmt: skip


def _kms(target: Target, situation: Situation, verdicts: list[Verdict]) -> Iterable[Check]:
    bucket = situation.bucket
    title, policy_title = "The role may use the bucket's KMS key", "The key policy lets the role in"
    key_arn = target.kms_key_arn or bucket.kms_key_arn
    why = bucket.why_unknown("encryption") or bucket.why_unknown("kms key")
    if not key_arn:
        status: Status = "unknown" if why else "pass"
        evidence = (why or "no key of its own: SSE-S3, or the AWS managed key",)
        yield Check("kms", "KMS", title, status, evidence)
        return
    key = bucket.kms_key or {}
    own = [each for each in verdicts if each.probe.resource == key_arn]
    bad = [each for each in own if not each.as_expected]
    problems = [each.line for each in bad]
    fix = APPLY
    if key and not key.get("Enabled", True):
        problems.append(f"{key_arn} is {key.get('KeyState', 'disabled')}")
        fix = f"enable the key: aws kms enable-key --key-id {key_arn}"
    if key_arn.split(":")[3] != bucket.region_name:
        problems.append(f"{key_arn} is not in the bucket's region {bucket.region_name}")
        fix = "give the bucket a key of its own region"
    by_key_policy = [each for each in bad if each.decision.layer == "resource"]
    if bad and len(by_key_policy) == len(bad):
        fix = "see kms_key_policy"
    yield Check(
        "kms",
        "KMS",
        title,
        "fail" if problems else "pass",
        tuple(problems) or (f"{key_arn}: {', '.join(each.probe.action for each in own)}",),
        fix if problems else "",
    )
    why = bucket.why_unknown("kms key policy")
    if bucket.kms_key_policy is None:
        yield Check("kms_key_policy", "KMS", policy_title, "unknown", (why or "not read",))
        return
    refused = by_key_policy or [
        each for each in bad if not _key_policy_delegates(situation, each.probe)
    ]
    yield Check(
        "kms_key_policy",
        "KMS",
        policy_title,
        "fail" if refused else "pass",
        tuple(each.line for each in refused) or (key_arn,),
        f"the key's owner must allow {situation.role_arn} kms:GenerateDataKey and kms:Decrypt in "
        "the key policy"
        if refused
        else "",
    )


def _key_policy_delegates(situation: Situation, probe: Probe) -> bool:
    """True when the key policy would let the role in, did its own policies allow the request."""
    document = {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": probe.action, "Resource": probe.resource}],
    }
    as_if = replace(situation, identity=(("as if", document),), boundary=None)
    return decide(as_if, probe).effect == "allowed"


def _requests(check_id: str, title: str, verdicts: list[Verdict], allow: bool) -> Check:
    chosen = [verdict for verdict in verdicts if verdict.probe.allow == allow]
    bad = [verdict for verdict in chosen if not verdict.as_expected]
    fix = (
        "see the checks above for the hop that refuses; a documented policy is repaired by "
        "policy_style: recommended"
        if allow
        else "another policy of the role grants this; take it away there, or give this target a "
        "role_name of its own"
    )
    shown = bad or chosen
    return Check(
        check_id,
        "requests",
        title,
        "fail" if bad else "pass",
        tuple(verdict.line for verdict in shown),
        fix if bad else "",
    )


def _connectors(target: Target, situation: Situation) -> Iterable[Check]:
    if "redshift" not in target.connectors:
        return
    title = "Redshift may assume the role for its COPY"
    if situation.trust_policy is None:
        yield Check("redshift_trust", "connector", title, "fail", ("there is no role",), APPLY)
        return
    decision = assume(situation, REDSHIFT_SERVICE)
    allowed = decision.effect == "allowed"
    reasons = tuple(str(reason) for reason in decision.reasons[:2]) or (REDSHIFT_SERVICE,)
    yield Check(
        "redshift_trust",
        "connector",
        title,
        "pass" if allowed else "fail",
        reasons,
        "" if allowed else APPLY,
    )


def summary(checks: Iterable[Check]) -> Callable[[str], int]:
    """Count checks by status."""
    counts: dict[str, int] = {}
    for check in checks:
        counts[check.status] = counts.get(check.status, 0) + 1
    return lambda status: counts.get(status, 0)
