"""IAM's operations: the resource each is about, and the condition keys it carries.

Source: Service Authorization Reference, "Actions, resources, and condition keys for AWS Identity
and Access Management".
"""

from __future__ import annotations

from typing import Any

from rwlib.sandbox.aws.authorize import Ask
from rwlib.sandbox.aws.caller import Caller
from rwlib.sandbox.aws.context import tag_context
from rwlib.sandbox.aws.request import AwsRequest
from rwlib.sandbox.moto_seam.world import World

POLICY_OPERATIONS = frozenset(
    {
        *("CreatePolicyVersion", "DeletePolicy", "DeletePolicyVersion", "GetPolicy"),
        *("GetPolicyVersion", "ListEntitiesForPolicy", "ListPolicyVersions", "ListPolicyTags"),
        *("SetDefaultPolicyVersion", "TagPolicy", "UntagPolicy"),
    }
)
SELF_SERVICE = frozenset(
    {
        *("GetUser", "CreateAccessKey", "ListAccessKeys", "DeleteAccessKey", "UpdateAccessKey"),
        *("ChangePassword", "ListMFADevices", "ListSSHPublicKeys", "ListSigningCertificates"),
    }
)
"""Operations that are about the caller when they name no user."""

LISTS = {"ListRoles": "role", "ListUsers": "user", "ListGroups": "group", "ListPolicies": "policy"}


def iam_ask(request: AwsRequest, caller: Caller, world: World) -> Ask:
    """Build the question an IAM call asks."""
    return Ask(
        f"iam:{request.action}",
        _resource(request, caller, world),
        caller.account,
        context=_context(request, caller, world),
    )


def _resource(request: AwsRequest, caller: Caller, world: World) -> str:
    given, account = request.parameters, caller.account
    start = f"arn:aws:iam::{account}:"
    if request.action in LISTS:
        return f"{start}{LISTS[request.action]}{_text(given, 'PathPrefix', '/')}"
    if request.action == "CreatePolicy":
        return f"{start}policy{_text(given, 'Path', '/')}{_text(given, 'PolicyName')}"
    if request.action in POLICY_OPERATIONS:
        return _text(given, "PolicyArn") or "*"
    if "PolicySourceArn" in given:
        return _text(given, "PolicySourceArn")
    if "RoleName" in given and "InstanceProfileName" not in given:
        role = world.iam.role(account, _text(given, "RoleName"))
        return role.arn if role else f"{start}role{_text(given, 'Path', '/')}{given['RoleName']}"
    if "InstanceProfileName" in given:
        return f"{start}instance-profile/{given['InstanceProfileName']}"
    if "GroupName" in given:
        return f"{start}group{_text(given, 'Path', '/')}{given['GroupName']}"
    if "UserName" in given:
        user = world.iam.user(account, _text(given, "UserName"))
        return user.arn if user else f"{start}user{_text(given, 'Path', '/')}{given['UserName']}"
    if request.action in SELF_SERVICE and caller.kind == "user":
        return caller.arn
    return "*"


def _context(request: AwsRequest, caller: Caller, world: World) -> dict[str, Any]:
    given = request.parameters
    context: dict[str, Any] = {}
    if request.action.startswith(("Attach", "Detach")):
        context["iam:PolicyARN"] = _text(given, "PolicyArn")
    existing = None
    if "RoleName" in given:
        existing = world.iam.role(caller.account, _text(given, "RoleName"))
    elif "UserName" in given:
        existing = world.iam.user(caller.account, _text(given, "UserName"))
    boundary = given.get("PermissionsBoundary") or (existing.boundary_arn if existing else None)
    if isinstance(boundary, str):
        context["iam:PermissionsBoundary"] = boundary
    for key, value in (existing.tags if existing else {}).items():
        context[f"iam:ResourceTag/{key}"] = value
        context[f"aws:ResourceTag/{key}"] = value
    tags = given.get("Tags")
    if isinstance(tags, list):
        pairs = {str(t.get("Key")): str(t.get("Value", "")) for t in tags if isinstance(t, dict)}
        context.update(tag_context(pairs))
    keys = given.get("TagKeys")
    if isinstance(keys, list):
        context["aws:TagKeys"] = keys
    return context


def _text(given: dict[str, Any], name: str, default: str = "") -> str:
    value = given.get(name, default)
    return value if isinstance(value, str) else default
