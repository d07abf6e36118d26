"""Whose a role, a policy or a trust statement is: decided by identity, never by a name.

AWS gives each role and policy an id that no other ever has (``RoleId``, ``PolicyId``; IAM user
guide, "IAM identifiers"). What this runbook made carries its own id in a tag; a copy that somebody
makes under the same name and with the same tags carries the wrong one. Until the id is known, the
tag holds a nonce that was in the ledger before the creation. A target's claim on a role and the
statements written into a role that somebody else made are tags too, each a key of its own, and
each holds the role's id for the same reason.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any

from rwlib.errors import ConflictError, InputError
from rwlib.steps.changes import ChangeSubject, Ledger, canonical

MANAGED_BY = "managed-by"
MANAGED_BY_VALUE = "risingwave-iam-runbook"
TARGET_TAG = "risingwave-iam-runbook:target"
RECORD = "risingwave-iam-runbook/"
ID_TAG = RECORD + "id"
CLAIM = RECORD + "claim/"
STATEMENT = RECORD + "statement/"
PRINCIPAL = RECORD + "principal/"

# IAM user guide, "IAM and AWS STS quotas": tags of a role or a policy.
TAGS_QUOTA = 50
_NONCE = "new-"
# A signature is refused when the clocks are more than 15 minutes apart (AWS SigV4).
_SKEW = timedelta(minutes=15)


def digest(text: str) -> str:
    """Return what stands for a text in a tag: 16 hexadecimal digits."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def new_nonce() -> str:
    """Return a value that only the thing that is created with it carries."""
    return _NONCE + secrets.token_hex(12)


def tag_list(tags: Mapping[str, str]) -> list[dict[str, str]]:
    """Return tags in the shape of AWS's API."""
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def tag_map(tags: Iterable[Mapping[str, str]]) -> dict[str, str]:
    """Return tags of AWS's API as a mapping."""
    return {tag["Key"]: tag["Value"] for tag in tags}


def tags_of(item: Mapping[str, Any]) -> dict[str, str]:
    """Return the tags of a role or policy, as IAM describes it."""
    return tag_map(item.get("Tags", []))


def others_tags(item: Mapping[str, Any]) -> dict[str, str]:
    """Return the tags of a role or policy that neither this runbook nor an AWS service wrote."""
    return {
        key: value
        for key, value in tags_of(item).items()
        if key not in (MANAGED_BY, TARGET_TAG) and not key.startswith((RECORD, "aws:"))
    }


def id_of(item: Mapping[str, Any]) -> str:
    """Return the id of a role or policy, which no other ever has."""
    return str(item.get("RoleId") or item.get("PolicyId") or "")


def other_manager(item: Mapping[str, Any], tags: Mapping[str, str] | None = None) -> str:
    """Return the tag by which somebody else says that they manage it, empty when nobody does.

    Parameters
    ----------
    tags
        The target's own tags, which say nothing about somebody else.
    """
    for key, value in tags_of(item).items():
        if (tags or {}).get(key) == value:
            continue
        # CloudFormation and other services of AWS mark what they manage with aws:… tags.
        managed = re.sub(r"[^a-z]", "", key.lower()) == "managedby" and value != MANAGED_BY_VALUE
        if managed or key.lower().startswith("aws:"):
            return f"{key}={value}"
    return ""


def is_ours(
    item: Mapping[str, Any],
    ledger: Ledger | None = None,
    tags: Mapping[str, str] | None = None,
) -> bool:
    """True when this runbook made the role or policy, and it still is the same one.

    Its tags say so with its own id, or a ledger does: with that id, or with the nonce that it was
    created with. A name says nothing, and neither does a ledger about another id.

    Parameters
    ----------
    item
        As IAM describes it.
    ledger
        The run's, with the places of all others.
    tags
        The target's own.
    """
    item_tags, own = tags_of(item), id_of(item)
    if not own or other_manager(item, tags):
        return False
    marked = item_tags.get(MANAGED_BY) == MANAGED_BY_VALUE
    if marked and item_tags.get(ID_TAG) == own:
        return True
    for entry in ledger.recorded(item["Arn"]) if ledger is not None else ():
        if entry["action"] != "create":
            continue
        if entry.get("id") == own:
            return True
        nonce = entry.get("nonce")
        if marked and nonce and nonce == item_tags.get(ID_TAG) and _made_then(item, entry):
            return True
    return False


def taken_over(what: str) -> ConflictError:
    """Return the error for a thing that is not the same any more."""
    return ConflictError(
        f"{what} was deleted, made again or taken over by somebody else in the meantime, so it "
        "was left alone; look at it, then run again"
    )


def is_pending(item: Mapping[str, Any]) -> bool:
    """True when it was made by a run that has not given it its id yet."""
    return tags_of(item).get(ID_TAG, "").startswith(_NONCE)


def made_with(item: Mapping[str, Any], nonce: str) -> bool:
    """True when the very call that carried the nonce made it, whatever became of its answer."""
    return tags_of(item).get(ID_TAG) == nonce


def _made_then(item: Mapping[str, Any], entry: Mapping[str, Any]) -> bool:
    made = item.get("CreateDate")
    if not isinstance(made, datetime):
        return True
    try:
        intended = datetime.fromisoformat(str(entry["time"]))
    except ValueError:  # a damaged ledger
        return False
    aware = made if made.tzinfo else made.replace(tzinfo=UTC)
    return abs(aware - intended) <= _SKEW


@dataclass(frozen=True)
class Claim:
    """What a target says about a role: that it needs it, for which Workload Identity.

    Parameters
    ----------
    key
        Key of the tag.
    workload
        Digest of the Workload Identity's ARN; empty on a policy.
    redshift
        True when the target needs Redshift's statement in the trust policy.
    target
        The target's name.
    """

    key: str
    workload: str = ""
    redshift: bool = False
    target: str = ""

    @classmethod
    def of(cls, owner: str, workload_identity_arn: str = "", redshift: bool = False) -> Claim:
        """Return the claim of a target."""
        workload = digest(workload_identity_arn) if workload_identity_arn else ""
        return cls(claim_key(owner), workload, redshift, owner)

    def value(self, resource_id: str) -> str:
        """Return the tag's value, which holds for that one role or policy and no copy of it."""
        redshift = "redshift" if self.redshift else "-"
        return f"{resource_id} {self.workload or '-'} {redshift} {self.target}"


def claim_key(owner: str) -> str:
    """Return the key of the tag that holds a target's claim."""
    return CLAIM + digest(owner)


def claims_on(item: Mapping[str, Any]) -> list[Claim]:
    """Return the claims of all targets on a role or policy; those on a former one do not count."""
    own, found = id_of(item), []
    for key, value in tags_of(item).items():
        parts = value.split(" ")
        if key.startswith(CLAIM) and len(parts) == 4 and parts[0] == own:
            workload = "" if parts[1] == "-" else parts[1]
            found.append(Claim(key, workload, parts[2] == "redshift", parts[3]))
    return found


def other_claims(item: Mapping[str, Any], owner: str) -> list[Claim]:
    """Return the claims of all targets but one."""
    return [claim for claim in claims_on(item) if claim.key != claim_key(owner)]


def same_cluster_claims(
    role: Mapping[str, Any], owner: str, workload_identity_arn: str = ""
) -> list[Claim]:
    """Return the claims of other targets on a role that are for the same Workload Identity.

    Parameters
    ----------
    workload_identity_arn
        The target's; where it is empty, that of its own claim counts.
    """
    workload = digest(workload_identity_arn) if workload_identity_arn else ""
    for claim in claims_on(role):
        if claim.key == claim_key(owner) and not workload:
            workload = claim.workload
    return [each for each in other_claims(role, owner) if workload in ("", each.workload)]


EXPORTED_BY = ("terraform", "cloudformation", "aws-cli")
"""What ``managed-by`` says of what an export made."""


def exported_tags(owner: str, redshift: bool) -> dict[str, str]:
    """Return the tag that says for which target an export makes a policy on a shared role."""
    return {TARGET_TAG: f"{'redshift' if redshift else '-'} {owner}"}


def exported_for(policy: Mapping[str, Any], role: Mapping[str, Any]) -> Claim | None:
    """Return the claim of the target for which an export made a policy on this role, or None.

    Policy and role are managed by one tool then; a tag on a policy alone says nothing.
    """
    tags, manager = tags_of(policy), tags_of(policy).get(MANAGED_BY)
    if manager not in EXPORTED_BY or manager != tags_of(role).get(MANAGED_BY):
        return None
    redshift, _, owner = tags.get(TARGET_TAG, "").partition(" ")
    return Claim.of(owner, redshift=redshift == "redshift") if owner else None


def is_asked_for(policy: Mapping[str, Any], claims: Iterable[Claim]) -> bool:
    """True when a policy is this runbook's, and one of the claims' targets has it."""
    keys = {claim.key for claim in claims}
    return is_ours(policy) and any(claim.key in keys for claim in claims_on(policy))


def statement_key(statement: Mapping[str, Any]) -> str:
    """Return the key of the tag that says that this runbook wrote this very statement."""
    return STATEMENT + digest(canonical(statement))


def principal_key(cluster_id: str) -> str:
    """Return the key of the tag that says that this runbook registered the role there."""
    return PRINCIPAL + digest(cluster_id)


class WrittenStatements:
    """The keys of the trust statements that this runbook wrote into this very role.

    The role's tags name nearly all of them, and this run's own record what it wrote just now. The
    ledgers of all runs are read for a key that neither has: there are as many as targets.

    Parameters
    ----------
    role
        As IAM describes it.
    ledger
        The run's, with the places of all others; None leaves ledgers out.
    """

    def __init__(self, role: Mapping[str, Any], ledger: Ledger | None = None) -> None:
        self._role = role
        self._ledger = ledger

    def __contains__(self, key: str) -> bool:
        return key in self.tagged or key in self._made_now or key in self._recorded

    @cached_property
    def tagged(self) -> set[str]:
        """The keys that the role's tags name."""
        own = id_of(self._role)
        tags = tags_of(self._role)
        return {key for key, value in tags.items() if key.startswith(STATEMENT) and value == own}

    @cached_property
    def _made_now(self) -> set[str]:
        entries = self._ledger.own_entries(self._role["Arn"]) if self._ledger is not None else []
        return _statements_in(entries, self._role)

    @cached_property
    def _recorded(self) -> set[str]:
        entries = self._ledger.history(self._role["Arn"]) if self._ledger is not None else []
        return _statements_in(entries, self._role)


def _statements_in(entries: Sequence[Mapping[str, Any]], role: Mapping[str, Any]) -> set[str]:
    """Return the keys of the trust statements that entries record as written into a role."""
    own = id_of(role)
    written: set[str] = set()
    ours = {each.get("nonce") for each in entries if each.get("id") == own} - {None}
    ours |= {tags_of(role).get(ID_TAG, "")}
    for entry in entries:
        if entry["phase"] != "intended" or not isinstance(entry.get("after"), Mapping):
            continue
        after, before = entry["after"], entry.get("before")
        if entry.get("nonce") in ours and entry["resource"] == ChangeSubject.ROLE:
            after, before = after.get("trust_policy", {}), None
        elif entry.get("id") != own or entry["resource"] != ChangeSubject.TRUST_POLICY:
            continue
        there = {canonical(each) for each in _statements(before or {})}
        written |= {
            statement_key(each) for each in _statements(after) if canonical(each) not in there
        }
    return written


def _statements(document: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    statements = document.get("Statement", [])
    return list(statements) if isinstance(statements, list) else [statements]


def differing_tags(item: Mapping[str, Any], wanted: Mapping[str, str]) -> dict[str, str]:
    """Return the tags that are not there as they are wanted."""
    found = tags_of(item)
    return {key: value for key, value in wanted.items() if found.get(key) != value}


def check_tags(present: Mapping[str, str], more: Mapping[str, str], what: str) -> None:
    """Refuse tags that IAM would refuse, before anything is written.

    Raises
    ------
    InputError
        There would be more than 50, or one holds a character that IAM does not allow.
    """
    for key, value in more.items():
        if len(key) > 128 or len(value) > 256 or not re.fullmatch(r"[\w .:/=+\-@]*", key + value):
            raise InputError(
                "tags", f"{key}={value}", f"cannot be a tag of {what}: IAM does not allow it"
            )
    total = len({**present, **more})
    if total > TAGS_QUOTA:
        raise InputError(
            "tags",
            f"{total} tags",
            f"are what {what} would have, counting those that mark it as this runbook's, and AWS "
            "allows "
            f"{TAGS_QUOTA}; remove {total - TAGS_QUOTA}",
        )
