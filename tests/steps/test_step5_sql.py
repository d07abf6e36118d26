"""Step 4 and 5 through RisingWave Cloud: from an empty account to a file, and each fault named."""

from __future__ import annotations

import json

import boto3
import pytest
import requests

from rwlib.cloud.client import Cloud
from rwlib.errors import CredentialsError, InputError, RunbookError
from rwlib.runbook.runbook import Runbook
from rwlib.steps.step5_sql import open_connection
from tests.support.command_line import rwlib
from tests.support.example_names import CLUSTER, ROLE_ARN

pytestmark = pytest.mark.slow

WRONG_ACCOUNT_ARN = "arn:aws:iam::777788889999:role/risingwave-s3-access"
OTHER_ARN = "arn:aws:iam::111122223333:role/somebody-elses"


@pytest.fixture
def cloud_environment(aws_environment, monkeypatch):
    """The sandbox's RisingWave Cloud, with a key."""
    for name, value in aws_environment.environment().items():
        monkeypatch.setenv(name, value)
    return aws_environment


@pytest.fixture
def values(example):
    return {
        **example,
        "allowed_principal_confirmed_by": "",
        "workload_identity_arn": "",
        "cluster_id": CLUSTER,
        "connectors": ["s3_sink"],
        "sql_options": {"from": "orders"},
        "run_sql": True,
        "apply": True,
    }


def switch(sandbox, **settings):
    answer = requests.put(
        f"{sandbox.url}/_rwc/sandbox/clusters/{CLUSTER}", json=settings, timeout=10
    )
    answer.raise_for_status()


def complete(values):
    book = Runbook.start(values)
    book.look()
    for number in range(1, 6):
        book.run_step(number)
    book.verify()
    return book


def statuses(book):
    return {check.id: check.status for check in book.checks}


def text_of(book, check_id):
    return "\n".join(
        line for check in book.checks if check.id == check_id for line in check.evidence
    )


def test_run_ends_with_a_file_when_nothing_was_there(cloud_environment, values):
    book = complete(values)
    assert book.exit_code == 0
    found = statuses(book)
    assert "manual" not in found.values()
    assert found["allowed_principal"] == "pass"
    assert found["runs_s3_sink"] == "pass"
    keys = [
        item["Key"]
        for item in boto3.client("s3").list_objects_v2(
            Bucket="acme-analytics", Prefix="risingwave/"
        )["Contents"]
    ]
    assert any(f"s3://acme-analytics/{key}" in text_of(book, "runs_s3_sink") for key in keys)


def test_workload_identity_is_fetched_for_the_cluster(cloud_environment, values):
    book = Runbook.start(values)
    assert book.workload_identity_arn.endswith("role/g1jk13sq56ejdref71h1cvokbh-role")


def test_typed_workload_identity_is_compared_with_the_clusters(cloud_environment, values):
    typed = "arn:aws:iam::444455556666:role/other-cluster-role"
    with pytest.raises(InputError, match="is not the Workload Identity of cluster"):
        Runbook.start({**values, "workload_identity_arn": typed})


def test_cluster_without_a_key_asks_for_the_arn(aws_environment, values):
    with pytest.raises(InputError, match="RWC_API_KEY"):
        Runbook.start(values)


def test_second_run_changes_nothing_in_risingwave(cloud_environment, values):
    complete(values)
    again = complete(values)
    assert again.exit_code == 0
    assert [c.action for step in again.steps.values() for c in step.changes] == ["none"] * 6


def test_others_entries_stay_when_ours_is_added_and_taken_back(cloud_environment, values):
    cloud = Cloud.from_environment()
    cloud.add_allowed_role(CLUSTER, OTHER_ARN)
    book = complete(values)
    assert set(cloud.allowed_iam_roles(CLUSTER).role_arns) == {OTHER_ARN, ROLE_ARN}
    assert "does not exist in AWS" in text_of(book, "allowed_principal")
    Runbook.start(values).tear_down()
    assert set(cloud.allowed_iam_roles(CLUSTER).role_arns) == {OTHER_ARN}


def test_entry_that_was_there_before_is_not_taken_back(cloud_environment, values):
    cloud = Cloud.from_environment()
    cloud.add_allowed_role(CLUSTER, ROLE_ARN)
    complete(values)
    Runbook.start(values).tear_down()
    assert ROLE_ARN in cloud.allowed_iam_roles(CLUSTER)


def broken(values, sandbox, fault):
    """Set up without SQL, break one thing on RisingWave's side, then run the SQL."""
    complete({**values, "run_sql": False})
    fault(sandbox)
    book = Runbook.start(values)
    book.look()
    book.run_step(5)
    book.verify()
    return book


def unregistered(sandbox):
    Cloud.from_environment().remove_allowed_role(CLUSTER, ROLE_ARN)


def registered_under_another_arn(sandbox):
    unregistered(sandbox)
    Cloud.from_environment().add_allowed_role(CLUSTER, WRONG_ACCOUNT_ARN)


def failed_list(sandbox):
    unregistered(sandbox)
    switch(sandbox, fail_next=True)
    with pytest.raises(RunbookError):
        Cloud.from_environment().add_allowed_role(CLUSTER, OTHER_ARN)


@pytest.mark.parametrize(
    ("fault", "words", "cause"),
    [
        (unregistered, "is not listed", "allowed_principal_missing"),
        (registered_under_another_arn, WRONG_ACCOUNT_ARN, "allowed_principal_other_arn"),
        (failed_list, "status Failed", "allowed_principals_failed"),
    ],
)
def test_fault_of_the_allowed_principals_is_named(cloud_environment, values, fault, words, cause):
    book = broken(values, cloud_environment, fault)
    assert statuses(book)["allowed_principal"] == "fail"
    assert words in text_of(book, "allowed_principal")
    assert statuses(book)["runs_s3_sink"] == "fail"
    assert "sts:AssumeRole" in text_of(book, "runs_s3_sink")
    assert f"certain: {cause}" in text_of(book, "runs_s3_sink")
    assert statuses(book)["trust"] == "pass"
    assert book.exit_code == 1


def test_refused_config_load_is_named(cloud_environment, values):
    book = broken(values, cloud_environment, lambda box: switch(box, config_load=False))
    assert statuses(book)["runs_s3_sink"] == "fail"
    assert "config_load_refused" in text_of(book, "runs_s3_sink")
    others = {name: status for name, status in statuses(book).items() if name != "runs_s3_sink"}
    assert "fail" not in others.values()


def test_fault_of_the_trust_shows_in_the_sink_and_the_hop(cloud_environment, values):
    def wrong_trust(sandbox):
        trust = {
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Effect": "Allow",
                    "Principal": {"AWS": "arn:aws:iam::444455556666:role/other-cluster-role"},
                    "Action": "sts:AssumeRole",
                }
            ],
        }
        boto3.client("iam").update_assume_role_policy(
            RoleName="risingwave-s3-access", PolicyDocument=json.dumps(trust)
        )

    book = broken(values, cloud_environment, wrong_trust)
    assert statuses(book)["trust_principal"] == "fail"
    assert statuses(book)["allowed_principal"] == "pass"
    assert statuses(book)["runs_s3_sink"] == "fail"


def test_secret_is_taken_from_the_environment_and_shown_nowhere(
    cloud_environment, values, monkeypatch, tmp_path
):
    values = {
        **values,
        "connectors": ["redshift"],
        "sql_options": {
            "from": "orders",
            "table.name": "orders",
            "jdbc.url": "jdbc:redshift://w.abc.us-east-1.redshift.amazonaws.com:5439/dev",
            "user": "secret redshift_user",
        },
    }
    with pytest.raises(CredentialsError, match="RW_SECRET_REDSHIFT_SINK_PASSWORD"):
        complete(values)
    monkeypatch.setenv("RW_SECRET_REDSHIFT_SINK_PASSWORD", "hunter2-o'brien")
    book = Runbook.start(values, run_dir=tmp_path / "run")
    book.look()
    for number in range(1, 6):
        book.run_step(number)
    book.verify()
    book.finish()
    assert statuses(book)["runs_redshift"] == "pass"
    written = b"".join(path.read_bytes() for path in (tmp_path / "run").iterdir())
    assert b"hunter2" not in written
    assert len(written) > 10_000


def test_refusal_is_said_as_one_in_risingwaves_words(cloud_environment, values):
    values = {**values, "sql_options": {"from": "no_such_table"}}
    book = complete(values)
    (change,) = book.steps[5].changes
    said = change.notes[0].splitlines()[-1].strip()
    assert "no_such_table" in said
    assert (change.refused, change.applied) == (True, False)
    assert change.sentence == "Could not create RisingWave sink s3_sink"
    assert book.steps[5].status == "failed"
    (check,) = (each for each in book.checks if each.id == "runs_s3_sink")
    assert check.status == "fail"
    assert said in [line.strip() for line in check.evidence]
    assert said.partition(": ")[2] in check.fix
    others = [each for each in book.checks if each.status == "fail" and each is not check]
    assert others == []
    assert "above" not in check.fix
    given = [f"--{name.replace('_', '-')}={value}" for name, value in values.items()
             if isinstance(value, str) and value]  # fmt: skip
    code, out, _ = rwlib("sql", *given, "--connectors=s3_sink", "--sql-options=from=no_such_table",
                         "--execute")  # fmt: skip
    assert code == 1
    assert "Would create" not in out
    assert out.count(said) == 2


def test_missing_table_is_bad_input_before_anything_is_created(cloud_environment, values):
    with pytest.raises(InputError, match="s3_sink: from"):
        complete({**values, "sql_options": {}})
    names = [role["RoleName"] for role in boto3.client("iam").list_roles()["Roles"]]
    assert "risingwave-s3-access" not in names


def test_run_sql_without_any_way_to_risingwave_says_so(aws_environment, example, monkeypatch):
    monkeypatch.delenv("RW_DSN", raising=False)
    with pytest.raises(CredentialsError, match="set RW_DSN"):
        open_connection(None, "")


def test_sql_execute_runs_what_is_set_up(cloud_environment, values, tmp_path, capsys):
    from rwlib.cli import main

    complete({**values, "run_sql": False})
    path = tmp_path / "target.yaml"
    path.write_text(json.dumps({**values, "run_sql": False, "apply": False}))
    with pytest.raises(SystemExit) as ended:
        main(["sql", "--execute", "--target", str(path)])
    assert ended.value.code == 0
    shown = capsys.readouterr().out
    assert "Created RisingWave sink s3_sink" in shown
    assert "sink s3_sink works" in shown


def test_sql_execute_is_refused_when_there_is_no_role(cloud_environment, values):
    with pytest.raises(InputError, match="run Steps 1-4 first"):
        Runbook.start(values).run_sql()


def test_report_shows_the_addresses_that_risingwave_calls_from(cloud_environment, values, tmp_path):
    book = Runbook.start({**values, "apply": False}, run_dir=tmp_path / "run")
    book.look()
    assert book.finish()["cloud"]["egress_ips"] == ["203.0.113.10", "203.0.113.11"]


def test_list_is_read_until_it_is_ready_when_it_holds_the_role():
    from rwlib.cloud.answers import AllowedRoles
    from rwlib.verify.allowed_principal import settled_list

    class Slow:
        answers = ("Updating", "Pending", "Ready", "never asked for")
        asked = 0

        def allowed_iam_roles(self, cluster_id):
            self.asked += 1
            return AllowedRoles(roleArns=[ROLE_ARN], status=self.answers[self.asked - 1])

    slept = []
    slow = Slow()
    assert settled_list(slow, CLUSTER, ROLE_ARN, sleep=slept.append).ready
    assert len(slept) == 2
    slow = Slow()
    assert settled_list(slow, CLUSTER, OTHER_ARN, sleep=slept.append).status == "Updating"
    assert len(slept) == 2
