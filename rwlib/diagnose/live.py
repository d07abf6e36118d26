"""Which read-only checks decide between causes, and what their answers mean.

The table holds check ids as data. A failing check confirms a cause when its evidence speaks of
it; a passing one rules the cause out; anything else leaves it open.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from rwlib.diagnose.masking import mask
from rwlib.diagnose.model import CheckResult, LiveFacts


@dataclass(frozen=True)
class Decider:
    """The checks that settle one cause.

    Attributes
    ----------
    confirms
        A check of these that fails confirms the cause, when ``when`` is found in its evidence.
    excludes
        When all of these that could be asked pass, the cause is ruled out.
    unless
        Found in the evidence, it keeps a failing check from confirming.
    decides
        False where a failing check only points to the cause: several could fail it.
    """

    confirms: tuple[str, ...]
    excludes: tuple[str, ...] = ()
    when: str = ""
    unless: str = ""
    decides: bool = True

    @property
    def asked(self) -> tuple[str, ...]:
        """Every check this cause depends on."""
        return tuple(dict.fromkeys((*self.confirms, *self.excludes)))


_NO_ROLE: Final = r"there is no role"
_DELETED: Final = r"\bA(?:ROA|IDA)\w|deleted"

DECIDERS: Final[dict[str, Decider]] = {
    "role_missing": Decider(("role_exists",), ("role_exists",)),
    "trust_principal_deleted": Decider(("trust_principal",), ("trust_principal",), when=_DELETED),
    "trust_principal_mismatch": Decider(
        ("trust_principal",), ("trust_principal",), unless=f"{_DELETED}|{_NO_ROLE}"
    ),
    "trust_external_id_required": Decider(
        ("trust_conditions",), ("trust_conditions",), when=r"external.?id", unless=_NO_ROLE
    ),
    "trust_condition_unmet": Decider(
        ("trust_conditions",),
        ("trust_conditions",),
        when=r"condition on (?!sts:external)|condition(?!.{0,40}external)",
        unless=_NO_ROLE,
    ),
    "trust_explicit_deny": Decider(("trust_deny",), ("trust_deny",), unless=_NO_ROLE),
    "trust_missing": Decider(
        ("trust",),
        ("trust",),
        unless=rf"may assume the role too|{_NO_ROLE}|explicit|denies",
        decides=False,
    ),
    "policy_not_attached": Decider(("policy_attached",), ("policy_attached",)),
    "policy_old_version": Decider(
        ("policy_documents",), ("policy_documents",), when=r"version", decides=False
    ),
    "s3_action_missing": Decider(
        ("policy_documents", "requests_allowed"),
        ("requests_allowed",),
        when=r"\+.*\"s3:(?!prefix)\w+\"|\(s3:\w+ on .{0,300}refused",
        decides=False,
    ),
    "s3_resource_mismatch": Decider(
        ("policy_documents",), ("requests_allowed",), when=r"\+.*arn:aws[\w-]*:s3", decides=False
    ),
    "list_condition_too_narrow": Decider(
        ("requests_allowed",),
        ("requests_allowed",),
        when=r"\(s3:(?:ListBucket|GetBucketLocation)\b.{0,300}refused",
        decides=False,
    ),
    "boundary_denies": Decider(("boundary",), ("boundary",)),
    "scp_denies": Decider(("scp",), ("scp",)),
    "bucket_policy_denies": Decider(("bucket_policy",), ("bucket_policy",)),
    "block_public_access": Decider(("block_public_access",), ("block_public_access",)),
    "bucket_missing": Decider(("bucket_exists",), ("bucket_exists",)),
    "bucket_in_other_account": Decider(("bucket_owner",), ("bucket_owner",)),
    "bucket_region_mismatch": Decider(("bucket_region",), ("bucket_region",)),
    "kms_key_disabled": Decider(
        ("kms",), ("kms",), when=r"disabled|PendingDeletion|pending|not in the bucket's region"
    ),
    "kms_key_policy": Decider(("kms_key_policy",), ("kms_key_policy",)),
    "kms_role_permission": Decider(
        ("kms",), ("kms",), unless=r"disabled|Pending|not in the bucket's region|see kms_key_policy"
    ),
    "allowed_principals_failed": Decider(
        ("allowed_principal",), ("allowed_principal",), when=r"\bFailed\b"
    ),
    "allowed_principal_other_arn": Decider(
        ("allowed_principal",), ("allowed_principal",), when=r"\bother\b|instead|\bnot arn:|similar"
    ),
    "allowed_principal_missing": Decider(
        ("allowed_principal",),
        ("allowed_principal",),
        unless=r"\bFailed\b|\bother\b|instead|\bnot arn:|similar",
    ),
    "sql_wrong_role_arn": Decider(
        ("sql_options",), ("sql_options",), when=r"role.{0,80}(?:arn|another|other)"
    ),
    "sql_wrong_role_option": Decider(
        ("sql_options",),
        ("sql_options",),
        when=r"(?:assume_role|iam_role_arn).{0,120}(?:read|option|use)",
    ),
    "sql_missing_option": Decider(
        ("sql_options",), ("sql_options",), when=r"missing|required|must be|lacks"
    ),
    "sql_outside_prefix": Decider(("sql_options",), ("sql_options",), when=r"prefix|outside"),
    "secret_missing": Decider(("sql_options",), ("sql_options",), when=r"secret"),
    "iceberg_catalog_ignores_role": Decider(
        ("sql_options",), ("sql_options",), when=r"catalog.{0,80}(?:ignore|role)"
    ),
    "redshift_trust_missing": Decider(("redshift_trust",), ("redshift_trust",), unless=_NO_ROLE),
    "redshift_role_not_attached": Decider(("redshift_role_attached",), ("redshift_role_attached",)),
    "glue_permission_missing": Decider(("glue",), ("glue",)),
    "propagation_delay": Decider(("propagation",), ("propagation",)),
}


@dataclass(frozen=True)
class Settled:
    """What a check says about one cause: confirmed, pointed to, excluded, or None when open."""

    verdict: str
    evidence: tuple[str, ...]


class Answers:
    """The checks, each asked once, over all the causes of a diagnosis run."""

    def __init__(self, live: LiveFacts) -> None:
        self._live = live
        self._seen: dict[str, CheckResult | None] = {}

    def get(self, check_id: str) -> CheckResult | None:
        """Return the check's answer; None when there is no such check here."""
        if check_id not in self._seen:
            self._seen[check_id] = self._live.check(check_id)
        return self._seen[check_id]

    def settle(self, cause: str) -> Settled | None:
        """Say whether the live state confirms or excludes a cause, or leaves it open."""
        decider = DECIDERS.get(cause)
        if decider is None:
            return None
        for check_id in decider.confirms:
            answer = self.get(check_id)
            if answer is None or answer.status != "fail":
                continue
            if _speaks_of(decider, answer.evidence):
                verdict = "confirmed" if decider.decides else "pointed"
                return Settled(verdict, _lines(answer))
            if decider.when and decider.decides:
                return Settled("excluded", _lines(answer))
        answers = [self.get(check_id) for check_id in decider.excludes]
        if answers and all(answer is not None and answer.status == "pass" for answer in answers):
            return Settled(
                "excluded", tuple(line for each in answers if each for line in _lines(each))
            )
        return None

    def open_checks(self, causes: Iterable[str]) -> tuple[str, ...]:
        """Name the checks that would decide between the causes and have no answer."""
        lines: dict[str, str] = {}
        for check_id in checks_for(causes):
            answer = self.get(check_id)
            if answer is None:
                lines[check_id] = f"{check_id}: there is no such check here"
            elif answer.status == "unknown":
                lines[check_id] = f"{check_id}: {'; '.join(answer.evidence) or 'unknown'}"
            elif answer.status == "manual":
                lines[check_id] = f"{check_id}: a person said so, nobody looked"
        return tuple(mask(line) for line in lines.values())


def checks_for(causes: Iterable[str]) -> tuple[str, ...]:
    """Return the ids of the checks that decide between the causes, each once."""
    asked: dict[str, None] = {}
    for cause in causes:
        decider = DECIDERS.get(cause)
        for check_id in decider.asked if decider else ():
            asked.setdefault(check_id)
    return tuple(asked)


def unasked(causes: Iterable[str]) -> tuple[str, ...]:
    """Say which checks would decide, when there is no live state to ask."""
    return tuple(f"{check_id}: the live state was not asked" for check_id in checks_for(causes))


def _speaks_of(decider: Decider, evidence: Iterable[str]) -> bool:
    lines = [line for line in evidence if not decider.unless or not _found(decider.unless, line)]
    if not lines:
        return not decider.unless and not decider.when
    return not decider.when or any(_found(decider.when, line) for line in lines)


def _found(pattern: str, line: str) -> bool:
    return re.search(pattern, line, re.IGNORECASE) is not None


def _lines(answer: CheckResult) -> tuple[str, ...]:
    shown = [f"check {answer.id}: {line}" for line in list(answer.evidence)[:3]]
    return tuple(mask(line) for line in shown or [f"check {answer.id}: {answer.status}"])


# The class an error of this cause would have, for causes found with no text at all.
CLASS_OF: Final[Mapping[str, str]] = {
    **dict.fromkeys(
        (
            "role_missing", "trust_principal_deleted", "trust_principal_mismatch",
            "trust_external_id_required", "trust_condition_unmet", "trust_missing",
            "allowed_principals_failed", "allowed_principal_other_arn",
            "allowed_principal_missing", "sql_wrong_role_arn", "propagation_delay",
        ),
        "assume_role_denied",
    ),
    **dict.fromkeys(
        (
            "policy_not_attached", "policy_old_version", "s3_action_missing",
            "s3_resource_mismatch", "list_condition_too_narrow", "boundary_denies",
            "block_public_access", "bucket_in_other_account", "sql_outside_prefix",
        ),
        "s3_access_denied",
    ),
    **dict.fromkeys(
        ("trust_explicit_deny", "scp_denies", "bucket_policy_denies"), "explicit_deny"
    ),
    **dict.fromkeys(("kms_key_disabled", "kms_key_policy", "kms_role_permission"), "kms_denied"),
    "bucket_missing": "no_such_bucket",
    "bucket_region_mismatch": "region_wrong",
    "sql_wrong_role_option": "role_not_applied",
    "iceberg_catalog_ignores_role": "role_not_applied",
    "sql_missing_option": "missing_option",
    "secret_missing": "secret_required",
    "redshift_trust_missing": "redshift_role_not_usable",
    "redshift_role_not_attached": "redshift_role_not_usable",
    "glue_permission_missing": "glue_access_denied",
}  # fmt: skip
