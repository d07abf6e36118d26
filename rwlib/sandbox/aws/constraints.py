"""Parameters against the constraints that AWS publishes: lengths, ranges, patterns, enums.

The constraints are those of botocore's service models; the wording is AWS's.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from rwlib.sandbox.answer import AwsError
from rwlib.sandbox.aws.protocols import service_model
from rwlib.sandbox.aws.request import AwsRequest

NAME_TEXT = (
    "The specified value for {name} is invalid. It must contain only alphanumeric characters "
    "and/or the following: +=,.@_-"
)
PATH_TEXT = (
    "The specified value for path is invalid. It must begin and end with / and contain only "
    "alphanumeric characters and/or / characters."
)
NAME_PATTERN = r"[\w+=,.@-]+"
PATH_PATTERNS = ("pathType", "policyPathType", "pathPrefixType")

CODES = {
    "iam": "ValidationError",
    "sts": "ValidationError",
    "redshift": "ValidationError",
    "kms": "ValidationException",
    "glue": "InvalidInputException",
    "redshift-serverless": "ValidationException",
    "accessanalyzer": "ValidationException",
}


def check_parameters(request: AwsRequest) -> None:
    """Refuse parameters that the service's model does not allow.

    Raises
    ------
    AwsError
        ``ValidationError``, or what the service calls it.
    """
    model = service_model(request.service).operation_model(request.action)
    if model.input_shape is None:
        return
    for name, member in model.input_shape.members.items():
        # The query protocol writes an empty list as an empty text.
        if member.type_name == "list" and request.parameters.get(name) == "":
            request.parameters[name] = []
    for text in _own_words(request, model.input_shape):
        raise AwsError(CODES[request.service], text)
    found = list(_violations(model.input_shape, request.parameters, ""))
    if found:
        count = f"{len(found)} validation error{'s' if len(found) > 1 else ''} detected: "
        raise AwsError(CODES[request.service], count + "; ".join(found))


def _own_words(request: AwsRequest, shape: Any) -> Iterator[str]:
    """Yield what IAM says of a name or a path in words of its own."""
    if request.service != "iam":
        return
    for name, member in shape.members.items():
        value = request.parameters.get(name)
        if not isinstance(value, str):
            continue
        pattern = member.metadata.get("pattern")
        if member.name in PATH_PATTERNS:
            if len(value) <= 512 and not _matches(pattern, value):
                yield PATH_TEXT
        elif pattern == NAME_PATTERN and not _matches(pattern, value) and _length_ok(member, value):
            yield NAME_TEXT.format(name=_lower(name))


def _length_ok(shape: Any, value: str) -> bool:
    limits = shape.metadata
    return bool(limits.get("min", 0) <= len(value) <= limits.get("max", len(value)))


def _violations(shape: Any, value: Any, where: str) -> Iterator[str]:
    if shape.type_name == "structure" and isinstance(value, dict):
        for name in shape.required_members:
            if name not in value:
                yield (
                    f"Value null at '{_join(where, name)}' failed to satisfy constraint: "
                    "Member must not be null"
                )
        for name, inner in value.items():
            if name in shape.members:
                yield from _violations(shape.members[name], inner, _join(where, name))
    elif shape.type_name == "list" and isinstance(value, list):
        yield from _list_violations(shape, value, where)
    elif shape.type_name in ("integer", "long") and isinstance(value, (str, int)):
        yield from _number_violations(shape, value, where)
    elif shape.type_name == "string" and isinstance(value, str):
        yield from _string_violations(shape, value, where)
    elif shape.type_name in ("string", "structure", "list"):
        yield f"Value at '{where}' failed to satisfy constraint: Member must be a {shape.type_name}"


def _list_violations(shape: Any, value: list[Any], where: str) -> Iterator[str]:
    for word, bad in (
        ("less", len(value) > shape.metadata.get("max", len(value))),
        ("greater", len(value) < shape.metadata.get("min", 0)),
    ):
        if bad:
            limit = shape.metadata["max" if word == "less" else "min"]
            yield (
                f"Value '[{len(value)} members]' at '{where}' failed to satisfy constraint: "
                f"Member must have length {word} than or equal to {limit}"
            )
    for index, inner in enumerate(value, 1):
        yield from _violations(shape.member, inner, f"{where}.{index}.member")


def _number_violations(shape: Any, value: str | int, where: str) -> Iterator[str]:
    try:
        number = int(value)
    except ValueError:
        yield f"Value '{value}' at '{where}' failed to satisfy constraint: Member must be a number"
        return
    limits = shape.metadata
    start = f"Value '{number}' at '{where}' failed to satisfy constraint: Member must have value "
    if number > limits.get("max", number):
        yield f"{start}less than or equal to {limits['max']}"
    if number < limits.get("min", number):
        yield f"{start}greater than or equal to {limits['min']}"


def _string_violations(shape: Any, value: str, where: str) -> Iterator[str]:
    limits = shape.metadata
    start = f"Value '{value[:300]}' at '{where}' failed to satisfy constraint: Member must "
    if len(value) > limits.get("max", len(value)):
        yield f"{start}have length less than or equal to {limits['max']}"
    if len(value) < limits.get("min", 0):
        yield f"{start}have length greater than or equal to {limits['min']}"
    if limits.get("enum") and value not in limits["enum"]:
        yield f"{start}satisfy enum value set: [{', '.join(limits['enum'])}]"
    if limits.get("pattern") and not _matches(limits["pattern"], value):
        yield f"{start}satisfy regular expression pattern: {limits['pattern']}"


@lru_cache(maxsize=512)
def _compiled(pattern: str) -> re.Pattern[str]:
    python = pattern.replace(r"\p{L}\p{Z}\p{N}", r"\w\s").replace(r"\p{L}", r"^\W\d_")
    try:
        return re.compile(python, re.ASCII if r"\w\s" not in python else 0)
    except re.error:
        return re.compile(r"[\s\S]*")


def _matches(pattern: str | None, value: str) -> bool:
    return pattern is None or _compiled(pattern).fullmatch(value) is not None


def _join(where: str, name: str) -> str:
    return f"{where}.{_lower(name)}" if where else _lower(name)


def _lower(name: str) -> str:
    return name[:1].lower() + name[1:]
