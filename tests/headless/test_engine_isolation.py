"""A notebook sees nothing of another one, nor of the process that started it; nor it of them."""

from __future__ import annotations

import ast
import atexit
import logging
import os
import subprocess
import sys
import tempfile
import warnings
import weakref
from pathlib import Path

import boto3
import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

from rwlib.headless.engine import execute, process
from rwlib.headless.engine.forgetting import forget
from tests.support import places

pytestmark = pytest.mark.slow

KERNEL = {"name": "python3", "language": "python", "display_name": "Python 3"}
ROOT = str(places.ROOT)


@pytest.fixture
def ask(tmp_path, monkeypatch):
    """Return a function that runs a cell and returns the value of its last line."""
    # A forked child is what is looked at; pytest's own helpers may have started threads.
    monkeypatch.setattr(process, "_other_threads", lambda: False)

    def ask(source: str, **options):
        cells = [new_code_cell(source)]
        notebook = tmp_path / "ask.ipynb"
        nbformat.write(new_notebook(cells=cells, metadata={"kernelspec": KERNEL}), notebook)
        executed = execute(notebook, None, **options)
        return ast.literal_eval(executed.cells[-1].outputs[-1]["data"]["text/plain"])

    return ask


def test_variables_are_gone_when_the_next_notebook_runs(ask):
    assert ask("secret = 1\n'secret' in globals()") is True
    assert ask("'secret' in globals()") is False


def test_environment_stays_in_the_child_when_a_cell_changes_it(ask, monkeypatch):
    monkeypatch.setenv("OF_THE_PARENT", "1")
    assert ask("import os\nos.environ['LEFT'] = 'x'\nos.environ['OF_THE_PARENT']") == "1"
    assert "LEFT" not in os.environ
    assert ask("import os\nos.environ.get('LEFT', '')") == ""
    given = {"GIVEN": "yes"}
    assert ask("import os\nos.environ['GIVEN']", environment=given) == "yes"
    assert "GIVEN" not in os.environ


def test_folder_stays_in_the_child_when_a_cell_changes_it(ask, tmp_path):
    before = Path.cwd()
    assert ask("import os\nos.chdir('/')\nos.getcwd()") == "/"
    assert Path.cwd() == before
    assert ask("import os\nos.getcwd()", cwd=str(tmp_path)) == str(tmp_path)
    assert Path.cwd() == before


def test_clients_and_credentials_are_gone_when_the_child_starts(ask, monkeypatch):
    session = boto3.Session("AKIAIOSFODNN7EXAMPLE", "secret", region_name="us-east-1")
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", session)
    assert ask("import boto3\nboto3.DEFAULT_SESSION is None") is True
    assert ask("import boto3\nboto3._get_default_session().get_credentials() is None") is True
    assert boto3.DEFAULT_SESSION is session


def test_logging_and_warnings_are_new_when_the_parent_has_its_own(ask):
    root = logging.getLogger()
    handler = logging.NullHandler()
    root.addHandler(handler)
    try:
        asked = "import logging\n(len(logging.getLogger().handlers), logging.getLogger().level)"
        with warnings.catch_warnings(record=True) as recorded:
            warnings.simplefilter("error")
            assert ask(asked) == (0, logging.WARNING)
            assert ask("import warnings\nwarnings.warn('shown')\n1") == 1
        assert recorded == []
    finally:
        root.removeHandler(handler)


def test_exit_handlers_of_the_parent_do_not_run_when_the_child_ends(tmp_path, ask):
    with tempfile.TemporaryDirectory(dir=tmp_path) as folder:
        ran = tmp_path / "ran"
        handler = atexit.register(ran.touch)
        try:
            assert ask("1") == 1
        finally:
            atexit.unregister(handler)
        assert Path(folder).is_dir()
        assert not ran.exists()


def test_random_numbers_differ_when_two_notebooks_ask_for_them(ask):
    asked = "import random, uuid\n(random.random(), uuid.uuid4().hex)"
    first, second = ask(asked), ask(asked)
    assert first[0] != second[0]
    assert first[1] != second[1]


def test_progress_bars_are_the_notebooks_own_when_papermill_shows_one(ask):
    asked = "from tqdm.auto import tqdm\n[kind.__module__ for kind in tqdm.__mro__]"
    assert "tqdm.notebook" in ask(asked, progress_bar=True)


def test_notebook_runs_another_one_when_a_cell_asks_for_it(tmp_path, ask):
    inner = tmp_path / "inner.ipynb"
    cells = [new_code_cell("inside = 1\n__name__, 'outside' in globals()")]
    nbformat.write(new_notebook(cells=cells, metadata={"kernelspec": KERNEL}), inner)
    source = (
        "from rwlib.headless.engine import execute\n"
        "outside = 2\n"
        f"executed = execute({str(inner)!r}, None)\n"
        "executed.cells[-1].outputs[-1]['data']['text/plain'], 'inside' in globals()"
    )
    assert ask(source) == ("('__main__', False)", False)


@pytest.mark.parametrize("in_process", [False, True], ids=["child", "own-process"])
def test_nothing_is_written_when_a_notebook_runs(in_process, tmp_path):
    home, temporary = tmp_path / "home", tmp_path / "tmp"
    home.mkdir()
    temporary.mkdir()
    notebook = tmp_path / "in.ipynb"
    cells = [
        new_code_cell("token = 'planted'"),
        new_code_cell("%store token\n%alias hi echo hi\n%bookmark here\n%history"),
        new_code_cell("get_ipython().history_manager.enabled"),
    ]
    nbformat.write(new_notebook(cells=cells, metadata={"kernelspec": KERNEL}), notebook)
    program = (
        "import sys; from rwlib.headless.engine import execute; "
        f"n = execute(sys.argv[1], None, in_process={in_process}); "
        "print(n.cells[-1].outputs[0].data['text/plain'])"
    )
    environment = {
        **{key: value for key, value in os.environ.items() if not key.startswith("IPYTHON")},
        "HOME": str(home),
        "TMPDIR": str(temporary),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    done = subprocess.run(
        [sys.executable, "-c", program, str(notebook)],
        env=environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["False"]
    assert "planted" not in done.stderr
    assert list(home.rglob("*")) == []
    assert list(temporary.rglob("*")) == []


def test_startup_files_are_run_when_the_user_has_some(tmp_path, ask, monkeypatch):
    profile = tmp_path / "ipython" / "profile_default"
    (profile / "startup").mkdir(parents=True)
    (profile / "startup" / "10-mine.py").write_text("mine = 5")
    (profile / "ipython_config.py").write_text("c.InteractiveShell.ast_node_interactivity = 'all'")
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    assert ask("mine + 1") == 6
    assert ask("get_ipython().ast_node_interactivity") == "all"
    names = {path.name for path in (tmp_path / "ipython").rglob("*")}
    assert names == {"profile_default", "startup", "10-mine.py", "ipython_config.py"}


def test_finalizers_of_the_child_run_when_those_of_the_parent_do_not(tmp_path):
    class Thing:
        pass

    ran = tmp_path / "parents"
    thing = Thing()
    finalizer = weakref.finalize(thing, ran.touch)
    child = os.fork()
    if child == 0:
        forget()
        own = Thing()
        weakref.finalize(own, (tmp_path / "childs").touch)
        atexit._run_exitfuncs()
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert (tmp_path / "childs").exists()
    assert not ran.exists()
    finalizer.detach()
