"""Verify: what is said when something could not be looked at, and how a verdict reads.

Faults that can be seen are in test_mutations.py.
"""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rwlib.aws.bucket import BucketFacts
from rwlib.errors import InputError
from rwlib.runbook.runbook import Runbook
from rwlib.sql.writing.targets import statements_for
from rwlib.steps.changes import Change, ChangeSubject
from rwlib.steps.step1_documents import policy_document
from rwlib.steps.step3_documents import trust_policy
from rwlib.target.rules.names import CONNECTORS
from rwlib.target.target import Target
from rwlib.verify.aws_simulation import check_simulation, validate_policy
from rwlib.verify.check import Check
from rwlib.verify.connectors import check_connectors, check_sql_options
from rwlib.verify.deciding import assume, decide, probe_role, role_session
from rwlib.verify.hops import check_situation
from rwlib.verify.probes import Probe, forbidden_probes, required_probes
from rwlib.verify.situation import Situation, plan_situation, read_situation, with_boundary
from tests.support.example_names import ACCOUNT, ROLE_ARN, WORKLOAD
from tests.support.interference import BusyAws, client_error

KEY = f"arn:aws:kms:us-east-1:{ACCOUNT}:key/1234abcd-12ab-34cd-56ef-1234567890ab"
BUCKET = BucketFacts("acme-analytics", "us-east-1", policy=None, unknown={})


@pytest.fixture
def target(example):
    return Target(**example)


def document_of(target, bucket=BUCKET):
    return policy_document(
        target,
        account_id=ACCOUNT,
        region_name=bucket.region_name,
        kms_key_arn=bucket.kms_key_arn,
    )


def correct(target, bucket=BUCKET):
    arn = target.policy_arn_in(ACCOUNT)
    document = document_of(target, bucket)
    return Situation(
        caller_arn=f"arn:aws:iam::{ACCOUNT}:user/ada",
        account_id=ACCOUNT,
        role_arn=target.role_arn_in(ACCOUNT),
        trust_policy=trust_policy(target.workload_identity_arn, target.connectors),
        identity=((arn, document),),
        policy_arn=arn,
        policy_document=document,
        attached=(arn,),
        boundary=None,
        bucket=bucket,
    )


def verdicts(target, situation):
    found = check_situation(target, situation, document_of(target, situation.bucket))
    return {check.id: check for check in found}


def not_passing(target, situation):
    return {
        check.id: check.status
        for check in verdicts(target, situation).values()
        if check.status != "pass"
    }


def test_all_pass_when_all_is_there(target):
    assert not_passing(target, correct(target)) == {}


def test_checks_come_in_the_order_of_the_way(target):
    hops = [check.hop for check in check_situation(target, correct(target), document_of(target))]
    assert list(dict.fromkeys(hops)) == [
        "identity", "policy", "role", "boundary", "trust", "bucket", "KMS", "requests", "connector",
    ]  # fmt: skip


def test_checks_are_unique_and_plain_json(target):
    checks = check_situation(target, correct(target), document_of(target))
    assert len({check.id for check in checks}) == len(checks)
    for check in checks:
        assert json.loads(json.dumps(check.to_dict()))["id"] == check.id
        assert check.evidence


# What could not be looked at ------------------------------------------------------------------


def blind(what, **changes):
    return lambda situation: replace(situation, unknown={what: "AccessDenied: no"}, **changes)


def bucket_blind(what, **changes):
    def make(situation):
        bucket = replace(situation.bucket, unknown={what: "AccessDenied: no"}, **changes)
        return replace(situation, bucket=bucket)

    return make


NOTHING = {"trust_policy": None, "identity": (), "attached": ()}
UNKNOWN = [
    (
        "the role",
        blind("role", **NOTHING),
        {
            "policy_attached", "role_exists", "boundary", "trust_principal", "trust_conditions",
            "trust_deny", "trust", "requests_allowed", "requests_refused", "redshift_trust",
        },
    ),
    (
        "its attached policies",
        blind("attached policies", identity=(), attached=()),
        {"policy_attached", "requests_allowed", "requests_refused"},
    ),
    ("its inline policies", blind("inline policies"), {"requests_allowed", "requests_refused"}),
    ("the bucket policy", bucket_blind("bucket policy"),
     {"bucket_policy", "requests_allowed", "requests_refused"}),
    ("block public access", bucket_blind("block public access"), {"block_public_access"}),
    ("the encryption", bucket_blind("encryption"), {"kms", "requests_allowed"}),
    (
        "the boundary",
        lambda situation: replace(
            situation,
            boundary_arn="arn:aws:iam::111122223333:policy/b",
            unknown={"arn:aws:iam::111122223333:policy/b": "AccessDenied: no"},
        ),
        {"boundary", "requests_allowed"},
    ),
    (
        "the owner",
        lambda situation: replace(
            situation,
            bucket=replace(
                BUCKET, owned=None, public_access_block={"RestrictPublicBuckets": True}
            ),
        ),
        {"bucket_owner", "block_public_access"},
    ),
]  # fmt: skip


@pytest.mark.parametrize(
    ("make", "unknown"), [row[1:] for row in UNKNOWN], ids=[row[0] for row in UNKNOWN]
)
def test_verdict_is_unknown_with_the_reason_when_it_could_not_be_looked_at(target, make, unknown):
    situation = make(correct(target))
    assert not_passing(target, situation) == dict.fromkeys(unknown, "unknown")
    if situation.bucket.owned:
        for check_id in unknown:
            assert "AccessDenied: no" in " ".join(verdicts(target, situation)[check_id].evidence)


def test_policy_is_unknown_when_it_may_not_be_read(target):
    arn = target.policy_arn_in(ACCOUNT)
    situation = replace(
        correct(target), policy_document=None, identity=(), unknown={arn: "AccessDenied: no"}
    )
    assert not_passing(target, situation) == {
        "policy_documents": "unknown",
        "requests_allowed": "unknown",
        "requests_refused": "unknown",
    }


def test_deny_that_was_read_stands_when_another_policy_was_not(target):
    deny = {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Deny", "Action": "s3:*", "Resource": "*"}],
    }
    situation = correct(target)
    situation = replace(
        situation,
        identity=(*situation.identity, ("deny", deny)),
        unknown={"inline policies": "AccessDenied: no"},
    )
    assert not_passing(target, situation) == {
        "requests_allowed": "fail",
        "requests_refused": "unknown",
    }


def encrypted(**changes):
    return replace(BUCKET, kms_key_arn=KEY, kms_key={"Enabled": True}, **changes)


def test_key_policy_is_unknown_when_it_may_not_be_read(target):
    bucket = encrypted(unknown={"kms key policy": "AccessDenied: no"})
    assert not_passing(target, correct(target, bucket)) == {
        "kms_key_policy": "unknown",
        "requests_allowed": "unknown",
    }


def test_key_of_another_account_is_unknown_when_its_policy_may_not_be_read(example):
    key = KEY.replace(ACCOUNT, "777788889999")
    target = Target(**example, kms_key_arn=key)
    bucket = replace(
        encrypted(unknown={"kms key": "AccessDenied", "kms key policy": "AccessDenied"}),
        kms_key_arn=key,
        kms_key=None,
    )
    found = not_passing(target, correct(target, bucket))
    assert found["kms"] == "unknown"
    assert found["kms_key_policy"] == "unknown"


def test_key_fails_when_it_is_in_another_region(example):
    key = KEY.replace("us-east-1", "eu-west-1")
    target = Target(**example, kms_key_arn=key)
    found = verdicts(target, correct(target, replace(encrypted(), kms_key_arn=key)))
    assert found["kms"].status == "fail"
    assert "give the bucket a key of its own region" in found["kms"].fix


def test_organization_decides_unknown_when_a_deny_hangs_on_its_id(target):
    deny = {
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:*",
        "Resource": "*",
        "Condition": {"StringNotEquals": {"aws:PrincipalOrgID": ["o-a1b2c3d4e5"]}},
    }
    bucket = replace(BUCKET, policy={"Version": "2012-10-17", "Statement": deny})
    assert verdicts(target, correct(target, bucket))["bucket_policy"].status == "unknown"
    deny["Condition"]["StringEquals"] = {"aws:SecureTransport": "true"}
    assert verdicts(target, correct(target, bucket))["bucket_policy"].status == "unknown"
    del deny["Condition"]
    assert verdicts(target, correct(target, bucket))["bucket_policy"].status == "fail"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("operation", "unknown"),
    [
        ("get_role", {"role_exists", "trust", "requests_allowed", "requests_refused"}),
        ("list_attached_role_policies", {"policy_attached", "requests_refused"}),
        ("list_role_policies", {"requests_allowed", "requests_refused"}),
        ("get_role_policy", {"requests_allowed", "requests_refused"}),
        ("get_policy", {"policy_documents", "requests_allowed"}),
        ("get_policy_version", {"policy_documents", "requests_allowed"}),
        ("get_bucket_policy", {"bucket_policy", "requests_allowed"}),
    ],
)
def test_operator_learns_what_was_not_looked_at_when_a_read_is_denied(
    aws, example, operation, unknown
):
    book = Runbook.start({**example, "apply": True})
    for number in (1, 2, 3):
        book.run_step(number)
    aws.client("iam").put_role_policy(
        RoleName="risingwave-s3-access",
        PolicyName="by-hand",
        PolicyDocument='{"Version": "2012-10-17", "Statement": {"Effect": "Allow", '
        '"Action": "s3:GetObjectTagging", '
        '"Resource": "arn:aws:s3:::acme-analytics/risingwave/*"}}',
    )
    denied = BusyAws(before={operation: [lambda: client_error("AccessDenied")] * 3})
    target = Target(**example)
    checks = {
        check.id: check
        for check in Runbook(target, denied, workload_identity_arn=WORKLOAD).verify_live()
    }
    assert {checks[each].status for each in unknown} == {"unknown"}
    assert [check.id for check in checks.values() if check.status == "fail"] == []


def test_operator_who_may_hardly_look_gets_no_fail_and_no_pass_unseen(aws, example, monkeypatch):
    book = Runbook.start({**example, "apply": True})
    for number in (1, 2, 3):
        book.run_step(number)
    iam = aws.client("iam")
    iam.create_user(UserName="ada")
    statement = {"Effect": "Allow", "Action": ["s3:ListBucket", "iam:GetRole"], "Resource": "*"}
    iam.put_user_policy(
        UserName="ada",
        PolicyName="few",
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": statement}),
    )
    key = iam.create_access_key(UserName="ada")["AccessKey"]
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", key["AccessKeyId"])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", key["SecretAccessKey"])
    book = Runbook.start(example)
    checks = {check.id: check.status for check in book.verify_live()}
    assert {check_id for check_id, status in checks.items() if status == "pass"} == {
        "identity", "role_exists", "boundary", "trust_principal", "trust_conditions", "trust_deny",
        "trust", "bucket_exists", "bucket_region", "bucket_owner", "redshift_trust", "sql_options",
    }  # fmt: skip
    assert "fail" not in checks.values()
    assert [call.operation for call in book.aws.calls if call.writes] == []


# Situations -----------------------------------------------------------------------------------


def test_situation_has_no_role_when_there_is_none(aws, target):
    situation = read_situation(aws, target, BUCKET)
    assert (situation.trust_policy, situation.policy_document) == (None, None)
    assert situation.role_arn == ROLE_ARN
    assert situation.unknown == {}


def test_plan_ends_as_the_applied_steps_do(aws, example):
    previewed = Runbook.start(example)
    planned = previewed.look()
    assert planned.planned
    book = Runbook.start({**example, "apply": True})
    for number in (1, 2, 3):
        book.run_step(number)
    live = read_situation(aws, book.target, book.bucket)
    # The role's id, and its tags that hold it, are AWS's to give: a plan says that it has none.
    assert planned.role_tags is None
    given = {"role_id": live.role_id, "role_tags": live.role_tags}
    assert replace(planned, planned=False, **given) == live


def test_plan_is_what_is_there_when_nothing_is_pending(target):
    now = correct(target)
    changes = [
        Change("none", ChangeSubject.ROLE, ROLE_ARN),
        Change("create", ChangeSubject.POLICY, "x", after={}, applied=True),
    ]
    assert plan_situation(now, changes) == now


def test_plan_replaces_the_document_when_the_attached_policy_gets_a_version(target):
    now = correct(target)
    after = {"Version": "2012-10-17", "Statement": []}
    planned = plan_situation(
        now, [Change("update", ChangeSubject.POLICY, now.policy_arn, after=after)]
    )
    assert planned.policy_document == after
    assert planned.identity == ((now.policy_arn, after),)


def test_boundary_is_named_when_it_does_not_exist(aws, target):
    with pytest.raises(InputError, match=r"permissions_boundary_arn: .* does not exist"):
        with_boundary(aws, correct(target), f"arn:aws:iam::{ACCOUNT}:policy/none")


# Deciding -------------------------------------------------------------------------------------


def test_role_session_is_named_as_risingwave_names_it():
    assert role_session(f"arn:aws:iam::{ACCOUNT}:role/a/b/c") == (
        f"arn:aws:sts::{ACCOUNT}:assumed-role/c/reqsign"
    )


def test_assume_is_allowed_for_the_workload_alone(target):
    situation = correct(target)
    assert assume(situation, WORKLOAD).effect == "allowed"
    assert assume(situation, "redshift.amazonaws.com").effect == "allowed"
    for caller in (
        "arn:aws:iam::444455556666:role/other-cluster-role",
        "arn:aws:iam::444455556666:user/u",
        "arn:aws:iam::999999999999:role/r",
        "ec2.amazonaws.com",
    ):
        assert assume(situation, caller).effect == "implicit-deny"


def test_decide_takes_the_deny_of_one_buckets_policy_for_that_bucket_only(target):
    deny = {
        "Statement": {"Effect": "Deny", "Principal": "*", "Action": "*", "Resource": "*"},
        "Version": "2012-10-17",
    }
    situation = correct(target, replace(BUCKET, policy=deny))

    def effect(resource):
        return decide(situation, Probe("x", "x", True, "s3:GetObject", resource)).effect

    assert effect("arn:aws:s3:::acme-analytics/risingwave/a") == "explicit-deny"
    assert effect("arn:aws:s3:::acme-analytics-2/risingwave/a") == "implicit-deny"


# Probes ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("connector", CONNECTORS)
@pytest.mark.parametrize("prefix", ["risingwave", "", "a/b"])
def test_probes_of_each_connector_are_allowed_by_its_policy_and_the_rest_refused(
    example, connector, prefix
):
    target = Target(**{**example, "connectors": [connector], "prefix": prefix})
    found = probe_role(target, correct(target, encrypted()))
    assert {each.probe.allow for each in found} == {True, False}
    assert [each.line for each in found if not each.as_expected] == []
    assert len({each.probe.id for each in found}) == len(found)
    for each in found:
        assert json.loads(json.dumps(each.to_dict()))["is"] == each.to_dict()["should_be"]


@given(st.text("abcdefgh-", min_size=3, max_size=63))
def test_probes_ask_about_another_bucket_whatever_the_bucket_is_called(name):
    try:
        target = Target(
            workload_identity_arn=WORKLOAD, bucket=name, prefix="p", connectors=["s3_sink"]
        )
    except InputError:
        return
    others = {each.resource for each in forbidden_probes(target) if each.id.startswith("other")}
    own = f"arn:aws:s3:::{name}"
    assert not [each for each in others if each == own or each.startswith(f"{own}/")]


def test_probes_ask_about_another_bucket_when_ours_has_the_probes_name():
    name = "b" * 50 + "-other"
    target = Target(workload_identity_arn=WORKLOAD, bucket=name, connectors=["s3_sink"])
    others = [each.resource for each in forbidden_probes(target) if each.id.startswith("other")]
    assert not any(f":::{name}" in each for each in others)


def test_probes_follow_the_sql_options(example):
    target = Target(
        **{
            **example,
            "connectors": ["redshift", "s3_source"],
            "sql_options": {
                "redshift": {"table.name": "sales"},
                "s3_source": {"match_pattern": "risingwave/in/*.json"},
            },
        }
    )
    probes = required_probes(target, account_id=ACCOUNT, region_name="us-east-1")
    by_id = {each.id: each for each in probes}
    assert by_id["redshift.stage"].place == "acme-analytics/risingwave/sales/part-0.json"
    assert by_id["s3_source.discover"].context["s3:prefix"] == "risingwave/in/"


# AWS's own simulation -------------------------------------------------------------------------


class Simulator(BusyAws):
    """Answers the simulation as the documents do, except where told otherwise."""

    def __init__(self, verdicts, wrong=(), stopped=(), nested=False, page=1000):
        super().__init__()
        self.answers = {
            (each.probe.action, each.probe.resource, *each.probe.context.items()): (
                each.decision.effect
            )
            for each in verdicts
        }
        self.own = {key for each in verdicts for key in each.probe.context}
        self.wrong, self.stopped, self.nested, self.page = wrong, stopped, nested, page
        self.asked = []

    def _call(self, service, operation, parameters, *rest):
        self.asked.append(parameters)
        results = []
        for action in parameters["ActionNames"]:
            for resource in parameters["ResourceArns"]:
                context = [
                    (entry["ContextKeyName"], entry["ContextKeyValues"][0])
                    for entry in parameters.get("ContextEntries", [])
                    if entry["ContextKeyName"] in self.own
                ]
                effect = self.answers.get((action, resource, *context), "implicit-deny")
                if action in self.wrong:
                    effect = "implicit-deny" if effect == "allowed" else "allowed"
                results.append(self.result(action, resource, effect.replace("-d", "D")))
        start = int(parameters.get("Marker", 0))
        more = start + self.page < len(results)
        answer = {"EvaluationResults": results[start : start + self.page], "IsTruncated": more}
        return {**answer, "Marker": str(start + self.page)} if more else answer

    def result(self, action, resource, decision):
        organization = {"AllowedByOrganizations": action not in self.stopped}
        one = {"EvalActionName": action, "OrganizationsDecisionDetail": organization}
        if self.nested:
            specific = {"EvalResourceName": resource, "EvalResourceDecision": decision}
            return {**one, "EvalResourceName": "*", "EvalDecision": "implicitDeny",
                    "ResourceSpecificResults": [specific]}  # fmt: skip
        return {**one, "EvalResourceName": resource, "EvalDecision": decision}


def simulation(target, **options):
    found = probe_role(target, correct(target))
    simulator = Simulator(found, **options)
    checks = {check.id: check for check in check_simulation(simulator, ROLE_ARN, found)}
    return checks, simulator


@pytest.mark.parametrize("options", [{}, {"nested": True}, {"page": 1}])
def test_simulation_passes_when_aws_says_the_same_in_any_form(aws_environment, target, options):
    checks, simulator = simulation(target, **options)
    assert {check.status for check in checks.values()} == {"pass"}
    found = probe_role(target, correct(target))
    compared = [each for each in found if each.probe.allow or not each.probe.context]
    assert checks["simulation"].evidence == (f"{len(compared)} requests, same answers",)
    assert all(
        entry["ContextKeyValues"] for asked in simulator.asked
        for entry in asked.get("ContextEntries", [])
    )  # fmt: skip


def test_simulation_passes_every_key_that_the_documents_use(aws_environment, target):
    _, simulator = simulation(target)
    document = policy_document(target, account_id=ROLE_ARN.split(":")[4], region_name="us-east-1")
    used = {
        key
        for statement in document["Statement"]
        for tests in statement.get("Condition", {}).values()
        for key in tests
    } | {"aws:PrincipalAccount"}
    assert "s3:ResourceAccount" in used
    for asked in simulator.asked:
        passed = {entry["ContextKeyName"] for entry in asked["ContextEntries"]}
        assert used - {"s3:prefix"} <= passed
        if asked["ActionNames"] == ["s3:ListBucket"]:
            assert "s3:prefix" in passed or not any(
                entry["ContextKeyName"] == "s3:delimiter" for entry in asked["ContextEntries"]
            )


def test_simulation_fails_with_both_answers_when_aws_says_otherwise(aws_environment, target):
    checks, _ = simulation(target, wrong=("s3:GetObject",))
    assert checks["simulation"].status == "fail"
    assert any(
        "AWS says implicitDeny, the documents say allowed" in line
        for line in checks["simulation"].evidence
    )
    assert checks["scp"].status == "pass"


def test_simulation_is_unknown_when_not_all_policies_could_be_read(aws_environment, target):
    found = probe_role(target, replace(correct(target), identity=()))
    simulator = Simulator(probe_role(target, correct(target)))
    unread = {"attached policies": "AccessDenied: no"}
    check = check_simulation(simulator, ROLE_ARN, found, unread=unread)[0]
    assert check.status == "unknown"
    assert "attached policies" in check.evidence[0]


def test_simulation_names_the_organization_when_it_stops_a_request(aws_environment, target):
    checks, _ = simulation(target, stopped=("s3:PutObject",))
    assert checks["scp"].status == "fail"
    assert "ask the organization's administrators" in checks["scp"].fix


def test_simulation_is_unknown_when_the_operator_may_not_ask(aws_environment, target):
    denied = BusyAws(before={"simulate_principal_policy": [lambda: client_error("AccessDenied")]})
    found = probe_role(target, correct(target))
    checks = check_simulation(denied, ROLE_ARN, found)
    assert [check.status for check in checks] == ["unknown", "unknown"]
    assert "AccessDenied" in checks[0].evidence[0]


@pytest.mark.parametrize(
    ("kind", "status"),
    [("ERROR", "fail"), ("SECURITY_WARNING", "fail"), ("WARNING", "pass"), ("SUGGESTION", "pass")],
)
def test_analyzer_fails_the_policy_when_its_finding_is_grave(aws_environment, kind, status):
    class Analyzer(BusyAws):
        def _call(self, service, operation, parameters, *rest):
            finding = {"findingType": kind, "issueCode": "CODE", "findingDetails": "details"}
            return {"findings": [finding]}

    check = validate_policy(Analyzer(), {"Statement": []}, "us-east-1")
    assert (check.status, check.evidence) == (status, (f"{kind}: CODE: details",))


def test_analyzer_is_unknown_when_it_may_not_be_asked(aws_environment):
    denied = BusyAws(before={"validate_policy": [lambda: client_error("AccessDeniedException")]})
    assert validate_policy(denied, {"Statement": []}, "us-east-1").status == "unknown"


# Connectors -----------------------------------------------------------------------------------


class Redshift(BusyAws):
    def __init__(self, clusters=(), namespaces=(), error=None):
        super().__init__()
        self.clusters, self.namespaces, self.error = clusters, namespaces, error

    def _call(self, service, operation, parameters, *rest):
        if self.error:
            raise client_error(self.error)
        if operation == "describe_clusters":
            return {"Clusters": list(self.clusters)}
        return {"namespaces": list(self.namespaces)}


@pytest.mark.parametrize(
    ("redshift", "status", "words"),
    [
        ({"clusters": [{"ClusterIdentifier": "dwh", "IamRoles": [{"IamRoleArn": ROLE_ARN}]}]},
         "pass", "cluster dwh"),
        ({"namespaces": [{"namespaceName": "ns", "iamRoles": [f"IamRole(iamRoleArn={ROLE_ARN})"]}]},
         "pass", "namespace ns"),
        ({"clusters": [{"ClusterIdentifier": "dwh", "IamRoles": []}]},
         "unknown", "dwh in us-east-1 do not have it"),
        ({}, "unknown", "no cluster and no namespace in us-east-1"),
        ({"error": "AccessDenied"}, "unknown", "AccessDenied"),
    ],
)  # fmt: skip
def test_redshift_has_the_role_or_nobody_knows(aws_environment, target, redshift, status, words):
    situation = correct(target)
    sql = statements_for(target, ROLE_ARN, "us-east-1")
    checks = check_connectors(Redshift(**redshift), target, situation, sql)
    check = next(each for each in checks if each.id == "redshift_role_attached")
    assert check.status == status
    assert words in check.evidence[0]
    assert bool(check.fix) == (status != "pass")


def test_sql_fails_when_it_names_another_role(target):
    sql = statements_for(target, ROLE_ARN.replace("s3-access", "old"), "us-east-1")
    (check,) = check_sql_options(target, correct(target), sql)
    assert check.status == "fail"
    assert f"does not name {ROLE_ARN}" in " ".join(check.evidence)


def test_sql_passes_when_it_is_the_targets_own(target):
    sql = statements_for(target, ROLE_ARN, "us-east-1")
    assert [check.status for check in check_sql_options(target, correct(target), sql)] == ["pass"]


def test_check_is_frozen():
    with pytest.raises(AttributeError):
        Check("a", "b", "c", "pass").status = "fail"
