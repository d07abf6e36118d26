"""Who asks: credentials read, checked, and turned into a principal."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Literal

from rwlib.sandbox.answer import AwsError
from rwlib.sandbox.aws.directory import Directory
from rwlib.sandbox.aws.regions import exists
from rwlib.sandbox.aws.request import AwsRequest
from rwlib.sandbox.aws.session_tokens import Mint, SessionToken
from rwlib.sandbox.aws.sigv4 import check_signature

Kind = Literal["root", "user", "role", "federated", "anonymous"]


@dataclass(frozen=True)
class Caller:
    """The principal of a request.

    ``arn`` is what AWS calls the caller in its answers: for a role its session's ARN.
    ``principal_arn`` is what the condition key ``aws:PrincipalArn`` says: for a session its
    role's ARN. ``session`` is set for temporary credentials.
    """

    kind: Kind
    account: str
    arn: str
    user_id: str
    principal_arn: str
    name: str = ""
    access_key: str = ""
    session: SessionToken | None = None

    @property
    def is_known(self) -> bool:
        """Whether the request was signed."""
        return self.kind != "anonymous"


ANONYMOUS = Caller("anonymous", "anonymous", "*", "anonymous", "*")


def authenticate(request: AwsRequest, mint: Mint, directory: Directory) -> Caller:
    """Find out who signed the request, and check that they did.

    Raises
    ------
    AwsError
        The key is unknown, the secret wrong, or the token expired or not valid here.
    """
    authorization = request.authorization
    if authorization is None:
        if request.service == "s3":
            return ANONYMOUS
        raise AwsError("MissingAuthenticationToken", "Request is missing Authentication Token", 403)
    now = time.time()
    key = authorization.access_key
    if authorization.token:
        token = mint.read(authorization.token)
        if token is None or token.access_key_id != key:
            raise _bad_token(request.service)
        check_signature(request, mint.secret_of(key), now)
        if now >= token.expires:
            raise _expired(request.service)
        caller = caller_of_session(token)
    elif len(key) == 12 and key.isascii() and key.isdigit():
        check_signature(request, mint.root_secret, now)
        caller = root_of(key)
    else:
        user, secret = directory.user_of_key(key)
        if user is None:
            raise _unknown_key(request.service, key)
        check_signature(request, secret, now)
        caller = Caller("user", user.account, user.arn, user.id, user.arn, user.name, key)
    if not directory.region_enabled(caller.account, request.region):
        raise _not_in_region(request, authorization.token != "")
    return caller


def root_of(account: str) -> Caller:
    """Give an account's root user."""
    arn = f"arn:aws:iam::{account}:root"
    return Caller("root", account, arn, account, arn, "root", account)


def caller_of_session(token: SessionToken) -> Caller:
    """Give the principal a session token was made for."""
    account, key = token.account, token.access_key_id
    name = token.principal_arn.rpartition("/")[2]
    if token.kind == "role":
        arn = f"arn:aws:sts::{account}:assumed-role/{name}/{token.session_name}"
        user_id = f"{token.principal_id}:{token.session_name}"
        return Caller("role", account, arn, user_id, token.principal_arn, name, key, token)
    if token.kind == "federated":
        arn = f"arn:aws:sts::{account}:federated-user/{token.session_name}"
        user_id = f"{account}:{token.session_name}"
        return Caller("federated", account, arn, user_id, arn, token.session_name, key, token)
    if token.principal_arn.endswith(":root"):
        arn = token.principal_arn
        return Caller("root", account, arn, account, arn, "root", key, token)
    arn = token.principal_arn
    return Caller("user", account, arn, token.principal_id, arn, name, key, token)


def _unknown_key(service: str, key: str) -> AwsError:
    if service in ("s3", "s3control"):
        return AwsError(
            "InvalidAccessKeyId",
            "The AWS Access Key Id you provided does not exist in our records.",
            403,
            fields={"AWSAccessKeyId": key},
        )
    return _invalid_token_id(service)


def _invalid_token_id(service: str) -> AwsError:
    text = "The security token included in the request is invalid."
    if service in ("iam", "sts", "redshift"):
        return AwsError("InvalidClientTokenId", text, 403)
    return AwsError(
        "UnrecognizedClientException", text, 403 if service == "accessanalyzer" else 400
    )


def _bad_token(service: str) -> AwsError:
    if service in ("s3", "s3control"):
        return AwsError(
            "InvalidToken", "The provided token is malformed or otherwise invalid.", 400
        )
    return _invalid_token_id(service)


def _expired(service: str) -> AwsError:
    if service in ("s3", "s3control"):
        return AwsError("ExpiredToken", "The provided token has expired.", 400)
    text = "The security token included in the request is expired"
    if service in ("iam", "sts", "redshift"):
        return AwsError("ExpiredToken", text, 403)
    return AwsError("ExpiredTokenException", text, 403 if service == "accessanalyzer" else 400)


def _not_in_region(request: AwsRequest, temporary: bool) -> AwsError:
    """Refuse as a Region does which the caller's account has not switched on.

    Credentials are not known there: IAM User Guide, "Managing AWS STS in an AWS Region".
    """
    if not exists(request.region):
        return AwsError(
            "SignatureDoesNotMatch",
            "Credential should be scoped to a valid region.",
            403,
        )
    key = request.authorization.access_key if request.authorization else ""
    if request.service in ("s3", "s3control") and temporary:
        return _bad_token(request.service)
    return _unknown_key(request.service, key)
