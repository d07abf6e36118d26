"""Temporary credentials: everything about a session is in its signed token.

The sandbox keeps no list of sessions. A token carries who it was made for and until when, signed
with a secret of this sandbox, so it survives a restart with ``--state`` and cannot leak between
accounts.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
import zlib
from dataclasses import dataclass
from functools import lru_cache

ROOT_SECRET = "test"
"""The secret of every 12-digit access key id, where a sandbox has none of its own."""


@dataclass(frozen=True)
class SessionToken:
    """What a session token says.

    ``kind`` is ``role`` (AssumeRole), ``user`` (GetSessionToken) or ``federated``
    (GetFederationToken). ``principal_arn`` is the role's or user's ARN and ``principal_id`` its
    unique id at the time, so that a session of a deleted role is recognised. ``policies`` are
    session policy documents; ``policy_arns`` the managed ones.
    """

    access_key_id: str
    account: str
    kind: str
    principal_arn: str
    principal_id: str
    session_name: str
    issued: float
    expires: float
    policies: tuple[str, ...] = ()
    policy_arns: tuple[str, ...] = ()
    tags: tuple[tuple[str, str], ...] = ()
    transitive_tags: tuple[str, ...] = ()
    source_identity: str = ""
    mfa: bool = False


@dataclass(frozen=True)
class TemporaryCredentials:
    """Credentials as STS hands them out; ``expires`` is in seconds since the epoch."""

    access_key_id: str
    secret_access_key: str
    session_token: str
    expires: float


class Mint:
    """Makes temporary credentials and reads them back.

    Parameters
    ----------
    secret
        Signs the tokens; without one, tokens are good for this process only.
    root_secret
        The secret of every 12-digit access key id.
    """

    def __init__(self, secret: bytes | None = None, root_secret: str = ROOT_SECRET) -> None:
        self.secret = secret or secrets.token_bytes(32)
        self.root_secret = root_secret
        self._read = lru_cache(maxsize=4096)(self._read_uncached)

    def issue(self, token: SessionToken) -> TemporaryCredentials:
        """Give the credentials which go with a session token's content."""
        packed = zlib.compress(json.dumps(vars(token), separators=(",", ":")).encode())
        signed = self._sign(b"token", packed) + packed
        return TemporaryCredentials(
            token.access_key_id,
            self.secret_of(token.access_key_id),
            base64.b64encode(signed).decode(),
            token.expires,
        )

    def read(self, text: str) -> SessionToken | None:
        """Read a session token; None when this sandbox did not make it."""
        return self._read(text) if len(text) < 32768 else None

    def secret_of(self, access_key_id: str) -> str:
        """Give the secret access key of a temporary access key id."""
        return base64.b64encode(self._sign(b"secret", access_key_id.encode())).decode()[:40]

    def _sign(self, purpose: bytes, content: bytes) -> bytes:
        return hmac.new(self.secret, purpose + b"\0" + content, hashlib.sha256).digest()

    def _read_uncached(self, text: str) -> SessionToken | None:
        try:
            raw = base64.b64decode(text, validate=True)
        except ValueError:
            return None
        if not hmac.compare_digest(raw[:32], self._sign(b"token", raw[32:])):
            return None
        fields = json.loads(zlib.decompress(raw[32:]))
        for name in ("policies", "policy_arns", "transitive_tags"):
            fields[name] = tuple(fields[name])
        fields["tags"] = tuple((key, value) for key, value in fields["tags"])
        return SessionToken(**fields)


def new_access_key_id(prefix: str, account: str) -> str:
    """Make an access key id that carries its account, the way AWS's own have done since 2019.

    The account stands in bits 7 to 46 of the first six decoded bytes, which is what lets STS
    ``GetAccessKeyInfo`` answer without knowing the key.
    """
    head = (1 << 47) | (int(account) << 7) | secrets.randbelow(128)
    raw = head.to_bytes(6, "big") + secrets.token_bytes(4)
    return prefix + base64.b32encode(raw).decode()


def account_of_access_key(access_key_id: str) -> str | None:
    """Read the account out of an access key id; None when it is not a well-formed one."""
    if len(access_key_id) == 12 and access_key_id.isascii() and access_key_id.isdigit():
        return access_key_id
    if len(access_key_id) != 20:
        return None
    try:
        raw = base64.b32decode(access_key_id[4:])
    except ValueError:
        return None
    account = (int.from_bytes(raw[:6], "big") & 0x7FFFFFFFFF80) >> 7
    return f"{account:012d}" if account < 10**12 else None
