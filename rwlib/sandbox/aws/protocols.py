"""Operations and parameters out of AWS's protocols: query, JSON and REST-JSON."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

from rwlib.sandbox.answer import AwsError
from rwlib.sandbox.aws.request import AwsRequest, form_of

TARGETS = {
    "TrentService": "kms",
    "AWSGlue": "glue",
    "RedshiftServerless": "redshift-serverless",
}
REST = {
    ("POST", "/policy/validation"): "ValidatePolicy",
    ("POST", "/policy/check-no-public-access"): "CheckNoPublicAccess",
    ("POST", "/policy/check-access-not-granted"): "CheckAccessNotGranted",
}


@cache
def service_model(service: str) -> Any:
    """Give botocore's model of a service."""
    import botocore.session

    return botocore.session.get_session().get_service_model(service)


def read_operation(request: AwsRequest) -> None:
    """Set the operation's name and its parameters on the request.

    Raises
    ------
    AwsError
        There is no such operation, or the body cannot be read.
    """
    if request.service in ("iam", "sts", "redshift"):
        _query(request)
    elif request.service in ("kms", "glue", "redshift-serverless"):
        _json(request)
    elif request.service == "accessanalyzer":
        _rest(request)


def _query(request: AwsRequest) -> None:
    pairs = form_of(request)
    flat = dict(pairs)
    action = flat.pop("Action", "")
    if not action:
        raise AwsError("MissingAction", "Missing Action", 400)
    operations = service_model(request.service).operation_names
    if action not in operations:
        version = flat.get("Version", "")
        raise AwsError(
            "InvalidAction", f"Could not find operation {action} for version {version}", 400
        )
    request.action = action
    request.parameters = nested(flat)


def nested(flat: dict[str, str]) -> dict[str, Any]:
    """Turn ``Tags.member.1.Key`` and the like into lists and dictionaries."""
    tree: dict[str, Any] = {}
    for name, value in flat.items():
        if name in ("Version",) or name.startswith("X-Amz-"):
            continue
        parts = name.split(".")
        if len(parts) > 12:
            raise AwsError("MalformedQueryString", "The query string contains a syntax error", 404)
        node = tree
        for part in parts[:-1]:
            below = node.setdefault(part, {})
            if not isinstance(below, dict):
                below = node[part] = {}
            node = below
        node[parts[-1]] = value
    return {key: _lists(value) for key, value in tree.items()}


def _lists(node: Any) -> Any:
    if not isinstance(node, dict):
        return node
    for wrapper in ("member", "entry"):
        inner = node.get(wrapper)
        if len(node) == 1 and isinstance(inner, dict) and all(key.isdigit() for key in inner):
            return [_lists(inner[key]) for key in sorted(inner, key=int)]
    return {key: _lists(value) for key, value in node.items()}


def _json(request: AwsRequest) -> None:
    prefix, _, action = request.headers.get("x-amz-target", "").rpartition(".")
    known = service_model(request.service).operation_names
    if TARGETS.get(prefix.partition("_")[0]) != request.service or action not in known:
        raise AwsError("UnknownOperationException", "", 400)
    request.action = action
    request.parameters = _object(request.body)


def _rest(request: AwsRequest) -> None:
    action = REST.get((request.method, request.raw_path.rstrip("/")))
    if action is None:
        raise AwsError(
            "UnknownOperationException",
            f"The sandbox's Access Analyzer has no {request.method} {request.path}.",
            404,
        )
    request.action = action
    request.parameters = _object(request.body)


def _object(body: bytes) -> dict[str, Any]:
    try:
        content = json.loads(body) if body else {}
    except (ValueError, RecursionError):
        raise AwsError("SerializationException", "The body is not valid JSON.", 400) from None
    if not isinstance(content, dict):
        raise AwsError("SerializationException", "Start of structure or map expected.", 400)
    return content
