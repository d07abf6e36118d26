"""What a repair must not do: open anything to others, or lose what was there before.

Every judgement is an evaluation of the documents as they stand; nothing looks at what the learner
typed.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from rwlib.connectors import connector_profile
from rwlib.evaluate import Policies, Request, evaluate
from rwlib.labs.setup_calls import LabSetup
from rwlib.labs.snapshot import World, document
from rwlib.sandbox import (
    CUSTOMER,
    OTHER_CLUSTER_ARN,
    RISINGWAVE_CLOUD,
    THIRD_PARTY,
    WORKLOAD_IDENTITY_ARN,
)
from rwlib.steps import condition_keys, principals_of

_ALL = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
STRANGERS = {
    "another cluster of RisingWave Cloud": OTHER_CLUSTER_ARN,
    "any role of RisingWave's account": f"arn:aws:iam::{RISINGWAVE_CLOUD}:role/some-other-role",
    "a third party": f"arn:aws:iam::{THIRD_PARTY}:role/thirdparty-role",
    "any AWS account": "arn:aws:iam::999999999999:role/stranger",
    "an unrelated application of your account": f"arn:aws:iam::{CUSTOMER}:role/unrelated-app",
}
SERVICES = ("ec2.amazonaws.com", "lambda.amazonaws.com", "redshift.amazonaws.com")


@dataclass(frozen=True)
class Asked:
    """One request that nobody asked for."""

    title: str
    action: str
    resource: str
    context: Mapping[str, Any] = field(default_factory=dict)


def may_assume(trust: Any, role_arn: str, principal: str | Mapping[str, str]) -> bool:
    """Whether a trust policy lets a principal in, whatever its own policies would say."""
    request = Request(principal, "sts:AssumeRole", role_arn, CUSTOMER)
    return evaluate(request, Policies(identity=[_ALL], resource=document(trust))).allowed


def who_may_assume(world: World, role_arn: str) -> dict[str, tuple[str, bool]]:
    """Return for the Workload Identity, strangers and services whether they may assume the role."""
    everyone: dict[str, str | Mapping[str, str]] = {
        "this cluster's Workload Identity": WORKLOAD_IDENTITY_ARN,
        **STRANGERS,
        **{service: {"Service": service} for service in SERVICES},
    }
    return {
        title: (
            principal if isinstance(principal, str) else title,
            bool(world["trust"]) and may_assume(world["trust"], role_arn, principal),
        )
        for title, principal in everyone.items()
    }


def strangers_let_in(setup: LabSetup, now: World) -> list[str]:
    """Name everybody who may assume the role and should not."""
    wanted = {"this cluster's Workload Identity"}
    wanted |= {connector_profile(name).trusted_service for name in setup.target.connectors} - {""}
    found = [
        f"{title} may assume the role"
        for title, (_, allowed) in who_may_assume(now, setup.role_arn).items()
        if allowed and title not in wanted
    ]
    return found + [line for statement in now["trust"] for line in _too_open(statement)]


def _too_open(statement: Mapping[str, Any]) -> list[str]:
    """Name principals that only a condition narrows, for a request that no list here foresees.

    A whole account narrowed by ``aws:PrincipalArn`` is judged by evaluation alone: it is how one
    trusts a role that does not exist yet.
    """
    if statement.get("Effect") != "Allow":
        return []
    found = []
    keys = condition_keys(statement)
    for principal in principals_of(statement):
        account = principal.removeprefix("arn:aws:iam::").removesuffix(":root")
        whole = len(account) == 12 and account.isdigit() and account != CUSTOMER
        if principal == "*":
            found.append("a statement names everybody as its principal")
        elif whole and "aws:principalarn" not in keys:
            found.append(f"a statement names the whole account {account} as its principal")
    if "NotPrincipal" in statement:
        found.append("a statement allows everybody but some")
    return found


def too_much_granted(setup: LabSetup, now: World) -> list[str]:
    """Name what the role's own policies allow beside what the connectors need."""
    return [
        f"the role's policies allow it to {each.title}"
        for each in _never(setup)
        if evaluate(
            Request(setup.role_arn, each.action, each.resource, CUSTOMER, each.context),
            Policies(identity=now["identity"], resource=_delegating(each)),
        ).allowed
    ]


def widened(setup: LabSetup, before: World, now: World) -> list[str]:
    """Name what the boundary, the bucket policy or the key policy refused before, and not now."""
    old, new = dict(_refusals(setup, before)), dict(_refusals(setup, now))
    return [title for title, refused in old.items() if refused and not new.get(title, False)]


def lost(before: World, now: World, may_change: Collection[str]) -> list[str]:
    """Name what was there at the start, was not the fault, and is there no more."""
    found = []
    for what in ("trust", "bucket policy", "boundary policy", "key policy"):
        there = {_text(statement) for statement in now[what]}
        for statement in before[what]:
            if statement.get("Sid") not in may_change and _text(statement) not in there:
                name = statement.get("Sid") or "without a Sid"
                found.append(f"{what}: statement {name} is gone or changed")
    if before["boundary"] and now["boundary"] != before["boundary"]:
        found.append(f"the role's permissions boundary {before['boundary']} is gone or another")
    for what in ("encryption", "block public access", "region", "key"):
        if _text(now[what]) != _text(before[what]):
            found.append(f"the bucket's {what} was changed")
    for what in ("objects", "allowed principals"):
        gone = sorted(set(before[what]) - set(now[what]))
        found += [f"{what}: {each} is gone" for each in gone]
    return found


def _never(setup: LabSetup) -> list[Asked]:
    target = setup.target
    bucket = f"arn:aws:s3:::{target.bucket}"
    other = "arn:aws:s3:::acme-frankfurt"
    if target.bucket == "acme-frankfurt":
        other = "arn:aws:s3:::acme-analytics"
    other_key = f"arn:aws:kms:{setup.region_name}:{CUSTOMER}:key/another-key"
    beside = {"s3:prefix": f"{target.prefix}-old/"}
    return [
        Asked("read finance/payroll.csv", "s3:GetObject", f"{bucket}/finance/payroll.csv"),
        Asked("write under finance/", "s3:PutObject", f"{bucket}/finance/x"),
        Asked("write beside the prefix", "s3:PutObject", f"{bucket}/{target.prefix}-old/x"),
        Asked("list the whole bucket", "s3:ListBucket", bucket),
        Asked("list finance/", "s3:ListBucket", bucket, {"s3:prefix": "finance/"}),
        Asked("list beside the prefix", "s3:ListBucket", bucket, beside),
        Asked("delete the bucket", "s3:DeleteBucket", bucket),
        Asked("write the bucket policy", "s3:PutBucketPolicy", bucket),
        Asked("read another bucket", "s3:GetObject", f"{other}/{target.prefix}/x"),
        Asked("write another bucket", "s3:PutObject", f"{other}/{target.prefix}/x"),
        Asked("decrypt with another key", "kms:Decrypt", other_key),
        Asked("delete a key", "kms:ScheduleKeyDeletion", other_key),
        Asked("make users", "iam:CreateUser", f"arn:aws:iam::{CUSTOMER}:user/x"),
        Asked("change its own policies", "iam:PutRolePolicy", setup.role_arn),
    ]


def _refusals(setup: LabSetup, world: World) -> Iterator[tuple[str, bool]]:
    """Yield requests and whether a layer of its own refuses them."""
    target = setup.target
    if world["boundary"]:
        policy = document(world["boundary policy"])
        for each in _never(setup):
            request = Request(setup.role_arn, each.action, each.resource, CUSTOMER, each.context)
            decision = evaluate(request, Policies(identity=[_ALL], boundary=[policy]))
            yield f"the boundary lets the role {each.title}", not decision.allowed
    policy = document(world["bucket policy"])
    for principal in (f"arn:aws:iam::{CUSTOMER}:role/unrelated-app", setup.role_arn, "*"):
        for action in ("s3:GetObject", "s3:PutObject"):
            for key in ("finance/payroll.csv", f"{target.prefix}/x"):
                if principal == setup.role_arn and key != "finance/payroll.csv":
                    continue
                request = Request(
                    principal, action, f"arn:aws:s3:::{target.bucket}/{key}", CUSTOMER
                )
                identity = [] if principal == "*" else [_ALL]
                resource = policy if world["bucket policy"] else None
                decision = evaluate(request, Policies(identity=identity, resource=resource))
                title = f"the bucket policy lets {principal} call {action} on {key}"
                yield title, not decision.allowed
    if world["key policy"]:
        for principal in ("arn:aws:iam::999999999999:role/stranger", "*"):
            request = Request(principal, "kms:Decrypt", str(setup.variables["key_arn"]), CUSTOMER)
            identity = [] if principal == "*" else [_ALL]
            decision = evaluate(
                request, Policies(identity=identity, resource=document(world["key policy"]))
            )
            yield f"the key policy lets {principal} decrypt", not decision.allowed


def _delegating(asked: Asked) -> dict[str, Any] | None:
    """Return the key policy without which no identity policy reaches a KMS key."""
    if not asked.action.startswith("kms:"):
        return None
    principal = {"AWS": f"arn:aws:iam::{CUSTOMER}:root"}
    return document(
        [{"Effect": "Allow", "Principal": principal, "Action": "kms:*", "Resource": "*"}]
    )


def _text(value: Any) -> str:
    return json.dumps(value, sort_keys=True, default=str)
