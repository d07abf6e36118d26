"""The IAM policy simulator: SimulatePrincipalPolicy, SimulateCustomPolicy, GetContextKeysFor….

Source: IAM API Reference, SimulatePrincipalPolicy, SimulateCustomPolicy,
GetContextKeysForCustomPolicy.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

from rwlib.errors import InputError
from rwlib.evaluate import Decision, Policies, Reason, Request, evaluate
from rwlib.sandbox.answer import AwsError, xml_text
from rwlib.sandbox.aws.authorize import Authorizer
from rwlib.sandbox.aws.caller import Caller
from rwlib.sandbox.aws.documents import DocumentError, check_document, listed, statements_of
from rwlib.sandbox.aws.positions import Position, statement_span
from rwlib.sandbox.aws.request import AwsRequest
from rwlib.sandbox.views import PrincipalView

DECISIONS = {
    "allowed": "allowed",
    "explicit-deny": "explicitDeny",
    "implicit-deny": "implicitDeny",
}
PRINCIPAL_KEYS = ("aws:PrincipalArn", "aws:username", "aws:userid")
LAYERS = {"resource": "Resource Policy", "scp": "Organizations Policy"}
_VARIABLE = re.compile(r"\$\{([^},]+)[^}]*\}")
_ACTION = re.compile(r"[A-Za-z0-9-]+:[A-Za-z0-9*?]+")
_KNOWN = ("aws:currenttime", "aws:epochtime", "aws:principalarn")
# What a request would carry and a simulation does not, unless it is passed as a context entry.
_NOT_ADDED = ("aws:PrincipalAccount", "aws:ResourceAccount", "s3:ResourceAccount")


@dataclass(frozen=True)
class Setting:
    """What is simulated: who, with which policies, in which context."""

    principal: str
    account: str
    identity: list[tuple[str, str]]
    boundary: list[str]
    resource_policy: str | None
    resource_account: str | None
    context: dict[str, Any]


class Simulator:
    """Answers what policies would allow, without doing anything."""

    def __init__(self, authorizer: Authorizer) -> None:
        self.authorizer = authorizer
        self.directory = authorizer.directory

    def simulate(self, request: AwsRequest, caller: Caller) -> str:
        """Give the result of a simulation as XML."""
        given = request.parameters
        setting = self._setting(request, caller)
        actions = [str(action) for action in given.get("ActionNames") or []]
        for action in actions:
            if not _ACTION.fullmatch(action):
                raise AwsError("InvalidInput", f"Invalid action name: {action}")
        resources = [str(arn) for arn in given.get("ResourceArns") or ["*"]]
        try:
            results = "".join(
                self._result(setting, action, resource)
                for action in actions
                for resource in resources
            )
        except InputError as error:
            raise AwsError("InvalidInput", str(error)) from error
        return f"<EvaluationResults>{results}</EvaluationResults><IsTruncated>false</IsTruncated>"

    def context_keys(self, request: AwsRequest) -> str:
        """Give the condition keys that policies name, as XML."""
        given = request.parameters
        texts = _documents(given, "PolicyInputList")
        source = given.get("PolicySourceArn")
        if source:
            texts += [text for _, text in self._entity(source).policies]
        keys = sorted({key for text in texts for key in keys_of(text)})
        members = "".join(f"<member>{xml_text(key)}</member>" for key in keys)
        return f"<ContextKeyNames>{members}</ContextKeyNames>"

    def _setting(self, request: AwsRequest, caller: Caller) -> Setting:
        parameters = request.parameters
        identity = [
            (f"PolicyInputList.{number}", text)
            for number, text in enumerate(_documents(parameters, "PolicyInputList"), 1)
        ]
        boundary = _documents(parameters, "PermissionsBoundaryPolicyInputList")
        account = caller.account
        passed = _context(parameters.get("ContextEntries") or [])
        context = {**dict.fromkeys(_NOT_ADDED), **passed}
        principal = parameters.get("CallerArn")
        if not principal:
            # Policies alone belong to nobody: the keys of a principal are not in the request.
            principal = f"arn:aws:iam::{account}:user/nobody"
            if request.action == "SimulateCustomPolicy":
                context = {**dict.fromkeys(PRINCIPAL_KEYS), **context}
        if request.action == "SimulatePrincipalPolicy":
            entity = self._entity(parameters["PolicySourceArn"])
            identity = [*entity.policies, *identity]
            boundary = boundary or ([entity.boundary] if entity.boundary else [])
            principal, account = parameters.get("CallerArn") or entity.arn, entity.account
        resource_policy = parameters.get("ResourcePolicy")
        if resource_policy and ":role/" in principal:
            raise AwsError(
                "InvalidInput", "A resource policy can be simulated for an IAM user only."
            )
        owner = parameters.get("ResourceOwner")
        return Setting(
            principal,
            account,
            identity,
            boundary,
            resource_policy,
            owner.split(":")[4] if owner else None,
            context,
        )

    def _entity(self, arn: str) -> PrincipalView:
        found = self.directory.principal(arn)
        if found is None:
            kind, _, name = arn.split(":")[-1].partition("/")
            raise AwsError("NoSuchEntity", f"The {kind} with name {name} cannot be found.", 404)
        return found

    def _result(self, setting: Setting, action: str, resource: str) -> str:
        scps = [list(level) for level in self.directory.scps_of(setting.account)]
        decision = self._decide(setting, action, resource, scps)
        parts = [
            f"<EvalActionName>{xml_text(action)}</EvalActionName>",
            f"<EvalResourceName>{xml_text(resource)}</EvalResourceName>",
            f"<EvalDecision>{DECISIONS[decision.effect]}</EvalDecision>",
            f"<MatchedStatements>{_matched(setting, decision)}</MatchedStatements>",
            f"<MissingContextValues>{_missing(setting, decision)}</MissingContextValues>",
        ]
        if setting.boundary:
            inside = decision.layer != "boundary" and self._bounded(setting, action, resource)
            parts.append(
                "<PermissionsBoundaryDecisionDetail><AllowedByPermissionsBoundary>"
                f"{str(inside).lower()}</AllowedByPermissionsBoundary>"
                "</PermissionsBoundaryDecisionDetail>"
            )
        if scps:
            inside = decision.layer != "scp"
            parts.append(
                "<OrganizationsDecisionDetail><AllowedByOrganizations>"
                f"{str(inside).lower()}</AllowedByOrganizations></OrganizationsDecisionDetail>"
            )
        return f"<member>{''.join(parts)}</member>"

    def _bounded(self, setting: Setting, action: str, resource: str) -> bool:
        request = Request(setting.principal, action, resource, None, setting.context)
        return evaluate(request, Policies(identity=list(setting.boundary))).allowed

    def _decide(self, setting: Setting, action: str, resource: str, scps: Any) -> Decision:
        account = setting.resource_account or (
            setting.account if resource == "*" or resource.startswith("arn:aws:s3:::") else None
        )
        return evaluate(
            Request(setting.principal, action, resource, account, setting.context),
            Policies(
                identity=list(setting.identity),
                resource=setting.resource_policy,
                boundary=list(setting.boundary) or None,
                scps=scps,
            ),
        )


def keys_of(text: str) -> set[str]:
    """Give the condition keys and variables that a policy document names."""
    keys: set[str] = set()
    for statement in statements_of(json.loads(text)):
        for tests in statement.get("Condition", {}).values():
            keys.update(tests)
        for name in ("Resource", "NotResource"):
            for value in listed(statement.get(name, [])):
                keys.update(_VARIABLE.findall(value))
        for tests in statement.get("Condition", {}).values():
            for values in tests.values():
                for value in listed(values):
                    keys.update(_VARIABLE.findall(str(value)))
    return {key.strip() for key in keys if key.strip() not in ("*", "?", "$")}


def _documents(given: dict[str, Any], name: str) -> list[str]:
    texts = [str(text) for text in given.get(name) or []]
    for text in texts:
        try:
            check_document(text, "inline")
        except DocumentError as error:
            raise AwsError("InvalidInput", f"Invalid Content in Policy: {error.message}") from None
    return texts


def _context(entries: list[dict[str, Any]]) -> dict[str, Any]:
    context: dict[str, Any] = {}
    for entry in entries:
        name = entry.get("ContextKeyName")
        values = [str(value) for value in entry.get("ContextKeyValues") or []]
        if not name:
            continue
        single = not str(entry.get("ContextKeyType", "")).endswith("List")
        context[str(name)] = values[0] if single and values else values
    return context


def _matched(setting: Setting, decision: Decision) -> str:
    members = []
    for reason in decision.deciding:
        if reason.outcome not in ("allowed", "denied") or reason.statement_index is None:
            continue
        start, end = statement_span(_text_of(setting, reason), reason.statement_index)
        kind = LAYERS.get(reason.layer, "IAM Policy")
        members.append(
            f"<member><SourcePolicyId>{xml_text(_name_of(reason))}</SourcePolicyId>"
            f"<SourcePolicyType>{kind}</SourcePolicyType>"
            f"<StartPosition>{_place(start)}</StartPosition>"
            f"<EndPosition>{_place(end)}</EndPosition></member>"
        )
    return "".join(members)


def _text_of(setting: Setting, reason: Reason) -> str:
    index = reason.policy_index or 0
    if reason.layer == "identity" and index < len(setting.identity):
        return setting.identity[index][1]
    if reason.layer == "boundary" and index < len(setting.boundary):
        return setting.boundary[index]
    return setting.resource_policy or ""


def _name_of(reason: Reason) -> str:
    name = reason.policy_name or ("ResourcePolicy" if reason.layer == "resource" else reason.layer)
    return name.rpartition("/")[2]


def _place(where: Position) -> str:
    return f"<Line>{where.line}</Line><Column>{where.column}</Column>"


def _missing(setting: Setting, decision: Decision) -> str:
    keys: set[str] = set()
    for text in [text for _, text in setting.identity] + setting.boundary:
        keys.update(keys_of(text))
    have = {key.lower() for key, value in setting.context.items() if value is not None}
    absent = sorted(key for key in keys if key.lower() not in have | set(_KNOWN))
    return "".join(f"<member>{xml_text(key)}</member>" for key in absent)
