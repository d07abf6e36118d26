"""Where a run is kept."""

from __future__ import annotations

from rwlib.runs.folder import new_run_dir


def test_two_runs_of_one_second_get_two_folders(tmp_path, monkeypatch):
    monkeypatch.setenv("RWLIB_RUNS", str(tmp_path))
    made = {new_run_dir("orders") for _ in range(5)}
    assert len(made) == 5
