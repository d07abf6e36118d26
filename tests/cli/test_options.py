"""The fields that options give, over those of a target's file: alike for every command."""

from __future__ import annotations

import pytest
import yaml
from click.testing import CliRunner

import rwlib.batch
import rwlib.headless
from rwlib.cli import cli
from rwlib.cli.options import MOST_NOTES
from rwlib.errors import RunbookError
from tests.support import command_line

IN_FILE = {
    "name": "from-file",
    "bucket": "acme-analytics",
    "workload_identity_arn": "arn:aws:iam::123456789012:role/cluster",
    "connectors": ["s3_sink"],
    "tags": {"team": "data", "stage": "test"},
    "sql_options": {"type": "append-only", "region": "eu-central-1"},
    "apply": True,
}


class _SeenError(RunbookError):
    """What a command was about to do is known; it need not go on."""


@pytest.fixture
def handed_on(monkeypatch):
    """What commands hand on, by the function they would call."""
    seen = {}

    def catch(module, name, fields_in):
        def instead(given, *_, **__):
            seen[name] = fields_in(given)
            raise _SeenError("seen")

        monkeypatch.setattr(module, name, instead)

    catch(rwlib.headless, "run_target", lambda target: target.model_dump())
    catch(rwlib.batch, "run_batch", lambda options: options.common)
    catch(rwlib.batch, "watch_targets", lambda options: options.common)
    return seen


COMMANDS = {
    "run_target": ["run"],
    "run_batch": ["batch", "targets.csv"],
    "watch_targets": ["verify", "--targets", "targets.csv"],
}


@pytest.mark.parametrize("function", COMMANDS)
def test_options_go_over_the_file_key_by_key_whatever_the_command(handed_on, tmp_path, function):
    path = tmp_path / "target.yaml"
    path.write_text(yaml.safe_dump(IN_FILE))
    given = ["--target", str(path), "--bucket", "acme-frankfurt", "--connectors", "s3_source",
             "--connectors", "redshift", "--tags", "stage=live", "--tags", "owner=me",
             "--sql-options", "type=upsert"]  # fmt: skip
    result = CliRunner().invoke(cli, [*COMMANDS[function], *given])
    assert isinstance(result.exception, _SeenError), result.output
    fields = handed_on[function]
    assert fields["bucket"] == "acme-frankfurt"
    assert fields["connectors"] == ["s3_source", "redshift"]
    assert fields["tags"] == {"team": "data", "stage": "live", "owner": "me"}
    assert fields["sql_options"] == {"type": "upsert", "region": "eu-central-1"}


@pytest.mark.parametrize("function", ["run_batch", "watch_targets"])
def test_name_and_apply_of_a_file_are_no_rows(handed_on, tmp_path, function):
    path = tmp_path / "target.yaml"
    path.write_text(yaml.safe_dump(IN_FILE))
    CliRunner().invoke(cli, [*COMMANDS[function], "--target", str(path)])
    assert set(IN_FILE) - set(handed_on[function]) == {"name", "apply"}


def test_rows_that_are_read_otherwise_than_written_are_said(tmp_path):
    path = tmp_path / "targets.csv"
    head = "name,bucket,prefix,workload_identity_arn,connectors,region_name,sql_options\n"
    arn = IN_FILE["workload_identity_arn"]
    rows = [f"t{n},s3://acme-analytics/p{n},,{arn},s3_sink,us-east-1,from=orders" for n in range(8)]
    path.write_text(head + "\n".join(rows) + "\n")
    code, _, err = command_line.rwlib("export", "--targets", path, "--format", "json", "--offline")
    assert code == 0, err
    lines = err.splitlines()
    assert len(lines) == MOST_NOTES + 1
    assert lines[0].startswith("note: row 1: 's3://acme-analytics/p0' is read as bucket")
    assert lines[-1] == "note: the same holds for other rows"
