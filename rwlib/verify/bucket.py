"""The hop bucket: where it is, whose it is, and what its own policy says."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from rwlib.errors import InputError
from rwlib.steps import condition_keys, statements_of
from rwlib.target import Target
from rwlib.verify.check import Check, Status, Verdict
from rwlib.verify.deciding import decide
from rwlib.verify.probes import Probe
from rwlib.verify.situation import Situation

_REGION_TITLE = "The region in the SQL is the bucket's"
_OWNER_TITLE = "The bucket is in the role's account"


def check_bucket(target: Target, situation: Situation, verdicts: list[Verdict]) -> Iterable[Check]:
    """Judge the bucket itself; that it exists was found out before there is a situation."""
    bucket = situation.bucket
    yield Check(
        "bucket_exists", "bucket", f"Bucket {bucket.name} exists", "pass", (bucket.region_name,)
    )
    wanted = target.region_name or bucket.region_name
    yield Check(
        "bucket_region",
        "bucket",
        _REGION_TITLE,
        "pass" if wanted == bucket.region_name else "fail",
        (f"the bucket is in {bucket.region_name}",),
        "" if wanted == bucket.region_name else f"write region_name: {bucket.region_name}",
    )
    owner: tuple[Status, str] = (
        ("pass", f"account {situation.account_id}")
        if bucket.owned
        else (
            "unknown",
            "AWS does not say whose it is; if it belongs to another account, the recommended "
            "policy does not reach it (s3:ResourceAccount)",
        )
    )
    yield Check("bucket_owner", "bucket", _OWNER_TITLE, owner[0], (owner[1],))
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
    denies = [
        each
        for each in statements_of(situation.bucket.policy or {})
        if each.get("Effect") == "Deny"
    ]
    keys = {key for statement in denies for key in condition_keys(statement)}
    organization = keys & {"aws:principalorgid", "aws:resourceorgid"}
    if not organization:
        return False
    values: dict[str, Any] = {}
    for statement in denies:
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
    if settings.get("RestrictPublicBuckets") and not situation.bucket.owned:
        evidence = f"{on} is switched on, and AWS does not say whose the bucket is"
        return Check("block_public_access", "bucket", title, "unknown", (evidence,))
    return Check(
        "block_public_access", "bucket", title, "pass",
        (f"{on} is switched on; the role is in the bucket's own account",),
    )  # fmt: skip


def check_of_refusal(error: InputError) -> Check | None:
    """Return the check that fails where the bucket was refused as an input; None elsewhere."""
    message = str(error)
    if error.field == "bucket" and "does not exist" in message:
        return Check("bucket_exists", "bucket", "The bucket exists", "fail", (message,))
    if error.field == "bucket" and "is not in account" in message:
        return Check("bucket_owner", "bucket", _OWNER_TITLE, "fail", (message,))
    if error.field == "region_name":
        return Check("bucket_region", "bucket", _REGION_TITLE, "fail", (message,))
    return None
