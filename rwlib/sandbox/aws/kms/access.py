"""KMS keys: finding one, and whether a caller may use it, directly or through S3.

Source: AWS KMS Developer Guide, "Key policies in AWS KMS", "Grants in AWS KMS", "AWS KMS condition
keys"; Amazon S3 User Guide, "Using server-side encryption with AWS KMS keys (SSE-KMS)".
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from rwlib.sandbox.answer import AwsError
from rwlib.sandbox.aws.authorize import Ask, Authorizer, denial
from rwlib.sandbox.aws.caller import Caller
from rwlib.sandbox.aws.request import AwsRequest
from rwlib.sandbox.views import KeyView

_ARN = re.compile(r"arn:aws:kms:(?P<region>[^:]*):(?P<account>\d{12}):(?P<id>(key|alias)/.+)")
AWS_MANAGED = "alias/aws/s3"
ENCRYPTING = ("kms:Encrypt", "kms:Decrypt", "kms:ReEncrypt", "kms:GenerateDataKey")
"""How the actions begin that have the key ``kms:EncryptionAlgorithm``."""


class KeyAccess:
    """Finds keys and weighs their policies and grants."""

    def __init__(self, authorizer: Authorizer) -> None:
        self.authorizer = authorizer
        self.world = authorizer.directory.world

    def find(self, account: str, region: str, key_id: str) -> KeyView | None:
        """Find a key by id, alias, or ARN of either; another Region's key is not found."""
        arn = _ARN.fullmatch(key_id)
        if arn is not None:
            if arn["region"] != region:
                return None
            key_id = arn["id"].removeprefix("key/")
            return self.world.kms.key(arn["account"], region, key_id)
        return self.world.kms.key(account, region, key_id)

    def require(
        self,
        request: AwsRequest,
        caller: Caller,
        key: KeyView,
        action: str,
        context: Mapping[str, Any] | None = None,
        operation: str = "",
    ) -> None:
        """Refuse unless the key's policy, a grant, or its delegation to IAM allows.

        Raises
        ------
        AwsError
            The caller may not.
        """
        known = self._context(key, caller, action, context)
        ask = Ask(action, key.arn, key.account, key.policy, known)
        decision = self.authorizer.decide(request, caller, ask)
        if decision.allowed:
            return
        if decision.effect == "implicit-deny" and self._granted(
            key, caller, operation or action, context or {}
        ):
            return
        raise denial(request.service, caller, ask, decision)

    def require_for_s3(
        self,
        request: AwsRequest,
        caller: Caller,
        region: str,
        key_id: str | None,
        actions: tuple[str, ...],
        encrypted_arn: str,
    ) -> KeyView | None:
        """Refuse unless the caller may use the key through S3; None stands for S3's own key.

        Raises
        ------
        AwsError
            The key is not there or not usable, or the caller may not use it.
        """
        if key_id is None or key_id.endswith(AWS_MANAGED):
            return None
        key = self.find(caller.account, region, key_id)
        if key is None:
            text = (
                f"Key '{key_id}' does not exist"
                if key_id.startswith("arn:")
                else f"Invalid keyId '{key_id}'"
            )
            raise AwsError("KMS.NotFoundException", text, 400)
        if key.state == "Disabled":
            raise AwsError("KMS.DisabledException", f"{key.arn} is disabled.", 400)
        if key.state != "Enabled":
            raise AwsError(
                "KMS.KMSInvalidStateException", f"{key.arn} is {_state(key.state)}.", 400
            )
        context = {
            "kms:ViaService": f"s3.{region}.amazonaws.com",
            "kms:EncryptionContext:aws:s3:arn": encrypted_arn,
            "kms:EncryptionContextKeys": ["aws:s3:arn"],
            "aws:ViaAWSService": True,
            "aws:CalledVia": ["s3.amazonaws.com"],
            "aws:CalledViaFirst": "s3.amazonaws.com",
            "aws:CalledViaLast": "s3.amazonaws.com",
        }
        for action in actions:
            self.require(request, caller, key, action, context)
        return key

    def require_managed_key(self, caller: Caller, bucket_account: str) -> None:
        """Refuse S3's own key to other accounts: its policy names its own account alone.

        Raises
        ------
        AwsError
            The caller is of another account than the bucket.
        """
        if caller.account != bucket_account:
            raise AwsError("AccessDenied", "Access Denied", 403)

    def _context(
        self, key: KeyView, caller: Caller, action: str, further: Mapping[str, Any] | None
    ) -> dict[str, Any]:
        found: dict[str, Any] = {
            "kms:CallerAccount": caller.account,
            "kms:ResourceAliases": list(key.aliases),
            "kms:KeyOrigin": "AWS_KMS",
            "kms:KeySpec": "SYMMETRIC_DEFAULT",
            "kms:KeyUsage": "ENCRYPT_DECRYPT",
            **{f"aws:ResourceTag/{tag}": value for tag, value in key.tags.items()},
            "kms:MultiRegion": bool(key.multi_region),
        }
        if key.multi_region:
            found["kms:MultiRegionKeyType"] = key.multi_region
        if action.startswith(ENCRYPTING) and not key.asymmetric:
            found["kms:EncryptionAlgorithm"] = "SYMMETRIC_DEFAULT"
        return {**found, **(further or {})}

    def _granted(
        self, key: KeyView, caller: Caller, action: str, context: Mapping[str, Any]
    ) -> bool:
        operation = action.removeprefix("kms:")
        return any(
            principal in (caller.arn, caller.principal_arn)
            and operation in operations
            and _meets(constraints, context)
            for principal, operations, constraints in key.grants
        )


def _meets(constraints: Mapping[str, Any], context: Mapping[str, Any]) -> bool:
    """Whether a request's encryption context is what a grant asks for.

    Source: AWS KMS API reference, "GrantConstraints": equal to the one, or with at least the pairs
    of the other; an operation that takes no encryption context is not constrained.
    """
    head = "kms:EncryptionContext:"
    pairs = {
        key.removeprefix(head): value for key, value in context.items() if key.startswith(head)
    }
    equals, subset = (
        constraints.get(f"EncryptionContext{name}") or {} for name in ("Equals", "Subset")
    )
    return (not equals or pairs == dict(equals)) and all(
        pairs.get(name) == value for name, value in subset.items()
    )


def _state(state: str) -> str:
    return "pending deletion" if state == "PendingDeletion" else f"in state {state}"
