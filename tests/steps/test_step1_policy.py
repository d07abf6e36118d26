"""Step 1: the policy's documents to the letter and by what they allow, and the policy in AWS."""

from __future__ import annotations

import json
from itertools import chain, combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rwlib.aws.calls import policy_json
from rwlib.errors import ConflictError, InputError, PolicyLimitError, ServiceError
from rwlib.evaluate.evaluator import evaluate
from rwlib.evaluate.model import Policies, Request
from rwlib.steps.changes import Ledger
from rwlib.steps.step1_documents import (
    REASONS,
    documented_policy,
    escape_pattern,
    listed_at_create,
    policy_document,
    recommended_policy,
)
from rwlib.steps.step1_policy import ensure_policy
from rwlib.target.rules.names import CONNECTORS
from rwlib.target.target import Target
from tests.support import places
from tests.support.example_names import ACCOUNT
from tests.support.interference import BusyAws, Sleeps, client_error, writes

GOLDEN = places.DATA / "policies"
KEY = f"arn:aws:kms:us-east-1:{ACCOUNT}:key/1234abcd-12ab-34cd-56ef-1234567890ab"
BUCKET = "arn:aws:s3:::acme-analytics"
NAME = "risingwave"
ARN = f"arn:aws:iam::{ACCOUNT}:policy/{NAME}"

SUBSETS = list(chain.from_iterable(combinations(CONNECTORS, n) for n in range(1, 8)))  # fmt: skip
WRITERS = {"redshift", "snowflake_v2", "snowflake", "s3_sink", "iceberg_sink"}
READERS = {"redshift", "s3_source", "iceberg_sink", "iceberg_source"}
LISTERS = set(CONNECTORS) - {"snowflake_v2"}


def golden(name):
    return json.loads((GOLDEN / f"{name}.json").read_text())


DELEGATING_KEY_POLICY = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"},
            "Action": "kms:*",
            "Resource": "*",
        }
    ],
}


def decision(document, action, resource, **context):
    return evaluate(
        Request(
            f"arn:aws:sts::{ACCOUNT}:assumed-role/risingwave-s3-access/reqsign",
            action,
            resource,
            ACCOUNT,
            {key.replace("_", ":"): value for key, value in context.items()},
        ),
        Policies(
            identity=[document],
            resource=DELEGATING_KEY_POLICY if action.startswith("kms:") else None,
        ),
    )


def allowed(document, action, resource, **context):
    return decision(document, action, resource, **context).effect == "allowed"


# Documents ------------------------------------------------------------------------------------


def test_documented_policy_is_the_pages_json():
    assert documented_policy("acme-analytics", "risingwave") == golden("documented")


def test_documented_policy_covers_the_bucket_when_the_prefix_is_empty():
    document = documented_policy("acme-analytics", "")
    assert allowed(document, "s3:GetObject", f"{BUCKET}/any/key")
    assert allowed(document, "s3:ListBucket", BUCKET, s3_prefix="any/")


def test_documented_policy_never_allows_get_bucket_location():
    document = documented_policy("acme-analytics", "risingwave")
    found = decision(document, "s3:GetBucketLocation", BUCKET)
    assert found.effect == "implicit-deny"
    assert "s3:prefix" in str(found.near_misses[0])


@pytest.mark.parametrize(
    ("prefix", "answer"),
    [("risingwave/", True), ("risingwave/a", True), ("risingwave", False), ("", False)],
)
def test_documented_policy_refuses_a_listing_when_the_slash_is_missing(prefix, answer):
    document = documented_policy("acme-analytics", "risingwave")
    assert allowed(document, "s3:ListBucket", BUCKET, s3_prefix=prefix) is answer


@pytest.mark.parametrize("connector", CONNECTORS)
def test_recommended_policy_is_the_golden_document(connector):
    document = recommended_policy([connector], "acme-analytics", "risingwave")
    assert document == golden(f"recommended_{connector}")


def test_recommended_policy_is_the_golden_document_with_key_catalog_and_odd_prefix():
    document = recommended_policy(
        ["redshift", "iceberg_sink"],
        "acme-analytics",
        "a*b?c${d}/é",
        kms_key_arn=KEY,
        glue={
            "account_id": ACCOUNT,
            "region_name": "eu-central-1",
            "database": "lake",
            "table": "",
            "writes": "yes",
        },
    )
    assert document == golden("recommended_everything")


@pytest.mark.parametrize("connectors", SUBSETS, ids="+".join)
def test_recommended_policy_is_the_union_when_there_are_several_connectors(connectors):
    document = recommended_policy(connectors, "acme-analytics", "risingwave", kms_key_arn=KEY)
    single = [
        recommended_policy([name], "acme-analytics", "risingwave", kms_key_arn=KEY)
        for name in connectors
    ]
    through_s3 = {
        "kms_ViaService": "s3.us-east-1.amazonaws.com",
        "kms_EncryptionContext_aws_s3_arn": f"{BUCKET}/risingwave/a",
    }
    for action, resource, context in (
        ("s3:PutObject", f"{BUCKET}/risingwave/a", {}),
        ("s3:AbortMultipartUpload", f"{BUCKET}/risingwave/a", {}),
        ("s3:GetObject", f"{BUCKET}/risingwave/a", {}),
        ("s3:DeleteObject", f"{BUCKET}/risingwave/a", {}),
        ("s3:DeleteObject", f"{BUCKET}/risingwave/t/manifest/a", {}),
        ("s3:ListBucket", BUCKET, {"s3_prefix": "risingwave/"}),
        ("s3:ListBucket", BUCKET, {"s3_prefix": "risingwave"}),
        ("s3:ListBucket", BUCKET, {}),
        ("kms:Decrypt", KEY, through_s3),
        ("kms:GenerateDataKey", KEY, through_s3),
    ):
        assert allowed(document, action, resource, **context) == any(
            allowed(each, action, resource, **context) for each in single
        ), action
    assert allowed(document, "s3:PutObject", f"{BUCKET}/risingwave/a") == bool(
        WRITERS & set(connectors)
    )
    assert allowed(document, "s3:GetObject", f"{BUCKET}/risingwave/a") == bool(
        READERS & set(connectors)
    )


@pytest.mark.parametrize("connectors", SUBSETS, ids="+".join)
def test_recommended_policy_has_neither_wildcard_actions_nor_strangers(connectors):
    document = recommended_policy(connectors, "acme-analytics", "risingwave", kms_key_arn=KEY)
    sids = [statement["Sid"] for statement in document["Statement"]]
    assert len(set(sids)) == len(sids)
    assert set(sids) <= set(REASONS)
    for statement in document["Statement"]:
        assert not any("*" in action for action in statement["Action"])
        assert statement["Effect"] == "Allow"
        assert statement["Resource"] != "*"


def test_recommended_policy_says_delete_manifests_only_when_redshift_is_alone():
    document = recommended_policy(["redshift"], "acme-analytics", "risingwave")
    assert allowed(document, "s3:DeleteObject", f"{BUCKET}/risingwave/orders/manifest/a.json")
    assert not allowed(document, "s3:DeleteObject", f"{BUCKET}/risingwave/orders/a.json")


prefixes = st.text(
    st.one_of(
        st.sampled_from("*?${}[]/.-_ab "),
        st.characters(exclude_categories=["C", "Z"], max_codepoint=0x10FFFF),
    ),
    max_size=12,
)
keys = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8)


def accepted(prefix):
    from rwlib.target.rules import RULES

    try:
        return RULES["prefix"]("prefix", prefix.removesuffix("/"))
    except InputError:
        return None


@given(prefixes, keys, st.sampled_from(SUBSETS), keys)
def test_recommended_policy_grants_the_prefix_to_the_letter_whatever_it_holds(
    prefix, key, connectors, beside
):
    prefix = accepted(prefix)
    if not prefix:
        return
    document = recommended_policy(connectors, "acme-analytics", prefix)
    document = json.loads(json.dumps(document))
    may = set(connectors)
    for action, by in (("s3:GetObject", READERS), ("s3:PutObject", WRITERS)):
        granted = bool(may & by)
        assert allowed(document, action, f"{BUCKET}/{prefix}/{key}") == granted
        # A sibling that a wildcard of the prefix would reach, were it not escaped.
        for sibling in {
            f"{prefix}{beside}" if not beside.startswith("/") else f"{prefix}x",
            prefix.replace("*", beside.replace("*", "x")),
            prefix.replace("?", "x"),
            prefix.replace("$", ""),
            f"x{prefix}",
            prefix[:-1],
        } - {prefix}:
            if not f"{sibling}/".startswith(f"{prefix}/"):
                assert not allowed(document, action, f"{BUCKET}/{sibling}/{key.strip('/')}x")
        assert not allowed(document, action, f"arn:aws:s3:::acme-analytics-2/{prefix}/{key}")
    lists = bool(may & LISTERS)
    for text, answer in (
        (prefix, False),
        (f"{prefix}/", lists),
        (f"{prefix}/{key}", lists),
        (f"{prefix}x", False),
        (prefix.replace("*", "x*x"), False),
        (prefix.replace("*", "x*x") + "/", lists if "*" not in prefix else False),
        ("", False),
    ):
        assert allowed(document, "s3:ListBucket", BUCKET, s3_prefix=text) == answer, text
    assert not allowed(document, "s3:ListBucket", BUCKET)
    assert not allowed(document, "s3:ListBucket", f"{BUCKET}-2", s3_prefix=prefix)


@pytest.mark.parametrize("connectors", SUBSETS, ids="+".join)
def test_recommended_policy_grants_the_whole_bucket_when_the_prefix_is_empty(connectors):
    document = recommended_policy(connectors, "acme-analytics", "")
    may = set(connectors)
    assert allowed(document, "s3:GetObject", f"{BUCKET}/a") == bool(may & READERS)
    assert allowed(document, "s3:PutObject", f"{BUCKET}/a/b") == bool(may & WRITERS)
    assert allowed(document, "s3:ListBucket", BUCKET) == bool(may & LISTERS)
    assert not allowed(document, "s3:GetObject", "arn:aws:s3:::acme-analytics-2/a")
    assert not allowed(document, "s3:DeleteBucket", BUCKET)


@pytest.mark.parametrize("prefix", ["risingwave", ""])
@pytest.mark.parametrize(
    ("changed", "answer"),
    [
        ({}, True),
        ({"kms_EncryptionContext_aws_s3_arn": BUCKET}, True),
        ({"kms_EncryptionContext_aws_s3_arn": f"{BUCKET}-2"}, False),
        ({"kms_EncryptionContext_aws_s3_arn": f"{BUCKET}-2/risingwave/a"}, False),
        ({"kms_EncryptionContext_aws_s3_arn": None}, False),
        ({"kms_ViaService": None}, False),
        ({"kms_ViaService": "secretsmanager.us-east-1.amazonaws.com"}, False),
        ({"kms_ViaService": "s3.eu-west-1.amazonaws.com"}, False),
    ],
)
def test_recommended_policy_uses_the_key_only_through_s3_and_for_this_bucket(
    prefix, changed, answer
):
    document = recommended_policy(["redshift"], "acme-analytics", prefix, kms_key_arn=KEY)
    context = {
        "kms_ViaService": "s3.us-east-1.amazonaws.com",
        "kms_EncryptionContext_aws_s3_arn": f"{BUCKET}/risingwave/a",
        **changed,
    }
    for action in ("kms:Decrypt", "kms:GenerateDataKey"):
        assert allowed(document, action, KEY, **context) is answer


def test_recommended_policy_uses_the_key_for_nothing_beside_the_prefix():
    document = recommended_policy(["redshift"], "acme-analytics", "p*", kms_key_arn=KEY)
    for place, answer in (("p*/a", True), ("p/a", False), ("px/a", False), ("a", False)):
        context = {
            "kms_ViaService": "s3.us-east-1.amazonaws.com",
            "kms_EncryptionContext_aws_s3_arn": f"{BUCKET}/{place}",
        }
        assert allowed(document, "kms:Decrypt", KEY, **context) is answer, place


@pytest.mark.parametrize("connectors", SUBSETS, ids="+".join)
def test_recommended_policy_reaches_no_bucket_of_that_name_in_another_account(connectors):
    document = recommended_policy(connectors, "acme-analytics", "risingwave")
    for action, place in (
        ("s3:ListBucket", BUCKET),
        ("s3:GetObject", f"{BUCKET}/risingwave/a"),
        ("s3:PutObject", f"{BUCKET}/risingwave/a"),
        ("s3:DeleteObject", f"{BUCKET}/risingwave/t/manifest/a"),
        ("s3:AbortMultipartUpload", f"{BUCKET}/risingwave/a"),
    ):
        context = {"s3_prefix": "risingwave/"} if action == "s3:ListBucket" else {}
        for owner in ("444455556666", None):
            there = {"s3_ResourceAccount": owner, **context}
            assert not allowed(document, action, place, **there), (action, owner)


@pytest.mark.parametrize(
    ("connectors", "options", "bare"),
    [
        (["s3_sink"], {}, False),
        (["snowflake"], {}, False),
        (["redshift"], {}, False),
        (["redshift"], {"s3.path": "risingwave"}, False),
        (["s3_sink"], {"s3.path": "risingwave"}, True),
        (["s3_sink"], {"s3_sink": {"s3.path": "risingwave"}}, True),
        (["snowflake"], {"snowflake.s3_path": "risingwave"}, True),
        (["s3_sink"], {"s3.path": "risingwave/"}, False),
        (["s3_sink"], {"s3.path": "risingwave/eu"}, False),
        (["s3_source"], {}, False),
    ],
)
def test_policy_document_lists_the_bare_prefix_only_where_the_sql_does(
    example, connectors, options, bare
):
    from rwlib.sql import statements_for

    wanted = target(example, connectors=connectors, sql_options=options)
    document = policy_document(wanted, account_id=ACCOUNT, region_name="us-east-1")
    assert allowed(document, "s3:ListBucket", BUCKET, s3_prefix="risingwave") is bare
    assert allowed(document, "s3:ListBucket", BUCKET, s3_prefix="risingwave/")
    for connector in connectors:
        listed = listed_at_create(wanted, connector)
        if listed is None:
            continue
        assert allowed(document, "s3:ListBucket", BUCKET, s3_prefix=listed)
        made = statements_for(
            wanted, role_arn="arn:aws:iam::111122223333:role/r", region_name="us-east-1"
        )
        assert f"s3.path = '{listed}'" in made[0].sql


@given(st.text(max_size=10))
def test_escape_pattern_leaves_nothing_that_iam_reads(text):
    escaped = escape_pattern(text)
    plain = escaped.replace("${*}", "").replace("${?}", "").replace("${$}", "")
    assert not set(plain) & set("*?$")
    for mark in "*?$":
        assert escaped.count(f"${{{mark}}}") == text.count(mark)


def target(example, **changes):
    return Target(**{**example, **changes})


def test_policy_document_takes_the_targets_key_when_the_bucket_has_another(example):
    document = policy_document(
        target(example, kms_key_arn=KEY),
        account_id=ACCOUNT,
        region_name="us-east-1",
        kms_key_arn=KEY.replace("1234abcd", "5678abcd"),
    )
    resources = [each["Resource"] for each in document["Statement"] if "Kms" in each["Sid"]]
    assert resources == [KEY]


def test_policy_document_reads_only_when_the_key_serves_a_source(example):
    document = policy_document(
        target(example, connectors=["s3_source"]),
        account_id=ACCOUNT,
        region_name="us-east-1",
        kms_key_arn=KEY,
    )
    through_s3 = {
        "kms_ViaService": "s3.us-east-1.amazonaws.com",
        "kms_EncryptionContext_aws_s3_arn": BUCKET,
    }
    assert allowed(document, "kms:Decrypt", KEY, **through_s3)
    assert not allowed(document, "kms:GenerateDataKey", KEY, **through_s3)


@pytest.mark.parametrize(
    ("connector", "writes_too"), [("iceberg_sink", True), ("iceberg_source", False)]
)
def test_policy_document_names_the_catalog_when_iceberg_uses_glue(example, connector, writes_too):
    document = policy_document(
        target(example, connectors=[connector], glue_database="lake", glue_table="orders"),
        account_id=ACCOUNT,
        region_name="eu-central-1",
    )
    place = f"arn:aws:glue:eu-central-1:{ACCOUNT}"
    assert allowed(document, "glue:GetTable", f"{place}:table/lake/orders")
    assert not allowed(document, "glue:GetTable", f"{place}:table/lake/payroll")
    assert not allowed(document, "glue:GetTable", f"{place}:table/other/orders")
    assert not allowed(document, "glue:DeleteTable", f"{place}:table/lake/orders")
    assert allowed(document, "glue:UpdateTable", f"{place}:table/lake/orders") == writes_too


def test_policy_document_escapes_a_database_that_comes_from_the_sql_options(example):
    document = policy_document(
        target(
            example,
            connectors=["iceberg_sink"],
            sql_options={"catalog.type": "glue", "database.name": "l*"},
        ),
        account_id=ACCOUNT,
        region_name="eu-central-1",
    )
    database = f"arn:aws:glue:eu-central-1:{ACCOUNT}:database/"
    assert allowed(document, "glue:GetDatabase", f"{database}l*")
    assert not allowed(document, "glue:GetDatabase", f"{database}lake")


def test_policy_document_takes_the_database_from_the_tables_name(example):
    document = policy_document(
        target(
            example,
            connectors=["iceberg_source"],
            sql_options={"catalog.type": "glue", "table.name": "lake.orders"},
        ),
        account_id=ACCOUNT,
        region_name="eu-central-1",
    )
    place = f"arn:aws:glue:eu-central-1:{ACCOUNT}:table"
    assert allowed(document, "glue:GetTable", f"{place}/lake/orders")
    assert not allowed(document, "glue:GetTable", f"{place}/other/orders")


def test_policy_document_asks_for_the_database_when_nothing_names_it(example):
    wanted = target(example, connectors=["iceberg_sink"], sql_options={"catalog.type": "glue"})
    with pytest.raises(InputError, match="glue_database: '' is empty; name the Glue database"):
        policy_document(wanted, account_id=ACCOUNT, region_name="eu-central-1")


def test_policy_document_has_no_catalog_when_nobody_uses_glue(example):
    document = policy_document(
        target(example, connectors=["iceberg_sink"]), account_id=ACCOUNT, region_name="us-east-1"
    )
    assert "glue" not in json.dumps(document)


# The policy in AWS ----------------------------------------------------------------------------

DOCUMENT = documented_policy("acme-analytics", "risingwave")
OTHER = documented_policy("acme-analytics", "elsewhere")


def live_document(iam):
    version = iam.get_policy(PolicyArn=ARN)["Policy"]["DefaultVersionId"]
    answer = iam.get_policy_version(PolicyArn=ARN, VersionId=version)
    return policy_json(answer["PolicyVersion"]["Document"])


def tags_of(iam):
    return {
        tag["Key"]: tag["Value"] for tag in iam.get_policy(PolicyArn=ARN)["Policy"].get("Tags", [])
    }


def version_ids(iam):
    return {each["VersionId"] for each in iam.list_policy_versions(PolicyArn=ARN)["Versions"]}


def role(iam, name):
    trust = {
        "Version": "2012-10-17",
        "Statement": {
            "Effect": "Allow",
            "Principal": {"Service": "ec2.amazonaws.com"},
            "Action": "sts:AssumeRole",
        },
    }
    iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(trust))


def test_policy_is_created_with_its_tags_when_there_is_none(aws, iam):
    preview = ensure_policy(aws, NAME, DOCUMENT, tags={"team": "data"})
    assert (preview.action, preview.applied, writes(aws)) == ("create", False, [])
    change = ensure_policy(aws, NAME, DOCUMENT, tags={"team": "data"}, apply=True)
    assert (change.action, change.applied) == ("create", True)
    assert change.sentence == f"Created IAM policy {ARN}"
    assert live_document(iam) == DOCUMENT
    assert tags_of(iam) == {
        "team": "data",
        "managed-by": "risingwave-iam-runbook",
        "risingwave-iam-runbook/id": iam.get_policy(PolicyArn=ARN)["Policy"]["PolicyId"],
    }


def test_policy_is_left_alone_when_only_its_formatting_differs(aws, iam):
    reformatted = json.loads(json.dumps(DOCUMENT))
    for statement in reformatted["Statement"]:
        statement["Resource"] = [statement["Resource"]]
        statement["Action"] = sorted(statement["Action"], reverse=True)
    condition = reformatted["Statement"][1]["Condition"]["StringLike"]
    condition["s3:prefix"] = condition["s3:prefix"][0]
    iam.create_policy(PolicyName=NAME, PolicyDocument=json.dumps(reformatted, indent=7))
    change = ensure_policy(aws, NAME, DOCUMENT, apply=True)
    assert (change.action, writes(aws)) == ("none", [])


def test_policy_gets_a_new_version_when_the_document_differs(aws, iam):
    ensure_policy(aws, NAME, OTHER, apply=True)
    preview = ensure_policy(aws, NAME, DOCUMENT)
    assert (preview.action, preview.before, preview.after) == ("update", OTHER, DOCUMENT)
    assert "elsewhere" in preview.diff()
    ensure_policy(aws, NAME, DOCUMENT, apply=True)
    assert live_document(iam) == DOCUMENT
    assert version_ids(iam) == {"v1", "v2"}


def test_policy_needs_one_run_when_document_and_tags_differ(aws, iam):
    ensure_policy(aws, NAME, OTHER, tags={"team": "a"}, apply=True)
    ensure_policy(aws, NAME, DOCUMENT, tags={"team": "b"}, apply=True)
    assert (live_document(iam), tags_of(iam)["team"]) == (DOCUMENT, "b")
    assert ensure_policy(aws, NAME, DOCUMENT, tags={"team": "b"}, apply=True).action == "none"


def test_policy_keeps_tags_that_others_put_on_it(aws, iam):
    ensure_policy(aws, NAME, DOCUMENT, apply=True)
    iam.tag_policy(PolicyArn=ARN, Tags=[{"Key": "cost", "Value": "42"}])
    ensure_policy(aws, NAME, OTHER, tags={"team": "a"}, apply=True)
    assert tags_of(iam)["cost"] == "42"


def test_oldest_version_is_deleted_and_named_when_five_exist(aws, iam, tmp_path):
    ensure_policy(aws, NAME, documented_policy("acme-analytics", "p1"), apply=True)
    for number in range(2, 6):
        ensure_policy(aws, NAME, documented_policy("acme-analytics", f"p{number}"), apply=True)
    iam.set_default_policy_version(PolicyArn=ARN, VersionId="v1")
    aws.forget()
    ledger = Ledger(tmp_path / "ledger.jsonl")
    preview = ensure_policy(aws, NAME, DOCUMENT)
    assert preview.notes == ("five versions exist: deletes the oldest, v2",)
    assert preview.calls == ("iam:DeletePolicyVersion", "iam:CreatePolicyVersion")
    ensure_policy(aws, NAME, DOCUMENT, ledger=ledger, apply=True)
    assert version_ids(iam) == {"v1", "v3", "v4", "v5", "v6"}
    assert live_document(iam) == DOCUMENT
    assert ledger.entries[0]["before"] == documented_policy("acme-analytics", "p2")


def test_policy_is_refused_before_any_call_when_it_is_too_large(aws, iam):
    long = recommended_policy(CONNECTORS, "acme-analytics", "p" * 1000, kms_key_arn=KEY)
    with pytest.raises(PolicyLimitError, match=r"characters and AWS allows 6,144"):
        ensure_policy(aws, NAME, long, apply=True)
    assert writes(aws) == []
    assert [call.operation for call in aws.calls] == ["get_caller_identity", "get_account_summary"]


@pytest.mark.parametrize("kind", ["role", "user", "group"])
def test_somebody_elses_policy_is_refused_when_another_uses_it(aws, iam, kind):
    iam.create_policy(PolicyName=NAME, PolicyDocument=json.dumps(OTHER))
    if kind == "role":
        role(iam, "etl")
        iam.attach_role_policy(RoleName="etl", PolicyArn=ARN)
    elif kind == "user":
        iam.create_user(UserName="etl")
        iam.attach_user_policy(UserName="etl", PolicyArn=ARN)
    else:
        iam.create_group(GroupName="etl")
        iam.attach_group_policy(GroupName="etl", PolicyArn=ARN)
    with pytest.raises(ConflictError, match=r"used by etl; give another policy_name"):
        ensure_policy(aws, NAME, DOCUMENT, used_by="risingwave", apply=True)
    assert (live_document(iam), writes(aws)) == (OTHER, [])


def test_somebody_elses_policy_is_refused_when_the_second_page_names_the_user():
    class Paged(BusyAws):
        def _call(self, service, operation, parameters, *rest):
            page = {"PolicyUsers": [], "PolicyGroups": []}
            if "Marker" not in parameters:
                first = {"PolicyRoles": [{"RoleName": "mine"}], "IsTruncated": True, "Marker": "m"}
                return {**page, **first}
            return {**page, "PolicyRoles": [{"RoleName": "theirs"}], "IsTruncated": False}

    from rwlib.aws.iam import policy_users

    assert list(policy_users(Paged(), ARN)) == [("role", "mine"), ("role", "theirs")]


def test_somebody_elses_policy_is_used_when_its_document_is_right(aws, iam):
    iam.create_policy(PolicyName=NAME, PolicyDocument=json.dumps(DOCUMENT))
    role(iam, "etl")
    iam.attach_role_policy(RoleName="etl", PolicyArn=ARN)
    change = ensure_policy(aws, NAME, DOCUMENT, tags={"team": "data"}, apply=True)
    assert (change.action, writes(aws), tags_of(iam)) == ("none", [], {})


def test_policy_ends_right_when_the_answer_to_its_creation_is_lost(iam, tmp_path):
    lost = BusyAws(after={"create_policy": [lambda: client_error("EntityAlreadyExists")]})
    ledger = Ledger(tmp_path / "ledger.jsonl")
    sleeps = Sleeps()
    change = ensure_policy(lost, NAME, DOCUMENT, ledger=ledger, apply=True, sleep=sleeps)
    assert (change.action, change.applied) == ("create", True)
    assert [entry["phase"] for entry in ledger.entries] == ["intended", "done"]
    assert live_document(iam) == DOCUMENT


def test_policy_is_not_called_created_when_another_run_of_ours_was_quicker(aws, iam, tmp_path):
    def quicker():
        ensure_policy(aws, NAME, DOCUMENT, apply=True, sleep=Sleeps())

    busy = BusyAws(before={"create_policy": [quicker]})
    ledger = Ledger(tmp_path / "ledger.jsonl")
    change = ensure_policy(busy, NAME, DOCUMENT, ledger=ledger, apply=True, sleep=Sleeps())
    assert (change.action, change.applied) == ("none", False)
    assert [entry["phase"] for entry in ledger.entries] == ["intended", "abandoned"]


def test_policy_is_not_ours_when_somebody_else_made_it_first(iam, tmp_path):
    def theirs():
        iam.create_policy(PolicyName=NAME, PolicyDocument=json.dumps(OTHER))

    busy = BusyAws(before={"create_policy": [theirs]})
    ledger = Ledger(tmp_path / "ledger.jsonl")
    with pytest.raises(ConflictError, match="was not made by this runbook; give another"):
        ensure_policy(busy, NAME, DOCUMENT, ledger=ledger, apply=True, sleep=Sleeps())
    assert [(entry["action"], entry["phase"]) for entry in ledger.entries] == [
        ("create", "intended"), ("create", "abandoned"),
    ]  # fmt: skip
    assert (live_document(iam), version_ids(iam), tags_of(iam)) == (OTHER, {"v1"}, {})


def test_policy_is_refused_when_the_name_is_taken_under_another_path(aws, iam):
    iam.create_policy(PolicyName=NAME, Path="/team/", PolicyDocument=json.dumps(OTHER))
    busy = BusyAws(before={"create_policy": [lambda: client_error("EntityAlreadyExists")]})
    with pytest.raises(ConflictError, match="under another path"):
        ensure_policy(busy, NAME, DOCUMENT, apply=True, sleep=Sleeps())


def test_version_counts_as_written_when_only_its_answer_was_lost(aws, iam):
    ensure_policy(aws, NAME, OTHER, apply=True)
    lost = BusyAws(after={"create_policy_version": [lambda: client_error("LimitExceeded")]})
    assert ensure_policy(lost, NAME, DOCUMENT, apply=True).applied
    assert live_document(iam) == DOCUMENT


def test_refusal_is_told_in_one_sentence_when_the_operator_may_not_write(aws_environment):
    busy = BusyAws(before={"create_policy": [lambda: client_error("AccessDenied", message="no")]})
    ledger = Ledger()
    with pytest.raises(ServiceError, match=f"creating policy {NAME}: AccessDenied: no"):
        ensure_policy(busy, NAME, DOCUMENT, ledger=ledger, apply=True)
    assert [entry["phase"] for entry in ledger.entries] == ["intended", "abandoned"]
