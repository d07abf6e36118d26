"""Every sentence is reworded, and the causes, the buttons and the exit codes stay the same."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from types import SimpleNamespace

import pytest

from rwlib.aws.bucket import BucketFacts
from rwlib.diagnose.deciders import DECIDERS
from rwlib.diagnose.diagnosis import diagnose
from rwlib.errors import InputError
from rwlib.evaluate.model import Mismatch, Reason
from rwlib.runbook.runbook import Runbook
from rwlib.verify.allowed_principal import check_allowed_principal
from rwlib.verify.bucket import check_of_refusal
from rwlib.verify.check import Check, Ground, Verdict
from rwlib.verify.hops import check_situation
from rwlib.verify.known import CheckedFacts
from rwlib.verify.situation import Situation
from rwlib.widgets.fields import Field
from rwlib.widgets.verdicts import step_that_fixes
from tests.diagnose.test_checks import POLICY, ROLE, TARGET, WORKLOAD, s3_policy, statement, trust

ERRORS = [
    "User: arn:aws:sts::444455556666:assumed-role/g1jk13sq56ejdref71h1cvokbh-role/reqsign is not "
    f"authorized to perform: sts:AssumeRole on resource: {ROLE}",
    "User: arn:aws:sts::111122223333:assumed-role/risingwave-s3-access/reqsign is not authorized "
    'to perform: s3:PutObject on resource: "arn:aws:s3:::acme-lake/rw/1"',
    None,
]
KEY = "arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
OTHER = "arn:aws:iam::444455556666:role/other"
DENY = {"Version": "2012-10-17", "Statement": [{
    "Effect": "Deny", "Principal": "*", "Action": "s3:PutObject",
    "Resource": "arn:aws:s3:::acme-lake/*"}]}  # fmt: skip
BUCKET = BucketFacts("acme-lake", "us-east-1")
EXTERNAL = {"StringEquals": {"sts:ExternalId": "x"}}
MFA = {"Bool": {"aws:MultiFactorAuthPresent": "true"}}
FAULTS = {
    "nothing": {},
    "no role": {"trust_policy": None, "identity": (), "attached": ()},
    "other principal": {"trust_policy": trust(statement(Principal={"AWS": OTHER}))},
    "deleted": {"trust_policy": trust(statement(Principal={"AWS": "AROAEXAMPLEEXAMPLE123"}))},
    "external id": {"trust_policy": trust(statement(Condition=EXTERNAL))},
    "two conditions": {"trust_policy": trust(statement(Condition={**EXTERNAL, **MFA}))},
    "deny": {"trust_policy": trust(statement(), statement(Sid="No", Effect="Deny"))},
    "other action": {"trust_policy": trust(statement(Action="sts:TagSession"))},
    "too wide": {"trust_policy": trust(statement(Principal={"AWS": [WORKLOAD, OTHER]}))},
    "not attached": {"identity": (), "attached": ()},
    "no put": {"identity": ((POLICY, s3_policy(["s3:GetObject"])),)},
    "other place": {"identity": ((POLICY, s3_policy(resource="arn:aws:s3:::acme/*")),)},
    "narrow list": {"identity": ((POLICY, s3_policy(listed=["other/*"])),)},
    "boundary": {"boundary": ("arn:aws:iam::111122223333:policy/b", s3_policy(["s3:GetObject"]))},
    "bucket policy": {"bucket": replace(BUCKET, policy=DENY)},
    "key": {"bucket": replace(BUCKET, kms_key_arn=KEY, kms_key={"Enabled": False})},
    "unread": {"unknown": {"role": "iam:GetRole was refused"}},
}


def _other_words(text: str) -> str:
    return f"Lorem {hashlib.sha256(str(text).encode()).hexdigest()[:12]} ipsum" if text else text


@pytest.fixture
def reword(monkeypatch):
    """Put other words into everything that a person reads."""

    def do():
        for kind, fields in (
            (Check, ("title", "evidence", "fix")),
            (Ground, ("evidence",)),
            (Mismatch, ("hint",)),
            (Reason, ("note",)),
        ):
            monkeypatch.setattr(kind, "__init__", _reworded(kind.__init__, fields))
        monkeypatch.setattr(Mismatch, "__str__", lambda self: "dolor")
        monkeypatch.setattr(Reason, "__str__", lambda self: "sit amet")
        monkeypatch.setattr(Verdict, "line", "consectetur")
        original = InputError.__init__

        def init(self, field, given, hint, **more):
            more["todo"] = _other_words(more.get("todo", ""))
            original(self, field, given, _other_words(hint), **more)

        monkeypatch.setattr(InputError, "__init__", init)

    return do


def _reworded(original, fields):
    def init(self, *values, **named):
        original(self, *values, **named)
        for name in fields:
            value = getattr(self, name)
            new = tuple(map(_other_words, value)) if isinstance(value, tuple) else None
            object.__setattr__(self, name, _other_words(value) if new is None else new)

    return init


def checks_of(fault):
    fields = {
        "caller_arn": "arn:aws:iam::111122223333:user/operator",
        "account_id": "111122223333",
        "role_arn": ROLE,
        "trust_policy": trust(statement()),
        "identity": ((POLICY, s3_policy()),),
        "policy_arn": POLICY,
        "attached": (POLICY,),
        "boundary": None,
        "bucket": BUCKET,
        **FAULTS[fault],
    }
    document = next((each for _, each in fields["identity"]), None)
    checks = check_situation(TARGET, Situation(policy_document=document, **fields), s3_policy())
    return [*checks, check_allowed_principal(TARGET, ROLE)]


def outcome(fault):
    checks = checks_of(fault)
    causes = [
        (each.error_class, [(cause.id, cause.confidence) for cause in each.causes])
        for text in ERRORS
        for each in diagnose(text, target=TARGET, live=CheckedFacts(checks))
    ]
    ended = SimpleNamespace(checks=checks, situation=SimpleNamespace(planned=False), stopped="")
    return {
        "checks": [(each.id, each.status, each.reason, each.fixed_by) for each in checks],
        "causes": causes,
        "buttons": {each.id: step_that_fixes(each) for each in checks},
        "exit code": Runbook.exit_code.fget(ended),
    }


def test_rewording_changes_no_cause_no_button_and_no_exit_code(reword):
    before = {fault: outcome(fault) for fault in FAULTS}
    reword()
    assert {check.title[:5] for check in checks_of("no role")} == {"Lorem"}
    for fault, expected in before.items():
        assert outcome(fault) == expected, fault
    seen = {cause for each in before.values() for _, causes in each["causes"] for cause in causes}
    assert len({name for name, confidence in seen if confidence == "certain"}) >= 12
    assert {each["exit code"] for each in before.values()} == {1, 3}


@pytest.mark.parametrize(
    ("field", "reason", "check_id"),
    [
        ("bucket", "does_not_exist", "bucket_exists"),
        ("bucket", "in_other_account", "bucket_owner"),
        ("region_name", "in_other_region", "bucket_region"),
        ("bucket", "empty", None),
    ],
)
def test_refused_bucket_is_the_same_check_in_other_words(reword, field, reason, check_id):
    reword()
    check = check_of_refusal(InputError(field, "x", "is whatever it is", reason=reason))
    assert (check and check.id) == check_id
    if check is not None:
        found = diagnose(None, target=TARGET, live=CheckedFacts([check]))
        assert [cause.id for each in found for cause in each.causes] == [check.reason]


def test_empty_field_is_asked_for_quietly_in_any_words(reword):
    reword()
    field = Field("bucket", "", lambda name, value: None)
    field.complain(InputError("bucket", "", "is void", reason="empty", todo="give one"))
    assert "Needed: Lorem" in field.message.value
    quiet = field.message.value
    field.complain(InputError("bucket", "UPPER", "is void", reason="not_valid"))
    assert "Needed" not in field.message.value
    assert field.message.value != quiet


def test_every_cause_that_a_check_decides_has_its_code():
    from rwlib.verify.reasons import REASONS

    without = {
        cause
        for cause, decider in DECIDERS.items()
        if not decider.reasons & set(REASONS) and cause != "unknown"
    }
    assert without == set()
