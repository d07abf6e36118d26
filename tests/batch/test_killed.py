"""Killed with SIGKILL anywhere in runs, tear-downs and batches, it ends as if undisturbed.

A run and a tear-down are killed at a random call, a batch at a random moment: the batch and what
runs for it, or one of its targets alone. In every other round calls are throttled, get a 5xx
answer, or have their answer lost. ``KILLS`` says how many times the long test kills.
"""

from __future__ import annotations

import ast
import contextlib
import json
import os
import random
import re
import shutil
import signal
import sys
import time
from pathlib import Path

import boto3
import pytest

from benchmarks.flaky import FlakyProxy
from rwlib.batch.fork_server import ForkServer
from rwlib.batch.options import Options
from rwlib.batch.runner import run_batch
from rwlib.cloud.client import Cloud
from tests.steps.test_killed import killed, without_ids
from tests.steps.test_ownership import CLUSTER, set_up, take_back
from tests.support.places import ROOT
from tests.support.waiting import wait_until

KILLS = int(os.environ.get("KILLS", "200"))
TARGETS = [
    # Two of one role, which is left to the other, and one with a role of its own.
    {"name": "first", "prefix": "risingwave/1", "role_name": "shared"},
    {"name": "second", "prefix": "risingwave/2", "role_name": "shared"},
    {"name": "third", "prefix": "risingwave/3", "role_name": "alone", "connectors": ["redshift"]},
]
FAULTS = {"throttle": 0.05, "server_error": 0.03}
wait = time.sleep


def children_of(process_id):
    """The processes that a process has started, and those that are gone but not waited for."""
    found = Path(f"/proc/{process_id}/task/{process_id}/children")
    with contextlib.suppress(FileNotFoundError):
        return [int(each) for each in found.read_text().split()]
    return []


def kill(process_ids):
    for each in process_ids:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(each, signal.SIGKILL)


class Killing:
    """Three targets of a sandbox, and how often something that works on them was killed."""

    def __init__(self, sandbox, proxy, runs, path, fork_server, example, chance):
        self.sandbox = sandbox
        self.proxy = proxy
        self.runs = runs
        self.path = path
        self.fork_server = fork_server
        self.chance = chance
        self.targets = [
            {**example, "connectors": ["s3_sink"], "cluster_id": CLUSTER, **each}
            for each in TARGETS
        ]
        path.write_text("".join(json.dumps(each) + "\n" for each in self.targets))
        # What looks at the state is not disturbed.
        self.iam = boto3.client("iam", endpoint_url=sandbox.url)
        values = sandbox.environment()
        key, secret = values["RWC_API_KEY"], values["RWC_API_SECRET"]
        self.cloud = Cloud(values["RWC_ENDPOINT"], key, secret)
        self.kills = dict.fromkeys(("run", "tear-down", "batch", "target of a batch"), 0)
        self.number = 0
        self.faults = dict.fromkeys(FAULTS, 0.0)

    def state(self):
        """What the customer's IAM and the cluster's list hold, without ids."""
        self.sandbox.set_faults(**dict.fromkeys(FAULTS, 0.0))
        listed = sorted(self.cloud.allowed_iam_roles(CLUSTER).role_arns)
        # Which of the two made the role that they share depends on who was quicker.
        text = re.sub(
            r"(runbook:target', ')(?:first|second)'", r"\1one of them'", without_ids(self.iam)
        )
        found = {**dict(ast.literal_eval(text)), "listed": listed}
        self.sandbox.set_faults(**self.faults)
        return found

    def same_as(self, wanted):
        """See that it is as it was; what is not is shown alone."""
        now = self.state()
        names = [each for each in {**now, **wanted} if now.get(each) != wanted.get(each)]
        differing = [(each, now.get(each), wanted.get(each)) for each in names]
        assert not differing, "\n".join(map(str, differing))

    # How it works undisturbed ------------------------------------------------------------------

    def options(self):
        notebook = ROOT / "notebooks" / "runbook.ipynb"
        name = f"batch{self.number}"
        return Options(targets=self.path, notebook=notebook, workers=2, apply=True, name=name)

    def batch(self):
        result = run_batch(self.options())
        assert result.exit_code == 0, (result.headline, result.folder)

    def set_up(self):
        for each in self.targets:
            set_up(each)

    def take_back(self):
        for each in self.targets:
            assert take_back(each).left == []

    # How it is killed ---------------------------------------------------------------------------

    def kill_batch(self, whole=True):
        """Run the batch in a process of its own; kill it, or one of its targets, at some time."""
        child = os.fork()
        if not child:
            with contextlib.suppress(BaseException):
                os.setsid()
                run_batch(self.options())
            os._exit(0)
        wait(self.chance.uniform(0.1, self.seconds))
        server = self.fork_server._process.pid
        if whole:
            os.kill(child, signal.SIGKILL)
            kill(children_of(server))
            ended = os.waitpid(child, 0)[1] == signal.SIGKILL
            assert wait_until(lambda: not children_of(server)), "targets are left"
            self.kills["batch"] += ended
            return
        running = children_of(server)[:1]
        kill(running)
        self.kills["target of a batch"] += len(running)
        os.waitpid(child, 0)

    def kill_run(self):
        values = self.chance.choice(self.targets)
        number, after = self.chance.randint(2, 19), self.chance.random() < 0.5
        self.kills["run"] += killed(lambda: set_up(values), number, after)

    def kill_tear_down(self):
        values = self.chance.choice(self.targets)
        number, after = self.chance.randint(2, 30), self.chance.random() < 0.5
        self.kills["tear-down"] += killed(lambda: take_back(values), number, after)

    def let_land(self):
        """Wait for the call that was on its way when its caller was killed: it takes effect yet."""
        for _ in range(2):
            wait(0.1)
            assert wait_until(lambda: not self.proxy.busy), "a call is still on its way"

    # Rounds -------------------------------------------------------------------------------------

    def learn(self):
        """See how it ends undisturbed, by runs and by a batch, and how long a batch takes."""
        self.before = self.state()
        self.set_up()
        self.undisturbed = self.state()
        self.take_back()
        assert self.state() == self.before
        self.batch()
        shutil.rmtree(self.runs)
        self.take_back()
        self.number += 1
        started = time.monotonic()
        self.batch()
        self.seconds = time.monotonic() - started
        assert self.state() == self.undisturbed
        self.take_back()
        assert self.state() == self.before

    def round(self):
        self.number += 1
        by_batch = self.chance.random() < 0.5
        for _ in range(self.chance.randint(2, 5)):
            if not by_batch:
                self.kill_run()
            else:
                self.kill_batch(whole=self.chance.random() < 0.7)
            self.let_land()
        self.batch() if by_batch else self.set_up()
        self.same_as(self.undisturbed)
        if self.chance.random() < 0.3:
            shutil.rmtree(self.runs)
        for _ in range(self.chance.randint(2, 5)):
            self.kill_tear_down()
            self.let_land()
        self.take_back()
        self.same_as(self.before)


@pytest.fixture
def killing(aws_environment, monkeypatch, example, runs, tmp_path):
    for name, value in aws_environment.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("rwlib.runbook.step_runs.wait_until_seen", lambda *_, **__: 0)
    monkeypatch.setattr("time.sleep", lambda seconds, *_: wait(min(seconds, 0.2)))
    direct = {name: os.environ[name] for name in ("AWS_ENDPOINT_URL", "RWC_ENDPOINT")}
    assert direct["RWC_ENDPOINT"].startswith(direct["AWS_ENDPOINT_URL"])
    with FlakyProxy(direct["AWS_ENDPOINT_URL"], lose=0.0, seed=3) as proxy:
        for name, value in direct.items():
            address = value.replace(direct["AWS_ENDPOINT_URL"], proxy.url)
            monkeypatch.setenv(name, address)
        with ForkServer() as fork_server:

            class Shared:
                run = staticmethod(fork_server.run)
                kill_children = staticmethod(fork_server.kill_children)

                def close(self):
                    pass

            monkeypatch.setattr("rwlib.batch.executors.ForkServer", Shared)
            found = Killing(
                aws_environment, proxy, runs, tmp_path / "targets.jsonl", fork_server, example,
                random.Random(int(os.environ.get("KILLS_SEED", "7"))),
            )  # fmt: skip
            yield found


@pytest.mark.long
def test_runs_batches_and_tear_downs_end_the_same_when_killed(killing):
    killing.learn()
    while sum(killing.kills.values()) < KILLS:
        faulty = killing.number % 2 == 0
        killing.proxy.lose = 0.03 if faulty else 0.0
        shares = FAULTS if faulty else dict.fromkeys(FAULTS, 0.0)
        killing.faults = {**shares, "seed": killing.number}
        killing.sandbox.set_faults(**killing.faults)
        killing.round()
        sys.stderr.write(f"{killing.kills}, lost answers: {killing.proxy.lost}\n")
    assert KILLS < 100 or all(killing.kills.values())
