"""The answer to a lab's second question is what happens when one makes what it supposes."""

from __future__ import annotations

import re

import pytest

from rwlib.labs.model import find_lab
from rwlib.labs.session import start_lab
from rwlib.sandbox import CUSTOMER, OTHER_CLUSTER_ARN, WORKLOAD_IDENTITY_ARN
from tests.labs.legitimate_repairs import LISTING, WRITING, exempts, happy_path
from tests.labs.repairs import TEAM, all_of, allows, inline, solved_and, trust, trusts
from tests.labs.wrong_repairs import managed

NAMED = {
    "trust": r"trust\b", "allowed": "allowed principal", "policy": "the role's own policies",
    "boundary": "the permissions boundary", "bucket": "bucket|the bucket policy",
}  # fmt: skip
OTHER_CLUSTER = trust(TEAM, trusts({"AWS": OTHER_CLUSTER_ARN}))
EVERYBODY = trust(TEAM, trusts("*"))
BY_SESSION = trust(
    TEAM,
    trusts({"AWS": WORKLOAD_IDENTITY_ARN}, {"StringEquals": {"sts:RoleSessionName": "reqsign"}}),
)
BY_ARN = exempts(
    {"ArnNotEquals": {"aws:PrincipalArn": ["$role_arn", f"arn:aws:iam::{CUSTOMER}:root"]}}
)


def not_registered(lab):
    lab.cloud.remove_allowed_role(lab.cluster_id, lab.role_arn)


def waits(lab):
    lab.setup.make([{"propagation": 0}])


SUPPOSED = {
    1: solved_and(OTHER_CLUSTER),
    2: all_of(happy_path(inline(LISTING, WRITING)), not_registered),
    3: solved_and(not_registered),
    4: BY_SESSION,
    7: solved_and(OTHER_CLUSTER),
    9: inline(allows("s3:PutObject", "*")),
    10: managed("AdministratorAccess"),
    12: EVERYBODY,
    14: all_of(OTHER_CLUSTER, waits),
    18: BY_ARN,
    20: inline(allows("s3:PutObject", "*")),
}


@pytest.mark.parametrize(
    "number",
    [pytest.param(n, marks=pytest.mark.slow if n == 3 else pytest.mark.long) for n in SUPPOSED],
)
def test_layer_of_the_answer_refuses_in_what_the_question_supposes(
    shared_sandbox, monkeypatch, tmp_path, number
):
    monkeypatch.setenv("RWLIB_LAB_SANDBOX", shared_sandbox.url)
    lab = start_lab(number, "ada", environment=False, home=tmp_path)
    SUPPOSED[number](lab)
    result = lab.check()
    layer = find_lab(number).after["layer"]
    if layer == "nothing":
        assert result.works, result
        return
    (hops,) = [each for each in result.findings if each.title == "Every hop of the way is right"]
    assert not result.works or number == 2, result
    assert any(re.search(f"look again at: .*({NAMED[layer]})", line) for line in hops.evidence), (
        hops
    )
