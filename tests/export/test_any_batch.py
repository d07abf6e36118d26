"""Whatever several targets ask for, one export of them all makes each as the runbook would."""

from __future__ import annotations

import json
import os
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from rwlib.errors import InputError
from rwlib.export.exporting import export_targets
from rwlib.export.lookup import export_plan
from rwlib.export.plan import ExportPlan
from rwlib.target.target import Target
from tests.export.test_any_target import any_target, some
from tests.export.test_exports import formatted, in_console, needs_terraform
from tests.export.test_round_trips import aws_on_path, deploy, run_script, world
from tests.support.exported import attach, in_iam, judge_run_and_take_back, make_policy, make_role
from tests.support.sandbox_clients import CUSTOMER

__all__ = ["aws_on_path", "world"]

SETTINGS = (
    "role_name", "role_path", "permissions_boundary_arn", "max_session_duration", "tags",
)  # fmt: skip


@st.composite
def batches(draw) -> list[dict[str, Any]]:
    """Three to ten targets, some of them on the role of another."""
    found = draw(st.lists(any_target(), min_size=3, max_size=10))
    for number, values in enumerate(found):
        values["name"] = f"any{number}"
        if number and draw(st.integers(0, 3)) == 0:
            first = found[draw(st.integers(0, number - 1))]
            values |= {name: first[name] for name in SETTINGS}
    return found


def with_terraform(plans: list[ExportPlan], place, folder) -> None:
    """Create what Terraform itself reads in the module."""
    files = export_targets(plans, "terraform")
    for text in files.values():
        assert formatted(text) == text
    with tempfile.TemporaryDirectory() as name:
        # Without the resources, whose provider nothing here may fetch.
        text = files["main.tf"]
        body = text[text.index("locals {") :].partition('\nresource "')[0]
        Path(name, "main.tf").write_text(body, encoding="utf-8")
        targets, roles = in_console(("local.targets", "local.roles"), name)
    for role_name, row in roles.items():
        make_role({
            **row, "name": role_name, "assume_role_policy": row["trust"],
        })  # fmt: skip
    for row in targets.values():
        arn = make_policy({**row, "name": row["policy_name"]})
        attach(row["role_name"], arn)


def with_cloudformation(plans: list[ExportPlan], place, folder) -> None:
    """Deploy a stack for each instance, from the one template."""
    files = export_targets(plans, "cloudformation")
    for row in json.loads(files["instances.json"]):
        given = json.loads(files[row["parameters"]])
        parameters = {each["ParameterKey"]: each["ParameterValue"] for each in given}
        deploy(place, files["template.yaml"], row["target"], parameters)


def with_shell(plans: list[ExportPlan], place, folder) -> None:
    """Run the one script, twice."""
    (text,) = export_targets(plans, "cli").values()
    for number in range(2):
        done = run_script(text, folder)
        assert (done.returncode, done.stderr) == (0, ""), done.stderr
        assert number == 0 or "Created" not in done.stdout


def made_and_judged(make, batch, place, folder) -> None:
    place.reset()
    plans: list[ExportPlan] = []
    taken = []
    for values in batch:
        # Refused in every form is such as a policy past IAM's limit, or a name twice.
        with suppress(InputError):
            together = [*plans, export_plan(Target(**values))]
            export_targets(together, "json")
            plans = together
            taken.append(values)
    assume(len(plans) >= 3)
    batch = taken
    shared = len({each.target.role_name for each in plans}) < len(plans)
    if shared and make is with_cloudformation:
        with pytest.raises(InputError, match="a stack makes its own"):
            make(plans, place, folder)
        return
    make(plans, place, folder)
    for plan in plans:
        made = in_iam(plan.target)
        assert made["versions"][0]["Document"] == plan.policy
        assert made["role"]["Path"] == plan.target.role_path
        assert made["role"]["Arn"] == plan.target.role_arn_in(CUSTOMER)
    for values in batch:
        judge_run_and_take_back(values, place)


@pytest.mark.long
@needs_terraform
@pytest.mark.parametrize(
    "make", [with_terraform, with_cloudformation, with_shell], ids=lambda make: make.__name__
)
def test_any_batch(make, world, aws_on_path):
    @given(batch=batches())
    @some(int(os.environ.get("RWLIB_EXPORT_BATCHES", "2")))
    def round_trip(batch):
        made_and_judged(make, batch, world, aws_on_path)

    round_trip()
