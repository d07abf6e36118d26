"""Step 2: the role made, adopted, given its policy, and waited for."""

from __future__ import annotations

import json
import time
from types import SimpleNamespace

import pytest

from rwlib.aws.calls import policy_json
from rwlib.aws.iam import attached_policies, read_role
from rwlib.errors import InputError, PolicyLimitError, ServiceError
from rwlib.runbook.runbook import Runbook
from rwlib.steps.changes import Ledger
from rwlib.steps.ownership import Claim, statement_key
from rwlib.steps.step2_attachment import ensure_attached, wait_until_seen
from rwlib.steps.step2_role import ensure_role
from rwlib.steps.step3_documents import trust_policy
from tests.support.example_names import ALLOW, EC2, ROLE, WORKLOAD
from tests.support.interference import BusyAws, Sleeps, client_error, writes

TRUST = trust_policy(WORKLOAD, ["redshift"])
EC2_TRUST = {"Version": "2012-10-17", "Statement": EC2}


def make_policy(iam, name):
    return iam.create_policy(PolicyName=name, PolicyDocument=json.dumps(ALLOW))["Policy"]["Arn"]


def live(iam):
    role = iam.get_role(RoleName=ROLE)["Role"]
    return {
        "path": role["Path"],
        "trust": policy_json(role["AssumeRolePolicyDocument"]),
        "duration": role["MaxSessionDuration"],
        "boundary": role.get("PermissionsBoundary", {}).get("PermissionsBoundaryArn", ""),
        "tags": {tag["Key"]: tag["Value"] for tag in role.get("Tags", [])},
        "attached": [
            each["PolicyArn"]
            for each in iam.list_attached_role_policies(RoleName=ROLE)["AttachedPolicies"]
        ],
    }


def adopt_me(iam, boundary):
    iam.create_role(
        RoleName=ROLE,
        AssumeRolePolicyDocument=json.dumps(EC2_TRUST),
        MaxSessionDuration=7200,
        PermissionsBoundary=boundary,
        Tags=[{"Key": "team", "Value": "data"}],
    )
    iam.attach_role_policy(RoleName=ROLE, PolicyArn=make_policy(iam, "theirs"))


def test_role_is_created_with_everything_in_one_call_when_there_is_none(iam):
    boundary = make_policy(iam, "boundary")
    aws = BusyAws()
    settings = {
        "path": "/data/",
        "permissions_boundary_arn": boundary,
        "max_session_duration": 7200,
        "tags": {"team": "data"},
        "owner": "orders",
    }
    preview = ensure_role(aws, ROLE, TRUST, **settings)
    assert (preview.action, writes(aws)) == ("create", [])
    change = ensure_role(aws, ROLE, TRUST, **settings, apply=True)
    assert change.sentence == f"Created IAM role arn:aws:iam::111122223333:role/data/{ROLE}"
    assert writes(aws) == ["create_role", "tag_role"]
    assert [json.loads(text) for _, text in aws.sent] == [TRUST]
    role_id = iam.get_role(RoleName=ROLE)["Role"]["RoleId"]
    claim = Claim.of("orders", WORKLOAD, redshift=True)
    assert live(iam) == {
        "path": "/data/",
        "trust": TRUST,
        "duration": 7200,
        "boundary": boundary,
        "tags": {
            "team": "data",
            "managed-by": "risingwave-iam-runbook",
            "risingwave-iam-runbook:target": "orders",
            "risingwave-iam-runbook/id": role_id,
            claim.key: claim.value(role_id),
            **{statement_key(each): role_id for each in TRUST["Statement"]},
        },
        "attached": [],
    }
    again = BusyAws()
    assert ensure_role(again, ROLE, TRUST, **settings, apply=True).action == "none"
    assert writes(again) == []


def test_role_of_others_keeps_all_it_has_when_it_is_adopted(aws, iam):
    adopt_me(iam, make_policy(iam, "boundary"))
    before = live(iam)
    change = ensure_role(
        aws,
        ROLE,
        TRUST,
        max_session_duration=3600,
        permissions_boundary_arn=make_policy(iam, "narrower"),
        tags={"env": "prod"},
        apply=True,
    )
    assert (change.action, writes(aws), live(iam)) == ("none", [], before)
    assert len(change.notes) == 3
    assert "max_session_duration stays 7200, not 3600" in change.notes[0]


def test_role_of_ours_follows_the_target_when_its_settings_change(aws, iam):
    ensure_role(aws, ROLE, TRUST, apply=True)
    iam.tag_role(RoleName=ROLE, Tags=[{"Key": "cost", "Value": "42"}])
    aws.forget()
    settings = {
        "max_session_duration": 7200,
        "permissions_boundary_arn": make_policy(iam, "boundary"),
        "tags": {"team": "data"},
    }
    preview = ensure_role(aws, ROLE, TRUST, **settings)
    assert preview.calls == (
        "iam:UpdateRole",
        "iam:PutRolePermissionsBoundary",
        "iam:TagRole",
    )
    ensure_role(aws, ROLE, TRUST, **settings, apply=True)
    found = live(iam)
    assert (found["duration"], found["boundary"]) == (7200, settings["permissions_boundary_arn"])
    assert (found["tags"]["cost"], found["tags"]["team"]) == ("42", "data")
    assert ensure_role(aws, ROLE, TRUST, **settings).action == "none"


def test_role_of_ours_keeps_its_boundary_when_the_target_names_none(aws, iam):
    boundary = make_policy(iam, "boundary")
    ensure_role(aws, ROLE, TRUST, permissions_boundary_arn=boundary, apply=True)
    assert ensure_role(aws, ROLE, TRUST, apply=True).action == "none"
    assert live(iam)["boundary"] == boundary


def test_role_is_refused_when_it_exists_under_another_path(aws, iam):
    iam.create_role(RoleName=ROLE, Path="/a/", AssumeRolePolicyDocument=json.dumps(EC2_TRUST))
    with pytest.raises(InputError, match=r"role_path: '/b/' differs from .* path /a/"):
        ensure_role(aws, ROLE, TRUST, path="/b/", apply=True)
    assert ensure_role(aws, ROLE, TRUST, apply=True).name.endswith(f":role/a/{ROLE}")


def test_role_is_ours_when_only_the_answer_to_its_creation_was_lost(iam):
    lost = BusyAws(after={"create_role": [lambda: client_error("EntityAlreadyExists")]})
    ledger, sleeps = Ledger(), Sleeps()
    change = ensure_role(lost, ROLE, TRUST, ledger=ledger, apply=True, sleep=sleeps)
    assert (change.action, change.applied) == ("create", True)
    assert [entry["phase"] for entry in ledger.entries] == ["intended", "done"]


def test_role_is_waited_for_when_aws_does_not_show_it_at_once(iam):
    not_yet = [lambda: client_error("NoSuchEntity")] * 3
    lost = BusyAws(
        before={"get_role": not_yet},
        after={"create_role": [lambda: client_error("EntityAlreadyExists")]},
    )
    sleeps = Sleeps()
    assert ensure_role(lost, ROLE, TRUST, apply=True, sleep=sleeps).applied
    assert sleeps == [0.0, 0.5, 1.0]


def test_role_gives_up_with_a_sentence_when_aws_never_shows_it(iam):
    hidden = BusyAws(
        before={
            "get_role": [lambda: client_error("NoSuchEntity")] * 9,
            "create_role": [lambda: client_error("EntityAlreadyExists")],
        }
    )
    with pytest.raises(ServiceError, match="AWS says that it exists, but does not show it"):
        ensure_role(hidden, ROLE, TRUST, apply=True, sleep=Sleeps())


def test_role_in_other_capitals_is_bad_input_that_names_it(iam):
    iam.create_role(RoleName=ROLE.title(), AssumeRolePolicyDocument=json.dumps(TRUST))
    with pytest.raises(InputError, match=f"differs from the name of role {ROLE.title()} in capit"):
        ensure_role(BusyAws(), ROLE, TRUST, apply=True, sleep=Sleeps())


def test_role_is_not_called_created_when_another_run_of_ours_was_quicker(aws, iam):
    quicker = lambda: ensure_role(aws, ROLE, TRUST, apply=True, sleep=Sleeps()) and None  # noqa: E731
    busy = BusyAws(before={"create_role": [quicker]})
    ledger = Ledger()
    change = ensure_role(busy, ROLE, TRUST, ledger=ledger, apply=True, sleep=Sleeps())
    assert (change.action, change.applied) == ("none", False)
    assert [entry["phase"] for entry in ledger.entries] == ["intended", "abandoned"]


def test_role_is_not_ours_when_somebody_else_made_it_first(iam):
    busy = BusyAws(
        before={
            "create_role": [
                lambda: (
                    iam.create_role(RoleName=ROLE, AssumeRolePolicyDocument=json.dumps(EC2_TRUST))
                    and None
                )
            ]
        }
    )
    ledger = Ledger()
    change = ensure_role(busy, ROLE, TRUST, ledger=ledger, apply=True, sleep=Sleeps())
    assert (change.action, change.applied) == ("none", False)
    assert [entry["phase"] for entry in ledger.entries] == ["intended", "abandoned"]
    assert live(iam)["trust"] == EC2_TRUST


def test_role_names_the_workload_identity_when_aws_does_not_know_it(aws_environment):
    message = f'Invalid principal in policy: "AWS":"{WORKLOAD}"'
    refusal = client_error("MalformedPolicyDocument", message=message)
    busy = BusyAws(before={"create_role": [lambda: refusal]})
    with pytest.raises(InputError, match=f"workload_identity_arn: '{WORKLOAD}' does not exist"):
        ensure_role(busy, ROLE, TRUST, apply=True)


def test_role_read_raises_a_sentence_when_the_operator_may_not_look(aws_environment):
    busy = BusyAws(before={"get_role": [lambda: client_error("AccessDenied", message="no")]})
    with pytest.raises(ServiceError, match=f"looking for role {ROLE}: AccessDenied: no"):
        read_role(busy, ROLE)


# The attachment -------------------------------------------------------------------------------


def test_policy_is_attached_beside_the_others(aws, iam):
    adopt_me(iam, make_policy(iam, "boundary"))
    arn = make_policy(iam, "ours")
    assert ensure_attached(aws, ROLE, arn).action == "create"
    ensure_attached(aws, ROLE, arn, apply=True)
    assert {each.rpartition("/")[2] for each in live(iam)["attached"]} == {"theirs", "ours"}
    assert ensure_attached(aws, ROLE, arn, apply=True).action == "none"
    assert writes(aws) == ["attach_role_policy"]


def test_policy_is_seen_as_attached_when_it_is_on_the_second_page(iam):
    pages = iter(
        [
            {"AttachedPolicies": [{"PolicyArn": "a"}], "IsTruncated": True, "Marker": "m"},
            {"AttachedPolicies": [{"PolicyArn": "b"}], "IsTruncated": False},
        ]
    )

    class Paged(BusyAws):
        def _call(self, service, operation, parameters, *rest):
            return next(pages)

    assert attached_policies(Paged(), ROLE) == ["a", "b"]


def test_attaching_is_refused_before_the_call_when_the_role_is_full(aws, iam, monkeypatch):
    ensure_role(aws, ROLE, TRUST, apply=True)
    for number in range(10):
        iam.attach_role_policy(RoleName=ROLE, PolicyArn=make_policy(iam, f"p{number}"))
    arn = make_policy(iam, "ours")

    class Account(BusyAws):
        quota = 10

        def _call(self, service, operation, parameters, *rest):
            if operation == "get_account_summary":
                return {"SummaryMap": {"AttachedPoliciesPerRoleQuota": self.quota}}
            return super()._call(service, operation, parameters, *rest)

    narrow = Account()
    with pytest.raises(PolicyLimitError, match="10 attached policies and AWS allows 10; detach"):
        ensure_attached(narrow, ROLE, arn, apply=True)
    assert writes(narrow) == []
    roomy = Account()
    roomy.quota = 20
    assert ensure_attached(roomy, ROLE, arn).action == "create"


def test_attaching_names_the_limit_when_aws_knows_a_smaller_one(aws, iam):
    ensure_role(aws, ROLE, TRUST, apply=True)
    arn = make_policy(iam, "ours")
    busy = BusyAws(before={"attach_role_policy": [lambda: client_error("LimitExceeded")]})
    ledger = Ledger()
    with pytest.raises(PolicyLimitError, match="detach a policy that is no longer needed"):
        ensure_attached(busy, ROLE, arn, ledger=ledger, apply=True)
    assert [entry["phase"] for entry in ledger.entries] == ["intended", "abandoned"]


def test_attaching_waits_when_the_new_role_is_not_known_everywhere(aws, iam):
    ensure_role(aws, ROLE, TRUST, apply=True)
    arn = make_policy(iam, "ours")
    busy = BusyAws(before={"attach_role_policy": [lambda: client_error("NoSuchEntity")] * 2})
    sleeps = Sleeps()
    assert ensure_attached(busy, ROLE, arn, apply=True, sleep=sleeps).applied
    assert (sleeps, live(iam)["attached"]) == ([0.5, 1.0], [arn])


def test_attaching_gives_up_when_the_policy_does_not_exist(aws, iam):
    ensure_role(aws, ROLE, TRUST, apply=True)
    sleeps = Sleeps()
    with pytest.raises(ServiceError, match=r"attaching .* to risingwave-s3-access: NoSuchEntity"):
        ensure_attached(
            aws, ROLE, "arn:aws:iam::111122223333:policy/none", apply=True, sleep=sleeps
        )
    assert len(sleeps) == 4


# Lost answers, on the wire --------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize(
    "operation",
    ["CreatePolicy", "CreateRole", "AttachRolePolicy", "CreatePolicyVersion",
     "UpdateAssumeRolePolicy"],
)  # fmt: skip
def test_steps_end_the_same_when_an_answer_is_lost(
    sandbox, iam, example, monkeypatch, tmp_path, operation
):
    monkeypatch.setattr("botocore.endpoint.time", SimpleNamespace(time=time.time, sleep=Sleeps()))
    first = {**example, "apply": True, "policy_name": "orders"}
    if operation == "CreatePolicyVersion":
        Runbook.start({**first, "connectors": ["s3_sink"]}).run_step(1)
    if operation == "UpdateAssumeRolePolicy":
        iam.create_role(RoleName=ROLE, AssumeRolePolicyDocument=json.dumps(EC2_TRUST))
    sandbox.set_faults(lose_answer=1, only=f"iam:{operation}")
    book = Runbook.start(first, run_dir=tmp_path / "run")
    for number in (1, 2, 3):
        book.run_step(number)
    sandbox.set_faults(lose_answer=0, only="*")
    operations = [call["action"].rpartition(":")[2] for call in sandbox.calls()]
    assert operations.count(operation) >= 2
    found = live(iam)
    statements = found["trust"]["Statement"]
    assert statements[-2:] == TRUST["Statement"]
    assert found["attached"] == [book.target.policy_arn_in("111122223333")]
    version = iam.get_policy(PolicyArn=found["attached"][0])["Policy"]["DefaultVersionId"]
    answer = iam.get_policy_version(PolicyArn=found["attached"][0], VersionId=version)
    assert policy_json(answer["PolicyVersion"]["Document"]) == book.policy_document
    again = Runbook.start(first, run_dir=tmp_path / "again")
    for number in (1, 2, 3):
        again.run_step(number)
    assert writes(again.aws) == []


# The wait -------------------------------------------------------------------------------------


class Showing(BusyAws):
    """Shows the attachment, or not, as a list of answers says."""

    def __init__(self, *answers):
        super().__init__()
        self.answers = list(answers)

    def _call(self, service, operation, parameters, *rest):
        shown = self.answers.pop(0) if self.answers else False
        return {"AttachedPolicies": [{"PolicyArn": "arn"}] if shown else []}


def test_wait_wants_several_successes_in_a_row(aws_environment):
    sleeps = Sleeps()
    looks = wait_until_seen(
        Showing(False, True, False, True, True, False, True, True, True),
        ROLE,
        "arn",
        sleep=sleeps,
        clock=lambda: 0.0,
    )
    assert (looks, sleeps) == (9, [0.2, 0.4, 0.8])


def test_wait_counts_what_was_read_since_the_policy_was_attached(aws_environment):
    aws = Showing(True, True, True)
    assert attached_policies(aws, ROLE) == ["arn"]
    assert wait_until_seen(aws, ROLE, "arn", clock=lambda: 0.0) == 3
    assert aws.answers == [], "the first look was made already"


def test_wait_ends_with_a_sentence_when_its_time_is_over(aws_environment):
    now = [0.0]

    def sleep(seconds):
        now[0] += seconds

    with pytest.raises(ServiceError, match="after 60 seconds; run it again: nothing is lost"):
        wait_until_seen(Showing(), ROLE, "arn", sleep=sleep, clock=lambda: now[0])
    assert 60 < now[0] < 70
