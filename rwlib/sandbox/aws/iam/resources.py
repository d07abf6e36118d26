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
    parameters, account = request.parameters, caller.account
    start = f"arn:aws:iam::{account}:"
    if request.action in LISTS:
        return f"{start}{LISTS[request.action]}{_text(parameters, 'PathPrefix', '/')}"
    if request.action == "CreatePolicy":
        return f"{start}policy{_text(parameters, 'Path', '/')}{_text(parameters, 'PolicyName')}"
    if request.action in POLICY_OPERATIONS:
        return _text(parameters, "PolicyArn") or "*"
    if "PolicySourceArn" in parameters:
        return _text(parameters, "PolicySourceArn")
    if "RoleName" in parameters and "InstanceProfileName" not in parameters:
        role = world.iam.role(account, _text(parameters, "RoleName"))
        return (
            role.arn
            if role
            else f"{start}role{_text(parameters, 'Path', '/')}{parameters['RoleName']}"
        )
    if "InstanceProfileName" in parameters:
        return f"{start}instance-profile/{parameters['InstanceProfileName']}"
    if "GroupName" in parameters:
        return f"{start}group{_text(parameters, 'Path', '/')}{parameters['GroupName']}"
    if "UserName" in parameters:
        user = world.iam.user(account, _text(parameters, "UserName"))
        return (
            user.arn
            if user
            else f"{start}user{_text(parameters, 'Path', '/')}{parameters['UserName']}"
        )
    if request.action in SELF_SERVICE and caller.kind == "user":
        return caller.arn
    return "*"


def _context(request: AwsRequest, caller: Caller, world: World) -> dict[str, Any]:
    parameters = request.parameters
    context: dict[str, Any] = {}
    if request.action.startswith(("Attach", "Detach")):
        context["iam:PolicyARN"] = _text(parameters, "PolicyArn")
    existing = None
    if "RoleName" in parameters:
        existing = world.iam.role(caller.account, _text(parameters, "RoleName"))
    elif "UserName" in parameters:
        existing = world.iam.user(caller.account, _text(parameters, "UserName"))
    boundary = parameters.get("PermissionsBoundary") or (
        existing.boundary_arn if existing else None
    )
    if isinstance(boundary, str):
        context["iam:PermissionsBoundary"] = boundary
    for key, value in (existing.tags if existing else {}).items():
        context[f"iam:ResourceTag/{key}"] = value
        context[f"aws:ResourceTag/{key}"] = value
    tags = parameters.get("Tags")
    if isinstance(tags, list):
        pairs = {str(t.get("Key")): str(t.get("Value", "")) for t in tags if isinstance(t, dict)}
        context.update(tag_context(pairs))
    keys = parameters.get("TagKeys")
    if isinstance(keys, list):
        context["aws:TagKeys"] = keys
    return context


def _text(given: dict[str, Any], name: str, default: str = "") -> str:
    value = given.get(name, default)
    return value if isinstance(value, str) else default
