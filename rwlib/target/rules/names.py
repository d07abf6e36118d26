"""Rules for the rest: connectors, keys, catalogs, names, SQL options."""

from __future__ import annotations

import math
import re
from typing import Any

from rwlib.connectors import connector_names
from rwlib.errors import InputError
from rwlib.target.rules.text import CONTROL, is_unicode, text_of, unknown_name, wrong_type

CONNECTORS = connector_names()
"""What a target can name; what is asked later reads the files again."""


def name(field: str, value: Any) -> str:
    """Accept a name that can be a folder and a tag."""
    text = text_of(field, value).strip()
    # It is kept as a tag of the role too, and IAM's tag values hold no comma.
    if text and not re.fullmatch(r"[\w.@+=-]{1,128}", text, re.ASCII):
        raise InputError(
            field, text, "is not a valid name; use 1 to 128 of letters, digits and _ . - @ + ="
        )
    if text in {".", ".."}:
        raise InputError(field, text, "is not a valid name; it would lead out of the runs folder")
    return text


def connectors(field: str, value: Any) -> list[str]:
    """Accept connectors by name, each once."""
    if not isinstance(value, list):
        raise InputError(field, value, wrong_type(list, ""), reason="wrong_type")
    if not value:
        raise InputError(
            field,
            value,
            "is empty",
            reason="empty",
            todo=f"give one or more of {', '.join(connector_names())}",
        )
    seen: list[str] = []
    for item in value:
        known = item.strip() if isinstance(item, str) else item
        if known not in connector_names():
            raise unknown_name(field, str(item), list(connector_names()))
        if known not in seen:
            seen.append(known)
    return seen


def kms_key_arn(field: str, value: Any) -> str:
    """Accept the ARN of a KMS key, not of an alias."""
    text = text_of(field, value).strip()
    if ":alias/" in text or text.startswith("alias/"):
        raise InputError(
            field, text, "is an alias; IAM policies need the key itself: arn:aws:kms:…:key/<id>"
        )
    if text and not re.fullmatch(r"arn:aws:kms:[a-z0-9-]+:\d{12}:key/[\w-]+", text, re.ASCII):
        raise InputError(
            field, text, "is not a key ARN; write arn:aws:kms:<region>:<account>:key/<id>"
        )
    return text


def glue_name(field: str, value: Any) -> str:
    """Accept a name without the marks that IAM reads as a pattern."""
    text = text_of(field, value).strip()
    if len(text) > 255 or CONTROL.search(text) or re.search(r"[*?/$]", text):
        raise InputError(
            field, text, "is not a valid Glue name; use 1 to 255 letters, digits, _ and -"
        )
    return text


def cluster_id(field: str, value: Any) -> str:
    """Accept a cluster's UUID."""
    text = text_of(field, value).strip()
    if text and not re.fullmatch(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", text):
        raise InputError(
            field, text, "is not a cluster id; copy the UUID from the cluster's page in the console"
        )
    return text.lower()


def one_line(field: str, value: Any) -> str:
    """Accept one line of text."""
    text = text_of(field, value).strip()
    if CONTROL.search(text) or len(text) > 256:
        raise InputError(field, text, "is not a single line of at most 256 characters")
    return text


def sql_options(field: str, value: Any) -> dict[str, Any]:
    """Accept option names with values that a report can hold."""
    if not isinstance(value, dict) or any(not isinstance(key, str) for key in value):
        raise InputError(
            field, value, "is not a mapping of option names to values", reason="wrong_type"
        )
    for key, option in value.items():
        if not is_unicode(key) or (problem := _option_problem(option, 4)):
            raise InputError(field, key, problem if is_unicode(key) else "is not valid Unicode")
    return dict(value)


def accept_findings(field: str, value: Any) -> list[str]:
    """Accept ids of findings as the verdict shows them, each once."""
    if not isinstance(value, list):
        raise InputError(field, value, wrong_type(list, ""), reason="wrong_type")
    seen: list[str] = []
    for item in value:
        text = text_of(field, item).strip()
        if not re.fullmatch(r"(outside|unused|undecided)-[0-9a-f]{8}", text):
            raise InputError(
                field, item, "is not the id of a finding; copy one from the verdict, such as "
                "outside-0123abcd"
            )  # fmt: skip
        if text not in seen:
            seen.append(text)
    return seen


def _option_problem(value: Any, levels: int) -> str:
    """Say why a value cannot stand in a report and a statement, empty when it can."""
    if isinstance(value, str):
        return "" if is_unicode(value) else "has a value that is not valid Unicode text"
    if isinstance(value, float) and not math.isfinite(value):
        return f"has the value {value}, which is not a number"
    if value is None or isinstance(value, bool | int | float):
        return ""
    if levels == 0:
        return "is nested too deeply"
    if isinstance(value, list | tuple):
        parts = list(value)
    elif isinstance(value, dict) and all(isinstance(key, str) for key in value):
        parts = [*value, *value.values()]
    else:
        return f"has a {type(value).__name__} as its value; put it in quotes"
    return next((found for part in parts if (found := _option_problem(part, levels - 1))), "")
