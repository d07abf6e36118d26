"""Secrets and tokens out of everything that is shown or stored.

Masked are AWS secret keys, session tokens and signatures, access key ids in part, passwords in
options, URLs, DSNs and commands, ``Authorization`` headers, RisingWave Cloud API keys, the values
of ``CREATE SECRET``, private keys and JSON web tokens. Names, ARNs and messages stay as they are.
"""

from __future__ import annotations

import html
import json
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import quote, quote_plus, unquote

MASK: Final = "****"
MASK_BYTES: Final = b"********"


def _any_of(*phrases: str) -> str:
    return "|".join(phrases)


# Names whose values are secret, as options, variables, headers, fields and XML elements spell them.
_SECRET: Final = _any_of(
    r"(?:[\w.-]{0,60}[._-])?secret[._-]?key|secret[._-]?access[._-]?key|secretaccesskey",
    r"(?:[\w.-]{0,60}[._-])?(?:credentials?[._-])?secret(?=[\"'`\\]*\s*(?:=>|[:=]{1,2})\s*\\*[\"'`])",
    r"(?:aws[._-]?)?(?:session|security)[._-]?token|x-amz-(?:security-token|signature)",
    r"(?:client|api|rwc_api|app|api-key)[._-]?secret|rwc_api_key|(?:x-)?api[._-]?key",
    r"(?:access|refresh|id|bearer|auth|catalog)[._-]?token|catalog\.credential",
    r"(?:[\w.-]{0,60}[._-])?(?:password|passwd|passphrase|pwd)|private[._-]key(?:[._-]pem)?",
)
_SECRET_WORDS: Final = (
    *("secret", "token", "password", "passwd", "passphrase", "pwd", "signature"),
    *("api_key", "api-key", "apikey", "api.key", "credential", "private"),
)
_NAME: Final = rf"(?<![\w-])(?:aws[._-]|s3[._-])?(?:{_SECRET})(?:\\*[\"'`])?"
_IS: Final = r"\s*(?:=>|:=|[=:])\s*"
# What may stand where a value stands and is none.
_NO_VALUE: Final = _any_of(
    r"[\"'`\\*.\[(>{]",
    r"(?:null|none|secret|true|false|must|is|are|was|not|and|or|requires|redacted)\b",
)
_Replacement = str | Callable[[re.Match[str]], str]


def _keep(*groups: int) -> Callable[[re.Match[str]], str]:
    """Replace all but the given groups; the mask stands before the last of them, or at the end."""

    def replace(match: re.Match[str]) -> str:
        kept = [match[group] or "" for group in groups]
        return kept[0] + MASK + "".join(kept[1:])

    return replace


def _quoted_value(match: re.Match[str]) -> str:
    value = match[3] if match[3].strip(".* ") == "" else MASK
    return f"{match[1]}{match[2]}{value}{match[2]}"


def _bare_secret_key(match: re.Match[str]) -> str:
    text = match[0]
    kinds = (any(map(str.isupper, text)), any(map(str.islower, text)), any(map(str.isdigit, text)))
    return MASK if all(kinds) and text.count("/") <= 4 else text


@dataclass(frozen=True)
class _Rule:
    """One kind of secret: where it stands, and one of the words it never stands without."""

    pattern: re.Pattern[str]
    replacement: _Replacement
    words: tuple[str, ...]


_RULES: Final = (
    _Rule(
        re.compile(r"(?s)-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*KEY-----|\Z)"),
        MASK,
        ("private key",),
    ),
    # CREATE SECRET name WITH (backend = 'meta') AS 'value'; ALTER USER … PASSWORD 'value'
    _Rule(
        re.compile(
            r"(?is)(\bcreate\s+secret\b.{0,200}?\bas\s+\\?'|\b(?:password|identified\s+by)\s+\\?')"
            r"(?:[^'\\]|''|\\.)+?(?=\\?'(?!'))"
        ),
        _keep(1),
        ("secret", "password", "identified"),
    ),
    # An Authorization header, whatever its scheme.
    _Rule(
        re.compile(
            r"(?i)(\b(?:proxy-)?authorization\b\\*[\"']?\s*[:=]\s*\\*[\"']?"
            r"(?:(?:basic|bearer|token|digest)\s+)?)(?:aws4-hmac-sha256\s+[^\"'\n]+|[^\s\"',;\\]+)"
        ),
        _keep(1),
        ("authorization",),
    ),
    _Rule(
        re.compile(r"(?i)\b((?:bearer|basic)\s+)(?=[\w+/.-]*\d)[\w+/.~-]{16,}=*"),
        _keep(1),
        ("bearer", "basic"),
    ),
    # <SecretAccessKey>…</SecretAccessKey>
    _Rule(re.compile(rf"(?i)(<(?:{_SECRET})>)[^<]+(?=</)"), _keep(1), ("</",)),
    # scheme://user:password@host
    _Rule(
        # To the last @: a password that holds one of its own is still all of it.
        re.compile(r"(?i)(\b[a-z][a-z0-9+.-]*://[^\s:/?#@\"']*:)(?!\d{1,5}[/?#])[^\s\"'<>]+(?=@)"),
        _keep(1),
        ("@",),
    ),
    # name = 'value', "name": "value", name: Some("value"), also inside another string
    _Rule(
        re.compile(
            rf"(?i)({_NAME}{_IS}(?:(?:Some|Secret|String)\(\s*)?)(\\*[\"'`])"
            r"((?:\2\2|(?!\2)[^\n])*)(?:\2|\Z)"
        ),
        _quoted_value,
        _SECRET_WORDS,
    ),
    # name=value
    _Rule(
        re.compile(
            rf"(?i)({_NAME}{_IS})(?!{_NO_VALUE}|(?:Some|Secret|String)\()[^\s&;,\"'`)\]}}\\]+"
        ),
        _keep(1),
        _SECRET_WORDS,
    ),
    # --option value, -u user:password, token=value
    _Rule(re.compile(rf"(?i)(--(?:{_SECRET})\s+)(?!-)[^\s\"']+"), _keep(1), ("--",)),
    _Rule(re.compile(r"(\s-u\s+\"?[^\s:\"']+:)[^\s\"']+"), _keep(1), (" -u ",)),
    _Rule(
        re.compile(r"(?i)((?<![\w.-])token\s*[=:]\s*\\*[\"']?)(?=[^\s\"']*\d)[^\s&;,\"')\]\\*]+"),
        _keep(1),
        ("token",),
    ),
    _Rule(re.compile(r"(?i)(\bsignature=)[0-9a-f]{16,}"), _keep(1), ("signature=",)),
    # Key ids are no secrets, but they name an account: the ends are enough to compare.
    _Rule(re.compile(r"\b(A[KS]IA)[A-Z0-9]{8,}([A-Z0-9]{4})\b"), _keep(1, 2), ("akia", "asia")),
    _Rule(
        re.compile(r"\b(?:IQoJ|FwoG|FQoG|AQoD|AQoE)[A-Za-z0-9+/%]{40,}={0,2}"),
        MASK,
        ("iqoj", "fwog", "fqog", "aqod", "aqoe"),
    ),
    _Rule(re.compile(r"\beyJ[\w-]{10,}\.[\w-]{6,}(?:\.[\w-]*)?"), MASK, ("eyj",)),
    # A secret access key by itself: 40 characters of base64 that are no hash and no path.
    _Rule(
        re.compile(r"(?<![A-Za-z0-9/+=_.:-])[A-Za-z0-9/+]{40}(?![A-Za-z0-9/+=_.-])"),
        _bare_secret_key,
        ("",),
    ),
)


def mask(text: str) -> str:
    """Return the text without secrets; what names things stays readable.

    Masking a masked text changes nothing.
    """
    lower = text.lower()
    for rule in _RULES:
        if any(word in lower for word in rule.words):
            text = rule.pattern.sub(rule.replacement, text)
    return text


_MIN_LENGTH = 8  # of a value that is looked for; a shorter one stands in many a text by chance

_SECRET_NAME = re.compile(
    r"(?i)secret|passw|token|api_?key|credential|private_?key|_dsn$|^dsn$|jdbc|database_url"
)
# Variables whose name says "token" or "credential" and whose value is the path of a file, and
# AWS's switches.
_PLAIN_NAME = re.compile(r"(?i)_(file|path|dir|uri|url|cache|mode)s?$|^AWS_ROLE_|^AWS_EC2_")
# Two patterns, since one that begins with a plain text is found several times as fast; the other
# is not looked for where none of its endings is.
_IN_URL = re.compile(rb"://[^\s/:@'\"<>]{0,80}:(?!\d{1,5}[/?#])([^\s'\"<>*\\]{4,})@")
_IN_PAIR = re.compile(
    rb"(?:(?<!\w)[Pp](?:assword|ASSWORD|asswd|wd)|[Ss]ecret(?:_access_key|AccessKey))"
    rb"(?:=|%3D)([^\s&;'\"<>\\,)}*]{4,})"
)
_PAIR_ENDINGS = tuple(
    name + equals
    for name in (b"assword", b"ASSWORD", b"wd", b"access_key", b"AccessKey")
    for equals in (b"=", b"%3D")
)


def secret_values(environ: Mapping[str, str] | None = None) -> list[bytes]:
    """Return the secrets of an environment in each form in which they could be written.

    Passwords inside connection strings are secrets of their own. The longest comes first, so that
    masking one leaves no part of another.
    """
    values = os.environ if environ is None else environ
    plain: set[str] = set()
    for name, value in values.items():
        if _SECRET_NAME.search(name) and not _PLAIN_NAME.search(name):
            plain.add(value)
        if "://" in value or _CONNINFO.search(value):
            plain |= set(_passwords(value))
    return secret_forms(plain)


def secret_forms(values: Iterable[str]) -> list[bytes]:
    """Return each value as it is and as JSON, HTML, URLs and Python write it, longest first."""
    forms = {
        form.encode("utf-8", "surrogateescape")
        for value in values
        if len(value) >= _MIN_LENGTH or _is_odd(value)
        for form in (
            value,
            json.dumps(value)[1:-1],
            json.dumps(json.dumps(value)[1:-1])[1:-1],
            html.escape(value),
            quote(value, safe=""),
            quote(value),
            quote_plus(value),
            repr(value)[1:-1],
            value.replace("'", "''"),
        )
    }
    return sorted(forms, key=len, reverse=True)


def _is_odd(value: str) -> bool:
    """True for a short secret that no text holds by chance: marks or digits among letters."""
    marks = any(map(str.isalnum, value)) and re.search(r"[^\w\s.-]", value)
    mixed = any(map(str.isalpha, value)) and any(map(str.isdigit, value))
    return (len(value) >= 4 and bool(marks)) or (len(value) >= 6 and mixed)


# A password of a connection string in libpq's grammar: quotes, a backslash before any character,
# spaces around the equals sign.
_CONNINFO = re.compile(
    r"(?is)(?:\bpass|password|passwd)\s*=\s*('(?:\\.|[^'\\])*'?|(?:\\.|[^\s&;\\])+)"
)


def _passwords(text: str) -> Iterator[str]:
    """Yield the passwords of a connection string, and their parts, as anybody may read them.

    A password that was not escaped ends at its first ``@`` or ``/`` for one reader, at its last for
    another, and the rest of it is then a host, a port or a path. So all of it counts, from the
    first colon to the last ``@``, and so does each part.
    """
    after = text.partition("://")[2]
    user_info = after.rpartition("@")[0]
    whole = [user_info.partition(":")[2]] if ":" in user_info else []
    for match in _CONNINFO.finditer(text):
        value = match.group(1)
        if value.startswith("'"):
            value = value[1:].removesuffix("'")
        whole += [value, re.sub(r"(?s)\\(.)", r"\1", value)]
    for password in whole:
        for form in (password, unquote(password)):
            yield form
            yield from re.split(r"[@:/?#&=\s]", form)
            yield from (form[mark.end() :] for mark in re.finditer(r"[@:/?#&=]", form))


def passwords_of(text: str) -> list[str]:
    """Return the passwords in a connection string, in every way in which it can be read."""
    return sorted({each for each in _passwords(text) if each}, key=len, reverse=True)


def without_parts(text: str, secrets: Iterable[str], size: int = 4) -> str:
    """Return a text without any piece of the secrets that has at least ``size`` characters."""
    hidden = bytearray(len(text))
    for secret in secrets:
        pieces = {secret[at : at + size] for at in range(len(secret) - size + 1)}
        for at in range(len(text) - size + 1):
            if text[at : at + size] in pieces:
                hidden[at : at + size] = b"\1" * size
    shown: list[str] = []
    for character, secret_here in zip(text, hidden, strict=True):
        if not secret_here:
            shown.append(character)
        elif not shown or shown[-1] != MASK:
            shown.append(MASK)
    return "".join(shown)


def mask_output(text: str, environ: Mapping[str, str] | None = None) -> str:
    """Return a sentence for a person without the secrets of the environment."""
    return mask_known(text.encode("utf-8", "replace"), secret_values(environ)).decode()


def mask_known(data: bytes, secrets: Iterable[bytes]) -> bytes:
    """Replace the secrets, and passwords inside connection strings, by asterisks."""
    for secret in secrets:
        if secret in data:
            data = data.replace(secret, MASK_BYTES)
    data = _IN_URL.sub(_masked_match, data)
    if any(ending in data for ending in _PAIR_ENDINGS):
        data = _IN_PAIR.sub(_masked_match, data)
    return data


def _masked_match(match: re.Match[bytes]) -> bytes:
    # RisingWave's way to say "from a secret" is no secret.
    if match.group(1).lower() in (b"secret", b"..."):
        return match.group()
    start, end = (at - match.start() for at in match.span(1))
    return match.group()[:start] + MASK_BYTES + match.group()[end:]


def mask_folder(folder: Path, secrets: Iterable[bytes]) -> list[str]:
    """Replace secrets in every file of a folder; return the names of those that held one."""
    known = list(secrets)
    masked = []
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not path.is_symlink():
            before = path.read_bytes()
            after = mask_known(before, known)
            if after != before:
                part = path.with_name(f".{path.name}.{os.getpid()}.part")
                part.write_bytes(after)
                part.replace(path)
                masked.append(path.relative_to(folder).as_posix())
    return masked
