"""What is not ours stays as it is: each way in which a name was once taken for ownership."""

from __future__ import annotations

import json
import shutil

import pytest

from rwlib.aws.calls import policy_json
from rwlib.cloud.client import Cloud
from rwlib.errors import ConflictError, ForeignTrustError, InputError, RunbookError, ServiceError
from rwlib.runbook.runbook import Runbook
from rwlib.steps.changes import Change, ChangeSubject, Ledger
from rwlib.steps.ownership import (
    ID_TAG,
    check_tags,
    claim_key,
    claims_on,
    is_ours,
    principal_key,
    statement_key,
)
from rwlib.steps.step3_documents import REDSHIFT_SID, SID, trust_policy
from rwlib.target.target import Target
from tests.support.command_line import rwlib
from tests.support.example_names import ACCOUNT, ALLOW, CLUSTER, GLUE, ROLE
from tests.support.interference import BusyAws, client_error, writes

pytestmark = pytest.mark.slow


@pytest.fixture
def cloud(aws_environment, monkeypatch):
    """RisingWave Cloud's management API, with a key in the environment."""
    for name, value in aws_environment.environment().items():
        monkeypatch.setenv(name, value)
    return Cloud.from_environment()


def world(iam):
    """Everything in the customer's IAM, with ids, versions and tags."""
    found = {}
    for role in iam.list_roles()["Roles"]:
        name = role["RoleName"]
        detail = iam.get_role(RoleName=name)["Role"]
        attached = iam.list_attached_role_policies(RoleName=name)["AttachedPolicies"]
        found[f"role {name}"] = (
            detail["RoleId"],
            policy_json(detail["AssumeRolePolicyDocument"]),
            sorted((tag["Key"], tag["Value"]) for tag in detail.get("Tags", [])),
            sorted(each["PolicyArn"] for each in attached),
        )
    for policy in iam.list_policies(Scope="Local")["Policies"]:
        arn = policy["Arn"]
        detail = iam.get_policy(PolicyArn=arn)["Policy"]
        versions = {
            each["VersionId"]: policy_json(
                iam.get_policy_version(PolicyArn=arn, VersionId=each["VersionId"])["PolicyVersion"][
                    "Document"
                ]
            )
            for each in iam.list_policy_versions(PolicyArn=arn)["Versions"]
        }
        tags = sorted((tag["Key"], tag["Value"]) for tag in detail.get("Tags", []))
        found[f"policy {policy['PolicyName']}"] = (
            detail["PolicyId"], detail["DefaultVersionId"], versions, tags,
        )  # fmt: skip
    return found


def set_up(values, run_dir=None):
    book = Runbook.start({**values, "apply": True}, run_dir=run_dir)
    book.look()
    for number in range(1, 5):
        book.run_step(number)
    return book


def take_back(values, **more):
    return Runbook.start({**values, "apply": True}).tear_down(**more)


def role_of(iam, name=ROLE):
    return iam.get_role(RoleName=name)["Role"]


def trust_of(iam, name=ROLE):
    return policy_json(role_of(iam, name)["AssumeRolePolicyDocument"])


def put_trust(iam, *statements):
    document = {"Version": "2012-10-17", "Statement": list(statements)}
    iam.update_assume_role_policy(RoleName=ROLE, PolicyDocument=json.dumps(document))


def make_again(iam, values):
    """Delete role and policy, and make them again under their names with all their tags."""
    target = Target(**values)
    arn = target.policy_arn_in(ACCOUNT)
    role, policy = role_of(iam), iam.get_policy(PolicyArn=arn)["Policy"]
    document = iam.get_policy_version(PolicyArn=arn, VersionId="v1")["PolicyVersion"]["Document"]
    iam.detach_role_policy(RoleName=ROLE, PolicyArn=arn)
    iam.delete_role(RoleName=ROLE)
    iam.delete_policy(PolicyArn=arn)
    iam.create_role(
        RoleName=ROLE,
        AssumeRolePolicyDocument=json.dumps(policy_json(role["AssumeRolePolicyDocument"])),
        Tags=role["Tags"],
    )
    iam.create_policy(
        PolicyName=target.policy_name,
        PolicyDocument=json.dumps(policy_json(document)),
        Tags=policy["Tags"],
    )
    iam.attach_role_policy(RoleName=ROLE, PolicyArn=arn)


# 1 ---------------------------------------------------------------------------------------------


def test_policy_of_somebody_else_is_refused_and_keeps_all_its_versions(iam, example):
    name = Target(**example).policy_name
    arn = iam.create_policy(PolicyName=name, PolicyDocument=json.dumps(ALLOW))["Policy"]["Arn"]
    for number in range(4):
        document = {**ALLOW, "Id": f"v{number}"}
        iam.create_policy_version(PolicyArn=arn, PolicyDocument=json.dumps(document))
    before = world(iam)
    with pytest.raises(ConflictError, match=f"policy_name: '{name}' exists with another document"):
        set_up(example)
    book = Runbook.start({**example, "apply": True})
    with pytest.raises(ConflictError):
        book.run_step(1)
    assert (world(iam), writes(book.aws)) == (before, [])
    take_back(example)
    assert world(iam) == before


# 2 ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("runs_kept", [True, False], ids=["with runs", "without runs"])
def test_tear_down_keeps_what_was_made_again_under_the_same_names(iam, example, runs, runs_kept):
    set_up(example)
    make_again(iam, example)
    if not runs_kept:
        shutil.rmtree(runs)
    before = world(iam)
    left = take_back(example)
    assert (world(iam), left.changes) == (before, [])
    assert any(kept.startswith(f"role {ROLE}") for kept in left.kept)
    assert any(kept.startswith("policy ") and "not made by this" in kept for kept in left.kept)


def test_run_never_writes_a_policy_that_was_made_again(iam, example):
    set_up({**example, "policy_name": "orders"})
    make_again(iam, {**example, "policy_name": "orders"})
    before = world(iam)
    with pytest.raises(ConflictError, match="was not made by this runbook"):
        set_up({**example, "policy_name": "orders", "connectors": ["s3_source"]})
    assert world(iam) == before


@pytest.mark.parametrize("tag", [("managed-by", "terraform"), ("ManagedBy", "pulumi"),
                                 ("managed_by", "team"), ("Managed By", "x")])  # fmt: skip
def test_tear_down_keeps_what_somebody_else_says_they_manage(iam, example, tag):
    set_up(example)
    arn = Target(**example).policy_arn_in(ACCOUNT)
    tags = [{"Key": tag[0], "Value": tag[1]}]
    iam.tag_role(RoleName=ROLE, Tags=tags)
    iam.tag_policy(PolicyArn=arn, Tags=tags)
    take_back(example)
    assert role_of(iam)["RoleName"] == ROLE
    assert iam.get_policy(PolicyArn=arn)


def test_a_ledger_about_another_id_is_no_ownership(tmp_path):
    ledger = Ledger(tmp_path / "1" / "ledger.jsonl")
    arn = f"arn:aws:iam::{ACCOUNT}:role/{ROLE}"
    ledger.done(Change("create", ChangeSubject.ROLE, arn), id="AROAFIRST")
    assert is_ours({"Arn": arn, "RoleId": "AROAFIRST"}, ledger)
    assert not is_ours({"Arn": arn, "RoleId": "AROASECOND"}, ledger)
    tags = [{"Key": "managed-by", "Value": "risingwave-iam-runbook"}]
    copied = [*tags, {"Key": ID_TAG, "Value": "AROAFIRST"}]
    assert not is_ours({"Arn": arn, "RoleId": "AROASECOND", "Tags": tags}, ledger)
    assert not is_ours({"Arn": arn, "RoleId": "AROASECOND", "Tags": copied}, ledger)
    foreign = [{"Key": "managed-by", "Value": "terraform"}]
    assert not is_ours({"Arn": arn, "RoleId": "AROAFIRST", "Tags": foreign}, ledger)


@pytest.mark.parametrize("kind", ["policy", "role"])
def test_what_a_stopped_run_made_is_known_by_the_nonce_in_its_ledger(iam, example, kind):
    operation = "tag_policy" if kind == "policy" else "tag_role"

    class StoppedError(BaseException):
        pass

    def stop():
        raise StoppedError

    book = Runbook.start({**example, "apply": True})
    book.aws = BusyAws(before={operation: [stop]})
    with pytest.raises(StoppedError):
        [book.run_step(number) for number in (1, 2, 3)]
    set_up(example)
    take_back(example)
    assert f"role {ROLE}" not in world(iam)
    assert not any("risingwave" in name for name in world(iam))


# 3 ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change",
    [{"connectors": ["s3_source"]}, {"prefix": "risingwave2"}, {"bucket": "acme-frankfurt"},
     {"role_name": "other"}, {"name": "second"}],
)  # fmt: skip
def test_default_policy_names_differ_when_a_deciding_field_does(example, change):
    assert Target(**example).policy_name != Target(**{**example, **change}).policy_name


@pytest.mark.parametrize(
    "change",
    [{"policy_style": "documented"}, {"glue_database": "lake"},
     {"kms_key_arn": f"arn:aws:kms:us-east-1:{ACCOUNT}:key/1234abcd-12ab-34cd-56ef-1234567890ab"},
     {"sql_options": {"iceberg_sink": {"table.name": "t"}}}],
)  # fmt: skip
def test_default_names_of_targets_without_a_name_differ_by_every_deciding_field(example, change):
    unnamed = {**example, "name": "", "connectors": ["iceberg_sink"]}
    first, second = Target(**unnamed), Target(**{**unnamed, **change})
    assert (first.policy_name != second.policy_name, first.name != second.name) == (True, True)


def test_default_names_of_long_fields_do_not_collide(example):
    long = {**example, "name": "", "role_name": "r" * 64, "bucket": "b" * 63}
    names = {Target(**{**long, "prefix": prefix}).name for prefix in ("a", "b", "c")}
    assert len(names) == 3


def test_two_targets_with_other_connectors_do_not_share_a_policy(iam, example):
    second = {**example, "name": "second", "connectors": ["s3_source"]}
    set_up(example)
    first_policy = world(iam)[f"policy {Target(**example).policy_name}"]
    set_up(second)
    assert world(iam)[f"policy {Target(**example).policy_name}"] == first_policy
    take_back(second)
    assert world(iam)[f"policy {Target(**example).policy_name}"] == first_policy
    assert world(iam)[f"role {ROLE}"][3] == [Target(**example).policy_arn_in(ACCOUNT)]
    assert trust_of(iam) == trust_policy(example["workload_identity_arn"], ["redshift"])


@pytest.mark.parametrize("change", [{"bucket": "acme-frankfurt", "role_name": "r2"}, {}])
def test_a_policy_of_another_target_is_refused(iam, example, change):
    set_up({**example, "policy_name": "shared"})
    before = world(iam)
    with pytest.raises(ConflictError, match="'shared' belongs to target orders; give this"):
        set_up({**example, **change, "name": "second", "policy_name": "shared"})
    assert world(iam) == before


# 4 ---------------------------------------------------------------------------------------------


def test_principal_stays_while_another_target_of_the_cluster_needs_it(iam, cloud, example):
    first = {**example, "cluster_id": CLUSTER}
    second = {**first, "name": "second", "prefix": "elsewhere"}
    arn = f"arn:aws:iam::{ACCOUNT}:role/{ROLE}"
    before, listed = world(iam), list(cloud.allowed_iam_roles(CLUSTER).role_arns)
    set_up(first)
    set_up(second)
    left = take_back(first)
    assert arn in cloud.allowed_iam_roles(CLUSTER).role_arns
    assert any("allowed principal" in kept and "(second)" in kept for kept in left.kept)
    assert left.left == []
    # With the other's policy detached for a moment, the claim still speaks.
    iam.detach_role_policy(RoleName=ROLE, PolicyArn=Target(**second).policy_arn_in(ACCOUNT))
    take_back(first)
    assert f"role {ROLE}" in world(iam)
    take_back(second)
    assert list(cloud.allowed_iam_roles(CLUSTER).role_arns) == listed
    assert world(iam) == before


def test_each_claim_is_a_tag_of_its_own(iam, example):
    set_up(example)
    set_up({**example, "name": "second", "prefix": "elsewhere"})
    tags = {tag["Key"]: tag["Value"] for tag in role_of(iam)["Tags"]}
    assert {claim_key("orders"), claim_key("second")} <= set(tags)
    assert {claim.target for claim in claims_on(role_of(iam))} == {"orders", "second"}


def test_a_copied_claim_on_another_role_is_none(iam, example):
    set_up(example)
    make_again(iam, example)
    assert claims_on(role_of(iam)) == []


def test_claims_are_refused_before_any_write_when_the_role_has_too_many_tags(iam, example):
    tags = [{"Key": f"k{number}", "Value": "v"} for number in range(50)]
    trust = {"Version": "2012-10-17", "Statement": [GLUE]}
    iam.create_role(RoleName=ROLE, AssumeRolePolicyDocument=json.dumps(trust), Tags=tags)
    before = world(iam)
    with pytest.raises(InputError, match=r"51 tags.*AWS allows 50"):
        set_up(example)
    assert world(iam) == before


@pytest.mark.parametrize("tags", [{"a,b": "x"}, {"a": "x;y"}, {"k" * 129: "v"}, {"k": "v" * 257}])
def test_tags_that_iam_does_not_allow_are_refused(tags):
    with pytest.raises(InputError, match="cannot be a tag of role r"):
        check_tags({}, tags, "role r")


# 5 ---------------------------------------------------------------------------------------------


OWN = {
    "Sid": SID,
    "Effect": "Allow",
    "Principal": {"AWS": "arn:aws:iam::444455556666:role/g1jk13sq56ejdref71h1cvokbh-role"},
    "Action": "sts:AssumeRole",
}


@pytest.mark.parametrize(
    "statement",
    [
        {**OWN, "Effect": "Deny"},
        {**OWN, "Condition": {"StringEquals": {"aws:SourceVpc": "vpc-1"}}},
        {**OWN, "Principal": {"AWS": "arn:aws:iam::444455556666:role/other-cluster-role"}},
    ],
)
def test_a_statement_with_our_sid_that_we_did_not_write_is_refused(iam, example, statement):
    trust = {"Version": "2012-10-17", "Statement": [GLUE, statement]}
    iam.create_role(RoleName=ROLE, AssumeRolePolicyDocument=json.dumps(trust))
    before = world(iam)
    with pytest.raises(ForeignTrustError, match="is not what this runbook writes"):
        set_up(example)
    take_back(example)
    assert world(iam) == before


def test_a_redshift_statement_of_somebody_else_stays(iam, example):
    copy = {**GLUE, "Sid": REDSHIFT_SID, "Principal": {"Service": "redshift.amazonaws.com"}}
    trust = {"Version": "2012-10-17", "Statement": [GLUE, copy]}
    iam.create_role(RoleName=ROLE, AssumeRolePolicyDocument=json.dumps(trust))
    before = world(iam)
    values = {**example, "connectors": ["s3_sink"]}
    set_up(values)
    take_back(values)
    assert world(iam) == before


def test_a_statement_that_somebody_changed_stays(iam, example):
    trust = {"Version": "2012-10-17", "Statement": [GLUE]}
    iam.create_role(RoleName=ROLE, AssumeRolePolicyDocument=json.dumps(trust))
    set_up({**example, "connectors": ["s3_sink"]})
    changed = {**OWN, "Condition": {"IpAddress": {"aws:SourceIp": "192.0.2.0/24"}}}
    put_trust(iam, GLUE, changed)
    take_back({**example, "connectors": ["s3_sink"]})
    assert trust_of(iam)["Statement"] == [GLUE, changed]


def test_a_target_with_another_workload_identity_replaces_its_own_statement(iam, example, runs):
    set_up(example)
    other = "arn:aws:iam::444455556666:role/other-cluster-role"
    shutil.rmtree(runs)
    set_up({**example, "workload_identity_arn": other})
    assert trust_of(iam) == trust_policy(other, ["redshift"])
    keys = {tag["Key"] for tag in role_of(iam)["Tags"]}
    assert statement_key(OWN) not in keys
    assert {statement_key(each) for each in trust_of(iam)["Statement"]} <= keys


# 6 ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("runs_kept", [True, False], ids=["with runs", "without runs"])
@pytest.mark.parametrize("moment", ["before", "after"])
def test_principal_is_ours_when_step_4_was_stopped(
    iam, cloud, example, runs, monkeypatch, moment, runs_kept
):
    values = {**example, "cluster_id": CLUSTER}
    before, listed = world(iam), list(cloud.allowed_iam_roles(CLUSTER).role_arns)

    class StoppedError(BaseException):
        pass

    real = Cloud.add_allowed_role

    def stopped(self, *arguments, **more):
        if moment == "after":
            real(self, *arguments, **more)
        raise StoppedError

    with monkeypatch.context() as patch:
        patch.setattr(Cloud, "add_allowed_role", stopped)
        with pytest.raises(StoppedError):
            set_up(values)
    set_up(values)
    if not runs_kept:
        shutil.rmtree(runs)
    take_back(values)
    assert list(cloud.allowed_iam_roles(CLUSTER).role_arns) == listed
    assert world(iam) == before


def test_principal_that_somebody_else_added_stays(iam, cloud, example):
    arn = f"arn:aws:iam::{ACCOUNT}:role/{ROLE}"
    cloud.add_allowed_role(CLUSTER, arn)
    set_up({**example, "cluster_id": CLUSTER})
    assert principal_key(CLUSTER) not in {tag["Key"] for tag in role_of(iam)["Tags"]}
    left = take_back({**example, "cluster_id": CLUSTER})
    assert arn in cloud.allowed_iam_roles(CLUSTER).role_arns
    assert any("not added by this runbook" in kept for kept in left.kept)


# 7 ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change",
    [{"prefix": "elsewhere"}, {"bucket": "acme-frankfurt"}, {"connectors": ["s3_source"]}],
)
@pytest.mark.parametrize("runs_kept", [True, False], ids=["with runs", "without runs"])
def test_what_a_changed_target_does_not_ask_for_is_shown_and_taken_away(
    iam, example, runs, change, runs_kept
):
    before = world(iam)
    set_up(example)
    if not runs_kept:
        shutil.rmtree(runs)
    changed = {**example, **change}
    verdict = Runbook.start(changed).verify_live()
    assert "left_over" in {check.id for check in verdict if check.status == "fail"}
    book = Runbook.start(changed)
    book.look()
    planned = [each for step in book.steps.values() for each in step.changes]
    old = Target(**example).policy_arn_in(ACCOUNT)
    assert ("delete", "IAM policy", old) in {(e.action, e.resource, e.name) for e in planned}
    set_up(changed)
    attached = world(iam)[f"role {ROLE}"][3]
    assert attached == [Target(**changed).policy_arn_in(ACCOUNT)]
    assert f"policy {Target(**example).policy_name}" not in world(iam)
    wanted = trust_policy(example["workload_identity_arn"], changed["connectors"])
    assert trust_of(iam) == wanted
    assert "left_over" not in {check.id for check in Runbook.start(changed).verify_live()}
    take_back(changed)
    assert world(iam) == before


def test_a_policy_that_another_target_claims_is_not_left_over(iam, example):
    set_up(example)
    set_up({**example, "name": "second", "prefix": "elsewhere"})
    set_up({**example, "name": "second", "prefix": "third"})
    policies = {
        Target(**example).policy_arn_in(ACCOUNT),
        Target(**{**example, "name": "second", "prefix": "third"}).policy_arn_in(ACCOUNT),
    }
    assert set(world(iam)[f"role {ROLE}"][3]) == policies


def test_redshift_stays_trusted_while_another_target_needs_it(iam, example):
    second = {**example, "name": "second", "prefix": "elsewhere"}
    set_up(example)
    set_up(second)
    set_up({**example, "connectors": ["s3_sink"]})
    assert REDSHIFT_SID in json.dumps(trust_of(iam))
    take_back(second)
    assert REDSHIFT_SID not in json.dumps(trust_of(iam))


def test_a_role_made_under_another_name_is_named_until_it_is_taken_back(iam, example, runs):
    before = world(iam)
    set_up(example)
    renamed = {**example, "role_name": "another-name"}
    set_up(renamed)
    left = take_back(renamed)
    assert "role another-name" not in world(iam)
    assert [f"role/{ROLE}: an earlier run made it" in each for each in left.left] == [True]
    book = Runbook.start({**renamed, "apply": True})
    book.aws = BusyAws(before={"get_role": [lambda: None, lambda: client_error("AccessDenied")]})
    assert ["not looked at" in each for each in book.tear_down().left] == [True]
    assert take_back(example).left == []
    assert world(iam) == before
    assert take_back(renamed).left == []


# 8 ---------------------------------------------------------------------------------------------


def test_stale_principals_are_named_and_removed_on_request_only(iam, cloud, example):
    stale = f"arn:aws:iam::{ACCOUNT}:role/long-gone"
    elsewhere = "arn:aws:iam::777788889999:role/not-ours-to-see"
    iam.create_role(
        RoleName="etl", AssumeRolePolicyDocument=json.dumps({**ALLOW, "Statement": [GLUE]})
    )
    there = f"arn:aws:iam::{ACCOUNT}:role/etl"
    for arn in (stale, elsewhere, there):
        cloud.add_allowed_role(CLUSTER, arn)
    values = {**example, "cluster_id": CLUSTER}
    left = take_back(values)
    assert any(stale in kept and "--stale-principals" in kept for kept in left.kept)
    assert stale in cloud.allowed_iam_roles(CLUSTER).role_arns
    take_back(values, stale_principals=True)
    found = cloud.allowed_iam_roles(CLUSTER).role_arns
    assert (stale in found, elsewhere in found, there in found) == (False, True, True)


class Engine:
    """A RisingWave that knows names only."""

    def __init__(self, **found):
        self.found = found
        self.ran = []

    def execute(self, sql):
        self.ran.append(sql)

    def rows(self, sql):
        kind = sql.rpartition("rw_")[2].removesuffix("s")
        return [(name,) for name in self.found.get(kind, ())]


def test_sql_is_named_at_the_tear_down_and_dropped_on_request(aws_environment, example, runs):
    ledger = Ledger(runs / "1" / "ledger.jsonl", target="orders")
    for kind, name in (("secret", "key"), ("sink", "Orders"), ("sink", "gone")):
        change = Change("create", f"RisingWave {kind}", name)
        ledger.intend(change)
        ledger.done(change)
    other = Ledger(runs / "2" / "ledger.jsonl", target="second")
    other.done(Change("create", "RisingWave sink", "theirs"))
    left = take_back(example)
    assert [kept for kept in left.kept if "--drop-sql" in kept] == [
        f"{what} in RisingWave: --drop-sql drops it"
        for what in ("sink gone", "sink Orders", "secret key")
    ]
    engine = Engine(sink=["Orders", "theirs", "users"], secret=["key"])
    book = Runbook.start({**example, "apply": True})
    book._risingwave = engine
    book.tear_down(drop_sql=True)
    assert engine.ran == ['DROP SINK "Orders"', 'DROP SECRET "key"']
    assert not any("--drop-sql" in kept for kept in take_back(example).kept if "gone" not in kept)


# 9 ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "operation",
    ["list_policy_versions", "list_entities_for_policy", "list_attached_role_policies",
     "list_role_policies", "get_policy", "get_role"],
)  # fmt: skip
def test_tear_down_writes_nothing_when_it_may_not_look(iam, example, operation):
    set_up(example)
    before = world(iam)
    book = Runbook.start({**example, "apply": True})
    book.aws = BusyAws(before={operation: [lambda: client_error("AccessDenied")] * 9})
    with pytest.raises(ServiceError, match="AccessDenied"):
        book.tear_down()
    assert (world(iam), writes(book.aws)) == (before, [])


@pytest.mark.parametrize("operation", ["detach_role_policy", "delete_role", "delete_policy"])
def test_tear_down_can_be_repeated_when_a_write_was_refused(iam, example, runs, operation):
    before = world(iam)
    set_up(example)
    shutil.rmtree(runs)
    book = Runbook.start({**example, "apply": True})
    book.aws = BusyAws(before={operation: [lambda: client_error("AccessDenied")]})
    with pytest.raises(ServiceError) as caught:
        book.tear_down()
    assert caught.value.exit_code == 4
    take_back(example)
    assert world(iam) == before


def test_exit_code_tells_that_something_is_left(iam, example, tmp_path):
    path = tmp_path / "target.yaml"
    path.write_text(json.dumps(example))
    set_up(example)
    iam.put_role_policy(RoleName=ROLE, PolicyName="etl", PolicyDocument=json.dumps(ALLOW))
    assert rwlib("teardown", "--target", path)[0] == 0
    code, out, _ = rwlib("teardown", "--target", path, "--apply")
    assert code == 1
    assert f"Left: role {ROLE} still trusts RisingWave" in out
    iam.delete_role_policy(RoleName=ROLE, PolicyName="etl")
    assert rwlib("teardown", "--target", path, "--apply")[0] == 0
    assert f"role {ROLE}" not in world(iam)


def test_headless_tear_down_fails_while_something_is_left(iam, example):
    set_up(example)
    iam.put_role_policy(RoleName=ROLE, PolicyName="etl", PolicyDocument=json.dumps(ALLOW))
    book = Runbook.start({**example, "apply": True})
    book.tear_down()
    with pytest.raises(RunbookError, match="still there"):
        book.require_torn_down(book.tear_down())


def test_version_that_somebody_wrote_into_our_policy_is_kept_and_named(iam, example, runs):
    set_up(example)
    arn = Target(**example).policy_arn_in(ACCOUNT)
    iam.create_policy_version(PolicyArn=arn, PolicyDocument=json.dumps(ALLOW))
    for without_runs in (False, True):
        if without_runs:
            shutil.rmtree(runs, ignore_errors=True)
        found = take_back(example)
        (kept,) = [each for each in found.left if "policy" in each]
        assert "somebody else wrote version v2" in kept
        versions = iam.list_policy_versions(PolicyArn=arn)["Versions"]
        assert {each["VersionId"] for each in versions} == {"v1", "v2"}
    iam.delete_policy_version(PolicyArn=arn, VersionId="v2")
    assert take_back(example).left == []
    assert arn not in {each["Arn"] for each in iam.list_policies(Scope="Local")["Policies"]}


def test_version_that_somebody_wrote_is_not_the_one_that_makes_room(iam, example, runs):
    values = {**example, "policy_name": "orders"}
    arn = f"arn:aws:iam::{ACCOUNT}:policy/orders"
    set_up(values)
    for number in range(4):
        theirs = {**ALLOW, "Id": f"n{number}"}
        iam.create_policy_version(PolicyArn=arn, PolicyDocument=json.dumps(theirs))
    with pytest.raises(ConflictError, match="somebody else wrote v2, v3, v4, v5"):
        set_up({**values, "prefix": "elsewhere"})
    iam.delete_policy_version(PolicyArn=arn, VersionId="v3")
    set_up({**values, "prefix": "elsewhere"})
    set_up_again = {each["VersionId"] for each in
                    iam.list_policy_versions(PolicyArn=arn)["Versions"]}  # fmt: skip
    assert {"v2", "v4", "v5"} <= set_up_again
