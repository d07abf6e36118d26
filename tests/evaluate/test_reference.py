"""The evaluator against a second one, written from the same documentation in another way.

`naive` below shares no code with the package: no regular expressions, no compiled documents, no
caching, every rule spelled out in the order of IAM's own description of its enforcement code.
Random requests and policies, drawn from pools small enough that most elements match now and then,
must get the same answer from both.
"""

from __future__ import annotations

import base64
import ipaddress
import random
from datetime import UTC, datetime
from functools import cache
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rwlib.errors import InputError
from rwlib.evaluate.evaluator import evaluate
from rwlib.evaluate.model import Policies, Request

pytestmark = pytest.mark.slow

OWN, OTHER = "111122223333", "777788889999"
SESSION = f"arn:aws:sts::{OWN}:assumed-role/reader/job-1"
PRINCIPALS = [
    f"arn:aws:iam::{OWN}:user/alice",
    f"arn:aws:iam::{OWN}:user/team/bob",
    SESSION,
    f"arn:aws:sts::{OWN}:assumed-role/writer/job-1",
    f"arn:aws:sts::{OTHER}:assumed-role/reader/job-1",
    f"arn:aws:iam::{OWN}:role/reader",
    f"arn:aws:iam::{OTHER}:user/alice",
    f"arn:aws:iam::{OWN}:root",
    f"arn:aws:iam::{OTHER}:root",
    f"arn:aws:sts::{OWN}:federated-user/alice",
    f"arn:aws:sts::{OWN}:assumed-role/AWSServiceRoleForSupport/x",
    "redshift.amazonaws.com",
    "*",
]
NAMED = [
    *(name for name in PRINCIPALS if name.startswith("arn:")),
    f"arn:aws:iam::{OTHER}:role/reader",
    f"arn:aws:iam::{OWN}:role/writer",
    f"arn:aws:iam::{OWN}:role/*",
    OWN,
    OTHER,
    "*",
    "AROAEXAMPLEEXAMPLE12",
]
ACTIONS = ["s3:GetObject", "s3:PutObject", "s3:ListBucket", "sts:AssumeRole", "kms:Decrypt"]
ACTION_PATTERNS = [*ACTIONS, "S3:getobject", "s3:*", "s3:*Object", "s3:?etObject", "*", "kms:*"]
ROLE = f"arn:aws:iam::{OWN}:role/reader"
KEY = f"arn:aws:kms:eu-west-1:{OWN}:key/k1"
RESOURCES = ["arn:aws:s3:::data", "arn:aws:s3:::data/p/a:b", "arn:aws:s3:::data/alice/x", ROLE, KEY]
RESOURCE_PATTERNS = [
    *RESOURCES,
    "*",
    "arn:aws:s3:::data*",
    "arn:aws:s3:::data/*",
    "arn:aws:s3:::*/?/*",
    "arn:aws:s3:*",
    "arn:aws:*:::data/p*",
    "arn:aws:s?:::data",
    "arn:aws:s3:::data/${aws:username}/*",
    "arn:aws:s3:::data/${aws:PrincipalTag/team, 'p'}/*",
    "arn:aws:s3:::data/${*}/*",
    "arn:aws:kms:*:*:key/*",
    "arn:aws:iam::*:role/reader",
]
VALUES: dict[str, tuple[list[str], list[Any], list[Any]]] = {
    # key: operators, values in policies, values in requests
    "s3:prefix": (
        [
            *("StringEquals", "StringNotEquals", "StringLike", "StringNotLike"),
            *("StringEqualsIgnoreCase", "StringNotEqualsIgnoreCase"),
        ],
        ["", "p", "P", "p/*", "?", "${aws:username}", "${aws:PrincipalTag/team, 'p'}", "${*}", "*"],
        ["", "p", "p/x", "alice", "*", None],
    ),
    "aws:TagKeys": (
        ["StringEquals", "StringNotEquals", "StringLike", "StringNotLike"],
        ["team", "cost*", "cost", "Team"],
        [["team"], ["team", "cost"], ["cost", "x"], [], "team", None],
    ),
    "aws:PrincipalTag/team": (
        ["StringEquals", "StringLike", "StringNotEquals"],
        ["p", "q*", "${s3:prefix}"],
        ["p", "q1", None, None],
    ),
    "s3:max-keys": (
        [f"Numeric{name}" for name in ("Equals", "NotEquals", "LessThan", "LessThanEquals")]
        + ["NumericGreaterThan", "NumericGreaterThanEquals"],
        ["10", 10, "10.0", "9.5", "1000", "ten"],
        [10, "10", 9.5, "100", "x", None],
    ),
    "aws:CurrentTime": (
        [f"Date{name}" for name in ("Equals", "NotEquals", "LessThan", "LessThanEquals")]
        + ["DateGreaterThan", "DateGreaterThanEquals"],
        [
            "2025-06-01T00:00:00Z",
            "2025-06-01T02:00:00+02:00",
            "1748736000",
            "2025",
            "2025-07",
            "no",
        ],
        ["2025-06-01T00:00:00Z", "2025-05-31T23:59:59Z", 1748736000, "2025-06-02", None],
    ),
    "aws:SourceIp": (
        ["IpAddress", "NotIpAddress"],
        ["203.0.113.0/24", "203.0.113.9", "2001:db8::/32", "2001:db8::1", "0.0.0.0/0", "x"],
        ["203.0.113.9", "203.0.113.10", "2001:db8::1", "198.51.100.1", "no", None],
    ),
    "aws:SecureTransport": (
        ["Bool"],
        ["true", "false", True, "TRUE", "yes"],
        ["true", False, "True", None],
    ),
    "aws:SourceArn": (
        ["ArnEquals", "ArnLike", "ArnNotEquals", "ArnNotLike"],
        ["arn:aws:s3:::data", "arn:aws:s3:*:*:d*", "arn:aws:*:::data", "*", "arn:aws:s3:::${*}"],
        ["arn:aws:s3:::data", "arn:aws:s3:::dat:a", "arn:aws:sns:eu:1:data", "data", None],
    ),
    "aws:PrincipalArn": (
        ["ArnEquals", "ArnLike", "ArnNotLike", "StringLike", "StringNotEquals"],
        [f"arn:aws:iam::{OWN}:role/*", f"arn:aws:iam::{OWN}:user/alice", "arn:aws:iam::*:root"],
        [],
    ),
    "aws:PrincipalAccount": (["StringEquals", "StringNotEquals"], [OWN, OTHER], []),
    "kms:blob": (["BinaryEquals"], ["cA==", "cQ=="], ["cA==", b"p", "p", None]),
    "aws:username": (["Null"], ["true", "false", True, "False"], []),
    "aws:TokenIssueTime": (["Null"], ["true", "false"], ["2025-01-01T00:00:00Z", None]),
}


# --- random cases --------------------------------------------------------------------------------


def random_case(rng: random.Random) -> tuple[Request, Policies]:
    """Draw one request with the policies that apply to it."""
    principal = rng.choice(PRINCIPALS[:6]) if rng.random() < 0.7 else rng.choice(PRINCIPALS)
    action = rng.choice(ACTIONS)
    resource = {"sts:AssumeRole": ROLE, "kms:Decrypt": KEY}.get(action) or rng.choice(RESOURCES[:3])
    owner = None if action in ("sts:AssumeRole", "kms:Decrypt") else rng.choice([OWN, OWN, OTHER])
    context = {
        _cased(key, rng): value
        for key, (_, _, given) in VALUES.items()
        for value in [rng.choice(given) if given and rng.random() < 0.7 else None]
        if value is not None or rng.random() < 0.1
    }
    levels: Any = [[_document(rng, False, 0.9)] for _ in range(rng.choice([0, 0, 0, 1, 2]))]
    return (
        Request(principal, action, resource, owner, context),
        Policies(
            identity=[_document(rng, False, 0.4) for _ in range(rng.choice([0, 1, 1, 2]))],
            resource=_document(rng, True, 0.4) if rng.random() < 0.6 else None,
            boundary=_document(rng, False, 0.7) if rng.random() < 0.2 else None,
            session=[_document(rng, False, 0.7)] if rng.random() < 0.2 else None,
            scps=levels if rng.random() < 0.7 else [level[0] for level in levels],
        ),
    )


def _document(rng: random.Random, on_resource: bool, open_chance: float) -> dict[str, Any]:
    statements = [
        _statement(rng, on_resource, open_chance) for _ in range(rng.choice([1, 1, 2, 3]))
    ]
    document: dict[str, Any] = {"Statement": statements if rng.random() < 0.9 else statements[0]}
    if rng.random() < 0.9:
        document["Version"] = rng.choice(["2012-10-17"] * 4 + ["2008-10-17"])
    return document


def _statement(rng: random.Random, on_resource: bool, open_chance: float) -> dict[str, Any]:
    found: dict[str, Any] = {"Effect": "Deny" if rng.random() < 0.15 else "Allow"}
    wide = rng.random() < open_chance
    _put(found, "Action", "*" if wide else _some(ACTION_PATTERNS, rng), rng)
    if not on_resource or rng.random() < 0.7:
        _put(found, "Resource", "*" if wide else _some(RESOURCE_PATTERNS, rng), rng)
    if on_resource:
        named = rng.random()
        if named < 0.15:
            value: Any = "*"
        elif named < 0.25:
            value = {"Service": "redshift.amazonaws.com", "AWS": _some(NAMED, rng)}
        else:
            value = {"AWS": _some(NAMED, rng)}
        _put(found, "Principal", value, rng)
    if rng.random() < (0.2 if wide else 0.5):
        found["Condition"] = _conditions(rng)
    return found


def _put(found: dict[str, Any], element: str, value: Any, rng: random.Random) -> None:
    found[f"Not{element}" if rng.random() < 0.1 else element] = value


def _conditions(rng: random.Random) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key in rng.sample(sorted(VALUES), rng.choice([1, 1, 2])):
        operators, wanted, _ = VALUES[key]
        operator = rng.choice(operators)
        if operator != "Null" and rng.random() < 0.2:
            operator += "IfExists"
        if rng.random() < (0.9 if key == "aws:TagKeys" else 0.1):
            operator = f"{rng.choice(['ForAllValues', 'ForAnyValue'])}:{operator}"
        found.setdefault(operator, {})[_cased(key, rng)] = _some(wanted, rng)
    return found


def _some(pool: list[Any], rng: random.Random) -> Any:
    if rng.random() < 0.5:
        return rng.choice(pool)
    return [rng.choice(pool) for _ in range(rng.choice([1, 2, 3]))]


def _cased(key: str, rng: random.Random) -> str:
    return key if rng.random() < 0.9 else key.upper()


# --- the second evaluator ------------------------------------------------------------------------


def naive(request: Request, policies: Policies) -> str:
    """Answer a request by walking through AWS's description of its enforcement code."""
    principal = str(request.principal)
    kind, account, grades, entity = _who(principal)
    context = _context(request, kind, account, entity)
    owner = request.resource_account or (request.resource.split(":") + [""] * 6)[4] or account
    context.setdefault("aws:resourceaccount", [owner] if owner else [])
    levels = [x if isinstance(x, list) else None for x in policies.scps or ()]
    scps = [list(policies.scps or ())] if None in levels else levels
    bound = kind in ("user", "session", "role", "root", "federated")
    if not bound or "AWSServiceRole" in principal:
        scps = []

    def ask(document: Any, effect: str) -> int:
        """Grade 0: no statement of this effect applies; 1 account, 2 role, 3 directly."""
        best = 0
        statements = document["Statement"]
        for statement in statements if isinstance(statements, list) else [statements]:
            if statement["Effect"] == effect:
                variables = document.get("Version") == "2012-10-17"
                best = max(best, _applies(statement, request, context, variables, who))
        return best

    resource = _listed(policies.resource)
    own_policies = (policies.identity, policies.boundary, policies.session)
    identity, boundary, session = [_listed(each) if bound else [] for each in own_policies]
    who = (kind, grades, bool(boundary))
    everything = [*identity, *resource, *boundary, *session, *(d for lv in scps for d in lv or [])]
    if any(ask(document, "Deny") for document in everything):
        return "explicit-deny"
    if any(not any(ask(document, "Allow") for document in level or []) for level in scps):
        return "implicit-deny"
    granted = max([ask(document, "Allow") for document in resource], default=0)
    if not bound:
        return "allowed" if granted == 3 else "implicit-deny"
    if kind == "root" and request.action == "sts:AssumeRole":
        return "implicit-deny"
    own = kind == "root" or any(ask(document, "Allow") for document in identity)
    within = kind == "root" or (
        (not boundary or any(ask(document, "Allow") for document in boundary))
        and (not session or any(ask(document, "Allow") for document in session))
        and (kind != "federated" or bool(session))
    )
    if owner != account:
        return "allowed" if own and within and granted else "implicit-deny"
    if granted == 3 or (granted == 2 and within):
        return "allowed"
    if request.action in ("sts:AssumeRole", "kms:Decrypt") and not granted:
        return "implicit-deny"
    return "allowed" if own and within else "implicit-deny"


def _listed(given: Any) -> list[Any]:
    return given if isinstance(given, list) else [] if given is None else [given]


def _who(principal: str) -> tuple[str, str, dict[str, int], str]:
    """Kind, account, every name that a Principal element may use, and aws:PrincipalArn."""
    if principal == "*":
        return "anonymous", "", {}, ""
    if not principal.startswith("arn:"):
        return "service", "", {f"Service {principal}": 3}, ""
    account, rest = principal.split(":")[4], principal.split(":", 5)[5]
    names = {account: 1, f"arn:aws:iam::{account}:root": 1}
    if rest == "root":
        return "root", account, dict.fromkeys(names, 3), principal
    first = rest.split("/")[0]
    if first == "user":
        return "user", account, names | {principal: 3}, principal
    if first == "role":
        return "role", account, names | {principal: 2}, principal
    if first == "federated-user":
        user = f"arn:aws:iam::{account}:user/{rest.split('/')[1]}"
        return "federated", account, names | {principal: 3, user: 2}, principal
    role = f"arn:aws:iam::{account}:role/{rest.split('/')[1]}"
    return "session", account, names | {principal: 3, role: 2}, role


def _context(request: Request, kind: str, account: str, entity: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    if entity:
        found |= {"aws:principalarn": [entity], "aws:principalaccount": [account]}
    if kind == "anonymous":
        found["aws:principalaccount"] = ["anonymous"]
    if kind == "user":
        found["aws:username"] = [entity.split("/")[-1]]
    for key, value in request.context.items():
        found[key.lower()] = [_text(each) for each in _listed(value)]
    return found


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    return str(value)


def _applies(
    statement: dict[str, Any], request: Request, context: Any, variables: bool, who: Any
) -> int:
    kind, grades, has_boundary = who
    deny = statement["Effect"] == "Deny"
    action = request.action.lower()
    patterns = _listed(statement.get("Action", statement.get("NotAction")))
    hit = any(_fits(_tokens(pattern.lower(), False, True, {}), action) for pattern in patterns)
    if hit == ("NotAction" in statement):
        return 0
    if "Resource" in statement or "NotResource" in statement:
        patterns = _listed(statement.get("Resource", statement.get("NotResource")))
        hit = any(_resource_fits(each, request.resource, variables, context) for each in patterns)
        if hit == ("NotResource" in statement):
            return 0
    for operator, keys in statement.get("Condition", {}).items():
        for key, wanted in keys.items():
            have = context.get(key.lower(), [])
            if not _true(operator, _listed(wanted), have, variables, context):
                return 0
    if "Principal" not in statement and "NotPrincipal" not in statement:
        return 3
    negated = "NotPrincipal" in statement
    element = statement["NotPrincipal" if negated else "Principal"]
    if element == "*":
        grade = 3
    else:
        grade = 0
        for name in _listed(element.get("AWS", [])):
            grade = max(grade, 3 if name == "*" else grades.get(name, 0))
        for name in _listed(element.get("Service", [])):
            grade = max(grade, grades.get(f"Service {name}", 0))
    if not negated:
        return grade
    if not deny:
        return 0 if grade else 3
    if has_boundary and kind in ("user", "role", "session", "federated"):
        return 3
    spared = grade == 3 or (grade == 2 and kind == "role")
    return 0 if spared else 3


def _tokens(text: str, variables: bool, wildcards: bool, context: Any) -> list[str] | None:
    """Characters of a pattern: wildcards as ``*`` and ``?``, literal ones as ``=c``."""
    out: list[str] = []
    position = 0
    while position < len(text):
        character = text[position]
        end = text.find("}", position)
        if variables and text.startswith("${", position) and end > 0:
            name = text[position + 2 : end]
            position = end + 1
            if name in "*?$":
                out.append(f"={name}")
                continue
            key, comma, default = name.partition(", ")
            value = context.get(key.lower(), [])
            if len(value) == 1:
                out += [f"={c}" for c in value[0]]
            elif comma:
                out += [f"={c}" for c in default.strip("'")]
            else:
                return None
            continue
        out.append(character if wildcards and character in "*?" else f"={character}")
        position += 1
    return out


def _fits(tokens: list[str] | None, text: str) -> bool:
    """Match by trying everything; ``%`` and ``_`` are wildcards that stop at a colon."""
    if tokens is None:
        return False
    pattern = tokens

    @cache
    def rest(i: int, j: int) -> bool:
        if i == len(pattern):
            return j == len(text)
        token = pattern[i]
        if token in "*%":
            if rest(i + 1, j):
                return True
            return j < len(text) and (token == "*" or text[j] != ":") and rest(i, j + 1)
        if j == len(text):
            return False
        if token in "?_":
            return (token == "?" or text[j] != ":") and rest(i + 1, j + 1)
        return token[1] == text[j] and rest(i + 1, j + 1)

    return rest(0, 0)


def _resource_fits(pattern: str, resource: str, variables: bool, context: Any) -> bool:
    if pattern == "*":
        return True
    tokens = _tokens(pattern, variables, True, context)
    if tokens is None:
        return False
    return _fits(_by_field(tokens, runs_on=True), resource)


def _by_field(tokens: list[str], runs_on: bool) -> list[str]:
    out: list[str] = []
    colons = 0
    for index, token in enumerate(tokens):
        last = index + 1 == len(tokens) or tokens[index + 1] == "=:"
        if colons < 5 and token == "?":
            out.append("_")
        elif colons < 5 and token == "*":
            out.append("*" if runs_on and last else "%")
        else:
            colons += token == "=:"
            out.append(token)
    return out


def _true(operator: str, wanted: list[Any], have: list[str], variables: bool, context: Any) -> bool:
    qualifier, _, base = operator.rpartition(":")
    if base == "Null":
        if qualifier:
            return qualifier == "ForAllValues"
        return ("false" if have else "true") in [_text(value).lower() for value in wanted]
    if not have:
        if qualifier:
            return qualifier == "ForAllValues"
        return base.endswith("IfExists") or "Not" in base
    base = base.removesuffix("IfExists")

    def positive(value: str) -> bool:
        return any(_compare(base, value, _text(each), variables, context) for each in wanted)

    negated = "Not" in base
    if qualifier and all(value == "" for value in have):
        return qualifier == "ForAllValues"
    if qualifier == "ForAllValues":
        return all(positive(value) != negated for value in have)
    if qualifier == "ForAnyValue":
        return any(positive(value) != negated for value in have)
    return len(have) == 1 and positive(have[0]) != negated


def _compare(base: str, have: str, wanted: str, variables: bool, context: Any) -> bool:
    plain = base.replace("Not", "")
    if plain.startswith("Arn"):
        tokens = _tokens(wanted, variables, True, context)
        return (
            tokens is not None
            and tokens.count("=:") >= 5
            and _fits(_by_field(tokens, runs_on=False), have)
        )
    if plain == "StringLike":
        return _fits(_tokens(wanted, variables, True, context), have)
    if plain.startswith("String") or plain == "Bool":
        tokens = _tokens(wanted, variables, False, context)
        if tokens is None:
            return False
        text = "".join(token[1] for token in tokens)
        if plain == "Bool":
            return text.lower() == have.lower() and text.lower() in ("true", "false")
        return text.lower() == have.lower() if "IgnoreCase" in plain else text == have
    if plain == "BinaryEquals":
        return wanted == have
    if plain == "IpAddress":
        try:
            return ipaddress.ip_address(have) in ipaddress.ip_network(wanted, strict=False)
        except ValueError:
            return False
    read = _when if plain.startswith("Date") else _number
    left, right = read(have), read(wanted)
    if left is None or right is None:
        return False
    relation = plain.removeprefix("Date").removeprefix("Numeric")
    equal, less = left == right, left < right
    return {
        "Equals": equal,
        "LessThan": less,
        "LessThanEquals": less or equal,
        "GreaterThan": not less and not equal,
        "GreaterThanEquals": not less,
    }[relation]


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _when(text: str) -> float | None:
    if len(text) == 4 and text.isdigit():
        return datetime(int(text), 1, 1, tzinfo=UTC).timestamp()
    if text.isdigit():
        return float(text)
    try:
        found = datetime.fromisoformat(text + "-01" if len(text) == 7 else text)
    except ValueError:
        return None
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()


# --- the comparison ------------------------------------------------------------------------------


def test_both_evaluators_agree_on_a_fixed_set_of_random_cases() -> None:
    rng = random.Random(20250601)
    seen = {"allowed": 0, "explicit-deny": 0, "implicit-deny": 0}
    for number in range(6000):
        request, policies = random_case(rng)
        decision = evaluate(request, policies)
        assert decision.effect == naive(request, policies), (number, request, policies)
        seen[decision.effect] += 1
    assert min(seen.values()) > 500, "the cases are too one-sided to show anything"


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(min_value=0, max_value=2**48))
def test_both_evaluators_agree_on_whatever_hypothesis_draws(seed: int) -> None:
    request, policies = random_case(random.Random(seed))
    assert evaluate(request, policies).effect == naive(request, policies)


@settings(max_examples=300, deadline=None)
@given(st.text("ab*?:", max_size=8), st.text("ab:", max_size=10))
def test_wildcards_agree_with_trying_everything(pattern: str, text: str) -> None:
    document = {
        "Version": "2012-10-17",
        "Statement": {
            "Effect": "Allow",
            "Action": "*",
            "Resource": "*",
            "Condition": {"StringLike": {"s3:prefix": pattern}},
        },
    }
    request = Request(PRINCIPALS[0], "s3:ListBucket", "arn:aws:s3:::b", None, {"s3:prefix": text})
    expected = _fits(_tokens(pattern, True, True, {}), text)
    assert evaluate(request, Policies(identity=[document])).allowed == expected


@settings(max_examples=300, deadline=None)
@given(st.text("a*?:", max_size=9), st.text("ab:", max_size=6))
def test_resource_wildcards_agree_with_trying_everything(pattern: str, rest: str) -> None:
    pattern, resource = f"arn:{pattern}", f"arn:a:a:{rest}"
    document = {"Statement": {"Effect": "Allow", "Action": "*", "Resource": pattern}}
    request = Request(PRINCIPALS[0], "s3:GetObject", resource, OWN)
    expected = _resource_fits(pattern, resource, False, {})
    assert evaluate(request, Policies(identity=[document])).allowed == expected


@pytest.mark.parametrize("stars", [10, 40])
def test_patterns_of_many_stars_are_answered_at_once(stars: int) -> None:
    pattern = "arn:aws:s3:::b/" + "*a" * stars + "b"
    action = "s3:*" + "*e" * stars + "x"
    document = {"Statement": {"Effect": "Allow", "Action": action, "Resource": pattern}}
    request = Request(PRINCIPALS[0], "s3:" + "e" * 300, "arn:aws:s3:::b/" + "a" * 900, OWN)
    assert evaluate(request, Policies(identity=[document])).effect == "implicit-deny"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=6,
)
OPERATOR_NAMES = sorted({name for operators, _, _ in VALUES.values() for name in operators})
PIECES = st.sampled_from(["*", "?", "${", "}", "aws:username", ", 'x'", ":", "arn:aws:s3:::", "p"])
TEXTS = st.lists(PIECES, max_size=7).map("".join)
NUMERALS = st.text("0123456789-+.:TZeE/", max_size=26)
ODD = JSON | TEXTS | NUMERALS | st.lists(TEXTS | NUMERALS, max_size=3)


@settings(max_examples=600, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.fixed_dictionaries(
        {"Effect": st.sampled_from(["Allow", "Deny"]) | JSON},
        optional={
            "Sid": JSON,
            "Action": ODD,
            "NotAction": ODD,
            "Resource": ODD,
            "NotResource": ODD,
            "Principal": ODD | st.dictionaries(st.sampled_from(["AWS", "Service", "X"]), ODD),
            "Condition": JSON
            | st.dictionaries(
                st.sampled_from(OPERATOR_NAMES),
                st.dictionaries(st.sampled_from(["x:key", "aws:username"]), ODD, max_size=2),
                max_size=3,
            ),
        },
    ),
    ODD,
    st.sampled_from(PRINCIPALS),
    st.booleans(),
)
def test_odd_input_gets_an_answer_or_one_clear_error(
    statement: dict[str, Any], value: Any, principal: str, on_resource: bool
) -> None:
    document = {"Version": "2012-10-17", "Statement": [statement]}
    request = Request(principal, "s3:GetObject", RESOURCES[1], OWN, {"x:key": value})
    given = Policies(resource=document) if on_resource else Policies(identity=[document])
    assert _answer(request, given)


def _answer(request: Request, policies: Policies) -> str:
    try:
        return str(evaluate(request, policies))
    except InputError as error:
        return str(error)
