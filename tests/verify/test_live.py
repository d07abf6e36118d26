"""RisingWave itself assumes the role and lists; the source that makes it do so never stays."""

from __future__ import annotations

import json

import pytest

from rwlib.runbook.runbook import Runbook
from rwlib.steps.step5_sql import Refusal
from rwlib.verify.live import LiveSource, check_live
from tests.support.example_names import CLUSTER, ROLE

pytestmark = pytest.mark.slow


@pytest.fixture
def values(example, aws_environment, monkeypatch):
    for name, value in aws_environment.environment().items():
        monkeypatch.setenv(name, value)
    return {
        **example,
        "allowed_principal_confirmed_by": "",
        "workload_identity_arn": "",
        "cluster_id": CLUSTER,
        "connectors": ["s3_sink"],
        "apply": True,
    }


@pytest.fixture
def book(values):
    made = Runbook.start(values)
    made.look()
    for number in range(1, 5):
        made.run_step(number)
    return Runbook.start({**values, "apply": False})


def live_rows(book):
    checks = book.verify_by_risingwave()
    return {each.id: each.status for each in checks if each.id.startswith("live_")}


def sources(book):
    return [row[0] for row in book.risingwave.rows("SELECT name FROM rw_catalog.rw_sources")]


def test_both_rows_pass_and_nothing_stays_when_the_set_up_is_right(book):
    assert live_rows(book) == {"live_assume": "pass", "live_list": "pass"}
    assert sources(book) == []
    phases = [
        (each["phase"], each["action"])
        for each in map(json.loads, (book.run_dir / "ledger.jsonl").read_text().splitlines())
    ]
    assert phases == [
        ("intended", "create"), ("done", "create"), ("intended", "delete"), ("done", "delete"),
    ]  # fmt: skip


def test_side_that_refuses_is_told_from_the_other(aws, book):
    iam = aws.client("iam")
    trust = iam.get_role(RoleName=ROLE)["Role"]["AssumeRolePolicyDocument"]
    denied = {"Effect": "Deny", "Action": "s3:ListBucket", "Resource": "*"}
    iam.put_role_policy(
        RoleName=ROLE,
        PolicyName="deny",
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [denied]}),
    )
    assert live_rows(book) == {"live_assume": "pass", "live_list": "fail"}
    trust["Statement"] = [
        {
            "Effect": "Allow",
            "Principal": {"Service": "ec2.amazonaws.com"},
            "Action": "sts:AssumeRole",
        }
    ]
    iam.update_assume_role_policy(RoleName=ROLE, PolicyDocument=json.dumps(trust))
    assert live_rows(book) == {"live_assume": "fail", "live_list": "unknown"}
    assert sources(book) == []


class Scripted:
    """A connection that answers as it is told and keeps its sources."""

    def __init__(self, sources=(), error=None):
        self.sources = dict(sources)
        self.error = error
        self.said = []

    def execute(self, sql):
        self.said.append(sql)
        if sql.startswith("DROP SOURCE"):
            self.sources.pop(sql.split()[-1], None)
            return
        self.sources[sql.split()[2]] = sql
        if self.error:
            raise self.error

    def rows(self, sql):
        name = sql.split("'")[1]
        return [(self.sources[name],)] if name in self.sources else []


@pytest.fixture
def planned(example):
    from tests.verify.test_grants import situation_of, target_of

    target = target_of(connectors=["s3_sink"])
    situation = situation_of(target)
    return target, situation, LiveSource.of(target, situation.role_arn, "us-east-1")


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit(1)])
def test_source_is_dropped_when_the_run_is_interrupted(planned, error):
    target, situation, _ = planned
    connection = Scripted(error=error)
    with pytest.raises(type(error)):
        check_live(connection, target, situation)
    assert connection.sources == {}


def test_left_over_of_ours_is_dropped_first_and_somebody_elses_is_kept(planned):
    target, situation, source = planned
    ours = Scripted({source.name: " ".join(source.sql.split())})
    assert [each.status for each in check_live(ours, target, situation)] == ["pass", "pass"]
    assert ours.sources == {}
    assert [each.split()[0] for each in ours.said] == ["DROP", "CREATE", "DROP"]
    theirs = Scripted(
        {source.name: f"CREATE SOURCE {source.name} (a int) WITH (connector='kafka')"}
    )
    rows = check_live(theirs, target, situation)
    assert [each.status for each in rows] == ["unknown", "unknown"]
    assert theirs.said == []


def test_connector_that_lists_nothing_has_only_the_row_of_sts(planned):
    from tests.verify.test_grants import situation_of, target_of

    target = target_of(connectors=["snowflake_v2"])
    said = (
        "failed to create source worker: S3 AccessDenied: User: arn:aws:sts::111122223333:"
        "assumed-role/risingwave-s3-access/reqsign is not authorized to perform: s3:ListBucket"
    )

    class Refusing(Scripted):
        def execute(self, sql):
            if sql.startswith("CREATE"):
                raise Refusal(said)
            super().execute(sql)

    rows = check_live(Refusing(), target, situation_of(target))
    assert [(each.id, each.status) for each in rows] == [("live_assume", "pass")]
