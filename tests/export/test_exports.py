"""Exports: their documents are the runbook's own, in the words of each tool."""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

import hcl2
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from rwlib.errors import InputError
from rwlib.export.cloudformation import cloudformation
from rwlib.export.exporting import export_target, export_targets
from rwlib.export.hcl import quoted
from rwlib.export.plan import Existing, make_plan
from rwlib.export.shell import shell
from rwlib.export.terraform import terraform, terraform_for_many
from rwlib.target.target import Target
from tests.support import places

pytestmark = pytest.mark.slow

EXAMPLES = sorted((places.ROOT / "examples").glob("*.yaml"))
NASTY = "we*ird/a?b/${aws:username} 'q' \"d\" `b` $(id) ü"
# Resource types and arguments of the providers, as their own documentation lists them.
PROVIDER_NAMES = {
    "aws_iam_policy": {"name", "description", "policy", "tags"},
    "aws_iam_role": {
        *("name", "path", "description", "permissions_boundary", "max_session_duration"),
        *("assume_role_policy", "tags"),
    },
    "aws_iam_role_policy_attachment": {"role", "policy_arn"},
    "risingwavecloud_cluster_allowed_iam_roles": {"cluster_id", "role_arns"},
}


def target_of(path, **changes):
    return Target(**{**yaml.safe_load(path.read_text()), "run_sql": False, **changes})


def plan_of(path, existing=None, **changes):
    return make_plan(
        target_of(path, **changes),
        workload_identity_arn="arn:aws:iam::444455556666:role/g1jk13sq56ejdref71h1cvokbh-role",
        region_name="us-east-1",
        kms_key_arn="arn:aws:kms:us-east-1:111122223333:key/1111aaaa-22bb-33cc-44dd-555566667777",
        account_id="111122223333",
        existing=existing,
    )


def unescaped(text):
    return text.replace("$${", "${").replace("%%{", "%{")


def tree(item):
    """What python-hcl2 read, as plain values: strings unquoted and their escapes undone."""
    if isinstance(item, dict):
        return {tree(k): tree(v) for k, v in item.items() if not k.startswith("__")}
    if isinstance(item, list):
        return [tree(each) for each in item]
    if isinstance(item, str) and item[:1] == '"' == item[-1:]:
        return unescaped(json.loads(item))
    return item


def resources_of(text):
    found = {}
    for entry in hcl2.loads(text).get("resource", []):
        for kind, named in tree(entry).items():
            found[kind] = next(iter(named.values()))
    return found


def encoded(text):
    """The value inside ``${jsonencode(...)}``, read as HCL."""
    inner = text.removeprefix("${").removesuffix("}").removeprefix("jsonencode(")
    return tree(hcl2.loads(f"x = {inner.removesuffix(')')}\n")["x"])


def in_console(expressions, folder):
    """What expressions come to in a folder, as Terraform says."""
    done = subprocess.run(
        ["terraform", "console"],
        input=f"base64encode(jsonencode([{', '.join(expressions)}]))\n",
        capture_output=True, text=True, timeout=60, cwd=folder,
        env={**os.environ, "TF_CLI_CONFIG_FILE": os.devnull, "CHECKPOINT_DISABLE": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(base64.b64decode(json.loads(done.stdout)))


def evaluated(text):
    """The resources' arguments as Terraform evaluates them, or python-hcl2 where it is missing."""
    if shutil.which("terraform") is None:
        found = resources_of(text)
        for kind, name in (("aws_iam_policy", "policy"), ("aws_iam_role", "assume_role_policy")):
            found[kind][name] = encoded(found[kind][name])
        return found
    kinds = ("aws_iam_policy", "aws_iam_role")
    # Without the provider, which nothing here may fetch: the arguments stand as locals.
    bodies = {
        kind: re.search(rf'^resource "{kind}" "risingwave" (\{{\n.*?^\}})', text, re.M | re.S)[1]
        for kind in kinds
    }
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "main.tf").write_text(
            "".join(f"locals {{\n{kind} = {body}\n}}\n" for kind, body in bodies.items()),
            encoding="utf-8",
        )
        read = in_console((f"local.{kind}" for kind in kinds), folder)
    found = dict(zip(kinds, read, strict=True))
    for kind, name in zip(kinds, ("policy", "assume_role_policy"), strict=True):
        found[kind][name] = json.loads(found[kind][name])
    return found


def formatted(text):
    done = subprocess.run(
        ["terraform", "fmt", "-"],
        input=text, capture_output=True, text=True, timeout=60,
        env={**os.environ, "TF_CLI_CONFIG_FILE": os.devnull, "CHECKPOINT_DISABLE": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


needs_terraform = pytest.mark.skipif(
    shutil.which("terraform") is None, reason="terraform is not installed"
)


@needs_terraform
@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_terraform_is_formatted_as_terraform_does_it(path):
    found = Existing("arn:aws:iam::111122223333:policy/p", "r", True, ("arn:aws:iam::1:role/x",))
    nasty = plan_of(path, found, prefix="we ird/a$b")
    for plan in (plan_of(path), nasty):
        for text in terraform(plan).values():
            assert formatted(text) == text
    for text in terraform_for_many([plan_of(each) for each in EXAMPLES]).values():
        assert formatted(text) == text


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_terraform_holds_the_documents_of_the_runbook(path):
    plan = plan_of(path)
    found = resources_of(terraform(plan)["main.tf"])
    for kind, items in found.items():
        assert set(items) <= PROVIDER_NAMES[kind]
    assert encoded(found["aws_iam_policy"]["policy"]) == plan.policy
    assert encoded(found["aws_iam_role"]["assume_role_policy"]) == plan.trust
    assert found["aws_iam_role"]["tags"]["managed-by"] == "terraform"
    assert ("risingwavecloud_cluster_allowed_iam_roles" in found) == bool(plan.target.cluster_id)


def test_terraform_takes_over_what_is_there():
    found = Existing(
        "arn:aws:iam::111122223333:policy/p", "r", True,
        ("arn:aws:iam::111122223333:role/risingwave-redshift", "arn:aws:iam::1:role/other"),
    )  # fmt: skip
    text = terraform(plan_of(places.ROOT / "examples" / "redshift.yaml", found))["main.tf"]
    ids = [tree(each)["id"] for each in hcl2.loads(text)["import"]]
    cluster = target_of(places.ROOT / "examples" / "redshift.yaml").cluster_id
    assert ids == [found.policy_arn, "r", f"r/{found.policy_arn}", cluster]
    listed = resources_of(text)["risingwavecloud_cluster_allowed_iam_roles"]["role_arns"]
    assert listed == ["arn:aws:iam::1:role/other", "${aws_iam_role.risingwave.arn}"]


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_cloudformation_has_no_findings_and_the_documents_of_the_runbook(path):
    cfnlint = pytest.importorskip("cfnlint.api", reason="cfn-lint is not installed")
    plan = plan_of(path)
    text = cloudformation(plan)["template.yaml"]
    assert [str(each) for each in cfnlint.lint(text)] == []
    loaded = yaml.load(text, Loader=Tagged)
    properties = loaded["Resources"]["Policy"]["Properties"]
    assert properties["PolicyDocument"] == plan.policy
    role = loaded["Resources"]["Role"]["Properties"]
    trust = json.loads(
        json.dumps(role["AssumeRolePolicyDocument"]).replace(
            "WorkloadIdentityArn", plan.workload_identity_arn
        )
    )
    assert trust == plan.trust


class Tagged(yaml.SafeLoader):
    """Reads CloudFormation's short tags as their text."""


for tag in ("!Ref", "!Sub", "!GetAtt"):
    Tagged.add_constructor(tag, lambda loader, node: node.value)


def test_shell_script_is_posix_and_quotes_every_value():
    plan = plan_of(places.ROOT / "examples" / "redshift.yaml", prefix=NASTY, tags={"a:b": "c=d"})
    text = shell(plan)["set_up.sh"]
    done = subprocess.run(["sh", "-n"], input=text, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    head = text.partition("say() {")[0]
    shown = subprocess.run(
        ["sh"], input=f'{head}\nprintf "%s\\0" "$policy" "$trust" "$tags"',
        capture_output=True, text=True, check=True,
    ).stdout.split("\0")  # fmt: skip
    assert json.loads(shown[0]) == plan.policy
    assert json.loads(shown[1]) == plan.trust
    assert {"Key": "a:b", "Value": "c=d"} in json.loads(shown[2])


def test_characters_that_a_tool_cannot_write_for_iam_are_named_in_its_file():
    far = plan_of(EXAMPLES[0], prefix="a漢/ü\U0001f600")
    near = plan_of(EXAMPLES[0], prefix="a/ü")
    other = plan_of(EXAMPLES[1])
    for make in (
        terraform,
        cloudformation,
        lambda plan: export_targets([plan, other], "terraform"),
        lambda plan: export_targets([plan, other], "cloudformation"),
    ):
        said = "IAM refuses 漢 \U0001f600 in a policy"
        assert any(said in text.replace("\n# ", " ") for text in make(far).values())
        assert not any("IAM refuses" in text for text in make(near).values())
    assert shell(far)["set_up.sh"].partition("say() {")[0].isascii()


@given(st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=60))
@settings(max_examples=200)
def test_string_of_hcl_is_read_back_as_it_was(text):
    # terraform and python-hcl2 read JSON's escapes but for surrogate pairs, which are not written.
    assert unescaped(json.loads(quoted(text))) == text
    assert "${" not in quoted(text).replace("$${", "")


def test_what_is_missing_is_one_sentence():
    target = target_of(places.ROOT / "examples" / "s3_sink.yaml", region_name="")
    with pytest.raises(InputError, match=r"region_name: '' is empty"):
        make_plan(target, workload_identity_arn="arn:aws:iam::444455556666:role/x")
    with pytest.raises(InputError, match="is not a format"):
        export_target(plan_of(EXAMPLES[0]), "pulumi")
    with pytest.raises(InputError, match="the name of two targets"):
        export_targets([plan_of(EXAMPLES[0]), plan_of(EXAMPLES[0])], "json")


@needs_terraform
def test_terraform_itself_reads_a_string_as_it_was(tmp_path):
    texts = [NASTY, "%{ if } %%{x} $${y} $", "\b\f\n\t\r\x7f\x85\u2028 \U0001f600", "a\\b\"c'`d`"]
    assert in_console(map(quoted, texts), tmp_path) == texts


def test_resources_of_many_have_the_names_of_the_providers():
    text = terraform_for_many([plan_of(each) for each in EXAMPLES])["main.tf"]
    found = resources_of(text)
    assert set(found) == set(PROVIDER_NAMES)
    for kind, items in found.items():
        assert set(items) - {"for_each"} <= PROVIDER_NAMES[kind]


THERE = Existing(
    "arn:aws:iam::111122223333:policy/p", "r", True, ("arn:aws:iam::1:role/x",),
    trust={"Version": "2012-10-17", "Statement": []}, role_path="/", max_session_duration=3600,
    trust_there={"Version": "2012-10-17", "Statement": []}, policy_there={}, role_is_ours=True,
    policy_is_ours=True, policy_marks=("a/b", "c"), version_in_the_way="v1",
    stale_marks=("x/y",), role_marks={"k": "$v `x`"},
)  # fmt: skip


@needs_terraform
def test_list_that_nobody_read_is_asked_for():
    # The provider removes every entry that is not named when it makes the resource.
    # Source: terraform-provider-risingwavecloud, internal/provider,
    # resource_cluster_allowed_iam_roles.go, Create.
    path = places.ROOT / "examples" / "redshift.yaml"
    cluster = target_of(path).cluster_id
    for make, kind, others in (
        (terraform, "list(string)", "var.other_allowed_principals"),
        (lambda plan: terraform_for_many([plan]), "map(list(string))",
         f'var.other_allowed_principals["{cluster}"]'),
    ):  # fmt: skip
        files = make(plan_of(path))
        assert others in files["main.tf"]
        assert all(formatted(text) == text for text in files.values())
        variables = tree(hcl2.loads(files["variables.tf"]))["variable"]
        (asked,) = [each[name] for each in variables for name in each if name.startswith("other")]
        assert asked["type"].strip("${}") == kind
        assert "default" not in asked
        known = make(plan_of(path, Existing(principals=("arn:aws:iam::1:role/other",))))
        assert "other_allowed_principals" not in "".join(known.values())
        assert "arn:aws:iam::1:role/other" in known["main.tf"]


@needs_terraform
def test_module_for_many_says_the_sql_of_each(tmp_path):
    plans = [plan_of(each) for each in EXAMPLES]
    text = terraform_for_many(plans)["outputs.tf"].partition('output "sql"')[2]
    value = re.search(r"value\s+= (\{\n.*?^  \})", text, re.S | re.M)[1]
    # No resource is known without its provider: a role's ARN stands as its name.
    named = re.sub(r'aws_iam_role\.risingwave\[("[^"]+")\]\.arn', r"\1", value)
    assert named != value
    Path(tmp_path, "main.tf").write_text(f"locals {{\n  sql = {named}\n}}\n", encoding="utf-8")
    (said,) = in_console(["local.sql"], tmp_path)
    for plan in plans:
        assert said[plan.target.name] == dict(plan.sql_for(plan.target.role_name))


# What a reader of YAML 1.1 or 1.2 takes for a number, a date, or yes and no.
NO_TEXTS = ["1e3", "012345678901", "0o17", "0x1F", "1_000", "-1", "+.5", ".5", "12", "1.0",
            "2026-01-01", "y", "N", "no", "on", "true", "null", "12=x", "=", "-"]  # fmt: skip
# Source: YAML 1.1, "Language-Independent Types"; YAML 1.2.2, "Core Schema".
READ_AS_OTHER = re.compile(
    r"[-+]?(0b[01_]+|0o?[0-7_]+|[0-9][0-9_]*(:[0-5]?[0-9])*|0x[0-9a-fA-F_]+)"
    r"|[-+]?(\.[0-9_]+|[0-9][0-9_]*(\.[0-9_]*)?)([eE][-+]?[0-9]+)?"
    r"|[-+]?\.(inf|nan)|\d{4}-\d\d?-\d\d?.*|~|null|y|n|yes|no|on|off|true|false|=|<<",
    re.IGNORECASE,
)


NUMBERS = {"64", "128", "3600"}  # lengths and a duration: those are meant


@pytest.mark.parametrize("text", NO_TEXTS)
def test_text_of_a_template_is_a_text_to_every_reader_of_yaml(text):
    try:
        plan = plan_of(EXAMPLES[0], role_name=text, policy_name=text, tags={text: text})
    except InputError:  # such as "null" for a policy
        plan = plan_of(EXAMPLES[0], tags={text: text})
    template = cloudformation(plan)["template.yaml"]
    assert text in template
    for event in yaml.parse(template):
        if isinstance(event, yaml.ScalarEvent) and event.style in (None, "") and event.tag is None:
            assert not READ_AS_OTHER.fullmatch(event.value) or event.value in NUMBERS, event.value


@needs_terraform
def test_quote_in_a_path_is_two_in_the_sql_of_every_form(tmp_path):
    plan = plan_of(EXAMPLES[3], role_path="/o'k/${x}/")
    (wanted,) = dict(plan.sql_for("arn:aws:iam::111122223333:role/o''k/${x}/"
                                  f"{plan.target.role_name}")).values()  # fmt: skip
    (said,) = json.loads(export_target(plan, "json")["set_up.json"])["sql"]
    assert said["sql"] == wanted
    role = quoted(f"arn:aws:iam::111122223333:role/o'k/${{x}}/{plan.target.role_name}")
    found = re.search(r'output "sql_.*?value += (".*?")\n}', terraform(plan)["outputs.tf"], re.S)[1]
    assert in_console([found.replace("aws_iam_role.risingwave.arn", role)], tmp_path) == [wanted]
    template = yaml.load(cloudformation(plan)["template.yaml"], Loader=Tagged)
    (value,) = [each["Value"] for name, each in template["Outputs"].items() if "Sql" in name]
    filled = value.replace("${AWS::AccountId}", "111122223333").replace(
        "${RoleName}", plan.target.role_name
    )
    assert filled.replace("${!", "${") == wanted
    end = shell(plan)["set_up.sh"].rpartition("fi\n}\n")[2].partition("# A quote")[2]
    script = f"""say() {{ printf '%s\\n' "$1"; }}
role_arn='arn:aws:iam::111122223333:role/o'"'"'k/${{x}}/{plan.target.role_name}'
if :; then
#{end}"""
    done = subprocess.run(["sh"], input=script, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == (wanted + "\n", "")


def test_tags_leave_room_and_no_key_twice():
    many = {f"t{number}": "x" for number in range(50)}
    full = plan_of(EXAMPLES[0], Existing(role_name="r", role_tags=many))
    assert full.role_tags("terraform") == many
    other = Existing(role_name="r", role_tags={"Managed-By": "x", "a": "b"})
    assert plan_of(EXAMPLES[0], other).role_tags("terraform") == {
        "a": "b", "managed-by": "terraform",
    }  # fmt: skip


def test_role_that_somebody_manages_is_named_in_the_file():
    managed = Existing(role_name="r", role_manager="aws:cloudformation:stack-name=theirs")
    plan = plan_of(EXAMPLES[0], managed)
    said = "is managed already (aws:cloudformation:stack-name=theirs)"
    for make in (terraform, cloudformation, lambda plan: terraform_for_many([plan])):
        assert any(said in text.replace("\n# ", " ") for text in make(plan).values())
        assert not any("is managed" in text for text in make(plan_of(EXAMPLES[0])).values())


def test_what_is_there_is_a_stack_of_its_own_beside_a_stack_set():
    new, there = plan_of(EXAMPLES[0]), plan_of(EXAMPLES[1], THERE)
    files = export_targets([new, there], "cloudformation")
    rows = json.loads(files["instances.json"])
    name = there.target.name
    assert [each.get("folder") for each in rows] == [None, name]
    alone = cloudformation(there)
    assert {"template.yaml", "import.yaml", "import.json"} <= set(alone)
    assert {file: files[f"{name}/{file}"] for file in alone} == alone
    assert there.target.policy_name not in files["template.yaml"]
    only = export_targets([there], "cloudformation")
    assert set(only) == {"instances.json", *(f"{name}/{file}" for file in alone)}


def test_template_of_too_many_kinds_is_one_sentence(monkeypatch):
    from rwlib.export import stack_set

    plans = [plan_of(each) for each in EXAMPLES]
    monkeypatch.setattr(stack_set, "_LARGEST_IN_A_CALL", 1000)
    large = export_targets(plans, "cloudformation")["template.yaml"]
    assert "--template-url" in large.partition("AWSTemplate")[0]
    monkeypatch.setattr(stack_set, "_LARGEST", 1000)
    with pytest.raises(InputError, match="export them in several parts"):
        export_targets(plans, "cloudformation")
    monkeypatch.setattr(stack_set, "_MOST_OUTPUTS", 2)
    with pytest.raises(InputError, match="kinds of set-up"):
        export_targets(plans, "cloudformation")


@pytest.mark.skipif(shutil.which("shellcheck") is None, reason="shellcheck is not installed")
@pytest.mark.parametrize("dialect", ["sh", "bash", "dash"])
def test_scripts_have_no_findings_of_shellcheck(dialect):
    nasty = plan_of(EXAMPLES[0], THERE, prefix=NASTY, role_path="/o'k/")
    for text in (
        *export_targets([plan_of(each) for each in EXAMPLES], "cli").values(),
        *shell(nasty).values(),
        cloudformation(nasty)["policy_tags.sh"],
    ):
        done = subprocess.run(
            ["shellcheck", "-s", dialect, "-"], input=text, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stdout
