"""Every command that a page shows is run as the page shows it, one after the other."""

from __future__ import annotations

import shlex

import pytest

from tests.docs.loaded import script
from tests.docs.test_commands import LINE
from tests.support.command_line import rwlib

samples = script("samples")

# What serves until it is stopped, opens a browser, or needs a lab that does: tried in tests/cli.
SERVES = {"sandbox", "app", "lab"}
SHOWN = {page: LINE.findall(page.read_text(encoding="utf-8")) for page in samples.pages()}
RUN = {
    page: [line for line in lines if shlex.split(line)[1] not in SERVES]
    for page, lines in SHOWN.items()
}


def is_batch(line):
    return "targets.csv" in line or "batch" in line or "runs/" in line


def pages(batch):
    for page, lines in RUN.items():
        chosen = [line for line in lines if is_batch(line) == batch and "--sandbox" not in line]
        if chosen:
            yield pytest.param(chosen, id=str(page.relative_to(samples.ROOT)))


def run_in_order(lines, folder, monkeypatch):
    samples.prepare(folder)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("RWLIB_RUNS", str(folder / "runs"))
    ended = {}
    for line in lines:
        words = shlex.split(line)[1:]
        if "runs/…" in words:
            words[words.index("runs/…")] = str(max((folder / "runs").iterdir()))
        if {"--plan", "--apply"} <= set(words) and "--yes" not in words:
            words.append("--yes")  # nobody can be asked here
        code, out, err = rwlib(*words)
        assert code in (0, 1, 3), (line, err)
        assert out, line
        ended[line] = code
    return ended


@pytest.mark.slow
@pytest.mark.parametrize("lines", list(pages(batch=False)))
def test_commands_of_a_page_run(lines, aws_environment, tmp_path, monkeypatch):
    ended = run_in_order(lines, tmp_path, monkeypatch)
    # A person must add the role: the pages say so, and nothing else may fail.
    assert [line for line, code in ended.items() if code == 1 and "verify" not in line
            and "--check" not in line] == []  # fmt: skip


@pytest.mark.long
@pytest.mark.parametrize("lines", list(pages(batch=True)))
def test_commands_for_many_targets_run(lines, aws_environment, tmp_path, monkeypatch):
    run_in_order(lines, tmp_path, monkeypatch)


def test_what_is_not_run_here_is_run_as_a_sample_or_serves():
    ran = {each.command for each in samples.samples()}
    left = [
        line
        for lines in RUN.values()
        for line in lines
        if "--sandbox" in line
        and not any(set(shlex.split(line)) == set(shlex.split(each)) for each in ran)
    ]
    assert left == []
    assert sum(map(len, SHOWN.values())) > 30
