"""KMS behind the authorisation layer."""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import replace
from typing import Any

from rwlib.sandbox.answer import Answer, AwsError
from rwlib.sandbox.aws.authorize import Ask, Authorizer
from rwlib.sandbox.aws.caller import Caller
from rwlib.sandbox.aws.constraints import check_parameters
from rwlib.sandbox.aws.context import tag_context
from rwlib.sandbox.aws.documents import DocumentError, check_document
from rwlib.sandbox.aws.kms.access import KeyAccess
from rwlib.sandbox.aws.request import AwsRequest
from rwlib.sandbox.aws.saved_principals import InvalidPrincipalError, check_principals
from rwlib.sandbox.views import KeyView

WITHOUT_KEY = frozenset(
    {
        *("CreateKey", "ListKeys", "ListAliases", "GenerateRandom", "CreateCustomKeyStore"),
        *("DescribeCustomKeyStores", "ListRetirableGrants"),
    }
)
CRYPTOGRAPHIC = frozenset(
    {
        *("Encrypt", "Decrypt", "ReEncrypt", "Sign", "Verify", "GenerateMac", "VerifyMac"),
        *("GenerateDataKey", "GenerateDataKeyWithoutPlaintext", "GenerateDataKeyPair"),
        *("GenerateDataKeyPairWithoutPlaintext", "DeriveSharedSecret"),
    }
)
CROSS_ACCOUNT = CRYPTOGRAPHIC | {"DescribeKey", "CreateGrant", "ListGrants", "RevokeGrant"}
"""Operations that another account's key may be named in; for the others it is not found.

Source: AWS KMS Developer Guide, "Allowing users in other accounts to use a KMS key".
"""

LARGEST_POLICY = 32768
DEFAULTS = {"KeyUsage": "ENCRYPT_DECRYPT", "MultiRegion": False}


class KmsService:
    """Answers requests to KMS."""

    def __init__(self, authorizer: Authorizer, keys: KeyAccess) -> None:
        self.authorizer = authorizer
        self.directory = authorizer.directory
        self.world = authorizer.directory.world
        self.keys = keys

    def answer(self, request: AwsRequest, caller: Caller) -> Answer:
        """Authorise and answer one request; the world must be entered."""
        check_parameters(request)
        parameters, action = request.parameters, request.action
        if action in WITHOUT_KEY:
            ask = Ask(f"kms:{action}", "*", caller.account, context=_tags(parameters))
            self.authorizer.require(request, caller, ask)
            if action == "GenerateRandom" and "NumberOfBytes" not in parameters:
                raise _missing("numberOfBytes")
            if action == "CreateKey":
                # Source: AWS KMS API Reference, CreateKey.
                request.parameters = parameters = {**DEFAULTS, **parameters}
            if action == "CreateKey" and parameters.get("Policy"):
                parameters["Policy"] = self._policy(parameters["Policy"])
            return self._forward(request, caller.account)
        if action in ("CreateAlias", "UpdateAlias", "DeleteAlias"):
            return self._alias(request, caller)
        if action == "ReEncrypt":
            source = self._key(request, caller, self._key_of_ciphertext(request))
            self._use(request, caller, source, "kms:ReEncryptFrom", "SourceEncryptionContext")
            target = self._key(request, caller, parameters["DestinationKeyId"])
            self._use(request, caller, target, "kms:ReEncryptTo", "DestinationEncryptionContext")
            return self._forward(request, source.account)
        key_id = parameters.get("KeyId")
        if action == "Decrypt":
            key_id = key_id or self._key_of_ciphertext(request)
        if not key_id:
            raise AwsError("ValidationException", "KeyId must not be null")
        key = self._key(request, caller, key_id)
        self._use(request, caller, key, f"kms:{action}", "EncryptionContext")
        if action == "PutKeyPolicy":
            self._check_new_policy(request, caller, key)
        if action == "GetPublicKey" and not key.asymmetric:
            raise AwsError("UnsupportedOperationException", f"{key.arn} is a symmetric key.")
        # moto knows a key by its id in its own account.
        parameters["KeyId"] = key.id
        answer = self._forward(request, key.account)
        if action == "ListGrants" and answer.status < 300:
            return _page_of_grants(parameters, answer)
        return answer

    def _key(self, request: AwsRequest, caller: Caller, key_id: str) -> KeyView:
        key = self.keys.find(caller.account, request.region, key_id)
        foreign = key is not None and key.account != caller.account
        if key is None or (foreign and request.action not in CROSS_ACCOUNT):
            raise _not_found(key_id, caller.account, request.region)
        return key

    def _use(
        self, request: AwsRequest, caller: Caller, key: KeyView, action: str, field: str
    ) -> None:
        context: dict[str, Any] = {}
        pairs = request.parameters.get(field)
        if isinstance(pairs, dict) and pairs:
            context["kms:EncryptionContextKeys"] = list(pairs)
            for name, value in pairs.items():
                context[f"kms:EncryptionContext:{name}"] = str(value)
        context.update(_tags(request.parameters))
        self.keys.require(request, caller, key, action, context, request.action)
        if request.action in CRYPTOGRAPHIC and key.state == "Disabled":
            raise AwsError("DisabledException", f"{key.arn} is disabled.")
        if request.action in CRYPTOGRAPHIC and key.state != "Enabled":
            raise AwsError("KMSInvalidStateException", f"{key.arn} is pending deletion.")

    def _alias(self, request: AwsRequest, caller: Caller) -> Answer:
        parameters = request.parameters
        name = parameters["AliasName"]
        arn = f"arn:aws:kms:{request.region}:{caller.account}:{name}"
        self.authorizer.require(request, caller, Ask(f"kms:{request.action}", arn, caller.account))
        existing = self.keys.find(caller.account, request.region, name)
        target = parameters.get("TargetKeyId") or (existing.id if existing else "")
        if request.action == "DeleteAlias" and existing is None:
            raise AwsError("NotFoundException", f"Alias {arn} is not found.")
        key = self._key(request, caller, target)
        context = {"kms:RequestAlias": name}
        self.keys.require(request, caller, key, f"kms:{request.action}", context)
        if "TargetKeyId" in parameters:
            parameters["TargetKeyId"] = key.id
        return self._forward(request, caller.account)

    def _key_of_ciphertext(self, request: AwsRequest) -> str:
        given = request.parameters.get("CiphertextBlob")
        if given is None:
            raise _missing("ciphertextBlob")
        try:
            blob = base64.b64decode(given, validate=True)
        except (binascii.Error, ValueError):
            raise AwsError("InvalidCiphertextException", "") from None
        key_arn = self.world.kms.key_of_ciphertext(blob, request.region)
        if key_arn is None:
            raise AwsError("InvalidCiphertextException", "")
        return key_arn

    def _policy(self, text: str) -> str:
        if len(text) > LARGEST_POLICY:
            raise AwsError("LimitExceededException", "The key policy exceeds 32768 bytes.")
        try:
            document = check_document(text, "key")
        except DocumentError as error:
            raise AwsError("MalformedPolicyDocumentException", error.message) from None
        try:
            changed = check_principals(document, self.directory)
        except InvalidPrincipalError:
            raise AwsError(
                "MalformedPolicyDocumentException",
                "Policy contains a statement with one or more invalid principals.",
            ) from None
        return json.dumps(document) if changed else text

    def _check_new_policy(self, request: AwsRequest, caller: Caller, key: KeyView) -> None:
        given = request.parameters
        given["Policy"] = self._policy(given["Policy"])
        if given.get("BypassPolicyLockoutSafetyCheck"):
            return
        try:
            renewed = replace(key, policy=given["Policy"], grants=())
            self.keys.require(request, caller, renewed, "kms:PutKeyPolicy")
        except AwsError:
            raise AwsError(
                "MalformedPolicyDocumentException",
                "The new key policy will not allow you to update the key policy in the future.",
            ) from None

    def _forward(self, request: AwsRequest, account: str) -> Answer:
        body = json.dumps(request.parameters).encode()
        return self.world.call(request.service, request.environ, body, account)


def _page_of_grants(parameters: dict[str, Any], answer: Answer) -> Answer:
    """Keep the grants that are asked for, and of those one page.

    Source: AWS KMS API Reference, ListGrants: 50 unless a limit is given, at most 100.
    """
    found = json.loads(answer.body)
    grantee = parameters.get("GranteePrincipal")
    grants = [e for e in found["Grants"] if grantee in (None, e.get("GranteePrincipal"))]
    start = int(parameters["Marker"]) if str(parameters.get("Marker", "")).isdecimal() else 0
    end = start + min(int(parameters.get("Limit") or 50), 100)
    more = {"NextMarker": str(end)} if end < len(grants) else {}
    page = {"Grants": grants[start:end], "Truncated": bool(more), **more}
    return answer.with_body(json.dumps(page).encode())


def _missing(name: str) -> AwsError:
    """Refuse a call without what KMS needs and its service model does not demand."""
    return AwsError(
        "ValidationException",
        f"1 validation error detected: Value null at '{name}' failed to satisfy constraint: "
        "Member must not be null",
    )


def _tags(given: dict[str, Any]) -> dict[str, Any]:
    tags = given.get("Tags")
    if not isinstance(tags, list):
        return {}
    pairs = {str(t.get("TagKey")): str(t.get("TagValue", "")) for t in tags if isinstance(t, dict)}
    return tag_context(pairs)


def _not_found(key_id: str, account: str, region: str) -> AwsError:
    if key_id.startswith("arn:") and key_id.split(":")[3] != region:
        text = f"Invalid arn {key_id.split(':')[3]}"
    elif key_id.startswith("alias/"):
        text = f"Alias arn:aws:kms:{region}:{account}:{key_id} is not found."
    elif ":alias/" in key_id:
        text = f"Alias {key_id} is not found."
    elif key_id.startswith("arn:"):
        text = f"Key '{key_id}' does not exist"
    elif len(key_id) in (36, 40):
        text = f"Key 'arn:aws:kms:{region}:{account}:key/{key_id}' does not exist"
    else:
        text = f"Invalid keyId {key_id}"
    return AwsError("NotFoundException", text)
