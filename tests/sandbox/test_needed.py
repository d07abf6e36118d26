"""What needs a sandbox says which package is missing, and imports none of them."""

import subprocess
import sys

import pytest
from click.testing import CliRunner

from rwlib.errors import RunbookError
from rwlib.sandbox import need_packages
from tests.support.places import ROOT


@pytest.mark.parametrize("command", [["sandbox"], ["run", "--sandbox", "--target", "T"]])
def test_missing_package_is_named_with_what_installs_it(command, monkeypatch, tmp_path):
    from rwlib.cli import cli

    (tmp_path / "T").write_text((ROOT / "examples" / "redshift.yaml").read_text())
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "flask_cors", None)
    ended = CliRunner().invoke(cli, command)
    assert isinstance(ended.exception, RunbookError), ended.output
    assert str(ended.exception) == (
        "the sandbox needs flask_cors; install it with "
        "`pip install 'risingwave-iam-runbook[sandbox]'`"
    )


def test_only_who_writes_files_needs_what_writes_them(monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    need_packages()
    with pytest.raises(RunbookError, match="labs need pyarrow"):
        need_packages("labs need", files=True)


def test_process_beside_a_sandbox_imports_nothing_of_it():
    code = (
        "import contextlib, sys, rwlib.labs.learner_folder\n"
        "from rwlib.headless import in_sandbox, sandboxed\n"
        "sandboxed.Spawned = contextlib.nullcontext\n"
        "with contextlib.suppress(AttributeError), in_sandbox(): pass\n"
        "print([name for name in ('moto', 'flask', 'werkzeug') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stderr
