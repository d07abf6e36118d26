"""Causes from the text alone: their rank, what they rest on, what is ruled out, and the fix."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from rwlib.diagnose.causes.candidates import Reading
from rwlib.diagnose.causes.fixes import fix_for
from rwlib.diagnose.causes.other import BY_CLASS
from rwlib.diagnose.classify import LineVerdict
from rwlib.diagnose.diagnosis import diagnose
from rwlib.diagnose.facts import Facts
from rwlib.diagnose.ids import CAUSES
from rwlib.diagnose.model import Diagnosis
from rwlib.target.target import Target
from tests.support import places

WORKLOAD = "arn:aws:iam::444455556666:role/g1jk13sq56ejdref71h1cvokbh-role"
CALLER = "arn:aws:sts::444455556666:assumed-role/g1jk13sq56ejdref71h1cvokbh-role/reqsign"
ROLE = "arn:aws:iam::111122223333:role/risingwave-s3-access"
SESSION = "arn:aws:sts::111122223333:assumed-role/risingwave-s3-access/reqsign"
KEY = "arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
KNOWN = places.DATA / "diagnose" / "known.jsonl"


def target(**values: object) -> Target:
    return Target(
        **{
            "workload_identity_arn": WORKLOAD,
            "bucket": "acme-lake",
            "prefix": "rw/orders",
            "connectors": ["s3_sink"],
            **values,
        }
    )


def assume(reason: str = "", *, caller: str = CALLER, role: str = ROLE) -> str:
    refused = "is not authorized to perform: sts:AssumeRole on resource:"
    return f"User: {caller} {refused} {role}{reason}"


def refused(action: str, resource: str, reason: str = "", *, caller: str = SESSION) -> str:
    return (
        f'S3Error {{ code: "AccessDenied", message: "User: {caller} is not authorized to perform: '
        f'{action} on resource: \\"{resource}\\"{reason}", resource: "" }}'
    )


def one(text: str, setup: Target | None = None) -> Diagnosis:
    (found,) = diagnose(text, target=setup)
    return found


def ranks(found: Diagnosis) -> dict[str, str]:
    return {cause.id: cause.confidence for cause in found.causes}


def test_assume_role_without_reason_stays_open_between_both_sides() -> None:
    found = one(assume())
    assert [cause.id for cause in found.causes[:2]] == [
        "trust_principal_mismatch",
        "allowed_principal_missing",
    ]
    assert "certain" not in ranks(found).values()
    assert {"role_missing", "trust_external_id_required", "sql_wrong_role_arn"} <= set(ranks(found))
    assert "RisingWave's own Workload Identity" in found.causes[0].evidence[1]
    assert dict(found.excluded)["s3_action_missing"] == "STS refused: no request went to S3"


def test_assume_role_refused_by_identity_policy_points_to_allowed_principals() -> None:
    found = one(assume(" because no identity-based policy allows the sts:AssumeRole action"))
    assert found.causes[0].id == "allowed_principal_missing"
    assert found.causes[0].confidence == "likely"
    assert ROLE in found.causes[0].fix.how


def test_assume_role_refused_by_trust_policy_shows_that_the_role_exists() -> None:
    found = one(assume(" because no role trust policy allows the sts:AssumeRole action"))
    assert found.causes[0].id == "trust_principal_mismatch"
    assert "role_missing" in dict(found.excluded)


def test_assume_role_of_another_role_than_the_target_names_the_statement_first() -> None:
    found = one(assume(role="arn:aws:iam::111122223333:role/riisngwave"), target())
    assert found.causes[0].id == "sql_wrong_role_arn"
    assert "riisngwave" in found.causes[0].evidence[0]


def test_assume_role_by_another_cluster_names_the_trusted_principal_first() -> None:
    other = CALLER.replace("g1jk13sq56ejdref71h1cvokbh", "g1jb25n044fld92d4nu2nvs0tb")
    found = one(assume(caller=other), target())
    assert found.causes[0].id == "trust_principal_mismatch"
    assert (
        "the target trusts 444455556666/g1jk13sq56ejdref71h1cvokbh-role"
        in (found.causes[0].evidence[0])
    )


def test_assume_role_of_what_is_no_role_names_the_statement() -> None:
    found = one(assume(role="arn:aws:iam::111122223333:user/etl"))
    assert found.causes[0].id == "sql_wrong_role_arn"


def test_assume_role_by_snowflake_excludes_allowed_principals() -> None:
    found = one(
        "003167 (42601): Error assuming AWS_ROLE:\n"
        + assume(caller="arn:aws:iam::777788889999:user/abc10000-s")
    )
    assert "allowed_principal_missing" not in ranks(found)
    assert "allowed_principal_missing" in dict(found.excluded)


@pytest.mark.parametrize(
    ("reason", "cause"),
    [
        (" with an explicit deny in the role trust policy", "trust_explicit_deny"),
        (" with an explicit deny in a resource-based policy", "trust_explicit_deny"),
        (" with an explicit deny in a service control policy", "scp_denies"),
        (" with an explicit deny in a resource control policy", "scp_denies"),
        (" with an explicit deny in a permissions boundary", "boundary_denies"),
        (" because no service control policy allows the sts:AssumeRole action", "scp_denies"),
        (" because no permissions boundary allows the sts:AssumeRole action", "boundary_denies"),
    ],
)
def test_named_policy_settles_a_refused_assume_role(reason: str, cause: str) -> None:
    assert ranks(one(assume(reason))) == {cause: "certain"}


@pytest.mark.parametrize(
    ("reason", "cause"),
    [
        (" with an explicit deny in a resource-based policy", "bucket_policy_denies"),
        (
            " with an explicit deny in a service control policy: "
            "arn:aws:organizations::777788889999:policy/o-1/service_control_policy/p-1",
            "scp_denies",
        ),
        (" because no permissions boundary allows the s3:PutObject action", "boundary_denies"),
        (
            " because public policies are prevented by the BlockPublicPolicy setting in S3 Block "
            "Public Access",
            "block_public_access",
        ),
    ],
)
def test_named_policy_settles_a_refused_s3_request(reason: str, cause: str) -> None:
    found = one(refused("s3:PutObject", "arn:aws:s3:::acme-lake/rw/orders/1", reason))
    assert ranks(found) == {cause: "certain"}


@pytest.mark.parametrize(
    ("layer", "fix"),
    [
        ("a session policy", "The session policy allows the request."),
        ("a VPC endpoint policy", "The VPC endpoint's policy lets the request through."),
        ("an identity-based policy", "No Deny in the caller's own policies hits the request"),
    ],
)
def test_deny_of_a_policy_without_a_cause_of_its_own_is_not_called_certain(
    layer: str, fix: str
) -> None:
    reason = f" with an explicit deny in {layer}"
    found = one(refused("s3:PutObject", "arn:aws:s3:::acme-lake/rw/orders/1", reason))
    assert ranks(found) == {"unknown": "likely"}
    assert found.causes[0].fix.summary.startswith(fix)


def test_scp_fix_asks_the_organization_and_offers_no_allow() -> None:
    found = one(assume(" with an explicit deny in a service control policy"))
    assert "administrator of your AWS organization" in found.causes[0].fix.how
    assert "--apply" not in found.causes[0].fix.how


def test_refusal_inside_the_prefix_names_the_policy() -> None:
    found = one(
        refused(
            "s3:PutObject",
            "arn:aws:s3:::acme-lake/rw/orders/1.json",
            " because no identity-based policy allows the s3:PutObject action",
        ),
        target(),
    )
    assert found.causes[0].id == "s3_action_missing"
    assert "trust_principal_mismatch" in dict(found.excluded)


def test_refusal_outside_the_prefix_names_the_statement() -> None:
    found = one(refused("s3:PutObject", "arn:aws:s3:::acme-lake/other/1.json"), target())
    assert found.causes[0].id == "sql_outside_prefix"


def test_refusal_beside_the_prefix_is_outside_of_it() -> None:
    found = one(refused("s3:PutObject", "arn:aws:s3:::acme-lake/rw/orders2/1.json"), target())
    assert found.causes[0].id == "sql_outside_prefix"


def test_refusal_of_another_bucket_names_the_resource() -> None:
    found = one(refused("s3:PutObject", "arn:aws:s3:::acme-other/rw/orders/1.json"), target())
    assert found.causes[0].id == "s3_resource_mismatch"


def listing(prefix: str) -> str:
    return (
        "PermissionDenied (persistent) at list, context: { uri: https://s3.us-east-1.amazonaws.com/"
        f"acme-lake?list-type=2&prefix={prefix}&delimiter=/, response: Parts {{ status: 403 }}, "
        "service: s3, path: x, listed: 0 }"
    )


@pytest.mark.parametrize(
    ("prefix", "cause"),
    [
        ("rw/orders", "list_condition_too_narrow"),
        ("rw%2Forders%2F", "list_condition_too_narrow"),
        ("", "sql_outside_prefix"),
        ("rw/", "sql_outside_prefix"),
    ],
)
def test_refused_listing_is_compared_with_the_prefix(prefix: str, cause: str) -> None:
    assert one(listing(prefix), target()).causes[0].id == cause


def test_bare_refusal_of_risingwave_points_to_another_account() -> None:
    text = (
        "PermissionDenied (persistent) at write, context: { service: s3, path: rw/x } => S3Error { "
        'code: "AccessDenied", message: "Access Denied", resource: "" }'
    )
    assert one(text).causes[0].id == "bucket_in_other_account"


@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        (
            " because no identity-based policy allows the kms:Decrypt action",
            ("kms_role_permission", "certain"),
        ),
        (
            " because no resource-based policy allows the kms:Decrypt action",
            ("kms_key_policy", "certain"),
        ),
        (
            " because the resource does not exist in this Region, no resource-based policies allow "
            "access, or a resource-based policy explicitly denies access",
            ("kms_key_policy", "likely"),
        ),
        ("", ("kms_role_permission", "likely")),
    ],
)
def test_kms_refusal_follows_the_named_policy(reason: str, expected: tuple[str, str]) -> None:
    found = one(refused("kms:Decrypt", KEY, reason))
    assert (found.causes[0].id, found.causes[0].confidence) == expected
    assert KEY in found.causes[0].fix.how


def test_invalid_client_token_says_that_the_page_is_wrong() -> None:
    found = one(
        "An error occurred (InvalidClientTokenId) when calling the AssumeRole operation: The "
        "security token included in the request is invalid."
    )
    assert found.causes[0].id == "caller_credentials_invalid"
    assert found.causes[0].confidence == "likely"
    assert "RisingWave's page is wrong" in found.causes[0].fix.how
    assert "RisingWave's page" in dict(found.excluded)["trust_principal_mismatch"]


def test_invalid_client_token_in_an_opt_in_region_points_to_the_region() -> None:
    found = one(
        "InvalidClientTokenId: The security token included in the request is invalid. "
        "(https://sts.eu-south-1.amazonaws.com)"
    )
    assert found.causes[0].id == "sts_region_disabled"


def test_region_error_answers_with_the_expected_region() -> None:
    found = one(
        "AuthorizationHeaderMalformed: The authorization header is malformed; the region "
        "'us-east-1' is wrong; expecting 'us-west-2'"
    )
    assert ranks(found) == {"bucket_region_mismatch": "certain"}
    assert "s3.region_name = 'us-west-2'" in found.causes[0].fix.how
    assert found.details["region_given"] == "us-east-1"


def test_role_not_applied_excludes_the_trust_policy() -> None:
    text = refused("s3:GetObject", "arn:aws:s3:::acme-lake/wh/t/metadata/1.json", caller=CALLER)
    found = one(text)
    assert found.error_class == "role_not_applied"
    assert found.causes[0].id == "iceberg_catalog_ignores_role"
    assert "trust_principal_mismatch" in dict(found.excluded)


def test_role_not_applied_is_seen_by_the_targets_workload_identity() -> None:
    caller = "arn:aws:sts::444455556666:assumed-role/byoc-compute/reqsign"
    text = refused("s3:PutObject", "arn:aws:s3:::acme-lake/rw/orders/1", caller=caller)
    assert one(text).error_class == "s3_access_denied"
    setup = target(workload_identity_arn="arn:aws:iam::444455556666:role/byoc-compute")
    assert one(text, setup).error_class == "role_not_applied"


def test_unknown_role_option_names_the_option() -> None:
    known = one('Unknown fields in the WITH clause: {"s3.iam_role_arn": "x"}')
    other = one('Unknown fields in the WITH clause: {"s3.pathh": "x"}')
    assert known.causes[0].id == "sql_wrong_role_option"
    assert other.causes[0].id == "unknown"
    assert "s3.pathh" in other.causes[0].fix.how


def test_offline_every_open_check_is_named_as_not_looked_at() -> None:
    found = one(assume())
    assert "trust_principal: the live state was not asked" in found.not_looked_at
    assert "allowed_principal: the live state was not asked" in found.not_looked_at


def test_json_has_the_public_keys() -> None:
    shown = one(assume()).to_dict()
    assert list(shown)[:6] == ["class", "caller", "action", "resource", "causes", "not_looked_at"]
    assert shown["class"] == "assume_role_denied"
    assert shown["caller"] == CALLER
    assert shown["action"] == "sts:AssumeRole"
    assert shown["resource"] == ROLE
    assert set(shown["causes"][0]) == {"id", "confidence", "evidence", "fix"}
    assert set(shown["causes"][0]["fix"]) == {"summary", "how"}
    assert json.loads(json.dumps(shown)) == shown


def test_every_known_text_gives_ranked_causes_with_evidence_and_fix() -> None:
    order = ["certain", "likely", "possible"]
    for line in KNOWN.read_text("utf-8").splitlines():
        for found in diagnose(json.loads(line)["text"], target=target()):
            places = [order.index(cause.confidence) for cause in found.causes]
            assert places == sorted(places)
            for cause in found.causes:
                assert cause.evidence
                assert cause.id in CAUSES
                assert cause.id not in dict(found.excluded)
                assert cause.fix.summary.endswith(".")
                assert cause.fix.how


@pytest.mark.parametrize("error_class", BY_CLASS)
def test_every_cause_has_a_fix_in_every_class(error_class: str) -> None:
    for cause in CAUSES:
        for setup in (None, target()):
            fix = fix_for(cause, Reading(Facts(""), LineVerdict(error_class, ""), setup))
            assert fix.summary
            assert fix.how


def test_diagnosis_needs_no_aws_library() -> None:
    program = (
        "import sys, rwlib.diagnose as d; d.diagnose('ERROR: AccessDenied S3');"
        "print(sorted({'boto3', 'botocore', 'requests', 'pydantic'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("session", ["i-0bea8b4dfc85974ad", "aws-sdk-java-1755000000000"])
def test_pod_or_node_of_another_account_shows_that_the_role_was_not_applied(session: str) -> None:
    text = refused(
        "s3:GetObject",
        "arn:aws:s3:::acme-lake/wh/t/metadata/1.json",
        " because no resource-based policy allows the s3:GetObject action",
        caller=f"arn:aws:sts::444455556666:assumed-role/eks-nodes/{session}",
    )
    assert one(f"iceberg error: {text}").error_class == "role_not_applied"
    assert one(text.replace("S3Error", "S3Exception")).error_class == "s3_access_denied"
