"""The labs: each is broken before its solution, solved by it, and by no wrong repair."""

from __future__ import annotations

import json
import re

import boto3
import pytest

from rwlib.errors import CheckFailedError, InputError
from rwlib.labs.advice import ADVICE
from rwlib.labs.model import all_labs, draw_faults, find_lab
from rwlib.labs.scores import read_results
from rwlib.labs.session import start_lab

pytestmark = pytest.mark.slow

NUMBERS = [lab.number for lab in all_labs()]
WRONG = [
    (lab.number, wrong.name) for lab in all_labs() for fault in lab.faults for wrong in fault.wrong
]
THREE = 15
SEEDS = (1, 2, 3)


@pytest.fixture
def start(shared_sandbox, monkeypatch, tmp_path):
    """Start labs in the sandbox of this session, each at its beginning."""
    monkeypatch.setenv("RWLIB_LAB_SANDBOX", shared_sandbox.url)
    monkeypatch.setenv("RWLIB_LABS", str(tmp_path / "labs"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))

    def start(number, **options):
        return start_lab(number, "ada", environment=False, **options)

    return start


def failing(result):
    return {finding.title for finding in result.findings if not finding.passed}


def test_labs_are_numbered_without_a_gap_and_cover_the_failures():
    assert list(range(1, len(NUMBERS) + 1)) == NUMBERS
    assert len(NUMBERS) >= 10
    assert find_lab("03") is find_lab(3) is find_lab("copied_from_the_console")
    assert find_lab("wrong_principal") is find_lab(3)  # its name of before
    assert find_lab("allowed_principals") is find_lab("the_same_message") is find_lab(12)


@pytest.mark.parametrize("number", NUMBERS)
def test_check_fails_before_the_solution_and_passes_after_it(start, number):
    lab = start(number)
    assert not lab.check().passed
    with pytest.raises(CheckFailedError, match=f"lab {number} is not solved"):
        lab.check(required=True)
    lab.solution(apply=True)
    result = lab.check()
    assert result.passed, result
    score = read_results(lab.place.results_file).of(number)
    assert score.checks == 3
    assert score.passed
    assert score.missed


@pytest.mark.parametrize(("number", "name"), WRONG)
def test_check_fails_when_the_repair_is_a_wrong_one(start, number, name):
    lab = start(number)
    (wrong,) = [each for fault in lab.lab.faults for each in fault.wrong if each.name == name]
    lab.setup.make(wrong.calls)
    result = lab.check()
    assert not result.passed
    # Where the wrong repair hides the symptom, it is the guards alone that refuse it.
    assert result.works is wrong.hides, result
    assert failing(result) - {"RisingWave works when it tries again"} or not wrong.hides
    said = [line for each in result.findings for line in each.evidence]
    assert not wrong.hides or set(said) & set(ADVICE.values()), result


def test_no_sentence_gives_the_answer_away():
    for sentence in ADVICE.values():
        assert not re.search(r"arn:|\w+:[A-Z]\w+|aws:|-role|\d{12}", sentence), sentence


@pytest.mark.parametrize("seed", SEEDS)
def test_last_lab_is_solved_only_when_every_fault_is_repaired(start, seed):
    lab = start(THREE, seed=seed)
    assert len(lab.lab.faults) == 3
    assert len({fault.group for fault in lab.lab.faults}) == 3
    for fault in lab.lab.faults:
        assert not lab.check().passed, fault.name
        lab.setup.make(fault.repair)
    assert lab.check().passed


def test_last_lab_refuses_a_wrong_repair_when_all_else_is_right(start):
    lab = start(THREE, seed=2)
    first, *others = lab.lab.faults
    for fault in others:
        lab.setup.make(fault.repair)
    lab.setup.make(next(wrong for wrong in first.wrong if wrong.hides).calls)
    result = lab.check()
    assert result.works
    assert not result.passed


def test_faults_are_drawn_again_when_the_seed_is_the_same():
    last = find_lab(THREE)
    drawn = [tuple(fault.name for fault in draw_faults(last, seed).faults) for seed in range(40)]
    assert drawn == [tuple(f.name for f in draw_faults(last, seed).faults) for seed in range(40)]
    assert len(set(drawn)) > 5
    assert {name for names in drawn for name in names} == {
        find_lab(number).name for number in last.draw
    }


def client(lab, service):
    return lab.setup.client(service)


def test_happy_path_is_passed_when_names_and_layout_are_the_learners(start):
    """An inline policy, another Sid and another sink name are as good."""
    lab = start(2)
    iam = client(lab, "iam")
    trust = {
        "Version": "2012-10-17",
        "Statement": {
            "Sid": "MyOwn",
            "Effect": "Allow",
            "Principal": {"AWS": [lab.setup.fill("$workload")]},
            "Action": ["sts:AssumeRole"],
        },
    }
    iam.create_role(RoleName=lab.role_name, AssumeRolePolicyDocument=json.dumps(trust))
    iam.put_role_policy(
        RoleName=lab.role_name,
        PolicyName="mine",
        PolicyDocument=json.dumps(lab.setup.fill("$recommended_policy")),
    )
    lab.cloud.add_allowed_role(lab.cluster_id, lab.role_arn)
    lab.sql(lab.setup.variables["statement"].replace("s3_sink FROM", "my_sink FROM"))
    result = lab.check()
    assert result.passed, result


def test_happy_path_is_refused_when_the_sink_uses_keys_instead_of_the_role(start):
    lab = start(2)
    lab.solution(apply=True)
    lab.sql("DROP SINK s3_sink")
    role_line = f"s3.assume_role = '{lab.role_arn}'"
    statement = str(lab.setup.variables["statement"])
    keys = "s3.credentials.access = '111122223333', s3.credentials.secret = 'test'"
    assert role_line in statement
    lab.sql(statement.replace(role_line, keys))
    assert failing(lab.check()) == {"RisingWave works when it tries again"}


def test_trust_lab_is_refused_when_the_wildcard_is_hidden_in_a_condition(start):
    """A wildcard that a condition narrows to the account lets every cluster in."""
    lab = start(3)
    statement = {
        "Sid": "RisingWaveCloudAssumeRole",
        "Effect": "Allow",
        "Principal": {"AWS": "*"},
        "Action": "sts:AssumeRole",
        "Condition": {"StringEquals": {"aws:PrincipalAccount": "444455556666"}},
    }
    trust = {
        "Version": "2012-10-17",
        "Statement": [lab.setup.fill("$data_team"), statement],
    }
    client(lab, "iam").update_assume_role_policy(
        RoleName=lab.role_name, PolicyDocument=json.dumps(trust)
    )
    result = lab.check()
    assert result.works
    assert "Nobody else may assume the role" in failing(result)


@pytest.mark.parametrize(
    ("principal", "condition"),
    [
        ("*", {"IpAddress": {"aws:SourceIp": "127.0.0.0/8"}}),
        ({"AWS": "*"}, {"StringLike": {"sts:RoleSessionName": "reqsign"}}),
        ({"AWS": "444455556666"}, {"IpAddress": {"aws:SourceIp": "127.0.0.0/8"}}),
    ],
)
def test_trust_lab_is_refused_when_a_second_statement_is_open(start, principal, condition):
    """Right for the evaluated principals, and open to others all the same."""
    lab = start(3)
    lab.solution(apply=True)
    trust = lab.setup.fill("$trust")
    trust["Statement"].append(
        {
            "Effect": "Allow",
            "Principal": principal,
            "Action": "sts:AssumeRole",
            "Condition": condition,
        }
    )
    client(lab, "iam").update_assume_role_policy(
        RoleName=lab.role_name, PolicyDocument=json.dumps(trust)
    )
    result = lab.check()
    assert result.works
    assert "Nobody else may assume the role" in failing(result)


def test_region_lab_is_refused_when_the_bucket_is_made_again_elsewhere(start):
    lab = start(11)
    s3 = client(lab, "s3")
    for entry in s3.list_objects_v2(Bucket=lab.bucket)["Contents"]:
        s3.delete_object(Bucket=lab.bucket, Key=entry["Key"])
    s3.delete_bucket(Bucket=lab.bucket)
    credentials = {"aws_access_key_id": "111122223333", "aws_secret_access_key": "test"}
    boto3.client(
        "s3", endpoint_url=lab.setup.endpoint.url, region_name="us-east-1", **credentials
    ).create_bucket(Bucket=lab.bucket)
    lab.sql(lab.setup.variables["statement"])
    assert "What was there before is still there" in failing(lab.check())


def test_check_answers_when_the_bucket_is_gone(start):
    lab = start(11)
    s3 = client(lab, "s3")
    for entry in s3.list_objects_v2(Bucket=lab.bucket)["Contents"]:
        s3.delete_object(Bucket=lab.bucket, Key=entry["Key"])
    s3.delete_bucket(Bucket=lab.bucket)
    result = lab.check()
    assert not result.passed
    assert "NoSuchBucket" in repr(result)


def test_symptom_is_what_the_engine_says_now(start):
    lab = start(3)
    assert "is not authorized to perform: sts:AssumeRole" in lab.symptom().text
    lab.solution(apply=True)
    assert "sts:AssumeRole" not in lab.symptom().text
    assert "wrote risingwave/" in lab.symptom().text


def test_check_says_what_was_refused_but_not_how_to_repair_it(start):
    text = repr(start(7).check())
    assert "look again at: trust" in text
    assert "AROA" not in text
    assert "g1jk13sq56ejdref71h1cvokbh-role," not in text


def test_reset_puts_the_fault_back_and_keeps_the_score(start):
    lab = start(9)
    lab.solution(apply=True)
    assert lab.check().passed
    lab.reset()
    assert not lab.check().passed
    score = read_results(lab.place.results_file).of(9)
    assert score.passed
    assert (score.checks, score.resets) == (2, 1)


def test_wait_until_steady_wants_successes_in_a_row(start):
    lab = start(14)
    pauses = []

    def sleep(seconds):
        pauses.append(seconds)
        if len(pauses) == 2:
            lab.setup.make([{"propagation": 0}])

    text = lab.wait_until_steady(sleep=sleep).text
    assert text.count("refused") == 2
    assert text.endswith("3 successes in a row")
    assert pauses[1] > pauses[0]
    assert lab.check().passed


def test_wait_until_steady_gives_up_when_it_is_wrong(start):
    lab = start(3)
    times = iter(range(0, 1000, 100))
    text = lab.wait_until_steady(sleep=lambda _: None, clock=lambda: next(times)).text
    assert text.endswith("this is not slow, this is wrong")


def test_solution_code_is_python_that_solves_the_lab(start, monkeypatch):
    for number in (2, 10):
        lab = start(number)
        text = lab.solution().text.split("\n", 1)[1]
        with monkeypatch.context() as patch:
            for name, value in lab.environment.items():
                patch.setenv(name, value)
            patch.setattr(boto3, "DEFAULT_SESSION", None)
            exec(compile(text, "solution", "exec"), {"lab": lab})
        assert lab.check().passed


def test_lab_is_refused_when_it_does_not_exist(start):
    with pytest.raises(InputError, match="there are 1 to"):
        start(99)
    with pytest.raises(InputError, match="is not a valid learner's name"):
        start_lab(1, "../elsewhere")
