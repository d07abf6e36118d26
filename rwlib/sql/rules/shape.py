"""Rules about the whole: what must be there together, the sink's type, FORMAT and ENCODE."""

from __future__ import annotations

from rwlib.sql.connectors import nearest
from rwlib.sql.rules.locations import location
from rwlib.sql.rules.options import option_values, plain_secrets, unknown_options
from rwlib.sql.rules.problems import Definition, Given, Problem, Problems
from rwlib.sql.rules.roles import catalog, config_load, role, static_keys

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
        for rule in (*_RULES, missing_options, sink_type, format_encode)
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
            clause = f"is no type of {connector.name}"
        fix = f"write type = '{connector.types[0]}'"
        yield Problem("bad_option_value", "error", "type", value, clause, fix, line)
    if connector.kind == "connection" and value is not None and value != connector.sql_connector:
        fix = f"write type = '{connector.sql_connector}'"
        clause = f"is no type of {connector.name}"
        yield Problem("bad_option_value", "error", "type", value, clause, fix, line)
    if value == "append-only":
        for option in connector.append_only_forbids:
            if definition.has(option):
                fix = "leave it out, or write type = 'upsert'"
                yield _forbidden(definition, option, "type = 'append-only'", fix)
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


def format_encode(definition: Definition) -> Problems:
    """Yield problems of ``FORMAT … ENCODE …``."""
    connector = definition.connector
    rule = connector.format_encode
    given = f"FORMAT {definition.format} ENCODE {definition.encode}" if definition.format else ""
    if not given:
        if rule.rule == "required":
            fix = f"add FORMAT {rule.format} ENCODE {rule.encodes[0]} after WITH (…)"
            yield _clause(definition, "", f"is required by {connector.name}", fix)
        return
    if rule.rule == "forbidden":
        # RisingWave tolerates the words it would put there itself.
        if (definition.format, definition.encode) != ("NONE", "NONE"):
            yield _clause(definition, given, f"is refused by {connector.name}", "leave it out")
        return
    if definition.format != rule.format:
        fix = f"write FORMAT {rule.format} ENCODE {rule.encodes[0]}"
        yield _clause(definition, given, f"is not supported by {connector.name}", fix)
    elif definition.encode not in rule.encodes:
        fix = f"write ENCODE {' or '.join(rule.encodes)}"
        yield _clause(definition, given, f"is not supported by {connector.name}", fix)
    for name, option in definition.encode_options.items():
        if name not in rule.options and (near := nearest(name, rule.options, count=1)):
            yield _unknown_encode_option(definition, name, option, near[0])


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
        f"is no option of ENCODE {definition.encode}",
        f"did you mean {near}?",
        option.line,
    )
