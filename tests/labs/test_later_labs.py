"""Labs 16 to 21: repairs that nobody wrote down, and what is peculiar to each."""

from __future__ import annotations

import json

import pytest

from rwlib.errors import InputError
from rwlib.labs.model import draw_round, find_lab
from rwlib.labs.scores import read_results
from rwlib.labs.session import open_lab, start_lab
from rwlib.labs.terraform import BUCKET, KEY

pytestmark = pytest.mark.slow


@pytest.fixture
def start(shared_sandbox, monkeypatch, tmp_path):
    monkeypatch.setenv("RWLIB_LAB_SANDBOX", shared_sandbox.url)
    monkeypatch.setenv("RWLIB_LABS", str(tmp_path / "labs"))
    return lambda number, seed=1: start_lab(number, "ada", environment=False, seed=seed)


def bucket_policy(lab, change):
    s3 = lab.setup.client("s3")
    policy = json.loads(s3.get_bucket_policy(Bucket=lab.bucket)["Policy"])
    change(policy["Statement"])
    s3.put_bucket_policy(Bucket=lab.bucket, Policy=json.dumps(policy))


def put_trust(lab, trust):
    body = {"resource": {"aws_iam_role": {"risingwave": {"name": lab.role_name}}}}
    body["resource"]["aws_iam_role"]["risingwave"]["assume_role_policy"] = trust
    lab.setup.client("s3").put_object(Bucket=BUCKET, Key=KEY, Body=json.dumps(body))


def by_pattern(lab):
    def change(statements):
        condition = statements[1]["Condition"]
        condition["ArnNotLike"] = {
            "aws:PrincipalArn": [*condition.pop("ArnNotEquals")["aws:PrincipalArn"], lab.role_arn]
        }

    bucket_policy(lab, change)


def by_arn(lab):
    def change(statements):
        names = ["root", f"role/{lab.role_name}"]
        condition = {"aws:PrincipalArn": [f"arn:aws:iam::111122223333:{name}" for name in names]}
        statements[1]["Condition"] = {"ArnNotEquals": condition}

    bucket_policy(lab, change)


def other_spelling(lab):
    """What is written and what stands differ in their text alone: no drift."""
    trust = lab.setup.fill("$trust")
    put_trust(lab, json.dumps(trust))
    lab.terraform_apply()
    for statement in trust["Statement"]:
        statement["Action"] = ["sts:AssumeRole"]
    put_trust(lab, json.dumps(trust, indent=3))


def context_by_two_statements(lab):
    policy = lab.setup.fill("$key_for_bucket_and_objects")
    first = policy["Statement"][0]
    key = "kms:EncryptionContext:aws:s3:arn"
    both = first["Condition"]["StringLike"][key]
    policy["Statement"] = [
        {**first, "Sid": f"Key{n}", "Condition": {"StringLike": {key: each}}}
        for n, each in enumerate(both)
    ]
    lab.setup.client("iam").put_role_policy(
        RoleName=lab.role_name, PolicyName="use-the-key", PolicyDocument=json.dumps(policy)
    )


def lockdown_without_this_action(lab):
    """The policy stays attached, without what the incident was about; nothing is granted."""
    document = lab.setup.fill("$lockdown")
    document["Statement"][0]["Action"] = ["s3:DeleteObject"]
    lab.put_policy(document, lab.setup.fill("$lockdown_arn"))


@pytest.mark.parametrize(
    ("number", "repair"),
    [
        (16, by_pattern),
        (17, context_by_two_statements),
        (18, by_arn),
        (19, other_spelling),
        (20, lockdown_without_this_action),
    ],
)
def test_check_passes_when_the_repair_is_another_legitimate_one(start, number, repair):
    lab = start(number)
    repair(lab)
    result = lab.check()
    assert result.passed, result


def test_verdict_is_unknown_and_names_the_key_and_the_values(start):
    text = start(16).verdict().text
    assert "unknown" in text
    assert "depends on aws:SourceIp; allowed from 203.0.113.0/24" in text


def test_terraform_plans_before_it_applies_and_takes_back_what_was_made_by_hand(start):
    lab = start(19)
    iam = lab.setup.client("iam")
    iam.update_assume_role_policy(
        RoleName=lab.role_name, PolicyDocument=json.dumps(lab.setup.fill("$trust"))
    )
    assert lab.try_again().works
    assert "would be updated in-place: assume_role_policy" in lab.terraform_plan().text
    assert lab.try_again().works  # a plan changes nothing
    assert "was updated in-place" in lab.terraform_apply().text
    assert not lab.try_again().works
    assert lab.terraform_plan().text.startswith("No changes.")


@pytest.mark.parametrize(
    ("trust", "said"),
    [(7, "is not text"), ("${data.x}", "expressions are not read"), (None, "is not text")],
)
def test_terraform_says_what_it_cannot_read(start, trust, said):
    lab = start(19)
    put_trust(lab, trust)
    with pytest.raises(InputError, match=said):
        lab.terraform_plan()
    assert said in repr(lab.check())


def test_trail_holds_the_refused_call_its_reason_and_what_caused_it(start):
    lab = start(20)
    assert "AccessDenied" not in lab.symptom().text
    text = lab.trail().text
    assert "with an explicit deny in an identity-based policy" in text
    assert text.rindex("AttachRolePolicy") < text.index("explicit deny")
    assert "policyArn=arn:aws:iam::111122223333:policy/incident-lockdown" in text
    assert "GetRole\n" not in text
    assert "explicit deny" not in repr(lab.check())
    # A call of another account that STS refused is not in this account's trail.
    assert "g1jk13sq56ejdref71h1cvokbh-role" not in text


def test_rounds_are_drawn_by_the_seed_and_are_five_labs():
    lab = find_lab(21)
    for seed in range(1, 30):
        names = [draw_round(lab, seed, number).faults[0].name for number in range(1, 6)]
        assert len(set(names)) == 5
        assert names == [draw_round(lab, seed, n).faults[0].name for n in range(1, 6)]
        assert {draw_round(lab, seed, n).title for n in range(1, 6)} == {lab.title}


def test_closing_lab_is_solved_when_every_round_is_and_an_open_one_comes_again(start):
    lab = start(21, seed=4)
    lab.next_round()  # the first is left for later
    for number in range(2, 6):
        assert lab.round == number
        lab.setup.make(lab.lab.repair)
        result = lab.check()
        assert not result.passed
        assert [each.title for each in result.findings if not each.passed] == [
            "All 5 rounds are solved"
        ]
        if number == 3:
            lab = open_lab(21, "ada")  # another kernel goes on in the same round
            assert lab.round == 3
        lab.next_round()
    assert lab.round == 1
    assert not lab.check().passed
    lab.setup.make(lab.lab.repair)
    assert lab.check().passed
    score = read_results(lab.place.results_file).of(21)
    assert score.passed
    assert score.seed == 4
    with pytest.raises(InputError, match="has no rounds"):
        start(3).next_round()
