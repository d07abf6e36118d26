"""Whatever a target asks for, the three tools make it as the runbook would have made it."""

from __future__ import annotations

import re

import pytest
from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis import strategies as st

from rwlib.errors import InputError
from rwlib.export.cloudformation import cloudformation
from rwlib.export.lookup import export_plan
from rwlib.export.plan import ExportPlan
from rwlib.export.shell import shell
from rwlib.export.terraform import terraform
from rwlib.target.target import Target
from tests.export.test_exports import evaluated
from tests.export.test_round_trips import (
    aws_on_path,
    deploy,
    run_twice,
    world,
)
from tests.support.exported import (
    BY_HAND,
    in_iam,
    judge_run_and_take_back,
    make_what_terraform_says,
)
from tests.support.sandbox_clients import WORKLOAD

__all__ = ["aws_on_path", "world"]

NAME = st.from_regex(r"[\w+=,.@-]{1,64}", fullmatch=True, alphabet=st.characters(codec="ascii"))
# Half of them hold what one of the tools or IAM itself reads as more than a letter.
MARKS = st.sampled_from(["'", '"', "$", "${", "%{", "`", "*", "?", "\\", "#", "$(", "-", "!", "~"])
LETTERS = st.characters(min_codepoint=33, max_codepoint=0x1FFFF, categories=["L", "N", "P", "S"])
SEGMENT = st.lists(MARKS | LETTERS, min_size=1, max_size=8).map("".join)
PRINTABLE = st.characters(min_codepoint=0x21, max_codepoint=0x7E)
PATH_SEGMENT = st.text(PRINTABLE, min_size=1, max_size=8)
TAG = st.text(st.sampled_from("abzÄß漢 .:/=+-@_09"), max_size=12)
BUCKETS = ("acme-analytics", "acme-encrypted", "acme-frankfurt")
SQL_OPTIONS = {"from": "orders", "columns": "order_id bigint"}
# Those whose options need no more than that.
CONNECTORS = ("s3_sink", "s3_source", "snowflake")


@st.composite
def any_target(draw) -> dict:
    """The values of a target that differs in all that an export can differ in."""
    chosen = draw(st.lists(st.sampled_from(CONNECTORS), min_size=1, max_size=3, unique=True))
    values = {
        **BY_HAND,
        "name": "any",
        "workload_identity_arn": WORKLOAD,
        "bucket": draw(st.sampled_from(BUCKETS)),
        "prefix": "/".join(draw(st.lists(SEGMENT, max_size=3))),
        "role_name": draw(NAME),
        "policy_name": draw(st.just("") | NAME),
        "role_path": "".join(
            f"{each.replace('/', '')}/" for each in ["", *draw(st.lists(PATH_SEGMENT, max_size=2))]
        ),
        "permissions_boundary_arn": draw(
            st.sampled_from(["", "arn:aws:iam::aws:policy/AdministratorAccess"])
        ),
        "max_session_duration": draw(st.sampled_from([3600, 7200, 43200])),
        "tags": draw(st.dictionaries(TAG, TAG, max_size=3)),
        "connectors": chosen,
        "sql_options": dict(SQL_OPTIONS),
        "run_sql": False,
    }
    try:
        Target(**values)
    except InputError:
        assume(False)
    return values


def with_terraform(plan: ExportPlan, place, folder) -> None:
    """Create what Terraform itself reads in the module."""
    found = evaluated(terraform(plan)["main.tf"])
    make_what_terraform_says(found["aws_iam_policy"], found["aws_iam_role"])


def with_cloudformation(plan: ExportPlan, place, folder) -> None:
    """Deploy the template."""
    deploy(place, cloudformation(plan)["template.yaml"], "any", {})


def with_shell(plan: ExportPlan, place, folder) -> None:
    """Run the script, twice."""
    run_twice(shell(plan)["set_up.sh"], folder, plan.target)


def made_and_judged(make, values, place, folder):
    place.reset()
    target = Target(**values)
    try:
        plan = export_plan(target)
    except InputError:
        assume(False)  # such as a document past IAM's limit, which a run refuses as well
    make(plan, place, folder)
    made = in_iam(target)
    assert made["versions"][0]["Document"] == plan.policy
    assert made["role"]["AssumeRolePolicyDocument"] == plan.trust
    assert made["role"]["Path"] == target.role_path
    assert made["role"]["MaxSessionDuration"] == target.max_session_duration
    boundary = made["role"].get("PermissionsBoundary", {}).get("PermissionsBoundaryArn", "")
    assert boundary == target.permissions_boundary_arn
    tags = {each["Key"]: each["Value"] for each in made["role"]["Tags"]}
    assert re.fullmatch("terraform|cloudformation|aws-cli", tags.pop("managed-by"))
    assert tags == target.tags
    judge_run_and_take_back(values, place)


TOOLS = pytest.mark.parametrize(
    "make", [with_terraform, with_cloudformation, with_shell], ids=lambda make: make.__name__
)


def some(count):
    # Each example is a whole round trip, so what fails is shown as it was found.
    return settings(
        max_examples=count,
        phases=[Phase.explicit, Phase.reuse, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )


@TOOLS
@pytest.mark.parametrize(
    "count",
    [pytest.param(2, marks=pytest.mark.slow), pytest.param(12, marks=pytest.mark.long)],
)
def test_any_target(make, count, world, aws_on_path):
    @given(values=any_target())
    @some(count)
    def round_trip(values):
        made_and_judged(make, values, world, aws_on_path)

    round_trip()


@pytest.mark.slow
def test_path_that_sql_writes_with_two_quotes(world, aws_on_path):
    values = {
        **BY_HAND, "name": "any", "workload_identity_arn": WORKLOAD, "bucket": BUCKETS[0],
        "prefix": "p", "role_name": "orders", "role_path": "/o'k/", "connectors": ["s3_sink"],
        "sql_options": {"from": "orders"}, "run_sql": False,
    }  # fmt: skip
    made_and_judged(with_terraform, values, world, aws_on_path)
