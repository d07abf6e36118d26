"""Values are data: whatever they hold, the statement keeps its structure.

The scanner here is written for this test alone, from the rules of RisingWave's tokenizer, so that
an error in the package's own tokenizer cannot hide one in what it writes.
"""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from rwlib.errors import InputError
from rwlib.sql.checker import check_sql
from rwlib.sql.language.parser import parse_statements
from rwlib.sql.writing.quoting import identifier, object_name, string_literal
from rwlib.sql.writing.statements import build_statements

pytestmark = pytest.mark.slow

ROLE = "arn:aws:iam::111122223333:role/risingwave-s3-access"
WHERE = {
    "role_arn": ROLE,
    "bucket": "example-bucket",
    "prefix": "rw",
    "region_name": "eu-west-1",
}
HOSTILE = st.text(
    st.one_of(
        st.sampled_from(list("'\"\\;-/*$()=,.<>[]{}\n\r\t\0éß漢😀 ")),
        st.characters(codec="utf-8"),
        st.sampled_from(list("abcSECRETWITH")),
    ),
    max_size=40,
)
SCRAMBLED = """
CREATE SINK SOURCE TABLE SECRET CONNECTION IF NOT EXISTS x "Y" FROM AS WITH ( ) , = . ; 'v' E'v'
$$v$$ 1 true secret FORMAT PLAIN ENCODE JSON KEY ENGINE iceberg * < > struct PRIMARY connector 's3'
's3_v2' s3.path INCLUDE EMIT INTO DROP SET SHOW : \\ -- /* */ WATERMARK FOR VALIDATE connection
type 'iceberg' file_scan
"""
ATTACKS = ["'; DROP SINK s; --", "''", "\\'", "' /*", "*/", "$$", "E'", "\u2028'", "x' , a='b"]


def scan(sql):
    """Return the tokens as (kind, text); strings and quoted names without their quotes."""
    tokens, at = [], 0
    while at < len(sql):
        character = sql[at]
        if character in " \t\r\n":
            at += 1
        elif sql.startswith("--", at):
            while at < len(sql) and sql[at] != "\n":
                at += 1
        elif sql.startswith("/*", at):
            depth, at = 1, at + 2
            while depth:
                depth += sql.startswith("/*", at) - sql.startswith("*/", at)
                at += 2 if sql.startswith(("/*", "*/"), at) else 1
        elif character == "'":
            text, at = "", at + 1
            while not (sql[at] == "'" and sql[at + 1 : at + 2] != "'"):
                text += sql[at]
                at += 2 if sql[at] == "'" else 1
            tokens.append(("string", text))
            at += 1
        elif character == '"':
            end = sql.index('"', at + 1)
            tokens.append(("name", sql[at + 1 : end]))
            at = end + 1
        elif character.isascii() and (character.isalnum() or character in "_$"):
            end = at
            while (
                end < len(sql) and sql[end].isascii() and (sql[end].isalnum() or sql[end] in "_$")
            ):
                end += 1
            tokens.append(("word", sql[at:end]))
            at = end
        else:
            tokens.append(("symbol", character))
            at += 1
    return tokens


def shape(tokens):
    return [(kind, "" if kind in ("string", "name") else text) for kind, text in tokens]


def written(connector, options, **where):
    """The tokens of all statements, each of which must end with its only semicolon."""
    tokens = []
    for statement in build_statements(connector, options=options, **{**WHERE, **where}):
        own = scan(statement.sql)
        assert [token for token in own if token == ("symbol", ";")] == [own[-1]]
        tokens += own
    return tokens


def attacked(strategy):
    for attack in ATTACKS:
        strategy = example(attack)(strategy)
    return strategy


@attacked
@given(HOSTILE)
def test_string_holds_any_text_or_is_refused(text):
    try:
        literal = string_literal(text)
    except InputError:
        assert "\0" in text or any("\ud800" <= character <= "\udfff" for character in text)
    else:
        assert scan(literal) == [("string", text)]


@attacked
@given(HOSTILE)
def test_name_is_one_name_or_is_refused(text):
    try:
        name = identifier(text)
    except InputError:
        assert not text or '"' in text or min(text) < " "
    else:
        assert scan(name) in ([("name", text)], [("word", text)])


@attacked
@given(HOSTILE)
def test_qualified_name_is_names_and_dots_or_is_refused(text):
    try:
        name = object_name(text)
    except InputError:
        return
    kinds = [kind for kind, _ in scan(name)]
    assert kinds[::2] == [kind for kind in kinds if kind in ("name", "word")]
    assert set(scan(name)[1::2]) <= {("symbol", ".")}


@pytest.mark.parametrize(
    "connector, option",
    [
        ("redshift", "table.name"),
        ("redshift", "schema"),
        ("redshift", "jdbc.url"),
        ("redshift", "user"),
        ("snowflake_v2", "stage"),
        ("iceberg_sink", "table.name"),
        ("iceberg_sink", "catalog.name"),
        ("iceberg_source", "database.name"),
        ("iceberg_connection", "s3.endpoint"),
        ("s3_sink", "path_partition_prefix"),
        ("s3_source", "compression_format"),
    ],
)
@attacked
@given(HOSTILE)
def test_option_never_changes_the_structure(connector, option, text):
    fixed = {"database.name": "lake"} if connector.startswith("iceberg_s") else {}
    plain = written(connector, {**fixed, option: "plain"})
    try:
        hostile = written(connector, {**fixed, option: text})
    except InputError:
        return  # refused is safe
    assert shape(hostile) == shape(plain)
    assert ("string", text) in hostile


@attacked
@given(HOSTILE)
def test_names_never_change_the_structure(text):
    plain = written("s3_table", {"name": "X", "columns": {"Y": "int"}, "primary_key": ["Y"]})
    try:
        hostile = written("s3_table", {"name": text, "columns": {text: "int"}})
    except InputError:
        return
    assert len(hostile) <= len(plain) + 4  # a name of up to three parts
    assert [token for token in hostile if token == ("symbol", ";")] == [("symbol", ";")]


@attacked
@given(HOSTILE)
def test_column_type_is_a_type_or_is_refused(text):
    plain = written("s3_source", {"columns": {"a": "int"}})
    try:
        hostile = written("s3_source", {"columns": {"a": "struct<" + text + ">"}})
    except InputError:
        return
    assert hostile[:4] == plain[:4]
    assert [kind for kind, _ in hostile].count("string") == [k for k, _ in plain].count("string")
    assert ("symbol", ";") not in hostile[:-1]


@attacked
@given(HOSTILE)
def test_prefix_never_changes_the_structure(text):
    for connector in ("redshift", "s3_sink", "s3_source", "iceberg_sink"):
        try:
            hostile = written(connector, {}, prefix=text)
        except InputError:
            continue
        assert shape(hostile) == shape(written(connector, {}))


@pytest.mark.parametrize("field", ["bucket", "region_name", "role_arn"])
@attacked
@given(HOSTILE)
def test_hostile_bucket_region_and_role_are_refused(field, text):
    if any(character in "'\"; \n" for character in text):
        with pytest.raises(InputError):
            written("s3_sink", {}, **{field: text})


@attacked
@given(HOSTILE)
def test_checker_never_fails_on_a_text(text):
    for sql in (text, f"CREATE SINK s FROM t WITH (connector = 's3', {text}"):
        for finding in check_sql(sql):
            assert 1 <= finding.line <= sql.count("\n") + 1


@attacked
@given(HOSTILE)
def test_own_parser_reads_back_what_is_written(text):
    try:
        *_, sink = build_statements("redshift", **{**WHERE, "options": {"table.name": text}})
    except InputError:
        return
    (parsed,) = parse_statements(sink.sql)
    assert parsed.option("table.name") == text


@given(st.lists(st.sampled_from(SCRAMBLED.split()), max_size=25))
def test_checker_never_fails_on_scrambled_statements(words):
    for joined in (" ".join(words), "CREATE SINK s FROM t WITH (" + " ".join(words)):
        for finding in check_sql(joined):
            assert finding.message
