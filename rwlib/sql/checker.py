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
from rwlib.sql.language.parser import parse_leniently, read_each
from rwlib.sql.language.syntax import (
    CreateStatement,
    OtherStatement,
    ParsedStatement,
    SetStatement,
    SqlOption,
)
from rwlib.sql.language.tokens import SqlSyntaxError, tokenize
from rwlib.sql.language.versions import known_version, versions_before
from rwlib.sql.rules.column_types import refused_type
from rwlib.sql.rules.problems import (
    Definition,
    Expected,
    Given,
    Problem,
    Severity,
    held_for,
    placeholder_in,
)
from rwlib.sql.rules.shape import all_problems

FINDINGS = {
    "sql_syntax": "RisingWave cannot read the statement",
    "long_name": "a name in more parts than RisingWave knows",
    "version_dependent": "works on one version of RisingWave and not on another",
    "bad_column_type": "a column type that RisingWave does not have",
    "psql_variable": "a name that psql fills in",
    "unknown_option": "an option the connector does not define",
    "duplicate_option": "an option given twice",
    "bad_option_value": "a value the option cannot have",
    "sql_missing_option": "an option that the connector requires",
    "sql_wrong_role_option": "the role option of another connector",
    "sql_wrong_role_arn": "not the ARN of a role, or not the target's role",
    "sql_external_id": "an external id, which RisingWave cannot send here",
    "config_load_missing": "enable_config_load is missing or off",
    "sql_static_keys": "static keys beside the role",
    "secret_required": "a secret in plain text",
    "region_wrong": "a region that is not the bucket's",
    "sql_wrong_bucket": "a bucket that is not the target's",
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
    column
        The place in the line, counted from 1, where it is known; else 0.
    """

    id: str
    severity: Severity
    message: str
    line: int
    fix: str
    column: int = 0


def check_sql(
    text: str,
    *,
    target: object = None,
    role_arn: str | None = None,
    region_name: str | None = None,
    version: str | None = None,
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
    version
        The version of RisingWave that the statements are for, as a number, an image tag or what
        ``version()`` says; without it the newest release.

    Returns
    -------
    list of Finding
        In the order of the lines; empty when nothing is wrong.
    """
    expected = _expected(target, role_arn, region_name)
    chosen = known_version(version or "")
    text = text.removeprefix("\ufeff")
    findings: list[SqlFinding] = []
    for read in _read_by_versions(text, chosen):
        problems: list[Problem] = []
        if read.problem is not None:
            problems.append(read.problem)
        if read.statement is not None:
            problems += _of_statement(read.statement, expected, chosen)
        held = (held_for(problem, chosen, bool(version)) for problem in problems)
        findings += [_finding(problem) for problem in held if problem is not None]
        if read.error is not None:
            findings.append(_syntax_finding(read.error))
    return sorted(findings, key=lambda finding: finding.line)


def has_statements(text: str) -> bool:
    """Tell whether a text holds anything to check besides comments, blanks and psql's own lines."""
    return bool(read_each(text.removeprefix("\ufeff"), psql=True))


def connectors_without_role(text: str) -> list[tuple[int, str]]:
    """Return the connectors in a text that are RisingWave's and take no role, with their lines."""
    statements, _ = parse_leniently(text.removeprefix("\ufeff"), psql=True)
    found = []
    for statement in statements:
        if isinstance(statement, OtherStatement) and statement.explained is not None:
            statement = statement.explained
        if not isinstance(statement, CreateStatement):
            continue
        name = statement.option("connector")
        if isinstance(name, str) and name.lower() in other_connectors() - set(out_of_scope()):
            found.append((statement.line, name.lower()))
    return found


@dataclass(frozen=True)
class _Read:
    """One statement as the parsers of the versions read it."""

    statement: ParsedStatement | None = None
    error: SqlSyntaxError | None = None
    problem: Problem | None = None


# RisingWave's grammar of CREATE, DROP, SET and SHOW changed once in these versions.
_OLD_GRAMMAR = ("2.8", "3.0")
_NEW_GRAMMAR = ("3.1", "main")


def _read_by_versions(text: str, chosen: str) -> Iterator[_Read]:
    here = read_each(text, psql=True, version=chosen)
    is_old = chosen in _OLD_GRAMMAR
    there = read_each(text, psql=True, version="3.1" if is_old else "3.0")
    for start, own in here.items():
        other = there.get(start, own)
        if not isinstance(own, SqlSyntaxError):
            refused = other if isinstance(other, SqlSyntaxError) else None
            by = _NEW_GRAMMAR if is_old else _OLD_GRAMMAR
            yield _Read(own, problem=_refused_elsewhere(own, refused, by) if refused else None)
        elif isinstance(other, SqlSyntaxError):
            yield _Read(error=own)
        else:
            by = _OLD_GRAMMAR if is_old else _NEW_GRAMMAR
            yield _Read(other, problem=_refused_elsewhere(other, own, by))


def _refused_elsewhere(
    statement: ParsedStatement, error: SqlSyntaxError, by: tuple[str, ...]
) -> Problem:
    what = statement.text.split(maxsplit=1)[0].upper()
    if isinstance(statement, CreateStatement) and statement.kind == "sink":
        what = f"{statement.replacing or 'CREATE'} SINK"
    if by == _OLD_GRAMMAR:
        clause = "as written here needs RisingWave 3.1: 3.0 refuses it"
        fix = "write it another way, or upgrade RisingWave first"
        if isinstance(statement, CreateStatement) and statement.replacing == "REPLACE":
            fix = "before 3.1 run DROP SINK and CREATE SINK instead"
    else:
        clause = "as written here works on RisingWave 3.0; 3.1 refuses it"
        fix = error.advice or "write it another way before you upgrade"
    return Problem("version_dependent", "error", what, "", clause, fix, error.line, by)


def _of_statement(
    statement: ParsedStatement, expected: Expected, version: str
) -> Iterator[Problem]:
    yield from _file_scan(statement)
    if isinstance(statement, OtherStatement) and statement.explained is not None:
        statement = statement.explained
    if isinstance(statement, SetStatement):
        yield from _engine_setting(statement)
    elif isinstance(statement, CreateStatement):
        for name in statement.variables:
            yield Problem(
                "psql_variable", "info", f':"{name}"', "",
                "is a variable that psql fills in before RisingWave sees the statement",
                f"start psql with -v {name}=…, or write the name itself", statement.line,
            )  # fmt: skip
        for name, line in statement.long_names:
            yield Problem(
                "long_name", "error", name, "",
                "has more than three parts, which RisingWave refuses",
                "write database.schema.name, schema.name or the name alone", line,
            )  # fmt: skip
        yield from _check(statement, expected, version)


def _engine_setting(statement: SetStatement) -> Iterator[Problem]:
    """Yield a problem of the connection's name (session_config/mod.rs:556-567)."""
    if statement.name.lower() != "iceberg_engine_connection":
        return
    value = statement.value.strip("'\"")
    if value and value.lower() != "default" and len(value.split(".")) != 2:
        name = value.split(".")[-1] or "<connection>"
        yield Problem(
            "bad_option_value", "error", statement.name, value,
            "is not of the form schema.connection, which has exactly two parts",
            f"write SET iceberg_engine_connection = 'public.{name}'", statement.line,
        )  # fmt: skip


def _syntax_finding(error: SqlSyntaxError) -> SqlFinding:
    fix = error.advice or "correct the statement at this place"
    fix = fix[:1].upper() + fix[1:]
    return SqlFinding("sql_syntax", "error", error.message, error.line, fix, error.column)


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


def _check(statement: CreateStatement, expected: Expected, version: str) -> Iterator[Problem]:
    if statement.kind == "secret":
        yield from _secret(statement)
        return
    yield from _written(statement)
    yield from _column_types(statement, version)
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
        reads_from=bool(statement.from_name),
        version=version,
    )
    yield from all_problems(definition)


def _secret(statement: CreateStatement) -> Iterator[Problem]:
    yield from _placeholder(statement.name, statement.credential or "", statement.line)
    if statement.credential_as not in ("", "string", "quoted", "variable", "null"):
        yield Problem(
            "bad_option_value", "error", statement.name, "",
            "has a value that CREATE SECRET does not take",
            "write a text in single quotes after AS, without E, N, X or dollars", statement.line,
        )  # fmt: skip


def _column_types(statement: CreateStatement, version: str) -> Iterator[Problem]:
    for column in statement.columns:
        refused = refused_type(column.type) if column.type else None
        if refused is None or column.type is None:
            continue
        named, why, instead = refused
        older = versions_before("3.1") if named.name == "variant" else ()
        if older and not set(older) & {version}:
            continue
        fix = f"write {instead}" if instead else "write a type of RisingWave, such as varchar"
        yield Problem(
            "bad_column_type", "error", f"the type {column.type.text} of column {column.name}",
            "", why, fix, named.token.line, older,
        )  # fmt: skip


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
            clause = "belongs in the connection of an ENGINE = iceberg table"
            fix = f"put it into CREATE CONNECTION … WITH ({option.name} = …)"
            id_ = "sql_wrong_role_option" if "role" in option.name else "unknown_option"
            yield Problem(id_, "error", option.name, "", clause, fix, option.line)
        elif near := nearest(option.name, engine_options(), count=1):
            clause = "is not an option of an ENGINE = iceberg table"
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
    elif near := nearest(name, (*own, *sorted(other_connectors()), *out_of_scope()), count=1):
        yield _bad_connector(
            name, "is not a connector of RisingWave", f"did you mean {near[0]}?", line
        )


def _bad_connector(name: str, clause: str, fix: str, line: int) -> Problem:
    return Problem("bad_option_value", "error", "connector", name, clause, fix, line)


def _borrowed_role_options(statement: CreateStatement, name: str) -> Iterator[Problem]:
    other = out_of_scope().get(name)
    for option in statement.options:
        if option.name in ("s3.assume_role", "s3.iam_role_arn", "glue.iam_role_arn"):
            right = other.role_option if other else ""
            fix = f"write {right} instead" if right else "leave it out"
            clause = f"is not an option of {name}"
            if not right:
                clause += ", which takes no AWS role"
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
            if option.written_as in ("dollar", "national", "hex", "null", "quoted"):
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
