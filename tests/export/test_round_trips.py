"""What an export makes is what the runbook would have made, and stays its owner's."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess

import boto3
import pytest
import yaml

from rwlib.export.cloudformation import cloudformation
from rwlib.export.exporting import export_targets
from rwlib.export.lookup import export_plan
from rwlib.export.shell import shell
from rwlib.export.terraform import terraform
from rwlib.target.target import Target
from tests.export.test_exports import encoded, hcl2, resources_of, tree
from tests.support.aws_command import aws_command
from tests.support.exported import (
    EXAMPLES,
    book,
    in_iam,
    judge_run_and_take_back,
    make_what_terraform_says,
    values_of,
)
from tests.support.sandbox_clients import CUSTOMER

# Two that differ in all that an export can differ in; the others with `make test-long`.
PATHS = [
    pytest.param(
        path,
        id=path.stem,
        marks=pytest.mark.slow if path.stem in ("redshift", "iceberg_source") else pytest.mark.long,
    )
    for path in EXAMPLES
]
NASTY_PREFIX = "-we*ird/a?b/${aws:username} %{if} 'q' \"d\" `b` $(id) \\ ü #x"
NASTY = {
    "role_name": "-a=b,c.d@e_f",
    "policy_name": "-p=q,r@s",
    "role_path": "/t$(id)/`u`/'v'/\"w\"/",
    "prefix": NASTY_PREFIX,
    "tags": {"Team:a": "b=c/d@e", "-x": "", "y z": "a b"},
    "max_session_duration": 7200,
    "permissions_boundary_arn": "arn:aws:iam::aws:policy/AmazonS3FullAccess",
}


@pytest.fixture
def world(aws_environment, monkeypatch, tmp_path):
    """The sandbox, with RisingWave Cloud's key in the environment."""
    for name, value in aws_environment.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    return aws_environment


# --- Terraform


def apply_terraform(files):
    """Create what a Terraform module for one target says, as the provider would."""
    found = resources_of(files["main.tf"])
    for kind, name in (("aws_iam_policy", "policy"), ("aws_iam_role", "assume_role_policy")):
        found[kind][name] = encoded(found[kind][name])
    assert found["aws_iam_role_policy_attachment"] == {
        "role": "${aws_iam_role.risingwave.name}",
        "policy_arn": "${aws_iam_policy.risingwave.arn}",
    }
    make_what_terraform_says(found["aws_iam_policy"], found["aws_iam_role"])


@pytest.mark.parametrize("path", PATHS)
def test_terraform(path, world):
    values = values_of(path)
    apply_terraform(terraform(export_plan(Target(**values))))
    judge_run_and_take_back(values, world)


def locals_of(text):
    return tree(hcl2.loads(text)["locals"][0])


@pytest.mark.long
def test_terraform_for_many(world):
    batch = [values_of(path) for path in EXAMPLES]
    # Another target on a role that serves one already.
    batch.append(
        {
            **batch[0],
            **{"name": "more", "prefix": "risingwave/more", "connectors": ["redshift"]},
            "sql_options": {"from": "orders"},
        }
    )
    files = export_targets([export_plan(Target(**each)) for each in batch], "terraform")
    found = locals_of(files["main.tf"])
    iam = boto3.client("iam")
    for name, role in found["roles"].items():
        iam.create_role(
            RoleName=name, Path=role["path"], MaxSessionDuration=role["max_session_duration"],
            AssumeRolePolicyDocument=json.dumps(role["trust"]),
            Tags=[{"Key": key, "Value": text} for key, text in role["tags"].items()],
        )  # fmt: skip
    for row in found["targets"].values():
        arn = iam.create_policy(
            PolicyName=row["policy_name"], PolicyDocument=json.dumps(row["policy"]),
            Tags=[{"Key": key, "Value": text} for key, text in row["tags"].items()],
        )["Policy"]["Arn"]  # fmt: skip
        iam.attach_role_policy(RoleName=row["role_name"], PolicyArn=arn)
    for values in batch:
        judge_run_and_take_back(values, world)


# --- CloudFormation


class Intrinsic(yaml.SafeLoader):
    """Reads CloudFormation's short tags as the functions that they stand for."""


Intrinsic.add_constructor("!Ref", lambda loader, node: {"Ref": node.value})
Intrinsic.add_constructor("!Sub", lambda loader, node: {"Fn::Sub": node.value})
Intrinsic.add_constructor("!GetAtt", lambda loader, node: {"Fn::GetAtt": node.value.split(".")})
Intrinsic.add_constructor(
    "!If", lambda loader, node: {"Fn::If": loader.construct_sequence(node, deep=True)}
)


def deploy(world, text, name, parameters):
    """Deploy a template with moto's CloudFormation, into what the sandbox keeps.

    moto does not read a role's ``ManagedPolicyArns``; the same attachment said by the policy's
    ``Roles`` it does.
    """
    models = pytest.importorskip(
        "moto.cloudformation.models", reason="moto's CloudFormation is not installed"
    )
    body = yaml.load(text, Loader=Intrinsic)
    for logical, resource in body["Resources"].items():
        for policy in resource["Properties"].pop("ManagedPolicyArns", []):
            body["Resources"][policy["Ref"]]["Properties"]["Roles"] = [{"Ref": logical}]
    with world.application.world.entered():
        backend = models.cloudformation_backends[CUSTOMER]["us-east-1"]
        backend.reset()  # the sandbox does not serve it, and leaves it alone when it is reset
        stack = backend.create_stack(name=name, template=json.dumps(body), parameters=parameters)
        assert stack.status == "CREATE_COMPLETE"
        return {each["OutputKey"]: each["OutputValue"] for each in stack.outputs}


@pytest.mark.parametrize("path", PATHS)
def test_cloudformation(path, world):
    values = values_of(path)
    plan = export_plan(Target(**values))
    outputs = deploy(world, cloudformation(plan)["template.yaml"], "one", {})
    arn = plan.target.role_arn_in(CUSTOMER)
    assert outputs["RoleArn"] == arn
    assert any(arn in text for name, text in outputs.items() if name.startswith("Sql"))
    judge_run_and_take_back(values, world)


@pytest.mark.slow
def test_one_template_makes_what_every_target_asks_for(world):
    cfnlint = pytest.importorskip("cfnlint.api", reason="cfn-lint is not installed")
    batch = [Target(**values_of(path)) for path in EXAMPLES]
    batch.append(
        Target(**{**values_of(EXAMPLES[0]), **NASTY, "name": "nasty", "connectors": ["s3_sink"],
                  "sql_options": {"from": "orders"}})
    )  # fmt: skip
    plans = [export_plan(each) for each in batch]
    files = export_targets(plans, "cloudformation")
    assert [str(each) for each in cfnlint.lint(files["template.yaml"])] == []
    # Those of one kind share a policy and a role.
    same = [
        Target(**{**values_of(EXAMPLES[0]), "name": name, "prefix": prefix, "role_name": name})
        for name, prefix in (("a", "a"), ("b", "b c"), ("d", "d*/e?${f}"))
    ]
    shared = export_targets([export_plan(each) for each in same], "cloudformation")
    assert list(yaml.load(shared["template.yaml"], Loader=Intrinsic)["Resources"]) == [
        "Policy", "Role",
    ]  # fmt: skip
    assert [str(each) for each in cfnlint.lint(shared["template.yaml"])] == []
    for together, made in ((plans, files), ([export_plan(each) for each in same], shared)):
        for number, row in enumerate(json.loads(made["instances.json"])):
            assert row["account_id"] == CUSTOMER
            given = {
                each["ParameterKey"]: each["ParameterValue"]
                for each in json.loads(made[row["parameters"]])
            }
            deploy(world, made["template.yaml"], f"many-{len(together)}-{number}", given)
    for plan in [*plans, *(export_plan(each) for each in same)]:
        there = in_iam(plan.target)
        assert there["versions"][0]["Document"] == plan.policy
        assert there["role"]["AssumeRolePolicyDocument"] == plan.trust
        assert there["role"]["Path"] == plan.target.role_path
        assert there["role"]["MaxSessionDuration"] == plan.target.max_session_duration
        assert [each["PolicyName"] for each in there["attached"]] == [plan.target.policy_name]


# --- The shell script


@pytest.fixture(scope="module")
def aws_on_path(tmp_path_factory):
    """A folder with AWS's own command line."""
    # Not imported here: it would set AWS_DATA_PATH for all tests of this process.
    if importlib.util.find_spec("awscli") is None:
        pytest.skip("awscli is not installed")
    folder = tmp_path_factory.mktemp("bin")
    with aws_command(folder):
        yield folder


def run_script(text, folder):
    return subprocess.run(
        ["sh"], input=text, capture_output=True, text=True, timeout=120,
        env={**os.environ, "PATH": f"{folder}:{os.environ['PATH']}"},
    )  # fmt: skip


def run_twice(text, folder, target):
    """Run a script, and again: the second time nothing is made."""
    first = run_script(text, folder)
    assert (first.returncode, first.stderr) == (0, "")
    assert f"Created role {target.role_name}\n" in first.stdout
    assert target.role_arn_in(CUSTOMER) in first.stdout
    before = in_iam(target)
    again = run_script(text, folder)
    assert (again.returncode, again.stderr) == (0, "")
    assert "Created" not in again.stdout
    assert "Attached" not in again.stdout
    assert in_iam(target) == before
    return before


@pytest.mark.parametrize("path", PATHS)
def test_shell_script(path, world, aws_on_path):
    values = values_of(path)
    target = Target(**values)
    run_twice(shell(export_plan(target))["set_up.sh"], aws_on_path, target)
    judge_run_and_take_back(values, world)


@pytest.mark.slow
def test_shell_script_with_nasty_values(world, aws_on_path):
    values = {**values_of(EXAMPLES[3]), **NASTY}
    target = Target(**values)
    plan = export_plan(target)
    made = run_twice(shell(plan)["set_up.sh"], aws_on_path, target)
    assert made["versions"][0]["Document"] == plan.policy
    assert made["role"]["AssumeRolePolicyDocument"] == plan.trust
    assert made["role"]["Path"] == NASTY["role_path"]
    assert made["role"]["MaxSessionDuration"] == 7200
    boundary = made["role"]["PermissionsBoundary"]["PermissionsBoundaryArn"]
    assert boundary == NASTY["permissions_boundary_arn"]
    assert {each["Key"]: each["Value"] for each in made["role"]["Tags"]} == {
        **NASTY["tags"], "managed-by": "aws-cli",
    }  # fmt: skip


@pytest.mark.slow
def test_shell_script_leaves_what_is_there_with_another_document(world, aws_on_path):
    target = Target(**values_of(EXAMPLES[3]))
    text = shell(export_plan(target))["set_up.sh"]
    other = {"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}
    ]}  # fmt: skip
    boto3.client("iam").create_policy(
        PolicyName=target.policy_name, PolicyDocument=json.dumps(other)
    )
    done = run_script(text, aws_on_path)
    assert done.returncode == 1
    assert done.stderr == (
        f"error: the policy {target.policy_name} is there with another document; nothing was "
        "changed\n"
    )
    elsewhere = run_script(text.replace(f"account_id={CUSTOMER}", "account_id=999988887777"),
                           aws_on_path)  # fmt: skip
    assert elsewhere.returncode == 0
    assert "is for account 999988887777" in elsewhere.stderr
    # What may not be looked at is not taken for missing.
    os.environ["AWS_SECRET_ACCESS_KEY"] = "wrong"
    refused = run_script(text, aws_on_path)
    assert refused.returncode != 0
    assert "Created" not in refused.stdout


@pytest.mark.slow
@pytest.mark.parametrize("first", [True, False])
def test_script_finds_a_set_up_of_the_runbook_unchanged(first, world, aws_on_path):
    values = values_of(EXAMPLES[3])
    target = Target(**values)
    run = book(values, apply=True)
    for number in (1, 2, 3):
        run.run_step(number)
    iam = boto3.client("iam")
    trust = in_iam(target)["role"]["AssumeRolePolicyDocument"]
    other = {"Sid": "Other", "Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"},
             "Action": "sts:AssumeRole"}  # fmt: skip
    trust["Statement"].insert(0 if first else len(trust["Statement"]), other)
    iam.update_assume_role_policy(RoleName=target.role_name, PolicyDocument=json.dumps(trust))
    plan = export_plan(target)
    assert plan.trust == trust
    done = run_script(shell(plan)["set_up.sh"], aws_on_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert "Created" not in done.stdout
    together = export_targets([plan, export_plan(Target(**values_of(EXAMPLES[1])))], "cli")
    assert run_script(*together.values(), aws_on_path).returncode == 0


@pytest.mark.slow
def test_one_script_sets_several_targets_up(world, aws_on_path):
    batch = [values_of(EXAMPLES[number]) for number in (1, 3)]
    plans = [export_plan(Target(**each)) for each in batch]
    (text,) = export_targets(plans, "cli").values()
    for plan in plans:
        assert plan.target.role_name in text
    done = run_script(text, aws_on_path)
    assert (done.returncode, done.stderr) == (0, "")
    for plan in plans:
        assert in_iam(plan.target)["versions"][0]["Document"] == plan.policy
