"""``rwlib teardown``: a preview until it is told to apply."""

from __future__ import annotations

import json

import pytest

from tests.support.command_line import rwlib


@pytest.mark.slow
def test_teardown_needs_its_own_apply_when_the_file_says_apply(aws_environment, example, tmp_path):
    path = tmp_path / "target.yaml"
    path.write_text(json.dumps({**example, "apply": True}))
    assert rwlib("run", "--target", path)[0] == 0
    _, out, _ = rwlib("teardown", "--target", path)
    assert "Would delete" in out
