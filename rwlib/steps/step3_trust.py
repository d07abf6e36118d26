"""Step 3 - Configure the trust policy.

This runbook writes one statement, with the Sid ``RisingWaveCloudAssumeRole`` (and, for Redshift's
COPY, ``RisingWaveCloudRedshiftCopy``), and tags the role with what it wrote. Every other statement
stays as it is, whatever its Sid.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from rwlib.errors import ForeignTrustError, InputError, RunbookError
from rwlib.steps.changes import Change, ChangeSubject, Ledger
from rwlib.steps.ownership import (
    STATEMENT,
    TARGET_TAG,
    WrittenStatements,
    check_tags,
    claims_on,
    digest,
    id_of,
    other_claims,
    statement_key,
    tags_of,
    taken_over,
)
from rwlib.steps.quotas import TRUST_SIZE_QUOTA, check_size, policy_text, size_quota
from rwlib.steps.step2_role import refuse_other_workload, still_same_role, tag_role
from rwlib.steps.step3_documents import (
    REDSHIFT_SID,
    SID,
    TrustMerge,
    merge_trust,
    principals_of,
    statements_of,
)
from rwlib.waiting import rest

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
    sleep: Callable[[float], None] = rest,
) -> Change:
    """Make the role's trust policy let the Workload Identity in.

    Reads right before it writes, reads back after, and merges again if somebody else wrote in
    between. Never changes a statement that this runbook did not write; takes its own statement
    for Redshift away when no target asks for it any more.

    Parameters
    ----------
    owner
        Name of the target; with it, what is written is recorded in the role's tags. A role that
        another target claims for another Workload Identity is refused: two clusters on one role
        would reach each other's buckets.
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

    def merged() -> _Merged:
        from rwlib.aws import policy_json, read_role

        role = read_role(aws, role_name)
        if role is None:
            raise RunbookError(f"role_name: {role_name!r} does not exist; run Step 2 first")
        existing = policy_json(role["AssumeRolePolicyDocument"])
        _refuse_other_target(role, existing, workload_identity_arn, owner)
        wrote = WrittenStatements(role, ledger)
        others = other_claims(role, owner) if owner else claims_on(role)
        merge = merge_trust(
            existing,
            workload_identity_arn,
            connectors,
            role_arn=str(role["Arn"]),
            region_name=region_name,
            written=lambda statement: statement_key(statement) in wrote,
            keep_redshift=any(claim.redshift for claim in others),
        )
        check_size(
            merge.document,
            size_quota(aws, "AssumeRolePolicySizeQuota", TRUST_SIZE_QUOTA, merge.document),
            f"trust policy of {role_name}",
            "remove statements that are no longer needed, or give another role_name",
        )
        tags = {statement_key(each): id_of(role) for each in merge.added}
        check_tags(tags_of(role), tags, f"role {role_name}")
        return _Merged(existing, role, merge, bool(owner))

    reading = merged()
    existing, arn, merge = reading.existing, str(reading.role["Arn"]), reading.merge
    notes = (
        *(f"kept: {each}" for each in merge.kept),
        *(f"look at this: {each}" for each in merge.flags),
    )
    if not merge.changed:
        if apply and reading.stale_tags:  # a run was stopped before it took them off
            forget_statements(aws, role_name, id_of(reading.role))
        return Change(
            "none", ChangeSubject.TRUST_POLICY, arn, before=existing, after=existing, notes=notes
        )
    change = Change(
        "update",
        ChangeSubject.TRUST_POLICY,
        arn,
        _detail(merge, workload_identity_arn),
        before=existing,
        after=merge.document,
        calls=(
            *(("iam:TagRole",) if reading.missing_tags else ()),
            "iam:UpdateAssumeRolePolicy",
            *(("iam:UntagRole",) if merge.removed else ()),
        ),
        notes=notes,
    )
    if not apply:
        return change
    return _write_until_read_back(aws, role_name, merged, change, ledger, sleep)


@dataclass(frozen=True)
class _Merged:
    """A role as it was read, and what its trust policy becomes."""

    existing: dict[str, Any]
    role: dict[str, Any]
    merge: TrustMerge
    recorded: bool

    @property
    def missing_tags(self) -> dict[str, str]:
        """The tags that say what is written for a target, where they are not there yet."""
        if not self.recorded:
            return {}
        own = id_of(self.role)
        wanted = {statement_key(each): own for each in self.merge.added}
        present = tags_of(self.role)
        return {key: value for key, value in wanted.items() if present.get(key) != value}

    @property
    def stale_tags(self) -> list[str]:
        """The tags of statements that are not there any more."""
        return _stale(self.role, self.existing)


def _stale(role: Mapping[str, Any], trust: Mapping[str, Any]) -> list[str]:
    there = {statement_key(each) for each in statements_of(trust)}
    return [
        key
        for key, value in tags_of(role).items()
        if key.startswith(STATEMENT) and value == id_of(role) and key not in there
    ]


def _detail(merge: TrustMerge, workload_identity_arn: str) -> str:
    added = [principal for each in merge.added for principal in _principals(each)]
    removed = [principal for each in merge.removed for principal in _principals(each)]
    gone = [each for each in removed if each not in added]
    parts = [f"trusts {workload_identity_arn}"] if added or not gone else []
    parts += [f"no longer trusts {', '.join(gone)}, which no input asks for"] if gone else []
    return "; ".join(parts)


def _principals(statement: Mapping[str, Any]) -> list[str]:
    return [*principals_of(statement), *principals_of(statement, "Service")]


def forget_statements(aws: Aws, role_name: str, role_id: str) -> None:
    """Take off the tags of statements that are not in the role's trust policy any more."""
    from botocore.exceptions import ClientError

    from rwlib.aws import policy_json, refused

    role = still_same_role(aws, role_name, role_id)
    stale = _stale(role, policy_json(role["AssumeRolePolicyDocument"]))
    if not stale:
        return
    try:
        aws.write("iam", "untag_role", about=f"role {role_name}", RoleName=role_name, TagKeys=stale)
    except ClientError as error:
        raise refused(error, f"untagging role {role_name}") from error


def _explain_invalid_principal(role_name: str, message: str, change: Change) -> None:
    """Say whose principal AWS does not know; it refuses the whole document for one of them.

    Raises
    ------
    InputError
        It is the Workload Identity.
    ForeignTrustError
        It stands in somebody else's statement, such as the id of a deleted role.
    """
    named = re.search(r'Invalid principal in policy: "\w+":"([^"]+)"', message)
    if not named:
        return
    own = (REDSHIFT_SID, SID)
    for statement in statements_of(change.after):
        if named[1] in principals_of(statement) and statement.get("Sid") not in own:
            raise ForeignTrustError(
                f"trust policy of {role_name}: AWS refuses to write it while "
                f"{statement.get('Sid') or 'a statement'} names {named[1]}, which does not exist; "
                "take that principal out, or give another role_name"
            )
    raise InputError(
        "workload_identity_arn",
        named[1],
        "does not exist in AWS; copy it again from the Cloud Meta tab of the cluster",
        reason="does_not_exist",
    )


def _write_until_read_back(
    aws: Aws,
    role_name: str,
    merged: Callable[[], _Merged],
    change: Change,
    ledger: Ledger,
    sleep: Callable[[float], None],
) -> Change:
    from botocore.exceptions import ClientError

    from rwlib.aws import refused

    about = f"role {role_name}"
    written: dict[str, Any] | None = None
    role_id, removed = "", False
    for attempt in range(8):
        aws.forget(about)
        reading = merged()
        merge, role_id = reading.merge, role_id or id_of(reading.role)
        if id_of(reading.role) != role_id:
            raise taken_over(f"role {role_name}")
        if not merge.changed:
            if removed:
                forget_statements(aws, role_name, role_id)
            return (
                change.done() if written else replace(change, action="none", after=reading.existing)
            )
        if written is not None and attempt % 3:
            # Not there yet, or overwritten: IAM is eventually consistent, so look again first.
            sleep(min(0.25 * 2**attempt, 5.0))
            continue
        if reading.missing_tags:
            # Recorded first, so that what a run wrote before it was stopped is known as ours.
            tag_role(aws, reading.role, reading.missing_tags, fresh=True, sleep=sleep)
            reading = merged()
            merge = reading.merge
            if id_of(reading.role) != role_id:
                raise taken_over(f"role {role_name}")
        change = replace(change, before=reading.existing, after=merge.document)
        removed = removed or bool(merge.removed)
        ledger.intend(change, id=role_id)
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
        ledger.done(change, id=role_id)
    raise RunbookError(
        f"trust policy of {role_name}: somebody else keeps writing it; stop that, then run again. "
        f"It was last written as {json.dumps(written)}"
    )


def _refuse_other_target(
    role: Mapping[str, Any], existing: Mapping[str, Any], workload_identity_arn: str, owner: str
) -> None:
    if owner:
        refuse_other_workload(role, owner, digest(workload_identity_arn))
    other = tags_of(role).get(TARGET_TAG, "")
    if not owner or not other or other == owner:
        return
    for statement in statements_of(existing):
        trusted = principals_of(statement)
        if statement.get("Sid") == SID and trusted and workload_identity_arn not in trusted:
            raise ForeignTrustError(
                f"role_name: {role['RoleName']!r} serves target {other!r}, whose Workload "
                f"Identity is {trusted[0]}; give this target a role_name of its own"
            )
