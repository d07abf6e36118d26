"""``rwlib verify``: exit codes when AWS cannot be asked."""

from __future__ import annotations

import pytest

from tests.support.command_line import options, rwlib


def test_missing_credentials_are_exit_code_4(aws_environment, example, monkeypatch):
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    code, _, err = rwlib("verify", *options(example))
    assert code == 4
    assert "no usable AWS credentials" in err


@pytest.mark.slow
def test_unreachable_endpoint_is_exit_code_4(aws_environment, example, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    code, _, err = rwlib("verify", *options(example))
    assert code == 4
    assert "could not be reached" in err
