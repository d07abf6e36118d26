"""Findings about a policy document, for Access Analyzer's ValidatePolicy.

The codes are those of IAM User Guide, "Access Analyzer policy check reference", for the checks
that can be made without an account; the words are this project's own.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from rwlib.evaluate import ELEMENTS, TOP
from rwlib.sandbox.aws.actions import known_actions, known_services
from rwlib.sandbox.aws.documents import OPERATORS, listed
from rwlib.sandbox.aws.iam.rules import QUOTAS
from rwlib.sandbox.aws.positions import Path, position, spans

LEARN_MORE = (
    "https://docs.aws.amazon.com/IAM/latest/UserGuide/access-analyzer-reference-policy-checks.html"
)
_ARN = re.compile(
    r"arn:(?P<partition>[^:]*):(?P<service>[^:]*):(?P<region>[^:]*):(?P<account>[^:]*):"
)


@dataclass(frozen=True)
class PolicyFinding:
    """One finding: what kind, which code, where and what about it."""

    kind: str
    code: str
    details: str
    path: Path = ()


def findings(text: str, policy_type: str, resource_type: str = "") -> list[dict[str, Any]]:
    """Check a policy document and give the findings in Access Analyzer's shape."""
    try:
        document = json.loads(text)
    except ValueError as error:
        offset = getattr(error, "pos", 0)
        found = PolicyFinding(
            "ERROR", "JSON_SYNTAX_ERROR", f"The policy is not valid JSON: {error}."
        )
        return [_shaped(found, text, (offset, offset))]
    where = spans(text)
    return [
        _shaped(found, text, _span(where, found.path))
        for found in _document(document, text, policy_type, resource_type)
    ]


def _document(
    document: Any, text: str, policy_type: str, resource_type: str
) -> Iterator[PolicyFinding]:
    if not isinstance(document, dict):
        yield PolicyFinding("ERROR", "JSON_SYNTAX_ERROR", "A policy is a JSON object.")
        return
    for name in document:
        if name not in TOP:
            yield PolicyFinding("ERROR", "UNKNOWN_ELEMENT", f"There is no element {name}.", (name,))
    version = document.get("Version")
    if version is None:
        yield PolicyFinding(
            "WARNING", "MISSING_VERSION", "Add the element Version with the value 2012-10-17."
        )
    elif version not in ("2012-10-17", "2008-10-17"):
        yield PolicyFinding(
            "ERROR", "INVALID_VERSION", f"There is no version {version}.", ("Version",)
        )
    size = len(re.sub(r"\s", "", text))
    if policy_type == "IDENTITY_POLICY" and size > QUOTAS["PolicySizeQuota"]:
        yield PolicyFinding(
            "ERROR",
            "POLICY_SIZE_EXCEEDS_IDENTITY_POLICY_QUOTA",
            f"The policy has {size} characters without white space; a managed policy may have "
            f"{QUOTAS['PolicySizeQuota']}.",
        )
    statements = document.get("Statement")
    if statements in (None, [], {}):
        yield PolicyFinding("ERROR", "MISSING_STATEMENT", "Add the element Statement.")
        return
    trust = resource_type == "AWS::IAM::AssumeRolePolicyDocument"
    seen: dict[str, int] = {}
    for index, statement in enumerate(listed(statements)):
        path: Path = ("Statement", index) if isinstance(statements, list) else ("Statement",)
        if not isinstance(statement, dict):
            yield PolicyFinding("ERROR", "DATA_TYPE_MISMATCH", "A statement is an object.", path)
            continue
        sid = statement.get("Sid")
        if isinstance(sid, str) and sid:
            if sid in seen and policy_type == "IDENTITY_POLICY":
                text_of = f"The Sid {sid} stands twice."
                yield PolicyFinding("ERROR", "UNIQUE_SIDS_REQUIRED", text_of, (*path, "Sid"))
            seen[sid] = index
        yield from _statement(statement, path, policy_type, trust)


def _statement(
    statement: dict[str, Any], path: Path, policy_type: str, trust: bool
) -> Iterator[PolicyFinding]:
    for name in statement:
        if name not in ELEMENTS:
            yield PolicyFinding(
                "ERROR", "UNKNOWN_ELEMENT", f"There is no element {name}.", (*path, name)
            )
    effect = statement.get("Effect")
    if effect is None:
        yield PolicyFinding("ERROR", "MISSING_EFFECT", "Add Effect with Allow or Deny.", path)
    elif effect not in ("Allow", "Deny"):
        yield PolicyFinding(
            "ERROR", "INVALID_EFFECT", f"There is no effect {effect}.", (*path, "Effect")
        )
    yield from _elements(statement, path, policy_type, trust)
    yield from _actions(statement, path)
    yield from _resources(statement, path)
    yield from _principals(statement, path, trust)
    yield from _conditions(statement, path)


def _elements(
    statement: dict[str, Any], path: Path, policy_type: str, trust: bool
) -> Iterator[PolicyFinding]:
    has_principal = "Principal" in statement or "NotPrincipal" in statement
    has_resource = "Resource" in statement or "NotResource" in statement
    if "Action" not in statement and "NotAction" not in statement:
        yield PolicyFinding("ERROR", "MISSING_ACTION", "Add Action or NotAction.", path)
    if policy_type == "RESOURCE_POLICY":
        if not has_principal:
            yield PolicyFinding("ERROR", "MISSING_PRINCIPAL", "Add Principal.", path)
    elif has_principal:
        name = "Principal" if "Principal" in statement else "NotPrincipal"
        yield PolicyFinding(
            "ERROR", "UNSUPPORTED_PRINCIPAL", "An identity policy has no principal.", (*path, name)
        )
    if trust and has_resource:
        yield PolicyFinding(
            "ERROR",
            "ROLE_TRUST_POLICY_SYNTAX_ERROR_RESOURCE",
            "A trust policy has no resource.",
            path,
        )
    elif not trust and not has_resource:
        yield PolicyFinding("ERROR", "MISSING_RESOURCE", "Add Resource or NotResource.", path)
    for one, other in (("Action", "NotAction"), ("Resource", "NotResource")):
        if one in statement and other in statement:
            yield PolicyFinding(
                "ERROR", "UNSUPPORTED_ELEMENT_COMBINATION", f"Use {one} or {other}, not both.", path
            )


def _actions(statement: dict[str, Any], path: Path) -> Iterator[PolicyFinding]:
    for name in ("Action", "NotAction"):
        values = statement.get(name, [])
        if name in statement and values == []:
            yield PolicyFinding(
                "SUGGESTION", f"EMPTY_ARRAY_{name.upper()}", f"{name} is empty.", path
            )
        for index, action in enumerate(listed(values)):
            where = (*path, name, index) if isinstance(values, list) else (*path, name)
            if not isinstance(action, str):
                yield PolicyFinding("ERROR", "DATA_TYPE_MISMATCH", "An action is a text.", where)
                continue
            code = _action_problem(action)
            if code:
                yield PolicyFinding("ERROR", code, f"The action {action} does not exist.", where)
    if statement.get("Effect") == "Allow" and statement.get("Resource") in ("*", ["*"]):
        actions = [str(action).lower() for action in listed(statement.get("Action", []))]
        if "iam:passrole" in actions:
            yield PolicyFinding(
                "SECURITY_WARNING",
                "PASS_ROLE_WITH_STAR_IN_RESOURCE",
                "iam:PassRole with the resource * lets any role be passed; name the roles.",
                (*path, "Resource"),
            )


def _action_problem(action: str) -> str | None:
    service, colon, name = action.lower().partition(":")
    if action == "*":
        return None
    if not colon or not name:
        return "INVALID_ACTION"
    if service not in known_services():
        return "INVALID_SERVICE_IN_ACTION"
    known = known_actions(service)
    if name == "*":
        return None
    pattern = re.escape(action.lower()).replace(r"\*", ".*").replace(r"\?", ".")
    return None if any(re.fullmatch(pattern, one) for one in known) else "INVALID_ACTION"


def _resources(statement: dict[str, Any], path: Path) -> Iterator[PolicyFinding]:
    for name in ("Resource", "NotResource"):
        values = statement.get(name, [])
        for index, resource in enumerate(listed(values)):
            where = (*path, name, index) if isinstance(values, list) else (*path, name)
            if resource == "*" or not isinstance(resource, str):
                continue
            arn = _ARN.match(resource)
            if not resource.startswith("arn:"):
                text = f"{resource} does not begin with arn:."
                yield PolicyFinding("ERROR", "INVALID_ARN_PREFIX", text, where)
            elif arn is None:
                yield PolicyFinding(
                    "ERROR", "MISSING_ARN_FIELD", f"{resource} lacks a field.", where
                )
            elif not re.fullmatch(r"aws(-[a-z]+)*|\*", arn["partition"]):
                text = f"There is no partition {arn['partition']}."
                yield PolicyFinding("ERROR", "INVALID_ARN_PARTITION", text, where)
            elif arn["account"] and not re.fullmatch(r"[\d*?]+|aws|\$\{.*\}", arn["account"]):
                text = f"{arn['account']} is not an account id."
                yield PolicyFinding("ERROR", "INVALID_ARN_ACCOUNT", text, where)


def _principals(statement: dict[str, Any], path: Path, trust: bool) -> Iterator[PolicyFinding]:
    if "NotPrincipal" in statement and statement.get("Effect") == "Allow":
        yield PolicyFinding(
            "SECURITY_WARNING",
            "ALLOW_WITH_NOT_PRINCIPAL",
            "Allow with NotPrincipal lets everybody else in, anonymous callers too.",
            (*path, "NotPrincipal"),
        )
    given = statement.get("Principal")
    values = [given] if isinstance(given, str) else []
    if isinstance(given, dict):
        values = [value for entry in given.values() for value in listed(entry)]
    for value in values:
        if value != "*" and "*" in str(value):
            code = "INVALID_PRINCIPAL_FORMAT"
            if trust:
                code = "ROLE_TRUST_POLICY_UNSUPPORTED_WILDCARD_IN_PRINCIPAL"
            text = f"{value} has a wildcard inside; a principal is named whole."
            yield PolicyFinding("ERROR", code, text, (*path, "Principal"))
        if value == "*" and trust and statement.get("Effect") == "Allow":
            yield PolicyFinding(
                "SECURITY_WARNING",
                "OVERLY_PERMISSIVE_TRUST_POLICY",
                "Any principal of any account may assume the role; name the ones that should.",
                (*path, "Principal"),
            )


def _conditions(statement: dict[str, Any], path: Path) -> Iterator[PolicyFinding]:
    condition = statement.get("Condition", {})
    if not isinstance(condition, dict):
        yield PolicyFinding(
            "ERROR", "DATA_TYPE_MISMATCH", "Condition is an object.", (*path, "Condition")
        )
        return
    for operator in condition:
        bare = operator.removeprefix("ForAnyValue:").removeprefix("ForAllValues:")
        if bare.removesuffix("IfExists") not in OPERATORS:
            yield PolicyFinding(
                "ERROR",
                "INVALID_CONDITION_OPERATOR",
                f"There is no operator {operator}.",
                (*path, "Condition", operator),
            )


def _span(where: dict[Path, tuple[int, int]], path: Path) -> tuple[int, int]:
    while path and path not in where:
        path = path[:-1]
    return where.get(path, (0, 0))


def _shaped(found: PolicyFinding, text: str, span: tuple[int, int]) -> dict[str, Any]:
    start, end = (position(text, offset) for offset in span)
    steps = [{"index": s} if isinstance(s, int) else {"value": s} for s in found.path]
    return {
        "findingDetails": found.details,
        "findingType": found.kind,
        "issueCode": found.code,
        "learnMoreLink": LEARN_MORE,
        "locations": [
            {
                "path": steps,
                "span": {"start": vars(start), "end": vars(end)},
            }
        ],
    }
