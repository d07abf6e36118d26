"""What stands in the account, as far as the way from RisingWave to the bucket goes.

A situation is read from AWS, or planned: what AWS shows with the previewed changes laid over it.
Checks look at a situation and never call AWS.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from rwlib.buckets import BucketFacts
from rwlib.changes import Change

if TYPE_CHECKING:
    from rwlib.sessions import Aws
    from rwlib.target import Target


@dataclass(frozen=True)
class Situation:
    """The chain from the Workload Identity to the bucket.

    Parameters
    ----------
    trust_policy
        Trust policy of the role; None when there is no role.
    identity
        Name and document of each policy of the role, attached or inline.
    policy_document
        Default version of the target's own policy; None when there is none.
    boundary
        Name and document of the permissions boundary.
    planned
        True when the previewed changes are laid over what AWS shows.
    unknown
        What could not be looked at, with the reason.
    """

    caller_arn: str
    account_id: str
    role_arn: str
    trust_policy: Mapping[str, Any] | None
    identity: tuple[tuple[str, Mapping[str, Any]], ...]
    policy_arn: str
    policy_document: Mapping[str, Any] | None
    attached: tuple[str, ...]
    boundary: tuple[str, Mapping[str, Any]] | None
    bucket: BucketFacts
    planned: bool = False
    unknown: Mapping[str, str] = field(default_factory=dict)


def read_situation(aws: Aws, target: Target, bucket: BucketFacts) -> Situation:
    """Read the role, its policies and its boundary from AWS."""
    from rwlib.roles import attached_policies, read_role
    from rwlib.sessions import policy_json

    role = read_role(aws, target.role_name)
    unknown: dict[str, str] = {}
    own_arn = target.policy_arn_in(aws.account_id)
    own_document = _managed(aws, own_arn, {})
    base: dict[str, Any] = {
        "caller_arn": aws.caller_identity.arn,
        "account_id": aws.account_id,
        "policy_arn": own_arn,
        "policy_document": own_document,
        "bucket": bucket,
        "unknown": unknown,
    }
    if role is None:
        return Situation(
            role_arn=target.role_arn_in(aws.account_id),
            trust_policy=None,
            identity=(),
            attached=(),
            boundary=None,
            **base,
        )
    attached = attached_policies(aws, target.role_name)
    identity = [(arn, _managed(aws, arn, unknown)) for arn in attached]
    identity += _inline(aws, target.role_name, unknown)
    boundary_arn = role.get("PermissionsBoundary", {}).get("PermissionsBoundaryArn", "")
    boundary = _managed(aws, boundary_arn, unknown) if boundary_arn else None
    return Situation(
        role_arn=role["Arn"],
        trust_policy=policy_json(role["AssumeRolePolicyDocument"]),
        identity=tuple((name, document) for name, document in identity if document),
        attached=tuple(attached),
        boundary=(boundary_arn, boundary) if boundary else None,
        **base,
    )


def _managed(aws: Aws, arn: str, unknown: dict[str, str]) -> Mapping[str, Any] | None:
    from botocore.exceptions import ClientError

    from rwlib.sessions import error_message, policy_json

    try:
        policy = aws.read("iam", "get_policy", about=arn, PolicyArn=arn)["Policy"]
        version = policy["DefaultVersionId"]
        answer = aws.read("iam", "get_policy_version", about=arn, PolicyArn=arn, VersionId=version)
    except ClientError as error:
        unknown[arn] = error_message(error)
        return None
    return policy_json(answer["PolicyVersion"]["Document"])


def _inline(
    aws: Aws, role_name: str, unknown: dict[str, str]
) -> list[tuple[str, Mapping[str, Any] | None]]:
    from botocore.exceptions import ClientError

    from rwlib.sessions import error_message, policy_json

    about = f"inline {role_name}"
    found: list[tuple[str, Mapping[str, Any] | None]] = []
    try:
        names = aws.read_all(
            "iam", "list_role_policies", "PolicyNames", about=about, RoleName=role_name
        )
        for name in names:
            answer = aws.read(
                "iam", "get_role_policy", about=about, RoleName=role_name, PolicyName=name
            )
            found.append((f"inline policy {name}", policy_json(answer["PolicyDocument"])))
    except ClientError as error:
        unknown["inline policies"] = error_message(error)
    return found


def plan_situation(now: Situation, changes: Iterable[Change]) -> Situation:
    """Lay previewed changes over what AWS shows; what was applied, AWS shows itself."""
    pending = [change for change in changes if change.writes and not change.applied]
    planned = replace(now, planned=bool(pending))
    for change in pending:
        if change.resource == "IAM policy" and change.after is not None:
            rest = tuple(each for each in planned.identity if each[0] != change.name)
            attached = change.name in planned.attached
            planned = replace(
                planned,
                policy_document=change.after,
                identity=(*rest, (change.name, change.after)) if attached else planned.identity,
            )
        elif change.resource == "IAM role" and change.action == "create":
            planned = replace(
                planned, role_arn=change.name, trust_policy=change.after["trust_policy"]
            )
        elif change.resource == "trust policy" and change.after is not None:
            planned = replace(planned, trust_policy=change.after)
        elif change.resource == "attachment" and change.action == "create":
            document = planned.policy_document
            if document is not None:
                planned = replace(
                    planned,
                    attached=(*planned.attached, planned.policy_arn),
                    identity=(*planned.identity, (planned.policy_arn, document)),
                )
    return planned


def with_boundary(aws: Aws, planned: Situation, boundary_arn: str) -> Situation:
    """Read the boundary that a new role is going to have into a planned situation."""
    unknown = dict(planned.unknown)
    document = _managed(aws, boundary_arn, unknown)
    return replace(
        planned, boundary=(boundary_arn, document) if document else None, unknown=unknown
    )
