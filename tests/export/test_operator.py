"""The operator's policy: enough for the job, and not one action more."""

from __future__ import annotations

import fnmatch
import io
import itertools
import json

import boto3
import pytest
import yaml

from rwlib.batch.options import Options
from rwlib.batch.runner import run_batch
from rwlib.errors import InputError, RunbookError
from rwlib.export.operator import PURPOSES, operator_policy
from rwlib.runbook import Runbook
from rwlib.target.target import Target
from tests.support import operator_calls, places

CUSTOMER = "111122223333"
VALUES = {
    **yaml.safe_load((places.ROOT / "examples" / "redshift.yaml").read_text()),
    "run_sql": False,
}


@pytest.fixture
def as_operator(aws_environment, monkeypatch, tmp_path):
    """Act as a user who has exactly the given policy."""
    monkeypatch.chdir(tmp_path)
    for name, value in aws_environment.environment().items():
        monkeypatch.setenv(name, value)
    iam = boto3.client("iam")
    iam.create_user(UserName="operator")
    made = iam.create_access_key(UserName="operator")["AccessKey"]

    numbers = itertools.count()

    def act(document):
        # A managed one: what is written into a user may have 2,048 characters.
        least = iam.create_policy(
            PolicyName=f"least-{next(numbers)}", PolicyDocument=json.dumps(document)
        )["Policy"]["Arn"]
        there = iam.list_attached_user_policies(UserName="operator")["AttachedPolicies"]
        for before in there:
            iam.detach_user_policy(UserName="operator", PolicyArn=before["PolicyArn"])
        iam.attach_user_policy(UserName="operator", PolicyArn=least)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", made["AccessKeyId"])
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", made["SecretAccessKey"])

    return act


def run(values=VALUES):
    book = Runbook.start({**values, "apply": True})
    book.look()
    for number in range(1, 6):
        book.run_step(number)
    return book.verify()


def verify():
    return Runbook.start({**VALUES, "apply": False}).verify_live()


def tear_down(values=VALUES):
    book = Runbook.start({**values, "apply": True})
    book.tear_down()
    book.require_torn_down(book.tear_down())


def policy(purpose, without="", values=VALUES):
    document = operator_policy(Target(**values), purpose, account_id=CUSTOMER)
    kept = []
    for statement in document["Statement"]:
        actions = statement["Action"]
        actions = [actions] if isinstance(actions, str) else actions
        left = [each for each in actions if each != without]
        if left:
            kept.append({**statement, "Action": left})
    return {**document, "Statement": kept}


def actions(purpose, values=VALUES):
    document = policy(purpose, values=values)
    return sorted({action for statement in document["Statement"] for action in statement["Action"]})


def statement_for(action):
    """How a missing permission is answered."""
    return f'add to the operator\'s policy: {{"Effect": "Allow", "Action": "{action}"'


# --- What stands in the account when the operator comes; each returns what is asked for then.


def nothing():
    return VALUES


def another_document():
    """Its policy, which has a name of its own, holds another document."""
    named = {**VALUES, "policy_name": "orders-access"}
    run(named)
    return {**named, "prefix": "risingwave/other"}


def five_versions():
    """No version more fits into its policy."""
    named = {**VALUES, "policy_name": "orders-access"}
    for number in range(5):
        Runbook.start({**named, "prefix": f"p{number}", "apply": True}).run_step(1)
    return {**named, "prefix": "p6"}


def another_policy():
    """Its connectors were others, so that its policy had another name."""
    run({**VALUES, "connectors": ["s3_source"], "sql_options": {}})
    return VALUES


def other_settings():
    """It had no boundary, and a shorter session."""
    run()
    return {**BOUNDED, "max_session_duration": 7200}


def deny(action):
    statement = {"Effect": "Deny", "Action": action, "Resource": "*"}
    return {"Version": "2012-10-17", "Statement": [statement]}


def a_role_of_somebody_else():
    """The role is there, with a policy written into it."""
    iam = boto3.client("iam")
    document = {"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"},
         "Action": "sts:AssumeRole"}
    ]}  # fmt: skip
    iam.create_role(RoleName=VALUES["role_name"], AssumeRolePolicyDocument=json.dumps(document))
    iam.put_role_policy(
        RoleName=VALUES["role_name"], PolicyName="theirs",
        PolicyDocument=json.dumps(deny("ec2:*")),
    )  # fmt: skip
    return VALUES


def less_than_before():
    """Somebody else's role has a statement for Redshift that nobody needs any more."""
    a_role_of_somebody_else()
    run()
    return {**VALUES, "connectors": ["s3_sink"], "sql_options": {"from": "orders"}}


def a_bucket_with_a_key():
    key = boto3.client("s3").get_bucket_encryption(Bucket="acme-encrypted")[
        "ServerSideEncryptionConfiguration"
    ]["Rules"][0]["ApplyServerSideEncryptionByDefault"]["KMSMasterKeyID"]
    return {**VALUES, "bucket": "acme-encrypted", "kms_key_arn": key}


def a_key_that_only_a_grant_opens():
    """Its key policy lets nobody use it: whether a grant does is what is looked for."""
    values = a_bucket_with_a_key()
    document = {"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{CUSTOMER}:root"}, "Resource": "*",
         "Action": ["kms:Describe*", "kms:Get*", "kms:List*", "kms:Put*"]}
    ]}  # fmt: skip
    boto3.client("kms", region_name="eu-central-1").put_key_policy(
        KeyId=values["kms_key_arn"], PolicyName="default", Policy=json.dumps(document)
    )
    return values


BOUNDARY = "arn:aws:iam::aws:policy/AdministratorAccess"
BOUNDED = {**VALUES, "permissions_boundary_arn": BOUNDARY}
# Where an action is called that a new set-up needs not.
CALLED_IN = {
    **dict.fromkeys(("iam:CreatePolicyVersion", "iam:ListPolicyVersions"), another_document),
    "iam:DeletePolicyVersion": five_versions,
    **dict.fromkeys(
        ("iam:DeletePolicy", "iam:DetachRolePolicy", "iam:ListEntitiesForPolicy"), another_policy
    ),
    **dict.fromkeys(("iam:PutRolePermissionsBoundary", "iam:UpdateRole"), other_settings),
    **dict.fromkeys(("iam:GetRolePolicy", "iam:UpdateAssumeRolePolicy"), a_role_of_somebody_else),
    "iam:UntagRole": less_than_before,
    **dict.fromkeys(("kms:DescribeKey", "kms:GetKeyPolicy"), a_bucket_with_a_key),
    "kms:ListGrants": a_key_that_only_a_grant_opens,
}
SCENES = [nothing, *dict.fromkeys(CALLED_IN.values())]
SCENES.remove(a_key_that_only_a_grant_opens)


@pytest.mark.slow
def test_each_job_is_done_with_exactly_its_policy(as_operator):
    as_operator(policy("run"))
    checks = run()
    assert [check.id for check in checks if check.status == "fail"] == []
    as_operator(policy("verify"))
    again = verify()
    assert [check.id for check in again if check.status == "fail"] == []
    denied = [check.id for check in again if "AccessDenied" in " ".join(check.evidence)]
    assert denied == []
    as_operator(policy("teardown"))
    tear_down()


def what_verification_says():
    """The one sentence with which it ends, or the evidence of what is unknown."""
    try:
        checks = verify()
    except RunbookError as error:
        return str(error)
    return " ".join(" ".join(check.evidence) for check in checks if check.status == "unknown")


# What a verification calls only where something is not as asked for.
ON_A_DIFFERENCE = {"iam:ListPolicyVersions"}
# What it calls only where the role has more than this runbook gave it.
ON_MORE = {"iam:GetRolePolicy"}


@pytest.mark.slow
@pytest.mark.parametrize("action", sorted(ON_A_DIFFERENCE))
def test_an_action_that_is_missing_is_named_where_something_differs(
    action, as_operator, monkeypatch
):
    monkeypatch.setitem(VALUES, "policy_name", "orders-access")
    run()
    as_operator(policy("verify", without=action))
    other = {**VALUES, "connectors": ["s3_source"], "sql_options": {}}
    found = Runbook.start({**other, "apply": False}).verify_live()
    said = " ".join(line for check in found for line in check.evidence)
    assert f'add to the operator\'s policy: {{"Effect": "Allow", "Action": "{action}"' in said, said


@pytest.mark.slow
@pytest.mark.parametrize("action", sorted(set(actions("verify")) - ON_A_DIFFERENCE - ON_MORE))
def test_an_action_that_is_missing_is_named(action, as_operator):
    run()
    as_operator(policy("verify", without=action))
    said = what_verification_says()
    # As the statement that gives it, whatever AWS itself says.
    assert f'add to the operator\'s policy: {{"Effect": "Allow", "Action": "{action}"' in said, said


@pytest.mark.slow
@pytest.mark.parametrize("action", sorted(ON_MORE))
def test_an_action_that_is_missing_is_named_where_the_role_has_more(action, as_operator):
    run()
    boto3.client("iam").put_role_policy(
        RoleName=VALUES["role_name"], PolicyName="theirs",
        PolicyDocument=json.dumps(deny("ec2:*")),
    )  # fmt: skip
    as_operator(policy("verify", without=action))
    said = what_verification_says()
    assert f'add to the operator\'s policy: {{"Effect": "Allow", "Action": "{action}"' in said, said


def what_running_says(values=VALUES):
    """The one sentence with which it ends, or the evidence of what is unknown."""
    try:
        checks = run(values)
    except RunbookError as error:
        return str(error)
    return " ".join(" ".join(check.evidence) for check in checks if check.status == "unknown")


IN_A_RUN = sorted(
    set(actions("run"))
    | {"iam:PutRolePermissionsBoundary", "kms:DescribeKey", "kms:GetKeyPolicy", "kms:ListGrants"}
)


@pytest.mark.parametrize(
    "scene",
    [
        pytest.param(
            each,
            id=each.__name__,
            marks=pytest.mark.slow if each is a_role_of_somebody_else else pytest.mark.long,
        )
        for each in SCENES
    ],
)
def test_each_state_is_brought_to_what_is_asked_for_with_exactly_the_policy_of_a_run(
    scene, as_operator
):
    values = scene()
    as_operator(policy("run", values=values))
    said = [line for check in run(values) for line in check.evidence]
    assert [line for line in said if "AccessDenied" in line] == []
    as_operator(policy("teardown", values=values))
    tear_down(values)


@pytest.mark.parametrize(
    "action",
    [
        pytest.param(
            each,
            marks=pytest.mark.slow
            if each in ("iam:TagRole", "iam:AttachRolePolicy", "iam:GetRolePolicy")
            else pytest.mark.long,
        )
        for each in IN_A_RUN
    ],
)
def test_an_action_that_is_missing_from_a_run_is_named(action, as_operator):
    values = CALLED_IN.get(action, nothing)()
    as_operator(policy("run", without=action, values=values))
    said = what_running_says(values)
    assert statement_for(action) in said, said


def too_many_policies():
    a_role_of_somebody_else()
    iam = boto3.client("iam")
    for number in range(10):
        arn = iam.create_policy(
            PolicyName=f"theirs-{number}", PolicyDocument=json.dumps(deny("ec2:*"))
        )["Policy"]["Arn"]
        iam.attach_role_policy(RoleName=VALUES["role_name"], PolicyArn=arn)
    return VALUES


def too_long_a_policy():
    return {**VALUES, "prefix": f"p{'*' * 400}x"}  # four characters each in a policy


@pytest.mark.parametrize(
    "scene",
    [
        pytest.param(too_many_policies, marks=pytest.mark.slow),
        pytest.param(too_long_a_policy, marks=pytest.mark.long),
    ],
)
def test_quota_that_may_not_be_read_is_named_where_it_decides(scene, as_operator):
    # Asked only past AWS's default, and for the whole account: no part of the least policy.
    values = scene()
    as_operator(policy("run", values=values))
    said = what_running_says(values)
    assert "by default; whether more in this account could not be read" in said
    assert statement_for("iam:GetAccountSummary") in said


@pytest.mark.slow
def test_tear_down_that_lacks_an_action_says_so_and_can_be_repeated(as_operator):
    run()
    # Each is called after the one before it was done.
    for action in ("iam:ListPolicyVersions", "iam:DetachRolePolicy", "iam:DeleteRole"):
        as_operator(policy("teardown", without=action))
        with pytest.raises(RunbookError) as caught:
            tear_down()
        assert f'"Action": "{action}"' in str(caught.value)
    as_operator(policy("teardown"))
    tear_down()


TAKEN_BACK = {
    **dict.fromkeys(("iam:UntagRole", "iam:UpdateAssumeRolePolicy"), a_role_of_somebody_else),
    "iam:DeletePolicyVersion": another_document,
}


@pytest.mark.parametrize(
    "action",
    [pytest.param(each, marks=pytest.mark.long) for each in actions("teardown")],
)
def test_an_action_that_is_missing_from_a_tear_down_is_named(action, as_operator):
    values = TAKEN_BACK.get(action, nothing)()
    run(values)
    as_operator(policy("teardown", without=action, values=values))
    with pytest.raises(RunbookError) as caught:
        tear_down(values)
    assert statement_for(action) in str(caught.value)


@pytest.fixture
def batch(as_operator, tmp_path):
    """Run one target as a batch: what its row says, and the policies for all that a batch does."""
    rows = tmp_path / "targets.jsonl"

    def run_one(document, values=VALUES):
        rows.write_text(json.dumps({**values, "apply": True}) + "\n", encoding="utf-8")
        as_operator(document)
        notebook = places.ROOT / "notebooks" / "runbook.ipynb"
        result = run_batch(
            Options(targets=rows, notebook=notebook, workers=1, apply=True),
            io.StringIO(),
        )
        summary = max(tmp_path.rglob("summary.json"), key=lambda path: path.stat().st_mtime_ns)
        (target,) = json.loads(summary.read_text("utf-8"))["targets"]
        return result.exit_code, target

    return run_one


@pytest.mark.slow
def test_batch_is_done_with_exactly_the_policy_of_a_run(batch):
    code, target = batch(policy("run"))
    assert code in (0, 3), target
    assert "AccessDenied" not in json.dumps(target)


@pytest.mark.parametrize(
    "action",
    [
        pytest.param(
            each,
            marks=pytest.mark.slow
            if each in ("iam:CreateRole", "s3:GetBucketPolicy")
            else pytest.mark.long,
        )
        for each in IN_A_RUN
    ],
)
def test_an_action_that_is_missing_from_a_batch_is_named(action, batch):
    values = CALLED_IN.get(action, nothing)()
    code, target = batch(policy("run", without=action, values=values), values)
    assert code in (0, 1, 3, 4)
    said = [target["problem"], *target["not_seen"]]
    assert any(statement_for(action) in each for each in said), target


def pasted(said: str) -> list[dict]:
    """The statements that a sentence says to add."""
    parts = said.split("add to the operator's policy: ")[1:]
    return [json.JSONDecoder().raw_decode(each)[0] for each in parts]


def grown(do, as_operator, statements):
    """Do a job again and again, each time with what the last time said was missing."""
    added = []
    for _ in range(60):
        document = {"Version": "2012-10-17", "Statement": [*statements, *added]}
        said = do(document) if as_operator is None else (as_operator(document), do())[1]
        new = [each for each in pasted(said) if each not in added]
        if not new:
            assert "AccessDenied" not in said, said
            return added
        added += [each for at, each in enumerate(new) if each not in new[:at]]
    raise AssertionError("what was said to add does not help")


def held_against(least, added):
    """Nothing is to be added that the least policy does not hold."""
    for each in added:
        assert any(
            each["Action"] in statement["Action"]
            and fnmatch.fnmatchcase(each["Resource"], statement["Resource"])
            for statement in least["Statement"]
        ), each


def tearing_down_says(values=VALUES):
    try:
        tear_down(values)
    except RunbookError as error:
        return str(error)
    return ""


def without(document, actions_out):
    kept = []
    for statement in document["Statement"]:
        listed = statement["Action"]
        left = [
            each
            for each in ([listed] if isinstance(listed, str) else listed)
            if each not in actions_out
        ]
        if left:
            kept.append({**statement, "Action": left})
    return kept


# One for each kind of resource that a statement is about.
OF_EACH_KIND = {"iam:CreatePolicy", "iam:AttachRolePolicy", "s3:GetBucketPolicy",
                "redshift:DescribeClusters", "kms:GetKeyPolicy"}  # fmt: skip


@pytest.mark.slow
def test_what_is_said_to_add_mends_it(as_operator):
    values = a_bucket_with_a_key()
    least = policy("run", values=values)
    given = without(least, OF_EACH_KIND)
    added = grown(lambda: what_running_says(values), as_operator, given)
    assert {each["Action"] for each in added} == OF_EACH_KIND
    held_against(least, added)


# Something that every operator may do: no policy is empty.
NOTHING = [{"Effect": "Allow", "Action": "sts:GetCallerIdentity", "Resource": "*"}]


@pytest.mark.long
@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.__name__)
def test_what_is_said_to_add_comes_to_the_least_policy(scene, as_operator):
    values = scene()
    for purpose, do in (("run", what_running_says), ("teardown", tearing_down_says)):
        least = policy(purpose, values=values)
        added = grown(lambda do=do: do(values), as_operator, NOTHING)
        assert added
        held_against(least, added)


@pytest.mark.long
def test_what_a_verification_says_to_add_comes_to_the_least_policy(as_operator):
    run()
    held_against(policy("verify"), grown(what_verification_says, as_operator, NOTHING))


@pytest.mark.long
def test_what_a_batch_says_to_add_comes_to_the_least_policy(batch):
    def do(document):
        _, target = batch(document)
        return " ".join([target["problem"], *target["not_seen"]])

    least = policy("run")
    added = grown(do, None, without(least, OF_EACH_KIND))
    assert {each["Action"] for each in added} == OF_EACH_KIND - {"kms:GetKeyPolicy"}
    held_against(least, added)


def test_policy_is_narrowed_to_the_target():
    for purpose in PURPOSES:
        document = operator_policy(Target(**VALUES), purpose, account_id=CUSTOMER)
        for statement in document["Statement"]:
            if statement["Resource"] == "*":
                assert all(
                    not action.startswith(("iam:", "s3:", "kms:")) for action in statement["Action"]
                )
    attach = next(
        each
        for each in operator_policy(Target(**VALUES), "run")["Statement"]
        if each["Action"] == "iam:AttachRolePolicy"
    )
    assert "iam:PolicyARN" in str(attach["Condition"])


def test_path_is_no_pattern_in_the_policy():
    target = Target(**{**VALUES, "role_path": "/a*b/${aws:username}/c?/"})
    (role,) = {
        each["Resource"]
        for each in operator_policy(target)["Statement"]
        if ":role/" in each["Resource"]
    }
    assert ":role/a${*}b/${$}{aws:username}/c${?}/risingwave-redshift" in role


def test_key_is_in_the_policy_where_it_is_known():
    key = "arn:aws:kms:us-east-1:111122223333:key/1111aaaa-22bb-33cc-44dd-555566667777"
    for purpose in ("run", "verify"):
        given = operator_policy(Target(**VALUES), purpose, kms_key_arn=key)
        (statement,) = [each for each in given["Statement"] if each["Resource"] == key]
        assert statement["Action"] == ["kms:DescribeKey", "kms:GetKeyPolicy", "kms:ListGrants"]
        assert "kms:" not in json.dumps(operator_policy(Target(**VALUES), purpose))


def test_boundary_binds_the_role_that_may_be_made():
    boundary = "arn:aws:iam::111122223333:policy/boundary"
    target = Target(**{**VALUES, "permissions_boundary_arn": boundary})
    create = next(
        each for each in operator_policy(target)["Statement"] if each["Action"] == "iam:CreateRole"
    )
    assert create["Condition"] == {"ArnEquals": {"iam:PermissionsBoundary": boundary}}
    read = next(
        each for each in operator_policy(target)["Statement"] if each["Resource"] == boundary
    )
    assert read["Action"] == ["iam:GetPolicy", "iam:GetPolicyVersion"]
    own = target.model_copy(update={"policy_name": "orders"})
    attach = next(
        each for each in operator_policy(own, account_id=CUSTOMER)["Statement"]
        if each["Action"] == "iam:AttachRolePolicy"
    )  # fmt: skip
    assert attach["Condition"] == {
        "ArnEquals": {"iam:PolicyARN": f"arn:aws:iam::{CUSTOMER}:policy/orders"}
    }


def test_unknown_purpose_is_one_sentence():
    with pytest.raises(InputError, match="is not a purpose"):
        operator_policy(Target(**VALUES), "admin")


@pytest.mark.slow
def test_table_holds_the_calls_that_are_really_made():
    text = operator_calls.DATA.read_text(encoding="utf-8")
    assert yaml.safe_load(text) == operator_calls.counted(), (
        "python -m tests.support.operator_calls"
    )
