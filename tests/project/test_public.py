"""What a public project has beside its code: each file is there, valid, and says what is so."""

from __future__ import annotations

import importlib.metadata
import json
import os
import re
import subprocess
import tomllib

import jsonschema
import pytest
import yaml

import rwlib
from tests.support import places

ROOT = places.ROOT
GITHUB = ROOT / ".github"
WORKFLOWS = sorted((GITHUB / "workflows").glob("*.yml"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
MAKEFILE = (ROOT / "Makefile").read_text()


def read(*parts):
    return yaml.safe_load(ROOT.joinpath(*parts).read_text(encoding="utf-8"))


def steps(workflow):
    return [
        (name, step)
        for name, job in read(workflow)["jobs"].items()
        for step in job.get("steps", ())
    ]


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.name)
def test_actions_are_pinned_by_hash_with_their_version_beside_it(workflow):
    used = re.findall(r"uses: (\S+)(.*)", workflow.read_text())
    assert used
    for action, beside in used:
        assert re.fullmatch(r"[\w./-]+@[0-9a-f]{40}", action), action
        assert re.fullmatch(r" # v\d+\.\d+\.\d+", beside), (action, beside)


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.name)
def test_workflows_ask_for_no_more_than_they_need_and_end(workflow):
    found = read(workflow)
    assert found["permissions"] == {"contents": "read"}
    assert all(job["timeout-minutes"] for job in found["jobs"].values())
    assert "secrets." not in workflow.read_text()


def test_every_job_that_is_promised_is_there_and_runs_a_make_target_that_exists():
    jobs = read(".github", "workflows", "tests.yml")["jobs"]
    assert {"lint", "tests", "browser", "docs", "wheel"} <= set(jobs)
    targets = set(re.findall(r"^([a-z-]+):", MAKEFILE, re.M))
    ran = [step["run"] for workflow in WORKFLOWS for _, step in steps(workflow) if "run" in step]
    named = {name for text in ran for name in re.findall(r"\bmake ([a-z-]+)", text)}
    assert named <= targets
    assert {"lint", "test", "docs", "dist"} <= named


def test_pythons_that_are_declared_are_those_that_are_tested():
    matrix = read(".github", "workflows", "tests.yml")["jobs"]["tests"]["strategy"]["matrix"]
    tested = matrix["python-version"]
    marked = re.findall(r":: (3\.\d+)", " ".join(PROJECT["classifiers"]))
    assert tested == marked
    assert PROJECT["requires-python"] == f">={tested[0]}"


def test_release_is_published_by_identity_and_only_for_a_tag():
    release = read(".github", "workflows", "release.yml")
    assert release[True] == {"push": {"tags": ["v*"]}}  # YAML reads the key "on" as true
    publish = release["jobs"]["publish"]
    assert publish["permissions"] == {"id-token": "write"}
    assert publish["needs"] == "build"
    assert "password" not in json.dumps(publish)


def test_dependabot_watches_what_is_pinned():
    watched = {each["package-ecosystem"] for each in read(".github", "dependabot.yml")["updates"]}
    assert watched == {"pip", "github-actions"}


def test_templates_ask_for_what_the_project_answers():
    forms = [path for path in (GITHUB / "ISSUE_TEMPLATE").glob("*.yml") if path.stem != "config"]
    assert len(forms) >= 2
    for path in forms:
        form = read(path)
        assert form["name"]
        assert any(each.get("validations", {}).get("required") for each in form["body"])
    template = (GITHUB / "pull_request_template.md").read_text()
    targets = set(re.findall(r"^([a-z-]+):", MAKEFILE, re.M))
    assert set(re.findall(r"`make ([a-z-]+)`", template)) <= targets


def test_hooks_leave_alone_what_the_configuration_leaves_out():
    (local,) = read(".pre-commit-config.yaml")["repos"]
    hooks = {hook["id"]: hook["entry"].split() for hook in local["hooks"]}
    assert set(hooks) == {"ruff-check", "ruff-format", "lint-imports"}
    for name in ("ruff-check", "ruff-format"):
        # A file that is named is not excluded otherwise, and the data of tests is wrong on purpose.
        assert "--force-exclude" in hooks[name]
    linted = MAKEFILE.partition("\nlint:")[2].partition(".PHONY")[0]
    assert all(f"$(BIN)/{entry[0].rpartition('/')[2]}" in linted for entry in hooks.values())


def test_changelog_has_the_version_and_names_nobody_who_is_not_there():
    text = (ROOT / "CHANGELOG.md").read_text()
    assert re.search(rf"^## {re.escape(rwlib.__version__)} - \d{{4}}-\d\d-\d\d$", text, re.M)
    assert re.search(r"^## 0\.2\.0 - ", text, re.M)
    assert "authors" not in PROJECT
    assert "urls" not in PROJECT


def test_security_says_what_is_written_what_never_and_how_to_report():
    titles = re.findall(r"^## (.*)$", (ROOT / "SECURITY.md").read_text(), re.M)
    assert {"What it writes", "What it never does", "Report a vulnerability"} <= set(titles)


def test_make_prints_coverage_and_cleans_what_it_makes():
    assert re.search(r"^coverage:.*\n(?:\t.*\n)*\t.*--cov rwlib", MAKEFILE, re.M)


def test_dev_container_follows_its_schema_and_runs_make_targets():
    schema = json.loads((places.DATA / "devcontainer/devContainer.base.schema.json").read_text())
    given = json.loads((ROOT / ".devcontainer" / "devcontainer.json").read_text())
    jsonschema.validators.validator_for(schema)(schema).validate(given)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validators.validator_for(schema)(schema).validate({**given, "forwardPorts": "x"})
    extras = re.findall(r"with-([a-z-]+)", given["postCreateCommand"])
    assert extras
    for each in extras:
        assert set(each.split("-")) <= set(PROJECT["optional-dependencies"])


def test_binder_installs_the_checkout_and_its_script_can_run():
    (line,) = (ROOT / "binder" / "requirements.txt").read_text().splitlines()
    extras = re.fullmatch(r"--editable \.\[([\w,]+)\]", line)[1].split(",")
    assert set(extras) <= set(PROJECT["optional-dependencies"])
    script = ROOT / "binder" / "postBuild"
    assert os.access(script, os.X_OK)
    assert subprocess.run(["bash", "-n", script], check=False).returncode == 0


def test_installed_command_and_version_are_the_projects():
    (command,) = importlib.metadata.entry_points(group="console_scripts", name="rwlib")
    assert command.value == PROJECT["scripts"]["rwlib"]
