"""5,000 changed statements, each with the verdict of RisingWave's own parser for two versions.

The verdicts come from the parser built from RisingWave's sources (main 448c6570 and v3.0.3); "ok"
says that a statement parses, not that it would run.
"""

import gzip
import json
import re

import pytest

from rwlib.sql import check_sql, parse_statements
from rwlib.sql.language.tokens import SqlSyntaxError
from tests.support.places import DATA

REFUSED_WRONGLY_AT_MOST = 15
ACCEPTED_WRONGLY_AT_MOST = 100


@pytest.fixture(scope="module")
def changed_statements():
    with gzip.open(DATA / "sql_grammar.jsonl.gz", "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def is_read(sql, version):
    try:
        parse_statements(sql, version=version)
    except SqlSyntaxError:
        return False
    return True


@pytest.mark.slow
@pytest.mark.parametrize("version, built_from", [("3.0", "v3.0.3"), ("main", "main")])
def test_statements_are_read_as_risingwave_reads_them(changed_statements, version, built_from):
    assert len(changed_statements) == 5_000
    refused, accepted = [], []
    for each in changed_statements:
        parses = each[built_from] == "ok"
        if is_read(each["sql"], version) != parses:
            (refused if parses else accepted).append(each["sql"])
    assert len(refused) <= REFUSED_WRONGLY_AT_MOST, refused[:3]
    assert len(accepted) <= ACCEPTED_WRONGLY_AT_MOST, accepted[:3]


@pytest.mark.parametrize("first", range(4))
def test_advice_never_is_what_was_refused(changed_statements, first):
    looked_at = 0
    for each in changed_statements[first::20]:
        for finding in check_sql(each["sql"]):
            looked_at += 1
            given = re.match(r"\S+ = '([^']+)' ", finding.message)
            assert given is None or f"'{given.group(1)}'" not in finding.fix, each["sql"]
            found = re.search(r"found: (\S+)$", finding.message)
            meant = re.findall(r"[Dd]id you mean (\S+?)\?", finding.fix)
            assert found is None or found.group(1).upper() not in meant, each["sql"]
            assert finding.fix
    assert looked_at > 100


def test_newest_release_is_read_when_nothing_is_said():
    assert not is_read_by_default("REPLACE SINK s FROM t WITH (connector = 'x')")
    assert is_read_by_default("CREATE OR REPLACE SINK s FROM t WITH (connector = 'x')")


def is_read_by_default(sql):
    try:
        parse_statements(sql)
    except SqlSyntaxError:
        return False
    return True


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT a, t.*, (x).y.*, * EXCEPT (b) FROM t AS u (a, b)",
        "SELECT DISTINCT ON (a) a FROM s.t WHERE a NOT IN (SELECT 1) AND b IS NOT NULL OR NOT c",
        "SELECT count(*) FILTER (WHERE x > 1) OVER (PARTITION BY a ORDER BY b ROWS BETWEEN "
        "UNBOUNDED PRECEDING AND CURRENT ROW) FROM t",
        "SELECT CASE WHEN a = 1 THEN 'x' ELSE b END, CAST(c AS varchar), d::int[] FROM t",
        "SELECT * FROM TUMBLE(t, at, INTERVAL '1 MINUTE') GROUP BY window_start",
        "SELECT * FROM a LEFT JOIN b ON a.id = b.id CROSS JOIN c, LATERAL (SELECT 1) AS d",
        "SELECT * FROM a JOIN p FOR SYSTEM_TIME AS OF PROCTIME() ON a.id = p.id",
        "WITH c (x) AS (VALUES (1), (2)) SELECT x FROM c UNION ALL SELECT 3 ORDER BY 1 LIMIT 2",
        "SELECT payload ->> 'a', payload #> '{b}', ARRAY[1, 2][1], m['k'], '1'::jsonb @> '2'",
        "SELECT extract(epoch FROM at), trim(BOTH 'x' FROM y), at AT TIME ZONE 'UTC' FROM t",
        "SELECT substring(a FROM 1 FOR 2), position('a' IN b), overlay(a PLACING b FROM 1)",
        "SELECT x LIKE 'a%' ESCAPE '\\', y SIMILAR TO 'b', z BETWEEN 1 AND 2 FROM t",
        "SELECT * FROM t FOR SYSTEM_TIME AS OF now() - '5' second WHERE a = 1",
        "CREATE SCHEMA IF NOT EXISTS AUTHORIZATION u",
        "CREATE SINK s FROM t WITH (a = 'b',)",
        "ALTER SINK s CONNECTOR WITH (commit_checkpoint_interval = 5)",
        "ALTER SINK s SET PARALLELISM = 4 DEFERRED",
        "ALTER SOURCE s ADD COLUMN a int; ALTER SOURCE s REFRESH SCHEMA",
        "ALTER TABLE t ADD CONSTRAINT c PRIMARY KEY (a); ALTER TABLE t DROP CONNECTOR",
        "ALTER TABLE t RENAME COLUMN a TO b; ALTER TABLE t ALTER COLUMN a TYPE bigint",
        "ALTER TABLE t SET SOURCE_RATE_LIMIT TO DEFAULT",
        "ALTER MATERIALIZED VIEW m SET SCHEMA p; ALTER SCHEMA a SWAP WITH b",
        "ALTER SECRET s WITH (backend = 'meta') AS 'x'; ALTER SYSTEM SET a TO 'b'",
        "ALTER USER u WITH NOSUPERUSER ENCRYPTED PASSWORD 'x'; ALTER DATABASE d SET a = 1",
        "ALTER FUNCTION f(int, a varchar) SET SCHEMA s; ALTER CONNECTION c OWNER TO u",
        "CREATE USER u WITH CREATEDB PASSWORD NULL; CREATE DATABASE d WITH OWNER = u",
        "CREATE FUNCTION f(a int, int) RETURNS TABLE (x int) LANGUAGE python AS $$ x $$",
        "CREATE AGGREGATE f(int) RETURNS int LANGUAGE python AS $$ x $$ USING LINK 'http://x'",
        "DROP FUNCTION IF EXISTS f(int), g CASCADE",
        "DECLARE c SUBSCRIPTION CURSOR FOR s SINCE begin(); FETCH 5 FROM c; CLOSE ALL",
        "DECLARE c CURSOR FOR SELECT 1; FETCH NEXT FROM c WITH (timeout = '1s')",
        "DESCRIBE FRAGMENTS t; TRUNCATE t; VACUUM FULL t; ANALYZE t; REFRESH TABLE t",
        "GRANT SELECT, INSERT ON a.b, c TO u WITH GRANT OPTION; REVOKE ALL ON SCHEMA s FROM u",
        "(SELECT int)",
        "INSERT INTO t (a, b) VALUES (1, 2) RETURNING *",
        "UPDATE t SET a = 1, b = DEFAULT WHERE c = 'x'",
        "DELETE FROM t WHERE a IN (1, 2)",
        "EXPLAIN (verbose, trace) SELECT 1",
        "CREATE INDEX i ON t (a DESC) INCLUDE (b) DISTRIBUTED BY (a)",
        "CREATE SUBSCRIPTION s FROM t WITH (retention = '1 day')",
        "SHOW TABLES FROM public LIKE 'a%'",
        "SET search_path TO a, b",
        "CREATE TABLE t (a struct<x int, y struct<z varchar[]>>[], m map(varchar, int))",
        "CREATE TABLE t (a int, b int AS a + 1, CHECK (a > 0), UNIQUE (a, b)) APPEND ONLY",
    ],
)
def test_queries_and_other_statements_are_read(sql):
    parse_statements(sql)
    parse_statements(sql, version="main")


@pytest.mark.parametrize(
    "sql, words",
    [
        ("SELECT", "expected an expression"),
        ("SELECT a FROM", "expected identifier"),
        ("SELECT (a FROM t", "expected )"),
        ("SELECT a FROM t WHERE", "expected an expression"),
        ("SELECT a b c FROM t", "expected end of statement, found: c"),
        ("SELECT a FROM t JOIN u", "join constraint"),
        ("SELECT a FROM t GROUP a", "expected end of statement"),
        ("SELECT CASE END FROM t", "syntax error at or near END"),
        ("SELECT a FROM t ORDER BY", "expected an expression"),
        ("CREATE SINK s AS FROM t WITH (a = 'b')", "expected SELECT, VALUES"),
        ("CREATE SINK s AS SELECT * FORM t WITH (a = 'b')", "found: FORM"),
        ("INSERT t VALUES (1)", "expected INTO"),
        ("ALTER SINK s FOO", "or another change after ALTER SINK"),
        ("ALTER SINK s CONNECTOR WITH ('a' = 'b')", "expected identifier"),
        ("ALTER SINK s SET PARALLELISM 4", "expected TO or ="),
        ("ALTER TABLE t ADD COLUMN a varchar(10)", "expected end of statement"),
        ("ALTER TABLE t REPLICA IDENTITY FULL", "or another change after ALTER TABLE"),
        ("CREATE INDEX i ON t (a) b", "expected end of statement"),
        ("CREATE INDEX i ON t ()", "expected an expression"),
        ("CREATE USER u WITH REPLICATION", "expected an option of the user"),
        ("CREATE USER u LOGIN NOLOGIN", "conflicting or redundant"),
        ("CREATE FUNCTION f(int) RETURNS int LANGUAGE sql AS", "expected function definition"),
        ("CREATE DATABASE d OWNER a OWNER b", "duplicate OWNER"),
        ("DECLARE c CURSOR FOR s", "expected SELECT, VALUES"),
        ("FETCH FROM c", "expected number"),
        ("VACUUM t RETAIN 2 DAYS", "expected end of statement"),
        ("GRANT SELECT ON t", "expected TO"),
        ("GRANT SELECT ON *.* TO u", "found: *"),
        ("CREATE TABLE t (a varchar(10))", "',' or ')' after column definition"),
        ("CREATE TABLE t (a timestamp(3))", "',' or ')' after column definition"),
        ("CREATE TABLE t (a int[3])", "expected ]"),
        ("CREATE TABLE t (a array<int>)", "syntax error at or near array"),
        ("CREATE TABLE t (a map)", "expected ("),
        ("CREATE TABLE t (a struct)", "struct_data_type"),
        ("CREATE TABLE t (a vector)", "expected ("),
        ("CREATE TABLE t (a int, WATERMARK a)", "expected FOR"),
        ("CREATE TABLE t (a int PRIMARY)", "after column definition"),
    ],
)
def test_what_cannot_be_read_is_refused(sql, words):
    with pytest.raises(SqlSyntaxError) as caught:
        parse_statements(sql)
    assert words in caught.value.message


def test_nothing_is_nested_too_deeply_for_an_answer():
    for text in ("SELECT " + "(" * 5_000, "SELECT f((" * 300, "SELECT " + "a[" * 3_000):
        with pytest.raises(SqlSyntaxError):
            parse_statements(text)
    parse_statements("SELECT " + "(" * 20 + "1" + ")" * 20)


@pytest.mark.parametrize(
    "sql, advice",
    [
        ("CREAT SINK s FROM t WITH (a = 'b')", "did you mean CREATE?"),
        ("CREATE SNIK s FROM t WITH (a = 'b')", "did you mean SINK?"),
        ("CREATESINK s FROM t WITH (a = 'b')", "put a space after CREATE"),
        ("CREATE SINK s FORM t WITH (a = 'b')", "did you mean FROM?"),
        ("CREATE SINK s AS SELECT * FORM t WITH (a = 'b')", "did you mean FROM?"),
        ("CREATE SINK s FROM t WIHT (a = 'b')", "did you mean WITH?"),
        ("CREATE SINK s FROM t WITH (a = 'b') FORMAT PLAIN ENCODE JSN", "did you mean JSON?"),
        ("CREATE SINK s FROM t WITH (a = 'b') FORMAT PLAIN ENCOD JSON", "did you mean ENCODE?"),
        ("CREATE SINK s FROM t WITH (a = b)", "put a text in single quotes"),
        ("CREATE SINK s FROM t\u00a0WITH (a = 'b')", "put an ordinary space in its place"),
        ("CREATE SINK s FROM t WITH (a = \u2018b\u2019)", "write ' in its place"),
        ("DRP SINK s", "did you mean DROP?"),
        ("DROP SNIK s", "did you mean SINK?"),
        ("SHOW CREATE SNIK s", "did you mean SINK?"),
        ("SET x TOO 1", "did you mean TO?"),
        ("CREATE TABLE t (id int name varchar)", "put a comma before name"),
        ("CREATE TABLE t (order int)", 'put the reserved word in double quotes: "order"'),
        (
            "CREATE TABLE t (a varchar(10))",
            "write varchar without a size; RisingWave's type has none",
        ),
        ("CREATE TABLE t (a int unsigned)", "leave it out; RisingWave has no unsigned types"),
        ("SELECT * FORM t", "did you mean FROM?"),
        ("SELECT a, FROM t", "leave out the comma before FROM"),
        ("CREATE SINK s FROM t WITH (a = 'b' c = 'd')", "put a comma before c"),
        ("CREATE SINK s FROM t WITH a = 'b'", "put the options in parentheses: WITH (…)"),
        (
            "CREATE SINK IF NOT EXIST s FROM t WITH (a = 'b')",
            "write IF NOT EXISTS and then the name",
        ),
        ("DROP SINK IF EXIST s", "write IF EXISTS and then the name"),
        (
            "CREATE SINK s FROM t WITH (a = 'b', ...)",
            "write out what the dots stand for, or leave them out",
        ),
        (
            "CREATE SINK [ IF NOT EXISTS ] s FROM t WITH (a = 'b')",
            "leave [ out: it belongs to the synopsis, not to the statement",
        ),
        (
            "DROP SINK <your sink>",
            "put a real name in place of the angle brackets and what is between them",
        ),
        ("SELECT count( FROM t", "close the parenthesis that opens at line 1, column 13"),
        ("SELECT max(a FROM t", "close the parenthesis that opens at line 1, column 11"),
        ("SELECT a + FROM t", "write what belongs between + and FROM"),
        ("SELECT a FROM t WHERE ORDER BY a", "write what belongs between WHERE and ORDER"),
        (
            "CREATE SINK s FROM t WITH (a = 'b'\nSELECT 1",
            "close the parenthesis that opens at line 1, column 27",
        ),
        ("SELECT 1\nSELECT 2", "put ; before SELECT, where the next statement begins"),
        ("SELECT 1 FROM t\nDROP SINK s", "put ; before DROP, where the next statement begins"),
        (
            "CREATE TABLE t (a int)\nCREATE TABLE u (a int)",
            "put ; before CREATE, where the next statement begins",
        ),
        (
            "CREATE TABLE t (primary int)",
            'if primary is the name of a column, put it in double quotes: "primary"',
        ),
        (
            "CREATE TABLE t (check int)",
            'if check is the name of a column, put it in double quotes: "check"',
        ),
        (
            "CREATE TABLE t (a int, constraint varchar)",
            'if constraint is the name of a column, put it in double quotes: "constraint"',
        ),
        (
            "CREATE SINK s FROM t WITH (a = 'b, c = 'd')",
            "close the text that begins at line 1, column 32 with ' where it ends",
        ),
        (
            "CREATE SINK s FROM t WITH (a = b')",
            "put ' also where the text before this place begins",
        ),
        ("DROP SINK 's", "close what begins here with '; one inside it is written twice"),
        ("SELECT 1 /* x", "end the comment that begins here with */"),
        ("SELECT $a$ x", "end the text that begins here with the same dollars and tag"),
    ],
)
def test_error_says_what_to_write(sql, advice):
    with pytest.raises(SqlSyntaxError) as caught:
        parse_statements(sql)
    assert caught.value.advice == advice


def test_invisible_character_is_named():
    with pytest.raises(SqlSyntaxError, match=r"U\+00A0 \(no-break space\)"):
        parse_statements("CREATE SINK s FROM t WITH (a = 'b');\u00a0")


@pytest.mark.parametrize(
    "sql, since",
    [
        ("REPLACE SINK s FROM t WITH (a = 'b')", True),
        ('DROP SINK "a""b"', True),
        ("CREATE TABLE t (v variant)", None),
        ("CREATE OR REPLACE SINK s FROM t WITH (a = 'b')", False),
        ("DROP SINK $1", None),
    ],
)
def test_what_a_version_reads(sql, since):
    old = [is_read(sql, version) for version in ("2.8", "3.0")]
    new = [is_read(sql, version) for version in ("3.1", "main")]
    if since is None:
        assert old == new
    else:
        assert (old, new) == ([not since] * 2, [since] * 2)
