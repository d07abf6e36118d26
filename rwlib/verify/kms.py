"""The hop KMS: the key of the bucket's default encryption."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from rwlib.target import Target
from rwlib.verify.check import APPLY, Check, Status, Verdict
from rwlib.verify.deciding import decide
from rwlib.verify.probes import Probe
from rwlib.verify.situation import Situation


def check_kms(target: Target, situation: Situation, verdicts: list[Verdict]) -> Iterable[Check]:
    """Judge whether the role may use the bucket's key, from both sides: its policies and the key's.

    SSE-KMS wants both (S3 user guide, using server-side encryption with KMS keys).
    """
    bucket = situation.bucket
    title = "The role may use the bucket's KMS key"
    key_arn = target.kms_key_arn or bucket.kms_key_arn
    why = bucket.why_unknown("encryption") or bucket.why_unknown("kms key")
    if not key_arn:
        evidence = why or "no key of its own: SSE-S3, or the AWS managed key"
        yield Check("kms", "KMS", title, "unknown" if why else "pass", (evidence,))
        return
    own = [each for each in verdicts if each.probe.resource == key_arn]
    bad = [each for each in own if not each.as_expected]
    by_key_policy = [each for each in bad if each.decision.layer == "resource"]
    problems, fix = _key_problems(situation, key_arn)
    status: Status = "fail"
    if bad and len(by_key_policy) == len(bad):
        fix = fix or "see kms_key_policy"
        if bucket.kms_key_policy is None and not problems:
            status = "unknown"
    lines = [*(each.line for each in bad), *problems]
    good = f"{key_arn}: {', '.join(each.probe.action for each in own)}"
    yield Check(
        "kms",
        "KMS",
        title,
        status if lines else "pass",
        tuple(lines) or (good,),
        (fix or APPLY) if lines else "",
    )
    yield _key_policy(situation, key_arn, bad, by_key_policy)


def _key_problems(situation: Situation, key_arn: str) -> tuple[list[str], str]:
    key = situation.bucket.kms_key or {}
    problems, fix = [], ""
    if key and not key.get("Enabled", True):
        problems.append(f"{key_arn} is {key.get('KeyState', 'disabled')}")
        fix = f"enable the key: aws kms enable-key --key-id {key_arn}"
    if key_arn.split(":")[3] != situation.bucket.region_name:
        problems.append(f"{key_arn} is not in the bucket's region {situation.bucket.region_name}")
        fix = "give the bucket a key of its own region"
    return problems, fix


def _key_policy(
    situation: Situation, key_arn: str, bad: list[Verdict], by_key_policy: list[Verdict]
) -> Check:
    title = "The key policy lets the role in"
    why = situation.bucket.why_unknown("kms key policy")
    if situation.bucket.kms_key_policy is None:
        return Check("kms_key_policy", "KMS", title, "unknown", (why or "not read",))
    refused = by_key_policy or [
        each for each in bad if not _key_policy_delegates(situation, each.probe)
    ]
    return Check(
        "kms_key_policy",
        "KMS",
        title,
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
