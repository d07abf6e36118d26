"""The states that a lab's account passed through, as its sandbox kept them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from rwlib.aws import BucketFacts
from rwlib.sandbox import CUSTOMER, RISINGWAVE_CLOUD, WORKLOAD_IDENTITY_ARN, WORKLOAD_ROLE
from rwlib.target import Target
from rwlib.verify import Situation

Document = Mapping[str, Any]
ALLOWED_PRINCIPALS = "assume-customer-roles"
"""The policy of RisingWave's role in which the sandbox keeps the roles that it may assume."""


@dataclass(frozen=True, eq=False)
class LabState:
    """What decided who may do what, from one call to the next.

    Parameters
    ----------
    at
        Time of the call, in ISO 8601.
    call
        The call that led to it, such as ``iam:PutRolePolicy``; empty for the first state.
    pieces
        Principals, buckets and keys by name, as `rwlib.sandbox.server.history` has them.
    """

    at: str
    call: str
    pieces: Mapping[str, Mapping[str, Any]]

    def role(self, name: str) -> Mapping[str, Any] | None:
        """Return a role of the customer's account, whatever its path."""
        for key, piece in self.pieces.items():
            if key.startswith(f"role arn:aws:iam::{CUSTOMER}:") and piece["name"] == name:
                return piece
        return None

    def bucket(self, name: str) -> Mapping[str, Any] | None:
        """Return a bucket."""
        return self.pieces.get(f"bucket {name}")

    def key(self, arn: str) -> Mapping[str, Any] | None:
        """Return a KMS key."""
        return self.pieces.get(f"key {arn}")

    @property
    def workload_id(self) -> str:
        """Unique id of the Workload Identity as it is now; empty where there is none."""
        return str(self.pieces.get(f"role {WORKLOAD_IDENTITY_ARN}", {}).get("id", ""))

    @cached_property
    def allowed_principals(self) -> tuple[str, ...]:
        """The roles that RisingWave's workload may assume by its own policy."""
        workload = self.pieces.get(f"role arn:aws:iam::{RISINGWAVE_CLOUD}:role/{WORKLOAD_ROLE}")
        for name, document in (workload or {}).get("policies", ()):
            if name == ALLOWED_PRINCIPALS:
                return tuple(
                    arn
                    for statement in json.loads(document)["Statement"]
                    for arn in _listed(statement["Resource"])
                )
        return ()

    def situation(self, target: Target) -> Situation:
        """Return the state as the verification sees it."""
        role = self.role(target.role_name)
        return self.situation_of(role, target)

    def situation_of(self, role: Mapping[str, Any] | None, target: Target) -> Situation:
        """Return the state around any role, or around none."""
        bucket = self.bucket(target.bucket) or {}
        key = self.key(str(bucket.get("kms_key") or "")) or {}
        facts = BucketFacts(
            target.bucket,
            str(bucket.get("region") or "us-east-1"),
            True,
            kms_key_arn=str(key.get("arn", "")),
            kms_key={"Enabled": key.get("state") == "Enabled", "KeyState": key.get("state")},
            kms_key_policy=document_of(key.get("policy", "")),
            policy=document_of(bucket.get("policy", "")),
            public_access_block=dict.fromkeys(bucket.get("public_access_block", ()), True),
            kms_grants=tuple(
                {
                    "GrantId": str(number),
                    "GranteePrincipal": each["principal"],
                    "Operations": each["operations"],
                    "Constraints": each["constraints"],
                }
                for number, each in enumerate(key.get("grants", ()))
            ),
            bucket_key=bool(bucket.get("bucket_key")),
        )
        role_facts: dict[str, Any] = role or {}  # type: ignore[assignment]
        policies = [(str(name), str(text)) for name, text in role_facts.get("policies", ())]
        identity = tuple(
            (name if name.startswith("arn:") else f"inline policy {name}", document)
            for name, text in policies
            if (document := document_of(text)) is not None
        )
        boundary = document_of(role_facts.get("boundary", ""))
        boundary_arn = str(role_facts.get("boundary_arn", ""))
        return Situation(
            caller_arn=f"arn:aws:iam::{CUSTOMER}:root",
            account_id=CUSTOMER,
            role_arn=str(role_facts.get("arn") or target.role_arn_in(CUSTOMER)),
            trust_policy=document_of(role_facts.get("trust", "")),
            identity=identity,
            policy_arn=target.policy_arn_in(CUSTOMER),
            policy_document=None,
            attached=tuple(name for name, _ in policies if name.startswith("arn:")),
            boundary=(boundary_arn, boundary) if boundary else None,
            bucket=facts,
            role_id=str(role_facts.get("id", "")),
            boundary_arn=boundary_arn,
            role_tags=dict(role_facts.get("tags", {})),
        )


def document_of(text: str) -> Document | None:
    """Return a policy's text as a document; None for no text."""
    if not text:
        return None
    from urllib.parse import unquote

    found: Document = json.loads(text if text.lstrip().startswith("{") else unquote(text))
    return found


def read_states(history: Mapping[str, Any]) -> tuple[LabState, ...]:
    """Return the states of a sandbox's history, oldest first."""
    pieces = history["pieces"]
    return tuple(
        LabState(
            str(each["at"]),
            str(each["call"]),
            {name: pieces[digest] for name, digest in each["pieces"].items()},
        )
        for each in history["states"]
    )


def _listed(value: str | Sequence[str]) -> Sequence[str]:
    return [value] if isinstance(value, str) else value
