"""Clients made ahead of the process that uses them: whose they are, and when they are used."""

from __future__ import annotations

import os
import subprocess
import sys

import botocore.exceptions
import pytest
from botocore.utils import parse_timestamp

from rwlib.aws import session
from rwlib.aws.clients import (
    KEY_NAMES,
    ClientsAhead,
    LateCredentials,
    client_config,
    moment,
)
from rwlib.aws.session import assume_operator_role, open_ahead, open_session
from rwlib.batch import warm_up as rehearsal
from rwlib.errors import CredentialsError, RunbookError
from rwlib.report.schema import validate_report
from rwlib.target.target import Target
from tests.support import places
from tests.support.operator_role import OPERATOR, as_user_who_may_assume_it

pytestmark = pytest.mark.slow


@pytest.fixture
def opening(monkeypatch):
    """This process's way to open sessions, as new, and put back afterwards."""
    monkeypatch.setattr(session, "_this_process", session.Opening())
    return lambda: session._this_process


def target(example, **changes):
    return Target(**{**example, **changes})


def test_clients_sign_for_the_account_of_the_moment(aws_environment, opening, example, monkeypatch):
    for name in KEY_NAMES:
        monkeypatch.delenv(name.upper(), raising=False)
    ahead = open_ahead("adaptive")
    for account in ("111122223333", "777788889999"):
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", account)
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
        aws = open_session(target(example))
        assert aws.client("sts") is ahead.client("sts", False, "us-east-1")
        assert aws.account_id == account


def test_credentials_are_missing_when_there_are_none(
    aws_environment, opening, example, monkeypatch
):
    for name in KEY_NAMES:
        monkeypatch.delenv(name.upper(), raising=False)
    open_ahead("standard")
    with pytest.raises(CredentialsError, match="no usable AWS credentials"):
        _ = open_session(target(example)).account_id
    with pytest.raises(botocore.exceptions.NoCredentialsError):
        LateCredentials(lambda: None).get_frozen_credentials()


@pytest.mark.parametrize(
    "other",
    [
        {"AWS_DEFAULT_REGION": "eu-central-1"},
        {"AWS_ENDPOINT_URL": "http://127.0.0.1:1"},
        {"AWS_PROFILE": "other"},
    ],
)
def test_session_is_a_new_one_when_the_settings_are_others(
    aws_environment, opening, example, monkeypatch, tmp_path, other
):
    config = tmp_path / "config"
    config.write_text("[profile other]\nregion = eu-west-1\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    open_ahead("standard")
    assert open_session(target(example)).ahead
    for name, value in other.items():
        monkeypatch.setenv(name, value)
    assert open_session(target(example)).ahead is None


def test_session_is_a_new_one_when_a_file_was_written(
    aws_environment, opening, example, monkeypatch, tmp_path
):
    config = tmp_path / "config"
    config.write_text("[default]\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    open_ahead("standard")
    config.write_text("[default]\nregion = ap-south-1\n")
    aws = open_session(target(example))
    assert (aws.ahead, aws.session.region_name) == (None, "ap-south-1")


def test_profile_of_a_target_is_its_own_session(
    aws_environment, opening, example, monkeypatch, tmp_path
):
    config = tmp_path / "config"
    config.write_text("[profile other]\nregion = eu-west-1\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    open_ahead("standard")
    aws = open_session(target(example, aws_profile="other"))
    assert (aws.ahead, aws.session.region_name) == (None, "eu-west-1")


def test_clients_are_not_made_ahead_when_the_configuration_is_broken(
    aws_environment, opening, example, monkeypatch
):
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    rehearsal.rehearse()
    assert opening().ahead is None
    with pytest.raises(RunbookError, match="nobody"):
        _ = open_session(target(example)).account_id


def operator_keys(example):
    with as_user_who_may_assume_it():
        return assume_operator_role(target(example, operator_role_arn=OPERATOR))


@pytest.mark.parametrize("ahead", [True, False])
def test_operator_role_is_not_assumed_again_when_its_keys_are_given(
    aws_environment, opening, example, ahead
):
    session.open_like(operator_keys=operator_keys(example))
    assert set(opening().operator_keys) == set(KEY_NAMES)
    if ahead:
        open_ahead("adaptive")
    aws = open_session(target(example, operator_role_arn=OPERATOR))
    assert bool(aws.ahead) is ahead
    assert ":assumed-role/operator/" in aws.caller_identity.arn
    assert [call.operation for call in aws.calls] == ["get_caller_identity"]
    # A target without an operator role is nobody's but the caller's.
    assert open_session(target(example)).caller_identity.arn.endswith(":root")


def test_operator_session_is_in_the_targets_region(aws_environment, opening, example):
    session.open_like(operator_keys=operator_keys(example))
    open_ahead("adaptive")
    aws = open_session(target(example, operator_role_arn=OPERATOR, region_name="eu-central-1"))
    assert (aws.ahead, aws.session.region_name) == (None, "eu-central-1")


def test_client_is_made_when_none_was_made_ahead(aws_environment, opening, example):
    ahead = open_ahead("adaptive")
    aws = open_session(target(example))
    assert ahead.client("kms", False, "us-east-1") is None
    assert aws.client("kms").meta.region_name == "us-east-1"
    assert aws.client("kms").meta.config.retries["mode"] == "adaptive"
    assert aws.client("s3", region_name="eu-west-1") is not aws.client("s3")


def test_optional_call_is_tried_once():
    assert client_config("adaptive", optional=True).retries["total_max_attempts"] == 1
    assert client_config("adaptive").retries == {"mode": "adaptive", "max_attempts": 10}
    assert client_config().retries == {"mode": "standard", "max_attempts": 8}


def test_rehearsal_goes_through_a_preview_and_sends_nothing(opening, monkeypatch):
    # Nobody answers at the suite's endpoint, and there are no credentials.
    ahead = open_ahead("adaptive")
    with ahead.answered(rehearsal.answer):
        report = rehearsal.preview_example(ahead)
    validate_report(report)
    assert report["headline"] == "Preview: 3 changes would be made; nothing was written"
    assert {check["status"] for check in report["checks"]} == {"pass", "manual"}
    assert report["calls"]["look"] == {"reads": 7, "writes": 0}
    with pytest.raises(botocore.exceptions.NoCredentialsError):
        ahead.client("sts", False, "us-east-1").get_caller_identity()


def test_calls_of_the_rehearsal_are_parsed_as_answers(opening):
    ahead = open_ahead("adaptive")
    iam = ahead.client("iam", False, "us-east-1")
    with ahead.answered(rehearsal.answer):
        answer = iam.create_role(RoleName="x", AssumeRolePolicyDocument="{}")
        assert answer["Role"]["CreateDate"].year == 2026
        with pytest.raises(iam.exceptions.NoSuchEntityException):
            iam.get_role(RoleName="x")


def test_warm_process_keeps_nobodys_keys(tmp_path):
    credentials = tmp_path / "credentials"
    credentials.write_text(
        "[default]\naws_access_key_id = AKIAIOSFODNN7EXAMPLE\naws_secret_access_key = planted\n"
    )
    program = """
import gc, threading
from rwlib.batch.warm_up import warm_up
warm_up()
from rwlib.aws import session
gc.unfreeze()
texts = [t for found in gc.get_objects() if type(found) is dict for t in found.values()]
kept = [text for text in texts if type(text) is str and "planted" in text]
frozen = [found for found in gc.get_objects() if type(found).__name__ == "ReadOnlyCredentials"]
print(threading.active_count(), len(kept), len(frozen), session._this_process.ahead is not None)
"""
    environment = {
        **os.environ,
        "AWS_SHARED_CREDENTIALS_FILE": str(credentials),
        "PYTHONPATH": str(places.ROOT),
    }
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True
    )
    assert done.stdout.split() == ["1", "0", "0", "True"], done.stderr


def test_clients_ahead_need_no_region(monkeypatch, opening):
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    ahead = ClientsAhead()
    assert ahead.client("iam", False, "us-east-1").meta.region_name == "us-east-1"


def test_clients_made_ahead_call_as_others_do(aws_environment, opening, example):
    ahead, sent = open_ahead("standard"), {}
    known = ahead.client("iam", False, "us-east-1")
    other = ahead.session.client("iam", config=client_config())
    for client in (known, other):
        client.meta.events.register(
            "before-send", lambda request, to=client, **_: sent.update({to: request})
        )
        with pytest.raises(botocore.exceptions.ClientError, match="roleName is invalid"):
            client.get_role(RoleName="ü & = +/none")
    mine, theirs = sent[known], sent[other]
    assert mine.body.decode() == theirs.body
    agents = [str(each.headers["User-Agent"], "ascii").split() for each in (mine, theirs)]
    # The codes of the features that one call uses (m/...) come and go.
    first, second = (sorted(w for w in agent if not w.startswith("m/")) for agent in agents)
    assert first == second


@pytest.mark.parametrize(
    "text",
    ["2026-01-02T03:04:05Z", "2026-01-02T03:04:05.678000+00:00", "2026-01-02T04:04:05+01:00",
     "Fri, 02 Jan 2026 03:04:05 GMT", "1767323045", 1767323045, 1767323045.5],
)  # fmt: skip
def test_times_in_answers_are_as_botocore_reads_them(text):
    expected = parse_timestamp(text)
    assert moment(text) == expected
    assert moment(text).utcoffset() == expected.utcoffset()
