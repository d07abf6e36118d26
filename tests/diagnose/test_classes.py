"""Which class an error text is: collected texts, the order of the classes, what is unrelated."""

from __future__ import annotations

import functools
import json
import re

import pytest

from rwlib.diagnose.diagnosis import classify_line, diagnose
from rwlib.diagnose.ids import CAUSES, CLASSES, UNRELATED
from rwlib.diagnose.model import Diagnosis
from rwlib.diagnose.normalise import flatten
from rwlib.diagnose.rules import CODES, REFUSALS, VAGUE
from rwlib.diagnose.rules.base import Rule
from rwlib.diagnose.rules.cloud import CLOUD
from tests.support import places

DATA = places.DATA / "diagnose"
KNOWN = [json.loads(line) for line in (DATA / "known.jsonl").read_text("utf-8").splitlines()]
UNRELATED_LINES = (DATA / "unrelated.txt").read_text("utf-8").splitlines()
RULES = (*CLOUD, *CODES, *REFUSALS, *VAGUE)
EXAMPLE_ACCOUNTS = {
    *("111122223333", "444455556666", "777788889999", "123456789012", "999999999999"),
}
SESSION = "arn:aws:sts::111122223333:assumed-role/risingwave-s3-access/reqsign"


def denied(action: str, resource: str, reason: str = "") -> str:
    return f"User: {SESSION} is not authorized to perform: {action} on resource: {resource}{reason}"


@functools.cache
def found_in(text: str) -> list[Diagnosis]:
    return diagnose(text)


def name(row: dict[str, str]) -> str:
    return f"{row['class']}-{row['source'][:30]}"


@pytest.mark.parametrize("row", KNOWN, ids=name)
def test_class_of_known_text(row: dict[str, str]) -> None:
    found = found_in(row["text"])
    assert [each.error_class for each in found] == [row["class"]]
    assert classify_line(row["text"]) == row["class"]


@pytest.mark.parametrize("row", [row for row in KNOWN if "cause" in row], ids=name)
def test_first_cause_of_known_text(row: dict[str, str]) -> None:
    (found,) = found_in(row["text"])
    assert found.causes[0].id == row["cause"]


@pytest.mark.parametrize("row", KNOWN, ids=name)
def test_certain_cause_of_known_text_is_the_true_one(row: dict[str, str]) -> None:
    (found,) = found_in(row["text"])
    certain = {cause.id for cause in found.causes if cause.confidence == "certain"}
    assert len(certain) <= 1
    assert not certain or row.get("cause", found.causes[0].id) in certain


def test_known_texts_cover_every_class() -> None:
    assert {row["class"] for row in KNOWN} == set(CLASSES) - {UNRELATED}


def test_known_texts_name_only_example_accounts() -> None:
    accounts = {
        account
        for row in KNOWN
        for account in re.findall(r"(?<![\dA-Za-z.-])\d{12}(?![\dA-Za-z-])", row["text"])
    }
    assert accounts <= EXAMPLE_ACCOUNTS


@pytest.mark.parametrize("line", UNRELATED_LINES)
def test_unrelated_line_has_no_class(line: str) -> None:
    assert classify_line(line) == UNRELATED


def test_unrelated_log_has_no_diagnosis() -> None:
    assert diagnose("\n".join(UNRELATED_LINES)) == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (denied("iam:CreateRole", "arn:aws:iam::111122223333:role/r"), "access_denied"),
        (
            denied("iam:PassRole", "*", " with an explicit deny in a service control policy"),
            "explicit_deny",
        ),
        ("feature SnowflakeSink is not available due to license error", "license"),
        (denied("kms:Decrypt", "arn:aws:kms:us-east-1:111122223333:key/1"), "kms_denied"),
        (
            denied("kms:Decrypt", "*", " with an explicit deny in a resource-based policy"),
            "kms_denied",
        ),
        (
            denied("glue:GetTable", "*", " with an explicit deny in a service control policy"),
            "glue_access_denied",
        ),
        (
            denied("sts:AssumeRole", "*", " with an explicit deny in the role trust policy"),
            "explicit_deny",
        ),
        (
            denied("s3:GetObject", "*", " with an explicit deny in an identity-based policy"),
            "explicit_deny",
        ),
        (denied("sts:AssumeRole", "arn:aws:iam::111122223333:role/r"), "assume_role_denied"),
        (denied("s3:PutObject", '"arn:aws:s3:::b/k"'), "s3_access_denied"),
        (denied("dynamodb:Scan", "arn:aws:dynamodb:us-east-1:111122223333:table/t"), UNRELATED),
        (
            denied("ec2:RunInstances", "*", " with an explicit deny in a service control policy"),
            UNRELATED,
        ),
    ],
)
def test_class_follows_the_action_then_the_words(text: str, expected: str) -> None:
    assert classify_line(text) == expected


def test_class_of_a_refusal_wrapped_over_lines() -> None:
    words = denied("s3:GetObject", "arn:aws:s3:::acme/rw/x", " because no identity-based policy")
    text = words.replace(" ", "\n", 4).replace(" because no ", " because no\n")
    (found,) = diagnose(f"{text} allows the s3:GetObject action")
    assert found.error_class == "s3_access_denied"
    assert found.caller == SESSION
    assert found.resource == "arn:aws:s3:::acme/rw/x"
    assert found.details["layer"] == "identity"


def test_every_error_of_a_text_has_its_diagnosis_in_order() -> None:
    texts = [
        "An error occurred (NoSuchBucket) when calling the PutObject operation: The specified "
        "bucket does not exist",
        "An error occurred (ExpiredToken) when calling the AssumeRole operation: The security "
        "token included in the request is expired",
        denied("s3:PutObject", '"arn:aws:s3:::b/k"'),
    ]
    found = diagnose("\n".join(texts))
    assert [each.error_class for each in found] == [
        "no_such_bucket",
        "expired_token",
        "s3_access_denied",
    ]


def test_consequence_is_not_an_error_of_its_own_where_its_reason_is_said() -> None:
    consequence = (
        "2026-08-01T08:42:01Z ERROR risingwave: Unexpected (permanent) at read, context: { called: "
        "reqsign::Sign, service: s3 } => signing http request, source: failed to load signing "
        "credential"
    )
    refusal = denied("sts:AssumeRole", "arn:aws:iam::111122223333:role/r")
    reason = f"2026-08-01T08:42:00Z  WARN reqsign: {refusal}"
    assert [each.error_class for each in diagnose(consequence)] == ["assume_role_denied"]
    found = diagnose(f"{reason}\n{consequence}")
    assert len(found) == 1
    assert found[0].caller == SESSION


@pytest.fixture(scope="module")
def flat_texts() -> list[tuple[str, str]]:
    flat = [flatten(text) for text in [row["text"] for row in KNOWN] + UNRELATED_LINES]
    return [(text, text.lower()) for text in flat]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.error_class)
def test_words_of_a_rule_stand_wherever_it_matches(
    rule: Rule, flat_texts: list[tuple[str, str]]
) -> None:
    for flat, lower in flat_texts:
        if rule.pattern.search(flat) and (rule.needs is None or rule.needs.search(flat)):
            assert all(any(word in lower for word in words) for words in rule.words), flat


def test_rules_name_only_public_classes() -> None:
    assert {rule.error_class for rule in RULES} <= set(CLASSES)


PUBLIC_CLASSES = """
    assume_role_denied bad_option_value bad_static_keys cloud_api_bad_arn cloud_api_failed
    cloud_api_overlap cloud_api_unauthorized config_load_not_permitted expired_token
    explicit_deny glue_access_denied invalid_client_token invalid_principal invalid_role_arn
    kms_denied license missing_option no_base_credentials no_such_bucket pg_no_sni policy_limit
    redshift_copy_credentials redshift_copy_region redshift_copy_s3_denied
    redshift_role_not_usable region_wrong role_not_applied s3_access_denied secret_required
    signature_mismatch sink_decouple sql_syntax sts_region_disabled sts_region_mismatch
    unknown_option unrelated web_identity_denied malformed_policy lake_formation_denied
    iceberg_catalog_denied access_denied source_create_failed throttled not_reached
"""
PUBLIC_CAUSES = """
    allowed_principal_missing allowed_principal_other_arn allowed_principals_failed
    block_public_access boundary_denies bucket_in_other_account bucket_missing
    bucket_policy_denies bucket_region_mismatch caller_credentials_invalid config_load_refused
    credentials_expired glue_permission_missing iceberg_catalog_ignores_role kms_key_disabled
    kms_key_policy kms_role_permission list_condition_too_narrow policy_not_attached
    policy_old_version propagation_delay redshift_region_mismatch redshift_role_not_attached
    redshift_trust_missing role_missing s3_action_missing s3_resource_mismatch scp_denies
    secret_missing sql_missing_option sql_outside_prefix sql_wrong_role_arn
    sql_wrong_role_option sts_region_disabled trust_condition_unmet trust_explicit_deny
    trust_external_id_required trust_missing trust_principal_deleted trust_principal_mismatch
    unknown trust_tag_session_missing lake_formation_grant_missing malformed_policy
    license_missing sql_syntax sink_decouple_off policy_limit_reached too_many_requests
    endpoint_wrong network_blocked
"""


def test_ids_are_those_that_are_public() -> None:
    assert set(CLASSES) == set(PUBLIC_CLASSES.split())
    assert set(CAUSES) == set(PUBLIC_CAUSES.split())
