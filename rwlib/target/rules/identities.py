"""Rules for IAM: ARNs, names, paths, durations, tags."""

from __future__ import annotations

import re
from typing import Any

from rwlib.errors import InputError
from rwlib.target.rules.text import text_of, wrong_type

_ROLE_ARN = re.compile(r"arn:aws:iam::\d{12}:role/[\x21-\x7e]*[\w=,.@-]+", re.ASCII)
_NAME = re.compile(r"[\w+=,.@-]+", re.ASCII)


def role_arn(field: str, value: Any) -> str:
    """Accept the ARN of an IAM role of the commercial partition.

    RisingWave Cloud registers only ``arn:aws:iam::<12 digits>:role/<name>``; roles do not work
    across partitions (IAM user guide, cross-account access).
    """
    text = text_of(field, value).strip()
    if not text:
        return text
    parts = text.split(":", 5)
    if parts[0] != "arn" or len(parts) < 6:
        raise InputError(
            field, text, "is not an ARN; write arn:aws:iam::<12-digit account>:role/<name>"
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
            field,
            text,
            "is not a role ARN; write arn:aws:iam::<12-digit account>:role/<name>",
        )
    return text


def _iam_name(field: str, value: Any, longest: int) -> str:
    text = text_of(field, value).strip()
    what = field.split("_")[0]
    if text.startswith("arn:"):
        short = text.split("/")[-1]
        raise InputError(field, text, f"is an ARN; give the {what}'s name: {short}")
    if len(text) > longest:
        raise InputError(
            field, text, f"has {len(text)} characters; an IAM {what} name has at most {longest}"
        )
    path, _, short = text.rpartition("/")
    if path and _NAME.fullmatch(short):
        rest = f", and role_path: /{path.strip('/')}/" if what == "role" else ""
        raise InputError(field, text, f"holds a path; give the {what}'s name: {short}{rest}")
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
    """Accept a role's name: 1-64 characters (IAM API reference, CreateRole)."""
    text = _iam_name(field, value, 64)
    if not text:
        raise InputError(field, text, "is empty", reason="empty", todo="give the role's name")
    if "+" in text:
        # reqsign 0.16.5 does not percent-encode RoleArn, so STS reads the plus as a blank.
        raise InputError(
            field, text, "holds a plus, which reaches AWS as a space when RisingWave assumes the "
            f"role; write {text.replace('+', '-')!r}"
        )  # fmt: skip
    return text


def policy_name(field: str, value: Any) -> str:
    """Accept a policy's name: 1-128 characters (IAM API reference, CreatePolicy)."""
    return _iam_name(field, value, 128)


def role_path(field: str, value: Any) -> str:
    """Accept an IAM path: ``/`` or ``/…/``, at most 512 characters (IAM API reference)."""
    text = text_of(field, value).strip() or "/"
    if len(text) > 512 or not re.fullmatch(r"/(?:[\x21-\x2e\x30-\x7e]+/)*", text):
        better = "/".join(["", *filter(None, text.split("/")), ""])
        what = f"begin and end with a slash, with no empty part: {better}"
        if len(text) > 512:
            what = f"it has {len(text)} characters, and IAM allows at most 512"
        elif not re.fullmatch(r"[\x21-\x7e]+", text):
            what = "it holds a character that IAM does not allow there, such as a space"
        raise InputError(field, text, f"is not a valid IAM path; {what}")
    if "+" in text:
        raise InputError(field, text, "holds a plus, which reaches AWS as a space; remove it")
    return text


def boundary_arn(field: str, value: Any) -> str:
    """Accept the ARN of a managed policy, the account's or AWS's own."""
    text = text_of(field, value).strip()
    if text and not re.fullmatch(r"arn:aws:iam::(\d{12}|aws):policy/[\x21-\x7e]+", text):
        raise InputError(
            field, text, "is not a policy ARN; write arn:aws:iam::<account>:policy/<name>"
        )
    return text


def session_duration(field: str, value: Any) -> int:
    """Accept 3,600 to 43,200 seconds (IAM API reference, CreateRole MaxSessionDuration)."""
    if isinstance(value, bool) or not isinstance(value, int):
        try:
            value = int(str(value))
        except ValueError:
            raise InputError(field, value, wrong_type(int, ""), reason="wrong_type") from None
    if not 3600 <= value <= 43200:
        raise InputError(field, value, "is outside AWS's range; give 3600 to 43200 seconds")
    return int(value)


def account_id(field: str, value: Any) -> str:
    """Accept an AWS account id."""
    text = text_of(field, value).strip()
    if text and not re.fullmatch(r"\d{12}", text, re.ASCII):
        raise InputError(field, text, "is not an account id; it has exactly 12 digits (quote it)")
    return text


def tags(field: str, value: Any) -> dict[str, str]:
    """Accept at most 45 tags; five of AWS's 50 are left for this runbook and the account."""
    if not isinstance(value, dict):
        raise InputError(field, value, wrong_type(dict, ""), reason="wrong_type")
    for key, text in value.items():
        if not isinstance(key, str) or not isinstance(text, str):
            raise InputError(field, {key: text}, "is not a pair of strings; put both in quotes")
        if not 1 <= len(key) <= 128 or len(text) > 256:
            raise InputError(field, key, "is too long; a key has 1 to 128, a value 256 characters")
        if key.lower().startswith("aws:"):
            raise InputError(field, key, "begins with aws:, which AWS keeps for itself")
        if key.lower() == "managed-by" or key.lower().startswith("risingwave-iam-runbook"):
            raise InputError(
                field,
                key,
                "is the tag by which this runbook recognizes what it made; give another key",
            )
        if not re.fullmatch(r"[\w .:/=+\-@]*", key + text):
            raise InputError(field, f"{key}={text}", "holds a character that IAM tags do not allow")
    same = {key.lower() for key in value}
    if len(same) < len(value):
        raise InputError(field, sorted(value), "name one key twice; IAM ignores case in tag keys")
    if len(value) > 45:
        raise InputError(field, f"{len(value)} tags", "are too many; give at most 45")
    return dict(value)
