"""Step 2 - Create an IAM role with the policy attached.

The role is created with its final trust policy, so there is never a moment in which RisingWave's
whole account is trusted. (The console's path "Another AWS account" has such a moment.)
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rwlib.aws import policy_json, read_role, spelled_otherwise
from rwlib.errors import ForeignTrustError, InputError, ServiceError
from rwlib.steps.changes import Change, ChangeSubject, Ledger
from rwlib.steps.ownership import (
    ID_TAG,
    MANAGED_BY,
    MANAGED_BY_VALUE,
    RECORD,
    TARGET_TAG,
    Claim,
    WrittenStatements,
    check_tags,
    claim_key,
    differing_tags,
    id_of,
    is_ours,
    is_pending,
    made_with,
    new_nonce,
    other_claims,
    other_manager,
    statement_key,
    tag_list,
    tags_of,
    taken_over,
)
from rwlib.steps.quotas import TRUST_SIZE_QUOTA, check_size, policy_text, size_quota
from rwlib.steps.step3_documents import claimed_by_trust, merge_trust, statements_of
from rwlib.waiting import rest

if TYPE_CHECKING:
    import boto3

    from rwlib.aws import Aws


def ensure_role(
    session: boto3.Session | Aws,
    role_name: str,
    trust_policy: Mapping[str, Any],
    *,
    path: str = "/",
    permissions_boundary_arn: str = "",
    max_session_duration: int = 3600,
    tags: Mapping[str, str] | None = None,
    owner: str = "",
    ledger: Ledger | None = None,
    apply: bool = False,
    sleep: Callable[[float], None] = rest,
) -> Change:
    """Make the IAM role exist; a new one has the given trust policy from the first moment.

    Safe to run again: a role that already matches is left alone. An existing role keeps its trust
    policy (Step 3 merges into it). Never changes boundary, session duration or other people's
    tags of a role that this runbook did not make; what differs is said in the change's notes. The
    target's claim is one tag more, and goes again with the tear-down.

    Parameters
    ----------
    role_name
        1-64 characters, not its ARN.
    max_session_duration
        Seconds, 3600-43200. Role chaining limits RisingWave's sessions to 3600 anyway.
    owner
        Name of the target, whose claim on the role is kept as a tag.

    Raises
    ------
    InputError
        The role exists under another path, or has too many tags.
    ForeignTrustError
        Another target claims the role for another Workload Identity.
    """
    from rwlib.aws import Aws

    aws = Aws.of(session)
    settings = {
        "max_session_duration": max_session_duration,
        "permissions_boundary_arn": permissions_boundary_arn,
    }
    work = _Role(
        aws, role_name, trust_policy, path, settings, dict(tags or {}), owner, ledger or Ledger(),
        sleep,
    )  # fmt: skip
    role = read_role(aws, role_name)
    if role is not None:
        return work.adopt(role, apply)
    check_size(
        trust_policy,
        size_quota(aws, "AssumeRolePolicySizeQuota", TRUST_SIZE_QUOTA, trust_policy),
        f"trust policy of {role_name}",
        "give fewer principals",
    )
    return work.create(apply)


def still_same_role(aws: Aws, role_name: str, role_id: str) -> dict[str, Any]:
    """Read a role again, directly before it is written, and return it.

    Raises
    ------
    ConflictError
        It is gone, or somebody made it again.
    """
    aws.forget(f"role {role_name}")
    role = read_role(aws, role_name)
    if role is None or id_of(role) != role_id:
        raise taken_over(f"role {role_name}")
    return role


def tag_role(
    aws: Aws,
    role: Mapping[str, Any],
    tags: Mapping[str, str],
    *,
    fresh: bool = False,
    sleep: Callable[[float], None] = rest,
) -> None:
    """Tag the role that was read; what was made a moment ago may not be known everywhere yet.

    Parameters
    ----------
    fresh
        True when the call before this one said which role it is.
    """
    from botocore.exceptions import ClientError

    from rwlib.aws import is_missing, refused

    name = role["RoleName"]
    if not fresh:
        still_same_role(aws, name, id_of(role))
    for pause in (0.5, 1.0, 2.0, 4.0, 0.0):
        try:
            aws.write("iam", "tag_role", about=f"role {name}", RoleName=name, Tags=tag_list(tags))
            return
        except ClientError as error:
            if not is_missing(error) or not pause:
                raise refused(error, f"tagging role {name}") from error
        sleep(pause)
        found = read_role(aws, name)
        if found is not None and id_of(found) != id_of(role):
            raise taken_over(f"role {name}")


@dataclass
class _Role:
    """One role on its way to what a target asks for."""

    aws: Aws
    name: str
    trust_policy: Mapping[str, Any]
    path: str
    settings: dict[str, Any]
    tags: dict[str, str]
    owner: str
    ledger: Ledger
    sleep: Callable[[float], None]

    @property
    def claim(self) -> Claim:
        workload, redshift = claimed_by_trust(self.trust_policy)
        return Claim.of(self.owner, workload, redshift)

    def claim_tags(self, role_id: str) -> dict[str, str]:
        return {self.claim.key: self.claim.value(role_id)} if self.owner else {}

    def own_tags(self, role_id: str, statements: Iterable[str]) -> dict[str, str]:
        """Return the tags that say that the role is this runbook's, and what it wrote into it."""
        owner = {TARGET_TAG: self.owner} if self.owner else {}
        return {
            **owner,
            MANAGED_BY: MANAGED_BY_VALUE,
            ID_TAG: role_id,
            **dict.fromkeys(statements, role_id),
        }

    def create(self, apply: bool) -> Change:
        boundary = self.settings["permissions_boundary_arn"]
        arn = f"arn:aws:iam::{self.aws.account_id}:role{self.path}{self.name}"
        change = Change(
            "create",
            ChangeSubject.ROLE,
            arn,
            after={"trust_policy": dict(self.trust_policy), **self.settings},
            calls=("iam:CreateRole", "iam:TagRole"),
        )
        nonce = new_nonce()
        statements = [statement_key(each) for each in statements_of(self.trust_policy)]
        own = self.own_tags(nonce, statements)
        check_tags({}, {**self.tags, **own, **self.claim_tags(nonce)}, f"role {self.name}")
        if not apply:
            return change
        first = {key: value for key, value in own.items() if key not in statements}
        optional = {"PermissionsBoundary": boundary} if boundary else {}
        role = self._create(change, nonce, {**self.tags, **first}, optional)
        if role is not None:
            final = {**self.own_tags(id_of(role), statements), **self.claim_tags(id_of(role))}
            changed = {key: value for key, value in final.items() if first.get(key) != value}
            tag_role(self.aws, role, changed, fresh=True, sleep=self.sleep)
            return change.done()
        # Another run was quicker, or the answer to our own call was lost: adopt what is.
        found = self._read_until_seen()
        by_us = made_with(found, nonce)
        if by_us:
            self.ledger.done(change, id=id_of(found), nonce=nonce)
        else:
            self.ledger.abandoned(change)
        adopted = self.adopt(found, True)
        return change.done() if by_us else adopted

    def _create(
        self, change: Change, nonce: str, tags: Mapping[str, str], optional: Mapping[str, Any]
    ) -> dict[str, Any] | None:
        """Create the role and return it; None when there is one of that name already."""
        from botocore.exceptions import ClientError

        from rwlib.aws import error_code, refused

        self.ledger.intend(change, nonce=nonce)
        try:
            answer = self.aws.write(
                "iam",
                "create_role",
                about=f"role {self.name}",
                RoleName=self.name,
                Path=self.path,
                AssumeRolePolicyDocument=policy_text(self.trust_policy),
                MaxSessionDuration=self.settings["max_session_duration"],
                Description="Assumed by RisingWave Cloud",
                Tags=tag_list(tags),
                **optional,
            )
        except ClientError as error:
            if error_code(error) == "EntityAlreadyExists":
                return None
            self.ledger.abandoned(change)
            if "Invalid principal in policy" in str(error):
                raise InputError(
                    "workload_identity_arn",
                    str(self.trust_policy["Statement"][0]["Principal"].get("AWS", "")),
                    "does not exist in AWS; copy it again from the Cloud Meta tab of the cluster",
                    reason="does_not_exist",
                ) from error
            raise refused(error, f"creating role {self.name}") from error
        role = dict(answer["Role"])
        self.ledger.done(change, id=id_of(role), nonce=nonce)
        return role

    def _read_until_seen(self) -> Mapping[str, Any]:
        """Read a role that is known to exist; IAM may take a moment to show it."""
        role: Mapping[str, Any] | None = None
        for pause in (0.0, 0.5, 1.0, 2.0, 4.0):
            self.sleep(pause)
            self.aws.forget(f"role {self.name}")
            role = read_role(self.aws, self.name)
            if role and (is_ours(role, self.ledger, self.tags) or not is_pending(role)):
                return role
        if role is not None:
            return role
        if other := spelled_otherwise(self.aws, self.name):
            raise InputError(
                "role_name",
                self.name,
                f"differs from the name of role {other} in capitals alone, and IAM ignores case "
                "in names; write it as it is there, or choose another",
            )
        raise ServiceError(
            f"role {self.name}: AWS says that it exists, but does not show it; run it again: "
            "nothing is lost. Where that does not help, a role has this name in other capitals, "
            "which IAM takes for the same"
        )

    def adopt(self, role: Mapping[str, Any], apply: bool) -> Change:
        name, arn = role["RoleName"], role["Arn"]
        if self.path not in ("/", role["Path"]):
            raise InputError(
                "role_path", self.path, f"differs from the existing role's path {role['Path']}, "
                "which AWS cannot change; give that path, or another role_name"
            )  # fmt: skip
        if self.owner:
            refuse_other_workload(role, self.owner, self.claim.workload)
        ours = is_ours(role, self.ledger, self.tags)
        present = tags_of(role)
        record = self._record(role, ours)
        before = {
            "max_session_duration": role.get("MaxSessionDuration", 3600),
            "permissions_boundary_arn": role.get("PermissionsBoundary", {}).get(
                "PermissionsBoundaryArn", ""
            ),
            "tags": present,
        }
        boundary = self.settings["permissions_boundary_arn"]
        wanted = {
            "max_session_duration": self.settings["max_session_duration"],
            "permissions_boundary_arn": boundary or before["permissions_boundary_arn"],
            "tags": {**present, **self.tags},
        }
        notes: tuple[str, ...] = ()
        if not ours:
            notes = tuple(
                f"{key} stays {before[key] or 'empty'}, not {wanted[key]}: the role was not made "
                "by this runbook"
                for key in before
                if before[key] != wanted[key]
            )
            wanted = dict(before)
        after = {**wanted, "tags": {**wanted["tags"], **record}}
        check_tags(present, after["tags"], f"role {name}")
        differing = [key for key in before if before[key] != after[key]]
        if not differing:
            return Change("none", ChangeSubject.ROLE, arn, before=before, after=before, notes=notes)
        tags = differing_tags(role, after["tags"])
        writes = {
            "max_session_duration": (
                "update_role",
                {"RoleName": name, "MaxSessionDuration": wanted["max_session_duration"]},
            ),
            "permissions_boundary_arn": (
                "put_role_permissions_boundary",
                {"RoleName": name, "PermissionsBoundary": boundary},
            ),
            "tags": ("tag_role", {"RoleName": name, "Tags": tag_list(tags)}),
        }
        claimed = claim_key(self.owner) in tags
        change = Change(
            "update",
            ChangeSubject.ROLE,
            arn,
            ", ".join("the target's claim" if key == "tags" and claimed else key
                      for key in differing),
            before=before,
            after=after,
            calls=tuple(f"iam:{_operation(writes[key][0])}" for key in differing),
            notes=notes,
        )  # fmt: skip
        if not apply:
            return change
        self._write(role, ours, change, [writes[key] for key in differing])
        return change.done()

    def _is_as_asked(self, role: Mapping[str, Any]) -> bool:
        """True for a role that another tool manages and that needs nothing from this runbook.

        A tag would be a difference that the tool takes away again. Where a tag of this runbook is
        on it already, another target counts on this one's claim.
        """
        manager = other_manager(role, self.tags)
        if not manager or any(key.startswith(RECORD) for key in tags_of(role)):
            return False
        workload, redshift = claimed_by_trust(self.trust_policy)
        try:
            # As Step 3 judges it: somebody else's words may say the same.
            merge = merge_trust(
                policy_json(role["AssumeRolePolicyDocument"]),
                workload,
                ["redshift"] if redshift else [],
                role_arn=str(role["Arn"]),
            )
        except ForeignTrustError:
            return False
        return not merge.changed

    def _record(self, role: Mapping[str, Any], ours: bool) -> dict[str, str]:
        """Return the tags that record whose the role is: the target's claim, and our own id."""
        if not ours and self._is_as_asked(role):
            return {}
        claim = self.claim_tags(id_of(role))
        if not ours:
            return claim
        written = WrittenStatements(role, self.ledger)
        there = statements_of(policy_json(role["AssumeRolePolicyDocument"]))
        keys = {key for key in map(statement_key, there) if key in written}
        own = self.own_tags(id_of(role), sorted(keys))
        # The first target's name stays; a second one has its claim.
        named = {TARGET_TAG: own.pop(TARGET_TAG, "")} if self.owner else {}
        if TARGET_TAG not in tags_of(role):
            own |= named
        return {**own, **claim}

    def _write(
        self,
        role: Mapping[str, Any],
        ours: bool,
        change: Change,
        calls: Sequence[tuple[str, dict[str, Any]]],
    ) -> None:
        from botocore.exceptions import ClientError

        from rwlib.aws import refused

        # Our own marks are no change of anything; the ledger has them from the creation.
        told = any(operation != "tag_role" for operation, _ in calls) or bool(
            ours and differing_tags(role, self.tags)
        )
        if told:
            self.ledger.intend(change, id=id_of(role))
        for operation, parameters in calls:
            now = still_same_role(self.aws, self.name, id_of(role))
            if ours and not is_ours(now, self.ledger, self.tags):
                raise taken_over(f"role {self.name}")
            try:
                self.aws.write("iam", operation, about=f"role {self.name}", **parameters)
            except ClientError as error:
                if told:
                    self.ledger.abandoned(change)
                raise refused(error, f"updating role {self.name}") from error
        if told:
            self.ledger.done(change, id=id_of(role))


def refuse_other_workload(role: Mapping[str, Any], owner: str, workload: str) -> None:
    """Refuse a role that another target claims for another Workload Identity.

    Two clusters on one role would reach each other's buckets.

    Raises
    ------
    ForeignTrustError
        Names the other target.
    """
    for claim in other_claims(role, owner):
        if claim.workload != workload:
            raise ForeignTrustError(
                f"role_name: {role['RoleName']!r} serves target {claim.target!r}, which has "
                "another Workload Identity; give this target a role_name of its own"
            )


def _operation(method: str) -> str:
    return "".join(part.capitalize() for part in method.split("_"))
