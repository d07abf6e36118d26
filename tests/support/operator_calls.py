"""The AWS calls of each job, counted in the sandbox: ``python -m tests.support.operator_calls``.

Writes ``rwlib/data/operator_actions.yaml``. Every scenario is run as an operator would: a new
set-up, the same again, a changed one, a role that was there before, and taking it back.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import yaml

from rwlib.environment import only_sandbox
from rwlib.runbook import Runbook
from rwlib.sandbox import Sandbox
from tests.support import places

DATA = places.ROOT / "rwlib" / "data" / "operator_actions.yaml"
CUSTOMER = "111122223333"
BOUNDARY = f"arn:aws:iam::{CUSTOMER}:policy/boundary"
HEAD = """\
# The IAM actions behind the calls of each job, by what they are about. Made by
# `python -m tests.support.operator_calls` from the calls that the sandbox saw; do not edit.
"""
# What a call is called in a policy, where that is not its own name.
# Source: Service Authorization Reference, Amazon S3 and IAM.
NAMES = {
    "s3:HeadBucket": ("s3:ListBucket",),
    "s3:ListObjectsV2": ("s3:ListBucket",),
    "s3:GetBucketEncryption": ("s3:GetEncryptionConfiguration",),
    "s3:GetPublicAccessBlock": ("s3:GetBucketPublicAccessBlock",),
    "iam:CreateRole": ("iam:CreateRole", "iam:TagRole"),
    "iam:CreatePolicy": ("iam:CreatePolicy", "iam:TagPolicy"),
    "accessanalyzer:ValidatePolicy": ("access-analyzer:ValidatePolicy",),
}


def kind_of(action: str) -> str:
    """Say what an action is about: the role, the policy, the bucket, the key, or any."""
    service, _, name = action.partition(":")
    if service == "s3":
        return "bucket"
    if service == "kms":
        return "key"
    if service != "iam" or name == "GetAccountSummary":
        return "any"
    of_policy = ("GetPolicy", "CreatePolicy", "DeletePolicy", "TagPolicy", "UntagPolicy")
    named = name.startswith(of_policy) or name in (
        "ListPolicyVersions", "ListEntitiesForPolicy", "ListPolicyTags", "SetDefaultPolicyVersion"
    )  # fmt: skip
    return "policy" if named else "role"


def actions_of(calls: list[dict[str, Any]]) -> dict[str, set[str]]:
    """Return the IAM actions of the customer's own calls, by what they are about."""
    found: dict[str, set[str]] = defaultdict(set)
    for call in calls:
        if call["account"] != CUSTOMER or ":assumed-role/" in call["caller"]:
            continue
        name = f"{call['service']}:{call['action']}"
        for action in NAMES.get(name, (name,)):
            if action != "sts:GetCallerIdentity":
                found[kind_of(action)].add(action)
    return found


def run(values: dict[str, Any]) -> None:
    """Run Steps 1-5 and the verdict."""
    book = Runbook.start({**values, "apply": True})
    book.look()
    for number in range(1, 6):
        book.run_step(number)
    book.verify()


def write_policy(values: dict[str, Any]) -> None:
    """Do Step 1 alone."""
    Runbook.start({**values, "apply": True}).run_step(1)


def verify(values: dict[str, Any]) -> None:
    """Give the verdict."""
    Runbook.start({**values, "apply": False}).verify_live()


def tear_down(values: dict[str, Any]) -> None:
    """Take it back."""
    Runbook.start({**values, "apply": True}).tear_down()


def scenarios() -> Iterator[tuple[str, Callable[[dict[str, Any]], None], dict[str, Any]]]:
    """Yield the job, what it does and the target, in the order in which they are done."""
    example = yaml.safe_load((places.ROOT / "examples" / "redshift.yaml").read_text())
    target = {**example, "run_sql": False}
    yield "run", run, target
    yield "run", run, target
    yield "verify", verify, target
    changed = {**target, "connectors": ["redshift", "s3_source"], "sql_options": {}}
    yield "run", run, changed
    yield "teardown", tear_down, changed
    # A policy with a name of its own gets another document, five times: the oldest version goes.
    named = {**target, "policy_name": "orders-access", "role_name": "orders"}
    for number in range(6):
        yield "run", write_policy, {**named, "prefix": f"risingwave/orders{number}"}
    last = {**named, "prefix": "risingwave/orders5"}
    # Verified for another document than it has: the other versions are read.
    yield "verify", verify, {**named, "prefix": "risingwave/orders4"}
    yield "teardown", tear_down, last
    # A role that was there before keeps its own statements.
    adopted = {**target, "role_name": "was-there"}
    yield "run", run, adopted
    # Redshift's statement goes when nobody asks for it any more.
    less = {**adopted, "connectors": ["s3_sink"], "sql_options": {"from": "orders"}}
    yield "run", run, less
    # Not for what is left over of another target: those policies are not this one's to read.
    yield "verify", verify, less
    yield "teardown", tear_down, adopted
    # A bucket with a key of its own, a boundary, and settings that change.
    bounded = {
        **yaml.safe_load((places.ROOT / "examples" / "s3_source.yaml").read_text()),
        "run_sql": False,
    }
    yield "run", run, bounded
    bounded |= {"permissions_boundary_arn": BOUNDARY, "max_session_duration": 7200}
    yield "run", run, bounded
    yield "verify", verify, bounded
    yield "teardown", tear_down, bounded


def a_role_that_was_there() -> None:
    """Make a role that somebody else uses, before the runbook comes to it."""
    import boto3

    trust = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Service": "ec2.amazonaws.com"},
                "Action": "sts:AssumeRole",
            }
        ],
    }
    iam = boto3.client("iam")
    iam.create_role(RoleName="was-there", AssumeRolePolicyDocument=json.dumps(trust))
    # With a policy of its own, which the verdict reads.
    never = {"Effect": "Deny", "Action": "ec2:*", "Resource": "*"}
    iam.put_role_policy(
        RoleName="was-there",
        PolicyName="theirs",
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [never]}),
    )
    anything = {"Effect": "Allow", "Action": ["s3:*", "kms:*"], "Resource": "*"}
    iam.create_policy(
        PolicyName="boundary",
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [anything]}),
    )


def counted() -> dict[str, dict[str, list[str]]]:
    """Return the actions of each job."""
    table: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    before = Path.cwd()
    folder = tempfile.TemporaryDirectory()
    with folder as place, Sandbox.spawn() as box, only_sandbox(box.environment()):
        os.chdir(place)
        try:
            a_role_that_was_there()
            for job, do, values in scenarios():
                box.forget_calls()
                do(values)
                for kind, actions in actions_of(box.calls()).items():
                    table[job][kind] |= actions
        finally:
            os.chdir(before)
    return {
        job: {kind: sorted(actions) for kind, actions in sorted(kinds.items())}
        for job, kinds in table.items()
    }


if __name__ == "__main__":
    DATA.write_text(HEAD + yaml.safe_dump(counted(), sort_keys=False), encoding="utf-8")
