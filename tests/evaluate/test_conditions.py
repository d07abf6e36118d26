"""The Condition element: operators, missing keys, several values.

The rows are from the IAM User Guide, "IAM JSON policy elements: Condition operators" and
"Single-valued vs. multivalued context keys", unless a comment names another source.
"""

from __future__ import annotations

from datetime import UTC, date, datetime
from ipaddress import ip_address
from typing import Any

import pytest

from rwlib.evaluate.evaluator import evaluate
from rwlib.evaluate.model import Policies, Request

USER = "arn:aws:iam::111122223333:user/alice"
ABSENT = object()


def holds(condition: dict[str, Any], context: dict[str, Any], version: str = "2012-10-17") -> bool:
    statement = {"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": condition}
    document = {"Version": version, "Statement": statement}
    request = Request(USER, "s3:ListBucket", "arn:aws:s3:::data", None, context)
    return evaluate(request, Policies(identity=[document])).allowed


def matches(operator: str, wanted: Any, actual: Any) -> bool:
    context = {} if actual is ABSENT else {"x:key": actual}
    return holds({operator: {"x:key": wanted}}, context)


@pytest.mark.parametrize(
    "operator, wanted, actual, expected",
    [
        ("StringEquals", "a", "a", True),
        ("StringEquals", "a", "A", False),
        ("StringEquals", ["b", "a"], "a", True),
        ("StringEquals", "a*", "ab", False),
        ("StringEquals", "a*", "a*", True),
        ("StringEquals", "", "", True),
        ("StringEquals", True, "true", True),
        ("StringEquals", 10, "10", True),
        ("StringEquals", "${*}", "*", True),
        ("StringEquals", "${aws:username}", "alice", True),
        ("StringEquals", "${aws:PrincipalTag/t}", "${aws:PrincipalTag/t}", False),
        ("stringequals", "a", "a", True),
        ("StringNotEquals", "a", "b", True),
        ("StringNotEquals", ["a", "b"], "b", False),
        ("StringNotEquals", ["a", "b"], "c", True),
        # "Policy variables with no value": an inverted operator matches.
        ("StringNotEquals", "${aws:PrincipalTag/t}", "b", True),
        ("StringEqualsIgnoreCase", "aB", "Ab", True),
        ("StringNotEqualsIgnoreCase", "aB", "Ab", False),
        ("StringLike", "p/*", "p/", True),
        ("StringLike", "p/*", "p", False),
        ("StringLike", "p/?", "p/x", True),
        ("StringLike", "p/?", "p/", False),
        ("StringLike", "P/*", "p/x", False),
        ("StringLike", "", "", True),
        ("StringLike", "", "p", False),
        ("StringLike", "*", "", True),
        ("StringLike", "a${*}b", "a*b", True),
        ("StringLike", "a${*}b", "axb", False),
        ("StringLike", "home/${aws:username}/*", "home/alice/x", True),
        ("StringLike", "arn:aws:x:*:1:f/*", "arn:aws:x:eu:9:s/abc:1:f/d.txt", True),
        ("StringLike", "[a]", "a", False),
        ("StringNotLike", "p/*", "q", True),
        ("StringNotLike", ["p/*", "q"], "q", False),
        ("NumericEquals", "10", "10", True),
        ("NumericEquals", "10", "10.0", True),
        ("NumericEquals", 10, 10, True),
        ("NumericEquals", "10", "1e1", True),
        ("NumericEquals", "10", "ten", False),
        ("NumericNotEquals", ["10", "20"], "20", False),
        ("NumericNotEquals", "10", "11", True),
        ("NumericLessThan", "10", "9.99", True),
        ("NumericLessThan", "10", "10", False),
        ("NumericLessThan", "9", "10", False),
        ("NumericLessThanEquals", "10", "10", True),
        ("NumericGreaterThan", "10", "11", True),
        ("NumericGreaterThan", "-1", "0", True),
        ("NumericGreaterThanEquals", ["1000", "10"], "10", True),
        ("NumericGreaterThan", "10", "nan", False),
        ("NumericLessThan", "10", "-inf", False),
        ("DateEquals", "2025-06-01T00:00:00Z", "2025-06-01T02:00:00+02:00", True),
        ("DateEquals", "2025-06-01T00:00:00Z", "1748736000", True),
        ("DateEquals", "2025-06-01", "2025-06-01T00:00:00Z", True),
        ("DateEquals", "2025-06", "2025-06-01T00:00:00Z", True),
        ("DateEquals", "2025", "2025-01-01T00:00:00Z", True),
        ("DateEquals", "2025-06-01T00:00Z", 1748736000, True),
        ("DateEquals", "2025-06-01T00:00:00.5Z", "1748736000.5", True),
        ("DateEquals", "yesterday", "yesterday", False),
        ("DateNotEquals", "2025-06-01T00:00:00Z", "2025-06-02T00:00:00Z", True),
        ("DateLessThan", "2025-06-01T00:00:00Z", "2025-05-31T23:59:59Z", True),
        ("DateLessThan", "2025-06-01T00:00:00Z", "2025-06-01T00:00:00Z", False),
        ("DateLessThan", "2025-06-01T00:00:00Z", datetime(2025, 5, 31, tzinfo=UTC), True),
        ("DateLessThan", "2025-06-01T00:00:00Z", datetime(2025, 5, 31), True),
        ("DateLessThan", "2025-06-01T00:00:00Z", date(2025, 5, 31), True),
        ("DateLessThanEquals", "2025-06-01T00:00:00Z", "2025-06-01T00:00:00Z", True),
        ("DateGreaterThan", "2025-06-01T00:00:00Z", "2025-06-01T00:00:01Z", True),
        ("DateGreaterThanEquals", "2025-06-01T00:00:00Z", "2025-06-01T00:00:00Z", True),
        ("DateGreaterThan", "2025-06-01T00:00:00Z", "2025-13-01", False),
        ("Bool", "true", "true", True),
        ("Bool", True, "True", True),
        ("Bool", "TRUE", True, True),
        ("Bool", "false", True, False),
        ("Bool", "false", False, True),
        ("Bool", "yes", "yes", False),
        ("Bool", ["true", "false"], "false", True),
        ("BinaryEquals", "QmluYXJ5", "QmluYXJ5", True),
        ("BinaryEquals", "QmluYXJ5", b"Binary", True),
        ("BinaryEquals", "QmluYXJ5", "QQ==", False),
        ("IpAddress", "203.0.113.0/24", "203.0.113.9", True),
        ("IpAddress", "203.0.113.0/24", "203.0.114.1", False),
        ("IpAddress", "203.0.113.9", "203.0.113.9", True),
        ("IpAddress", "203.0.113.9", "203.0.113.8", False),
        # Access Analyzer, "Improve IP range": bits beyond the mask are ignored.
        ("IpAddress", "203.0.113.9/24", "203.0.113.8", True),
        ("IpAddress", ["10.0.0.0/8", "2001:DB8:1234:5678::/64"], "2001:db8:1234:5678::9", True),
        ("IpAddress", "2001:db8::1", "2001:0db8:0:0::1", True),
        ("IpAddress", "2001:db8::1", "2001:db8::2", False),
        ("IpAddress", "0.0.0.0/0", "2001:db8::2", False),
        ("IpAddress", "203.0.113.0/24", ip_address("203.0.113.9"), True),
        ("IpAddress", "203.0.113.0/24", "somewhere", False),
        ("NotIpAddress", ["203.0.113.0/24", "198.51.100.0/24"], "198.51.100.1", False),
        ("NotIpAddress", ["203.0.113.0/24", "2001:db8::/32"], "198.51.100.1", True),
        ("ArnLike", "arn:aws:sns:eu-west-1:*:t*", "arn:aws:sns:eu-west-1:1:topic", True),
        ("ArnEquals", "arn:aws:sns:eu-west-1:*:t*", "arn:aws:sns:eu-west-1:1:topic", True),
        ("ArnLike", "arn:aws:SNS:eu-west-1:*:t*", "arn:aws:sns:eu-west-1:1:topic", False),
        ("ArnLike", "arn:aws:x:*:1:f/*", "arn:aws:x:eu:1:f/a:b", True),
        # The page's own example: StringLike matches this, ArnLike does not.
        ("ArnLike", "arn:aws:x:*:1:f/*", "arn:aws:x:eu:9:s/abc:1:f/d.txt", False),
        ("ArnLike", "arn:aws:iam::?1:role/r", "arn:aws:iam::11:role/r", True),
        ("ArnLike", "arn:aws:s3:*", "arn:aws:s3:::b", False),
        ("ArnLike", "*", "arn:aws:s3:::b", False),
        ("ArnLike", "*", "data", False),
        ("ArnNotLike", "arn:aws:s3:::b", "data", True),
        ("ArnLike", "arn:aws:x:?:1:r", "arn:aws:x:::1:r", False),
        ("ArnLike", "arn:aws:x:a*b*c:1:r", "arn:aws:x:a:bc:1:r", False),
        ("ArnLike", "arn:aws:x:a*b*c:1:r", "arn:aws:x:a-b-bc:1:r", True),
        ("ArnLike", "arn:aws:iam::1:user/${aws:username}", "arn:aws:iam::1:user/alice", True),
        ("ArnNotEquals", "arn:aws:s3:::b", "arn:aws:s3:::c", True),
        ("ArnNotLike", ["arn:aws:s3:::a*", "arn:aws:s3:::b"], "arn:aws:s3:::b", False),
    ],
)
def test_operator(operator: str, wanted: Any, actual: Any, expected: bool) -> None:
    assert matches(operator, wanted, actual) is expected


POSITIVE = [
    ("StringEquals", "a"),
    ("StringLike", "*"),
    ("NumericLessThan", "1"),
    ("DateLessThan", "2025"),
    ("Bool", "false"),
    ("BinaryEquals", "QQ=="),
    ("IpAddress", "0.0.0.0/0"),
    ("ArnLike", "arn:*:*:*:*:*"),
]
NEGATED = [
    ("StringNotEquals", "a"),
    ("StringNotLike", "*"),
    ("StringNotEqualsIgnoreCase", "a"),
    ("NumericNotEquals", "1"),
    ("DateNotEquals", "2025"),
    ("NotIpAddress", "0.0.0.0/0"),
    ("ArnNotLike", "arn:*:*:*:*:*"),
    ("ArnNotEquals", "arn:aws:s3:::b"),
]


@pytest.mark.parametrize("absent", [ABSENT, None, [], [None]])
@pytest.mark.parametrize("operator, wanted", POSITIVE)
def test_positive_operator_on_a_missing_key(operator: str, wanted: str, absent: Any) -> None:
    assert not matches(operator, wanted, absent)
    assert matches(f"{operator}IfExists", wanted, absent)
    assert matches(f"ForAllValues:{operator}", wanted, absent)
    assert not matches(f"ForAnyValue:{operator}", wanted, absent)
    # "If the key does not exist, the condition returns false", whatever the suffix.
    assert not matches(f"ForAnyValue:{operator}IfExists", wanted, absent)


@pytest.mark.parametrize("operator, wanted", NEGATED)
def test_negated_operator_on_a_missing_key(operator: str, wanted: str) -> None:
    assert matches(operator, wanted, ABSENT)
    assert matches(f"{operator}IfExists", wanted, ABSENT)
    assert matches(f"ForAllValues:{operator}", wanted, ABSENT)
    assert not matches(f"ForAnyValue:{operator}", wanted, ABSENT)


def test_if_exists_compares_when_the_key_is_there() -> None:
    assert matches("StringLikeIfExists", ["t1.*", "t2.*"], "t1.micro")
    assert not matches("StringLikeIfExists", ["t1.*", "t2.*"], "m2.micro")


# The tables of "Set operators for multivalued context keys" and of the multivalued operators.
@pytest.mark.parametrize(
    "operator, wanted, actual, expected",
    [
        ("ForAllValues:StringEquals", ["environment", "cost"], ["environment"], True),
        ("ForAllValues:StringEquals", ["environment", "cost"], ["environment", "cost"], True),
        ("ForAllValues:StringEquals", ["environment", "cost"], ["environment", "dept"], False),
        ("ForAllValues:StringEquals", ["environment", "cost"], "cost", True),
        ("ForAnyValue:StringEquals", ["environment", "cost"], ["environment", "dept"], True),
        ("ForAnyValue:StringEquals", ["environment", "cost"], ["dept"], False),
        ("ForAnyValue:StringEquals", "environment", ["Environment"], False),
        ("ForAllValues:StringNotEquals", ["a", "b"], ["c", "d"], True),
        ("ForAllValues:StringNotEquals", ["a", "b"], ["c", "a"], False),
        ("ForAnyValue:StringNotEquals", ["a", "b"], ["c", "a"], True),
        ("ForAnyValue:StringNotEquals", ["a", "b"], ["b", "a"], False),
        ("ForAllValues:StringLike", ["k*"], ["k1", "k2"], True),
        ("ForAllValues:StringNotLike", ["k*"], ["k1", "x"], False),
        ("ForAnyValue:ArnLike", "arn:aws:s3:::b*", ["arn:aws:s3:::c", "arn:aws:s3:::b1"], True),
        ("ForAllValues:Bool", "true", [True, False], False),
        ("forallvalues:stringequals", "a", ["a", "b"], False),
        # "A null dataset, such as an empty string."
        ("ForAllValues:StringEquals", "a", "", True),
        ("ForAllValues:StringEquals", "a", [""], True),
        ("ForAnyValue:StringEquals", "", "", False),
        ("ForAllValues:StringEquals", "a", ["", "a"], False),
        # "Multivalued context keys require a condition set operator."
        ("StringEquals", "a", ["b", "a"], False),
        ("StringEquals", "a", ["a", "a"], False),
        ("StringNotEquals", "a", ["b", "c"], False),
        ("StringEqualsIfExists", "a", ["b", "a"], False),
        ("StringEquals", "a", ["a"], True),
        ("StringNotEquals", "a", ["b"], True),
        ("StringEquals", "a", ("a",), True),
        ("StringEquals", "a", {"a"}, True),
    ],
)
def test_several_values(operator: str, wanted: Any, actual: Any, expected: bool) -> None:
    assert matches(operator, wanted, actual) is expected


# Access Analyzer policy check reference, "Empty array condition …".
@pytest.mark.parametrize(
    "operator, actual, expected",
    [
        ("StringEquals", "a", False),
        ("StringEquals", ABSENT, False),
        ("ForAllValues:StringEquals", "a", False),
        ("ForAllValues:StringEquals", ABSENT, True),
        ("ForAnyValue:StringEquals", "a", False),
        ("StringEqualsIfExists", "a", False),
        ("StringEqualsIfExists", ABSENT, True),
    ],
)
def test_empty_list_of_values(operator: str, actual: Any, expected: bool) -> None:
    assert matches(operator, [], actual) is expected


@pytest.mark.parametrize(
    "wanted, actual, expected",
    [
        ("true", ABSENT, True),
        ("true", None, True),
        ("true", [], True),
        ("true", "x", False),
        ("false", "x", True),
        ("false", "", True),
        ("false", ABSENT, False),
        (True, ABSENT, True),
        (False, "x", True),
        ("True", ABSENT, True),
        (["true", "false"], "x", True),
        ("", "x", False),
    ],
)
def test_null(wanted: Any, actual: Any, expected: bool) -> None:
    assert matches("Null", wanted, actual) is expected


# Access Analyzer policy check reference, "Null with qualifier".
@pytest.mark.parametrize("wanted", ["true", "false"])
@pytest.mark.parametrize("actual", ["x", ABSENT])
def test_null_with_a_set_operator_is_constant(wanted: str, actual: Any) -> None:
    assert matches("ForAllValues:Null", wanted, actual)
    assert not matches("ForAnyValue:Null", wanted, actual)


def test_every_line_of_a_condition_must_be_true() -> None:
    condition = {
        "StringEquals": {"x:a": "1", "x:b": "2"},
        "NumericLessThan": {"x:c": "10"},
    }
    assert holds(condition, {"x:a": "1", "x:b": "2", "x:c": 9})
    assert not holds(condition, {"x:a": "1", "x:b": "x", "x:c": 9})
    assert not holds(condition, {"x:a": "1", "x:b": "2", "x:c": 10})
    assert not holds(condition, {"x:a": "1", "x:b": "2"})


def test_no_lines_are_no_condition() -> None:
    assert holds({}, {})
    assert holds({"StringEquals": {}}, {})


def test_names_of_keys_have_no_case() -> None:
    assert holds({"StringEquals": {"AWS:sourcevpc": "v"}}, {"aws:SourceVpc": "v"})
    condition = {"StringEquals": {"aws:ResourceTag/TagKey1": "v"}}
    assert holds(condition, {"aws:resourcetag/tagkey1": "v"})


def test_variables_only_where_the_operator_takes_them() -> None:
    context = {"x:key": "10", "x:limit": "10", "x:on": "true"}
    assert not holds({"NumericEquals": {"x:key": "${x:limit}"}}, context)
    assert holds({"Bool": {"x:on": "${x:on}"}}, context)
    assert holds({"StringEquals": {"x:key": "${x:limit}"}}, context)
    assert not holds({"StringEquals": {"x:key": "${x:limit}"}}, context, "2008-10-17")
    literal = {"x:key": "${x:limit}"}
    assert holds({"StringEquals": {"x:key": "${x:limit}"}}, literal, "2008-10-17")


# "AWS global condition context keys" and the table "Principal key values".
@pytest.mark.parametrize(
    "principal, key, value",
    [
        (USER, "aws:PrincipalArn", USER),
        (USER, "aws:PrincipalAccount", "111122223333"),
        (USER, "aws:PrincipalType", "User"),
        (USER, "aws:username", "alice"),
        (USER, "aws:userid", None),
        (USER, "aws:PrincipalIsAWSService", "false"),
        (USER, "aws:ResourceAccount", "111122223333"),
        ("arn:aws:iam::111122223333:user/a/b/bob", "aws:username", "bob"),
        (
            "arn:aws:sts::111122223333:assumed-role/r/s",
            "aws:PrincipalArn",
            "arn:aws:iam::111122223333:role/r",
        ),
        ("arn:aws:sts::111122223333:assumed-role/r/s", "aws:PrincipalType", "AssumedRole"),
        ("arn:aws:sts::111122223333:assumed-role/r/s", "aws:username", None),
        ("111122223333", "aws:PrincipalArn", "arn:aws:iam::111122223333:root"),
        ("111122223333", "aws:userid", "111122223333"),
        ("111122223333", "aws:PrincipalType", "Account"),
        (
            "arn:aws:sts::111122223333:federated-user/bob",
            "aws:PrincipalArn",
            "arn:aws:sts::111122223333:federated-user/bob",
        ),
        ("arn:aws:sts::111122223333:federated-user/bob", "aws:userid", "111122223333:bob"),
        ("*", "aws:PrincipalArn", None),
        ("*", "aws:PrincipalAccount", "anonymous"),
        ("*", "aws:PrincipalType", "Anonymous"),
        ("*", "aws:userid", "anonymous"),
        ("*", "aws:PrincipalIsAWSService", None),
        ("s3.amazonaws.com", "aws:PrincipalServiceName", "s3.amazonaws.com"),
        ("s3.amazonaws.com", "aws:PrincipalIsAWSService", "true"),
        ("s3.amazonaws.com", "aws:PrincipalArn", None),
    ],
)
def test_keys_that_follow_from_the_principal(principal: str, key: str, value: str | None) -> None:
    wanted = {"Null": {key: "true"}} if value is None else {"StringEquals": {key: value}}
    statement = {"Effect": "Deny", "Principal": "*", "Action": "*", "Condition": wanted}
    request = Request(principal, "s3:GetObject", "arn:aws:s3:::b/x", "111122223333")
    decision = evaluate(request, Policies(resource={"Statement": statement}))
    assert decision.effect == "explicit-deny"


def test_context_given_wins_over_what_follows_from_the_principal() -> None:
    assert holds({"StringEquals": {"aws:username": "bob"}}, {"AWS:Username": "bob"})
    assert holds({"Null": {"aws:username": "true"}}, {"aws:username": None})
