"""What decides, in a log too big to be read word by word, which entries are looked at.

`MARKERS` are parts of words of which a logged error has at least one; `bytes.find` searches each
at gigabytes a second. `Telling` is then asked of the log entry around it. Neither decides what
an entry means; `tests/diagnose/test_stream.py` holds every known text against both.
"""

from __future__ import annotations

from typing import Final

MARKERS: Final[tuple[bytes, ...]] = (
    b"RROR",
    b"WARN",
    b"rror",
    b"xception",
    b"enied",
    b"uthori",
    b"redential",
    b"nvalid",
)

_WORDS: Final = """
denied authoriz authoris forbidden explicit privileges
credential access_key accesskey signature tooskewed imds
clienttoken expiredtoken invalidtoken securitytoken identitytoken session
bucket region redirect locationconstraint headermalformed enotfound unknownhost
principal policy quota limitexceeded exceeds toolarge manifest publica publicp
assum rolearn role_arn kms keyid optinrequired
enable_config_load disable_default secret license sink_decouple
malformed prohibited lakeformation resterror unexpected
unknown unrecogni unsupported missing require must invalid provided expired parsererror
rolearns allowed
throttl slowdown ratelimited toomanyrequests bandwidthlimit unavailable
econn etimedout ehostunreach enetunreach eai_again unknownissuer dispatchfailure
"""
_PHRASES: Final = """
access key|security token|provided token|token has|token is|providers in chain
specified endpoint|without location|lookup address|resolve host|no such host|endpoint url
please check your config|check the config|policy document|source profile
primary key column|lake formation|iam role|role arn|arn is |arn: |sts is|sts end| tier
not set|not specified|not given|not recogni|not known|not supported|tication configured
configuration is|parser error|parse sql|parse the sql|syntax error|tenant identifier
expected status code|sso token|append-only mode
request rate|rate exceeded|too many requests|dispatch failure|to resolve|not resolve|name resolution
to connect|not connect|connect error|connection re|connection abort|(connect)|time out|timed out
i/o timeout|timeout on|network is|no route|sending request|certificat|curlcode|nodename|dns error
name or service
"""
_TELLING: Final[tuple[bytes, ...]] = tuple(
    word.encode() for word in (*_WORDS.split(), *_PHRASES.strip("\n").replace("\n", "|").split("|"))
)
_MOST_SHAPES: Final = 4_096


class Telling:
    """Tells whether a log entry could be an error that the rules know.

    Entries that differ only in numbers are asked once, so that a line that repeats a million
    times costs a look-up. Numbers that mean something are asked for apart.
    """

    def __init__(self) -> None:
        self._shapes: dict[bytes, bool] = {}

    def __call__(self, entry: bytes) -> bool:
        """Return True when the entry is worth reading."""
        # Written out: this is asked of every entry that has a marker.
        if b"403" in entry or b"301" in entry or b"(400)" in entry:
            return True
        if b"169.254." in entry or b"fd00:ec2" in entry:
            return True
        shape = entry.translate(None, b"0123456789")
        known = self._shapes.get(shape)
        if known is None:
            lower = shape.lower()
            known = any(word in lower for word in _TELLING)
            if len(self._shapes) >= _MOST_SHAPES:
                self._shapes.clear()
            self._shapes[shape] = known
        return known
