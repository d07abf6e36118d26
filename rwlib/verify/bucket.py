"""The hop bucket: where it is, whose it is, and what its own policy says."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from rwlib.errors import InputError
from rwlib.evaluate import Decision
from rwlib.target import Target
from rwlib.verify.check import Check, Status, Verdict
from rwlib.verify.deciding import decide, model_of, policies_for, until
from rwlib.verify.kinds import title_of
from rwlib.verify.probes import Probe
from rwlib.verify.reasons import REASONS
from rwlib.verify.situation import Situation
from rwlib.verify.trust import nat_addresses


def check_bucket(target: Target, situation: Situation, verdicts: list[Verdict]) -> Iterable[Check]:
    """Judge the bucket itself; that it exists was found out before there is a situation."""
    bucket = situation.bucket
    yield Check(
        "bucket_exists",
        "bucket",
        title_of("bucket_exists", bucket=bucket.name),
        "pass",
        (bucket.region_name,),
    )
    wanted = target.region_name or bucket.region_name
    yield Check(
        "bucket_region",
        "bucket",
        title_of("bucket_region"),
        "pass" if wanted == bucket.region_name else "fail",
        (f"the bucket is in {bucket.region_name}",),
        "" if wanted == bucket.region_name else f"write region_name: {bucket.region_name}",
        "" if wanted == bucket.region_name else "bucket_region_mismatch",
    )
    owner: tuple[Status, str, str] = (
        ("pass", f"account {situation.account_id}", "")
        if bucket.owned
        else (
            "unknown",
            "AWS does not say who owns it; if it belongs to another account, the recommended "
            f"policy does not reach it (s3:ResourceAccount){_why_no_owner(situation)}",
            "bucket_owner_unknown",
        )
    )
    yield Check(
        "bucket_owner", "bucket", title_of("bucket_owner"), owner[0], (owner[1],), reason=owner[2]
    )
    yield _bucket_policy(situation, verdicts)
    yield _public_access_block(situation)


def _why_no_owner(situation: Situation) -> str:
    why = situation.bucket.why_unknown("owner")
    return f"; {why}" if why else ""


def _bucket_policy(situation: Situation, verdicts: list[Verdict]) -> Check:
    title = title_of("bucket_policy")
    why = situation.bucket.why_unknown("bucket policy")
    if why:
        return Check("bucket_policy", "bucket", title, "unknown", (why,), reason="not_readable")
    if situation.bucket.policy is None:
        return Check("bucket_policy", "bucket", title, "pass", ("the bucket has no policy",))
    decided = [
        Verdict(verdict.probe, _by_bucket_policy(situation, verdict.probe))
        for verdict in verdicts
        if verdict.probe.allow and verdict.probe.action.startswith("s3:")
    ]
    denied = [each for each in decided if each.decision.effect == "explicit-deny"]
    depending = [each for each in decided if each.depends]
    if denied:
        return Check(
            "bucket_policy",
            "bucket",
            title,
            "fail",
            tuple(verdict.line for verdict in denied),
            f"exempt {situation.role_arn} in that Deny (ArnNotEquals aws:PrincipalArn), or make "
            "the requests meet its condition; an Allow does not help",
            "bucket_policy_denies",
        )
    if depending:
        lines = [*(verdict.line for verdict in depending)]
        lines += dict.fromkeys(
            line for each in depending for line in nat_addresses(situation, each.decision)
        )
        return Check(
            "bucket_policy", "bucket", title, "unknown", tuple(lines),
            reason="depends_on_context",
        )  # fmt: skip
    said = dict.fromkeys(
        line
        for verdict in verdicts
        if verdict.probe.allow and verdict.decision.allowed
        if (
            line := until(
                model_of(situation, verdict.probe), policies_for(situation, verdict.probe)
            )
        )
    )
    return Check("bucket_policy", "bucket", title, "pass", ("no Deny matches the requests", *said))


def _by_bucket_policy(situation: Situation, probe: Probe) -> Decision:
    """Judge a request by the bucket policy alone, everything else allowing it."""
    everything = {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}],
    }
    as_if = replace(situation, identity=(("as if", everything),), boundary=None)
    return decide(as_if, probe)


def _public_access_block(situation: Situation) -> Check:
    title = title_of("block_public_access")
    why = situation.bucket.why_unknown("block public access")
    if why:
        return Check(
            "block_public_access", "bucket", title, "unknown", (why,), reason="not_readable"
        )
    settings = situation.bucket.public_access_block or {}
    on = ", ".join(sorted(key for key, value in settings.items() if value)) or "nothing"
    # RestrictPublicBuckets stops cross-account access through a public policy; the role is in the
    # bucket's own account (S3 user guide, Blocking public access).
    if settings.get("RestrictPublicBuckets") and not situation.bucket.owned:
        evidence = f"{on} is switched on, and AWS does not say who owns the bucket"
        return Check(
            "block_public_access", "bucket", title, "unknown", (evidence,),
            reason="block_public_access",
        )  # fmt: skip
    return Check(
        "block_public_access", "bucket", title, "pass",
        (f"{on} is switched on; the role is in the bucket's own account",),
    )  # fmt: skip


_REFUSALS = {
    ("bucket", "does_not_exist"): ("bucket_exists", "bucket_missing"),
    ("bucket", "in_other_account"): ("bucket_owner", "bucket_in_other_account"),
    ("region_name", "in_other_region"): ("bucket_region", "bucket_region_mismatch"),
}


def check_of_refusal(error: InputError) -> Check | None:
    """Return the check that fails where the bucket was refused as an input; None elsewhere."""
    known = _REFUSALS.get((error.field, error.reason))
    if known is None:
        return None
    check_id, reason = known
    title = title_of(check_id, bucket=str(error.given))
    fix = REASONS[reason].fix
    return Check(check_id, "bucket", title, "fail", (str(error),), fix, reason)
