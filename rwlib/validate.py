"""Rules for single inputs: what AWS and RisingWave Cloud accept, and what to write instead."""

from __future__ import annotations

import difflib
import json
import math
import re
from collections.abc import Callable
from typing import Any, get_args, get_origin

from rwlib.errors import InputError

CONNECTORS = (
    "redshift",
    "snowflake_v2",
    "snowflake",
    "s3_sink",
    "s3_source",
    "iceberg_sink",
    "iceberg_source",
)

_ROLE_ARN = re.compile(r"arn:aws:iam::\d{12}:role/[\x21-\x7e]*[\w=,.@-]+", re.ASCII)
_NAME = re.compile(r"[\w+=,.@-]+", re.ASCII)
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


def unknown_name(field: str, given: str, known: list[str]) -> InputError:
    """Build the error for a name that is not known, with the nearest known ones."""
    near = difflib.get_close_matches(given.lower(), known, n=2, cutoff=0.5)
    hint = f"did you mean {' or '.join(near)}?" if near else f"use one of {', '.join(known)}"
    return InputError(field, given, f"is not known; {hint}")


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
    if field == "connectors":
        return parts
    pairs = {}
    for part in parts:
        key, equals, value = part.partition("=")
        if not equals or not key.strip():
            raise InputError(field, part, "is no pair; write key=value")
        pairs[key.strip()] = value.strip()
    return pairs


def split_bucket_url(values: dict[str, Any]) -> None:
    """Accept ``s3://bucket/prefix`` as the bucket when no other prefix is given."""
    bucket = values.get("bucket")
    if not isinstance(bucket, str) or not bucket.startswith("s3://"):
        return
    name, _, prefix = bucket.removeprefix("s3://").partition("/")
    prefix = prefix.removesuffix("/")
    given = values.get("prefix") or prefix
    if prefix and given != prefix:
        raise InputError(
            "bucket", bucket, f"names another prefix than prefix={given!r}; write bucket: {name}"
        )
    values["bucket"], values["prefix"] = name, given


def _text(field: str, value: Any) -> str:
    if not isinstance(value, str):
        raise InputError(field, value, wrong_type(str, ""))
    if not _is_unicode(value):
        raise InputError(field, value, "is not valid Unicode text")
    return value


def _is_unicode(text: str) -> bool:
    """False for text with bytes that were no UTF-8, which no report could hold."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def name(field: str, value: Any) -> str:
    text = _text(field, value)
    # It is kept as a tag of the role too, and IAM's tag values hold no comma.
    if text and not re.fullmatch(r"[\w.@+=-]{1,128}", text, re.ASCII):
        raise InputError(field, text, "is no name; use 1 to 128 of letters, digits and _ . - @ + =")
    if text in {".", ".."}:
        raise InputError(field, text, "is no name; it would leave the runs folder")
    return text


def role_arn(field: str, value: Any) -> str:
    """Accept the ARN of an IAM role of the commercial partition.

    RisingWave Cloud registers only ``arn:aws:iam::<12 digits>:role/<name>``; roles do not work
    across partitions (IAM user guide, cross-account access).
    """
    text = _text(field, value).strip()
    if not text:
        return text
    parts = text.split(":", 5)
    if parts[0] != "arn" or len(parts) < 6:
        raise InputError(
            field, text, "is no ARN; write arn:aws:iam::<12-digit account>:role/<name>"
        )
    _, partition, service, _, account, resource = parts
    if partition != "aws":
        raise InputError(
            field,
            text,
            f"is in partition {partition}; roles work only inside one partition, and RisingWave "
            "Cloud runs in aws: give a role whose ARN starts with arn:aws:iam::",
        )
    if service == "sts":
        session = resource.split("/")
        role = session[1] if len(session) > 1 else "<name>"
        raise InputError(
            field,
            text,
            f"is a session of a role; give the role itself: arn:aws:iam::{account}:role/{role}",
        )
    if service != "iam":
        raise InputError(field, text, f"is an ARN of {service}; give the ARN of an IAM role")
    if not re.fullmatch(r"\d{12}", account, re.ASCII):
        raise InputError(
            field, text, f"has account {account!r}; an AWS account id has exactly 12 digits"
        )
    if resource == "root":
        raise InputError(
            field,
            text,
            "is a whole account; trusting it would let in every identity of that account: "
            "give the ARN of one role",
        )
    if not resource.startswith("role/"):
        kind = resource.split("/")[0] or "resource"
        raise InputError(field, text, f"is a {kind}; give the ARN of a role (…:role/<name>)")
    if "*" in text or "?" in text:
        raise InputError(field, text, "holds a wildcard; give the ARN of exactly one role")
    if not _ROLE_ARN.fullmatch(text) or len(text) > 2048:
        raise InputError(
            field, text, "is no role ARN; write arn:aws:iam::<12-digit account>:role/<name>"
        )
    return text


def bucket(field: str, value: Any) -> str:
    """Accept a general purpose bucket's name (S3 user guide, bucket naming rules)."""
    text = _text(field, value).strip()
    if not text:
        raise InputError(field, text, "is empty; give the bucket's name")
    if text.startswith("arn:"):
        raise InputError(
            field, text, f"is an ARN; give the bucket's name: {text.split(':')[-1].split('/')[0]}"
        )
    if "://" in text:
        host = text.split("://", 1)[1].split("/")[0].split(".")[0]
        raise InputError(field, text, f"is a URL; give the bucket's name, such as {host}")
    if "/" in text:
        first, _, rest = text.partition("/")
        raise InputError(field, text, f"holds a slash; write bucket: {first} and prefix: {rest}")
    problem = _bucket_problem(text)
    if problem:
        raise InputError(field, text, f"is no bucket name: {problem}")
    return text


def _bucket_problem(text: str) -> str:
    if not 3 <= len(text) <= 63:
        return f"it has {len(text)} characters, S3 wants 3 to 63"
    if text != text.lower():
        return f"S3 allows no capital letters; is it {text.lower()!r}?"
    if not re.fullmatch(r"[a-z0-9.-]+", text):
        return "S3 allows only lower-case letters, digits, dots and hyphens"
    if not (text[0].isalnum() and text[-1].isalnum()):
        return "it must begin and end with a letter or a digit"
    if ".." in text:
        return "two dots may not follow each other"
    if re.fullmatch(r"\d+\.\d+\.\d+\.\d+", text):
        return "it has the form of an IP address"
    for start in ("xn--", "sthree-", "amzn-s3-demo-"):
        if text.startswith(start):
            return f"names that begin with {start} are reserved"
    for end in ("-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3"):
        if text.endswith(end):
            return f"names that end with {end} are no general purpose buckets"
    return ""


def prefix(field: str, value: Any) -> str:
    """Accept a key prefix without leading slash; keys have at most 1,024 bytes (S3 user guide)."""
    text = _text(field, value)
    if text.startswith("s3://"):
        raise InputError(field, text, "is a URL; give only what follows the bucket's name")
    if text.startswith("/"):
        raise InputError(
            field, text, f"begins with a slash, S3 keys do not; write {text.lstrip('/')!r}"
        )
    if _CONTROL.search(text):
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
        raise InputError(field, text, f"begins or ends with a blank; write {text.strip()!r}")
    return text


def region(field: str, value: Any) -> str:
    text = _text(field, value).strip()
    if text and not re.fullmatch(r"[a-z]{2,3}(-[a-z]+)+-\d{1,2}", text):
        raise InputError(field, text, "is no region; write it like eu-central-1")
    if text.startswith(("cn-", "us-gov-", "us-iso", "eu-isoe-", "eusc-")):
        raise InputError(
            field, text, "is in another partition than RisingWave Cloud; roles cannot reach it"
        )
    return text


def _iam_name(field: str, value: Any, longest: int) -> str:
    text = _text(field, value).strip()
    what = field.split("_")[0]
    if text.startswith("arn:"):
        short = text.split("/")[-1]
        raise InputError(field, text, f"is an ARN; give the {what}'s name: {short}")
    if len(text) > longest:
        raise InputError(
            field, text, f"has {len(text)} characters; an IAM {what} name has at most {longest}"
        )
    if text and not _NAME.fullmatch(text):
        better = re.sub(r"[^\w+=,.@-]+", "-", text, flags=re.ASCII).strip("-") or f"my-{what}"
        raise InputError(
            field,
            text,
            f"holds a character that IAM does not allow in a name (a-z A-Z 0-9 _ + = , . @ -); "
            f"write {better!r}",
        )
    return text


def role_name(field: str, value: Any) -> str:
    text = _iam_name(field, value, 64)
    if not text:
        raise InputError(field, text, "is empty; give the role's name")
    if "+" in text:
        # reqsign 0.16.5 does not percent-encode RoleArn, so STS reads the plus as a blank.
        raise InputError(
            field, text, "holds a plus, which reaches AWS as a blank when RisingWave assumes the "
            f"role; write {text.replace('+', '-')!r}"
        )  # fmt: skip
    return text


def policy_name(field: str, value: Any) -> str:
    return _iam_name(field, value, 128)


def role_path(field: str, value: Any) -> str:
    """Accept an IAM path: ``/`` or ``/…/``, at most 512 characters (IAM API reference)."""
    text = _text(field, value).strip() or "/"
    if len(text) > 512 or not re.fullmatch(r"/(?:[\x21-\x2e\x30-\x7e]+/)*", text):
        raise InputError(
            field, text, f"is no IAM path; begin and end with a slash: {'/' + text.strip('/')}/"
        )
    if "+" in text:
        raise InputError(field, text, "holds a plus, which reaches AWS as a blank; remove it")
    return text


def boundary_arn(field: str, value: Any) -> str:
    text = _text(field, value).strip()
    if text and not re.fullmatch(r"arn:aws:iam::(\d{12}|aws):policy/[\x21-\x7e]+", text):
        raise InputError(
            field, text, "is no policy ARN; write arn:aws:iam::<account>:policy/<name>"
        )
    return text


def session_duration(field: str, value: Any) -> int:
    """Accept 3,600 to 43,200 seconds (IAM API reference, CreateRole MaxSessionDuration)."""
    if isinstance(value, bool) or not isinstance(value, int):
        try:
            value = int(str(value))
        except ValueError:
            raise InputError(field, value, wrong_type(int, "")) from None
    if not 3600 <= value <= 43200:
        raise InputError(field, value, "is outside AWS's range; give 3600 to 43200 seconds")
    return int(value)


def tags(field: str, value: Any) -> dict[str, str]:
    """Accept at most 45 tags; five of AWS's 50 are left for this runbook and the account."""
    if not isinstance(value, dict):
        raise InputError(field, value, wrong_type(dict, ""))
    for key, text in value.items():
        if not isinstance(key, str) or not isinstance(text, str):
            raise InputError(field, {key: text}, "is no pair of texts; put both in quotes")
        if not 1 <= len(key) <= 128 or len(text) > 256:
            raise InputError(field, key, "is too long; a key has 1 to 128, a value 256 characters")
        if key.lower().startswith("aws:"):
            raise InputError(field, key, "begins with aws:, which AWS keeps for itself")
        if key.lower() in ("managed-by", "risingwave-iam-runbook:target"):
            raise InputError(
                field, key, "is the tag by which this runbook knows its own; give another key"
            )
        if not re.fullmatch(r"[\w .:/=+\-@]*", key + text):
            raise InputError(field, f"{key}={text}", "holds a character that IAM tags do not allow")
    same = {key.lower() for key in value}
    if len(same) < len(value):
        raise InputError(
            field, sorted(value), "hold one key twice; IAM does not tell capitals apart"
        )
    if len(value) > 45:
        raise InputError(field, f"{len(value)} tags", "are too many; give at most 45")
    return dict(value)


def connectors(field: str, value: Any) -> list[str]:
    if not isinstance(value, list):
        raise InputError(field, value, wrong_type(list, ""))
    if not value:
        raise InputError(field, value, f"is empty; give one or more of {', '.join(CONNECTORS)}")
    seen: list[str] = []
    for item in value:
        if item not in CONNECTORS:
            raise unknown_name(field, str(item), list(CONNECTORS))
        if item not in seen:
            seen.append(item)
    return seen


def kms_key_arn(field: str, value: Any) -> str:
    text = _text(field, value).strip()
    if ":alias/" in text or text.startswith("alias/"):
        raise InputError(
            field, text, "is an alias; IAM policies need the key itself: arn:aws:kms:…:key/<id>"
        )
    if text and not re.fullmatch(r"arn:aws:kms:[a-z0-9-]+:\d{12}:key/[\w-]+", text, re.ASCII):
        raise InputError(
            field, text, "is no key ARN; write arn:aws:kms:<region>:<account>:key/<id>"
        )
    return text


def account_id(field: str, value: Any) -> str:
    text = _text(field, value).strip()
    if text and not re.fullmatch(r"\d{12}", text, re.ASCII):
        raise InputError(field, text, "is no account id; it has exactly 12 digits (quote it)")
    return text


def glue_name(field: str, value: Any) -> str:
    text = _text(field, value)
    if len(text) > 255 or _CONTROL.search(text) or re.search(r"[*?/$]", text):
        raise InputError(field, text, "is no Glue name; use 1 to 255 letters, digits, _ and -")
    return text


def cluster_id(field: str, value: Any) -> str:
    text = _text(field, value).strip()
    if text and not re.fullmatch(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", text):
        raise InputError(
            field, text, "is no cluster id; copy the UUID from the cluster's page in the console"
        )
    return text.lower()


def one_line(field: str, value: Any) -> str:
    text = _text(field, value).strip()
    if _CONTROL.search(text) or len(text) > 256:
        raise InputError(field, text, "is no single line of at most 256 characters")
    return text


def sql_options(field: str, value: Any) -> dict[str, Any]:
    if not isinstance(value, dict) or any(not isinstance(key, str) for key in value):
        raise InputError(field, value, "is not a mapping of option names to values")
    for key, option in value.items():
        if not _is_unicode(key) or (problem := _option_problem(option, 4)):
            raise InputError(field, key, problem if _is_unicode(key) else "is not valid Unicode")
    return dict(value)


def _option_problem(value: Any, levels: int) -> str:
    """Say why a value cannot stand in a report and a statement, empty when it can."""
    if isinstance(value, str):
        return "" if _is_unicode(value) else "has a value that is not valid Unicode text"
    if isinstance(value, float) and not math.isfinite(value):
        return f"has the value {value}, which is no number"
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


RULES: dict[str, Callable[[str, Any], Any]] = {
    "name": name,
    "workload_identity_arn": role_arn,
    "cluster_id": cluster_id,
    "bucket": bucket,
    "prefix": prefix,
    "region_name": region,
    "role_name": role_name,
    "policy_name": policy_name,
    "role_path": role_path,
    "permissions_boundary_arn": boundary_arn,
    "max_session_duration": session_duration,
    "tags": tags,
    "connectors": connectors,
    "kms_key_arn": kms_key_arn,
    "glue_catalog_id": account_id,
    "glue_region_name": region,
    "glue_database": glue_name,
    "glue_table": glue_name,
    "aws_profile": one_line,
    "operator_role_arn": role_arn,
    "allowed_principal_confirmed_by": one_line,
    "sql_options": sql_options,
}
