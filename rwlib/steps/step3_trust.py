"""Step 3 - Configure the trust policy.

This runbook owns the statement with the Sid ``RisingWaveCloudAssumeRole`` (and, for Redshift's
COPY, ``RisingWaveCloudRedshiftCopy``). Every other statement stays as it is.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from rwlib.errors import ForeignTrustError, InputError, RunbookError
from rwlib.steps.changes import Change, Ledger
from rwlib.steps.ownership import TARGET_TAG, tag_map
from rwlib.steps.quotas import TRUST_SIZE_QUOTA, account_quota, check_size, policy_text
from rwlib.steps.step3_documents import (
    REDSHIFT_SID,
    SID,
    TrustMerge,
    merge_trust,
    principals_of,
    statements_of,
)

if TYPE_CHECKING:
    import boto3

    from rwlib.aws import Aws


def ensure_trust(
    session: boto3.Session | Aws,
    role_name: str,
    workload_identity_arn: str,
    connectors: Iterable[str] = (),
    *,
    owner: str = "",
    region_name: str = "",
    ledger: Ledger | None = None,
    apply: bool = False,
    sleep: Callable[[float], None] = time.sleep,
) -> Change:
    """Make the role's trust policy let the Workload Identity in.

    Reads right before it writes, reads back after, and merges again if somebody else wrote in
    between. Never changes a statement that is not this runbook's.

    Parameters
    ----------
    owner
        Name of the target. A role that is tagged for another target and trusts another Workload
        Identity is refused: two clusters on one role would reach each other's buckets.
    region_name
        Region of the bucket, in which RisingWave asks STS; empty where it is not known.

    Raises
    ------
    ForeignTrustError
        The trust policy cannot be merged; nothing was written.
    PolicyLimitError
        The merged document is larger than the account's quota; nothing was written.
    """
    from rwlib.aws import Aws

    aws = Aws.of(session)
    ledger = ledger or Ledger()
    connectors = list(connectors)

    def merged() -> tuple[dict[str, Any], str, TrustMerge]:
        from rwlib.aws import policy_json, read_role

        role = read_role(aws, role_name)
        if role is None:
            raise RunbookError(f"role_name: {role_name!r} does not exist; run Step 2 first")
        existing = policy_json(role["AssumeRolePolicyDocument"])
        _refuse_other_target(role, existing, workload_identity_arn, owner)
        merge = merge_trust(
            existing,
            workload_identity_arn,
            connectors,
            role_arn=str(role["Arn"]),
            region_name=region_name,
        )
        check_size(
            merge.document,
            account_quota(aws, "AssumeRolePolicySizeQuota", TRUST_SIZE_QUOTA, merge.document),
            f"trust policy of {role_name}",
            "remove statements that nobody needs, or give another role_name",
        )
        return existing, str(role["Arn"]), merge

    existing, arn, merge = merged()
    notes = (
        *(f"kept: {each}" for each in merge.kept),
        *(f"look at this: {each}" for each in merge.flags),
    )
    if not merge.changed:
        return Change("none", "trust policy", arn, before=existing, after=existing, notes=notes)
    change = Change(
        "update",
        "trust policy",
        arn,
        f"trusts {workload_identity_arn}",
        before=existing,
        after=merge.document,
        calls=("iam:UpdateAssumeRolePolicy",),
        notes=notes,
    )
    if not apply:
        return change
    return _write_until_read_back(aws, role_name, merged, change, ledger, sleep)


def _explain_invalid_principal(role_name: str, message: str, change: Change) -> None:
    """Say whose principal AWS does not know; it refuses the whole document for one of them.

    Raises
    ------
    InputError
        It is the Workload Identity.
    ForeignTrustError
        It stands in somebody else's statement, such as the id of a deleted role.
    """
    found = re.search(r'Invalid principal in policy: "\w+":"([^"]+)"', message)
    if not found:
        return
    own = (REDSHIFT_SID, SID)
    for statement in statements_of(change.after):
        if found[1] in principals_of(statement) and statement.get("Sid") not in own:
            raise ForeignTrustError(
                f"trust policy of {role_name}: AWS refuses to write it while "
                f"{statement.get('Sid') or 'a statement'} names {found[1]}, which does not exist; "
                "take that principal out, or give another role_name"
            )
    raise InputError(
        "workload_identity_arn",
        found[1],
        "does not exist in AWS; copy it again from the Cloud Meta tab of the cluster",
    )


def _write_until_read_back(
    aws: Aws,
    role_name: str,
    merged: Callable[[], tuple[dict[str, Any], str, TrustMerge]],
    change: Change,
    ledger: Ledger,
    sleep: Callable[[float], None],
) -> Change:
    from botocore.exceptions import ClientError

    from rwlib.aws import refused

    about = f"role {role_name}"
    written: dict[str, Any] | None = None
    for attempt in range(8):
        aws.forget(about)
        existing, _, merge = merged()
        if not merge.changed:
            return change.done() if written else replace(change, action="none", after=existing)
        if written is not None and attempt % 3:
            # Not there yet, or overwritten: IAM is eventually consistent, so look again first.
            sleep(min(0.25 * 2**attempt, 5.0))
            continue
        change = replace(change, before=existing, after=merge.document)
        ledger.intend(change)
        try:
            aws.write(
                "iam",
                "update_assume_role_policy",
                about=about,
                RoleName=role_name,
                PolicyDocument=policy_text(merge.document),
            )
        except ClientError as error:
            ledger.abandoned(change)
            _explain_invalid_principal(role_name, str(error), change)
            raise refused(error, f"writing the trust policy of {role_name}") from error
        written = merge.document
        ledger.done(change)
    raise RunbookError(
        f"trust policy of {role_name}: somebody else keeps writing it; stop that, then run again. "
        f"It was last written as {json.dumps(written)}"
    )


def _refuse_other_target(
    role: Mapping[str, Any], existing: Mapping[str, Any], workload_identity_arn: str, owner: str
) -> None:
    other = tag_map(role.get("Tags", [])).get(TARGET_TAG, "")
    if not owner or not other or other == owner:
        return
    for statement in statements_of(existing):
        trusted = principals_of(statement)
        if statement.get("Sid") == SID and trusted and workload_identity_arn not in trusted:
            raise ForeignTrustError(
                f"role_name: {role['RoleName']!r} serves target {other!r}, whose Workload "
                f"Identity is {trusted[0]}; give this target a role_name of its own"
            )
