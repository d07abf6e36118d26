"""STS: identities, and roles that are assumed only by those whom their trust policy names."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from rwlib.sandbox.answer import Answer, AwsError, query_answer, xml_text
from rwlib.sandbox.aws.authorize import Ask, Authorizer
from rwlib.sandbox.aws.caller import Caller
from rwlib.sandbox.aws.constraints import check_parameters
from rwlib.sandbox.aws.context import tag_context
from rwlib.sandbox.aws.documents import DocumentError, check_document, size_of
from rwlib.sandbox.aws.request import AwsRequest
from rwlib.sandbox.aws.session_tokens import (
    Mint,
    SessionToken,
    TemporaryCredentials,
    account_of_access_key,
    new_access_key_id,
)
from rwlib.sandbox.views import PrincipalView

_ROLE = re.compile(r"arn:(?P<partition>aws[a-z-]*):iam::(?P<account>\d{12}):role/(?P<path>.+)")
CHAINED_LIMIT = 3600
PACKED_LIMIT = 2048
NOBODY = '{"Version": "2012-10-17", "Statement": []}'


@dataclass(frozen=True)
class Assumed:
    """A role session just made."""

    role: PrincipalView
    token: SessionToken
    credentials: TemporaryCredentials


class StsService:
    """Answers requests to STS."""

    def __init__(self, authorizer: Authorizer, mint: Mint) -> None:
        self.authorizer = authorizer
        self.directory = authorizer.directory
        self.mint = mint

    def answer(self, request: AwsRequest, caller: Caller) -> Answer:
        """Authorise and answer one request; the world must be entered."""
        check_parameters(request)
        match request.action:
            case "GetCallerIdentity":
                result = _identity(caller)
            case "AssumeRole":
                result = self._assume_role(request, caller)
            case "GetAccessKeyInfo":
                self._require(request, caller)
                result = _key_info(request.parameters["AccessKeyId"])
            case "GetSessionToken":
                result = self._session_token(request, caller)
            case "GetFederationToken":
                result = self._federation_token(request, caller)
            case "AssumeRoleWithWebIdentity" | "AssumeRoleWithSAML":
                raise AwsError(
                    "InvalidIdentityToken",
                    "No OpenIDConnect provider found in your account"
                    if "Web" in request.action
                    else "Invalid base64 SAMLResponse",
                )
            case "DecodeAuthorizationMessage":
                self._require(request, caller)
                raise AwsError("InvalidAuthorizationMessageException", "Message is not valid")
            case _:
                self._require(request, caller)
                raise AwsError(
                    "InvalidAction", f"The sandbox does not answer {request.action}.", 400
                )
        return query_answer("sts", request.action, result)

    def assume(self, request: AwsRequest, caller: Caller) -> Assumed:
        """Make a session of a role for a caller, if everything allows it.

        Source: STS API Reference, AssumeRole.

        Raises
        ------
        AwsError
            In STS's words; for another account's caller without saying which side refused.
        """
        parameters = request.parameters
        arn = _ROLE.fullmatch(parameters["RoleArn"])
        if arn is None:
            raise AwsError("ValidationError", f"{parameters['RoleArn']} is invalid")
        account = arn["account"]
        if not self.directory.region_enabled(account, request.region):
            raise AwsError(
                "RegionDisabledException",
                f"STS is not activated in this region for account:{account}. Your account "
                "administrator can activate STS in this region using the IAM Console.",
                403,
            )
        role = self.directory.role(account, arn["path"].rpartition("/")[2])
        if role is not None and role.arn != parameters["RoleArn"]:
            role = None
        self._require_trust(request, caller, role)
        assert role is not None
        duration = _duration(parameters, caller, role)
        policies, arns = self._session_policies(parameters, account)
        now = time.time()
        token = SessionToken(
            new_access_key_id("ASIA", account),
            account,
            "role",
            role.arn,
            role.id,
            parameters["RoleSessionName"],
            now,
            now + duration,
            policies,
            arns,
            tuple(_tags(parameters).items()),
            tuple(parameters.get("TransitiveTagKeys") or ()),
            parameters.get("SourceIdentity") or _source_identity(caller),
        )
        return Assumed(role, token, self.mint.issue(token))

    def _require_trust(
        self, request: AwsRequest, caller: Caller, role: PrincipalView | None
    ) -> None:
        parameters = request.parameters
        account = parameters["RoleArn"].split(":")[4]
        context: dict[str, Any] = {
            "sts:RoleSessionName": parameters["RoleSessionName"],
            **tag_context(_tags(parameters)),
        }
        for name in ("ExternalId", "SourceIdentity", "TransitiveTagKeys"):
            if parameters.get(name):
                context[f"sts:{name}"] = parameters[name]
        for key, value in (role.tags if role else {}).items():
            context[f"iam:ResourceTag/{key}"] = value
            context[f"aws:ResourceTag/{key}"] = value
        trust = role.trust if role is not None else NOBODY
        actions = ["sts:AssumeRole"]
        if parameters.get("Tags"):
            actions.append("sts:TagSession")
        if parameters.get("SourceIdentity"):
            actions.append("sts:SetSourceIdentity")
        for action in actions:
            ask = Ask(action, parameters["RoleArn"], account, trust, context)
            self.authorizer.require(request, caller, ask)

    def _session_policies(
        self, given: dict[str, Any], account: str
    ) -> tuple[tuple[str, ...], tuple[str, ...]]:
        text = given.get("Policy")
        if text:
            try:
                check_document(text, "session")
            except DocumentError as error:
                raise AwsError("MalformedPolicyDocument", error.message) from None
            if size_of(text) > PACKED_LIMIT:
                raise AwsError(
                    "PackedPolicyTooLarge",
                    "Packed policy consumes more than 100% of allotted space, please use smaller "
                    "policy.",
                )
        entries = given.get("PolicyArns") or []
        if len(entries) > 10:
            raise AwsError(
                "ValidationError",
                "You may only specify up to 10 managed policies as session policies",
            )
        arns = tuple(entry.get("arn", "") for entry in entries)
        for arn in arns:
            if not arn.startswith(("arn:aws:iam::aws:", f"arn:aws:iam::{account}:")):
                raise AwsError("MalformedPolicyDocument", f"Invalid policy arn: {arn}")
            if self.directory.policy(arn) is None:
                raise AwsError("MalformedPolicyDocument", f"Policy {arn} does not exist")
        return ((text,) if text else ()), arns

    def _assume_role(self, request: AwsRequest, caller: Caller) -> str:
        made = self.assume(request, caller)
        role, token = made.role, made.token
        arn = f"arn:aws:sts::{role.account}:assumed-role/{role.name}/{token.session_name}"
        source = token.source_identity
        packed = sum(size_of(text) for text in token.policies) * 100 // PACKED_LIMIT
        return (
            f"{_credentials(made.credentials)}<AssumedRoleUser><AssumedRoleId>{role.id}:"
            f"{xml_text(token.session_name)}</AssumedRoleId><Arn>{xml_text(arn)}</Arn>"
            "</AssumedRoleUser>"
            + (f"<PackedPolicySize>{packed}</PackedPolicySize>" if token.policies else "")
            + (f"<SourceIdentity>{xml_text(source)}</SourceIdentity>" if source else "")
        )

    def _session_token(self, request: AwsRequest, caller: Caller) -> str:
        if caller.session is not None:
            raise AwsError(
                "AccessDenied", "Cannot call GetSessionToken with session credentials", 403
            )
        duration = int(request.parameters.get("DurationSeconds") or 43200)
        if caller.kind == "root":
            duration = min(duration, 3600)
        now = time.time()
        token = SessionToken(
            new_access_key_id("ASIA", caller.account),
            caller.account,
            "user",
            caller.arn,
            caller.user_id,
            "",
            now,
            now + duration,
            mfa="SerialNumber" in request.parameters,
        )
        return _credentials(self.mint.issue(token))

    def _federation_token(self, request: AwsRequest, caller: Caller) -> str:
        parameters = request.parameters
        if caller.session is not None:
            raise AwsError(
                "AccessDenied", "Cannot call GetFederationToken with session credentials", 403
            )
        arn = f"arn:aws:sts::{caller.account}:federated-user/{parameters['Name']}"
        self.authorizer.require(request, caller, Ask("sts:GetFederationToken", arn, caller.account))
        policies, arns = self._session_policies(parameters, caller.account)
        now = time.time()
        token = SessionToken(
            new_access_key_id("ASIA", caller.account),
            caller.account,
            "federated",
            caller.arn,
            caller.user_id,
            parameters["Name"],
            now,
            now + int(parameters.get("DurationSeconds") or 43200),
            policies or (() if arns else (NOBODY,)),
            arns,
        )
        return (
            f"{_credentials(self.mint.issue(token))}<FederatedUser><FederatedUserId>"
            f"{caller.account}:{xml_text(parameters['Name'])}</FederatedUserId><Arn>{xml_text(arn)}</Arn>"
            "</FederatedUser><PackedPolicySize>0</PackedPolicySize>"
        )

    def _require(self, request: AwsRequest, caller: Caller) -> None:
        self.authorizer.require(request, caller, Ask(f"sts:{request.action}", "*", caller.account))


def _duration(given: dict[str, Any], caller: Caller, role: PrincipalView) -> int:
    asked = given.get("DurationSeconds")
    chained = caller.session is not None and caller.session.kind == "role"
    if asked is None:
        return CHAINED_LIMIT
    if chained and int(asked) > CHAINED_LIMIT:
        raise AwsError(
            "ValidationError",
            "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by "
            "role chaining.",
        )
    if int(asked) > role.max_session_duration:
        raise AwsError(
            "ValidationError",
            "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.",
        )
    return int(asked)


def _source_identity(caller: Caller) -> str:
    return caller.session.source_identity if caller.session is not None else ""


def _tags(given: dict[str, Any]) -> dict[str, str]:
    tags = given.get("Tags") or []
    return {str(tag["Key"]): str(tag.get("Value", "")) for tag in tags if "Key" in tag}


def _identity(caller: Caller) -> str:
    return (
        f"<Arn>{xml_text(caller.arn)}</Arn><UserId>{xml_text(caller.user_id)}</UserId>"
        f"<Account>{caller.account}</Account>"
    )


def _key_info(access_key: str) -> str:
    account = account_of_access_key(access_key)
    if account is None:
        raise AwsError("ValidationError", f"Invalid access key ID: {access_key}")
    return f"<Account>{account}</Account>"


def _credentials(made: TemporaryCredentials) -> str:
    expires = datetime.fromtimestamp(made.expires, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return (
        f"<Credentials><AccessKeyId>{made.access_key_id}</AccessKeyId><SecretAccessKey>"
        f"{made.secret_access_key}</SecretAccessKey><SessionToken>{made.session_token}"
        f"</SessionToken><Expiration>{expires}</Expiration></Credentials>"
    )
