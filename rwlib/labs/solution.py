"""A lab's solution as the Python that a person would write."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from rwlib.labs.model import CLUSTER_ID, Call
from rwlib.labs.setup_calls import LabSetup
from rwlib.labs.terraform import configuration

_DOCUMENTS = ("PolicyDocument", "AssumeRolePolicyDocument", "Policy")


def solution_code(setup: LabSetup, calls: Iterable[Call]) -> str:
    """Return calls as Python text; running it in the lab's notebook makes the same calls."""
    parts = [_code(setup, call) for call in calls]
    head = []
    if any("boto3" in part for part in parts):
        head.append("import boto3")
    if any("json.dumps" in part for part in parts):
        head.insert(0, "import json")
    return "\n\n".join(["\n".join(head), *parts] if head else parts)


def _code(setup: LabSetup, call: Call) -> str:
    if "aws" in call:
        if call["aws"] == "iam.create_policy_version":
            filled = setup.fill(call["with"])
            document = _python(filled["PolicyDocument"])
            return f'lab.put_policy({document}, "{filled["PolicyArn"]}")'
        service, operation = call["aws"].split(".")
        filled = setup.fill(call.get("with", {}))
        given = ", ".join(f"{name}={_value(name, value)}" for name, value in filled.items())
        return f'boto3.client("{service}").{operation}({given})'
    if "sql" in call:
        return f'lab.sql("""\n{setup.fill(call["sql"]).strip()}\n""")'
    if "allow" in call:
        arn = setup.fill(call["allow"])
        return f'lab.cloud.add_allowed_role("{CLUSTER_ID}", "{arn}")'
    if "disallow" in call:
        arn = setup.fill(call["disallow"])
        return f'lab.cloud.remove_allowed_role("{CLUSTER_ID}", "{arn}")'
    if "terraform" in call:
        return "lab.terraform_apply()"
    return "lab.wait_until_steady()  # nothing to repair: wait, with back-off"


def _value(name: str, value: Any) -> str:
    if name == "Body" and isinstance(value, Mapping):
        return f"json.dumps({_python(json.loads(configuration(value)))}, indent=2)"
    if name in _DOCUMENTS and not isinstance(value, str):
        return f"json.dumps({_python(value)})"
    return _python(value)


def _python(value: Any) -> str:
    text = json.dumps(value, indent=2)
    return (
        text.replace(": true", ": True").replace(": false", ": False")
        if text[0] in "{["
        else (repr(value))
    )
