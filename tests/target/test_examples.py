"""The package's own examples, by the name that every page uses."""

from __future__ import annotations

import pytest

from rwlib.target import FIRST_EXAMPLE, example_path
from tests.support import places
from tests.support.command_line import rwlib


@pytest.mark.parametrize("path", sorted((places.ROOT / "examples").iterdir()), ids=lambda p: p.name)
def test_example_is_found_from_any_folder(path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert example_path(f"examples/{path.name}") == path


def test_own_file_goes_before_the_example_and_other_paths_stay(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("examples/none.yaml", "redshift.yaml", "x/examples/redshift.yaml"):
        assert str(example_path(name)) == name
    (tmp_path / "examples").mkdir()
    example = (places.ROOT / FIRST_EXAMPLE).read_text()
    (tmp_path / FIRST_EXAMPLE).write_text(example.replace("acme-analytics", "mine-bucket"))
    assert str(example_path(FIRST_EXAMPLE)) == FIRST_EXAMPLE
    code, out, _ = rwlib("sql", "--target", FIRST_EXAMPLE)
    assert (code, "mine-bucket" in out) == (0, True)


def test_commands_take_the_example(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, out, _ = rwlib("sql", "--target", FIRST_EXAMPLE)
    assert (code, "CREATE SINK redshift_sink" in out) == (0, True)
    code, _, err = rwlib("sql", "--target", "examples/none.yaml")
    assert code == 2
    assert "does not exist" in err


@pytest.mark.slow
def test_run_in_the_sandbox_needs_no_target_and_says_which_it_took(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, out, err = rwlib("run", "--sandbox")
    assert code in (0, 1, 3)
    assert "note: no target is given; this is examples/redshift.yaml" in err
    assert "risingwave-redshift" in out
    assert rwlib("run")[0] == 2
