"""Killed at a random call, in the middle of a run or of a tear-down, it ends as if undisturbed."""

from __future__ import annotations

import os
import random
import signal

import boto3
import pytest

from rwlib.aws.calls import Aws
from rwlib.cloud.client import Cloud
from rwlib.runbook.runbook import Runbook
from tests.steps.test_ownership import CLUSTER, set_up, take_back, world


def without_ids(iam):
    """The customer's IAM with each id replaced by what it is the id of."""
    text = repr(sorted(world(iam).items()))
    for role in iam.list_roles()["Roles"]:
        text = text.replace(role["RoleId"], f"<{role['RoleName']}>")
    for policy in iam.list_policies(Scope="Local")["Policies"]:
        text = text.replace(policy["PolicyId"], f"<{policy['PolicyName']}>")
    return text


def killed(work, number, after):
    """Do the work in a process of its own that is killed at its n-th call; tell whether it was."""
    child = os.fork()
    if child:
        return os.waitpid(child, 0)[1] == signal.SIGKILL
    made = {"calls": 0}

    def stopping(real):
        def call(self, *arguments, **more):
            made["calls"] += 1
            here = made["calls"] == number
            if here and not after:
                os.kill(os.getpid(), signal.SIGKILL)
            try:
                return real(self, *arguments, **more)
            finally:
                if here:
                    os.kill(os.getpid(), signal.SIGKILL)

        return call

    try:
        Aws._call = stopping(Aws._call)
        Cloud.add_allowed_role = stopping(Cloud.add_allowed_role)
        Cloud.remove_allowed_role = stopping(Cloud.remove_allowed_role)
        work()
    finally:
        os._exit(0)


def check(aws_environment, monkeypatch, example, runs, rounds):
    for name, value in aws_environment.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("rwlib.runbook.step_runs.wait_until_seen", lambda *_, **__: 0)
    iam, cloud, values = boto3.client("iam"), Cloud.from_environment(), dict(example)
    values["cluster_id"] = CLUSTER
    before, listed = without_ids(iam), list(cloud.allowed_iam_roles(CLUSTER).role_arns)
    set_up(values)
    undisturbed = without_ids(iam)
    take_back(values)
    assert without_ids(iam) == before
    calls = len(Runbook.start(values).aws.calls) + 40
    chance = random.Random(7)
    stopped = 0
    for _ in range(rounds):
        for _ in range(chance.randint(1, 2)):
            number, after = chance.randint(4, calls), chance.random() < 0.5
            stopped += killed(lambda: set_up(values), number, after)
        set_up(values)
        assert without_ids(iam) == undisturbed
        for _ in range(chance.randint(1, 2)):
            number, after = chance.randint(2, 24), chance.random() < 0.5
            stopped += killed(lambda: take_back(values), number, after)
        take_back(values)
        assert without_ids(iam) == before
        assert list(cloud.allowed_iam_roles(CLUSTER).role_arns) == listed
    assert stopped


@pytest.mark.slow
def test_run_and_tear_down_end_the_same_when_killed(aws_environment, monkeypatch, example, runs):
    check(aws_environment, monkeypatch, example, runs, rounds=3)


@pytest.mark.long
def test_run_and_tear_down_end_the_same_when_killed_often(
    aws_environment, monkeypatch, example, runs
):
    check(aws_environment, monkeypatch, example, runs, rounds=100)
