"""Whatever is there already, an export comes to what the runbook itself would make of it."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass, field
from typing import Any

import boto3
import pytest
import yaml
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from rwlib.cloud import Cloud
from rwlib.errors import CheckFailedError, InputError, RunbookError
from rwlib.export.cloudformation import cloudformation
from rwlib.export.lookup import export_plan
from rwlib.export.plan import ExportPlan
from rwlib.export.shell import shell
from rwlib.export.terraform import terraform
from rwlib.steps import canonical, tag_map
from rwlib.target.target import Target
from tests.export.test_exports import (
    evaluated,
    formatted,
    hcl2,
    needs_terraform,
    resources_of,
    tree,
)
from tests.export.test_round_trips import Intrinsic, aws_on_path, run_script, world
from tests.support.exported import book, in_iam, tag_list, writes_in
from tests.support.sandbox_clients import CUSTOMER, WORKLOAD

__all__ = ["aws_on_path", "world"]

ROLE, POLICY = "orders", "orders-access"
CLUSTER = "019d023e-68a6-74db-b73c-e18859fc5171"
BOUNDARIES = ("", "arn:aws:iam::aws:policy/AdministratorAccess",
              "arn:aws:iam::aws:policy/PowerUserAccess")  # fmt: skip
OTHER_ROLE = f"arn:aws:iam::{CUSTOMER}:root"


def statement(principal: Any, **more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole", **more}


# What others have in a trust policy, and RisingWave's own statement in other words.
TRUSTED = [
    statement({"Service": "ec2.amazonaws.com"}),
    statement({"Service": "lambda.amazonaws.com"}, Sid="Lambda"),
    statement({"AWS": OTHER_ROLE}, Condition={"Bool": {"aws:MultiFactorAuthPresent": "true"}}),
    statement({"AWS": WORKLOAD}),
    statement({"AWS": [WORKLOAD]}, Sid="Ours"),
    statement({"AWS": WORKLOAD}, Sid="RisingWaveCloudAssumeRole"),
    statement({"Service": "redshift.amazonaws.com"}, Sid="Copy"),
    # Refused by Step 3: it would be lifted by a statement beside it.
    statement({"AWS": WORKLOAD}, Condition={"StringEquals": {"sts:ExternalId": "x"}}),
]
DENY = {"Effect": "Deny", "Action": "ec2:*", "Resource": "*"}


def document(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


@dataclass
class There:
    """What is in the account: a role and a policy of others, or an earlier target's set-up."""

    earlier: list[dict[str, Any]] = field(default_factory=list)
    trust: list[dict[str, Any]] | None = None
    role: dict[str, Any] = field(default_factory=dict)
    role_tags: dict[str, str] = field(default_factory=dict)
    inline: bool = False
    others_policy: bool = False
    policy: str = ""  # "", "same" or "other"
    policy_tags: dict[str, str] = field(default_factory=dict)
    attached: bool = False
    principals: list[str] = field(default_factory=list)

    def make(self, values: dict[str, Any]) -> None:
        """Make it."""
        iam, target = boto3.client("iam"), Target(**values)
        for each in self.earlier:
            run = book(each, apply=True)
            for number in (1, 2, 3):
                run.run_step(number)
        if self.trust is not None:
            iam.create_role(
                RoleName=ROLE, AssumeRolePolicyDocument=document(*self.trust),
                Tags=tag_list(self.role_tags), **self.role,
            )  # fmt: skip
        if self.inline and self.there(iam):
            iam.put_role_policy(RoleName=ROLE, PolicyName="i", PolicyDocument=document(DENY))
        if self.others_policy and self.there(iam):
            theirs = iam.create_policy(PolicyName="theirs", PolicyDocument=document(DENY))
            iam.attach_role_policy(RoleName=ROLE, PolicyArn=theirs["Policy"]["Arn"])
        if self.policy and not self.earlier:
            asked = json.dumps(export_plan_of_nothing(target).policy)
            arn = iam.create_policy(
                PolicyName=POLICY, Description="theirs", Tags=tag_list(self.policy_tags),
                PolicyDocument=asked if self.policy == "same" else document(DENY),
            )["Policy"]["Arn"]  # fmt: skip
            if self.attached and self.trust is not None:
                iam.attach_role_policy(RoleName=ROLE, PolicyArn=arn)
        for arn in self.principals:
            Cloud.from_environment().add_allowed_role(CLUSTER, arn)

    def there(self, iam: Any) -> bool:
        return self.trust is not None or bool(self.earlier)


def export_plan_of_nothing(target: Target) -> ExportPlan:
    """What is asked for, whatever is there."""
    return export_plan(target.model_copy(update={"role_name": "nobodys", "policy_name": "nobodys"}))


TAGS = st.dictionaries(
    st.sampled_from(["team", "cost centre", "managed-by", "Managed_By", "stage"]),
    st.sampled_from(["terraform", "data", "p=1", ""]),
    max_size=3,
)


@st.composite
def asked(draw) -> dict[str, Any]:
    """What is asked for now."""
    connectors = draw(
        st.lists(st.sampled_from(["s3_sink", "s3_source", "redshift"]), min_size=1, unique=True)
    )
    return {
        "name": "any",
        "workload_identity_arn": WORKLOAD,
        "cluster_id": CLUSTER,
        "bucket": draw(st.sampled_from(["acme-analytics", "acme-encrypted"])),
        "prefix": draw(st.sampled_from(["a", "b?c/d", ""])),
        "role_name": ROLE,
        "policy_name": POLICY,
        "role_path": draw(st.sampled_from(["/", "/", "/team/"])),
        "permissions_boundary_arn": draw(st.sampled_from(BOUNDARIES)),
        "max_session_duration": draw(st.sampled_from([3600, 7200])),
        "tags": draw(st.dictionaries(st.sampled_from(["team", "stage"]), st.just("asked"))),
        "connectors": connectors,
        "sql_options": {
            **({} if connectors == ["s3_source"] else {"from": "orders"}),
            **({"columns": "order_id bigint"} if "s3_source" in connectors else {}),
        },
        "run_sql": False,
    }


@st.composite
def states(draw) -> tuple[dict[str, Any], There]:
    """What is asked for, and what is there."""
    values = draw(asked())
    there = There(
        inline=draw(st.booleans()),
        others_policy=draw(st.booleans()),
        principals=draw(
            st.lists(st.sampled_from([f"arn:aws:iam::{CUSTOMER}:role/{n}" for n in ("x", "y")]),
                     max_size=2, unique=True)
        ),
    )  # fmt: skip
    kind = draw(st.sampled_from(["foreign", "foreign", "ours", "shared"]))
    if kind == "foreign":
        there.trust = draw(
            st.lists(st.sampled_from(TRUSTED), min_size=1, max_size=3, unique_by=str)
        )
        boundary = draw(st.sampled_from(BOUNDARIES))
        there.role = {
            "Path": draw(st.sampled_from(["/", "/team/", "/theirs/"])),
            "MaxSessionDuration": draw(st.sampled_from([3600, 7200, 43200])),
            **({"PermissionsBoundary": boundary} if boundary else {}),
            **draw(st.sampled_from([{}, {"Description": 'theirs, "q" $x'}])),
        }
        there.role_tags = draw(TAGS)
        there.policy = draw(st.sampled_from(["", "same", "same", "other"]))
        there.policy_tags = draw(TAGS)
        there.attached = draw(st.booleans())
    else:
        # The same target as it was, or another one whose role it is too.
        before = draw(asked())
        before |= {"bucket": "acme-analytics", "role_path": values["role_path"]}
        if kind == "shared":
            before |= {"name": "first", "policy_name": "first-access"}
        there.earlier = [before]
    return values, there


def wizard(values: dict[str, Any]) -> dict[str, Any] | type[RunbookError]:
    """Do Steps 1-3, and say what there is then, or how it was refused."""
    run = book(values, apply=True)
    try:
        run.look()
        for number in (1, 2, 3):
            run.run_step(number)
    except RunbookError as error:
        return type(error)
    register_role()
    verified = book(values, apply=False)
    verified.verify_live()
    return {**seen(Target(**values)), "verified": verified.exit_code}


def register_role() -> None:
    """Do Step 4 for the role as it is: its path may be its own."""
    arn = boto3.client("iam").get_role(RoleName=ROLE)["Role"]["Arn"]
    Cloud.from_environment().add_allowed_role(CLUSTER, arn)


def seen(target: Target) -> dict[str, Any]:
    """What matters of a set-up, whoever made it."""
    found = in_iam(target)
    role = found["role"]
    (default,) = [each["Document"] for each in found["versions"] if each["IsDefaultVersion"]]
    statements = role["AssumeRolePolicyDocument"]["Statement"]
    return {
        "policy": canonical(default),
        "trust": sorted(canonical(each) for each in statements),
        "path": role["Path"],
        "duration": role["MaxSessionDuration"],
        "boundary": role.get("PermissionsBoundary", {}).get("PermissionsBoundaryArn", ""),
        "attached": sorted(each["PolicyArn"] for each in found["attached"]),
        "inline": found["inline"],
        "tags": plain(tag_map(role.get("Tags", []))),
        "policy tags": plain(tag_map(found["policy"].get("Tags", []))),
    }


def plain(tags: dict[str, str]) -> dict[str, str]:
    """Tags but for whose it is."""
    return {
        key: value for key, value in tags.items()
        if key.lower() != "managed-by" and not key.startswith("risingwave-iam-runbook")
    }  # fmt: skip


# --- The tools, as they take over what the files say is there


def take_over(policy: dict[str, Any], role: dict[str, Any], imported: dict[str, str]) -> None:
    """Bring what is imported to what a tool's resources say, and make the rest."""
    iam = boto3.client("iam")
    if "policy" in imported:
        arn = imported["policy"]
        found = iam.get_policy(PolicyArn=arn)["Policy"]
        assert found["PolicyName"] == policy["name"]
        # Another description would be another policy.
        assert found.get("Description", "") == policy.get("description", "")
        now = iam.get_policy_version(PolicyArn=arn, VersionId=found["DefaultVersionId"])
        if canonical(now["PolicyVersion"]["Document"]) != canonical(policy["policy"]):
            prune(arn)
            iam.create_policy_version(
                PolicyArn=arn, PolicyDocument=json.dumps(policy["policy"]), SetAsDefault=True
            )
        if "tags" in policy:
            retag(found, policy["tags"], iam.untag_policy, iam.tag_policy, PolicyArn=arn)
    else:
        arn = iam.create_policy(
            PolicyName=policy["name"], PolicyDocument=json.dumps(policy["policy"]),
            Tags=tag_list(policy.get("tags", {})),
        )["Policy"]["Arn"]  # fmt: skip
    name = role["name"]
    if "role" in imported:
        assert imported["role"] == name
        found = iam.get_role(RoleName=name)["Role"]
        assert found["Path"] == role["path"]
        assert found.get("Description", "") == role.get("description", "")
        iam.update_role(RoleName=name, MaxSessionDuration=role["max_session_duration"])
        iam.update_assume_role_policy(
            RoleName=name, PolicyDocument=json.dumps(role["assume_role_policy"])
        )
        if boundary := role.get("permissions_boundary"):
            iam.put_role_permissions_boundary(RoleName=name, PermissionsBoundary=boundary)
        elif "PermissionsBoundary" in found:
            iam.delete_role_permissions_boundary(RoleName=name)
        retag(found, role["tags"], iam.untag_role, iam.tag_role, RoleName=name)
    else:
        boundary = role.get("permissions_boundary")
        iam.create_role(
            RoleName=name, Path=role["path"], MaxSessionDuration=role["max_session_duration"],
            AssumeRolePolicyDocument=json.dumps(role["assume_role_policy"]),
            Tags=tag_list(role["tags"]),
            **({"PermissionsBoundary": boundary} if boundary else {}),
        )  # fmt: skip
    iam.attach_role_policy(RoleName=name, PolicyArn=arn)


def prune(arn: str) -> None:
    """Make room for a version, as both tools do.

    Source: hashicorp/aws, internal/service/iam/policy.go, policyPruneVersions; CloudFormation
    User Guide, "AWS::IAM::ManagedPolicy", PolicyDocument.
    """
    iam = boto3.client("iam")
    versions = iam.list_policy_versions(PolicyArn=arn)["Versions"]
    if len(versions) == 5:
        oldest = min(
            (each["VersionId"] for each in versions if not each["IsDefaultVersion"]),
            key=lambda name: int(name[1:]),
        )
        iam.delete_policy_version(PolicyArn=arn, VersionId=oldest)


def retag(found, tags, untag, tag, **what):
    stale = [each["Key"] for each in found.get("Tags", []) if each["Key"] not in tags]
    if stale:
        untag(TagKeys=stale, **what)
    tag(Tags=tag_list(tags), **what)


def with_terraform(plan: ExportPlan, folder) -> None:
    """What the module and its import blocks come to."""
    text = terraform(plan)["main.tf"]
    assert formatted(text) == text
    ids = {
        tree(each)["to"].removeprefix("${").partition(".")[0]: tree(each)["id"]
        for each in hcl2.loads(text).get("import", [])
    }
    found = evaluated(text)
    imported = {"policy": ids.get("aws_iam_policy"), "role": ids.get("aws_iam_role")}
    take_over(
        found["aws_iam_policy"], found["aws_iam_role"],
        {name: each for name, each in imported.items() if each},
    )  # fmt: skip
    # Who is on the cluster's list stays on it.
    there = list(plan.existing.principals)
    assert there == list(Cloud.from_environment().allowed_iam_roles(CLUSTER).role_arns)
    own = plan.target.model_copy(update={"role_path": plan.role_path}).role_arn_in(CUSTOMER)
    listed = resources_of(text)["risingwavecloud_cluster_allowed_iam_roles"]["role_arns"]
    assert listed == [*(each for each in there if each != own), "${aws_iam_role.risingwave.arn}"]
    assert ("risingwavecloud_cluster_allowed_iam_roles" in ids) == bool(there)


def with_cloudformation(plan: ExportPlan, folder) -> None:
    """What the template comes to after its import."""
    cfnlint = pytest.importorskip("cfnlint.api", reason="cfn-lint is not installed")
    files = cloudformation(plan)
    for name, text in files.items():
        if name.endswith(".yaml"):
            assert [str(each) for each in cfnlint.lint(text)] == []
    policy, role = resources_in(files["template.yaml"])
    assert role["ManagedPolicyArns"] == ["Policy"]
    imported = {
        each["LogicalResourceId"].lower(): next(iter(each["ResourceIdentifier"].values()))
        for each in json.loads(files.get("import.json", "[]"))
    }
    if imported:
        # An import writes nothing: what it says must be what is there.
        iam, (their_policy, their_role) = boto3.client("iam"), resources_in(files["import.yaml"])
        assert (bool(their_policy), bool(their_role)) == ("policy" in imported, "role" in imported)
        if their_policy:
            there = iam.get_policy(PolicyArn=imported["policy"])["Policy"]["DefaultVersionId"]
            assert (
                their_policy["PolicyDocument"]
                == iam.get_policy_version(PolicyArn=imported["policy"], VersionId=there)[
                    "PolicyVersion"
                ]["Document"]
            )
        if their_role:
            there = iam.get_role(RoleName=imported["role"])["Role"]
            for name in ("AssumeRolePolicyDocument", "MaxSessionDuration", "Path"):
                assert their_role[name] == there[name]
            assert tag_map(their_role.get("Tags", [])) == tag_map(there.get("Tags", []))
            assert their_role.get("PermissionsBoundary") == there.get(
                "PermissionsBoundary", {}
            ).get("PermissionsBoundaryArn")
            assert their_role.get("Description") == (there.get("Description") or None)
    take_over(
        {"name": policy["ManagedPolicyName"], "policy": policy["PolicyDocument"],
         "description": policy.get("Description", "")},
        {"name": role["RoleName"], "path": role["Path"],
         "description": role.get("Description", ""),
         "max_session_duration": role["MaxSessionDuration"],
         "permissions_boundary": role.get("PermissionsBoundary"),
         "assume_role_policy": role["AssumeRolePolicyDocument"], "tags": tag_map(role["Tags"])},
        imported,
    )  # fmt: skip
    if "policy_tags.sh" in files:
        for _ in range(2):
            done = run_script(files["policy_tags.sh"], folder)
            assert (done.returncode, done.stderr) == (0, "")


def resources_in(text: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """The properties of a template's policy and role, its parameters filled in."""
    body = yaml.load(text, Loader=Intrinsic)
    defaults = {name: each["Default"] for name, each in body["Parameters"].items()}

    def filled(item: Any) -> Any:
        if isinstance(item, dict):
            if set(item) == {"Ref"}:
                return defaults.get(item["Ref"], item["Ref"])
            return {name: filled(each) for name, each in item.items()}
        return [filled(each) for each in item] if isinstance(item, list) else item

    found = body["Resources"]
    policy, role = (
        filled(found.get(name, {}).get("Properties", {})) for name in ("Policy", "Role")
    )
    return policy, role


def with_shell(plan: ExportPlan, folder) -> None:
    """What the script comes to, run twice."""
    text = shell(plan)["set_up.sh"]
    assert subprocess.run(["sh", "-n"], input=text, capture_output=True, text=True).stderr == ""
    first = run_script(text, folder)
    assert (first.returncode, first.stderr) == (0, ""), first.stderr
    made = in_iam(plan.target)
    again = run_script(text, folder)
    assert (again.returncode, again.stderr) == (0, "")
    for word in ("Created", "Attached", "Updated", "Tagged"):
        assert word not in again.stdout
    assert in_iam(plan.target) == made


TOOLS = pytest.mark.parametrize(
    "tool", [with_terraform, with_cloudformation, with_shell], ids=lambda tool: tool.__name__
)


def judged(tool, state, place, folder) -> None:
    values, there = state
    target = Target(**values)
    place.reset()
    there.make(values)
    wanted = wizard(values)
    place.reset()
    there.make(values)
    before = everything()
    plan, refused = None, ""
    try:
        plan = export_plan(target)
    except RunbookError as error:
        refused = str(error)
    if plan is None:
        assert isinstance(wanted, type), f"refused, though a run makes it: {refused}"
        assert everything() == before
        return
    if wanted is CheckFailedError:
        return  # what would be there is judged before a run writes it
    assert not isinstance(wanted, type), f"exported, though a run refuses it: {wanted}"
    if there.earlier and there.earlier[0]["name"] != "any" and tool is not with_shell:
        with pytest.raises(InputError, match="serves target first of this runbook too"):
            tool(plan, folder)
        return
    tool(plan, folder)
    register_role()
    verified = book(values, apply=False)
    verified.verify_live()
    got = {**seen(target), "verified": verified.exit_code}
    if tool is with_cloudformation and not plan.existing.policy_is_ours:
        # It has no tags for a policy.
        wanted["policy tags"] = plain(plan.existing.policy_tags)
    assert got == wanted
    made = in_iam(target)
    place.forget_calls()
    run = book(values, apply=True)
    run.look()
    for number in range(1, 6):
        run.run_step(number)
    assert [run.steps[number].status for number in (1, 2, 3, 4)] == ["unchanged"] * 4
    assert writes_in(place) == []
    if tool is with_shell and plan.existing.role_is_ours:
        return  # what the runbook made stays the runbook's
    taken = book(values, apply=True).tear_down()
    assert taken.changes == []
    assert in_iam(target) == made


def everything() -> Any:
    found = boto3.client("iam").get_account_authorization_details(
        Filter=["Role", "LocalManagedPolicy"]
    )
    return json.dumps([found["RoleDetailList"], found["Policies"]], default=str, sort_keys=True)


def some(count):
    return settings(
        max_examples=count,
        phases=[Phase.explicit, Phase.reuse, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )


# One of them takes seconds, so the other tools come with the many.
@pytest.mark.slow
@needs_terraform
@given(state=states())
@some(1)
def test_what_is_there_becomes_what_a_run_would_make_of_it(state, world, aws_on_path):
    judged(with_terraform, state, world, aws_on_path)


@pytest.mark.long
@needs_terraform
@TOOLS
@given(state=states())
@some(int(os.environ.get("RWLIB_EXPORT_STATES", "6")))
def test_many_states_become_what_a_run_would_make_of_them(tool, state, world, aws_on_path):
    judged(tool, state, world, aws_on_path)


PLAIN = {
    "name": "any", "workload_identity_arn": WORKLOAD, "cluster_id": CLUSTER, "prefix": "a",
    "bucket": "acme-analytics", "role_name": ROLE, "policy_name": POLICY, "run_sql": False,
    "permissions_boundary_arn": BOUNDARIES[1], "max_session_duration": 7200,
    "tags": {"team": "asked"}, "connectors": ["s3_sink"], "sql_options": {"from": "orders"},
}  # fmt: skip
THEIRS = [statement({"Service": "ec2.amazonaws.com"})]


def theirs(**tags: str) -> There:
    return There(trust=THEIRS, role_tags=tags, policy="same", policy_tags=tags)


# Found by the states above, or by reading; each in every tool.
FOUND = {
    "statement that nobody needs": There(
        earlier=[{**PLAIN, "connectors": ["redshift"]}], inline=True, others_policy=True
    ),
    "five versions": There(earlier=[{**PLAIN, "prefix": f"p{number}"} for number in range(5)]),
    "as many tags as IAM takes": theirs(**{f"t{number}": "x" for number in range(50)}),
    "another manager in capitals": theirs(**{"Managed-By": "somebody"}),
    "a tag of the target in capitals": theirs(Team="theirs"),
}


@pytest.mark.long
@needs_terraform
@TOOLS
@pytest.mark.parametrize("found", FOUND)
def test_state_that_was_found_becomes_what_a_run_would_make_of_it(tool, found, world, aws_on_path):
    judged(tool, (PLAIN, FOUND[found]), world, aws_on_path)


@pytest.mark.long
@needs_terraform
@TOOLS
def test_path_that_sql_writes_with_two_quotes(tool, world, aws_on_path):
    judged(tool, ({**PLAIN, "role_path": "/o'k/${x}/"}, There()), world, aws_on_path)
