"""The labs' guards on random repairs: what is wider is refused, what means the same is not.

The states are those of real labs after their solution; only documents in them are exchanged, so
that thousands can be judged without a call.
"""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rwlib.labs.guards import (
    LabHistory,
    lost,
    opened,
    read_history,
    strangers_let_in,
    too_much_granted,
)
from rwlib.labs.model import all_labs
from rwlib.labs.session import start_lab
from rwlib.labs.states import LabState, document_of
from rwlib.sandbox import CUSTOMER, WORKLOAD_IDENTITY_ARN
from rwlib.verify import probe_role
from rwlib.verify.iam_actions import iam_actions

LABS = [lab.number for lab in all_labs() if not lab.draw]
SHORT = (5, 8, 10)
FEW = settings(max_examples=8, deadline=None, derandomize=True,
               suppress_health_check=[HealthCheck.function_scoped_fixture])  # fmt: skip
MANY = settings(FEW, max_examples=150)
OUTSIDE = [f"arn:aws:iam::{CUSTOMER}:role/unrelated-app", "arn:aws:iam::999999999999:root", "*"]


@pytest.fixture(scope="module")
def solved(shared_sandbox, tmp_path_factory):
    """Return the set-up of a lab, and its history after the solution."""
    known = {}

    def of(number):
        if number not in known:
            with pytest.MonkeyPatch.context() as patch:
                patch.setenv("RWLIB_LAB_SANDBOX", shared_sandbox.url)
                patch.setenv("RWLIB_LABS", str(tmp_path_factory.mktemp("labs")))
                lab = start_lab(number, "ada", environment=False)
                lab.solution(apply=True)
                lab.setup.look_again()
                history = read_history(lab.setup, lab._started["began"], ())
            known[number] = lab.setup, history
        return known[number]

    return of


def with_role(setup, history, **changes):
    """Exchange documents of the lab's role in what stands now."""
    role = history.now.role(setup.target.role_name)
    pieces = {**history.now.pieces, f"role {role['arn']}": {**role, **changes}}
    return replace(
        history, states=(history.before, LabState("2026-01-01T00:00:00+00:00", "x", pieces))
    )


def with_more(setup, history, statement):
    role = history.now.role(setup.target.role_name)
    text = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    return with_role(setup, history, policies=[*role["policies"], ["more", text]])


def found(setup, history: LabHistory):
    return [
        *strangers_let_in(setup, history),
        *too_much_granted(setup, history),
        *opened(setup, history),
        *lost(setup, history),
    ]


@pytest.mark.slow
@pytest.mark.parametrize("number", SHORT)
def test_guards_find_nothing_when_the_solution_stands(solved, number):
    setup, history = solved(number)
    assert found(setup, history) == []


extra = st.tuples(
    st.deferred(lambda: st.sampled_from(sorted(action.name for action in iam_actions().values()))),
    st.sampled_from(["*", "arn:aws:s3:::*", "arn:aws:s3:::acme-*/*"]),
    st.booleans(),
)


def check_extra(solved, number, action, resource, conditioned):
    """An action on everything is more than any connector needs."""
    setup, history = solved(number)
    if not action.startswith("s3:") or "/" not in "".join(iam_actions()[action.lower()].shapes):
        resource = "*"
    condition = {"StringNotEquals": {"aws:RequestedRegion": "ap-south-1"}} if conditioned else None
    statement = {"Effect": "Allow", "Action": action, "Resource": resource}
    statement |= {"Condition": condition} if condition else {}
    wide = with_more(setup, history, statement)
    if setup.lab.number == 10 and not action.startswith("s3:"):
        return  # the boundary leaves nothing of it
    lines = [each.line for each in too_much_granted(setup, wide)]
    if history.now.role(setup.target.role_name)["boundary_arn"] and not lines:
        return
    assert lines, statement
    assert f"for example {action.partition(':')[0]}:" in lines[0]


@pytest.mark.slow
@FEW
@given(extra)
def test_extra_grant_is_refused_with_a_witness(solved, drawn):
    check_extra(solved, 5, *drawn)


@pytest.mark.long
@pytest.mark.parametrize("number", LABS)
@MANY
@given(extra)
def test_extra_grants_are_refused_with_a_witness(solved, number, drawn):
    check_extra(solved, number, *drawn)


ACCOUNTS = ("444455556666", "777788889999", "999999999999")
principals = st.one_of(
    st.sampled_from(["*", {"AWS": "*"}]),
    st.sampled_from(ACCOUNTS).map(lambda account: {"AWS": account}),
    st.sampled_from(ACCOUNTS).map(lambda account: {"AWS": f"arn:aws:iam::{account}:role/x"}),
    st.sampled_from(["ec2", "lambda", "glue", "redshift.eu-west-1"]).map(
        lambda name: {"Service": f"{name}.amazonaws.com"}
    ),
    st.just({"AWS": f"arn:aws:iam::{CUSTOMER}:role/unrelated-app"}),
    st.just({"AWS": f"arn:aws:iam::{CUSTOMER}:root"}),
)
conditions = st.sampled_from(
    [
        None,
        {"StringEquals": {"sts:ExternalId": "acme-7391"}},
        {"IpAddress": {"aws:SourceIp": "203.0.113.0/24"}},
        {"StringLike": {"sts:RoleSessionName": "req*"}},
        {"Bool": {"aws:MultiFactorAuthPresent": "true"}},
    ]
)


def check_principal(solved, number, principal, condition):
    setup, history = solved(number)
    trust = document_of(history.now.role(setup.target.role_name)["trust"])
    statement = {"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"}
    statement |= {"Condition": condition} if condition else {}
    trust = {**trust, "Statement": [*trust["Statement"], statement]}
    wide = with_role(setup, history, trust=json.dumps(trust))
    lines = [each.line for each in strangers_let_in(setup, wide)]
    assert lines, statement
    assert "for example sts:AssumeRole by" in lines[0]


@pytest.mark.slow
@FEW
@given(principals, conditions)
def test_extra_principal_is_refused_with_a_witness(solved, principal, condition):
    check_principal(solved, 8, principal, condition)


@pytest.mark.long
@pytest.mark.parametrize("number", LABS)
@MANY
@given(principals, conditions)
def test_extra_principals_are_refused_with_a_witness(solved, number, principal, condition):
    check_principal(solved, number, principal, condition)


def listed(value):
    return value if isinstance(value, list) else [value]


@st.composite
def rewritings(draw, document):
    """Write a document another way: split, merged, in another order, with other operators."""
    statements = []
    for statement in listed(document["Statement"]):
        parts = [dict(statement)]
        for element in ("Action", "Resource"):
            if element in statement and draw(st.booleans()):
                parts = [
                    {**part, element: each} for part in parts for each in listed(part[element])
                ]
        statements += parts
    for index, statement in enumerate(statements):
        statement.pop("Sid", None)
        if draw(st.booleans()):
            statement["Sid"] = f"Mine{index}"
        for element in ("Action", "Resource"):
            if isinstance(statement.get(element), str) and draw(st.booleans()):
                statement[element] = [statement[element]]
        if "Action" in statement and draw(st.booleans()):
            actions = [
                each.swapcase().replace("S3:", "s3:") for each in listed(statement["Action"])
            ]
            statement["Action"] = actions
        prefixes = statement.get("Condition", {}).get("StringLike", {}).get("s3:prefix")
        if prefixes and draw(st.booleans()):
            # A pattern without a wildcard is an equality, and the key's case does not matter.
            exact = [each for each in listed(prefixes) if "*" not in each]
            wild = [each for each in listed(prefixes) if "*" in each]
            parts = [("StringEquals", exact), ("StringLike", wild)]
            first, *others = [(operator, values) for operator, values in parts if values]
            for operator, values in others:
                statements.append({**statement, "Condition": {operator: {"S3:Prefix": values}}})
                statements[-1].pop("Sid", None)
            statement["Condition"] = {first[0]: {"s3:prefix": first[1]}}
    return {**document, "Statement": draw(st.permutations(statements))}


def check_rewriting(solved, number, draw):
    setup, history = solved(number)
    role = history.now.role(setup.target.role_name)
    documents = [draw(rewritings(document_of(text))) for _, text in role["policies"]]
    if draw(st.booleans()):
        merged = [each for document in documents for each in listed(document["Statement"])]
        for each in merged:
            each.pop("Sid", None)
        half = draw(st.integers(0, len(merged)))
        documents = [{"Version": "2012-10-17", "Statement": part}
                     for part in (merged[:half], merged[half:]) if part]  # fmt: skip
    names = [
        f"arn:aws:iam::{CUSTOMER}:policy/mine-{index}" if draw(st.booleans()) else f"mine-{index}"
        for index, _ in enumerate(documents)
    ]
    trust = document_of(role["trust"])
    if draw(st.booleans()):
        for statement in trust["Statement"]:
            if statement["Principal"] == {"AWS": WORKLOAD_IDENTITY_ARN}:
                statement["Principal"] = {
                    "AWS": f"arn:aws:iam::{WORKLOAD_IDENTITY_ARN[13:25]}:root"
                }
                operator = draw(st.sampled_from(["ArnEquals", "ArnLike", "StringEquals"]))
                statement["Condition"] = {operator: {"aws:PrincipalArn": [WORKLOAD_IDENTITY_ARN]}}
    trust["Statement"] = draw(st.permutations(trust["Statement"]))
    policies = [[name, json.dumps(each)] for name, each in zip(names, documents, strict=True)]
    same = with_role(setup, history, policies=policies, trust=json.dumps(trust))
    assert found(setup, same) == []
    verdicts = probe_role(setup.target, same.now.situation(setup.target))
    assert all(each.decision.allowed for each in verdicts if each.probe.allow)


@pytest.mark.slow
@FEW
@given(st.data())
def test_rewriting_that_means_the_same_is_accepted(solved, data):
    check_rewriting(solved, 5, data.draw)


@pytest.mark.long
@pytest.mark.parametrize("number", LABS)
@MANY
@given(st.data())
def test_rewritings_that_mean_the_same_are_accepted(solved, number, data):
    check_rewriting(solved, number, data.draw)
