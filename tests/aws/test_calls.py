"""AWS's calls: counted, remembered, forgotten, and their errors in words."""

from __future__ import annotations

import os
import time

import boto3
import botocore.exceptions
import pytest

from rwlib.aws import session
from rwlib.aws.bucket import head_call, locate_bucket
from rwlib.aws.calls import Aws, policy_json
from rwlib.aws.errors import error_code, is_denied, is_missing
from rwlib.aws.iam import read_role, role_call
from rwlib.aws.session import open_session
from rwlib.errors import CredentialsError, InputError, ServiceError
from rwlib.target.target import Target
from tests.support.interference import BusyAws, client_error
from tests.support.operator_role import OPERATOR, ROLE_TRUST, as_user_who_may_assume_it
from tests.support.sandbox_clients import WORKLOAD, trusting


def target(example, **changes):
    return Target(**{**example, **changes})


def test_read_is_made_once_when_it_is_asked_twice(aws):
    first = aws.read("iam", "get_account_summary", about="account")
    assert aws.read("iam", "get_account_summary", about="account") is first
    assert [call.operation for call in aws.calls] == ["get_account_summary"]
    assert aws.calls[0].request_id


def test_read_remembers_that_there_is_nothing(aws):
    for _ in range(2):
        with pytest.raises(botocore.exceptions.ClientError, match="NoSuchEntity") as caught:
            aws.read("iam", "get_role", about="role x", RoleName="x")
        assert is_missing(caught.value)
    assert [call.outcome for call in aws.calls] == ["NoSuchEntity"]


def test_write_forgets_what_was_read_about_the_same_thing_only(aws):
    aws.read("iam", "get_account_summary", about="account")
    with pytest.raises(botocore.exceptions.ClientError):
        aws.read("iam", "get_role", about="role x", RoleName="x")
    aws.write(
        "iam", "create_role", about="role x", RoleName="x", AssumeRolePolicyDocument=ROLE_TRUST
    )
    assert aws.read("iam", "get_role", about="role x", RoleName="x")["Role"]["RoleName"] == "x"
    aws.read("iam", "get_account_summary", about="account")
    assert [call.operation for call in aws.calls].count("get_account_summary") == 1
    assert [call.writes for call in aws.calls] == [False, False, True, False]


def test_write_forgets_when_its_answer_was_lost(aws_environment):
    lost = BusyAws(after={"create_role": [lambda: client_error("RequestTimeout")]})
    with pytest.raises(botocore.exceptions.ClientError):
        lost.read("iam", "get_role", about="role x", RoleName="x")
    with pytest.raises(botocore.exceptions.ClientError, match="RequestTimeout"):
        lost.write(
            "iam", "create_role", about="role x", RoleName="x", AssumeRolePolicyDocument=ROLE_TRUST
        )
    assert lost.read("iam", "get_role", about="role x", RoleName="x")


def test_caller_identity_is_asked_once(aws):
    assert aws.account_id == "111122223333"
    assert aws.caller_identity.arn == "arn:aws:iam::111122223333:root"
    assert len(aws.calls) == 1


@pytest.mark.slow
@pytest.mark.parametrize(
    ("environment", "error", "words"),
    [
        ({"AWS_ACCESS_KEY_ID": ""}, CredentialsError, "no usable AWS credentials.*aws configure"),
        ({"AWS_ENDPOINT_URL": "http://127.0.0.1:9"}, ServiceError, "could not be reached"),
        ({"AWS_ENDPOINT_URL": "nonsense"}, ServiceError, "correct AWS_ENDPOINT_URL"),
        ({"AWS_DEFAULT_REGION": "us east 1"}, InputError, "region_name: .*AWS_DEFAULT_REGION"),
    ],
)
def test_call_raises_a_sentence_when_it_cannot_be_made(
    aws_environment, example, monkeypatch, environment, error, words
):
    monkeypatch.setattr("rwlib.aws.clients.client_config", lambda *_, **__: _impatient())
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
        if not value:
            monkeypatch.delenv(name)
            monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(error, match=words):
        _ = open_session(target(example)).account_id


def _impatient():
    from botocore.config import Config

    return Config(retries={"mode": "standard", "total_max_attempts": 1}, connect_timeout=1)


@pytest.mark.parametrize(
    "code",
    [
        "InvalidClientTokenId",
        "ExpiredToken",
        "SignatureDoesNotMatch",
        "UnrecognizedClientException",
    ],
)
def test_call_tells_credentials_from_permissions(aws_environment, monkeypatch, code):
    aws = Aws(boto3.Session())

    def refuse(**parameters):
        raise client_error(code, message="bad keys")

    monkeypatch.setattr(aws.client("iam"), "get_role", refuse)
    with pytest.raises(CredentialsError, match=f"does not accept.*{code}: bad keys.*aws_profile"):
        aws.read("iam", "get_role", RoleName="x")
    assert aws.calls[0].outcome == code


@pytest.mark.parametrize("variables", [{}, {"AWS_DATA_PATH": os.curdir, "AWS_REGION": "us-east-1"}])
def test_profile_is_named_when_it_does_not_exist(aws_environment, example, monkeypatch, variables):
    """Also where variables say all that botocore asks a profile for when it begins."""
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(InputError, match=r"aws_profile: 'none' does not exist.*list-profiles"):
        open_session(target(example, aws_profile="none"))


def test_configuration_is_named_when_it_cannot_be_read(
    aws_environment, example, monkeypatch, tmp_path
):
    broken = tmp_path / "config"
    broken.write_text("[profile x\nregion us-east-1\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(broken))
    with pytest.raises(InputError, match="the AWS configuration cannot be read"):
        _ = open_session(target(example, aws_profile="x")).account_id


def test_session_is_the_operator_roles_when_one_is_given(aws_environment, example):
    with as_user_who_may_assume_it():
        aws = open_session(target(example, operator_role_arn=OPERATOR))
        assert ":assumed-role/operator/" in aws.caller_identity.arn
        assert [call.operation for call in aws.calls] == ["assume_role", "get_caller_identity"]


def test_operator_role_is_named_when_it_cannot_be_assumed(aws_environment, example):
    arn = "arn:aws:iam::777788889999:role/none"
    with pytest.raises(CredentialsError, match=f"operator_role_arn: '{arn}' could not be assumed"):
        open_session(target(example, operator_role_arn=arn))


def test_pages_are_all_read(aws_environment):
    pages = {
        None: {"Versions": [1, 2], "IsTruncated": True, "Marker": "m"},
        "m": {"Versions": [3], "IsTruncated": False},
    }

    class Paged(BusyAws):
        def _call(self, service, operation, parameters, *rest):
            return pages[parameters.get("Marker")]

    assert Paged().read_all("iam", "list_policy_versions", "Versions", PolicyArn="a") == [1, 2, 3]


@pytest.mark.parametrize(
    "document",
    [{"a": "b c"}, '{"a": "b c"}', '  {"a": "b c"}', "%7B%22a%22%3A%20%22b%20c%22%7D"],
)
def test_policy_is_read_however_aws_sends_it(document):
    assert policy_json(document) == {"a": "b c"}


def test_policy_keeps_its_percent_signs_when_it_comes_as_plain_text():
    assert policy_json('{"a": "100%25"}') == {"a": "100%25"}


def test_errors_are_told_apart():
    assert is_denied(client_error("AccessDenied"))
    assert is_denied(client_error("403"))
    assert not is_missing(client_error("AccessDenied"))
    assert error_code(client_error("X")) == "X"


def role_reads(count):
    return [role_call(f"none-{number}") for number in range(count)]


def test_reads_ahead_are_under_way_together_and_remembered_in_the_order_given(aws_environment, aws):
    _ = aws.account_id
    aws_environment.set_faults(latency=0.4)
    started = time.monotonic()
    aws.read_ahead(*role_reads(4), head_call("acme-analytics", aws.account_id))
    took = time.monotonic() - started
    assert took < 4 * 0.4, "five calls, one after the other, take five times as long"
    assert [call.operation for call in aws.calls] == [
        "get_caller_identity", *["get_role"] * 4, "head_bucket",
    ]  # fmt: skip
    assert [call.outcome for call in aws.calls][1:] == [*["NoSuchEntity"] * 4, "ok"]
    aws_environment.set_faults(latency=0.0)
    aws_environment.forget_calls()
    assert read_role(aws, "none-1") is None
    assert locate_bucket(aws, "acme-analytics", "").region_name == "us-east-1"
    assert aws_environment.calls() == []


def test_read_ahead_is_made_again_after_a_write_about_the_same_thing(aws_environment, aws):
    aws.read_ahead(*role_reads(2))
    aws.write(
        "iam", "create_role", about="role none-1", RoleName="none-1",
        AssumeRolePolicyDocument=trusting(WORKLOAD),
    )  # fmt: skip
    assert read_role(aws, "none-1")["RoleName"] == "none-1"
    assert read_role(aws, "none-0") is None


def test_error_of_a_read_ahead_is_raised_where_the_answer_is_asked_for(
    aws_environment, monkeypatch
):
    class Failing(Aws):
        made = 0

        def _call(self, service, operation, parameters, *rest):
            Failing.made += 1
            if parameters["RoleName"] == "none-1":
                raise ServiceError("AWS could not be reached")
            return super()._call(service, operation, parameters, *rest)

    aws = Failing(boto3.Session())
    first, second, third = role_reads(3)
    aws.read_ahead(first, second, third)
    with pytest.raises(ServiceError, match="could not be reached"):
        aws.answer_to(second)
    assert Failing.made == 3
    with pytest.raises(ServiceError, match="could not be reached"):
        aws.answer_to(second)
    assert Failing.made == 4, "it is no answer, so it is asked again"
    with pytest.raises(aws.client("iam").exceptions.NoSuchEntityException):
        aws.answer_to(third)


def test_what_ends_a_run_in_a_read_ahead_ends_it_here(aws_environment):
    class StoppedError(BaseException):
        pass

    class Stopping(Aws):
        def _call(self, *arguments):
            raise StoppedError

    with pytest.raises(StoppedError):
        Stopping(boto3.Session()).read_ahead(*role_reads(3))


def test_session_that_was_begun_is_taken_up_once_and_counts_as_any_other(
    aws_environment, example, monkeypatch
):
    monkeypatch.setattr(session, "_this_process", session.Opening())
    wanted = target(example)
    with session.session_begun(wanted):
        aws = open_session(wanted)
    assert aws.calls == [], "nobody has asked yet"
    made = len(aws_environment.calls())
    assert made == 4
    assert aws.account_id == "111122223333"
    aws.read_ahead(*session.first_reads(wanted, aws.account_id))
    assert [call.operation for call in aws.calls] == [
        "get_caller_identity", "head_bucket", "get_role", "get_policy",
    ]  # fmt: skip
    assert len(aws_environment.calls()) == made
    assert open_session(wanted) is not aws
    with session.session_begun(wanted):
        other = open_session(target(example, region_name="eu-central-1"))
    assert (other.calls, other._early) == ([], {}), "it was begun for another way to AWS"


def test_first_call_is_under_way_while_the_other_clients_are_made(
    aws_environment, example, monkeypatch
):
    monkeypatch.setattr(session, "_this_process", session.Opening())
    make, seen = Aws.client, []

    def client(self, service, **how):
        until = time.monotonic() + 5
        while service == "s3" and not seen and time.monotonic() < until:
            seen.extend(call["action"] for call in aws_environment.calls())
        return make(self, service, **how)

    monkeypatch.setattr(Aws, "client", client)
    with session.session_begun(target(example)):
        assert seen == ["GetCallerIdentity"]


def test_session_that_was_begun_and_not_taken_up_is_forgotten(
    aws_environment, example, monkeypatch
):
    monkeypatch.setattr(session, "_this_process", session.Opening())
    wanted = target(example)
    with session.session_begun(wanted):
        pass
    aws = open_session(wanted)
    assert aws._early == {}, "it would answer with what was there before"


def test_session_that_cannot_be_begun_says_so_when_it_is_opened(
    aws_environment, example, monkeypatch
):
    monkeypatch.setattr(session, "_this_process", session.Opening())
    wanted = target(example, aws_profile="none")
    with session.session_begun(wanted), pytest.raises(InputError, match="aws_profile"):
        open_session(wanted)
    refused = target(example, operator_role_arn="arn:aws:iam::111122223333:role/none")
    with (
        session.session_begun(refused),
        pytest.raises(CredentialsError, match="could not be assumed"),
    ):
        open_session(refused)
