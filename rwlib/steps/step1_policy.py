"""Step 1 - Create an IAM policy for S3 access.

The documents are pure: they are built from a target and touch nothing. `ensure_policy` makes the
customer-managed policy exist with one of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rwlib.aws import default_document, policy_users, policy_versions, read_policy, version_document
from rwlib.errors import ConflictError
from rwlib.steps.changes import Change, ChangeSubject, Ledger, canonical
from rwlib.steps.ownership import (
    ID_TAG,
    MANAGED_BY,
    MANAGED_BY_VALUE,
    Claim,
    check_tags,
    claim_key,
    differing_tags,
    id_of,
    is_ours,
    is_pending,
    made_with,
    new_nonce,
    other_claims,
    tag_list,
    tags_of,
    taken_over,
)
from rwlib.steps.quotas import (
    POLICY_SIZE_QUOTA,
    VERSIONS_QUOTA,
    check_size,
    policy_text,
    size_quota,
)
from rwlib.steps.step1_documents import is_own_policy_text
from rwlib.waiting import rest

if TYPE_CHECKING:
    import boto3

    from rwlib.aws import Aws


def ensure_policy(
    session: boto3.Session | Aws,
    policy_name: str,
    document: Mapping[str, Any],
    *,
    tags: Mapping[str, str] | None = None,
    owner: str = "",
    used_by: str = "",
    ledger: Ledger | None = None,
    apply: bool = False,
    sleep: Callable[[float], None] = rest,
) -> Change:
    """Make the customer-managed policy exist with the given document.

    Safe to run again: an equal document is left alone, whatever its formatting. Another document
    becomes a new default version; where five exist, the oldest that is not the default is
    deleted. Never writes a policy that this runbook did not make, or that another target has.

    Parameters
    ----------
    policy_name
        1-128 characters, not an ARN.
    owner
        Name of the target, whose claim on the policy is kept as a tag.
    used_by
        Name of the role that may use the policy already.

    Raises
    ------
    PolicyLimitError
        The document is larger than the account's quota.
    ConflictError
        A policy of that name is somebody else's and has another document, or another target has
        it; nothing was written.
    """
    from rwlib.aws import Aws

    aws = Aws.of(session)
    arn = f"arn:aws:iam::{aws.account_id}:policy/{policy_name}"
    work = _Policy(aws, arn, document, dict(tags or {}), owner, used_by, ledger or Ledger(), sleep)
    check_size(
        document,
        size_quota(aws, "PolicySizeQuota", POLICY_SIZE_QUOTA, document),
        f"policy {policy_name}",
        "use a shorter prefix or fewer connectors",
    )
    policy = read_policy(aws, arn)
    if policy is not None:
        return work.update(policy, apply)
    return work.create(policy_name, apply)


def still_ours(
    aws: Aws,
    arn: str,
    ledger: Ledger,
    tags: Mapping[str, str] | None = None,
    policy_id: str = "",
) -> dict[str, Any]:
    """Read a policy again, directly before it is written, and return it.

    Raises
    ------
    ConflictError
        It is gone, or somebody made it again or took it over.
    """
    aws.forget(arn)
    policy = read_policy(aws, arn)
    if policy is None or policy_id not in ("", id_of(policy)) or not is_ours(policy, ledger, tags):
        raise taken_over(f"policy {arn}")
    return policy


def remove_policy(aws: Aws, arn: str, ledger: Ledger) -> None:
    """Delete a policy that this run made and nothing uses yet; one that changed stays."""
    policy = read_policy(aws, arn)
    if policy is None:
        return
    removal = Change("delete", ChangeSubject.POLICY, arn)
    ledger.intend(removal, id=id_of(policy))
    still_ours(aws, arn, ledger, policy_id=id_of(policy))
    _write(aws, "delete_policy", arn, "deleting")
    ledger.done(removal, id=id_of(policy))


@dataclass
class _Policy:
    """One policy on its way to what a target asks for."""

    aws: Aws
    arn: str
    document: Mapping[str, Any]
    tags: dict[str, str]
    owner: str
    used_by: str
    ledger: Ledger
    sleep: Callable[[float], None]

    def wanted_tags(self, policy_id: str) -> dict[str, str]:
        claim = Claim.of(self.owner)
        claims = {claim.key: claim.value(policy_id)} if self.owner else {}
        return {**self.tags, MANAGED_BY: MANAGED_BY_VALUE, ID_TAG: policy_id, **claims}

    def create(self, policy_name: str, apply: bool) -> Change:
        change = Change(
            "create",
            ChangeSubject.POLICY,
            self.arn,
            after=dict(self.document),
            calls=("iam:CreatePolicy", "iam:TagPolicy"),
        )
        nonce = new_nonce()
        check_tags({}, self.wanted_tags(nonce), f"policy {policy_name}")
        if not apply:
            return change
        policy_id = self._create(policy_name, change, nonce)
        if policy_id:
            self._tag({ID_TAG: policy_id, **self._claim(policy_id)}, policy_id)
            return change.done()
        policy = self._read_until_seen(policy_name, change)
        if not made_with(policy, nonce):
            self.ledger.abandoned(change)
            return self.update(policy, apply)
        self.ledger.done(change, id=id_of(policy), nonce=nonce)
        self.update(policy, apply)
        return change.done()

    def _claim(self, policy_id: str) -> dict[str, str]:
        key = claim_key(self.owner)
        return {each: value for each, value in self.wanted_tags(policy_id).items() if each == key}

    def _create(self, policy_name: str, change: Change, nonce: str) -> str:
        """Create the policy and return its id; empty when there is one of that name already."""
        from botocore.exceptions import ClientError

        from rwlib.aws import error_code, refused

        self.ledger.intend(change, nonce=nonce)
        try:
            answer = self.aws.write(
                "iam",
                "create_policy",
                about=self.arn,
                PolicyName=policy_name,
                PolicyDocument=policy_text(self.document),
                Description="S3 access for RisingWave Cloud",
                Tags=tag_list({**self.tags, MANAGED_BY: MANAGED_BY_VALUE, ID_TAG: nonce}),
            )
        except ClientError as error:
            if error_code(error) == "EntityAlreadyExists":
                return ""
            self.ledger.abandoned(change)
            raise refused(error, f"creating policy {policy_name}") from error
        policy_id = id_of(answer["Policy"])
        self.ledger.done(change, id=policy_id, nonce=nonce)
        return policy_id

    def _read_until_seen(self, policy_name: str, change: Change) -> dict[str, Any]:
        """Read a policy that exists: another run was quicker, or our own answer was lost.

        IAM is eventually consistent, so it may take a moment to show; and the other run may take
        a moment to say whose it is.
        """
        policy: dict[str, Any] | None = None
        for pause in (0.0, 0.5, 1.0, 2.0):
            self.sleep(pause)
            self.aws.forget(self.arn)
            policy = read_policy(self.aws, self.arn)
            if policy is None or (
                is_pending(policy) and not is_ours(policy, self.ledger, self.tags)
            ):
                continue
            return policy
        if policy is None:
            self.ledger.abandoned(change)
            raise ConflictError(
                f"policy_name: {policy_name!r} exists under another path, or in other capitals, "
                "which IAM takes for the same; give another name"
            )
        return policy

    def update(self, policy: Mapping[str, Any], apply: bool) -> Change:
        aws, arn = self.aws, self.arn
        current = version_document(aws, arn, policy["DefaultVersionId"])
        equal = canonical(current) == canonical(self.document)
        if not is_ours(policy, self.ledger, self.tags):
            if not equal:
                self._refuse_foreign(policy)
            return Change("none", ChangeSubject.POLICY, arn, before=current, after=current)
        self._refuse_other_target(policy)
        missing = differing_tags(policy, self.wanted_tags(id_of(policy)))
        check_tags(tags_of(policy), missing, f"policy {policy['PolicyName']}")
        if equal and not missing:
            return Change("none", ChangeSubject.POLICY, arn, before=current, after=current)
        oldest = "" if equal else version_in_the_way(self.aws, policy, self.ledger)
        details = [] if equal else [f"new default version, {policy['DefaultVersionId']} stays"]
        details += [f"tags {', '.join(missing)}"] if missing else []
        change = Change(
            "update",
            ChangeSubject.POLICY,
            arn,
            "; ".join(details),
            before=current,
            after=dict(self.document),
            calls=(
                *(("iam:DeletePolicyVersion",) if oldest else ()),
                *(() if equal else ("iam:CreatePolicyVersion",)),
                *(("iam:TagPolicy",) if missing else ()),
            ),
            notes=(f"five versions exist: deletes the oldest, {oldest}",) if oldest else (),
        )
        if not apply:
            return change
        policy_id = id_of(policy)
        if oldest:
            self._delete_version(oldest, policy_id)
        # Our own marks are no change of anything; the ledger has them from the creation.
        told = not equal or not self.tags.keys().isdisjoint(missing)
        if told:
            self.ledger.intend(change, id=policy_id)
        if not equal:
            self._still(policy_id)
            _new_version(aws, arn, self.document, change, self.ledger)
        if missing:
            self._still(policy_id)
            self._tag(missing, policy_id)
        if told:
            self.ledger.done(change, id=policy_id)
        return change.done()

    def _still(self, policy_id: str) -> None:
        policy = still_ours(self.aws, self.arn, self.ledger, self.tags, policy_id)
        self._refuse_other_target(policy)

    def _refuse_foreign(self, policy: Mapping[str, Any]) -> None:
        users = [
            name
            for kind, name in policy_users(self.aws, self.arn)
            if (kind, name) != ("role", self.used_by)
        ]
        used = f" and is used by {', '.join(users)}" if users else ""
        raise ConflictError(
            f"policy_name: {policy['PolicyName']!r} exists with another document, was not made "
            f"by this runbook{used}; give another policy_name"
        )

    def _refuse_other_target(self, policy: Mapping[str, Any]) -> None:
        others = other_claims(policy, self.owner) if self.owner else []
        if others:
            names = ", ".join(sorted(claim.target for claim in others))
            raise ConflictError(
                f"policy_name: {policy['PolicyName']!r} belongs to target {names}; give this "
                "target a policy_name of its own"
            )

    def _delete_version(self, version: str, policy_id: str) -> None:
        before = version_document(self.aws, self.arn, version)
        removal = Change(
            "delete", ChangeSubject.POLICY_VERSION, f"{self.arn} {version}", before=before
        )
        self.ledger.intend(removal, id=policy_id)
        self._still(policy_id)
        _write(
            self.aws,
            "delete_policy_version",
            self.arn,
            f"deleting version {version} of",
            VersionId=version,
        )
        self.ledger.done(removal, id=policy_id)

    def _tag(self, tags: Mapping[str, str], policy_id: str) -> None:
        """Tag the policy; what was made a moment ago may not be known everywhere yet."""
        from botocore.exceptions import ClientError

        from rwlib.aws import is_missing, refused

        for pause in (0.5, 1.0, 2.0, 4.0, 0.0):
            try:
                self.aws.write(
                    "iam", "tag_policy", about=self.arn, PolicyArn=self.arn, Tags=tag_list(tags)
                )
                return
            except ClientError as error:
                if not is_missing(error) or not pause:
                    raise refused(error, f"tagging policy {self.arn}") from error
            self.sleep(pause)
            policy = read_policy(self.aws, self.arn)
            if policy is not None and id_of(policy) != policy_id:
                raise taken_over(f"policy {self.arn}")


def version_in_the_way(aws: Aws, policy: Mapping[str, Any], ledger: Ledger | None = None) -> str:
    """Return the oldest of our versions but the default when there is no room for another.

    A managed policy has at most five versions (IAM user guide, versioning IAM policies).

    Raises
    ------
    ConflictError
        None of them is this runbook's.
    """
    versions = policy_versions(aws, policy["Arn"])
    if len(versions) < VERSIONS_QUOTA:
        return ""
    others = others_versions(aws, policy, ledger or Ledger())
    spare = [
        each["VersionId"]
        for each in versions
        if not each["IsDefaultVersion"] and each["VersionId"] not in others
    ]
    if not spare:
        raise ConflictError(
            f"policy_name: {policy['PolicyName']!r} has {len(versions)} versions, as many as "
            f"AWS allows, and somebody else wrote {', '.join(others)}; delete one that is no "
            "longer needed"
        )
    return str(min(spare, key=lambda version: int(version[1:])))


def others_versions(aws: Aws, policy: Mapping[str, Any], ledger: Ledger) -> list[str]:
    """Return the versions of our policy that somebody else wrote.

    Ours are those that a ledger says were written into this very policy, and those that read as
    this runbook writes them.
    """
    arn, own = policy["Arn"], id_of(policy)
    recorded = {
        canonical(entry["after"])
        for entry in ledger.history(arn)
        if isinstance(entry.get("after"), Mapping) and entry.get("id", own) == own
    }
    found = []
    for each in policy_versions(aws, arn):
        document = version_document(aws, arn, each["VersionId"])
        if document is None or canonical(document) in recorded or is_own_policy_text(document):
            continue
        found.append(str(each["VersionId"]))
    return found


def _new_version(
    aws: Aws, arn: str, document: Mapping[str, Any], change: Change, ledger: Ledger
) -> None:
    from botocore.exceptions import ClientError

    from rwlib.aws import refused

    try:
        aws.write(
            "iam",
            "create_policy_version",
            about=arn,
            PolicyArn=arn,
            PolicyDocument=policy_text(document),
            SetAsDefault=True,
        )
    except ClientError as error:
        # When an answer is lost, the SDK asks again, and the second try can be one too many.
        now = default_document(aws, arn)
        if now is not None and canonical(now) == canonical(document):
            return
        ledger.abandoned(change)
        raise refused(error, f"writing policy {arn}") from error


def _write(aws: Aws, operation: str, arn: str, doing: str, **parameters: Any) -> None:
    from botocore.exceptions import ClientError

    from rwlib.aws import is_missing, refused

    try:
        aws.write("iam", operation, about=arn, PolicyArn=arn, **parameters)
    except ClientError as error:
        if operation.startswith("delete") and is_missing(error):
            return
        raise refused(error, f"{doing} policy {arn}") from error
