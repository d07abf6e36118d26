"""Repairs that nobody wrote down in the labs: legitimate ones pass, too wide ones do not."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from collections import Counter

import pytest

from rwlib.errors import ServiceError
from rwlib.labs.advice import ADVICE
from rwlib.labs.model import all_labs, draw_faults
from rwlib.labs.session import start_lab
from rwlib.sandbox import Endpoint
from tests.labs import legitimate_repairs, repairs, wrong_repairs
from tests.support.waiting import wait_until

LEGITIMATE = {**repairs.LEGITIMATE, **legitimate_repairs.LEGITIMATE}
TOO_WIDE = {**repairs.TOO_WIDE, **wrong_repairs.TOO_WIDE}
SHORT = {
    (2, "two inline policies"),
    (9, "by the role's id"),
    (9, "and a Deny without TLS"),
    (5, "the empty prefix too"),
    (12, "another role registered for a while"),
    (10, "a new boundary with the same reach"),
    (9, "the session's name"),
    (10, "the Deny narrowed"),
    (17, "the context of every bucket"),
    (2, "role under a path"),
    (8, "grant"),
    (13, "database user"),
    (8, "grant to somebody else"),
    (5, "all of S3, and taken back"),
    (9, "Deny narrowed to the prefix"),
    (8, "all of KMS by the key policy"),
    (17, "a grant with which more may be made"),
    (3, "right, and another bucket open to the role"),
}


def cases(table):
    return [
        pytest.param(number, repair, id=f"{number}-{name}",
                     marks=[pytest.mark.slow] if (number, name) in SHORT else [pytest.mark.long])
        for (number, name), repair in table.items()
    ]  # fmt: skip


def test_every_lab_that_can_be_repaired_in_more_ways_has_other_repairs_of_both_kinds():
    """No repair is in both tables, and no lab is without either kind."""
    assert not set(LEGITIMATE) & set(TOO_WIDE)
    for table, fewest in ((LEGITIMATE, 6), (TOO_WIDE, 8)):
        counted = Counter(number for number, _ in table)
        few = {lab.number: counted[lab.number] for lab in all_labs()
               if not lab.draw and counted[lab.number] < fewest}  # fmt: skip
        assert few == {}


@pytest.fixture
def start(shared_sandbox, monkeypatch, tmp_path):
    """Start labs in the sandbox of this session, each at its beginning."""
    monkeypatch.setenv("RWLIB_LAB_SANDBOX", shared_sandbox.url)
    monkeypatch.setenv("RWLIB_LABS", str(tmp_path / "labs"))
    return lambda number, seed=1: start_lab(number, "ada", environment=False, seed=seed)


@pytest.mark.parametrize(("number", "repair"), cases(LEGITIMATE))
def test_check_passes_when_the_repair_is_legitimate(start, number, repair):
    lab = start(number)
    repair(lab)
    result = lab.check()
    assert result.passed, result


@pytest.mark.parametrize(("number", "repair"), cases(TOO_WIDE))
def test_check_fails_when_the_repair_is_too_wide_or_no_repair(start, number, repair):
    lab = start(number)
    repair(lab)
    result = lab.check()
    assert not result.passed
    # A repair that works is refused by a guard, with a request that proves it.
    refusing = [each for each in result.findings[1:] if not each.passed]
    said = " ".join(line for each in refusing for line in each.evidence)
    assert not result.works or re.search(r"\b(\w+:[A-Z]\w+|added to Allowed)", said), result
    # And a sentence says what kind of mistake it is, or that it was another layer.
    lines = {line for each in result.findings if not each.passed for line in each.evidence}
    layer = any(line.startswith("You have changed ") for line in lines)
    assert layer or lines & set(ADVICE.values()), result


@pytest.mark.parametrize(
    ("number", "document", "arn"),
    [
        pytest.param(5, "$policy_with_slash_only", "", marks=pytest.mark.slow),
        pytest.param(6, "$documented_policy", "", marks=pytest.mark.long),
        pytest.param(8, "$policy_without_key", "", marks=pytest.mark.long),
        pytest.param(10, "$narrow_boundary", "$boundary_arn", marks=pytest.mark.long),
    ],
)
def test_solution_and_new_versions_work_when_the_policy_has_five_versions(
    start, number, document, arn
):
    lab = start(number)
    text, where = lab.setup.fill(document), lab.setup.fill(arn)
    said = [lab.put_policy(text, where).text for _ in range(6)]
    assert "the oldest, was deleted" not in said[0]
    assert "v1, the oldest, was deleted" in " ".join(said)
    lab.solution(apply=True)
    result = lab.check()
    assert result.passed, result


@pytest.mark.long
@pytest.mark.parametrize("number", [lab.number for lab in all_labs()])
def test_seven_versions_of_every_policy_end_in_no_limit_and_are_a_lesson(start, number):
    lab = start(number)
    if not lab.lab.base:
        lab.solution(apply=True)
    iam = lab.setup.client("iam")
    for arn in {lab.policy_arn, str(lab.setup.variables.get("boundary_arn", lab.policy_arn))}:
        version = iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"]
        read = iam.get_policy_version(PolicyArn=arn, VersionId=version)["PolicyVersion"]
        said = [lab.put_policy(read["Document"], arn).text for _ in range(7)]
        assert "LimitExceeded" in said[-1]
        assert "LimitExceeded" not in said[0]
    lab.solution(apply=lab.lab.base)
    findings = lab.check().findings
    assert all(each.passed for each in findings[: -1 if lab.lab.rounds else None]), findings


@pytest.mark.slow
def test_reason_is_shown_after_the_third_check_in_vain(start):
    lab = start(5)
    first, _, third = (repr(lab.check()) for _ in range(3))
    assert "look again at: requests, and there the role's own policies" in first
    assert "s3:prefix" not in first.partition("Every hop")[2]
    assert "s3:prefix" in third.partition("Every hop")[2]


NAMED = {
    "trust": r"trust\b", "allowed": "allowed principal", "policy": "the role's own policies",
    "boundary": "the permissions boundary", "bucket": "bucket|the bucket policy", "sql": "SQL",
}  # fmt: skip


@pytest.mark.parametrize(
    ("number", "seed"),
    [
        pytest.param(lab.number, seed, marks=pytest.mark.slow if (lab.number, seed) == (16, 1) else
                     pytest.mark.long)
        for lab in all_labs() if lab.layer in NAMED for seed in (1, 2, 3)
    ],
)  # fmt: skip
def test_check_names_the_layer_that_refuses_alone_and_later_why(start, number, seed):
    """Lab 6 has no hop that is wrong: RisingWave reads, and another tool's call is refused."""
    lab = start(number, seed)
    first, _, third = (lab.check() for _ in range(3))
    if number == 6:
        said, why = (
            next(each.evidence for each in result.findings if "region" in each.title)
            for result in (first, third)
        )
        assert "no identity-based policy allows" in said[0]
        assert (len(said), len(why)) == (1, 2)
        assert "s3:prefix" in why[1] or "s3:GetBucketLocation" in why[1]
        return
    hops = [
        each.evidence
        for result in (first, third)
        for each in result.findings
        if each.title == "Every hop of the way is right"
    ]
    for lines in hops:
        heads = [line.partition("\n")[0] for line in lines]
        assert heads
        for head in heads:
            assert re.fullmatch(f"look again at: .*({NAMED[lab.lab.layer]}).*", head), head
    assert not any("\n" in line for line in hops[0])
    assert all("\n" in line for line in hops[1])


@pytest.mark.long
def test_check_says_after_the_third_time_that_no_document_refuses(start):
    lab = start(14)
    first, _, third = (repr(lab.check()) for _ in range(3))
    assert "no document refuses" not in first
    assert "no document refuses" in third


@pytest.mark.slow
def test_lab_with_several_faults_names_one_layer_at_a_time(start):
    result = start(15).check()
    (hops,) = [each for each in result.findings if each.title == "Every hop of the way is right"]
    assert len(hops.evidence) == 1


def test_seed_changes_names_places_and_variants_and_the_default_one_nothing():
    varied = {}
    for lab in (each for each in all_labs() if not each.draw):
        assert draw_faults(lab, 1) == lab
        drawn = [draw_faults(lab, seed) for seed in range(2, 30)]
        assert drawn == [draw_faults(lab, seed) for seed in range(2, 30)]
        assert len({each.full_target().role_name for each in drawn}) > 2
        assert len({each.full_target().prefix for each in drawn}) > 2
        varied[lab.number] = len(
            {(json.dumps(each.faults[0].breaks), each.statement) for each in drawn}
        )
    # Lab 2 has no fault: there is nothing yet.
    assert {number for number, ways in varied.items() if ways < 2} == {2}


@pytest.mark.parametrize(
    ("number", "seed"),
    [
        pytest.param(lab.number, seed, marks=pytest.mark.slow if (lab.number, seed) == (8, 3) else
                     pytest.mark.long)
        for lab in all_labs() if not lab.draw for seed in (2, 3, 4, 9)
    ],
)  # fmt: skip
def test_solution_solves_every_variant(start, number, seed):
    lab = start(number, seed)
    assert not lab.check().passed
    lab.solution(apply=True)
    result = lab.check()
    assert result.passed, result


OPENS = """
import os, signal, sys
from rwlib.labs.session import start_lab
lab = start_lab({number}, 'ada', environment=False, home={home!r})
assert not lab.check().passed
{more}
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize(
    "number",
    [
        pytest.param(lab.number, marks=pytest.mark.slow if lab.number == 13 else pytest.mark.long)
        for lab in all_labs()
    ],
)
def test_lab_is_opened_again_after_a_check_and_the_end_of_its_kernel(monkeypatch, tmp_path, number):
    """A kernel that is killed leaves its state as the last answered call left it."""
    monkeypatch.delenv("RWLIB_LAB_SANDBOX", raising=False)
    more = "" if number == 21 else "lab.solution(apply=True)"
    program = OPENS.format(number=number, home=str(tmp_path), more=more)
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert ended.returncode == -signal.SIGKILL, ended.stderr
    with start_lab(number, "ada", environment=False, home=tmp_path) as lab:
        result = lab.check()
        assert number == 21 or result.passed, result
        assert not lab.reset().check().passed
    with start_lab(number, "ada", environment=False, home=tmp_path, again=True) as lab:
        assert not lab.check().passed
        lab.solution(apply=True)
        result = lab.check()
        assert result.passed, result


@pytest.mark.long
def test_lab_stays_open_in_a_second_kernel_when_the_first_ends(monkeypatch, tmp_path):
    monkeypatch.delenv("RWLIB_LAB_SANDBOX", raising=False)
    program = (
        "import sys; from rwlib.labs.session import start_lab; "
        f"lab = start_lab(3, 'ada', environment=False, home={str(tmp_path)!r}); "
        "lab.solution(apply=True); print(lab.setup.endpoint.url, flush=True); sys.stdin.read()"
    )
    first = subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        url = first.stdout.readline().strip()
        with start_lab(3, "ada", environment=False, home=tmp_path) as second:
            assert second.setup.endpoint.url == url
            first.communicate("", timeout=60)
            assert wait_until(lambda: answers(url))
            assert second.check().passed
    finally:
        first.kill()
        first.wait()


def answers(url):
    try:
        return Endpoint(url).control("GET", "health")
    except ServiceError:
        return None
