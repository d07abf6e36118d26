"""A batch file without a row exports nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from rwlib.cli import cli


@pytest.mark.parametrize("content", ["", "name,bucket\n"])
@pytest.mark.parametrize("form", ["terraform", "cloudformation", "cli", "json"])
def test_a_file_without_a_target_is_refused(content: str, form: str, tmp_path: Path) -> None:
    file = tmp_path / "b.csv"
    file.write_text(content)
    out = tmp_path / "out"
    done = CliRunner().invoke(
        cli, ["export", "--offline", "--targets", str(file), "--format", form, "--out", str(out)]
    )
    assert "holds no target" in str(done.exception)
    assert not out.exists()
