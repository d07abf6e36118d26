"""What the engine does before the first cell, and what it leaves to papermill's own engine."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, output_from_msg

from rwlib.headless.engine import execute, plugin
from rwlib.headless.engine.progress import headings
from rwlib.imports import without_modules
from tests.support import places
from tests.support.engine_comparison import DATA

pytestmark = pytest.mark.slow

KERNEL = {"name": "python3", "language": "python", "display_name": "Python 3"}
ROOT = str(places.ROOT)


def python(program: str, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, **environment},
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def kernel(folder: Path, name: str, *argv: str, **more: object) -> None:
    place = folder / "kernels" / name
    place.mkdir(parents=True)
    spec = {"argv": list(argv), "display_name": name, "language": "python", **more}
    (place / "kernel.json").write_text(json.dumps(spec))


def test_grammars_are_not_built_when_papermill_is_imported(tmp_path):
    (tmp_path / "rfc3987_syntax.py").write_text("raise SystemExit('imported')")
    path = os.pathsep.join(filter(None, [str(tmp_path), os.environ.get("PYTHONPATH", "")]))
    program = (
        "from rwlib.headless.engine import quick_imports; quick_imports(); "
        "import sys, papermill.execute; "
        "print('rfc3987_syntax' in sys.modules)"
    )
    assert python(program, PYTHONPATH=path) == "False"


def test_papermill_is_not_imported_when_the_package_is():
    assert python("import sys, rwlib.headless.engine; print('papermill' in sys.modules)") == "False"


def test_modules_can_be_imported_again_when_the_block_is_left():
    with without_modules("colorsys_missing", "os"), pytest.raises(ImportError):
        import colorsys_missing  # noqa: F401
    assert "colorsys_missing" not in sys.modules
    assert sys.modules["os"] is os


@pytest.mark.parametrize("profile", ["default", "no-such-profile"])
def test_warm_process_has_no_thread_and_no_credentials_when_it_is_ready(profile, tmp_path):
    credentials = tmp_path / "credentials"
    credentials.write_text(
        "[default]\naws_access_key_id = AKIAIOSFODNN7EXAMPLE\naws_secret_access_key = planted\n"
    )
    program = """
import gc, json, sys, threading
from rwlib.headless.engine.warm import warm
warm(["colorsys", "no_such_module"])
gc.unfreeze()
kept = [found for found in gc.get_objects() if type(found).__name__.endswith("Credentials")]
texts = [text for found in gc.get_objects() if type(found) is dict for text in found.values()]
kept += [text for text in texts if type(text) is str and text == "planted"]
import boto3
print(json.dumps([threading.active_count(), len(kept), boto3.DEFAULT_SESSION,
                  "colorsys" in sys.modules, "ipykernel.ipkernel" in sys.modules]))
"""
    environment = {"AWS_SHARED_CREDENTIALS_FILE": str(credentials), "AWS_PROFILE": profile}
    assert json.loads(python(program, **environment)) == [1, 0, None, True, True]


def test_service_models_are_loaded_once_when_the_process_is_warm():
    program = """
from rwlib.headless.engine.warm import warm
warm()
warm()
import botocore.session
loaders = [botocore.session.Session().get_component("data_loader") for _ in range(2)]
models = [loader.load_service_model("iam", "service-2") for loader in loaders]
print(loaders[0] is loaders[1], models[0] is models[1])
"""
    assert python(program) == "True True"


def test_nothing_is_imported_in_the_child_when_the_parent_is_warm(tmp_path):
    notebook = tmp_path / "in.ipynb"
    asked = (
        "import json, os, sys\n"
        "json.dumps(sorted(set(sys.modules) - set(os.environ['KNOWN'].split())))"
    )
    cells = [new_code_cell("1"), new_code_cell(asked)]
    nbformat.write(new_notebook(cells=cells, metadata={"kernelspec": KERNEL}), notebook)
    program = f"""
import ast, sys
from rwlib.headless.engine import execute
from rwlib.headless.engine.warm import warm
warm()
known = " ".join(sys.modules)
executed = execute({str(notebook)!r}, None, environment={{"KNOWN": known}})
print(ast.literal_eval(executed.cells[1].outputs[0].data["text/plain"]))
"""
    imported = json.loads(python(program))
    packages = ("IPython", "ipykernel", "jupyter", "nbformat", "papermill", "pygments", "rwlib")
    assert [name for name in imported if name.startswith(packages)] == []


def test_progress_is_told_when_cells_start(tmp_path):
    notebook = tmp_path / "in.ipynb"
    cells = [
        new_code_cell("1"),
        new_markdown_cell("text\n\n## Step 1\nmore"),
        new_code_cell("2"),
        new_markdown_cell("no heading"),
    ]
    nbformat.write(new_notebook(cells=cells, metadata={"kernelspec": KERNEL}), notebook)
    told = []
    execute(notebook, None, progress=lambda *step: told.append(step))
    assert told == [
        (0, 4, ""),
        (1, 4, "Step 1"),
        (2, 4, "Step 1"),
        (3, 4, "Step 1"),
        (4, 4, "Step 1"),
    ]


def test_headings_are_those_before_the_cell_when_there_are_several():
    cells = [new_markdown_cell("# A\n## B"), new_code_cell("# no"), new_markdown_cell("# C")]
    assert headings(new_notebook(cells=cells)) == ["B", "B", "C"]
    assert headings(new_notebook()) == []


def test_papermills_engine_runs_the_notebook_when_the_platform_cannot_fork(monkeypatch, caplog):
    monkeypatch.setattr(plugin, "can_fork", lambda: False)
    told = []
    executed = execute(
        DATA / "long.ipynb", None, {"n": 1}, progress=lambda *step: told.append(step)
    )
    assert executed.cells[-2].outputs[0].text == "0\n"
    assert (
        "The engine rwlib leaves this notebook to papermill's own: this platform cannot fork."
    ) in [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert told[-1][:2] == (4, 4)


@pytest.mark.parametrize(
    ("argv", "more", "foreign"),
    [
        (["python", "-m", "ipykernel_launcher", "-f", "{connection_file}"], {}, False),
        ([sys.executable, "-m", "ipykernel", "-f", "{connection_file}"], {}, False),
        (["/usr/bin/other-python", "-m", "ipykernel_launcher"], {}, True),
        (["python", "-m", "bash_kernel"], {"language": "bash"}, True),
        (
            ["python", "-m", "ipykernel_launcher"],
            {"metadata": {"kernel_provisioner": {"provisioner_name": "other"}}},
            True,
        ),
    ],
)
def test_kernel_is_left_to_papermill_when_it_is_not_this_interpreter(
    argv, more, foreign, tmp_path, monkeypatch
):
    kernel(tmp_path, "mine", *argv, **more)
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path))
    plugin._spec.cache_clear()
    try:
        reason = plugin._foreign("mine", {})
        assert (reason is not None) is foreign
        assert plugin._foreign("nowhere", {}) == "there is no kernel named 'nowhere'"
        assert "extra_arguments" in (plugin._foreign("mine", {"extra_arguments": ["--a"]}) or "")
    finally:
        plugin._spec.cache_clear()


def test_environment_of_the_kernel_is_set_when_it_names_one(tmp_path, monkeypatch):
    argv = ["python", "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    kernel(tmp_path, "mine", *argv, env={"OF_THE_KERNEL": "set"})
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path))
    notebook = tmp_path / "in.ipynb"
    cells = [new_code_cell("import os\nos.environ['OF_THE_KERNEL']")]
    metadata = {"kernelspec": {**KERNEL, "name": "mine"}}
    nbformat.write(new_notebook(cells=cells, metadata=metadata), notebook)
    executed = execute(notebook, None)
    assert executed.cells[0].outputs[0].data["text/plain"] == "'set'"


def test_own_process_runs_one_notebook_only_when_asked_twice(tmp_path):
    notebook = tmp_path / "in.ipynb"
    cells = [new_code_cell("import os\nos.getpid()")]
    nbformat.write(new_notebook(cells=cells, metadata={"kernelspec": KERNEL}), notebook)
    program = f"""
import os
from rwlib.headless.engine import execute
runs = [execute({str(notebook)!r}, None, in_process=True) for _ in range(2)]
print([int(run.cells[0].outputs[0].data["text/plain"]) == os.getpid() for run in runs])
"""
    assert python(program) == "[True, False]"


def test_own_process_is_as_before_when_the_notebook_has_run(tmp_path):
    notebook = tmp_path / "in.ipynb"
    source = "import os, sys\nos.environ['LEFT'] = '1'\nos.chdir('/')\nsys.path.append('left')"
    nbformat.write(
        new_notebook(cells=[new_code_cell(source)], metadata={"kernelspec": KERNEL}), notebook
    )
    program = (
        "import os, sys, json, logging; logging.basicConfig(level=10, stream=sys.stdout)\n"
        "from rwlib.headless.engine import execute, register; register()\n"
        "state = lambda: [dict(os.environ), os.getcwd(), sys.path, sys.argv, str(sys.displayhook),"
        " sys.modules['__main__'].__dict__ is globals(), str(sys.stdout), os.fstat(1).st_ino,"
        " os.fstat(0).st_ino, logging.getLogger().level, len(logging.getLogger().handlers)]\n"
        "before = json.dumps(state())\n"
        f"execute({str(notebook)!r}, None, in_process=True)\n"
        "logging.disable()\n"
        "print()\nprint(json.dumps(state()) == before)"
    )
    assert python(program).splitlines()[-1] == "True"


def test_profile_is_used_as_it_is_when_a_kernel_is_made(tmp_path):
    place = tmp_path / "profile_default"
    program = (
        "import warnings; from rwlib.headless.engine.profile import ReadOnlyProfile\n"
        "warnings.simplefilter('error')\n"
        f"profile = ReadOnlyProfile({str(place)!r}); print(profile.location, profile.startup_dir)"
    )
    assert python(program).split() == [str(place), str(place / "startup")]
    assert not place.exists()


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        ("stream", {"name": "stdout", "text": "a"}),
        ("display_data", {"data": {"text/html": "<b>"}, "metadata": {"a": {"b": 1}}}),
        ("execute_result", {"data": {"text/plain": "1"}, "metadata": {}, "execution_count": 3}),
    ],
)
def test_plain_output_is_what_the_notebook_format_makes_of_it(kind, content):
    message = {"header": {"msg_type": kind}, "content": content}
    expected = output_from_msg(message)
    found = plugin.plain_output(kind, content)
    assert found == expected
    assert type(found) is type(expected)
    assert type(found.get("metadata")) is type(expected.get("metadata"))


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        ("stream", {"name": "stdout", "text": 1}),
        ("display_data", {"data": {"application/json": {"a": 1}}, "metadata": {}}),
        ("display_data", {"data": {"text/plain": 5}, "metadata": {}}),
        ("display_data", {"data": [], "metadata": {}}),
        ("error", {"ename": "E", "evalue": "", "traceback": []}),
        ("update_display_data", {"data": {"text/plain": "1"}, "metadata": {}}),
    ],
)
def test_any_other_output_is_left_to_nbclient(kind, content):
    assert plugin.plain_output(kind, content) is None


def test_cells_are_read_once_and_again_where_somebody_changes_how():
    told = python(
        "from rwlib.headless.engine.kernel import CellRunner; runner = CellRunner(); "
        "runner.prepare(); shell = runner.kernel.shell; manager = shell.input_transformer_manager; "
        "seen = []; real = manager.do_token_transforms; "
        "manager.do_token_transforms = lambda lines: seen.append(lines) or real(lines); "
        "shell.know(['%time 1', 'x = 1; y = x']); ahead = len(seen); "
        "first = shell.transform_cell('%time 1'); shell.transform_cell('x = 1; y = x'); "
        "print(ahead, len(seen), first); "
        "shell.transform_cell('y = 3'); shell.transform_cell('y = 3'); print(len(seen)); "
        "manager.line_transforms.append(lambda lines: ['z = 2']); "
        "print(shell.transform_cell('%time 1'), len(seen))"
    )
    ran = "get_ipython().run_line_magic('time', '1')"
    assert told.split("\n") == [f"2 2 {ran}", "", "3", "z = 2", " 4"]
