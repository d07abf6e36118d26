"""What the rules have in common: text, lists and mappings in one line, and near names."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, get_args, get_origin

from rwlib.errors import InputError

CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


def unknown_name(field: str, given: str, known: list[str]) -> InputError:
    """Build the error for a name that is not known, with the nearest known ones."""
    near = difflib.get_close_matches(given.lower(), known, n=2, cutoff=0.5)
    hint = f"did you mean {' or '.join(near)}?" if near else f"use one of {', '.join(known)}"
    return InputError(field, given, f"is not known; {hint}", reason="unknown_name")


def wrong_type(wanted: Any, message: str) -> str:
    """Say in plain words what kind of value a field wants."""
    base = get_origin(wanted) or wanted
    if base is str:
        return "is not text; put it in quotes"
    if base is bool:
        return "is neither true nor false"
    if base is int:
        return "is not a whole number"
    if base is dict:
        return "is not a mapping of text to text; write 'key: value' pairs"
    if base is list:
        return "is not a list"
    if args := get_args(wanted):
        return f"is not known; use one of {', '.join(map(str, args))}"
    return message


def split_text(field: str, text: str) -> Any:
    """Read a list or a mapping from one line of text: JSON, or comma-separated."""
    text = text.strip()
    if text[:1] in "[{" and text:
        try:
            return json.loads(text)
        except (ValueError, RecursionError):
            raise InputError(field, text, "is not valid JSON") from None
    parts = [part.strip() for part in text.split(",") if part.strip()]
    if field in ("connectors", "accept_findings"):
        return parts
    pairs = {}
    for part in parts:
        key, equals, value = part.partition("=")
        if not equals or not key.strip():
            raise InputError(field, part, "is not a pair; write key=value")
        pairs[key.strip()] = value.strip()
    return pairs


def split_bucket_url(values: dict[str, Any]) -> None:
    """Accept ``s3://bucket/prefix`` as the bucket when no other prefix is given."""
    bucket = values.get("bucket")
    if not isinstance(bucket, str) or not bucket.strip().startswith("s3://"):
        return
    bucket = bucket.strip()
    name, _, prefix = bucket.removeprefix("s3://").partition("/")
    prefix = prefix.removesuffix("/")
    given = values.get("prefix") or prefix
    if prefix and given != prefix:
        raise InputError(
            "bucket", bucket, f"names another prefix than prefix={given!r}; write bucket: {name}"
        )
    values["bucket"], values["prefix"] = name, given


def input_notes(values: Mapping[str, Any]) -> tuple[str, ...]:
    """Say what is read otherwise than it may have been meant, one sentence for each.

    Parameters
    ----------
    values
        A target's fields as they were given, before `Target` read them.
    """
    notes = []
    split = dict(values)
    with suppress(InputError):
        split_bucket_url(split)
    if split.get("bucket") != values.get("bucket"):
        prefix = split["prefix"]
        part = f"prefix {prefix!r}" if prefix else "no prefix, which means all of it"
        given = str(values["bucket"]).strip()
        notes.append(f"{given!r} is read as bucket {split['bucket']!r} and {part}")
    prefix = split.get("prefix")
    marks = sorted({*"*?"} & set(prefix)) if isinstance(prefix, str) else []
    if marks:
        which = " and ".join(marks)
        notes.append(
            f"prefix {prefix!r} is taken literally: {which} stands for itself in a key, "
            "not for other names"
        )
    return tuple(notes)


def text_of(field: str, value: Any) -> str:
    """Return the value when it is text that can be written down."""
    if not isinstance(value, str):
        raise InputError(field, value, wrong_type(str, ""), reason="wrong_type")
    if not is_unicode(value):
        raise InputError(field, value, "is not valid Unicode text")
    return value


def is_unicode(text: str) -> bool:
    """False for text with bytes that were no UTF-8, which no report could hold."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
