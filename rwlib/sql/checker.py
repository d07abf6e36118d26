"""Check SQL that a person already has: does it use the role, and will RisingWave take it?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from rwlib.sql.connectors import (
    Connector,
    connector_names,
    engine_options,
    load_connector,
    nearest,
    other_connectors,
    out_of_scope,
)
from rwlib.sql.language.parser import parse_leniently
from rwlib.sql.language.syntax import CreateStatement, OtherStatement, ParsedStatement, SqlOption
from rwlib.sql.language.tokens import tokenize
from rwlib.sql.rules.problems import Definition, Expected, Given, Problem, Severity, placeholder_in
from rwlib.sql.rules.shape import all_problems

FINDINGS = {
    "sql_syntax": "RisingWave cannot read the statement",
    "unknown_option": "an option the connector does not define",
    "duplicate_option": "an option given twice",
    "bad_option_value": "a value the option cannot have",
    "sql_missing_option": "an option the connector cannot do without",
    "sql_wrong_role_option": "the role option of another connector",
    "sql_wrong_role_arn": "no ARN of a role, or another role than the target's",
    "sql_external_id": "an external id, which RisingWave cannot send here",
    "config_load_missing": "enable_config_load is missing or off",
    "sql_static_keys": "static keys beside the role",
    "secret_required": "a secret in plain text",
    "region_wrong": "another region than the bucket's",
    "sql_wrong_bucket": "another bucket than the target's",
    "sql_outside_prefix": "a path or pattern outside the prefix the role may reach",
    "iceberg_catalog_ignores_role": "an Iceberg catalog that does not use the role",
    "sql_format_encode": "FORMAT … ENCODE … missing, refused or not supported",
    "placeholder_left": "a value that still has to be filled in",
    "role_not_used": "static keys and no role",
}
_CREDENTIAL_HINT = "a quoted text, a number, true or false, or secret NAME"


@dataclass(frozen=True)
class SqlFinding:
    """One thing the checker found.

    Attributes
    ----------
    id
        One of `FINDINGS`.
    severity
        ``error``: RisingWave or AWS will refuse it, or the role is not used. ``warning``: it can be
        refused, or must still be filled in. ``info``: worth knowing.
    line
        The line of the text, counted from 1.
    fix
        What to write instead, as one sentence.
    """

    id: str
    severity: Severity
    message: str
    line: int
    fix: str


def check_sql(
    text: str,
    *,
    target: object = None,
    role_arn: str | None = None,
    region_name: str | None = None,
) -> list[SqlFinding]:
    """Return what is wrong with the role options of a text's statements.

    Statements that reach S3 through no connector of this runbook are left alone. No secret of the
    text is ever repeated.

    Parameters
    ----------
    text
        One or more SQL statements, as in a file; psql's own lines and variables may stand in it.
    target
        A `rwlib.target.Target`, or anything with ``bucket``, ``prefix``, ``region_name`` and
        ``role_name``: statements are then held against it too.
    role_arn, region_name
        The role's ARN and the bucket's real region, where they are known.

    Returns
    -------
    list of Finding
        In the order of the lines; empty when nothing is wrong.
    """
    expected = _expected(target, role_arn, region_name)
    statements, errors = parse_leniently(text.removeprefix("\ufeff"), psql=True)
    problems = [
        problem
        for statement in statements
        if isinstance(statement, CreateStatement)
        for problem in _check(statement, expected)
    ]
    problems += [problem for statement in statements for problem in _file_scan(statement)]
    findings = [_finding(problem) for problem in problems]
    for error in errors:
        fix = "correct the statement at this place"
        findings.append(SqlFinding("sql_syntax", "error", error.message, error.line, fix))
    return sorted(findings, key=lambda finding: finding.line)


def _expected(target: object, role_arn: str | None, region_name: str | None) -> Expected:
    if target is None:
        return Expected(role_arn=role_arn, region_name=region_name)
    return Expected(
        role_arn=role_arn or getattr(target, "role_arn", None) or None,
        bucket=getattr(target, "bucket", None) or None,
        prefix=getattr(target, "prefix", None),
        region_name=region_name or getattr(target, "region_name", None) or None,
        role_name=getattr(target, "role_name", None) or None,
    )


def _check(statement: CreateStatement, expected: Expected) -> Iterator[Problem]:
    if statement.kind == "secret":
        yield from _placeholder(statement.name, statement.credential or "", statement.line)
        return
    yield from _written(statement)
    if statement.engine == "iceberg":
        yield from _engine_table(statement)
    name = statement.option("type" if statement.kind == "connection" else "connector")
    if name is None:
        yield from _no_connector(statement)
    if not isinstance(name, str) or placeholder_in(name):
        return
    connector = _connector_of(statement, name.lower())
    if connector is None:
        yield from _other_connector(statement, name.lower())
        return
    for option in statement.options:
        if isinstance(option.value, str):
            yield from _placeholder(option.name, option.value, option.line)
    clause = statement.format_encode
    definition = Definition(
        connector,
        {option.name.lower(): _given(option) for option in statement.options},
        format=clause.format if clause else "",
        encode=clause.encode if clause else "",
        encode_options={o.name.lower(): _given(o) for o in clause.options} if clause else {},
        line=statement.line,
        expected=expected,
    )
    yield from all_problems(definition)


def _file_scan(statement: ParsedStatement) -> Iterator[Problem]:
    """Yield what to know about the table function that reads S3 with static keys only."""
    if not isinstance(statement, OtherStatement) or "file_scan" not in statement.text.lower():
        return
    tokens = tokenize(statement.text)
    for token, following in pairwise(tokens):
        if token.is_word("FILE_SCAN") and following.is_symbol("("):
            clause, _, fix = out_of_scope()["file_scan"].reason.partition(". ")
            line = statement.line + token.line - 1
            clause = clause.removeprefix("file_scan() ")
            yield Problem("role_not_used", "info", "file_scan()", "", clause, fix, line)


def _no_connector(statement: CreateStatement) -> Iterator[Problem]:
    if statement.kind == "table" or statement.into_table or not statement.options:
        return
    option = "type" if statement.kind == "connection" else "connector"
    clause = f"is missing; CREATE {statement.kind.upper()} needs it"
    fix = f"add {option} = '…'"
    yield Problem("sql_missing_option", "error", option, "", clause, fix, statement.line)


def _engine_table(statement: CreateStatement) -> Iterator[Problem]:
    """Yield problems of the table's own options: the rest of them is in its connection."""
    connection = load_connector("iceberg_connection")
    for option in statement.options:
        if option.name in engine_options():
            continue
        if option.name in connection.options:
            clause = "belongs into the connection of an ENGINE = iceberg table"
            fix = f"write it into CREATE CONNECTION … WITH ({option.name} = …)"
            id_ = "sql_wrong_role_option" if "role" in option.name else "unknown_option"
            yield Problem(id_, "error", option.name, "", clause, fix, option.line)
        elif near := nearest(option.name, engine_options(), count=1):
            clause = "is no option of an ENGINE = iceberg table"
            fix = f"did you mean {near[0]}?"
            yield Problem("unknown_option", "error", option.name, "", clause, fix, option.line)


def _connector_of(statement: CreateStatement, name: str) -> Connector | None:
    for own_name in connector_names():
        connector = load_connector(own_name)
        if connector.sql_connector == name and connector.kind == statement.kind:
            if own_name == "iceberg_table":  # CREATE TABLE … WITH (connector = 'iceberg') reads
                return load_connector("iceberg_source")
            return connector
    return None


def _other_connector(statement: CreateStatement, name: str) -> Iterator[Problem]:
    line = next((o.line for o in statement.options if o.name == "connector"), statement.line)
    if statement.kind == "connection":
        return
    own = {load_connector(each).sql_connector for each in connector_names()}
    if name == "s3_v2":
        fix = "write connector = 's3'"
        yield _bad_connector(name, "is RisingWave's own name for it and refused", fix, line)
    elif name in own:
        clause = f"has no {statement.kind} in RisingWave"
        yield _bad_connector(
            name, clause, f"use another connector for CREATE {statement.kind}", line
        )
    elif name in out_of_scope() or name in other_connectors():
        yield from _borrowed_role_options(statement, name)
    elif near := nearest(name, own, count=1):
        yield _bad_connector(
            name, "is no connector of RisingWave", f"did you mean {near[0]}?", line
        )


def _bad_connector(name: str, clause: str, fix: str, line: int) -> Problem:
    return Problem("bad_option_value", "error", "connector", name, clause, fix, line)


def _borrowed_role_options(statement: CreateStatement, name: str) -> Iterator[Problem]:
    other = out_of_scope().get(name)
    for option in statement.options:
        if option.name in ("s3.assume_role", "s3.iam_role_arn", "glue.iam_role_arn"):
            right = other.role_option if other else ""
            fix = f"write {right} instead" if right else "leave it out"
            clause = f"is no option of {name}"
            yield Problem(
                "sql_wrong_role_option", "error", option.name, "", clause, fix, option.line
            )
    if (
        name == "deltalake"
        and other
        and any(o.name in ("arn", other.role_option) for o in statement.options)
    ):
        fix = "use static keys as secrets, or another connector"
        yield Problem(
            "sql_wrong_role_option", "error", other.role_option, "",
            f"does not work there: {other.reason.partition(';')[0]}", fix, statement.line,
        )  # fmt: skip


def _written(statement: CreateStatement) -> Iterator[Problem]:
    clause = statement.format_encode
    for options in (statement.options, clause.options if clause else ()):
        seen: set[str] = set()
        for option in options:
            if option.name in seen:
                yield Problem(
                    "duplicate_option", "error", option.name, "", "is given twice",
                    "keep one of them", option.line,
                )  # fmt: skip
            seen.add(option.name)
            if option.written_as in ("dollar", "national", "hex", "null"):
                yield Problem(
                    "bad_option_value", "error", option.name, "",
                    "has a value that RisingWave does not take in a list of options",
                    f"write {_CREDENTIAL_HINT}", option.line,
                )  # fmt: skip


def _given(option: SqlOption) -> Given:
    return Given(option.value, option.line, bool(placeholder_in(option.value)))


def _placeholder(name: str, value: str, line: int) -> Iterator[Problem]:
    if place := placeholder_in(value):
        clause = f"still holds {place}"
        fix = "put the real value in its place"
        yield Problem("placeholder_left", "warning", name, "", clause, fix, line)


def _finding(problem: Problem) -> SqlFinding:
    given = f" = '{problem.given}'" if problem.given else ""
    message = f"{problem.option}{given} {problem.clause}"
    fix = problem.fix[:1].upper() + problem.fix[1:]
    return SqlFinding(problem.id, problem.severity, message, problem.line, fix)
