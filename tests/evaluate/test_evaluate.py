"""One statement against one request: actions, resources, principals, variables.

Each table names the page of the IAM User Guide that its rows are from.
"""

from __future__ import annotations

from typing import Any

import pytest

from rwlib.evaluate.evaluator import evaluate
from rwlib.evaluate.model import Policies, Request

OWN, OTHER = "111122223333", "444455556666"
USER = f"arn:aws:iam::{OWN}:user/alice"
ROLE = f"arn:aws:iam::{OWN}:role/reader"
SESSION = f"arn:aws:sts::{OWN}:assumed-role/reader/job-1"
OBJECT = "arn:aws:s3:::data/p/x"


def allow(**elements: Any) -> dict[str, Any]:
    """Build a document of one Allow statement for everything that is not given."""
    statement = {"Effect": "Allow", "Action": "*", "Resource": "*"} | elements
    for negated in ("NotAction", "NotResource"):
        if negated in elements:
            del statement[negated.removeprefix("Not")]
    return {"Version": "2012-10-17", "Statement": [statement]}


def identity_allows(
    document: dict[str, Any],
    action: str = "s3:GetObject",
    resource: str = OBJECT,
    principal: str = USER,
    **context: Any,
) -> bool:
    request = Request(principal, action, resource, None, context.pop("context", context))
    return evaluate(request, Policies(identity=[document])).allowed


# Page "IAM JSON policy elements: Action", "NotAction"; Access Analyzer, "Empty array action".
@pytest.mark.parametrize(
    "element, action, expected",
    [
        ({"Action": "s3:GetObject"}, "s3:GetObject", True),
        ({"Action": "S3:getobject"}, "s3:GetObject", True),
        ({"Action": "s3:getobject"}, "S3:GETOBJECT", True),
        ({"Action": ["s3:PutObject", "s3:GetObject"]}, "s3:GetObject", True),
        ({"Action": "s3:*"}, "s3:GetObject", True),
        ({"Action": "s3:*Object"}, "s3:GetObject", True),
        ({"Action": "s3:*Object"}, "s3:GetObjectAcl", False),
        ({"Action": "s3:Get*"}, "s3:PutObject", False),
        ({"Action": "s3:?etObject"}, "s3:GetObject", True),
        ({"Action": "s3:?etObject"}, "s3:etObject", False),
        ({"Action": "s3:Get?Object"}, "s3:GetObject", False),
        ({"Action": "s3:GetObject.*"}, "s3:GetObject", False),
        ({"Action": "*"}, "s3:GetObject", True),
        ({"Action": "s3:GetObject"}, "s3-object-lambda:GetObject", False),
        ({"Action": []}, "s3:GetObject", False),
        ({"NotAction": "s3:GetObject"}, "s3:PutObject", True),
        ({"NotAction": "s3:GET*"}, "s3:GetObject", False),
        ({"NotAction": ["iam:*", "s3:Put*"]}, "s3:GetObject", True),
        ({"NotAction": []}, "s3:GetObject", False),
    ],
)
def test_action_element(element: dict[str, Any], action: str, expected: bool) -> None:
    assert identity_allows(allow(**element), action) is expected


# Page "IAM JSON policy elements: Resource": wildcards stay in their field, but a * that ends one
# may run on; `/` is a character like any other; the list of objects is the page's own.
@pytest.mark.parametrize(
    "element, resource, expected",
    [
        ({"Resource": "arn:aws:s3:::data/p/x"}, OBJECT, True),
        ({"Resource": "arn:aws:s3:::DATA/p/x"}, OBJECT, False),
        ({"Resource": "*"}, OBJECT, True),
        ({"Resource": "arn:aws:s3:::*"}, OBJECT, True),
        ({"Resource": "arn:aws:s3:*"}, OBJECT, True),
        ({"Resource": "arn:aws:s3*"}, OBJECT, True),
        ({"Resource": "arn:aws:sqs:*"}, OBJECT, False),
        ({"Resource": "arn:aws:s3:::data"}, OBJECT, False),
        ({"Resource": "arn:aws:s3:::data/*"}, "arn:aws:s3:::data", False),
        ({"Resource": "arn:aws:s3:::data/*"}, "arn:aws:s3:::data/", True),
        ({"Resource": "arn:aws:s3:::data*"}, "arn:aws:s3:::database/x", True),
        ({"Resource": "arn:aws:s3:::data/?/x"}, OBJECT, True),
        ({"Resource": "arn:aws:s3:::data/?/x"}, "arn:aws:s3:::data/pp/x", False),
        ({"Resource": "arn:aws:s3:::data/a*z"}, "arn:aws:s3:::data/a:b:z", True),
        ({"Resource": "arn:aws:s3:::data/a?z"}, "arn:aws:s3:::data/a:z", True),
        ({"Resource": "arn:aws:s3:::data/a.z"}, "arn:aws:s3:::data/a-z", False),
        ({"Resource": "arn:aws:s3:::data/[a]"}, "arn:aws:s3:::data/a", False),
        ({"Resource": "arn:aws:s3:::data/*"}, "arn:aws:s3:::data/a\nb", True),
        ({"Resource": "arn:aws:sqs:*:queue"}, f"arn:aws:sqs:eu-west-1:{OWN}:queue", True),
        ({"Resource": "arn:aws:sqs:*-1:*:q"}, f"arn:aws:sqs:eu-west-1:{OWN}:q", True),
        ({"Resource": "arn:aws:sqs:e*1:q"}, f"arn:aws:sqs:eu-west-1:{OWN}:q", False),
        ({"Resource": "arn:aws:sqs:eu-west-?:*:q"}, f"arn:aws:sqs:eu-west-1:{OWN}:q", True),
        ({"Resource": f"arn:aws:sqs:?:{OWN}:q"}, f"arn:aws:sqs::x:{OWN}:q", False),
        ({"Resource": "arn:aws:iam::1111*:role/r"}, f"arn:aws:iam::{OWN}:role/r", True),
        ({"Resource": []}, OBJECT, False),
        ({"Resource": ["arn:aws:s3:::b", "arn:aws:s3:::data/*"]}, OBJECT, True),
        ({"NotResource": "arn:aws:s3:::data/*"}, OBJECT, False),
        ({"NotResource": ["arn:aws:s3:::b", "arn:aws:s3:::c/*"]}, OBJECT, True),
        ({"NotResource": "*"}, OBJECT, False),
        ({"NotResource": []}, OBJECT, False),
        *[
            ({"Resource": "arn:aws:s3:::b/*/test/*"}, f"arn:aws:s3:::b/{key}", expected)
            for key, expected in [
                ("1/test/object.jpg", True),
                ("1/2/3/test/4/object.jpg", True),
                ("1///test///object.jpg", True),
                ("1/test/.jpg", True),
                ("/test/object.jpg", True),
                ("1/test/", True),
                ("1-test/object.jpg", False),
                ("test/object.jpg", False),
                ("1/2/test.jpg", False),
            ]
        ],
    ],
)
def test_resource_element(element: dict[str, Any], resource: str, expected: bool) -> None:
    assert identity_allows(allow(**element), resource=resource) is expected


# Page "IAM policy elements: Variables and tags".
@pytest.mark.parametrize(
    "resource, context, expected",
    [
        ("arn:aws:s3:::data/${aws:username}/x", {}, True),
        ("arn:aws:s3:::data/${AWS:UserName}/x", {}, True),
        ("arn:aws:s3:::data/${ aws:username }/x", {}, True),
        ("arn:aws:s3:::data/${aws:PrincipalTag/team}/x", {"aws:PrincipalTag/Team": "alice"}, True),
        ("arn:aws:s3:::data/${aws:PrincipalTag/team}/x", {}, False),
        ("arn:aws:s3:::data/${aws:PrincipalTag/team}/x", {"aws:PrincipalTag/team": ""}, False),
        ("arn:aws:s3:::data/${aws:PrincipalTag/team, 'alice'}/x", {}, True),
        (
            "arn:aws:s3:::data/${aws:PrincipalTag/team, 'x'}/x",
            {"aws:PrincipalTag/team": "alice"},
            True,
        ),
        ("arn:aws:s3:::data/${aws:TagKeys}/x", {"aws:TagKeys": ["alice"]}, True),
        ("arn:aws:s3:::data/${aws:TagKeys}/x", {"aws:TagKeys": ["alice", "bob"]}, False),
        ("arn:aws:s3:::data/${aws:PrincipalTag/t}/x", {"aws:PrincipalTag/t": "*"}, False),
        ("arn:aws:s3:::data/${aws:username}*", {}, True),
        ("arn:aws:s3:::data/${aws:username", {}, False),
        # Not before the fifth colon.
        ("arn:aws:${aws:PrincipalTag/s}:::data/*", {"aws:PrincipalTag/s": "s3"}, False),
    ],
)
def test_variable_in_a_resource(resource: str, context: dict[str, Any], expected: bool) -> None:
    document = allow(Resource=resource)
    found = identity_allows(document, resource="arn:aws:s3:::data/alice/x", context=context)
    assert found is expected


@pytest.mark.parametrize(
    "pattern, key, expected",
    [
        ("w${*}x", "w*x", True),
        ("w${*}x", "wax", False),
        ("w${?}x", "w?x", True),
        ("w${?}x", "wax", False),
        ("w${$}x", "w$x", True),
        ("${$}{aws:username}", "${aws:username}", True),
    ],
)
def test_predefined_variable_is_the_character_itself(
    pattern: str, key: str, expected: bool
) -> None:
    document = allow(Resource=f"arn:aws:s3:::data/{pattern}")
    assert identity_allows(document, resource=f"arn:aws:s3:::data/{key}") is expected


@pytest.mark.parametrize("version", ["2008-10-17", None])
def test_variables_are_plain_text_in_older_versions(version: str | None) -> None:
    document = allow(Resource="arn:aws:s3:::data/${aws:username}/${?}")
    del document["Version"]
    if version:
        document["Version"] = version
    literal = "arn:aws:s3:::data/${aws:username}/${a}"
    assert identity_allows(document, resource=literal)
    assert not identity_allows(document, resource="arn:aws:s3:::data/alice/?")


def test_variable_without_a_value_excludes_nothing_under_not_resource() -> None:
    document = allow(NotResource="arn:aws:s3:::data/${aws:PrincipalTag/team}/*")
    assert identity_allows(document, resource="arn:aws:s3:::data/x/y")
    context = {"aws:PrincipalTag/team": "x"}
    assert not identity_allows(document, resource="arn:aws:s3:::data/x/y", context=context)


def bucket_allows(element: dict[str, Any], principal: str, **fields: Any) -> bool:
    document = allow(**element)
    document["Statement"][0].setdefault("Principal", "*") if "NotPrincipal" not in element else 0
    request = Request(principal, "s3:GetObject", OBJECT, fields.pop("account", OWN), **fields)
    return evaluate(request, Policies(resource=document)).allowed


# Page "AWS JSON policy elements: Principal".
@pytest.mark.parametrize(
    "value, principal, expected",
    [
        ("*", USER, True),
        ("*", "*", True),
        ("*", "anonymous", True),
        ({"AWS": "*"}, "*", True),
        ({"AWS": "*"}, SESSION, True),
        ({"AWS": USER}, USER, True),
        ({"AWS": [ROLE, USER]}, USER, True),
        ({"AWS": USER.upper()}, USER, False),
        ({"AWS": f"{USER}x"}, USER, False),
        ({"AWS": f"arn:aws:iam::{OWN}:user/*"}, USER, False),
        ({"AWS": f"arn:aws:iam::{OWN}:user/team/alice"}, USER, False),
        ({"AWS": ROLE}, SESSION, True),
        ({"AWS": ROLE}, ROLE, True),
        ({"AWS": SESSION}, SESSION, True),
        ({"AWS": SESSION}, ROLE, False),
        ({"AWS": f"arn:aws:sts::{OWN}:assumed-role/reader/*"}, SESSION, False),
        ({"AWS": f"arn:aws:sts::{OWN}:assumed-role/reader/job-2"}, SESSION, False),
        ({"AWS": f"arn:aws:iam::{OTHER}:role/reader"}, SESSION, False),
        ({"AWS": f"arn:aws-cn:iam::{OWN}:role/reader"}, SESSION, False),
        # A role's name is unique in its account, and a session's ARN has no path.
        ({"AWS": f"arn:aws:iam::{OWN}:role/team/reader"}, SESSION, True),
        ({"AWS": f"arn:aws:iam::{OWN}:role/reader/other"}, SESSION, False),
        ({"AWS": f"arn:aws:iam::{OWN}:user/alice"}, f"{ROLE.replace('reader', 'alice')}", False),
        # What is left of a deleted role.
        ({"AWS": "AROAEXAMPLEEXAMPLE12"}, SESSION, False),
        ({"AWS": []}, USER, False),
        ({}, USER, False),
        # The account alone delegates: this user has no identity-based policy.
        ({"AWS": OWN}, USER, False),
        ({"AWS": f"arn:aws:iam::{OWN}:root"}, USER, False),
        ({"AWS": OWN}, OWN, True),
        ({"AWS": OWN}, f"arn:aws:iam::{OWN}:root", True),
        ({"Service": "redshift.amazonaws.com"}, "redshift.amazonaws.com", True),
        ({"Service": ["a.amazonaws.com", "b.amazonaws.com"]}, "b.amazonaws.com", True),
        ({"Service": "redshift.amazonaws.com"}, "glue.amazonaws.com", False),
        ({"Service": "redshift.amazonaws.com"}, USER, False),
        ({"AWS": "redshift.amazonaws.com"}, "redshift.amazonaws.com", False),
        ({"AWS": "*"}, "redshift.amazonaws.com", True),
        ({"Federated": "accounts.google.com"}, "accounts.google.com", True),
        ({"Service": "accounts.google.com"}, "accounts.google.com", False),
        (
            {"Federated": f"arn:aws:iam::{OWN}:oidc-provider/x.com/id"},
            f"arn:aws:iam::{OWN}:oidc-provider/x.com/id",
            True,
        ),
        ({"Federated": "accounts.google.com"}, USER, False),
        (
            {"AWS": f"arn:aws:sts::{OWN}:federated-user/bob"},
            f"arn:aws:sts::{OWN}:federated-user/bob",
            True,
        ),
    ],
)
def test_principal_element(value: Any, principal: str, expected: bool) -> None:
    assert bucket_allows({"Principal": value}, principal) is expected


def test_principal_with_a_path_when_the_request_tells_the_role() -> None:
    with_path = f"arn:aws:iam::{OWN}:role/team/reader"
    known: dict[str, Any] = {"context": {"aws:PrincipalArn": with_path}}
    assert bucket_allows({"Principal": {"AWS": with_path}}, SESSION, **known)
    assert not bucket_allows({"Principal": {"AWS": ROLE}}, SESSION, **known)


def test_role_told_by_the_request_counts_only_when_it_is_the_sessions() -> None:
    foreign = f"arn:aws:iam::{OTHER}:role/reader"
    told: dict[str, Any] = {"context": {"aws:PrincipalArn": foreign}}
    assert bucket_allows({"Principal": {"AWS": ROLE}}, SESSION, **told)
    assert not bucket_allows({"Principal": {"AWS": foreign}}, SESSION, **told)


@pytest.mark.parametrize(
    "principal, value",
    [
        ({"AWS": USER}, {"AWS": USER}),
        ({"Service": "accounts.google.com"}, {"Service": "accounts.google.com"}),
        ({"Federated": "login.example.com"}, {"Federated": "login.example.com"}),
        ({"CanonicalUser": "79a59df9"}, {"CanonicalUser": "79a59df9"}),
    ],
)
def test_principal_given_with_its_kind(principal: dict[str, str], value: dict[str, str]) -> None:
    document = allow(Principal=value)
    request = Request(principal, "s3:GetObject", OBJECT, OWN)
    assert evaluate(request, Policies(resource=document)).allowed


def test_canonical_user_delegates_to_its_account() -> None:
    document = allow(Principal={"CanonicalUser": "79a59df9"})
    request = Request(USER, "s3:GetObject", OBJECT, OTHER, canonical_user="79a59df9")
    assert not evaluate(request, Policies(resource=document)).allowed
    assert evaluate(request, Policies(identity=[allow()], resource=document)).allowed


# Page "AWS JSON policy elements: NotPrincipal"; its two examples (guide of 2023), and AWS Security
# Blog, "How to Restrict Amazon S3 Bucket Access to a Specific IAM Role": both ARNs are needed.
ACCOUNT_ARN = f"arn:aws:iam::{OWN}:root"


@pytest.mark.parametrize(
    "names, principal, denied",
    [
        ([USER, ACCOUNT_ARN], USER, False),
        ([USER, ACCOUNT_ARN], f"arn:aws:iam::{OWN}:user/bob", True),
        ([USER, ACCOUNT_ARN], SESSION, True),
        ([SESSION, ROLE, ACCOUNT_ARN], SESSION, False),
        ([SESSION, ROLE, ACCOUNT_ARN], f"arn:aws:sts::{OWN}:assumed-role/reader/job-2", True),
        ([ROLE, ACCOUNT_ARN], SESSION, True),
        ([ROLE], ROLE, False),
        ([ACCOUNT_ARN], USER, True),
        ([ACCOUNT_ARN], OWN, False),
        ([OWN], OWN, False),
        ([USER], "*", True),
        (["*"], "*", False),
        ([USER], "redshift.amazonaws.com", True),
        ([USER], USER, False),
        ([], USER, False),
    ],
)
def test_not_principal_with_deny(names: list[str], principal: str, denied: bool) -> None:
    deny = {"Effect": "Deny", "NotPrincipal": {"AWS": names}, "Action": "*", "Resource": "*"}
    request = Request(principal, "s3:GetObject", OBJECT, OWN)
    decision = evaluate(request, Policies(identity=[allow()], resource={"Statement": [deny]}))
    assert (decision.effect == "explicit-deny") is denied


def test_not_principal_with_deny_hits_everyone_who_has_a_boundary() -> None:
    deny = {"Effect": "Deny", "NotPrincipal": {"AWS": [USER, ACCOUNT_ARN]}, "Action": "*"}
    request = Request(USER, "s3:GetObject", OBJECT, OWN)
    policies = Policies(identity=[allow()], resource={"Statement": [deny]}, boundary=allow())
    assert evaluate(request, policies).effect == "explicit-deny"


@pytest.mark.parametrize(
    "names, principal, expected",
    [
        ([USER], SESSION, True),
        ([USER], USER, False),
        ([ROLE], SESSION, False),
        ([OWN], USER, False),
        ([OTHER], USER, True),
        ([USER], "*", True),
        (["*"], USER, False),
        ([], USER, False),
    ],
)
def test_not_principal_with_allow(names: list[str], principal: str, expected: bool) -> None:
    assert bucket_allows({"NotPrincipal": {"AWS": names}}, principal) is expected
