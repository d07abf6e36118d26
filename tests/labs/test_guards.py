"""The labs' guards on random repairs: what is wider is refused, what means the same is not.

The states are those of real labs after their solution; only documents in them are exchanged, so
that thousands can be judged without a call.
"""

from __future__ import annotations

import json
import os
import re
from dataclasses import replace
from functools import cache

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from rwlib.evaluate import Policies, Request, evaluate
from rwlib.labs.guards import (
    LabHistory,
    lost,
    opened,
    strangers_let_in,
    too_much_granted,
)
from rwlib.labs.model import all_labs
from rwlib.labs.states import LabState, document_of
from rwlib.sandbox import CUSTOMER, WORKLOAD_IDENTITY_ARN
from rwlib.verify import probe_role
from rwlib.verify.iam_actions import iam_actions

# Labs 15 and 21 are drawn: several seeds of the one, every round of the other.
LABS = [
    *(pytest.param((lab.number, 0), id=str(lab.number)) for lab in all_labs() if not lab.draw),
    *(pytest.param((15, seed), id=f"15-seed-{seed}") for seed in (1, 2, 3, 4)),
    *(pytest.param((21, drawn), id=f"21-round-{drawn}") for drawn in range(1, 6)),
]
SHORT = (5, 8, 10)
FEW = settings(max_examples=8, deadline=None, derandomize=True,
               suppress_health_check=[HealthCheck.function_scoped_fixture])  # fmt: skip
SOME = settings(FEW, max_examples=2)
# Examples for each lab in the long runs; they take about half a second of a free core each.
EXAMPLES = int(os.environ.get("RWLIB_GUARD_EXAMPLES", "150"))
# To make a failing example smaller takes minutes here; what fails is shown as it was drawn.
LONG = settings(FEW, phases=[Phase.explicit, Phase.generate])
MANY = settings(LONG, max_examples=EXAMPLES)
MEDIUM = settings(LONG, max_examples=max(1, EXAMPLES * 2 // 5))
OBJECTS = "arn:${Partition}:s3:::${BucketName}/${ObjectName}"
OUTSIDE = [f"arn:aws:iam::{CUSTOMER}:role/unrelated-app", "arn:aws:iam::999999999999:root", "*"]


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


def leaves(boundary, action, resource):
    """Whether a boundary lets through an action beyond what the solution has of it."""
    place = resource.replace("*", "x") if resource != "*" else "*"
    request = Request(f"arn:aws:iam::{CUSTOMER}:role/x", action, place, CUSTOMER, {})
    everything = {"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": "*", "Resource": "*"}]}  # fmt: skip
    return evaluate(request, Policies(identity=[everything], boundary=boundary)).allowed


def check_extra(solved, number, action, resource, conditioned):
    """An action on everything is more than any connector needs."""
    setup, history = solved(number)
    if OBJECTS not in iam_actions()[action.lower()].shapes:
        resource = "*"  # an ARN of objects grants nothing of an action on buckets or jobs
    condition = {"StringNotEquals": {"aws:RequestedRegion": "ap-south-1"}} if conditioned else None
    statement = {"Effect": "Allow", "Action": action, "Resource": resource}
    statement |= {"Condition": condition} if condition else {}
    wide = with_more(setup, history, statement)
    lines = [each.line for each in too_much_granted(setup, wide)]
    if history.now.role(setup.target.role_name)["boundary_arn"] and not lines:
        # The boundary leaves nothing of it: then none of it is granted.
        situation = wide.now.situation(setup.target)
        assert not leaves(situation.boundary[1], action, resource)
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


def pieces_of(setup, state):
    """Name the bucket, and its key where it has one, as the state has them."""
    bucket = state.bucket(setup.target.bucket)
    key = f"key {bucket.get('kms_key')}"
    return f"bucket {setup.target.bucket}", key if key in state.pieces else ""


def with_piece(history, name, **changes):
    """Exchange what stands now of a bucket, a key or a role."""
    pieces = {**history.now.pieces, name: {**history.now.pieces[name], **changes}}
    return replace(
        history, states=(history.before, LabState("2026-01-01T00:00:00+00:00", "x", pieces))
    )


def with_statements(history, name, *statements, member="policy"):
    document = document_of(history.now.pieces[name][member]) or {"Version": "2012-10-17"}
    kept = listed(document.get("Statement", []))
    return with_piece(
        history, name, **{member: json.dumps({**document, "Statement": [*kept, *statements]})}
    )


WITNESS = re.compile(r"\b[a-z0-9-]+:[A-Z]\w+")
OTHERS = [
    *("*", {"AWS": "*"}, {"AWS": OUTSIDE[0]}, {"AWS": OUTSIDE[1]}, {"AWS": "999999999999"}),
    *({"AWS": "arn:aws:iam::444455556666:root"}, {"Service": "lambda.amazonaws.com"}),
]


@cache
def actions_on(kind):
    """The actions of AWS that a kind of test draws from; read when the first is drawn."""
    known = iam_actions().values()
    if kind == "bounded":
        found = (each for each in known
                 if each.name.startswith(("s3:Put", "s3:D", "ec2:", "kms:", "sts:")))  # fmt: skip
    elif kind == "objects":
        found = (each for each in known if each.name.startswith("s3:")
                 and OBJECTS in each.shapes
                 and each.name != "s3:PutObject")  # fmt: skip
    elif kind == "buckets":
        found = (each for each in known
                 if tuple(each.shapes) == ("arn:${Partition}:s3:::${BucketName}",))  # fmt: skip
    else:
        found = (each for each in known if each.name.startswith("kms:")
                 and any(":key/" in shape for shape in each.shapes)
                 and (kind == "keys" or not _only_uses(each)))  # fmt: skip
    return sorted(each.name for each in found)


def _only_uses(action):
    """Whether an action of KMS reads, or uses a key without changing it."""
    used = re.search("crypt|GenerateDataKey|Sign|GenerateMac|Verify", action.name)
    return action.level in "RL" or bool(used)


OPERATIONS = ["Decrypt", "Encrypt", "GenerateDataKey", "CreateGrant", "ReEncryptFrom"]
NARROWER = [
    {"DateLessThan": {"aws:CurrentTime": "2020-01-01T00:00:00Z"}},
    {"StringEquals": {"aws:PrincipalTag/team": "x"}},
    {"Bool": {"aws:SecureTransport": "false"}},
    {"StringLike": {"aws:UserAgent": "x*"}},
    {"StringNotLike": {"aws:PrincipalArn": "*"}},
    {"ArnNotLike": {"aws:PrincipalArn": f"arn:aws:iam::{CUSTOMER}:role/*"}},
]


def narrowed(draw, statement, bucket):
    """Make a Deny smaller in one of the ways in which learners do; None takes it away."""
    way = draw(st.sampled_from(["gone", "condition", "action", "resource", "principal"]))
    if way == "gone":
        return None
    if way == "condition":
        ((operator, more),) = draw(st.sampled_from(NARROWER)).items()
        condition = json.loads(json.dumps(statement.get("Condition", {})))
        if set(more) & set(condition.get(operator, {})):
            operator = f"{operator}IfExists"
        condition.setdefault(operator, {}).update(more)
        return {**statement, "Condition": condition}
    return {
        **statement,
        **{"action": {"Action": "s3:PutObjectTagging"},
           "resource": {"Resource": f"arn:aws:s3:::{bucket}/elsewhere/*"},
           "principal": {"Principal": {"AWS": "arn:aws:iam::999999999999:root"}}}[way],
    }  # fmt: skip


def widened_resource(draw, setup, history):
    """Open a bucket policy, a key policy, a grant or a boundary in a random way."""
    bucket, key = pieces_of(setup, history.now)
    role = history.now.role(setup.target.role_name)
    arn = f"arn:aws:s3:::{setup.target.bucket}"
    way = draw(st.sampled_from(["objects", "bucket", "own", "deny", *(["key", "grant", "own key",
               "own grant"] if key else []), *(["boundary", "wall"] if role["boundary_arn"] else
               [])]))  # fmt: skip
    who = draw(st.sampled_from(OTHERS))
    allow = {"Effect": "Allow", "Principal": who}
    if way == "objects":
        action = draw(st.sampled_from(actions_on("objects")))
        return way, with_statements(history, bucket, {**allow, "Action": action,
                                                      "Resource": f"{arn}/*"})  # fmt: skip
    if way == "bucket":
        action = draw(st.sampled_from(actions_on("buckets")))
        return way, with_statements(history, bucket, {**allow, "Action": action, "Resource": arn})
    own = {"Effect": "Allow", "Principal": {"AWS": role["arn"]}}
    if way == "own":
        action = draw(st.sampled_from(actions_on("objects")))
        return way, with_statements(history, bucket, {**own, "Action": action,
                                                      "Resource": f"{arn}/*"})  # fmt: skip
    if way == "deny":
        document = document_of(history.now.pieces[bucket]["policy"])
        kept = listed(document["Statement"])
        number = draw(st.integers(0, len(kept) - 1))
        less = narrowed(draw, kept[number], setup.target.bucket)
        kept = [*kept[:number], *([less] if less else []), *kept[number + 1 :]]
        text = json.dumps({**document, "Statement": kept}) if kept else ""
        return way, with_piece(history, bucket, policy=text)
    if way in ("key", "own key"):
        known = st.sampled_from(actions_on("keys" if way == "key" else "changing"))
        actions = draw(st.lists(known, min_size=1, max_size=3, unique=True))
        more = {**(allow if way == "key" else own), "Action": actions, "Resource": "*"}
        return way, with_statements(history, key, more)
    if way in ("grant", "own grant"):
        operations = draw(st.lists(st.sampled_from(OPERATIONS), min_size=1, unique=True))
        named = OUTSIDE[0] if way == "grant" else role["arn"]
        if way == "own grant":
            operations = [*operations, "CreateGrant"]
        grants = [*history.now.pieces[key].get("grants", ()),
                  {"principal": named, "operations": operations, "constraints": {}}]  # fmt: skip
        return way, with_piece(history, key, grants=grants)
    name = f"role {role['arn']}"
    if way == "boundary":
        action = draw(st.sampled_from(actions_on("bounded")))
        more = {"Effect": "Allow", "Action": action, "Resource": "*"}
        return way, with_statements(history, name, more, member="boundary")
    document = document_of(role["boundary"])
    kept = [each for each in listed(document["Statement"]) if each["Effect"] == "Allow"]
    return way, with_piece(history, name, boundary=json.dumps({**document, "Statement": kept}))


def check_widened_resource(solved, which, draw):
    setup, history = solved(which)
    way, wide = widened_resource(draw, setup, history)
    lines = [each.line for each in (*too_much_granted(setup, wide), *opened(setup, wide))]
    bounds = wide.now.situation(setup.target).boundary
    if way == "own" and bounds and not lines:
        # A boundary bounds what a resource's policy gives its role by its ARN: nothing is granted.
        added = listed(document_of(wide.now.pieces[pieces_of(setup, wide.now)[0]]["policy"])[
            "Statement"])[-1]  # fmt: skip
        assert not leaves(bounds[1], added["Action"], added["Resource"])
        return
    assert lines, (way, wide.now.pieces[pieces_of(setup, wide.now)[0]]["policy"])
    assert WITNESS.search(lines[0]), (way, lines)


@pytest.mark.slow
@FEW
@given(st.data())
def test_opened_document_of_a_resource_is_refused_with_a_witness(solved, data):
    check_widened_resource(solved, 8, data.draw)


@pytest.mark.long
@pytest.mark.parametrize("which", LABS)
@MEDIUM
@given(st.data())
def test_opened_documents_of_resources_are_refused_with_a_witness(solved, which, data):
    check_widened_resource(solved, which, data.draw)


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
        condition = statement.get("Condition", {})
        for operator in [*condition]:
            values = condition[operator].get("aws:PrincipalArn")
            if values and not set("*?") & set("".join(listed(values))) and draw(st.booleans()):
                # Without a wildcard the four are one.
                negated = "Not" if "Not" in operator else ""
                other = draw(
                    st.sampled_from(
                        [
                            f"Arn{negated}Equals",
                            f"Arn{negated}Like",
                            f"String{negated}Equals",
                            f"String{negated}Like",
                        ]
                    )
                )
                if other not in condition:
                    kept = {k: v for k, v in condition.items() if k != operator}
                    rest = {k: v for k, v in condition[operator].items() if k != "aws:PrincipalArn"}
                    kept |= {operator: rest} if rest else {}
                    named = {"AWS:principalarn": draw(st.permutations(listed(values)))}
                    condition = {**kept, other: named}
                    statement["Condition"] = condition
        if statement.get("Principal") == "*" and draw(st.booleans()):
            statement["Principal"] = {"AWS": "*"}
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
    changes = {"policies": policies, "trust": json.dumps(trust)}
    if role["boundary_arn"]:
        changes["boundary"] = json.dumps(draw(rewritings(document_of(role["boundary"]))))
    for name in filter(None, pieces_of(setup, history.now)):
        if text := history.now.pieces[name].get("policy"):
            other = json.dumps(draw(rewritings(document_of(text))))
            history = replace(
                history, states=(history.before, with_piece(history, name, policy=other).now)
            )
    same = with_role(setup, history, **changes)
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
