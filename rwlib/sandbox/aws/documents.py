"""Policy documents as IAM, S3 and KMS check them when they are saved.

Source: IAM User Guide, "Grammar of the IAM JSON policy language"; the wording is that of the
services' answers.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any, Literal

from rwlib.errors import InputError
from rwlib.evaluate import ELEMENTS, TOP, Policies, Request, evaluate

Kind = Literal["managed", "inline", "trust", "bucket", "key", "session"]

OPERATORS = frozenset(
    {
        *("StringEquals", "StringNotEquals", "StringLike", "StringNotLike"),
        *("StringEqualsIgnoreCase", "StringNotEqualsIgnoreCase"),
        *("NumericEquals", "NumericNotEquals", "NumericLessThan", "NumericLessThanEquals"),
        *("NumericGreaterThan", "NumericGreaterThanEquals"),
        *("DateEquals", "DateNotEquals", "DateLessThan", "DateLessThanEquals"),
        *("DateGreaterThan", "DateGreaterThanEquals", "Bool", "BinaryEquals"),
        *("IpAddress", "NotIpAddress", "ArnEquals", "ArnLike", "ArnNotEquals", "ArnNotLike"),
        "Null",
    }
)
TRUST_ACTIONS = frozenset(
    {
        *("sts:assumerole", "sts:assumerolewithsaml", "sts:assumerolewithwebidentity"),
        *("sts:tagsession", "sts:setsourceidentity", "sts:setcontext", "sts:*"),
    }
)
NO_PRINCIPALS = (
    "Invalid principal in policy: com.amazon.balsa.error.InvalidPolicyException: "
    "The passed in policy has a statement with no principals!"
)
_ARN = re.compile(r"arn:[^:]+:[^:]+:[^:]*:[^:]*:.+", re.DOTALL)
_SID = re.compile(r"[0-9A-Za-z]*")


@dataclass
class DocumentError(Exception):
    """A document that may not be saved, in AWS's words."""

    message: str


@dataclass(frozen=True)
class _Words:
    """How one service puts the common complaints."""

    json: str
    syntax: str
    no_effect: str
    no_action: str
    no_resource: str


_IDENTITY = _Words(
    "Syntax errors in policy.",
    "Syntax errors in policy.",
    "Syntax errors in policy.",
    "Policy statement must contain actions.",
    "Policy statement must contain resources.",
)
_TRUST = _Words(
    "This policy contains invalid Json",
    "Syntax error in policy.",
    "Missing required field Effect",
    "Missing required field Action",
    "",
)
_BUCKET = _Words(
    "Policies must be valid JSON and the first byte must be '{'",
    "Invalid policy syntax.",
    "Missing required field Effect",
    "Missing required field Action",
    "Missing required field Resource",
)
WORDS: dict[str, _Words] = {
    "managed": _IDENTITY,
    "inline": _IDENTITY,
    "session": _IDENTITY,
    "trust": _TRUST,
    "bucket": _BUCKET,
    "key": _BUCKET,
}


def check_document(text: str, kind: Kind) -> dict[str, Any]:
    """Read a policy document, refusing what AWS refuses to save.

    Principals are not looked up here; see `rwlib.sandbox.aws.saved_principals`.

    Raises
    ------
    DocumentError
        The document is malformed.
    """
    words = WORDS[kind]
    try:
        document = json.loads(text, object_pairs_hook=_no_duplicates)
    except (ValueError, RecursionError):
        raise DocumentError(words.json) from None
    if not isinstance(document, dict):
        raise DocumentError(words.json)
    for name in document:
        if name not in TOP:
            raise DocumentError(_unknown(name, words))
    _check_version(document, kind, words)
    for statement in statements_of(document, words):
        _check_statement(statement, kind, words)
    _check_sids(document, kind)
    _check_by_evaluating(text, kind, words)
    return document


def statements_of(document: dict[str, Any], words: _Words = _IDENTITY) -> list[dict[str, Any]]:
    """Give a document's statements as a list."""
    found = document.get("Statement")
    statements = [found] if isinstance(found, dict) else found
    if not isinstance(statements, list) or not statements:
        raise DocumentError(words.syntax)
    if not all(isinstance(statement, dict) for statement in statements):
        raise DocumentError(words.syntax)
    return statements


def size_of(text: str) -> int:
    """Count a document's characters the way the quotas do, without white space."""
    return len(re.sub(r"\s", "", text))


def listed(value: Any) -> list[Any]:
    """Give a value that may stand alone or in a list as a list."""
    return value if isinstance(value, list) else [value]


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands twice")
    return found


def _unknown(name: str, words: _Words) -> str:
    return words.syntax if words is _IDENTITY else f"Unknown field {name}"


def _check_version(document: dict[str, Any], kind: Kind, words: _Words) -> None:
    version = document.get("Version")
    if version not in (None, "2008-10-17", "2012-10-17"):
        raise DocumentError(words.syntax)
    if kind == "managed" and version != "2012-10-17":
        raise DocumentError("Policy document must be version 2012-10-17 or greater.")
    if not isinstance(document.get("Id", ""), str):
        raise DocumentError(words.syntax)


def _check_statement(statement: dict[str, Any], kind: Kind, words: _Words) -> None:
    for name in statement:
        if name not in ELEMENTS:
            raise DocumentError(_unknown(name, words))
    _check_elements(statement, words)
    _check_principal(statement, kind)
    _check_presence(statement, kind, words)
    _check_actions(statement, kind)
    if words is _IDENTITY:
        _check_resources(statement)
    _check_condition(statement, words)
    sid = statement.get("Sid", "")
    if not isinstance(sid, str):
        raise DocumentError(words.syntax)
    if words is _IDENTITY and not _SID.fullmatch(sid):
        raise DocumentError(
            "Statement IDs (SID) must be alpha-numeric. Check that your input satisfies the "
            "regular expression [0-9A-Za-z]*"
        )


def _check_elements(statement: dict[str, Any], words: _Words) -> None:
    if "Effect" not in statement:
        raise DocumentError(words.no_effect)
    if statement["Effect"] not in ("Allow", "Deny"):
        bad = f"Invalid effect: {statement['Effect']}"
        raise DocumentError(words.syntax if words is _IDENTITY else bad)
    for name in ("Action", "NotAction", "Resource", "NotResource"):
        if name in statement and not _strings(statement[name]):
            raise DocumentError(words.syntax)
    for pair in (("Action", "NotAction"), ("Resource", "NotResource")):
        if all(name in statement for name in pair):
            raise DocumentError(words.syntax)


def _check_presence(statement: dict[str, Any], kind: Kind, words: _Words) -> None:
    if kind == "trust":
        for name in ("Resource", "NotResource"):
            if name in statement:
                raise DocumentError(f"Has prohibited field {name}")
    if not (statement.get("Action") or statement.get("NotAction")):
        raise DocumentError(words.no_action)
    if kind != "trust" and not (statement.get("Resource") or statement.get("NotResource")):
        raise DocumentError(words.no_resource)


def _strings(value: Any) -> bool:
    return isinstance(value, str) or (
        isinstance(value, list) and all(isinstance(entry, str) for entry in value)
    )


def _check_principal(statement: dict[str, Any], kind: Kind) -> None:
    elements = [name for name in ("Principal", "NotPrincipal") if name in statement]
    if kind in ("managed", "inline", "session"):
        if elements:
            raise DocumentError("Policy document should not specify a principal.")
        return
    if not elements or not statement[elements[0]]:
        raise DocumentError(
            NO_PRINCIPALS if kind == "trust" else "Missing required field Principal"
        )
    if len(elements) == 2:
        raise DocumentError("Statement cannot have both Principal and NotPrincipal")
    if kind == "trust" and elements == ["NotPrincipal"] and statement["Effect"] == "Allow":
        raise DocumentError("Allow with NotPrincipal is not allowed.")


def _check_actions(statement: dict[str, Any], kind: Kind) -> None:
    for action in listed(statement.get("Action", statement.get("NotAction", []))):
        vendor, colon, _ = action.partition(":")
        if kind == "trust":
            if action.lower() not in TRUST_ACTIONS:
                raise DocumentError("AssumeRole policy may only specify STS AssumeRole actions.")
            continue
        if kind == "bucket" and action != "*" and vendor.lower() != "s3":
            raise DocumentError("Policy has invalid action")
        if action != "*" and not colon:
            raise DocumentError(
                "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc."
            )
        if action.count(":") > 1:
            raise DocumentError("Actions/Condition can contain only one colon.")
        if action != "*" and re.search(r"[^a-zA-Z0-9\-.]", vendor):
            raise DocumentError(f"Vendor {vendor} is not valid")


def _check_resources(statement: dict[str, Any]) -> None:
    for resource in listed(statement.get("Resource", statement.get("NotResource", []))):
        if resource == "*":
            continue
        if ":" not in resource:
            raise DocumentError(f'Resource {resource} must be in ARN format or "*".')
        if not _ARN.fullmatch(resource):
            raise DocumentError("The policy failed legacy parsing")
        partition, service, region = resource.split(":")[1:4]
        if partition != "*" and not re.fullmatch(r"aws(-[a-z]+)*", partition):
            raise DocumentError(f'Partition "{partition}" is not valid for resource "{resource}".')
        if service == "s3" and region not in ("", "*") and ":accesspoint/" not in resource:
            raise DocumentError(f"Resource {resource} can not contain region information.")


def _check_condition(statement: dict[str, Any], words: _Words) -> None:
    condition = statement.get("Condition", {})
    if not isinstance(condition, dict):
        raise DocumentError(words.syntax)
    for operator, tests in condition.items():
        bare = operator.removeprefix("ForAnyValue:").removeprefix("ForAllValues:")
        if bare.removesuffix("IfExists") not in OPERATORS:
            raise DocumentError(
                words.syntax if words is _IDENTITY else f"Invalid Condition type : {operator}."
            )
        if not isinstance(tests, dict) or not all(_values(value) for value in tests.values()):
            raise DocumentError(words.syntax)


def _values(value: Any) -> bool:
    return all(isinstance(entry, (str, bool, int, float)) for entry in listed(value))


def _check_sids(document: dict[str, Any], kind: Kind) -> None:
    sids = [s["Sid"] for s in statements_of(document) if s.get("Sid")]
    if len(set(sids)) != len(sids):
        raise DocumentError("Statement IDs (SID) in a single policy must be unique.")


def _check_by_evaluating(text: str, kind: Kind, words: _Words) -> None:
    """Refuse what the evaluator could not read later; it follows the same grammar."""
    request = Request("arn:aws:iam::111122223333:user/nobody", "s3:GetObject")
    resource = kind in ("trust", "bucket", "key")
    try:
        if kind == "trust":
            request = Request(
                request.principal, "sts:AssumeRole", "arn:aws:iam::111122223333:role/none"
            )
        evaluate(request, Policies(resource=text) if resource else Policies(identity=[text]))
    except InputError:
        raise DocumentError(words.syntax) from None
