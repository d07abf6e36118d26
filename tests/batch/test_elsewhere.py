"""The examples for Airflow, Kubernetes and Argo do what they say, in the sandbox."""

from __future__ import annotations

import inspect
import json
import os
import re
import subprocess
import sys
import tomllib
import types
from pathlib import Path

import nbformat
import pytest
import yaml

from rwlib.cli import cli
from rwlib.target.target import Target
from tests.support import places

pytestmark = pytest.mark.slow

ROOT = places.ROOT
ARGO = ROOT / "docs" / "argo"
WORKLOAD = "arn:aws:iam::444455556666:role/g1jk13sq56ejdref71h1cvokbh-role"


@pytest.fixture
def airflow(monkeypatch):
    """As much of Airflow as the example uses; the function maps the tasks of one run."""
    expanded = []

    class Operator:
        """Takes the arguments that PapermillOperator has had since provider version 2."""

        def __init__(self, *, task_id, input_nb=None, output_nb=None, parameters=None):
            self.call = {
                "input_path": input_nb, "output_path": output_nb, "parameters": parameters,
            }  # fmt: skip

        @classmethod
        def partial(cls, **fixed):
            return types.SimpleNamespace(
                expand_kwargs=lambda upstream: expanded.append(
                    lambda context: [cls(**fixed, **more) for more in upstream(context)]
                )
            )

    class Dag:
        def __init__(self, *, dag_id, schedule, start_date, catchup, max_active_tasks,
                     default_args):  # fmt: skip
            self.dag_id = dag_id

        def __enter__(self):
            return self

        def __exit__(self, *_):
            return None

    def task(function):
        """Called in the DAG a task runs nothing; a run gives it what it names of the context."""

        def execute(context):
            named = inspect.signature(function).parameters
            # What it returns goes to the next task as JSON.
            return json.loads(json.dumps(function(**{name: context[name] for name in named})))

        return lambda: execute

    package = types.ModuleType("airflow")
    package.DAG = Dag
    decorators = types.ModuleType("airflow.decorators")
    decorators.task = task
    monkeypatch.setitem(sys.modules, "airflow.decorators", decorators)
    module = types.ModuleType("airflow.providers.papermill.operators.papermill")
    module.PapermillOperator = Operator
    monkeypatch.setitem(sys.modules, "airflow", package)
    for name in ("providers", "providers.papermill", "providers.papermill.operators"):
        monkeypatch.setitem(sys.modules, f"airflow.{name}", types.ModuleType(f"airflow.{name}"))
    monkeypatch.setitem(sys.modules, module.__name__, module)

    def run(run_id):
        (tasks,) = expanded
        # Without a logical date, as a run that Airflow 3 was asked for by hand.
        return tasks({"run_id": run_id})

    return run


def test_airflow_example_runs_the_notebook_for_each_target(
    aws_environment, airflow, monkeypatch, tmp_path
):
    import papermill

    targets = tmp_path / "targets.csv"
    targets.write_text(
        "name,bucket,prefix,role_name,connectors,workload_identity_arn,"
        "allowed_principal_confirmed_by\n"
        f"a,acme-analytics,a,role-a,s3_sink,{WORKLOAD},Ada Example\n"
        f'b,acme-frankfurt,b,role-b,"s3_sink,s3_source",{WORKLOAD},Ada Example\n'
    )
    monkeypatch.setenv("RWLIB_TARGETS", str(targets))
    monkeypatch.setenv("RWLIB_NOTEBOOKS", str(ROOT / "notebooks"))
    source = (ROOT / "docs" / "airflow" / "risingwave_iam_roles.py").read_text()
    exec(compile(source, "risingwave_iam_roles.py", "exec"), {"__name__": "dag"})

    tasks = airflow("manual__2026-11-27T03:17:00+00:00")
    assert [task.call["parameters"]["name"] for task in tasks] == ["a", "b"]
    assert all(set(task.call["parameters"]) == set(Target.model_fields) for task in tasks)
    others = airflow("manual__2026-11-27T03:17:00~00:00")
    paths = [Path(task.call["output_path"]) for task in (*tasks, *others)]
    assert len(set(paths)) == 4
    assert {path.parent for path in paths} == {tmp_path / "runs"}
    assert all(re.fullmatch(r"manual__2026-11-27T[\w.-]+_[ab]\.ipynb", path.name) for path in paths)
    again = airflow("manual__2026-11-27T03:17:00+00:00")
    assert [task.call for task in again] == [task.call for task in tasks]
    call = dict(tasks[1].call)
    del call["output_path"]
    from rwlib.headless.engine import register

    register()
    executed = papermill.execute_notebook(
        **call, output_path=None, engine_name="rwlib", progress_bar=False
    )
    assert executed.metadata.papermill.exception is None
    assert aws_environment.calls()


def containers(document):
    """Every container of a manifest, wherever it stands."""
    if isinstance(document, dict):
        for key, value in document.items():
            if key == "container":
                yield value
            elif key == "containers":
                yield from value
            else:
                yield from containers(value)
    elif isinstance(document, list):
        for item in document:
            yield from containers(item)


@pytest.mark.parametrize("name", ["job.yaml", "watch.yaml", "workflow.yaml"])
def test_manifest_mounts_what_its_command_uses(name):
    document = yaml.safe_load((ARGO / name).read_text())
    (container,) = containers(document)
    command = [*container["command"], *container.get("args", [])]
    mounted = [each["mountPath"] for each in container["volumeMounts"]]
    used = [word for word in command if word.startswith("/") and not word.startswith("/opt/")]
    used += [each["value"] for each in container["env"] if each["name"] == "RWLIB_RUNS"]
    assert used
    assert all(any(word.startswith(place) for place in mounted) for word in used)


@pytest.mark.parametrize("name", ["job.yaml", "watch.yaml"])
def test_manifest_gives_options_that_the_command_has(name):
    (container,) = containers(yaml.safe_load((ARGO / name).read_text()))
    program, command, *arguments = container["command"]
    assert program == "rwlib"
    found = cli.get_command(None, command)
    context = found.make_context(command, list(arguments))
    assert str(context.params["targets"]) == "/targets/targets.jsonl"


def test_job_is_not_repeated_when_a_person_or_another_input_is_needed():
    job = yaml.safe_load((ARGO / "job.yaml").read_text())["spec"]
    (rule,) = job["podFailurePolicy"]["rules"]
    (container,) = containers(job)
    assert rule["action"] == "FailJob"
    assert rule["onExitCodes"] == {
        "containerName": container["name"], "operator": "In", "values": [2, 3],
    }  # fmt: skip
    # Kubernetes refuses the policy with any other.
    assert job["template"]["spec"]["restartPolicy"] == "Never"


def test_job_lets_a_target_finish_when_its_pod_is_stopped():
    pod = yaml.safe_load((ARGO / "job.yaml").read_text())["spec"]["template"]["spec"]
    (container,) = containers(pod)
    _, command, *arguments = container["command"]
    context = cli.get_command(None, command).make_context(command, list(arguments))
    assert context.params["timeout"] < pod["terminationGracePeriodSeconds"]


def claims(document):
    """Every name of a claim in a manifest."""
    if isinstance(document, dict):
        for key, value in document.items():
            if key == "persistentVolumeClaim":
                yield value["claimName"]
            else:
                yield from claims(value)
    elif isinstance(document, list):
        for item in document:
            yield from claims(item)


@pytest.mark.parametrize("name", ["job.yaml", "watch.yaml", "workflow.yaml"])
def test_claim_is_there_and_shared_when_a_manifest_names_it(name):
    claim = yaml.safe_load((ARGO / "runs.yaml").read_text())
    assert claim["kind"] == "PersistentVolumeClaim"
    assert claim["spec"]["accessModes"] == ["ReadWriteMany"]
    named = list(claims(yaml.safe_load((ARGO / name).read_text())))
    assert named == [claim["metadata"]["name"]]


def instructions():
    """The Dockerfile's instructions, each with its words."""
    lines = (ARGO / "Dockerfile").read_text().splitlines()
    return [line.split() for line in lines if line and not line.startswith("#")]


def test_dockerfile_copies_what_the_repository_has():
    copied = [word for name, *words in instructions() if name == "COPY" for word in words[:-1]]
    assert {"pyproject.toml", "rwlib", "notebooks/*.ipynb"} <= set(copied)
    assert [word for word in copied if not list(ROOT.glob(word))] == []
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert {project["readme"], *project["license-files"]} <= set(copied)
    (base,) = (words[0] for name, *words in instructions() if name == "FROM")
    # A name with a host would have a slash.
    assert base == "python:3.12-slim"


@pytest.mark.parametrize("name", ["job.yaml", "watch.yaml"])
def test_manifest_names_the_notebooks_where_the_image_has_them(name):
    (work,) = (words[0] for name, *words in instructions() if name == "WORKDIR")
    (variable,) = (words[0] for name, *words in instructions() if name == "ENV")
    (container,) = containers(yaml.safe_load((ARGO / name).read_text()))
    given = {each["name"]: each["value"] for each in container["env"]}
    assert variable == f"RWLIB_NOTEBOOKS={work}/notebooks"
    assert given["RWLIB_NOTEBOOKS"] == f"{work}/notebooks"


def test_readme_links_are_files_of_the_folder():
    text = (ARGO / "README.md").read_text()
    linked = set(re.findall(r"\]\(([^)]+)\)", text))
    assert linked == {path.name for path in ARGO.iterdir()} - {"README.md"}


def test_argo_workflow_runs_papermill_for_each_of_its_targets(aws_environment, tmp_path):
    workflow = yaml.safe_load((ARGO / "workflow.yaml").read_text())
    (parameter,) = workflow["spec"]["arguments"]["parameters"]
    targets = json.loads(parameter["value"])
    assert [Target(**target).apply for target in targets] == [True, True]
    (container,) = containers(workflow)
    values = {
        "{{inputs.parameters.target}}": json.dumps(
            {**targets[0], "allowed_principal_confirmed_by": "Ada Example"}
        ),
        "{{workflow.name}}": "w",
        "{{inputs.parameters.name}}": targets[0]["name"],
        "/opt/risingwave-iam-runbook": str(ROOT),
        "/runs": str(tmp_path),
    }
    arguments = list(container["args"])
    for name, value in values.items():
        arguments = [word.replace(name, value) for word in arguments]
    # What the package's entry point does where it is installed.
    code = "from rwlib.headless.engine import register; register(); "
    code += "from papermill.cli import papermill as p"
    done = subprocess.run(
        [sys.executable, "-c", f"{code}; p()", *arguments],
        cwd=ROOT,
        env={**os.environ, "RWLIB_RUNS": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    executed = nbformat.read(tmp_path / "w_orders.ipynb", 4)
    assert executed.metadata.papermill.exception is None
    (report,) = tmp_path.glob("*_orders/report.json")
    assert json.loads(report.read_text())["exit_code"] == 0
    assert "CreateRole" in {call["action"] for call in aws_environment.calls()}
