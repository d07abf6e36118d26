"""Evaluation with unknown keys: what it says holds for every assignment, and is said where it does.

The concrete evaluator is the judge: every assignment of the unknown keys is put to it.
"""

from __future__ import annotations

import itertools
import json
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rwlib.evaluate import Policies, Request, Unknown, evaluate, request_model

ROLE = "arn:aws:iam::111122223333:role/r"
BUCKET = "arn:aws:s3:::acme-analytics"
REQUEST = Request(
    "arn:aws:sts::111122223333:assumed-role/r/reqsign",
    "s3:PutObject",
    f"{BUCKET}/risingwave/a.json",
    "111122223333",
    {"aws:PrincipalArn": ROLE, "aws:SecureTransport": True, "s3:prefix": "risingwave/a"},
)
ALLOW = {"Effect": "Allow", "Action": "*", "Resource": "*"}


def policy(*statements):
    return {"Version": "2012-10-17", "Statement": list(statements)}


def deny(operator, key, value):
    return {**ALLOW, "Effect": "Deny", "Condition": {operator: {key: value}}}


def under(*statements):
    return Policies(identity=policy(ALLOW, *statements))


def test_nothing_changes_where_no_policy_names_the_key():
    known = evaluate(REQUEST, under())
    assert evaluate(REQUEST, under(), {"aws:SourceIp"}) == known


@pytest.mark.parametrize(
    ("statement", "says"),
    [
        (
            deny("NotIpAddress", "aws:SourceIp", "203.0.113.0/24"),
            "depends on aws:SourceIp; allowed from 203.0.113.0/24",
        ),
        (
            deny("StringNotEquals", "aws:SourceVpce", "vpce-1"),
            "depends on aws:SourceVpce; allowed when it is vpce-1",
        ),
        (
            deny("StringEquals", "aws:SourceVpce", ["vpce-1", "vpce-2"]),
            "depends on aws:SourceVpce; allowed when it is absent or other than vpce-1 or vpce-2",
        ),
        (
            deny("Null", "aws:SourceVpce", "true"),
            "depends on aws:SourceVpce; allowed when it is present",
        ),
        (
            deny("NumericLessThan", "s3:TlsVersion", 1.2),
            "depends on s3:TlsVersion; allowed when it is absent or 1.2 or above 1.2 or not a "
            "number",
        ),
    ],
)
def test_dependency_names_the_key_and_what_would_do(statement, says):
    unknown = {"aws:SourceIp": Unknown(kind="ip"), "aws:SourceVpce": Unknown(),
               "s3:TlsVersion": Unknown()}  # fmt: skip
    decision = evaluate(REQUEST, under(statement), unknown)
    assert decision.effect == "depends"
    words = decision.dependency.split("; allowed ")
    expected = says.split("; allowed ")
    assert words[0] == expected[0]
    assert set(words[1].removeprefix("when it is ").split(" or ")) == set(
        expected[1].removeprefix("when it is ").split(" or ")
    )


def test_two_lines_that_together_cover_every_value_decide():
    # Refused inside and outside of the network, and without an address.
    both = under(
        deny("IpAddress", "aws:SourceIp", "203.0.113.0/24"),
        deny("NotIpAddress", "aws:SourceIp", "203.0.113.0/24"),
    )
    assert evaluate(REQUEST, both, {"aws:SourceIp"}).effect == "explicit-deny"


@pytest.mark.parametrize(
    ("key", "effect"),
    [("s3:x-amz-copy-source", "allowed"), ("s3:prefix", "allowed"), ("aws:SourceIp", "depends")],
)
def test_variable_does_not_matter_where_nothing_is_compared_with_it(key, effect):
    """The key is absent, or its value is no address, whatever the unknown address is."""
    line = {"StringEquals": {key: ["${aws:SourceIp}"]}}
    other = {"NotIpAddress": {"aws:SourceIp": "203.0.113.0/24"}}
    statement = {**ALLOW, "Effect": "Deny", "Condition": {**line, **other}}
    about = {"aws:SourceIp": Unknown(kind="ip", optional=False)}
    request = replace(REQUEST, context={**REQUEST.context, "s3:prefix": ""})
    assert evaluate(request, under(statement), about).effect == effect


@pytest.mark.parametrize(
    ("operator", "values", "effect"),
    [
        ("StringNotLike", ["*", "${aws:userid}"], "allowed"),
        ("ForAnyValue:StringNotLike", ["*", "${aws:userid}"], "allowed"),
        ("StringLike", ["*", "${aws:userid}"], "explicit-deny"),
        ("StringLike", ["o-*", "*${aws:userid}"], "explicit-deny"),
        ("StringNotLike", ["${aws:userid}", "${aws:SourceVpce}", "o-*"], "allowed"),
        ("StringLike", ["o-a*", "${aws:userid}"], "depends"),
        ("StringNotLike", ["${aws:userid}"], "depends"),
    ],
)
def test_values_that_cover_the_key_settle_a_line_that_names_other_unknown_keys(
    operator, values, effect
):
    statement = deny(operator, "aws:PrincipalOrgID", values)
    about = {
        "aws:PrincipalOrgID": Unknown(like=("o-*",), optional=False),
        **dict.fromkeys(("aws:userid", "aws:SourceVpce"), Unknown()),
    }
    decision = evaluate(REQUEST, under(statement), about)
    assert decision.effect == effect
    if effect == "depends":
        assert "aws:userid" in decision.depends_on


@pytest.mark.parametrize(
    ("operator", "key", "value", "effect"),
    [
        ("StringEquals", "aws:userid", "${aws:SourceIp}", "allowed"),
        ("StringEquals", "aws:userid", "AROA${aws:SourceIp}:session", "depends"),
        ("StringLike", "aws:userid", "A*${aws:SourceIp}", "depends"),
        ("StringLike", "aws:userid", "B*${aws:SourceIp}", "allowed"),
        ("StringLike", "aws:userid", "${aws:SourceVpce}*", "allowed"),
        ("StringLike", "aws:userid", "*${aws:SourceVpce}", "depends"),
        ("StringLike", "aws:userid", "AROA${aws:SourceIp, 'x'}?${aws:SourceVpce}*", "depends"),
        ("ArnLike", "aws:PrincipalArn", "${aws:SourceIp}:${aws:SourceVpce}", "allowed"),
        ("StringNotEquals", "aws:userid", "${aws:SourceIp}", "explicit-deny"),
    ],
)
def test_a_variable_that_can_stand_for_nothing_that_fits_does_not_matter(
    operator, key, value, effect
):
    about = {
        "aws:userid": Unknown(like=("AROA*:*",), optional=False),
        "aws:SourceIp": Unknown(kind="ip", optional=False),
        "aws:SourceVpce": Unknown(like=("vpce-*",)),
    }
    decision = evaluate(REQUEST, under(deny(operator, key, [value])), about)
    assert decision.effect == effect
    assert decision.effect != "depends" or "aws:userid" in decision.depends_on
    assert len({each.lower() for each in decision.depends_on}) == len(decision.depends_on)


def test_two_lines_whose_keys_stand_in_each_other_are_settled_by_what_is_certain():
    statement = {
        **ALLOW,
        "Effect": "Deny",
        "Condition": {
            "StringNotLike": {
                "k:one": ["a*", "${k:two}"],
                "k:two": ["b*", "${k:one}"],
            },
            "StringLike": {"k:one": ["ab*"]},
        },
    }
    assert evaluate(REQUEST, under(statement), {"k:one", "k:two"}).effect == "allowed"
    del statement["Condition"]["StringLike"]
    assert evaluate(REQUEST, under(statement), {"k:one", "k:two"}).effect == "depends"


def test_two_keys_that_are_compared_with_each_other_may_differ():
    """One value that no policy names stands for all of them, yet two such need not be equal."""
    either = [
        {**ALLOW, "Condition": {"ForAllValues:StringLike": {one: ["ab*", f"${{{other}}}"]}}}
        for one, other in (("k:one", "k:two"), ("k:two", "k:one"))
    ]
    policies = Policies(identity=policy(*either))
    assert evaluate(REQUEST, policies, {"k:one", "k:two"}).effect == "depends"
    differing = replace(REQUEST, context={**REQUEST.context, "k:one": "x", "k:two": "y"})
    assert not evaluate(differing, policies).allowed


def test_patterns_that_exclude_each_other_never_match_together():
    never = {
        **ALLOW,
        "Effect": "Deny",
        "Condition": {"StringLike": {"aws:userid": "AROA*"}, "StringNotLike": {"aws:userid": "A*"}},
    }
    assert evaluate(REQUEST, under(never), {"aws:userid"}).effect == "allowed"


def test_what_is_known_of_an_unknown_value_counts():
    statement = deny("StringNotLike", "aws:userid", "AROA*")
    about = Unknown(like=("AROA*:*",), optional=False)
    assert evaluate(REQUEST, under(statement), {"aws:userid": about}).effect == "allowed"
    assert evaluate(REQUEST, under(statement), {"aws:userid"}).effect == "depends"


def test_value_without_wildcards_is_never_equal_to_a_pattern():
    """``StringEquals`` with an asterisk, where ``StringLike`` was meant."""
    statement = {**ALLOW, "Condition": {"StringEquals": {"aws:SourceVpce": ["vpce-*", "vpce-?"]}}}
    own = Policies(identity=policy(statement))
    about = Unknown(like=("vpce-*",), optional=False)
    assert evaluate(REQUEST, own, {"aws:SourceVpce": about}).effect == "depends"
    plain = replace(about, plain=True)
    assert evaluate(REQUEST, own, {"aws:SourceVpce": plain}).effect == "implicit-deny"
    statement["Condition"] = {"StringLike": statement["Condition"]["StringEquals"]}
    assert evaluate(REQUEST, own, {"aws:SourceVpce": plain}).effect == "allowed"


def test_an_unknown_value_in_the_resource_pattern_is_found():
    own = policy({**ALLOW, "Resource": BUCKET + "/${aws:PrincipalTag/team}/*"})
    decision = evaluate(REQUEST, Policies(identity=own), {"aws:PrincipalTag/*"})
    assert decision.dependency == (
        "depends on aws:principaltag/team; allowed when it is risingwave"
    )


def test_a_name_with_a_star_stands_for_all_other_keys_that_begin_so():
    statement = deny("StringEquals", "aws:PrincipalTag/team", "data")
    families = {"aws:*": Unknown(), "aws:PrincipalTag/*": None}
    assert evaluate(REQUEST, under(statement), {"aws:*"}).effect == "depends"
    assert evaluate(REQUEST, under(statement), families).effect == "allowed"
    absent = {"aws:*": Unknown(), "aws:PrincipalTag/team": None}
    assert evaluate(REQUEST, under(statement), absent).effect == "allowed"


def test_four_keys_are_not_followed_but_bounded():
    keys = ["a:1", "a:2", "a:3", "a:4"]
    many = [deny("StringEquals", key, [f"v{number}" for number in range(12)]) for key in keys]
    decision = evaluate(REQUEST, under(*many), set(keys))
    assert (decision.effect, set(decision.depends_on)) == ("depends", set(keys))


# Every assignment ---------------------------------------------------------------------------------

TEXTS = ["", "a", "ab", "abc", "b", "A", "true", "arn:aws:iam::1:role/a", "arn:aws:iam::1:role/b",
         "risingwave", "1", "2"]  # fmt: skip
PATTERNS = ["*", "a*", "*b*", "?b", "", "${aws:PrincipalArn}", "A", "abc", "risingwave"]
ARNS = ["arn:aws:iam::*:role/*", "arn:aws:iam::1:role/a", "arn:*:role/a", "a"]
NUMBERS = ["1", "2", "2.5", "10", "x"]
DATES = ["2026-01-01T00:00:00Z", "2027-01-01", "1700000000", "x"]
NETS = ["10.0.0.0/8", "10.1.0.0/16", "203.0.113.7", "0.0.0.0/0", "2001:db8::/32"]
OPERATORS = {
    **dict.fromkeys(
        (
            *("StringEquals", "StringNotEquals", "StringEqualsIgnoreCase"),
            *("StringLike", "StringNotLike", "Bool"),
        ),
        PATTERNS,
    ),
    **dict.fromkeys(("ArnLike", "ArnNotEquals"), ARNS),
    **dict.fromkeys(("NumericLessThan", "NumericGreaterThanEquals", "NumericNotEquals"), NUMBERS),
    **dict.fromkeys(("DateLessThan", "DateGreaterThanEquals", "DateEquals"), DATES),
    **dict.fromkeys(("IpAddress", "NotIpAddress"), NETS),
    "Null": ["true", "false"],
}  # fmt: skip
KEYS = ["k:one", "k:two", "k:three", "k:many"]
POOL = [
    *TEXTS, "10.1.2.3", "10.9.9.9", "203.0.113.7", "198.51.100.1", "2001:db8::1", "2", "3", "2.5",
    "2026-06-01T00:00:00Z", "2020-01-01", "2030-01-01", "zzz", "xab", "aB",
]  # fmt: skip


@st.composite
def lines(draw):
    name = draw(st.sampled_from(sorted(OPERATORS)))
    shown = name
    if name != "Null":
        shown = draw(st.sampled_from(["", "ForAnyValue:", "ForAllValues:"])) + name
        shown += draw(st.sampled_from(["", "IfExists"]))
    values = draw(st.lists(st.sampled_from(OPERATORS[name]), min_size=1, max_size=3))
    if draw(st.booleans()) and name.startswith("String"):
        values.append("${" + draw(st.sampled_from(KEYS)) + "}")
        return shown, draw(st.sampled_from(["s3:prefix", *KEYS])), values
    return shown, draw(st.sampled_from(KEYS)), values


@st.composite
def statements(draw):
    condition: dict = {}
    for operator, key, values in draw(st.lists(lines(), max_size=2)):
        condition.setdefault(operator, {})[key] = values
    resource = draw(st.sampled_from(["*", BUCKET + "/${k:one}/*", BUCKET + "/*", "arn:aws:s3:::x"]))
    return {
        "Effect": draw(st.sampled_from(["Allow", "Deny"])),
        "Action": draw(st.sampled_from(["*", "s3:Put*", "s3:Get*"])),
        "Resource": resource,
        **({"Condition": condition} if condition else {}),
    }


assignments = st.fixed_dictionaries(
    {},
    optional={
        **{key: st.sampled_from(POOL) for key in KEYS[:3]},
        "k:many": st.lists(st.sampled_from(POOL), min_size=1, max_size=3, unique=True),
    },
)
UNKNOWN = {**dict.fromkeys(KEYS[:3], Unknown()), "k:many": Unknown(many=True)}


def concrete(policies, assignment):
    request = Request(
        REQUEST.principal, REQUEST.action, REQUEST.resource, REQUEST.resource_account,
        {**REQUEST.context, **assignment},
    )  # fmt: skip
    return evaluate(request, policies)


@pytest.mark.slow
@settings(max_examples=100, deadline=None)
@given(
    st.lists(statements(), min_size=1, max_size=4),
    st.lists(statements(), max_size=2),
    st.lists(assignments, min_size=12, max_size=25),
)
def test_what_is_said_holds_for_every_assignment(own, on_bucket, tried):
    resource = policy(*({**each, "Principal": "*"} for each in on_bucket)) if on_bucket else None
    policies = Policies(identity=policy(*own), resource=resource)
    decision = evaluate(REQUEST, policies, UNKNOWN)
    found = [concrete(policies, assignment) for assignment in tried]
    if decision.effect == "allowed":
        assert all(each.allowed for each in found)
    elif decision.effect == "explicit-deny":
        assert all(each.effect == "explicit-deny" for each in found)
    elif decision.effect == "implicit-deny":
        assert not any(each.allowed for each in found)
    else:
        assert decision.depends_on


ONE_KIND = {
    "k:one": ("StringEquals", "StringNotEquals", "StringLike", "StringNotLike", "ArnLike"),
    "k:two": ("IpAddress", "NotIpAddress"),
    "k:three": ("NumericLessThan", "NumericGreaterThanEquals", "NumericNotEquals"),
}
EVERY = {
    "k:one": [
        None,
        "",
        "a",
        "ab",
        "abc",
        "A",
        "*",
        "?b",
        "xb",
        "zz",
        "a*",
        "*b*",
        "risingwave",
        "arn:aws:iam::1:role/a",
        "arn:aws:iam::2:role/b",
        "xby",
        "by",
        "arn:aws:iam::*:role/*",
    ],
    "k:two": [
        None,
        "10.1.2.3",
        "10.9.9.9",
        "203.0.113.7",
        "203.0.113.8",
        "2001:db8::1",
        "::1",
        "x",
    ],
    "k:three": [None, "0", "1", "1.5", "2", "2.2", "2.5", "7", "10", "11", "x"],
}


@st.composite
def plain_statements(draw):
    condition: dict = {}
    for key in draw(st.lists(st.sampled_from(sorted(ONE_KIND)), unique=True, max_size=2)):
        name = draw(st.sampled_from(ONE_KIND[key]))
        values = draw(st.lists(st.sampled_from(OPERATORS[name]), min_size=1, max_size=2))
        condition.setdefault(name, {})[key] = [each for each in values if "$" not in each] or ["a"]
    return {
        "Effect": draw(st.sampled_from(["Allow", "Deny"])),
        "Action": "*",
        "Resource": "*",
        **({"Condition": condition} if condition else {}),
    }


@pytest.mark.slow
@settings(max_examples=25, deadline=None)
@given(st.lists(plain_statements(), min_size=1, max_size=3))
def test_up_to_three_keys_are_told_exactly(own):
    policies = Policies(identity=policy(*own))
    decision = evaluate(REQUEST, policies, dict.fromkeys(ONE_KIND, Unknown()))
    found = {
        concrete(
            policies,
            {key: value for key, value in zip(EVERY, each, strict=True) if value is not None},
        ).allowed
        for each in itertools.product(*EVERY.values())
    }
    assert (decision.effect == "depends") == (len(found) == 2)


# Keys of which it is known what they are ---------------------------------------------------------

OF_KIND = {
    "ip": Unknown(kind="ip", optional=False),
    "vpce": Unknown(like=("vpce-*",), plain=True),
    "tls": Unknown(like=("1.2", "1.3"), kind="number", optional=False),
    "issued": Unknown(kind="date", optional=False),
    "account": Unknown(like=("????????????",)),
    "any": Unknown(),
    "many": Unknown(like=("o-*/*",), many=True),
}
CAN_BE = {
    "ip": [".".join(each) for each in itertools.product(("7", "10", "113", "203"), repeat=4)],
    "vpce": [None, "vpce-1", "vpce-", "vpce-2x", "vpce-10.1.2.3", "vpce-eA==", "vpce-*"],
    "tls": ["1.2", "1.3"],
    "issued": ["2026-06-01T00:00:00Z", "2020-01-01T00:00:00Z", "2030-01-01T00:00:00Z"],
    "account": [
        None,
        "444455556666",
        "000000000001",
        "abcdabcdabcd",
        "2026-01-01T0",
        "10.100.0.100",
    ],
    "any": [None, "", "eA==", "eB==", "x", "1.2", "10.7.7.7", "2026-01-01", "203.7.113.10"],
    "many": [None, ["o-1/r/"], ["o-2/r/"], ["o-1/r/", "o-2/r/"]],
}
OF_TEXT = [
    *("203.7.113.10", "203.7.113.0/24", "203.*", "*.7", "1?.*.7.?", "*", "x*", "203.07.113.10"),
    *("vpce-1", "vpce-*", "o-1/*", "444455556666", "1.2", "eA==", "2026-*", "*:*:*:*:*:*", "true"),
]
BY_OPERATOR = {
    "StringEquals StringNotEquals StringEqualsIgnoreCase": OF_TEXT,
    "StringLike StringNotLike ArnLike Bool": OF_TEXT,
    "NumericLessThan NumericNotEquals": ["1.3", "444455556666", "x", "2026"],
    "DateLessThan DateNotEquals": ["2026-01-01", "1700000000", "x"],
    "IpAddress NotIpAddress": ["203.0.0.0/8", "10.7.7.0/28", "::/0", "x"],
    "BinaryEquals": ["eA==", "eA", "vpce-1", "10.7.7.7"],
    "Null": ["true", "false"],
}


@st.composite
def lines_on(draw, key):
    names = draw(st.sampled_from(sorted(BY_OPERATOR)))
    name = draw(st.sampled_from(names.split()))
    values = draw(st.lists(st.sampled_from(BY_OPERATOR[names]), min_size=1, max_size=2))
    over = draw(st.sampled_from(["ForAnyValue:", "ForAllValues:"])) if key == "many" else ""
    if name != "Null":
        name = over + name + draw(st.sampled_from(["", "IfExists"]))
    return {name: {f"k:{key}": values}}


@st.composite
def on_one_key(draw):
    key = draw(st.sampled_from(sorted(OF_KIND)))
    effects = st.sampled_from(["Allow", "Deny"])
    drawn = draw(st.lists(st.tuples(effects, lines_on(key), lines_on(key)), min_size=1, max_size=2))
    everything = {"Action": "*", "Resource": "*"}
    return key, [
        {"Effect": effect, **everything, "Condition": {**one, **two}} for effect, one, two in drawn
    ]


@pytest.mark.slow
@settings(max_examples=25, deadline=None)
@given(on_one_key())
def test_operators_of_every_kind_on_a_key_of_any_kind(drawn):
    key, own = drawn
    policies = Policies(identity=policy(*own))
    decision = evaluate(REQUEST, policies, {f"k:{key}": OF_KIND[key]})
    values = ({} if each is None else {f"k:{key}": each} for each in CAN_BE[key])
    found = {concrete(policies, each).allowed for each in values}
    if len(found) == 2:
        assert decision.effect == "depends"
    elif decision.effect == "depends":
        # All is told of an address and of a version; of others these values are but examples.
        assert key not in ("tls", "ip")
    else:
        assert {decision.allowed} == found


@pytest.mark.parametrize(
    ("operator", "value", "effect"),
    [
        ("StringEquals", "203.0.113.0/24", "implicit-deny"),
        ("StringEquals", "203.0.113.300", "implicit-deny"),
        ("StringLike", "*:*", "implicit-deny"),
        ("StringNotLike", "*.*.*.*", "implicit-deny"),
        ("StringLike", "*", "allowed"),
        ("NumericLessThan", "5", "implicit-deny"),
        ("BinaryEquals", "eA==", "implicit-deny"),
        ("StringEquals", "203.0.113.7", "depends"),
        ("StringLike", "203.0.113.*", "depends"),
    ],
)
def test_an_address_that_is_compared_as_a_text(operator, value, effect):
    own = Policies(identity=policy({**ALLOW, "Condition": {operator: {"aws:SourceIp": value}}}))
    about = Unknown(kind="ip", optional=False)
    assert evaluate(REQUEST, own, {"aws:SourceIp": about}).effect == effect


def test_request_is_judged_once_by_the_keys_that_policies_name(monkeypatch):
    asked = []
    real = request_model.evaluate
    monkeypatch.setattr(request_model, "evaluate", lambda *given: asked.append(1) or real(*given))
    request_model._judged.clear()

    def decided(key, role_id):
        allow = {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}
        if key:
            allow["Condition"] = {"StringLike": {"KEY": "AROAONE:*"}}
        text = json.dumps({"Version": "2012-10-17", "Statement": [allow]}).replace("KEY", key)
        what = "arn:aws:iam::111122223333:role/r", "s3:GetObject", "arn:aws:s3:::b/x"
        model = request_model.role_request(*what, region_name="us-east-1", role_id=role_id)
        before = len(asked)
        effect = request_model.judge(model, Policies(identity=[text])).effect
        return effect, len(asked) - before

    assert [decided("", one) for one in ("", "AROAONE", "AROATWO")] == [
        ("allowed", 1), ("allowed", 0), ("allowed", 0),
    ]  # fmt: skip
    for key in ("aws:userid", "AWS:UserId", "aws:\\u0075serid"):
        found = [decided(key, one)[0] for one in ("", "AROAONE", "AROATWO", "AROAONE")]
        assert found == ["depends", "allowed", "implicit-deny", "allowed"], key
