"""Step 3 - Configure the trust policy.

This runbook owns the statement with the Sid ``RisingWaveCloudAssumeRole`` (and, for Redshift's
COPY, ``RisingWaveCloudRedshiftCopy``). Every other statement stays as it is.
"""

from __future__ import annotations

import copy
import json
import re
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rwlib.changes import Change, Ledger
from rwlib.errors import ForeignTrustError, InputError, RunbookError
from rwlib.policies import TARGET_TAG, account_quota, check_size, policy_text, tag_map

if TYPE_CHECKING:
    import boto3

    from rwlib.sessions import Aws

SID = "RisingWaveCloudAssumeRole"
REDSHIFT_SID = "RisingWaveCloudRedshiftCopy"
REDSHIFT_SERVICE = "redshift.amazonaws.com"
TRUST_SIZE_QUOTA = 2048  # raisable; the account's own is AssumeRolePolicySizeQuota

# RisingWave's S3 connectors never set an external id, and choose the session name themselves.
_UNSENDABLE = ("sts:externalid", "sts:rolesessionname")


def trust_policy(workload_identity_arn: str, connectors: Iterable[str] = ()) -> dict[str, Any]:
    """Return the trust policy of a new role: the Workload Identity, and nothing wider.

    For ``redshift`` the Redshift service is trusted too, because the sink puts the same role into
    ``COPY … CREDENTIALS 'aws_iam_role=…'``.
    """
    return {
        "Version": "2012-10-17",
        "Statement": own_statements(workload_identity_arn, connectors),
    }


def own_statements(workload_identity_arn: str, connectors: Iterable[str]) -> list[dict[str, Any]]:
    """Return the statements that this runbook owns in a trust policy."""
    statements: list[dict[str, Any]] = [
        {
            "Sid": SID,
            "Effect": "Allow",
            "Principal": {"AWS": workload_identity_arn},
            "Action": "sts:AssumeRole",
        }
    ]
    if "redshift" in connectors:
        statements.append(
            {
                "Sid": REDSHIFT_SID,
                "Effect": "Allow",
                "Principal": {"Service": REDSHIFT_SERVICE},
                "Action": "sts:AssumeRole",
            }
        )
    return statements


@dataclass(frozen=True)
class TrustMerge:
    """A merged trust policy.

    ``document`` is what the role's trust policy becomes; ``kept`` names the statements of others,
    which are unchanged; ``flags`` are sentences about what deserves a look.
    """

    document: dict[str, Any]
    changed: bool
    kept: tuple[str, ...]
    flags: tuple[str, ...]


def merge_trust(
    existing: Mapping[str, Any] | None, workload_identity_arn: str, connectors: Iterable[str] = ()
) -> TrustMerge:
    """Merge this runbook's statements into an existing trust policy.

    Replaces its own statements by Sid and keeps all others as they are, in their order. Adds
    nothing where somebody else's statement grants the same already.

    Raises
    ------
    ForeignTrustError
        A statement for the Workload Identity asks for an external id or a session name, which
        RisingWave cannot send; or RisingWave's statement has a wildcard principal.
    """
    if existing is None:
        return TrustMerge(trust_policy(workload_identity_arn, connectors), True, (), ())
    document = copy.deepcopy(dict(existing))
    statements = statements_of(document)
    for statement in statements:
        _refuse(statement, workload_identity_arn)
    own = {each["Sid"]: each for each in own_statements(workload_identity_arn, connectors)}
    merged: list[Any] = []
    for statement in statements:
        sid = statement.get("Sid")
        if sid in own:
            wanted = own.pop(sid)
            merged.append(statement if _same(statement, wanted) else wanted)
        else:
            merged.append(statement)
    foreign = [each for each in statements if each.get("Sid") not in (SID, REDSHIFT_SID)]
    merged += [each for each in own.values() if not any(_grants(other, each) for other in foreign)]
    changed = merged != statements
    if changed:
        document["Statement"] = merged
    kept = tuple(_title(each, index) for index, each in enumerate(statements) if each in foreign)
    flags = _flags(foreign, workload_identity_arn)
    return TrustMerge(document, changed, kept, flags)


def remove_own_statements(existing: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return a trust policy without this runbook's statements, None when nothing is left."""
    document = copy.deepcopy(dict(existing))
    rest = [each for each in statements_of(document) if each.get("Sid") not in (SID, REDSHIFT_SID)]
    if not rest:
        return None
    document["Statement"] = rest
    return document


def statements_of(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return a document's statements as a list; IAM takes a single one without brackets too."""
    statements = document.get("Statement", [])
    return list(statements) if isinstance(statements, list) else [statements]


def principals(statement: Mapping[str, Any], kind: str = "AWS") -> list[str]:
    """Return the principals of one kind that a statement names."""
    principal = statement.get("Principal", {})
    if principal == "*":
        return ["*"]
    if not isinstance(principal, Mapping):
        return []
    values = principal.get(kind, [])
    return [values] if isinstance(values, str) else list(values)


def _actions(statement: Mapping[str, Any]) -> list[str]:
    actions = statement.get("Action", [])
    return [each.lower() for each in ([actions] if isinstance(actions, str) else actions)]


def _same(statement: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    return set(statement) == set(wanted) and _grants(statement, wanted, exactly=True)


def _grants(statement: Mapping[str, Any], wanted: Mapping[str, Any], exactly: bool = False) -> bool:
    """True when a statement allows what the wanted one does, without any condition."""
    if statement.get("Effect") != "Allow" or "Condition" in statement:
        return False
    if "NotPrincipal" in statement or "NotAction" in statement:
        return False
    kind = next(iter(wanted["Principal"]))
    have, want = principals(statement, kind), principals(wanted, kind)
    actions = _actions(statement)
    if exactly:
        return (
            have == want
            and actions == ["sts:assumerole"]
            and set(statement["Principal"]) == set(wanted["Principal"])
        )
    return set(want) <= set(have) and "sts:assumerole" in actions


def condition_keys(statement: Mapping[str, Any]) -> set[str]:
    """Return the condition keys of a statement in lower case."""
    return {key.lower() for block in statement.get("Condition", {}).values() for key in block}


def _refuse(statement: Mapping[str, Any], workload_identity_arn: str) -> None:
    named = workload_identity_arn in principals(statement)
    own = statement.get("Sid") == SID
    if statement.get("Effect") != "Allow" or not (named or own):
        return
    title = statement.get("Sid") or "the statement that names the Workload Identity"
    unsendable = sorted(condition_keys(statement) & set(_UNSENDABLE))
    if unsendable:
        name = {"sts:externalid": "sts:ExternalId", "sts:rolesessionname": "sts:RoleSessionName"}
        raise ForeignTrustError(
            f"trust policy: {title} has a condition on {name[unsendable[0]]}, which RisingWave "
            "cannot send, so the role could never be assumed; remove that condition, or give "
            "another role_name"
        )
    if any("*" in each for each in principals(statement)):
        raise ForeignTrustError(
            f"trust policy: {title} trusts a wildcard principal; name the Workload Identity "
            f"{workload_identity_arn} alone, or give another role_name"
        )


def _refuse_other_target(
    role: Mapping[str, Any], existing: Mapping[str, Any], workload_identity_arn: str, owner: str
) -> None:
    other = tag_map(role.get("Tags", [])).get(TARGET_TAG, "")
    if not owner or not other or other == owner:
        return
    for statement in statements_of(existing):
        trusted = principals(statement)
        if statement.get("Sid") == SID and trusted and workload_identity_arn not in trusted:
            raise ForeignTrustError(
                f"role_name: {role['RoleName']!r} serves target {other!r}, whose Workload "
                f"Identity is {trusted[0]}; give this target a role_name of its own"
            )


def _flags(foreign: Iterable[Mapping[str, Any]], workload_identity_arn: str) -> tuple[str, ...]:
    account = workload_identity_arn.split(":")[4]
    flags = []
    for index, statement in enumerate(foreign):
        title = _title(statement, index)
        for principal in principals(statement):
            if statement.get("Effect") == "Deny":
                if principal in ("*", workload_identity_arn, account) or principal.endswith(
                    f"::{account}:root"
                ):
                    flags.append(f"{title} denies {principal}, which can shut RisingWave out")
            elif principal == "*":
                flags.append(f"{title} trusts everybody (*)")
            elif principal.endswith(":root") or re.fullmatch(r"\d{12}", principal):
                flags.append(f"{title} trusts the whole account {principal}")
            elif re.fullmatch(r"A(RO|ID)A[A-Z0-9]+", principal):
                flags.append(
                    f"{title} trusts {principal}, the id of a deleted principal; it matches "
                    "nobody any more"
                )
        if "NotPrincipal" in statement and statement.get("Effect") == "Allow":
            flags.append(f"{title} trusts everybody but those it names (NotPrincipal)")
        if "NotPrincipal" in statement and statement.get("Effect") == "Deny":
            flags.append(f"{title} denies all but those it names (NotPrincipal)")
    return tuple(flags)


def _title(statement: Mapping[str, Any], index: int) -> str:
    return f"statement {statement['Sid']}" if statement.get("Sid") else f"statement {index + 1}"


def ensure_trust(
    session: boto3.Session | Aws,
    role_name: str,
    workload_identity_arn: str,
    connectors: Iterable[str] = (),
    *,
    owner: str = "",
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

    Raises
    ------
    ForeignTrustError
        The trust policy cannot be merged; nothing was written.
    PolicyLimitError
        The merged document is larger than the account's quota; nothing was written.
    """
    from rwlib.sessions import Aws

    aws = Aws.of(session)
    ledger = ledger or Ledger()
    connectors = list(connectors)

    def merged() -> tuple[dict[str, Any], str, TrustMerge]:
        from rwlib.roles import read_role
        from rwlib.sessions import policy_json

        role = read_role(aws, role_name)
        if role is None:
            raise RunbookError(f"role_name: {role_name!r} does not exist; run Step 2 first")
        existing = policy_json(role["AssumeRolePolicyDocument"])
        _refuse_other_target(role, existing, workload_identity_arn, owner)
        merge = merge_trust(existing, workload_identity_arn, connectors)
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
        if found[1] in principals(statement) and statement.get("Sid") not in own:
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
    from dataclasses import replace

    from botocore.exceptions import ClientError

    from rwlib.sessions import refused

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
