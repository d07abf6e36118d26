"""Secrets are masked in everything shown, names and messages are not."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rwlib.diagnose.diagnosis import diagnose
from rwlib.masking import mask
from tests.support import places

SECRET = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
TOKEN = "IQoJb3JpZ2luX2VjEAEaCXVzLWVhc3QtMSJHMEUCIQDexampletokenexampletokenexample=="
PASSWORD = "hunter2-Passw0rd"
HIDDEN = (SECRET, TOKEN, PASSWORD)

WITH_SECRETS = [
    f"aws_secret_access_key={SECRET}",
    f'"SecretAccessKey": "{SECRET}"',
    f"<SecretAccessKey>{SECRET}</SecretAccessKey><SessionToken>{TOKEN}</SessionToken>",
    f"s3.credentials.secret = '{SECRET}'",
    f"aws.credentials.secret_access_key => '{SECRET}'",
    f'secret_access_key: "{SECRET}", session_token: Some("{TOKEN}")',
    f"COPY t FROM 's3://b' CREDENTIALS 'aws_access_key_id=AKIA;aws_secret_access_key={SECRET};"
    f"token={TOKEN}'",
    f"https://b.s3.amazonaws.com/k?X-Amz-Security-Token={TOKEN}&X-Amz-Signature={'0f' * 32}",
    f"Authorization: Basic {PASSWORD}",
    f"'Authorization': 'Bearer {PASSWORD}'",
    f"Authorization: AWS4-HMAC-SHA256 Credential=x/y, SignedHeaders=host, Signature={PASSWORD}",
    f"X-API-KEY: key:{PASSWORD}",
    f"RWC_API_KEY={PASSWORD} RWC_API_SECRET={PASSWORD}",
    f"postgresql://root:{PASSWORD}@host:4566/dev?sslmode=require",
    f"jdbc:redshift://h:5439/dev?user=a&password={PASSWORD};ssl=true",
    f"host=h user=root password={PASSWORD} dbname=dev",
    f"password='it''s {PASSWORD}'",
    f'{{\\"password\\":\\"{PASSWORD}\\",\\"user\\":\\"x\\"}}',
    f"ALTER USER x WITH PASSWORD '{PASSWORD}';",
    f"CREATE SECRET my WITH (backend = 'meta') AS '{PASSWORD}';",
    f"private_key_pem = '-----BEGIN PRIVATE KEY-----\n{PASSWORD}\n-----END PRIVATE KEY-----'",
    f"-----BEGIN RSA PRIVATE KEY-----\n{PASSWORD}",
    f"private_key_file_pwd='{PASSWORD}'",
    f"properties.sasl.password='{PASSWORD}'",
    f"catalog.credential='client:{PASSWORD}'",
    f"rwc auth config --api-key {PASSWORD} --api-key-secret {PASSWORD}",
    f"curl -u key:{PASSWORD} https://example.com",
    f"the key {SECRET} was found",
    f"password='{PASSWORD}",
]  # fmt: skip

WITHOUT_SECRETS = [
    "Check your secret access key and signing method.",
    "Both `access_key` and `secret_key` must be provided",
    "Must be of the format: credentials 'aws_iam_role=...' or 'aws_access_key_id=...;"
    "aws_secret_access_key=...[;token=...]'",
    "auth.method=password requires `password`",
    "password = secret my_secret",
    "s3.credentials.access is enforced to be a SECRET, please use `CREATE SECRET` first",
    "commit da39a3ee5e6b4b0d3255bfef95601890afd80709",
    "arn:aws:iam::111122223333:role/rw-secret_key",
    "User: arn:aws:sts::111122223333:assumed-role/password-rotation/i-0abc is not authorized",
]


@pytest.mark.parametrize("text", WITH_SECRETS)
def test_secret_is_masked(text: str) -> None:
    shown = mask(text)
    assert not any(secret in shown for secret in HIDDEN)
    assert "hunter2" not in shown
    assert "****" in shown


@pytest.mark.parametrize("text", WITHOUT_SECRETS)
def test_text_without_a_secret_stays_as_it_is(text: str) -> None:
    assert mask(text) == text


def test_access_key_id_keeps_its_ends() -> None:
    assert mask("AWSAccessKeyId=AKIAIOSFODNN7EXAMPLE") == "AWSAccessKeyId=AKIA****MPLE"


def test_user_and_host_of_a_dsn_stay() -> None:
    assert mask(f"postgresql://root:{PASSWORD}@host:4566/dev") == (
        "postgresql://root:****@host:4566/dev"
    )


@pytest.mark.parametrize("text", [*WITH_SECRETS, *WITHOUT_SECRETS])
def test_masking_again_changes_nothing(text: str) -> None:
    assert mask(mask(text)) == mask(text)


@given(
    st.text(alphabet="abcXYZ019 =:{}[]();,.@/-_\n", max_size=60),
    st.sampled_from(["aws_secret_access_key", "password", "s3.credentials.secret", "api_secret"]),
    st.sampled_from(["=", ": ", " = ", "=>"]),
    st.sampled_from(["'", '"', '\\"']),
)
def test_quoted_secret_is_masked_whatever_stands_before_it(
    before: str, option: str, equals: str, quote: str
) -> None:
    shown = mask(f"{before} {option}{equals}{quote}{PASSWORD}{quote} after")
    assert PASSWORD not in shown
    assert shown.endswith("after")
    assert mask(shown) == shown


def test_diagnosis_shows_no_secret_of_the_text() -> None:
    error = "Unknown fields in the WITH clause: "
    for text in WITH_SECRETS:
        for found in diagnose(f"ERROR: InvalidAccessKeyId {error}{text}"):
            shown = json.dumps(found.to_dict())
            assert not any(secret in shown for secret in HIDDEN)
            assert "hunter2" not in shown


def test_known_texts_keep_their_arns_when_masked() -> None:
    known = places.DATA / "diagnose" / "known.jsonl"
    for line in known.read_text("utf-8").splitlines():
        text = json.loads(line)["text"]
        for word in text.split():
            if word.startswith("arn:aws:iam::"):
                assert word in mask(text)
