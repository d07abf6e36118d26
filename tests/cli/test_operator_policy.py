"""``rwlib operator-policy``: printed, and nobody is asked."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from rwlib.cli import cli
from tests.support import places

EXAMPLE = str(places.ROOT / "examples" / "redshift.yaml")


@pytest.mark.parametrize("purpose", ["run", "verify", "teardown"])
def test_policy_is_printed_as_json(purpose, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    done = CliRunner().invoke(
        cli, ["operator-policy", "--target", EXAMPLE, "--for", purpose], standalone_mode=False
    )
    assert done.exception is None, done.output
    document = json.loads(done.output)
    writes = [
        action
        for statement in document["Statement"]
        for action in ([statement["Action"]] if isinstance(statement["Action"], str)
                       else statement["Action"])
        if action.startswith(("iam:Create", "iam:Attach", "iam:Delete", "iam:Put"))
    ]  # fmt: skip
    assert bool(writes) == (purpose != "verify")


def test_wrong_account_is_one_sentence():
    done = CliRunner().invoke(
        cli, ["operator-policy", "--target", EXAMPLE, "--account-id", "12"], standalone_mode=False
    )
    assert "account_id" in str(done.exception)
