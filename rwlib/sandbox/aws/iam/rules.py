"""What IAM refuses before anything is written: documents, quotas, names, conflicts.

Source: IAM API Reference; IAM User Guide, "IAM and AWS STS quotas".
"""

from __future__ import annotations

import json
from typing import Any

from rwlib.sandbox.answer import AwsError
from rwlib.sandbox.aws.directory import Directory
from rwlib.sandbox.aws.documents import DocumentError, Kind, check_document, size_of
from rwlib.sandbox.aws.request import AwsRequest
from rwlib.sandbox.aws.saved_principals import InvalidPrincipalError, check_principals

QUOTAS: dict[str, int] = {
    "AccessKeysPerUserQuota": 2,
    "AssumeRolePolicySizeQuota": 2048,
    "AttachedPoliciesPerGroupQuota": 10,
    "AttachedPoliciesPerRoleQuota": 10,
    "AttachedPoliciesPerUserQuota": 10,
    "GroupPolicySizeQuota": 5120,
    "GroupsPerUserQuota": 10,
    "GroupsQuota": 300,
    "InstanceProfilesQuota": 1000,
    "PoliciesQuota": 1500,
    "PolicySizeQuota": 6144,
    "PolicyVersionsInUseQuota": 10000,
    "RolePolicySizeQuota": 10240,
    "RolesQuota": 1000,
    "ServerCertificatesQuota": 20,
    "SigningCertificatesPerUserQuota": 2,
    "UserPolicySizeQuota": 2048,
    "UsersQuota": 5000,
    "VersionsPerPolicyQuota": 5,
}
"""Defaults of a new account, as ``GetAccountSummary`` tells them."""

MOST_TAGS = 50
ENTITIES = {"Role": "roles", "User": "users", "Group": "groups"}
ATTACHMENTS = {
    f"Attach{entity}Policy": (entity, f"AttachedPoliciesPer{entity}Quota") for entity in ENTITIES
}


class IamRules:
    """Checks writes to IAM against an account as it stands."""

    def __init__(self, directory: Directory) -> None:
        self.directory = directory
        self.world = directory.world

    def check(self, request: AwsRequest, account: str) -> None:
        """Refuse what IAM refuses; canonical documents replace the given ones.

        Raises
        ------
        AwsError
            In IAM's words.
        """
        parameters, action = request.parameters, request.action
        self._check_existence(action, parameters, account)
        if action in ("CreateRole", "UpdateAssumeRolePolicy"):
            name = "AssumeRolePolicyDocument" if action == "CreateRole" else "PolicyDocument"
            parameters[name] = self._trust(parameters[name])
        elif action in ("CreatePolicy", "CreatePolicyVersion"):
            _document(parameters["PolicyDocument"], "managed")
            _within(size_of(parameters["PolicyDocument"]), "PolicySize", QUOTAS["PolicySizeQuota"])
        elif action in ("PutRolePolicy", "PutUserPolicy", "PutGroupPolicy"):
            self._check_inline(
                action.removeprefix("Put").removesuffix("Policy"), parameters, account
            )
        if action in ATTACHMENTS:
            self._check_attachment(action, parameters, account)
        if parameters.get("PermissionsBoundary"):
            self._check_boundary(parameters["PermissionsBoundary"], account)
        self._check_names(action, parameters, account)
        self._check_deletion(action, parameters, account)
        self._check_tags(action, parameters, account)

    def _trust(self, text: str) -> str:
        document = _document(text, "trust")
        _within(size_of(text), "ACLSizePerRole", QUOTAS["AssumeRolePolicySizeQuota"])
        try:
            changed = check_principals(document, self.directory)
        except InvalidPrincipalError as error:
            raise _malformed(f"Invalid principal in policy: {error.shown}") from None
        return json.dumps(document) if changed else text

    def _check_inline(self, entity: str, given: dict[str, Any], account: str) -> None:
        text, name = given["PolicyDocument"], given[f"{entity}Name"]
        _document(text, "inline")
        holder = self.entity(entity, name, account)
        others = (
            size_of(doc) for key, doc in holder.policies.items() if key != given["PolicyName"]
        )
        quota = QUOTAS[f"{entity}PolicySizeQuota"]
        if sum(others) + size_of(text) > quota:
            raise AwsError(
                "LimitExceeded",
                f"Maximum policy size of {quota} bytes exceeded for {entity.lower()} {name}",
                409,
            )

    def _check_attachment(self, action: str, given: dict[str, Any], account: str) -> None:
        entity, quota = ATTACHMENTS[action]
        arn = given["PolicyArn"]
        if self.world.iam.managed_policy(account, arn) is None or not _own(arn, account):
            raise _no_such(f"Policy {arn} does not exist or is not attachable.")
        holder = self.entity(entity, given[f"{entity}Name"], account)
        if arn not in holder.managed_policies and len(holder.managed_policies) >= QUOTAS[quota]:
            raise _limit(f"PoliciesPer{entity}", QUOTAS[quota])

    def _check_boundary(self, arn: str, account: str) -> None:
        if not arn.startswith("arn:aws:iam::") or ":policy/" not in arn:
            raise AwsError("InvalidInput", f"ARN {arn} is not valid.")
        if not _own(arn, account) or self.world.iam.managed_policy(account, arn) is None:
            raise _no_such(f"Scope ARN: {arn} does not exist or is not attachable.")

    def _check_names(self, action: str, given: dict[str, Any], account: str) -> None:
        iam = self.world.iam.account(account)
        if action in ("CreateRole", "CreateUser", "CreateGroup"):
            entity = action.removeprefix("Create")
            name = given[f"{entity}Name"]
            found = getattr(iam, ENTITIES[entity]).values()
            if any(one.name.lower() == name.lower() for one in found):
                raise _exists(f"{entity} with name {name} already exists.")
        elif action == "CreatePolicy":
            name = given["PolicyName"]
            own = (p for arn, p in iam.managed_policies.items() if _own(arn, account, aws=False))
            if any(policy.name.lower() == name.lower() for policy in own):
                raise _exists(
                    f"A policy called {name} already exists. Duplicate names are not allowed."
                )
        elif action == "CreateAccessKey" and given.get("UserName"):
            keys = self.entity("User", given["UserName"], account).access_keys
            if len(keys) >= QUOTAS["AccessKeysPerUserQuota"]:
                raise _limit("AccessKeysPerUser", QUOTAS["AccessKeysPerUserQuota"])
        elif action == "CreateServiceLinkedRole":
            service = given["AWSServiceName"]
            if not service.removesuffix(".amazonaws.com") or not service.endswith(".amazonaws.com"):
                # Source: IAM API Reference, "CreateServiceLinkedRole", on AWSServiceName.
                raise AwsError("InvalidInput", f"Service name {service} is not valid.")

    def _check_deletion(self, action: str, given: dict[str, Any], account: str) -> None:
        if action == "DeletePolicy":
            self._check_policy_deletion(given["PolicyArn"], account)
        elif action == "DeleteUser":
            user = self.entity("User", given["UserName"], account)
            iam = self.world.iam.account(account)
            for there, what in (
                (user.access_keys, "delete access keys"),
                (user.managed_policies, "detach all policies"),
                (user.policies, "delete policies"),
                ([g for g in iam.groups.values() if user in g.users], "remove users from group"),
            ):
                if there:
                    raise _conflict(f"Cannot delete entity, must {what} first.")
        elif action == "DeleteGroup":
            group = self.entity("Group", given["GroupName"], account)
            for there, what in (
                (group.users, "remove users from group"),
                (group.managed_policies, "detach all policies"),
                (group.policies, "delete policies"),
            ):
                if there:
                    raise _conflict(f"Cannot delete entity, must {what} first.")

    def _check_policy_deletion(self, arn: str, account: str) -> None:
        iam = self.world.iam.account(account)
        holders = [*iam.roles.values(), *iam.users.values(), *iam.groups.values()]
        bounded = [
            one
            for one in (*iam.roles.values(), *iam.users.values())
            if arn
            in (
                getattr(one, "permissions_boundary_arn", None),
                getattr(one, "sandbox_boundary_arn", None),
            )
        ]
        if bounded or any(arn in holder.managed_policies for holder in holders):
            raise _conflict("Cannot delete a policy attached to entities.")
        policy = iam.managed_policies.get(arn)
        if policy is not None and len(policy.versions) > 1:
            raise _conflict(
                "This policy has more than one version. Before you delete a policy, you must "
                "delete the policy's versions. The default version is deleted with the policy."
            )

    def _check_tags(self, action: str, given: dict[str, Any], account: str) -> None:
        if action not in ("TagRole", "TagUser") or not isinstance(given.get("Tags"), list):
            return
        view = (
            self.world.iam.role(account, given["RoleName"])
            if action == "TagRole"
            else self.world.iam.user(account, given["UserName"])
        )
        keys = set(view.tags if view else ()) | {tag.get("Key") for tag in given["Tags"]}
        if len(keys) > MOST_TAGS:
            raise AwsError(
                "LimitExceeded", "The number of tags has reached the maximum limit.", 409
            )

    def _check_existence(self, action: str, given: dict[str, Any], account: str) -> None:
        iam = self.world.iam.account(account)
        for entity in ENTITIES:
            name = given.get(f"{entity}Name")
            if not isinstance(name, str) or action == f"Create{entity}":
                continue
            if self._find(iam, entity, name) is None:
                raise _no_such(f"The {entity.lower()} with name {name} cannot be found.")
        arn = given.get("PolicyArn")
        if isinstance(arn, str) and not action.startswith("Attach"):
            policy = self.world.iam.managed_policy(account, arn) if _own(arn, account) else None
            if policy is None:
                raise _no_such(f"Policy {arn} was not found.")
            self._check_detail(action, given, account, policy)
        self._check_inline_exists(action, given, account)

    def _check_detail(self, action: str, given: dict[str, Any], account: str, policy: Any) -> None:
        version = given.get("VersionId")
        if version and version not in {one.version_id for one in policy.versions}:
            raise _no_such(
                f"Policy {given['PolicyArn']} version {version} does not exist or is not "
                "attachable."
            )
        for entity in ENTITIES:
            if action == f"Detach{entity}Policy":
                holder = self.entity(entity, given[f"{entity}Name"], account)
                if given["PolicyArn"] not in holder.managed_policies:
                    raise _no_such(f"Policy {given['PolicyArn']} was not found.")

    def _check_inline_exists(self, action: str, given: dict[str, Any], account: str) -> None:
        for entity in ENTITIES:
            if action in (f"Get{entity}Policy", f"Delete{entity}Policy"):
                holder = self.entity(entity, given[f"{entity}Name"], account)
                if given["PolicyName"] not in holder.policies:
                    raise _no_such(
                        f"The {entity.lower()} policy with name {given['PolicyName']} cannot be "
                        "found."
                    )

    def entity(self, entity: str, name: str, account: str) -> Any:
        """Give moto's role, user or group of that name.

        Raises
        ------
        AwsError
            ``NoSuchEntity``.
        """
        found = self._find(self.world.iam.account(account), entity, name)
        if found is None:
            raise _no_such(f"The {entity.lower()} with name {name} cannot be found.")
        return found

    def _find(self, iam: Any, entity: str, name: str) -> Any:
        found = getattr(iam, ENTITIES[entity]).values()
        return next((one for one in found if one.name == name), None)


def _document(text: str, kind: Kind) -> dict[str, Any]:
    try:
        return check_document(text, kind)
    except DocumentError as error:
        raise _malformed(error.message) from None


def _own(arn: str, account: str, *, aws: bool = True) -> bool:
    return arn.startswith(f"arn:aws:iam::{account}:policy/") or (
        aws and arn.startswith("arn:aws:iam::aws:policy/")
    )


def _within(size: int, quota: str, limit: int) -> None:
    if size > limit:
        raise _limit(quota, limit)


def _limit(quota: str, limit: int) -> AwsError:
    return AwsError("LimitExceeded", f"Cannot exceed quota for {quota}: {limit}", 409)


def _malformed(text: str) -> AwsError:
    return AwsError("MalformedPolicyDocument", text, 400)


def _no_such(text: str) -> AwsError:
    return AwsError("NoSuchEntity", text, 404)


def _exists(text: str) -> AwsError:
    return AwsError("EntityAlreadyExists", text, 409)


def _conflict(text: str) -> AwsError:
    return AwsError("DeleteConflict", text, 409)
