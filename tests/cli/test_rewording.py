"""Commands in other words: what they do, their codes and how they end stay the same."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import replace

import boto3
import pytest

from rwlib.aws import Aws
from rwlib.diagnose.ids import CAUSES, CLASSES
from rwlib.errors import InputError
from rwlib.runbook.runbook import Runbook
from rwlib.steps.changes import Change
from rwlib.target import Target
from rwlib.verify.check import Check
from rwlib.verify.kinds import CHECKS
from rwlib.verify.reasons import REASONS
from rwlib.widgets.verdicts import step_that_fixes
from tests.support.command_line import options, rwlib

LOG = (
    "User: arn:aws:sts::444455556666:assumed-role/g1jk13sq56ejdref71h1cvokbh-role/reqsign is not "
    "authorized to perform: sts:AssumeRole on resource: "
    "arn:aws:iam::111122223333:role/risingwave-s3-access"
)
BAD = (
    {"bucket": "Acme"},
    {"bucket": "acme-nowhere"},
    {"region_name": "eu-west-1"},
    {"region_name": "frankfurt"},
    {"role_name": "a/b"},
    {"workload_identity_arn": ""},
    {"workload_identity_arn": "arn:aws:iam::444455556666:role/nobody"},
    {"prefix": "/a"},
    {"connectors": ["redshfit"]},
    {"tags": ["team"]},
    {"max_session_duration": "60"},
)
CODE = re.compile(r"^[a-z0-9_]+$")


def in_other_words(text):
    return f"Lorem {hashlib.sha256(str(text).encode()).hexdigest()[:12]} ipsum" if text else text


@pytest.fixture
def reword(monkeypatch):
    """Put other words into the tables, and into every input error, change and check."""

    def do():
        for table in (CHECKS, REASONS):
            for code, row in table.items():
                words = {name: in_other_words(getattr(row, name)) for name in ("title", "meaning")}
                fix = {"fix": in_other_words(row.fix)} if hasattr(row, "fix") else {}
                monkeypatch.setitem(table, code, replace(row, **words, **fix))
        for table in (CLASSES, CAUSES):
            for code, words in table.items():
                monkeypatch.setitem(table, code, in_other_words(words))
        for kind, names in ((Change, ("detail", "notes")), (Check, ("title", "evidence", "fix"))):
            monkeypatch.setattr(kind, "__init__", reworded(kind.__init__, names))
        original = InputError.__init__

        def init(self, field, given, hint, **more):
            more["todo"] = in_other_words(more.get("todo", ""))
            original(self, field, given, in_other_words(hint), **more)

        monkeypatch.setattr(InputError, "__init__", init)

    return do


def reworded(original, names):
    def init(self, *values, **named):
        original(self, *values, **named)
        for name in names:
            value = getattr(self, name)
            many = isinstance(value, tuple)
            new = tuple(map(in_other_words, value)) if many else in_other_words(value)
            object.__setattr__(self, name, new)

    return init


def of_checks(checks):
    return [(each.id, each.status, each.reason, each.fixed_by, step_that_fixes(each))
            for each in checks]  # fmt: skip


def of_changes(changes):
    return [(each.action, str(each.resource), each.name, each.calls, each.applied, each.refused)
            for each in changes]  # fmt: skip


def whole_way(sandbox, example):
    """Preview, apply, break and mend a target, take it back; return all that is a code."""
    sandbox.reset()
    codes = []
    target = Target(**example)

    def look(name, apply=False):
        chosen = target.model_copy(update={"apply": apply})
        identity = example["workload_identity_arn"]
        book = Runbook(chosen, Aws(boto3.Session()), workload_identity_arn=identity)
        changes = [change for number in (1, 2, 3) for change in book.run_step(number).changes]
        checks = book.verify()
        codes.append((name, of_changes(changes), of_checks(checks), book.exit_code))

    look("preview")
    look("apply", apply=True)
    iam = boto3.client("iam")
    role = target.role_name
    trust = {"Version": "2012-10-17", "Statement": [{
        "Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::111122223333:root"},
        "Action": "sts:AssumeRole"}]}  # fmt: skip
    iam.update_assume_role_policy(RoleName=role, PolicyDocument=json.dumps(trust))
    (attached,) = iam.list_attached_role_policies(RoleName=role)["AttachedPolicies"]
    iam.detach_role_policy(RoleName=role, PolicyArn=attached["PolicyArn"])
    look("broken")
    look("mended", apply=True)
    return codes


def commands(example, folder):
    """Call commands, and return how they end and the codes that they print."""
    log = folder / "log.txt"
    log.write_text(LOG)
    endings = [rwlib("verify", *options(example, **bad))[0] for bad in BAD]
    code, out, _ = rwlib("verify", "--json", *options(example))
    checks = json.loads(out)["checks"]
    verified = [(each["id"], each["status"], each["reason"], each["fixed_by"]) for each in checks]
    ended, said, _ = rwlib("diagnose", "--log", log, "--json", *options(example))
    found = [
        (each["class"], [(cause["id"], cause["confidence"]) for cause in each["causes"]])
        for each in json.loads(said)
    ]
    undone, changes, _ = rwlib("teardown", "--json", *options(example))
    gone = [(each["action"], each["name"]) for each in json.loads(changes)["changes"]]
    sql, text, _ = rwlib("sql", *options(example))
    return endings, (code, verified), (ended, found), (undone, gone), (sql, text)


@pytest.mark.slow
def test_other_words_change_no_code_and_no_ending(aws_environment, example, tmp_path, reword):
    before = [whole_way(aws_environment, example), commands(example, tmp_path)]
    reword()
    assert {each.title[:5] for each in CHECKS.values()} == {"Lorem"}
    after = [whole_way(aws_environment, example), commands(example, tmp_path)]
    for one, other in zip(before, after, strict=True):
        assert other == one
    endings = before[1][0]
    # A Workload Identity that is not the trusted one is a verdict, no bad input.
    assert sorted(endings) == [1, *[2] * (len(BAD) - 1)]
    reasons = {row[2] for _, _, checks, _ in before[0] for row in checks}
    assert {"policy_not_attached", "trust_principal_mismatch", ""} <= reasons
    assert all(not reason or CODE.match(reason) for reason in reasons)
