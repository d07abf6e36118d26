"""AWS's own sentence about a refusal: who, what, on what, and which policy said no.

The forms are those of the IAM user guide ("Troubleshoot access denied error messages") and of
the consoles: ``User: ARN is not authorized to perform: ACTION on resource: ARN because no …
policy allows …`` or ``… with an explicit deny in a … policy``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Literal

Layer = Literal[
    "identity", "resource", "trust", "boundary", "session", "scp", "rcp", "endpoint", "public"
]

ACTION: Final = r"[a-z][a-z0-9-]{1,30}:[A-Za-z*]{2,60}"
_ARN: Final = r"arn:[\w*-]+:[\w*-]*:[\w*-]*:[^\s:]*:[^\s\"'`,;|)\]}<]+"

_SENTENCE = re.compile(
    r"(?:(?P<caller><[^<>]{1,120}>|[^\s\"'`]{1,400})[\"'`]?\s+(?:is|was|are)\s+)?"
    r"not\s+authori[sz]ed\s+to\s+perform(?:\s+the)?:?\s*(?:action:?\s*)?"
    rf"[\"'`]?(?P<action>{ACTION})[\"'`]?(?P<rest>.{{0,900}})",
    re.IGNORECASE,
)
_ELIDED = re.compile(
    r"(?:access\s?denied|\bdenied\b|don't have permission|not allowed|forbidden|refused)"
    r".{0,120}?(?<![\w/.-])(?P<action>(?:s3|sts|kms|glue|iam):[A-Z][A-Za-z]{2,50})\b"
    r"(?P<rest>.{0,900})",
    re.IGNORECASE,
)
_CONSOLE = re.compile(
    rf"User:?\s*(?P<caller>{_ARN})\s+(?:Service|Action):?.{{0,40}}?(?P<action>{ACTION})"
    r"(?P<rest>.{0,900})",
    re.IGNORECASE,
)
_COPY = re.compile(
    rf"(?:User:?\s+(?P<caller>{_ARN})\s+is\s+)?not\s+authorized\s+to\s+(?:assume\s+IAM\s+role|get"
    rf"\s+credentials\s+of\s+role)\s*[\"'`]?(?P<resource>{_ARN})?",
    re.IGNORECASE,
)
_RESOURCE = re.compile(
    r"^[\s.…]*(?:on|against|for)?\s*(?:the\s+|this\s+|following\s+)?resources?(?:\(s\))?\s*:?\s*"
    r"[\"'`]*(?P<resource>(?:[^\s\"'`,;<>]|<(?!/)[^<>\s]*>)+)",
    re.IGNORECASE,
)
_REASON_WORD = re.compile(r"polic|boundar|explicit|BlockPublic|RestrictPublic")
_NEXT_SENTENCE = re.compile(
    r"not\s+authori[sz]ed\s+to\s+perform|Caused by|\bUser: arn:", re.IGNORECASE
)

_LAYER_NAMES: Final = (
    r"(?P<{0}>identity-based\s+polic(?:y|ies)|resource-based\s+polic(?:y|ies)"
    r"|permissions?\s+boundar(?:y|ies)(?:\s+polic(?:y|ies))?|session\s+polic(?:y|ies)"
    r"|service\s+control\s+polic(?:y|ies)(?:\s*\(SCP\))?|resource\s+control\s+polic(?:y|ies)"
    r"(?:\s*\(RCP\))?|VPC\s+endpoint\s+polic(?:y|ies)|role\s+trust\s+polic(?:y|ies)"
    r"|trust\s+polic(?:y|ies)|bucket\s+polic(?:y|ies)|key\s+polic(?:y|ies)|SCPs?|RCPs?)"
)
_NOT_ALLOWED = re.compile(rf"\bno\s+{_LAYER_NAMES.format('layer')}\s+allows?\b", re.IGNORECASE)
_EXPLICIT = re.compile(
    r"\bexplicit(?:ly)?\s+(?:deny|denied|denial)\b"
    rf"(?:\s+(?:in|by|from)\s+(?:(?:an?|the)\s+)?{_LAYER_NAMES.format('layer')})?",
    re.IGNORECASE,
)
_PUBLIC = re.compile(
    r"\bbecause\s+public\s+(?:\w+\s+){1,3}(?:blocked|prevented|restricted)"
    r"|\bBlock\s?Public\s?Access\s+(?:setting|restrict|prevent)"
    r"|\b(?:BlockPublicPolicy|BlockPublicAcls|RestrictPublicBuckets)\b",
    re.IGNORECASE,
)
_KMS_THREE = re.compile(
    r"the resource does not exist in this region, no resource-based policies allow access, or a "
    r"resource-based policy explicitly denies access",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Denial:
    """A refusal as AWS worded it; None for what the words leave open."""

    caller: str | None
    action: str
    resource: str | None
    layer: Layer | None
    explicit: bool
    sentence: str

    @property
    def service(self) -> str:
        """The prefix of the action, such as ``s3``."""
        return self.action.partition(":")[0].lower()


def find_denials(flat: str) -> list[Denial]:
    """Return every refusal that the flattened text words, in its order.

    The text must have come through `rwlib.diagnose.normalise.flatten`.
    """
    sentences = _SENTENCE.finditer(flat) if "erform" in flat else ()
    denials = [_denial(match, flat) for match in sentences]
    if not denials and "uthorized to" in flat:
        # Redshift's COPY asks STS for the role itself, and words the refusal its own way.
        denials = [
            Denial(
                caller=_clean(match["caller"]) if match["caller"] else None,
                action="sts:AssumeRole",
                resource=_clean(match["resource"]) if match["resource"] else None,
                layer=None,
                explicit=False,
                sentence=match[0],
            )
            for match in _COPY.finditer(flat)
        ]
    if not denials and _REASON_WORD.search(flat):
        match = _CONSOLE.search(flat) or _ELIDED.search(flat)
        if match and (find_reason(match["rest"]) != (None, False) or match.re is _CONSOLE):
            denials = [_denial(match, flat)]
    return denials


def _denial(match: re.Match[str], flat: str) -> Denial:
    groups = match.groupdict()
    rest = groups["rest"]
    nearest = _NEXT_SENTENCE.search(rest)
    if nearest:
        rest = rest[: nearest.start()]
    caller = groups.get("caller")
    resource = _RESOURCE.match(rest)
    layer, explicit = find_reason(rest)
    end = len(match[0]) - len(groups["rest"]) + _sentence_end(rest)
    start = match.start()
    if flat[max(0, start - 6) : start] == "User: ":
        start -= 6
    return Denial(
        caller=_clean(caller) if caller and _names_somebody(caller) else None,
        action=_action(groups["action"]),
        resource=_clean(resource["resource"]) if resource and _is_resource(resource) else None,
        layer=layer,
        explicit=explicit,
        sentence=flat[start : match.start() + end].strip(),
    )


def find_reason(text: str) -> tuple[Layer | None, bool]:
    """Return the policy layer that a text blames, and whether it denies explicitly."""
    if _KMS_THREE.search(text):
        return "resource", False
    explicit = _EXPLICIT.search(text)
    if explicit:
        return _layer(explicit["layer"]), True
    implicit = _NOT_ALLOWED.search(text)
    if implicit:
        return _layer(implicit["layer"]), False
    if _PUBLIC.search(text):
        return "public", False
    return None, False


def _layer(words: str | None) -> Layer | None:
    if not words:
        return None
    words = words.lower()
    by_word: tuple[tuple[str, Layer], ...] = (
        ("identity", "identity"),
        ("service control", "scp"),
        ("scp", "scp"),
        ("resource control", "rcp"),
        ("rcp", "rcp"),
        ("trust", "trust"),
        ("boundar", "boundary"),
        ("session", "session"),
        ("endpoint", "endpoint"),
    )
    return next((layer for word, layer in by_word if word in words), "resource")


def _sentence_end(rest: str) -> int:
    """Where the sentence ends: after its reason, its resource, or at the action."""
    last = 0
    for pattern in (_KMS_THREE, _EXPLICIT, _NOT_ALLOWED, _PUBLIC, _RESOURCE):
        match = pattern.search(rest)
        if match:
            last = max(last, match.end())
    tail = re.match(rf"\s*(?:the\s+{ACTION}\s+action|action)", rest[last:], re.IGNORECASE)
    return last + (tail.end() if tail else 0)


def _names_somebody(caller: str) -> bool:
    return caller.startswith(("arn:", "<", "AROA", "AIDA")) or caller.lower() in ("anonymous",)


def _is_resource(match: re.Match[str]) -> bool:
    """A name, not the next word of the sentence."""
    return bool(re.match(r"arn:|[<*]|[^/:]*[/:]\w", match["resource"]))


def _action(action: str) -> str:
    service, _, name = action.partition(":")
    return f"{service.lower()}:{name}"


def _clean(name: str) -> str:
    return name.strip("\"'`\\").rstrip(".,;)]}")
