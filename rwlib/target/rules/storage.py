"""Rules for where the files are: bucket, prefix, region."""

from __future__ import annotations

import re
from typing import Any

from rwlib.errors import InputError
from rwlib.target.rules.text import CONTROL, text_of


def bucket(field: str, value: Any) -> str:
    """Accept a general purpose bucket's name (S3 user guide, bucket naming rules)."""
    text = text_of(field, value).strip()
    if not text:
        raise InputError(field, text, "is empty", reason="empty", todo="give the bucket's name")
    if re.match(r"arn:[a-z-]+:s3[a-z-]*:[^:]*:[^:]*:(?:accesspoint|bucket)", text):
        kind = "an access point" if ":accesspoint" in text else "a table bucket"
        raise InputError(
            field, text, f"is the ARN of {kind}, which these connectors cannot use; give the name "
            "of a general purpose bucket",
        )  # fmt: skip
    if text.startswith("arn:"):
        raise InputError(
            field, text, f"is an ARN; give the bucket's name: {text.split(':')[-1].split('/')[0]}"
        )
    if "://" in text:
        host, _, path = text.split("://", 1)[1].partition("/")
        in_path = re.match(r"s3[.-].*amazonaws\.com$", host)
        named = path.split("/")[0] if in_path and path else host.split(".")[0]
        raise InputError(field, text, f"is a URL; give the bucket's name, such as {named}")
    if "/" in text:
        first, _, rest = text.partition("/")
        if not rest and not _bucket_problem(first):
            raise InputError(field, text, f"ends with a slash; write {first!r}")
        what = f"; write bucket: {first} and prefix: {rest}" if not _bucket_problem(first) else ""
        raise InputError(
            field, text, f"holds a slash{what or ', and the name of a bucket has none'}"
        )
    problem = _bucket_problem(text)
    if problem:
        raise InputError(field, text, f"is not a valid bucket name: {problem}")
    return text


def _bucket_problem(text: str) -> str:
    if not 3 <= len(text) <= 63:
        return f"it has {len(text)} characters, and S3 requires 3 to 63"
    if text != text.lower():
        return f"S3 allows no capital letters; did you mean {text.lower()!r}?"
    if not re.fullmatch(r"[a-z0-9.-]+", text):
        return "S3 allows only lower-case letters, digits, dots and hyphens"
    if not (text[0].isalnum() and text[-1].isalnum()):
        return "it must begin and end with a letter or a digit"
    if ".." in text:
        return "it may not hold two dots in a row"
    if re.fullmatch(r"\d+\.\d+\.\d+\.\d+", text):
        return "it has the form of an IP address"
    for start in ("xn--", "sthree-", "amzn-s3-demo-"):
        if text.startswith(start):
            return f"names that begin with {start} are reserved"
    for end in ("-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3"):
        if text.endswith(end):
            return f"names that end with {end} do not belong to general purpose buckets"
    return ""


def prefix(field: str, value: Any) -> str:
    """Accept a key prefix without leading slash; keys have at most 1,024 bytes (S3 user guide)."""
    text = text_of(field, value)
    if re.match(r"(?i)(?:s3[an]?|https?)://", text):
        raise InputError(field, text, "is a URL; give only what follows the bucket's name")
    if re.match(r"arn:[a-z-]+:s3:", text):
        key = text.partition("/")[2].rstrip("*").rstrip("/")
        what = f"give only what follows the bucket's name: {key}" if key else "leave it empty"
        raise InputError(field, text, f"is an ARN; {what}")
    if text.startswith("/"):
        raise InputError(
            field, text, f"begins with a slash, which S3 keys do not; write {text.lstrip('/')!r}"
        )
    if CONTROL.search(text):
        raise InputError(field, text, "holds a control character; remove it")
    size = len(text.encode())
    if size > 1024:
        raise InputError(field, text, f"has {size:,} bytes; an S3 key has at most 1,024")
    segments = text.split("/")
    if ".." in segments or "." in segments:
        raise InputError(field, text, "holds a '.' or '..' segment; S3 has no such folders")
    if text and "" in segments:
        raise InputError(field, text, "holds an empty segment (two slashes); remove one")
    if text != text.strip():
        raise InputError(field, text, f"begins or ends with a space; write {text.strip()!r}")
    if segments[-1] and not segments[-1].strip("*"):
        # In a key * is a letter like any other (S3 user guide, object key names), so a role for
        # this prefix would reach nothing that is there.
        rest = "/".join(segments[:-1])
        what = (
            f"write {rest!r}, which means everything in it"
            if rest
            else ("leave the prefix empty, which means the whole bucket")
        )
        raise InputError(field, text, f"ends with a pattern, and a prefix is not a pattern; {what}")
    return text


def region(field: str, value: Any) -> str:
    """Accept a region of the commercial partition."""
    text = text_of(field, value).strip()
    if text and not re.fullmatch(r"[a-z]{2,3}(-[a-z]+)+-\d{1,2}", text):
        raise InputError(field, text, "is not a region; write it like eu-central-1")
    if text.startswith(("cn-", "us-gov-", "us-iso", "eu-isoe-", "eusc-")):
        raise InputError(
            field, text, "is in a different partition from RisingWave Cloud; roles cannot reach it"
        )
    return text
