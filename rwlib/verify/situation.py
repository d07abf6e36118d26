"""What stands in the account, as far as the way from RisingWave to the bucket goes.

A situation is read from AWS, or planned: what AWS shows with the previewed changes laid over it.
Checks look at a situation and never call AWS.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from rwlib.aws import BucketFacts
from rwlib.errors import InputError
from rwlib.steps import (
    Change,
    ChangeSubject,
    exported_for,
    is_asked_for,
    same_cluster_claims,
    tag_map,
)

if TYPE_CHECKING:
    from rwlib.aws import Aws, Read
    from rwlib.target import Target


class InlinePolicyName(str):
    """What an inline policy is called in a sentence, beside the ARNs of the attached ones.

    Attributes
    ----------
    name
        Name under which IAM knows it.
    """

    __slots__ = ("name",)
    name: str

    def __new__(cls, name: str) -> InlinePolicyName:
        """Make the words from IAM's name."""
        made = super().__new__(cls, f"inline policy {name}")
        made.name = name
        return made


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
        Name and document of the permissions boundary; None where there is none, and where it
        could not be read.
    planned
        True when the previewed changes are laid over what AWS shows.
    unknown
        What could not be looked at, with the reason: ``role``, ``attached policies``, ``inline
        policies``, or the ARN of a policy.
    role_id
        Unique id of the role (``AROA…``), empty while there is none.
    boundary_arn
        ARN of the permissions boundary, empty where there is none.
    role_tags
        Tags of the role; None where they were not read.
    egress_ips
        Addresses from which the cluster reaches the internet, as Cloud metadata gives them.
    ours
        ARNs of the other attached policies that are this runbook's, and that a target has which
        claims the role for the same Workload Identity.
    redshift_claimed
        True when such a target needs Redshift's statement in the trust policy.
    kept_versions
        Documents of the versions of the target's own policy that are not the default one, as far
        as they were looked at.
    versions_unread
        Why those could not be read; empty when they were, or did not have to be.
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
    role_id: str = ""
    boundary_arn: str = ""
    role_tags: Mapping[str, str] | None = None
    egress_ips: tuple[str, ...] = ()
    ours: frozenset[str] = frozenset()
    redshift_claimed: bool = False
    kept_versions: tuple[Mapping[str, Any], ...] = ()
    versions_unread: str = ""

    def why_unknown(self, what: str) -> str:
        """Why something could not be looked at, empty when it was."""
        return self.unknown.get(what, "")

    def unread_of_role(self) -> dict[str, str]:
        """Return what could not be read of the role itself and of the policies it has."""
        found = {what: why for what, why in self.unknown.items() if what != self.boundary_arn}
        if self.policy_arn not in self.attached:
            found.pop(self.policy_arn, None)
        return found

    def unread_grants(self) -> dict[str, str]:
        """Return what could not be read of all that can allow the role something."""
        found = self.unread_of_role()
        if why := self.bucket.why_unknown("bucket policy"):
            found["bucket policy"] = why
        return found

    def unread(self) -> dict[str, str]:
        """Return what could not be read of all that decides about the role's requests."""
        found = self.unread_grants()
        if why := self.unknown.get(self.boundary_arn, ""):
            found["permissions boundary"] = why
        for what in ("encryption", "kms key", "kms key policy"):
            if why := self.bucket.why_unknown(what):
                found[what] = why
        return found


def read_situation(aws: Aws, target: Target, bucket: BucketFacts) -> Situation:
    """Read the role, its policies and its boundary from AWS.

    What the caller may not read is left out, and named in ``unknown`` with the reason.
    """
    from rwlib.aws import (
        attached_call,
        attached_policies,
        default_document,
        inline_names_call,
        inline_policies,
        policy_call,
        policy_json,
        read_policy,
        read_role,
        role_call,
    )

    unknown: dict[str, str] = {}
    own_arn = target.policy_arn_in(aws.account_id)
    aws.read_ahead(role_call(target.role_name), policy_call(own_arn))
    role = read_role(aws, target.role_name, unknown)
    boundary_arn = ""
    if role is not None:
        boundary_arn = role.get("PermissionsBoundary", {}).get("PermissionsBoundaryArn", "")
        of_role = [attached_call(target.role_name), inline_names_call(target.role_name)]
        _read_documents_ahead(aws, {own_arn, boundary_arn} - {""}, also=of_role)
    base: dict[str, Any] = {
        "caller_arn": aws.caller_identity.arn,
        "account_id": aws.account_id,
        "policy_arn": own_arn,
        "policy_document": default_document(aws, own_arn, unknown),
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
    attached = attached_policies(aws, target.role_name, unknown)
    _read_documents_ahead(aws, {*attached})
    identity = [(arn, default_document(aws, arn, unknown)) for arn in attached]
    claims = same_cluster_claims(role, target.name, target.workload_identity_arn)
    # The documents were read through the same answers, so this asks for nothing more.
    others = {arn: read_policy(aws, arn, unknown) or {} for arn in attached if arn != own_arn}
    ours = {arn for arn, policy in others.items() if is_asked_for(policy, claims)}
    exported = {arn: exported_for(policy, role) for arn, policy in others.items()}
    made = {arn: claim for arn, claim in exported.items() if claim and claim.target != target.name}
    identity += [
        (InlinePolicyName(name), document)
        for name, document in inline_policies(aws, target.role_name, unknown).items()
    ]
    boundary = default_document(aws, boundary_arn, unknown) if boundary_arn else None
    return Situation(
        role_arn=role["Arn"],
        role_id=role.get("RoleId", ""),
        trust_policy=policy_json(role["AssumeRolePolicyDocument"]),
        identity=tuple((name, document) for name, document in identity if document),
        attached=tuple(attached),
        boundary=(boundary_arn, boundary) if boundary else None,
        boundary_arn=boundary_arn,
        role_tags=tag_map(role.get("Tags", [])),
        ours=frozenset({*ours, *made}),
        redshift_claimed=any(claim.redshift for claim in (*claims, *made.values())),
        **base,
    )


def _read_documents_ahead(aws: Aws, arns: Iterable[str], also: Iterable[Read] = ()) -> None:
    """Read policies and their documents at once, as far as one does not depend on another.

    Parameters
    ----------
    also
        Other calls that can be made beside the first ones.
    """
    from rwlib.aws import policy_call, version_call

    ordered = sorted(arns)
    found = {arn: aws.remembered(policy_call(arn)) for arn in ordered}
    aws.read_ahead(
        *also,
        *(
            version_call(arn, known["Policy"]["DefaultVersionId"]) if known else policy_call(arn)
            for arn, known in found.items()
        ),
    )
    late = [(arn, aws.remembered(policy_call(arn))) for arn, known in found.items() if not known]
    aws.read_ahead(
        *(version_call(arn, known["Policy"]["DefaultVersionId"]) for arn, known in late if known)
    )


def plan_situation(now: Situation, changes: Iterable[Change]) -> Situation:
    """Lay previewed changes over what AWS shows; what was applied, AWS shows itself."""
    pending = [change for change in changes if change.writes and not change.applied]
    planned = replace(now, planned=bool(pending))
    for change in pending:
        if change.resource == ChangeSubject.POLICY and change.after is not None:
            rest = tuple(each for each in planned.identity if each[0] != change.name)
            attached = change.name in planned.attached
            planned = replace(
                planned,
                policy_document=change.after,
                identity=(*rest, (change.name, change.after)) if attached else planned.identity,
            )
        elif change.resource == ChangeSubject.ROLE and change.action == "create":
            planned = replace(
                planned,
                role_arn=change.name,
                trust_policy=change.after["trust_policy"],
                role_tags=change.after.get("tags"),
            )
        elif change.resource == ChangeSubject.ROLE and change.action == "update":
            planned = replace(planned, role_tags=change.after.get("tags", planned.role_tags))
        elif change.resource == ChangeSubject.TRUST_POLICY and change.after is not None:
            planned = replace(planned, trust_policy=change.after)
        elif change.resource == ChangeSubject.ATTACHMENT and change.action == "delete":
            arn = change.name.partition(" to ")[0]
            planned = replace(
                planned,
                attached=tuple(each for each in planned.attached if each != arn),
                identity=tuple(each for each in planned.identity if each[0] != arn),
            )
        elif change.resource == ChangeSubject.ATTACHMENT and change.action == "create":
            document = planned.policy_document
            if document is not None:
                planned = replace(
                    planned,
                    attached=(*planned.attached, planned.policy_arn),
                    identity=(*planned.identity, (planned.policy_arn, document)),
                )
    return planned


_NOT_IN_DOCUMENTS = (
    "bucket policy",
    "block public access",
    "kms key",
    "kms key policy",
    "kms grants",
)


def document_situation(
    target: Target,
    account_id: str,
    policy: Mapping[str, Any],
    trust: Mapping[str, Any],
    *,
    region_name: str,
    kms_key_arn: str,
    boundary_arn: str,
    why: str,
) -> Situation:
    """Plan a situation of its documents alone, where nobody may look.

    Parameters
    ----------
    why
        Said of everything that the documents do not say.
    """
    policy_arn = target.policy_arn_in(account_id)
    unknown = dict.fromkeys(_NOT_IN_DOCUMENTS, why)
    if not kms_key_arn:
        unknown["encryption"] = why
    return Situation(
        caller_arn="",
        account_id=account_id,
        role_arn=target.role_arn_in(account_id),
        trust_policy=trust,
        identity=((policy_arn, policy),),
        policy_arn=policy_arn,
        policy_document=policy,
        attached=(policy_arn,),
        boundary=None,
        bucket=BucketFacts(
            target.bucket, region_name, owned=None, kms_key_arn=kms_key_arn, unknown=unknown
        ),
        planned=True,
        unknown={boundary_arn: why} if boundary_arn else {},
        boundary_arn=boundary_arn,
    )


def with_boundary(aws: Aws, planned: Situation, boundary_arn: str) -> Situation:
    """Read the boundary that a new role is going to have into a planned situation.

    Raises
    ------
    InputError
        There is no such policy.
    """
    from rwlib.aws import default_document

    unknown = dict(planned.unknown)
    document = default_document(aws, boundary_arn, unknown)
    if document is None and boundary_arn not in unknown:
        raise InputError(
            "permissions_boundary_arn",
            boundary_arn,
            "does not exist; create it first",
            reason="does_not_exist",
        )
    return replace(
        planned,
        boundary=(boundary_arn, document) if document else None,
        boundary_arn=boundary_arn,
        unknown=unknown,
    )
