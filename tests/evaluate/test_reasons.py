"""The reasons of a decision, AWS's words for it, and what is refused as input."""

from __future__ import annotations

import json
from typing import Any

import pytest

from rwlib.errors import InputError
from rwlib.evaluate.evaluator import evaluate
from rwlib.evaluate.model import Decision, Policies, Policy, Request

OWN, OTHER = "111122223333", "444455556666"
USER = f"arn:aws:iam::{OWN}:user/alice"
SESSION = f"arn:aws:sts::{OWN}:assumed-role/reader/job-1"
BUCKET = "arn:aws:s3:::data"
TARGET = f"arn:aws:iam::{OWN}:role/target"


def statement(**elements: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": "*", "Resource": "*"} | elements


def document(*statements: dict[str, Any]) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": list(statements)}


def decide(
    action: str = "s3:ListBucket",
    target: str = BUCKET,
    principal: str = USER,
    context: dict[str, Any] | None = None,
    **policies: Any,
) -> Decision:
    return evaluate(Request(principal, action, target, None, context or {}), Policies(**policies))


def test_reason_of_an_allowed_request_names_the_statement() -> None:
    both = document(statement(Action="ec2:*"), statement(Sid="Everything"))
    decision = decide(identity=[document(statement(Action="ec2:*")), ("data-lake", both)])
    (reason,) = decision.reasons
    assert (reason.layer, reason.outcome) == ("identity", "allowed")
    assert (reason.policy_index, reason.policy_name) == (1, "data-lake")
    assert (reason.statement_index, reason.sid) == (1, "Everything")
    assert str(reason) == "allowed by Sid Everything of identity-based policy data-lake"
    assert decision.phrase == ""


def test_reasons_of_an_allowed_request_name_every_layer_that_had_to_allow() -> None:
    decision = decide(
        "sts:AssumeRole",
        TARGET,
        f"arn:aws:sts::{OTHER}:assumed-role/r/s",
        identity=[document(statement())],
        boundary=Policy("limit", document(statement())),
        session=[document(statement())],
        resource=document(statement(Principal={"AWS": OTHER})),
    )
    assert [reason.layer for reason in decision.deciding] == [
        "identity",
        "boundary",
        "session",
        "trust",
    ]


def test_reasons_leave_out_what_did_not_decide() -> None:
    policy = document(
        statement(Sid="Delegates", Principal={"AWS": OWN}),
        statement(Sid="Grants", Principal={"AWS": USER}),
    )
    decision = decide(resource=policy)
    assert [reason.sid for reason in decision.reasons] == ["Grants"]
    assert decision.layer == "resource"


def test_reasons_of_a_denied_request_name_every_deny() -> None:
    deny = statement(Sid="No", Effect="Deny")
    decision = decide(
        identity=[document(statement(), deny)],
        resource=document(deny | {"Principal": "*"}),
    )
    assert decision.effect == "explicit-deny"
    assert [str(reason) for reason in decision.reasons] == [
        "denied by Sid No of resource-based policy number 1",
        "denied by Sid No of identity-based policy number 1",
    ]


def test_near_miss_names_the_condition_and_what_would_have_matched() -> None:
    prefixes = {"StringLike": {"s3:prefix": ["p/", "p/*"]}}
    policy = document(
        statement(Sid="List", Action="s3:ListBucket", Resource=BUCKET, Condition=prefixes)
    )
    decision = decide(identity=[policy], context={"s3:prefix": "p"})
    (reason,) = decision.near_misses
    (miss,) = reason.mismatches
    assert (miss.element, miss.operator, miss.key) == ("Condition", "StringLike", "s3:prefix")
    assert (miss.wanted, miss.actual) == (("p/", "p/*"), ("p",))
    assert miss.hint == 's3:prefix like "p/" or "p/*" would match'
    (absent,) = decide(identity=[policy]).near_misses[0].mismatches
    assert absent.actual is None
    assert absent.hint == 'the request would have to send s3:prefix as "p/" or "p/*"'


def test_near_miss_of_several_values_asks_for_a_set_operator() -> None:
    policy = document(statement(Condition={"StringEquals": {"aws:TagKeys": ["a", "b"]}}))
    decision = decide(identity=[policy], context={"aws:TagKeys": ["a", "b"]})
    (miss,) = decision.near_misses[0].mismatches
    assert "ForAnyValue or ForAllValues" in miss.hint


def test_near_misses_come_nearest_first() -> None:
    policy = document(
        statement(Sid="Other", Action="ec2:*"),
        statement(Sid="Far", Resource="arn:aws:s3:::b", Condition={"Bool": {"x:y": "true"}}),
        statement(Sid="Near", Resource="arn:aws:s3:::b"),
    )
    found = decide(identity=[policy]).near_misses
    assert [reason.sid for reason in found] == ["Near", "Far", "Other"]
    assert [len(reason.mismatches) for reason in found] == [1, 2, 1]


@pytest.mark.parametrize(
    "elements, element, wanted, actual, hint",
    [
        ({"Action": ["s3:GetObject"]}, "Action", ("s3:GetObject",), "s3:ListBucket", "would match"),
        ({"NotAction": "s3:*"}, "NotAction", ("s3:*",), "s3:ListBucket", "not listed"),
        (
            {"Resource": "arn:aws:s3:::data/${aws:username}"},
            "Resource",
            ("arn:aws:s3:::data/alice",),
            BUCKET,
            "would match",
        ),
        (
            {"Resource": "arn:aws:s3:::${aws:PrincipalTag/x}"},
            "Resource",
            (),
            BUCKET,
            "the request has no aws:principaltag/x to fill in the variable with",
        ),
        (
            {"NotResource": "arn:aws:s3:::*"},
            "NotResource",
            ("arn:aws:s3:::*",),
            BUCKET,
            "not listed",
        ),
        ({"Resource": []}, "Resource", (), BUCKET, "an empty list matches nothing"),
    ],
)
def test_near_miss_of_each_element(
    elements: dict[str, Any], element: str, wanted: tuple[str, ...], actual: str, hint: str
) -> None:
    given = statement(**elements)
    for name in ("NotAction", "NotResource"):
        if name in elements:
            del given[name.removeprefix("Not")]
    (miss,) = decide(identity=[document(given)]).near_misses[0].mismatches
    assert (miss.element, miss.wanted, miss.actual) == (element, wanted, (actual,))
    assert hint in miss.hint


@pytest.mark.parametrize(
    "names, hint",
    [
        (
            [f"arn:aws:iam::{OWN}:role/writer"],
            f"arn:aws:iam::{OWN}:role/reader would match",
        ),
        (
            ["AROAEXAMPLEEXAMPLE12"],
            "AROAEXAMPLEEXAMPLE12 is what is left of a deleted role or user and matches nobody; "
            f"write arn:aws:iam::{OWN}:role/reader again",
        ),
        (
            [f"arn:aws:iam::{OWN}:role/*"],
            "a wildcard inside a principal matches nobody; "
            f"arn:aws:iam::{OWN}:role/reader would match",
        ),
    ],
)
def test_near_miss_of_a_principal(names: list[str], hint: str) -> None:
    trust = document({"Effect": "Allow", "Principal": {"AWS": names}, "Action": "sts:AssumeRole"})
    decision = decide("sts:AssumeRole", TARGET, SESSION, resource=trust)
    (miss,) = decision.near_misses[0].mismatches
    assert (miss.element, miss.wanted, miss.hint) == ("Principal", tuple(names), hint)
    assert miss.actual == (SESSION, f"arn:aws:iam::{OWN}:role/reader")


def test_layer_without_an_allow_statement_says_so() -> None:
    (reason,) = decide(identity=[document(statement(Effect="Deny", Action="ec2:*"))]).reasons
    assert reason.outcome == "no-policy"
    assert str(reason) == "no identity-based policy has an Allow statement"


def test_delegation_to_the_account_is_told() -> None:
    trust = document(statement(Sid="Own", Principal={"AWS": OWN}))
    decision = decide("sts:AssumeRole", TARGET, resource=trust)
    assert "Sid Own of role trust policy number 1: it names the account" in str(decision)


def test_level_of_the_organization_is_told() -> None:
    allow = document(statement())
    decision = decide(identity=[allow], scps=[[allow], [document(statement(Action="ec2:*"))]])
    assert decision.layer == "scp"
    assert decision.reasons[0].note == "level 2 of 2"


def test_not_principal_that_names_only_the_role_is_explained() -> None:
    role = f"arn:aws:iam::{OWN}:role/reader"
    deny = {"Effect": "Deny", "NotPrincipal": {"AWS": role}, "Action": "*"}
    decision = decide(principal=SESSION, identity=[document(statement())], resource=document(deny))
    assert decision.effect == "explicit-deny"
    assert f"it would have to list {SESSION}" in decision.reasons[0].note


def test_not_principal_that_leaves_out_the_account_is_warned_of() -> None:
    deny = {"Effect": "Deny", "NotPrincipal": {"AWS": [USER]}, "Action": "*"}
    decision = decide(identity=[document(statement())], resource=document(deny))
    assert decision.allowed
    (caution,) = decision.cautions
    assert f"names {USER} but not arn:aws:iam::{OWN}:root" in caution
    deny["NotPrincipal"] = {"AWS": [USER, OWN]}
    again = decide(identity=[document(statement())], resource=document(deny))
    assert again.allowed
    assert again.cautions == ()


# IAM User Guide, "Troubleshoot access denied error messages".
ALLOW, EC2, DENY = (
    document(statement()),
    document(statement(Action="ec2:*")),
    document(statement(Effect="Deny")),
)


def on_resource(policy: dict[str, Any]) -> dict[str, Any]:
    return document(*({**each, "Principal": "*"} for each in policy["Statement"]))


@pytest.mark.parametrize(
    "policies, clause",
    [
        ({}, "because no identity-based policy allows the s3:ListBucket action"),
        ({"identity": [ALLOW, DENY]}, "with an explicit deny in an identity-based policy"),
        (
            {"identity": [ALLOW], "resource": on_resource(DENY)},
            "with an explicit deny in a resource-based policy",
        ),
        (
            {"identity": [ALLOW], "boundary": EC2},
            "because no permissions boundary allows the s3:ListBucket action",
        ),
        (
            {"identity": [ALLOW], "boundary": DENY},
            "with an explicit deny in a permissions boundary",
        ),
        (
            {"identity": [ALLOW], "session": [EC2]},
            "because no session policy allows the s3:ListBucket action",
        ),
        ({"identity": [ALLOW], "session": [DENY]}, "with an explicit deny in a session policy"),
        (
            {"identity": [ALLOW], "scps": [EC2]},
            "because no service control policy allows the s3:ListBucket action",
        ),
        (
            {"identity": [ALLOW], "scps": [DENY]},
            "with an explicit deny in a service control policy",
        ),
        (
            {"identity": [ALLOW], "rcps": [on_resource(DENY)]},
            "with an explicit deny in a resource control policy",
        ),
    ],
)
def test_phrase_is_that_of_aws(policies: dict[str, Any], clause: str) -> None:
    assert decide(principal=SESSION, **policies).phrase == clause


def test_phrases_of_the_resource_side() -> None:
    cross = evaluate(Request(USER, "s3:ListBucket", BUCKET, OTHER), Policies(identity=[ALLOW]))
    assert cross.phrase == "because no resource-based policy allows the s3:ListBucket action"
    nobody = document({"Effect": "Allow", "Principal": {"AWS": OTHER}, "Action": "sts:AssumeRole"})
    refused = decide("sts:AssumeRole", TARGET, identity=[ALLOW], resource=nobody)
    assert refused.phrase == "because no role trust policy allows the sts:AssumeRole action"
    denied = decide("sts:AssumeRole", TARGET, identity=[ALLOW], resource=on_resource(DENY))
    assert denied.phrase == "with an explicit deny in the role trust policy"


def test_documents_as_text_and_alone_are_the_same() -> None:
    text = json.dumps(ALLOW)
    for identity in (
        ALLOW,
        text,
        [ALLOW],
        [text],
        ("name", text),
        [Policy("name", ALLOW)],
        (ALLOW,),
    ):
        assert decide(identity=identity, boundary=text, session=ALLOW, scps=[text]).allowed
    named = decide(identity=("name", text))
    assert named.reasons[0].policy_name == "name"


def test_evaluation_changes_nothing_it_was_given() -> None:
    policy = document(statement(Condition={"StringLike": {"s3:prefix": ["p/*"]}}))
    context = {"S3:Prefix": ["p/x"]}
    before = json.dumps([policy, context])
    decide(identity=[policy], context=context)
    assert json.dumps([policy, context]) == before


def test_changed_document_is_read_again() -> None:
    policy = document(statement())
    assert decide(identity=[policy]).allowed
    policy["Statement"][0]["Action"] = "ec2:*"
    assert not decide(identity=[policy]).allowed


RESOURCE = {"resource": True}


@pytest.mark.parametrize(
    "given, words",
    [
        ("{", ["identity policy 1", "is not JSON", "line 1, column 2"]),
        ("[]", ["must be a JSON object"]),
        (7, ["must be a policy document"]),
        ({"Statement": {1, 2}}, ["is not JSON"]),
        ({}, ["has no Statement"]),
        ({"Version": "2012-10-17"}, ["has no Statement"]),
        ({"Version": "2012-10-18", "Statement": []}, ["Version", "2012-10-17"]),
        ({"Statement": "x"}, ["Statement", "must be a list of statements"]),
        ({"Statement": ["x"]}, ["statement 1", "must be a JSON object"]),
        ({"Statements": []}, ["'Statements'", "did you mean Statement?"]),
        (document({"effect": "Allow"}), ["'effect'", "did you mean Effect?"]),
        (document(statement(Efect="Allow")), ["'Efect'", "did you mean Effect?"]),
        (document(statement(Effect="allow")), ["statement 1, Effect", "'allow'"]),
        (document({"Action": "*", "Resource": "*"}), ["Effect", "None"]),
        (document(statement(Sid=5)), ["Sid", "must be a string"]),
        (document({"Effect": "Allow", "Resource": "*"}), ["neither Action nor NotAction"]),
        (document({"Effect": "Allow", "Action": "*"}), ["neither Resource nor NotResource"]),
        (document(statement(NotAction="x")), ["Action", "exclude each other"]),
        (document(statement(Action=5)), ["Action", "must be a string or a list"]),
        (document(statement(Action=[["s3:*"]])), ["Action", "must be a string or a list"]),
        (document(statement(Resource=None)), ["Resource", "must be a string or a list"]),
        (document(statement(Principal="*")), ["Principal", "policy of a resource only"]),
        (document(statement(NotPrincipal="*")), ["NotPrincipal", "policy of a resource only"]),
        (document(statement(Condition=None)), ["Condition", "must map operators"]),
        (document(statement(Condition=[])), ["Condition", "must map operators"]),
        (document(statement(Condition={"StringEquals": "x"})), ["StringEquals", "must map"]),
        (
            document(statement(Condition={"StringEqual": {"a:b": "x"}})),
            ["'StringEqual'", "did you mean StringEquals?"],
        ),
        (
            document(statement(Condition={"ForSomeValues:StringEquals": {"a:b": "x"}})),
            ["is not a condition operator"],
        ),
        (
            document(statement(Condition={"NullIfExists": {"a:b": "true"}})),
            ["'NullIfExists'", "write Null"],
        ),
        (
            document(statement(Condition={"StringEquals": {"a:b": None}})),
            ["StringEquals.a:b", "must be a string, number or boolean"],
        ),
        (
            document(statement(Condition={"StringEquals": {"a:b": [{}]}})),
            ["StringEquals.a:b", "must be a string, number or boolean"],
        ),
        (
            '{"Statement": [], "Statement": []}',
            ["'Statement'", "is written twice"],
        ),
    ],
)
def test_malformed_identity_policy_is_refused_in_one_sentence(given: Any, words: list[str]) -> None:
    with pytest.raises(InputError) as caught:
        decide(identity=[given])
    message = str(caught.value)
    assert "\n" not in message
    for word in words:
        assert word in message


@pytest.mark.parametrize(
    "given, words",
    [
        (document(statement()), ["has no Principal"]),
        (document(statement(Principal="x")), ['must be "*" or map']),
        (document(statement(Principal={"Aws": "*"})), ["'Aws'", "is not a kind of principal"]),
        (document(statement(Principal={"AWS": 5})), ["Principal.AWS", "must be a string"]),
        (document(statement(Principal="*", NotPrincipal="*")), ["exclude each other"]),
    ],
)
def test_malformed_resource_policy_is_refused(given: Any, words: list[str]) -> None:
    with pytest.raises(InputError) as caught:
        decide(resource=given)
    for word in words:
        assert word in str(caught.value)


def test_name_of_a_policy_is_in_the_message() -> None:
    with pytest.raises(InputError, match="boundary policy limit, statement 2"):
        decide(boundary=("limit", document(statement(), {"Effect": "Allow"})))


def test_levels_and_policies_do_not_mix() -> None:
    with pytest.raises(InputError, match="scps"):
        decide(scps=[ALLOW, [ALLOW]])


@pytest.mark.parametrize(
    "fields, words",
    [
        ({"principal": "alice"}, ["principal", "'alice'"]),
        ({"principal": ""}, ["principal"]),
        ({"principal": None}, ["principal"]),
        ({"principal": {"AWS": USER, "Service": "x"}}, ["principal", "exactly one"]),
        ({"principal": {"Aws": USER}}, ["'Aws'", "not a kind of principal"]),
        ({"principal": "arn:aws:s3:::b"}, ["principal", "is not the ARN of a user"]),
        ({"principal": f"arn:aws:iam::{OWN}:group/g"}, ["principal", "is not the ARN of a user"]),
        ({"principal": "arn:aws:iam::1:user/x"}, ["principal", "is not the ARN of a user"]),
        ({"principal": f"arn:aws:sts::{OWN}:assumed-role/r"}, ["principal", "is not the ARN"]),
        ({"action": "GetObject"}, ["action", "service:Operation"]),
        ({"action": ""}, ["action"]),
        ({"resource": ""}, ["resource"]),
        ({"resource": None}, ["resource"]),
        ({"resource_account": "1"}, ["resource_account", "12 digits"]),
        ({"resource_account": 111122223333}, ["resource_account", "12 digits"]),
        ({"context": None}, ["context"]),
        ({"context": {"a:b": {}}}, ["context.a:b"]),
        ({"context": {"a:b": [{}]}}, ["context.a:b"]),
        ({"context": {5: "x"}}, ["context", "5"]),
    ],
)
def test_malformed_request_is_refused(fields: dict[str, Any], words: list[str]) -> None:
    given = {"principal": USER, "action": "s3:GetObject", "resource": BUCKET} | fields
    with pytest.raises(InputError) as caught:
        evaluate(Request(**given), Policies(identity=[ALLOW]))
    for word in words:
        assert word in str(caught.value)
