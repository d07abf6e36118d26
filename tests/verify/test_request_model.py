"""What the model says of a request's keys is what the sandbox receives when RisingWave makes it.

The sandbox builds its keys from the request; the engine's stand-in makes the requests. A key that
is said to be known has this very value there, one that is said to be absent is not there, and one
that is there is not left out.
"""

from __future__ import annotations

from datetime import datetime
from fnmatch import fnmatchcase

import pytest

from rwlib.evaluate import Unknown, assume_role, evaluate
from rwlib.runbook.runbook import Runbook
from rwlib.sandbox.aws.authorize import Authorizer
from rwlib.sql import statements_for
from rwlib.verify.deciding import model_of
from rwlib.verify.probes import Probe
from rwlib.verify.situation import read_situation
from tests.support.example_names import CLUSTER
from tests.verify.accounts import WORKLOAD

pytestmark = pytest.mark.slow

# Loopback has no TLS and is asked by no browser; what it cannot see, it does not send.
NOT_HERE = {
    *("s3:tlsversion", "s3:x-amz-content-sha256", "aws:securetransport"),
    *("aws:sourcevpce", "aws:sourcevpc", "aws:vpcsourceip"),
}
NAMED = {"aws:principalaccount", "aws:principaltype", "aws:resourceaccount", "s3:resourceaccount"}


@pytest.fixture
def received(monkeypatch):
    """Every question that the sandbox asks its policies: the action, the resource, the keys."""
    asked = []
    decide = Authorizer.decide

    def noted(self, request, caller, ask):
        seen = []
        monkeypatch.setattr(
            "rwlib.sandbox.aws.authorize.evaluate",
            lambda question, policies: seen.append(question) or evaluate(question, policies),
        )
        decision = decide(self, request, caller, ask)
        asked.extend((caller.arn, question) for question in seen)
        return decision

    monkeypatch.setattr(Authorizer, "decide", noted)
    return asked


def is_like(about, value):
    return not about.like or any(fnmatchcase(value, each) for each in about.like)


def compared(model, question):
    """Yield in what the model and the request that came differ."""
    came = {key.lower(): value for key, value in question.context.items() if value is not None}
    facts = {key.lower(): value for key, value in model.facts.items()}
    for way in model.ways[:1]:
        facts |= {key.lower(): value for key, value in way.items()}
    for key, value in facts.items():
        if key in NOT_HERE or key.endswith("/*") or key == "aws:*":
            continue
        there = came.get(key)
        if value is None and there is not None:
            yield key, "absent", there
        elif isinstance(value, Unknown):
            if there is None and not value.optional:
                yield key, "present", there
            several = there if isinstance(there, list) else [there]
            if there is not None and not all(is_like(value, str(each)) for each in several):
                yield key, value.like, there
        elif isinstance(value, datetime) or key == "aws:epochtime":
            if there is None:
                yield key, "a time", there
        elif value is not None and str(value).lower() != str(there).lower():
            yield key, value, there
    families = tuple(key[:-1] for key in facts if key.endswith("/*"))
    for key, there in came.items():
        if key not in facts and key not in NAMED and not key.startswith(families):
            yield key, "not listed", there


@pytest.mark.parametrize("bucket", ["acme-analytics", "acme-encrypted"])
def test_keys_that_the_sandbox_receives_are_those_of_the_model(
    aws_environment, monkeypatch, example, received, bucket
):
    for name, value in aws_environment.environment().items():
        monkeypatch.setenv(name, value)
    values = {**example, "bucket": bucket, "cluster_id": CLUSTER, "workload_identity_arn": "",
              "allowed_principal_confirmed_by": "", "connectors": ["s3_sink", "redshift"],
              "tags": {"team": "data"}, "apply": True}  # fmt: skip
    options = {
        "redshift": {"table.name": "facts", "jdbc.url": "jdbc:redshift://w", "user": "ada"},
        "s3_sink": {},
    }
    values["sql_options"] = {name: {"from": "orders", **each} for name, each in options.items()}
    book = Runbook.start(values)
    for number in (1, 2, 3, 4):
        book.run_step(number)
    situation = read_situation(book.aws, book.target, book.bucket)
    received.clear()
    for written in statements_for(book.target, situation.role_arn, situation.bucket.region_name):
        for statement in written.statements:
            book.cloud.execute_sql(CLUSTER, statement.sql)
    book.cloud.execute_sql(CLUSTER, "INSERT INTO orders VALUES (9, 1.5, now())")
    book.cloud.execute_sql(CLUSTER, "FLUSH")
    kinds = set()
    for caller, question in received:
        # Redshift's COPY calls its session otherwise, and is no request of RisingWave's.
        if ":assumed-role/" not in caller or caller.endswith("/RedshiftIamRoleSession"):
            continue
        kinds.add(question.action)
        if question.action == "sts:AssumeRole":
            model = assume_role(
                WORKLOAD,
                situation.role_arn,
                region_name=situation.bucket.region_name,
                role_tags=situation.role_tags,
            )
        else:
            sent = {"s3:prefix", "s3:delimiter", "s3:max-keys", "kms:EncryptionContext:aws:s3:arn"}
            known = {key: value for key, value in question.context.items() if key in sent}
            asked = Probe("p", "p", True, question.action, question.resource, known)
            model = model_of(situation, asked)
        assert list(compared(model, question)) == [], (question.action, question.context)
    wanted = {"sts:AssumeRole", "s3:PutObject", "s3:ListBucket", "s3:DeleteObject"}
    wanted |= {"kms:GenerateDataKey"} if bucket == "acme-encrypted" else set()
    assert wanted <= kinds
