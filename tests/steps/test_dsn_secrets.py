"""A DSN's password is nowhere: not in an error, not in a file, however it is written."""

from __future__ import annotations

import json
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rwlib.errors import CredentialsError, RunbookError, ServiceError
from rwlib.masking import mask, mask_known, passwords_of, secret_values, without_parts
from rwlib.runs.manifest import seal
from rwlib.steps.step5_sql import DsnConnection

nasty = st.text(
    st.one_of(st.sampled_from("@:/?#&=%'\"\\ $!"), st.characters(codec="ascii", min_codepoint=33)),
    min_size=8,
    max_size=20,
)


def pieces(password, size=4):
    return {password[at : at + size] for at in range(len(password) - size + 1)}


@given(nasty)
def test_password_is_masked_in_whatever_form_it_is_written(password):
    escaped = password.replace("\\", "\\\\").replace("'", "\\'")
    for dsn in (
        f"postgres://u:{password}@db.example.com:4566/dev",
        f"postgresql://u:{quote(password, safe='')}@db.example.com/dev?sslmode=require",
        f"host=db.example.com user=u password='{escaped}'",
        f"host=db.example.com password = '{escaped}' user=u",
    ):
        secrets = secret_values({"RW_DSN": dsn})
        for text in (dsn, json.dumps({"dsn": dsn}), json.dumps(password), password):
            masked = mask_known(text.encode(), secrets).decode()
            assert password not in masked, dsn
            assert json.dumps(password)[1:-1] not in masked, dsn


@pytest.mark.parametrize(
    "dsn",
    [
        "postgres://u:hunter2@secret-part@127.0.0.1:1/dev",
        "postgres://u:hunter2/secret-part@127.0.0.1:1/dev",
        "postgres://u:hunter2#secret-part@127.0.0.1:1/dev",
        "postgres://u:hunter2?secret-part@127.0.0.1:1/dev",
        "postgres://u:hunter2%zzsecret-part@127.0.0.1:1/dev",
        "host=127.0.0.1 port=1 password='hunter2 secret-part",
        "host=127.0.0.1 port=1 password=hunter2 secret-part",
        "postgres://u:hunter2:secret-part@127.0.0.1:1/dev",
        "hunter2-secret-part",
    ],
)
def test_error_of_a_connection_names_nothing_of_the_password(dsn):
    with pytest.raises((ServiceError, CredentialsError)) as refused:
        DsnConnection(dsn)
    said = str(refused.value)
    assert said.startswith("RW_DSN: ")
    assert "\n" not in said
    assert "hunter2" not in said
    assert "secret" not in said.replace("secret_", "")
    assert refused.value.exit_code == 4


@settings(max_examples=30, deadline=None)
@given(nasty)
def test_error_of_a_connection_names_no_piece_of_any_password(password):
    for dsn in (f"postgres://user:{password}@127.0.0.1:1/dev", f"host=127.0.0.1 port=1 {password}"):
        with pytest.raises(RunbookError) as refused:
            DsnConnection(dsn)
        plain = str(refused.value)
        shown = {piece for piece in pieces(password) if piece in plain}
        # What every such sentence says is no leak.
        assert not shown - pieces(FIXED), (dsn, plain)


FIXED = (
    "RW_DSN: RisingWave could not be reached: connection failed: connection to server at "
    '"127.0.0.1", port 1 failed: Connection refused Is the server running on that host and '
    "accepting TCP/IP connections? RW_DSN: a character of the password is not percent-encoded; "
    "write %40 for @, %2F for /, %3F for ?, %23 for # and %25 for % RW_DSN: is not a connection "
    "string; write postgresql://user:password@host:port/database with a percent-encoded password, "
    "or host=… user=… password='…'"
)


def test_run_folder_holds_nothing_of_a_password_with_an_at_sign(tmp_path):
    dsn = "postgres://u:p@ss-w0rd/x@db.example.com:4566/dev"
    (tmp_path / "report.json").write_text(json.dumps({"said": f"no route to {dsn}"}))
    (tmp_path / "ledger.jsonl").write_text(json.dumps({"after": "ss-w0rd/x@db.example.com"}) + "\n")
    seal(tmp_path, {}, secret_values({"RW_DSN": dsn}))
    for path in tmp_path.iterdir():
        assert "w0rd" not in path.read_text(), path.name


def test_masked_text_hides_a_password_up_to_its_last_at_sign():
    assert mask("postgres://u:p@ss-word@h/db") == "postgres://u:****@h/db"
    assert mask("postgres://u:p/ss?w#d@h/db") == "postgres://u:****@h/db"
    # A port is no password.
    assert mask("http://localhost:8080/a?to=x@y") == "http://localhost:8080/a?to=x@y"


def test_pieces_of_a_secret_are_taken_out_and_nothing_else():
    said = without_parts('could not translate host name "ss-word@h" to address', ["p@ss-word"])
    assert said == 'could not translate host name "****@h" to address'
    assert "ss-word" in passwords_of("postgres://u:p@ss-word@h/db")
