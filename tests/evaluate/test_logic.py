"""How the kinds of policy work together.

Sources: IAM User Guide, "How AWS enforcement code logic evaluates requests to allow or deny
access", "Cross-account policy evaluation logic", "Permissions boundaries", "AWS JSON policy
elements: Principal"; Organizations User Guide, "SCP effects on permissions"; AWS STS API Reference.
"""

from __future__ import annotations

from typing import Any

import pytest

from rwlib.evaluate.evaluator import evaluate
from rwlib.evaluate.model import Decision, Policies, Request

OWN, CLOUD, THIRD = "111122223333", "444455556666", "777788889999"
USER = f"arn:aws:iam::{OWN}:user/alice"
ROLE = f"arn:aws:iam::{OWN}:role/reader"
SESSION = f"arn:aws:sts::{OWN}:assumed-role/reader/job-1"
FEDERATED = f"arn:aws:sts::{OWN}:federated-user/alice"
ROOT = f"arn:aws:iam::{OWN}:root"
OBJECT = "arn:aws:s3:::data/p/x"
TARGET = f"arn:aws:iam::{OWN}:role/risingwave-s3-access"
WORKLOAD_NAME = "g1jk13sq56ejdref71h1cvokbh-role"
WORKLOAD = f"arn:aws:iam::{CLOUD}:role/{WORKLOAD_NAME}"
WORKLOAD_SESSION = f"arn:aws:sts::{CLOUD}:assumed-role/{WORKLOAD_NAME}/cluster"
KEY = f"arn:aws:kms:eu-west-1:{OWN}:key/1234abcd"


def policy(effect: str, action: str = "*", principal: Any = None, **more: Any) -> dict[str, Any]:
    statement: dict[str, Any] = {"Effect": effect, "Action": action, "Resource": "*", **more}
    if principal is not None:
        statement["Principal"] = "*" if principal == "*" else {"AWS": principal}
    return {"Version": "2012-10-17", "Statement": [statement]}


ALLOW, DENY, NOTHING = policy("Allow"), policy("Deny"), policy("Allow", "ec2:*")


def decide(
    principal: str,
    action: str = "s3:GetObject",
    target: str = OBJECT,
    account: str | None = None,
    context: dict[str, Any] | None = None,
    **policies: Any,
) -> Decision:
    request = Request(principal, action, target, account, context or {})
    return evaluate(request, Policies(**policies))


def outcome(decision: Decision) -> str:
    return decision.effect if decision.allowed else f"{decision.effect}/{decision.layer}"


def test_nothing_allows_by_default() -> None:
    assert outcome(decide(USER)) == "implicit-deny/identity"


@pytest.mark.parametrize(
    "identity, resource, expected",
    [
        ([ALLOW], None, "allowed"),
        ([NOTHING], policy("Allow", principal=USER), "allowed"),
        ([], policy("Allow", principal=USER), "allowed"),
        ([], policy("Allow", principal="*"), "allowed"),
        ([ALLOW], policy("Allow", principal=ROLE), "allowed"),
        ([NOTHING], policy("Allow", principal=OWN), "implicit-deny/identity"),
        ([NOTHING], policy("Allow", principal=ROLE), "implicit-deny/identity"),
        ([NOTHING, ALLOW], None, "allowed"),
        ([ALLOW, DENY], None, "explicit-deny/identity"),
        ([ALLOW], policy("Deny", principal=USER), "explicit-deny/resource"),
        ([ALLOW], policy("Deny", principal=OWN), "explicit-deny/resource"),
        ([ALLOW], policy("Deny", principal="*"), "explicit-deny/resource"),
        ([ALLOW], policy("Deny", principal=ROLE), "allowed"),
        ([DENY], policy("Allow", principal=USER), "explicit-deny/identity"),
    ],
)
def test_within_one_account_either_side_is_enough(
    identity: list[Any], resource: Any, expected: str
) -> None:
    assert outcome(decide(USER, identity=identity, resource=resource)) == expected


@pytest.mark.parametrize(
    "identity, resource, expected",
    [
        ([ALLOW], policy("Allow", principal=USER), "allowed"),
        ([ALLOW], policy("Allow", principal=OWN), "allowed"),
        ([ALLOW], policy("Allow", principal="*"), "allowed"),
        ([ALLOW], None, "implicit-deny/resource"),
        ([ALLOW], policy("Allow", principal=THIRD), "implicit-deny/resource"),
        ([], policy("Allow", principal=USER), "implicit-deny/identity"),
        ([], policy("Allow", principal="*"), "implicit-deny/identity"),
        ([DENY], policy("Allow", principal=USER), "explicit-deny/identity"),
        ([ALLOW], policy("Deny", principal=OWN), "explicit-deny/resource"),
    ],
)
def test_between_accounts_both_sides_are_needed(
    identity: list[Any], resource: Any, expected: str
) -> None:
    found = decide(USER, account=THIRD, identity=identity, resource=resource)
    assert outcome(found) == expected


# The table "Resource-based policies and implicit denies in other policy types (same account)".
@pytest.mark.parametrize(
    "principal, named, limits, expected",
    [
        (USER, USER, {"boundary": NOTHING}, "allowed"),
        (USER, "*", {"boundary": NOTHING}, "allowed"),
        (USER, OWN, {"boundary": NOTHING}, "implicit-deny/identity"),
        (SESSION, ROLE, {}, "allowed"),
        (SESSION, ROLE, {"boundary": NOTHING}, "implicit-deny/boundary"),
        (SESSION, ROLE, {"session": [NOTHING]}, "implicit-deny/session"),
        (SESSION, ROLE, {"boundary": ALLOW, "session": ALLOW}, "allowed"),
        (SESSION, SESSION, {"boundary": NOTHING}, "allowed"),
        (SESSION, SESSION, {"session": [NOTHING]}, "allowed"),
        (SESSION, "*", {"boundary": NOTHING, "session": NOTHING}, "allowed"),
        (SESSION, SESSION, {"boundary": DENY}, "explicit-deny/boundary"),
        (SESSION, SESSION, {"session": DENY}, "explicit-deny/session"),
        (ROLE, ROLE, {"boundary": NOTHING}, "implicit-deny/boundary"),
        (FEDERATED, FEDERATED, {"boundary": NOTHING, "session": NOTHING}, "allowed"),
        (FEDERATED, USER, {"session": ALLOW}, "allowed"),
        (FEDERATED, USER, {"session": NOTHING}, "implicit-deny/session"),
    ],
)
def test_how_directly_a_resource_policy_grants(
    principal: str, named: str, limits: dict[str, Any], expected: str
) -> None:
    resource = policy("Allow", principal=named)
    assert outcome(decide(principal, resource=resource, identity=[], **limits)) == expected


@pytest.mark.parametrize("named", [USER, "*"])
def test_boundary_limits_across_accounts_whatever_the_resource_policy_names(named: str) -> None:
    resource = policy("Allow", principal=named)
    found = decide(USER, account=THIRD, identity=[ALLOW], boundary=NOTHING, resource=resource)
    assert outcome(found) == "implicit-deny/boundary"


@pytest.mark.parametrize(
    "limits, expected",
    [
        ({"boundary": ALLOW}, "allowed"),
        ({"boundary": NOTHING}, "implicit-deny/boundary"),
        ({"boundary": DENY}, "explicit-deny/boundary"),
        ({"boundary": []}, "allowed"),
        ({"session": []}, "allowed"),
        ({"session": ALLOW}, "allowed"),
        ({"session": [NOTHING, ALLOW]}, "allowed"),
        ({"session": [NOTHING]}, "implicit-deny/session"),
        ({"session": [ALLOW, DENY]}, "explicit-deny/session"),
        ({"boundary": NOTHING, "session": NOTHING}, "implicit-deny/boundary"),
        ({"boundary": {"Statement": []}}, "implicit-deny/boundary"),
    ],
)
def test_boundary_and_session_policies_only_take_away(
    limits: dict[str, Any], expected: str
) -> None:
    assert outcome(decide(SESSION, identity=[ALLOW], **limits)) == expected
    without_identity = decide(SESSION, identity=[], **limits)
    assert not without_identity.allowed


@pytest.mark.parametrize(
    "scps, expected",
    [
        ([], "allowed"),
        ([ALLOW], "allowed"),
        ([NOTHING], "implicit-deny/scp"),
        ([NOTHING, ALLOW], "allowed"),
        ([ALLOW, DENY], "explicit-deny/scp"),
        ([[ALLOW], [ALLOW]], "allowed"),
        ([[ALLOW], [NOTHING]], "implicit-deny/scp"),
        ([[NOTHING], [ALLOW]], "implicit-deny/scp"),
        ([[ALLOW], [NOTHING, ALLOW]], "allowed"),
        ([[ALLOW], []], "implicit-deny/scp"),
        ([[ALLOW, DENY], [ALLOW]], "explicit-deny/scp"),
    ],
)
def test_every_level_of_the_organization_must_allow(scps: list[Any], expected: str) -> None:
    assert outcome(decide(USER, identity=[ALLOW], scps=scps)) == expected
    assert outcome(decide(ROOT, scps=scps)) == expected
    granted = decide(USER, resource=policy("Allow", principal=USER), scps=scps)
    assert outcome(granted) == expected


def test_scp_alone_grants_nothing() -> None:
    assert outcome(decide(USER, scps=[ALLOW])) == "implicit-deny/identity"


@pytest.mark.parametrize(
    "principal, resource",
    [
        (f"arn:aws:sts::{OWN}:assumed-role/AWSServiceRoleForSupport/x", None),
        ("redshift.amazonaws.com", policy("Allow", principal="*")),
        ("*", policy("Allow", principal="*")),
    ],
)
def test_scps_do_not_reach_service_linked_roles_services_and_anonymous_callers(
    principal: str, resource: Any
) -> None:
    found = decide(principal, account=OWN, identity=[ALLOW], resource=resource, scps=[DENY])
    assert found.allowed


def test_service_linked_role_is_known_by_its_path() -> None:
    arn = f"arn:aws:iam::{OWN}:role/aws-service-role/x.amazonaws.com/Custom"
    session = f"arn:aws:sts::{OWN}:assumed-role/Custom/x"
    context = {"aws:PrincipalArn": arn}
    assert decide(session, identity=[ALLOW], scps=[DENY], context=context).allowed


@pytest.mark.parametrize(
    "principal, rcps, expected",
    [
        (USER, [policy("Allow", principal="*")], "allowed"),
        (USER, [policy("Deny", principal="*")], "explicit-deny/rcp"),
        (
            USER,
            [[policy("Allow", principal="*")], [NOTHING | policy("Allow", "ec2:*", "*")]],
            "implicit-deny/rcp",
        ),
        ("*", [policy("Deny", principal="*")], "explicit-deny/rcp"),
    ],
)
def test_resource_control_policies(principal: str, rcps: list[Any], expected: str) -> None:
    resource = policy("Allow", principal="*")
    found = decide(principal, account=OWN, resource=resource, rcps=rcps)
    assert outcome(found) == expected


@pytest.mark.parametrize("principal", ["*", "redshift.amazonaws.com", "accounts.google.com"])
def test_callers_without_an_identity_have_the_resource_policy_alone(principal: str) -> None:
    public = policy("Allow", principal="*")
    assert decide(principal, account=OWN, resource=public).allowed
    ignored: dict[str, Any] = {"identity": [ALLOW, DENY], "boundary": DENY, "session": [DENY]}
    assert decide(principal, account=OWN, resource=public, **ignored).allowed
    assert outcome(decide(principal, identity=[ALLOW])) == "implicit-deny/resource"
    both = {"Statement": [*public["Statement"], *policy("Deny", principal="*")["Statement"]]}
    assert outcome(decide(principal, resource=both)) == "explicit-deny/resource"


@pytest.mark.parametrize(
    "account, policies, expected",
    [
        (OWN, {}, "allowed"),
        (OWN, {"boundary": NOTHING, "session": NOTHING}, "allowed"),
        (OWN, {"resource": policy("Deny", principal="*")}, "explicit-deny/resource"),
        (OWN, {"resource": policy("Deny", principal=OWN)}, "explicit-deny/resource"),
        (THIRD, {}, "implicit-deny/resource"),
        (THIRD, {"resource": policy("Allow", principal=OWN)}, "allowed"),
    ],
)
def test_root_user_has_full_access_in_its_account(
    account: str, policies: dict[str, Any], expected: str
) -> None:
    assert outcome(decide(ROOT, account=account, **policies)) == expected
    assert outcome(decide(OWN, account=account, **policies)) == expected


def test_federated_user_session_without_a_session_policy_has_no_permissions() -> None:
    assert outcome(decide(FEDERATED, identity=[ALLOW])) == "implicit-deny/session"
    assert decide(FEDERATED, identity=[ALLOW], session=ALLOW).allowed


@pytest.mark.parametrize("principal", [USER, SESSION, ROOT])
def test_get_caller_identity_cannot_be_denied(principal: str) -> None:
    found = decide(principal, "sts:GetCallerIdentity", "*", identity=[DENY], scps=[DENY])
    assert found.allowed
    assert not decide("*", "sts:GetCallerIdentity", "*").allowed


# Trust policies. The letters are those of RisingWave's documented set-up and of its mistakes.
ASSUME = policy("Allow", "sts:AssumeRole")


def trust(*statements: dict[str, Any]) -> dict[str, Any]:
    basic = {"Effect": "Allow", "Action": "sts:AssumeRole"}
    return {"Version": "2012-10-17", "Statement": [basic | statement for statement in statements]}


def external_id(value: str, operator: str = "StringEquals") -> dict[str, Any]:
    return {"Condition": {operator: {"sts:ExternalId": value}}}


CLOUD_ROOT = f"arn:aws:iam::{CLOUD}:root"


@pytest.mark.parametrize(
    "caller, trust_policy, context, expected",
    [
        (WORKLOAD_SESSION, trust({"Principal": {"AWS": WORKLOAD}}), {}, "allowed"),
        (
            f"arn:aws:sts::{CLOUD}:assumed-role/other/s",
            trust({"Principal": {"AWS": WORKLOAD}}),
            {},
            "implicit-deny/trust",
        ),
        (
            f"arn:aws:sts::{THIRD}:assumed-role/{WORKLOAD_NAME}/s",
            trust({"Principal": {"AWS": WORKLOAD}}),
            {},
            "implicit-deny/trust",
        ),
        (WORKLOAD_SESSION, trust({"Principal": {"AWS": CLOUD_ROOT}}), {}, "allowed"),
        (
            f"arn:aws:sts::{THIRD}:assumed-role/x/s",
            trust({"Principal": {"AWS": CLOUD_ROOT}}),
            {},
            "implicit-deny/trust",
        ),
        (
            WORKLOAD_SESSION,
            trust({"Principal": {"AWS": ["111122223333", USER]}}),
            {},
            "implicit-deny/trust",
        ),
        (
            WORKLOAD_SESSION,
            trust({"Principal": {"Service": "ec2.amazonaws.com"}}),
            {},
            "implicit-deny/trust",
        ),
        (
            WORKLOAD_SESSION,
            trust({"Principal": {"AWS": "AROAEXAMPLEEXAMPLE12"}}),
            {},
            "implicit-deny/trust",
        ),
        (
            WORKLOAD_SESSION,
            trust({"Principal": {"AWS": WORKLOAD}} | external_id("a")),
            {"sts:ExternalId": "a"},
            "allowed",
        ),
        (
            WORKLOAD_SESSION,
            trust({"Principal": {"AWS": WORKLOAD}} | external_id("a")),
            {"sts:ExternalId": "b"},
            "implicit-deny/trust",
        ),
        (
            WORKLOAD_SESSION,
            trust({"Principal": {"AWS": WORKLOAD}} | external_id("a")),
            {},
            "implicit-deny/trust",
        ),
        (
            WORKLOAD_SESSION,
            trust({"Principal": {"AWS": WORKLOAD}}),
            {"sts:ExternalId": "b"},
            "allowed",
        ),
        (
            WORKLOAD_SESSION,
            trust({"Principal": {"AWS": WORKLOAD}} | external_id("e-*", "StringLike")),
            {"sts:ExternalId": "x"},
            "implicit-deny/trust",
        ),
        (
            WORKLOAD_SESSION,
            trust({"Principal": {"AWS": USER}}, {"Principal": {"AWS": WORKLOAD}}),
            {},
            "allowed",
        ),
        (
            WORKLOAD_SESSION,
            trust(
                {"Principal": {"AWS": WORKLOAD}, "Action": "sts:TagSession"},
                {"Principal": {"AWS": WORKLOAD}},
            ),
            {},
            "allowed",
        ),
        (
            WORKLOAD_SESSION,
            trust({"Principal": {"AWS": WORKLOAD}, "Action": "sts:TagSession"}),
            {},
            "implicit-deny/trust",
        ),
        (
            WORKLOAD_SESSION,
            trust({"Principal": {"AWS": WORKLOAD}, "Effect": "Deny"}),
            {},
            "explicit-deny/trust",
        ),
        (
            WORKLOAD_SESSION,
            trust(
                {"Principal": {"AWS": WORKLOAD}},
                {"Principal": {"AWS": CLOUD_ROOT}, "Effect": "Deny"},
            ),
            {},
            "explicit-deny/trust",
        ),
        (
            WORKLOAD_SESSION,
            trust(
                {
                    "Principal": {"AWS": CLOUD_ROOT},
                    "Condition": {"ArnEquals": {"aws:PrincipalArn": WORKLOAD}},
                }
            ),
            {},
            "allowed",
        ),
        (
            f"arn:aws:sts::{CLOUD}:assumed-role/other/s",
            trust(
                {
                    "Principal": {"AWS": CLOUD_ROOT},
                    "Condition": {"ArnEquals": {"aws:PrincipalArn": WORKLOAD}},
                }
            ),
            {},
            "implicit-deny/trust",
        ),
        (
            WORKLOAD_SESSION,
            trust(
                {
                    "Principal": {"AWS": "*"},
                    "Condition": {"StringEquals": {"aws:PrincipalArn": WORKLOAD}},
                }
            ),
            {},
            "allowed",
        ),
    ],
)
def test_trust_across_accounts(
    caller: str, trust_policy: Any, context: dict[str, Any], expected: str
) -> None:
    found = decide(
        caller, "sts:AssumeRole", TARGET, None, context, identity=[ASSUME], resource=trust_policy
    )
    assert outcome(found) == expected


def test_trust_across_accounts_needs_the_callers_own_permission() -> None:
    found = decide(
        WORKLOAD_SESSION,
        "sts:AssumeRole",
        TARGET,
        resource=trust({"Principal": {"AWS": WORKLOAD}}),
    )
    assert outcome(found) == "implicit-deny/identity"


@pytest.mark.parametrize(
    "identity, named, expected",
    [
        ([], USER, "allowed"),
        ([], OWN, "implicit-deny/identity"),
        ([ASSUME], OWN, "allowed"),
        ([ASSUME], ROLE, "implicit-deny/trust"),
        ([ASSUME], THIRD, "implicit-deny/trust"),
    ],
)
def test_trust_within_one_account_must_name_the_caller_or_delegate(
    identity: list[Any], named: str, expected: str
) -> None:
    trust_policy = trust({"Principal": {"AWS": named}})
    found = decide(USER, "sts:AssumeRole", TARGET, identity=identity, resource=trust_policy)
    assert outcome(found) == expected


def test_role_without_a_known_trust_policy_cannot_be_assumed() -> None:
    found = decide(USER, "sts:AssumeRole", TARGET, identity=[ALLOW])
    assert outcome(found) == "implicit-deny/trust"


def test_session_may_assume_a_role_that_trusts_its_role() -> None:
    trust_policy = trust({"Principal": {"AWS": ROLE}})
    assert decide(SESSION, "sts:AssumeRole", TARGET, resource=trust_policy).allowed


def test_root_user_cannot_assume_a_role() -> None:
    trust_policy = trust({"Principal": {"AWS": OWN}})
    found = decide(ROOT, "sts:AssumeRole", TARGET, resource=trust_policy)
    assert outcome(found) == "implicit-deny/service"


def test_service_assumes_the_role_that_trusts_it() -> None:
    trust_policy = trust({"Principal": {"Service": "redshift.amazonaws.com"}})
    found = decide("redshift.amazonaws.com", "sts:AssumeRole", TARGET, resource=trust_policy)
    assert found.allowed


def test_identity_provider_assumes_the_role_that_trusts_it() -> None:
    provider = f"arn:aws:iam::{OWN}:oidc-provider/oidc.example.com"
    trust_policy = trust(
        {"Principal": {"Federated": provider}, "Action": "sts:AssumeRoleWithWebIdentity"}
    )
    action = "sts:AssumeRoleWithWebIdentity"
    assert decide(provider, action, TARGET, resource=trust_policy).allowed
    other = f"arn:aws:iam::{OWN}:oidc-provider/other.example.com"
    assert not decide(other, action, TARGET, resource=trust_policy).allowed


# AWS KMS Developer Guide, "Key policies": the key policy decides, or delegates to the account.
@pytest.mark.parametrize(
    "identity, key_policy, expected",
    [
        ([ALLOW], None, "implicit-deny/resource"),
        ([ALLOW], policy("Allow", principal=USER), "implicit-deny/resource"),
        ([ALLOW], policy("Allow", principal=OWN), "allowed"),
        ([], policy("Allow", principal=OWN), "implicit-deny/identity"),
        ([], policy("Allow", principal=ROLE), "allowed"),
        ([ALLOW], policy("Deny", principal=ROLE), "explicit-deny/resource"),
    ],
)
def test_key_policy_decides(identity: list[Any], key_policy: Any, expected: str) -> None:
    found = decide(SESSION, "kms:Decrypt", KEY, identity=identity, resource=key_policy)
    assert outcome(found) == expected


def test_kms_action_without_a_key_needs_no_key_policy() -> None:
    assert decide(SESSION, "kms:ListKeys", "*", identity=[ALLOW]).allowed


def test_account_of_the_resource_is_read_from_its_arn() -> None:
    queue = f"arn:aws:sqs:eu-west-1:{THIRD}:q"
    assert outcome(decide(USER, "sqs:SendMessage", queue, identity=[ALLOW])).startswith("implicit")
    assert decide(USER, "sqs:SendMessage", queue, OWN, identity=[ALLOW]).allowed
    assert decide(USER, identity=[ALLOW]).allowed


def test_documented_policy_of_the_set_up_page_never_allows_get_bucket_location() -> None:
    document = {
        "Version": "2012-10-17",
        "Statement": {
            "Effect": "Allow",
            "Action": ["s3:ListBucket", "s3:GetBucketLocation"],
            "Resource": "arn:aws:s3:::data",
            "Condition": {"StringLike": {"s3:prefix": ["p/*"]}},
        },
    }
    bucket = "arn:aws:s3:::data"
    assert not decide(SESSION, "s3:GetBucketLocation", bucket, identity=[document]).allowed
    answers = {
        prefix: decide(
            SESSION, "s3:ListBucket", bucket, None, {"s3:prefix": prefix}, identity=[document]
        ).allowed
        for prefix in (None, "", "p", "p/", "p/x", "q/")
    }
    assert answers == {None: False, "": False, "p": False, "p/": True, "p/x": True, "q/": False}
