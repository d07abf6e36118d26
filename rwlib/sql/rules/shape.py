"""Rules about the whole: what must be there together, the sink's type, FORMAT and ENCODE."""

from __future__ import annotations

from dataclasses import replace

from rwlib.sql.connectors import Combination, nearest
from rwlib.sql.language.versions import VERSIONS, is_since
from rwlib.sql.rules.locations import location
from rwlib.sql.rules.options import option_values, plain_secrets, unknown_options
from rwlib.sql.rules.problems import Definition, Given, Problem, Problems
from rwlib.sql.rules.roles import catalog, config_load, role, static_keys

DELIMITERS = (",", ";", "\t")

_RULES = (
    unknown_options,
    option_values,
    role,
    config_load,
    static_keys,
    plain_secrets,
    location,
    catalog,
)


def all_problems(definition: Definition) -> list[Problem]:
    """Return everything that is wrong with a definition, in the order of its lines."""
    found = [
        problem
        for rule in (*_RULES, missing_options, sink_type, combinations, from_a_table, format_encode)
        for problem in rule(definition)
    ]
    return sorted(found, key=lambda problem: problem.line)


def missing_options(definition: Definition) -> Problems:
    """Yield a problem for every option that the connector cannot do without."""
    connector = definition.connector
    if definition.uses_connection:
        return
    optional = {"catalog.type"}  # its absence is the catalog rule's
    if (definition.text("catalog.type") or "").startswith("rest"):
        optional.add("warehouse.path")  # the catalog server may know it
    if definition.needs_no_role and connector.sql_connector == "iceberg":
        optional.add(connector.region_option)
    for option in connector.options.values():
        if option.required and not definition.has(option.name) and option.name not in optional:
            yield _missing(definition, option.name, f"is required by {connector.name}")
    for group in connector.one_of:
        if not any(map(definition.has, group)) and "catalog.type" not in group:
            yield _missing(definition, " or ".join(group), f"is required by {connector.name}")
    if definition.text("type") == "upsert":
        for group in connector.upsert_needs:
            # RisingWave also takes the key of what the sink reads, which is not seen here.
            if group == ("primary_key",) or any(map(definition.has, group)):
                continue
            yield _missing(definition, " or ".join(group), "is required by type = 'upsert'")


def sink_type(definition: Definition) -> Problems:
    """Yield problems of a sink's ``type`` and of the options it allows."""
    connector = definition.connector
    value = definition.text("type")
    line = definition.line_of("type")
    if connector.kind == "sink" and value is not None and value not in connector.types:
        if value == "upsert":
            clause = f"is not possible: {connector.name} only appends"
        else:
            clause = f"is not a type of {connector.name}"
        fix = f"write type = '{connector.types[0]}'"
        yield Problem("bad_option_value", "error", "type", value, clause, fix, line)
    if connector.kind == "connection" and value is not None and value != connector.sql_connector:
        fix = f"write type = '{connector.sql_connector}'"
        clause = f"is not a type of {connector.name}"
        yield Problem("bad_option_value", "error", "type", value, clause, fix, line)
    if value == "append-only":
        for option in connector.append_only_forbids:
            if definition.has(option):
                fix = "leave it out, or write type = 'upsert'"
                problem = _forbidden(definition, option, "type = 'append-only'", fix)
                yield replace(
                    problem, refused_by=_versions_since(connector.append_only_forbids_since)
                )
    if definition.is_on("hosted_catalog"):
        for option in connector.hosted_forbids:
            if definition.has(option):
                fix = "leave it out, or leave hosted_catalog out"
                yield _forbidden(definition, option, "hosted_catalog = 'true'", fix)
    with_s3 = definition.text("with_s3")
    if with_s3 is not None and with_s3.lower() == "false":
        yield Problem(
            "bad_option_value",
            "error",
            "with_s3",
            with_s3,
            "writes through JDBC alone: neither S3 nor the role is used",
            "leave it out",
            definition.line_of("with_s3"),
        )


def combinations(definition: Definition) -> Problems:
    """Yield a problem for options that go together, or do not, in some version of RisingWave."""
    for rule in definition.connector.combinations:
        if rule.type and definition.text("type") != rule.type:
            continue
        if rule.given and not definition.has(rule.given):
            continue
        line = definition.line_of(rule.given) if rule.given else definition.line
        if rule.refused_when_on:
            if definition.is_on(rule.refused_when_on):
                clause = f"is refused with {rule.refused_when_on} = 'true'"
                yield _combined(rule, rule.given, clause, line)
        elif rule.needs_on:
            if definition.has(rule.needs_on) and not _is_plain(definition, rule.needs_on):
                continue  # a variable or a secret: nothing to look at
            if not definition.is_on(rule.needs_on):
                yield _combined(rule, rule.given, f"needs {rule.needs_on} = 'true'", line)
        elif not definition.has(rule.needs):
            problem = _missing(definition, rule.needs, f"is required by type = '{rule.type}'")
            refused_by = rule.versions
            if rule.unless_on and definition.is_on(rule.unless_on):
                refused_by = tuple(v for v in VERSIONS if not is_since(v, rule.unless_since))
            elif rule.versions == VERSIONS:
                refused_by = ()
            yield replace(problem, fix=rule.fix, refused_by=refused_by)


def from_a_table(definition: Definition) -> Problems:
    """Yield a warning where an append-only sink fails because it reads ``FROM`` a table."""
    fails = definition.connector.append_only_from_fails
    if not fails or not definition.reads_from or definition.text("type") != "append-only":
        return
    yield Problem(
        "version_dependent", "warning", "CREATE SINK … FROM", "",
        f"fails for an append-only {definition.connector.name} on RisingWave main "
        f"({fails['issue']}) and works on 3.0",
        "write CREATE SINK … AS SELECT * FROM …, which works on every version",
        definition.line, _versions_since(fails["since"]),
    )  # fmt: skip


def _combined(rule: Combination, option: str, clause: str, line: int) -> Problem:
    return Problem("bad_option_value", "error", option, "", clause, rule.fix, line, rule.versions)


def _is_plain(definition: Definition, option: str) -> bool:
    return definition.text(option) is not None


def _versions_since(first: str) -> tuple[str, ...]:
    return tuple(version for version in VERSIONS if is_since(version, first))


def format_encode(definition: Definition) -> Problems:
    """Yield problems of ``FORMAT … ENCODE …``."""
    connector = definition.connector
    rule = connector.format_encode
    clause_text = (
        f"FORMAT {definition.format} ENCODE {definition.encode}" if definition.format else ""
    )
    if not clause_text:
        if rule.rule == "required":
            fix = f"add FORMAT {rule.format} ENCODE {rule.encodes[0]} after WITH (…)"
            yield _clause(definition, "", f"is required by {connector.name}", fix)
        return
    if rule.rule == "forbidden":
        # RisingWave tolerates the words it would put there itself.
        if (definition.format, definition.encode) != ("NONE", "NONE"):
            yield _clause(
                definition, clause_text, f"is refused by {connector.name}", "leave it out"
            )
        return
    if definition.format != rule.format:
        fix = f"write FORMAT {rule.format} ENCODE {rule.encodes[0]}"
        yield _clause(definition, clause_text, f"is not supported by {connector.name}", fix)
    elif definition.encode not in rule.encodes:
        fix = f"write ENCODE {' or '.join(rule.encodes)}"
        yield _clause(definition, clause_text, f"is not supported by {connector.name}", fix)
    if definition.encode == "CSV" and "delimiter" in rule.options:
        yield from _delimiter(definition)
    for name, option in definition.encode_options.items():
        if name not in rule.options and (near := nearest(name, rule.options, count=1)):
            yield _unknown_encode_option(definition, name, option, near[0])


def _delimiter(definition: Definition) -> Problems:
    """Yield a problem of CSV's delimiter.

    It is required (``external_schema.rs:260`` of the frontend) and one of three
    (``src/sqlparser/src/ast/legacy_source.rs``, get_delimiter).
    """
    delimiter = definition.encode_options.get("delimiter")
    fix = "write delimiter = ',' or ';' or E'\\t', which is a tab"
    if delimiter is None:
        yield Problem(
            "sql_missing_option", "error", "delimiter", "", "is missing; ENCODE CSV needs it",
            f"{fix}, inside ENCODE CSV (…)", definition.line,
        )  # fmt: skip
    elif (
        isinstance(delimiter.value, str)
        and delimiter.value not in DELIMITERS
        and not delimiter.is_placeholder
    ):
        clause = "is not a delimiter that RisingWave reads"
        yield Problem(
            "bad_option_value", "error", "delimiter", delimiter.value, clause, fix, delimiter.line
        )


def _missing(definition: Definition, option: str, clause: str) -> Problem:
    return Problem(
        "sql_missing_option",
        "error",
        option,
        "",
        f"is missing; it {clause}",
        f"add {option} = '…'",
        definition.line,
    )


def _forbidden(definition: Definition, option: str, by: str, fix: str) -> Problem:
    return Problem(
        "bad_option_value",
        "error",
        option,
        "",
        f"is refused with {by}",
        fix,
        definition.line_of(option),
    )


def _clause(definition: Definition, given: str, clause: str, fix: str) -> Problem:
    return Problem(
        "sql_format_encode", "error", "FORMAT … ENCODE …", given, clause, fix, definition.line
    )


def _unknown_encode_option(definition: Definition, name: str, option: Given, near: str) -> Problem:
    return Problem(
        "unknown_option",
        "error",
        name,
        "",
        f"is not an option of ENCODE {definition.encode}",
        f"did you mean {near}?",
        option.line,
    )
