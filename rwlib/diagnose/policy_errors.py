"""What IAM, S3 and KMS say of a policy document that they do not accept, and what to change.

Sources: IAM user guide ("IAM JSON policy elements reference", "Grammar of the IAM JSON policy
language", "Troubleshoot IAM policies"), S3 API reference ("Error responses", MalformedPolicy), KMS
API reference (PutKeyPolicy, CreateKey), messages of all three as public reports quote them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final


@dataclass(frozen=True)
class Sentence:
    """One sentence about a document.

    Attributes
    ----------
    says
        The sentence as a regular expression; its first group is the part it names.
    change
        What to change in the document.
    alone
        The sentence is about a policy even where no error code stands beside it.
    """

    says: str
    change: str
    alone: bool = True


SENTENCES: Final[tuple[Sentence, ...]] = (
    Sentence(
        r"Has prohibited field ((?:Not)?Resource)\b",
        "take out Resource: a trust policy has none, the role itself is the resource; a policy "
        "with actions on a bucket belongs under Permissions, not under Trust relationships",
    ),
    Sentence(
        r"Has prohibited field ((?:Not)?Principal)\b"
        r"|(?:should not|must not|may not|cannot) specify a principal",
        "take out Principal: a policy under Permissions has none; a document that says who may "
        "assume the role is a trust policy, and belongs under Trust relationships",
        alone=False,
    ),
    Sentence(
        r"Federated principals? must be",
        "write Federated as the ARN of an OIDC or SAML provider of this account; a role or an "
        "account stands under AWS",
        alone=False,
    ),
    Sentence(
        r"Missing required field ((?:Not)?Principal)\b"
        r"|(?:must contain|must have|missing|required)[\w -]{0,30} principals?\b",
        "add Principal to every statement: a trust policy, a bucket policy and a key policy say "
        "whom they are about",
        alone=False,
    ),
    Sentence(
        r"Has prohibited field (?!(?:Not)?Principal)(\w+)",
        "take out the field that is named: this kind of policy does not have it",
    ),
    Sentence(
        r"Missing required field (?!(?:Not)?Principal)(\w+)",
        "add the field that is named to the statement; a bucket policy and a key policy need "
        "Principal, Effect, Action and Resource in every statement",
    ),
    Sentence(
        r"Policy statement must contain resources|statement with no resources?\b",
        "add Resource to the statement: the bucket's ARN for listing, the ARN with /* for objects; "
        '"*" in a key policy',
    ),
    Sentence(
        r"Policy statement must contain actions|statement with no actions?\b",
        "add Action to the statement, such as s3:GetObject",
    ),
    Sentence(
        r"Syntax errors? in policy|Invalid policy syntax|invalid JSON|not (?:in )?valid JSON"
        r"|Policies must be valid JSON|first byte must be|failed legacy parsing"
        r"|JSON strings must not have leading spaces",
        "make it JSON that starts with {: no comma after the last member, straight quotes, no "
        "comments, nothing before it; python -m json.tool shows the place",
        alone=False,
    ),
    Sentence(
        r"Resource (\S+) must be in ARN format|must be in ARN format or",
        'write Resource as an ARN (arn:aws:s3:::bucket and arn:aws:s3:::bucket/prefix/*) or "*"; '
        "a bucket's name or s3:// address is not an ARN",
    ),
    Sentence(
        r"Policy has (?:an )?invalid resource",
        "let Resource name this very bucket: arn:aws:s3:::bucket and arn:aws:s3:::bucket/*, "
        "of the same partition (aws, aws-cn, aws-us-gov)",
    ),
    Sentence(
        r"Policy has (?:an )?invalid action|Invalid Action\b",
        "correct Action: only actions of S3 that exist, such as s3:GetObject and s3:ListBucket, "
        "stand in a bucket policy",
        alone=False,
    ),
    Sentence(
        r"Action does not apply to any resources?",
        "match Action and Resource: s3:ListBucket and s3:GetBucketLocation need the bucket's ARN, "
        "s3:GetObject, s3:PutObject and s3:DeleteObject the ARN with /*",
    ),
    Sentence(
        r"Conditions? (?:do|does) not apply to (?:the )?combination of actions and resources",
        "use the condition key only with actions that carry it: s3:prefix with s3:ListBucket alone",
    ),
    Sentence(
        r"Policy has an invalid condition key|invalid condition key|unknown condition key",
        "correct the condition key that is named (aws:PrincipalArn, s3:prefix); IAM's reference of "
        "condition keys has them all",
    ),
    Sentence(
        r"Invalid Condition type ?:? ?(\w*)|Invalid condition operator",
        "use an operator that exists, such as StringEquals, StringLike, ArnEquals or Bool",
        alone=False,
    ),
    Sentence(
        r"(?:Actions|Actions/Conditions|Actions/Condition) must be prefaced by a vendor",
        "write actions with their service: s3:GetObject, not GetObject",
    ),
    Sentence(
        r"AssumeRole policy may only specify STS AssumeRole actions",
        "leave only sts:AssumeRole (and sts:TagSession, sts:SetSourceIdentity) in the trust "
        "policy; S3's actions belong in a policy under Permissions",
    ),
    Sentence(
        r"Statement IDs? \(SID\) in a single policy must be unique|Duplicate (?:Sid|statement)",
        "give every statement of the document a Sid of its own, or none",
    ),
    Sentence(
        r"Statement IDs? \(SID\) must be alpha-?numeric",
        "write Sid with letters and digits only: no space, dash or underscore",
    ),
    Sentence(
        r"IAM resource path must either be|Resource vendor must be|resource ARN .{0,60}not valid",
        "correct the ARN in Resource: arn:aws:s3:::bucket/prefix/* has no region and no account",
    ),
    Sentence(
        r"Partition \S* ?is not valid for resource",
        "write the partition of the account in the ARN: aws, aws-cn or aws-us-gov",
    ),
    Sentence(
        r"Vendor \S+ is not valid",
        "correct the service before the colon in Action or Resource, such as s3 or kms",
    ),
    Sentence(
        r"Policy document must be version|valid version string|Unsupported policy version"
        r"|Invalid policy version",
        'write "Version": "2012-10-17"; it is the date of the language, not of the document',
    ),
    Sentence(
        r"Invalid [Ee]ffect\b ?:? ?(\w*)",
        'write "Effect" as "Allow" or "Deny", with a capital letter',
        alone=False,
    ),
    Sentence(
        r"Unknown field (\w+)",
        "correct or take out the field that is named; fields are Version, Id and Statement, in a "
        "statement Sid, Effect, Principal, Action, Resource and Condition",
        alone=False,
    ),
    Sentence(
        r"Statement is empty|no statements?\b",
        "put at least one statement into Statement",
        alone=False,
    ),
    Sentence(
        r"(?:new )?key policy will not allow you to update the key policy",
        "keep a statement that allows your account's administrator kms:PutKeyPolicy (Principal "
        "arn:aws:iam::<your account>:root, Action kms:*)",
    ),
    Sentence(
        r"specified policy is not syntactically or semantically correct",
        "check every principal of the key policy (it must exist), Action (kms:…) and Resource "
        '("*")',
    ),
)
_GENERAL: Final = (
    "check the document against the sentence after the error code: JSON, the fields of this kind "
    "of policy, ARNs and actions; IAM Access Analyzer's policy validation names the place"
)
_MOST_STARTS: Final = 40
_NAMED: Final = re.compile(r"(?:prohibited|[Uu]nknown|Duplicate) field:? ?(\w+)")
_MISSING: Final = re.compile(r"Missing required field:? ?(\w+)")
_FIELD_OF: Final = (
    (re.compile(r"must contain resources|no resources?\b"), "Resource"),
    (re.compile(r"must contain actions|no actions?\b"), "Action"),
)


def what_to_change(flat: str) -> str:
    """Say what to change in the document, from the sentence of the flattened text."""
    change = next(
        (each.change for each in SENTENCES if re.search(each.says, flat, re.IGNORECASE)), _GENERAL
    )
    place = place_in_document(flat)
    return f"at {place}: {change}" if place else change


def place_in_document(flat: str) -> str | None:
    """Return where in a document that stands in the text the fault is, such as Statement[0].Sid."""
    document = _document(flat)
    if document is None:
        return None
    statements = document["Statement"]
    numbered = statements if isinstance(statements, list) else [statements]
    missing = _MISSING.search(flat)
    field = missing[1] if missing else None
    field = field or next((name for says, name in _FIELD_OF if says.search(flat)), None)
    if field:
        for number, each in enumerate(numbered):
            if isinstance(each, dict) and field not in each and f"Not{field}" not in each:
                return f"Statement[{number}] (it has no {field})"
        return None
    named = _NAMED.search(flat)
    for path, value in _walk(document, ""):
        last = re.sub(r"\[\d+\]$", "", path).rpartition(".")[2]
        if named and last == named[1]:
            return path
        if not named and isinstance(value, str) and _wrong(last, value, flat):
            return path
    return None


def _wrong(field: str, value: str, flat: str) -> bool:
    """Tell whether the sentence of the text is about this value."""
    if re.search(r"Sid|\(SID\)", flat) and "alpha" in flat:
        return field == "Sid" and not value.isalnum()
    if re.search(r"ARN format|invalid resource", flat):
        return field in ("Resource", "NotResource") and value != "*" and value[:4] != "arn:"
    if "prefaced by a vendor" in flat or "invalid action" in flat:
        return field in ("Action", "NotAction") and value != "*" and ":" not in value
    if "AssumeRole policy may only" in flat:
        return field == "Action" and not value.startswith("sts:")
    if re.search(r"Invalid effect", flat, re.IGNORECASE):
        return field == "Effect" and value not in ("Allow", "Deny")
    if "version" in flat.lower() and field == "Version":
        return value not in ("2012-10-17", "2008-10-17")
    return False


def _document(flat: str) -> dict[str, Any] | None:
    if '"Statement"' not in flat:
        return None
    decoder = json.JSONDecoder()
    for start in [match.start() for match in re.finditer(r"\{", flat)][:_MOST_STARTS]:
        try:
            document, _ = decoder.raw_decode(flat, start)
        except ValueError:
            continue
        if isinstance(document, dict) and "Statement" in document:
            return document
    return None


def _walk(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    if path:
        yield path, value
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _walk(inner, f"{path}.{name}" if path else name)
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from _walk(inner, f"{path}[{number}]")
