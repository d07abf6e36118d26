"""Reading SQL by the rules of RisingWave's tokenizer and parser."""

import pytest

from rwlib.sql.language.option_values import ConnectionRef, SecretRef, VariableRef
from rwlib.sql.language.parser import parse_leniently, parse_statements
from rwlib.sql.language.syntax import (
    CreateStatement,
    DropStatement,
    OtherStatement,
    SetStatement,
    ShowCreateStatement,
)
from rwlib.sql.language.tokens import SqlSyntaxError, tokenize


def parse_statement(sql):
    (statement,) = parse_statements(sql)
    return statement


def values(sql):
    return [(token.kind, token.value) for token in tokenize(sql)[:-1]]


@pytest.mark.parametrize(
    "sql, expected",
    [
        ("'it''s'", [("string", "it's")]),
        ("''", [("string", "")]),
        ("''''", [("string", "'")]),
        (r"'a\'", [("string", "a\\")]),
        ("'two\nlines; -- no comment'", [("string", "two\nlines; -- no comment")]),
        (r"E'a\'b\n\x41\u0042\103''c'", [("escaped", "a'b\nABC'c")]),
        ("e'\\\\'", [("escaped", "\\")]),
        ("N'x'", [("national", "x")]),
        ("X'0a'", [("hex", "0a")]),
        ("$$a'b$c$$", [("dollar", "a'b$c")]),
        ("$tag$x y$tag$", [("dollar", "x y")]),
        ('"Mixed; Name"', [("quoted", "Mixed; Name")]),
        ("a -- b\nc", [("word", "a"), ("word", "c")]),
        ("a /* x /* y */ z */ b", [("word", "a"), ("word", "b")]),
        ("s3.path", [("word", "s3"), ("symbol", "."), ("word", "path")]),
        ("a$b_1", [("word", "a$b_1")]),
        ("1 2.5 .5 1e-3 0x1F", [("number", n) for n in ("1", "2.5", ".5", "1e-3", "0x1F")]),
        ("café", [("word", "caf"), ("symbol", "é")]),
        ("\ufeff", [("symbol", "\ufeff")]),
    ],
)
def test_tokens_are_risingwaves(sql, expected):
    assert values(sql) == expected


@pytest.mark.parametrize(
    "sql, message, line, column",
    [
        ("select\n 'abc", "Unterminated string literal", 2, 2),
        ('"abc', "Expected close delimiter '\"' before EOF.", 1, 1),
        ('"no ""', "Expected close delimiter '\"' before EOF.", 1, 6),
        ("/* a /* b */", "Unexpected EOF while in a multi-line comment", 1, 1),
        ("$$abc", "Unterminated dollar-quoted string", 1, 1),
        ("123abc", "trailing junk after numeric literal", 1, 4),
    ],
)
def test_text_that_never_ends_is_refused_at_its_place(sql, message, line, column):
    with pytest.raises(SqlSyntaxError) as caught:
        tokenize(sql)
    assert (caught.value.message, caught.value.line, caught.value.column) == (message, line, column)


def test_sink_is_read_with_every_kind_of_value():
    sink = parse_statement("""
        CREATE SINK IF NOT EXISTS public."My Sink" FROM orders
        EMIT ON WINDOW CLOSE
        WITH (
            CONNECTOR = 'redshift', -- names are read in lower case
            "s3.path" = 'a''b',     /* and may be quoted whole */
            password = secret my_schema.pw,
            ca = SECRET cert AS FILE,
            with_s3 = true, batch.insert.rows = 10,
            connection = public.conn,
        ) FORMAT PLAIN ENCODE JSON (force_append_only = 'true') KEY ENCODE TEXT;
    """)
    assert (sink.kind, sink.name, sink.from_name) == ("sink", "public.My Sink", "orders")
    assert sink.if_not_exists
    assert {option.name: option.value for option in sink.options} == {
        "connector": "redshift",
        "s3.path": "a'b",
        "password": SecretRef("my_schema.pw"),
        "ca": SecretRef("cert", as_file=True),
        "with_s3": "true",
        "batch.insert.rows": "10",
        "connection": ConnectionRef("public.conn"),
    }
    clause = sink.format_encode
    assert (clause.format, clause.encode, clause.key_encode) == ("PLAIN", "JSON", "TEXT")
    assert clause.options[0].value == "true"
    assert next(option.line for option in sink.options if option.name == "with_s3") == 9


def test_sink_over_a_query_is_read_past_the_query():
    sink = parse_statement(
        "create sink s as with c as (select 1 as a) select c.a, f(a) as emit from c "
        "where a in (select b from t) with (connector='s3') format plain encode json"
    )
    assert sink.query.endswith("from t)")
    assert sink.option("connector") == "s3"


def test_source_columns_are_read_with_nested_types_and_constraints():
    source = parse_statement("""
        CREATE SOURCE s (
            id bigint, "B c" struct<x int, y struct<z varchar>>, m map(varchar, int),
            n numeric(10, 2) NOT NULL, at timestamptz as proctime(), *,
            "watermark" varchar,
            WATERMARK FOR at AS at - INTERVAL '5' SECOND,
            PRIMARY KEY (id, "B c")
        ) INCLUDE file AS f INCLUDE header 'h' bytea AS h
        WITH (connector = 's3') FORMAT PLAIN ENCODE CSV (delimiter = ',')
    """)
    names = ["id", "B c", "m", "n", "at", "*", "watermark"]
    assert [column.name for column in source.columns] == names
    assert source.columns[1].definition == "struct<x int, y struct<z varchar>>"
    assert source.primary_key == ("id", "B c")


def test_table_clauses_are_read_in_risingwaves_order():
    table = parse_statement(
        "create table t (id int primary key, v int) append only on conflict do update full "
        "with version column (v) with (commit_checkpoint_interval = 1) engine = iceberg"
    )
    assert table.engine == "iceberg"
    assert table.primary_key == ("id",)
    assert table.option("commit_checkpoint_interval") == "1"
    assert parse_statement("create table t as select 1 as engine").engine == ""
    assert parse_statement("create table t as select 1 as a engine = iceberg").engine == "iceberg"


def test_secret_and_connection_are_read():
    secret = parse_statement("CREATE SECRET IF NOT EXISTS s WITH (backend = 'meta') AS 'x'")
    assert (secret.kind, secret.credential, secret.option("backend")) == ("secret", "x", "meta")
    connection = parse_statement("create connection c with (type = 'iceberg')")
    assert (connection.kind, connection.option("type")) == ("connection", "iceberg")


def test_other_statements_are_kept():
    found = parse_statements("""
        DROP SINK IF EXISTS s CASCADE; SHOW CREATE SINK s; SET sink_decouple = true;
        SET iceberg_engine_connection TO 'public.c'; SET TIME ZONE 'UTC'; DROP FUNCTION f(int);
        CREATE MATERIALIZED VIEW v AS SELECT ';' FROM t;; SELECT 1
    """)
    assert [type(statement) for statement in found] == [
        *(DropStatement, ShowCreateStatement, SetStatement, SetStatement),
        *(OtherStatement, OtherStatement, OtherStatement, OtherStatement),
    ]
    assert (found[0].kind, found[0].name, found[0].if_exists, found[0].cascade) == (
        *("sink", "s"),
        True,
        True,
    )
    assert found[3].value == "public.c"
    assert found[6].text == "CREATE MATERIALIZED VIEW v AS SELECT ';' FROM t"


@pytest.mark.parametrize(
    "sql, message",
    [
        ("create sink s from t with (a='x' b='y')", "expected ',' or ')' after option definition"),
        ("create sink s from t", "expected WITH, found: end of input"),
        ("create sink s with (a='x')", "expected FROM or AS after CREATE SINK sink_name"),
        ("create sink s from t with ()", "expected identifier, found: )"),
        ("create sink s from t with (a 'x')", "expected =, found: a string"),
        ("create sink s from t with (a=x)", "expected a concrete value, found: x"),
        ("create sink s from t with (a=)", "expected a value, found: )"),
        ("create sink s from t with (a='x'", "expected ',' or ')'"),
        ("create sink s from t with (,a='x')", "expected identifier, found: ,"),
        ("create sink s from t with (a='x',,)", "expected identifier, found: ,"),
        ("create sink s from t with (a='x') FORMAT PLAIN", "expected ENCODE"),
        ("create sink s from t with (a='x') FORMAT CSV ENCODE JSON", "after FORMAT"),
        ("create sink s from t with (a='x') FORMAT PLAIN ENCODE XML", "after Encode"),
        ("create sink s from t with (a='x') extra", "expected end of statement, found: extra"),
        (
            "create source s (a int) with (connector='s3')",
            "expected description of the format, found: end of input",
        ),
        ("create connection c", "connection properties not provided"),
        ("create table t (a int) engine = foo", "Unsupported engine: foo"),
        ("show create connection c", "found: connection"),
    ],
)
def test_what_risingwave_refuses_is_refused(sql, message):
    with pytest.raises(SqlSyntaxError) as caught:
        parse_statement(sql)
    assert message in caught.value.message


def test_iceberg_source_needs_no_format():
    source = parse_statement("create source s with (connector='iceberg', table.name='t')")
    assert source.format_encode is None


def test_error_is_shown_as_risingwave_shows_it():
    sql = "CREATE SINK s FROM t WITH (connector = 's3' s3.x='y')"
    with pytest.raises(SqlSyntaxError) as caught:
        parse_statement(sql)
    assert caught.value.as_risingwave(sql) == (
        "sql parser error: expected ',' or ')' after option definition, found: s3\n"
        "LINE 1: CREATE SINK s FROM t WITH (connector = 's3' s3.x='y')\n"
        "                                                    ^"
    )


def test_error_never_repeats_a_string():
    with pytest.raises(SqlSyntaxError) as caught:
        parse_statement("create sink s from t with (password 'hunter2')")
    assert "hunter2" not in str(caught.value)


def test_lenient_reading_keeps_what_can_be_read():
    statements, errors = parse_leniently("create sink s frm t; create secret x as 'y'; select 'a")
    assert (statements, len(errors)) == ([], 1)  # the open string swallows the rest
    statements, errors = parse_leniently("create sink s\nfrm t; create secret x as 'y'")
    assert [statement.name for statement in statements] == ["x"]
    assert [(error.line, error.column) for error in errors] == [(2, 1)]


def test_psql_lines_and_variables_are_read_only_when_asked():
    sql = "\\set x 1\ncreate sink s from t with (a = :'x', b = :y);\n\\q"
    statements, errors = parse_leniently(sql, psql=True)
    assert errors == []
    assert isinstance(statements[0], CreateStatement)
    assert [o.value for o in statements[0].options] == [VariableRef("x"), VariableRef("y")]
    with pytest.raises(SqlSyntaxError):
        parse_statement("create sink s from t with (a = :'x')")


def test_backslash_line_is_no_statement_unless_psql_reads_first():
    with pytest.raises(SqlSyntaxError, match="expected statement"):
        parse_statements("\\set x 1\ncreate sink s from t with (a='b')")


def test_secret_that_is_no_text_is_refused():
    with pytest.raises(SqlSyntaxError, match="expected a concrete value"):
        parse_statement("create secret s with (backend = 'meta') as meta")
