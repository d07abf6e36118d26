"""Unique ids of AWS's form, for what moto names by letters drawn at random.

Source: IAM User Guide, "IAM identifiers", section "Unique identifiers": the prefix tells what kind
of thing an id is of. As in AWS's own, the account stands in the letters behind it.
"""

from __future__ import annotations

import base64
import hashlib
from functools import wraps
from typing import Any

from moto.iam.models import AWSManagedPolicy, Group, InstanceProfile, ManagedPolicy, User
from moto.iam.utils import generate_access_key_id_from_account_id

PREFIXES: dict[type, str] = {
    Group: "AGPA",
    InstanceProfile: "AIPA",
    ManagedPolicy: "ANPA",
    User: "AIDA",
}
"""moto's roles (AROA) and access keys (AKIA, ASIA) have theirs already."""
LENGTH = 21


def _name_by_form(kind: type, prefix: str) -> None:
    make: Any = kind.__init__  # type: ignore[misc]

    @wraps(make)
    def made(self: Any, *given: Any, **named: Any) -> None:
        make(self, *given, **named)
        if isinstance(self, AWSManagedPolicy):
            # The same for everybody, and at every start.
            digest = base64.b32encode(hashlib.sha256(self.arn.encode()).digest()).decode()
            self.id = f"{prefix}{digest[: LENGTH - len(prefix)]}"
        else:
            self.id = generate_access_key_id_from_account_id(self.account_id, prefix, LENGTH)

    kind.__init__ = made  # type: ignore[misc]


def give_unique_ids() -> None:
    """Let moto name what it makes from now on by ids of AWS's form."""
    for kind, prefix in PREFIXES.items():
        _name_by_form(kind, prefix)
