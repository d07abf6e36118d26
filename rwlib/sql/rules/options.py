"""Rules about single options: is there such a one, may its value be so, is it a secret."""

from __future__ import annotations

import re

from rwlib.sql.connectors import Option, nearest, out_of_scope, owners_of
from rwlib.sql.language.versions import VERSIONS
from rwlib.sql.rules.problems import Definition, Given, Problem, Problems

# Options that RisingWave takes away before a connector sees them
# (src/connector/src/source/util.rs and src/utils/overwrite_options.rs of the frontend).
_FRAMEWORK = frozenset(
    {
        "connector",
        "connection",
        "background_ddl",
        "backfill_order",
        "backfill_rate_limit",
        "sink_rate_limit",
        "source_rate_limit",
        "dml_rate_limit",
        "appendonly",
        "auto.schema.change",
        "ignore_delete",
        "refresh_interval_sec",
        "refresh_mode",
        "retention_seconds",
    }
)
# And those of every sink (src/connector/src/sink/mod.rs:293-302).
_SINK_FRAMEWORK = frozenset(
    {
        "type",
        "snapshot",
        "force_append_only",
        "force_compaction",
        "preserve_row_level_changes",
        "primary_key",
    }
)
_EXTERNAL_ID = re.compile(r"external[._-]?id", re.IGNORECASE)
_URL_SECRET = re.compile(r"(?i)(?:[?&;](?:password|pwd|token)=[^&;<]|//[^/@\s]+:[^/@\s]+@)")


def unknown_options(definition: Definition) -> Problems:
    """Yield a problem for every option that the connector does not define.

    A sink of a release up to v3.0.3 drops such an option in silence; sources, connections and the
    main branch refuse the statement (``src/connector/src/sink/mod.rs:291-317``).
    """
    connector = definition.connector
    for name, value in definition.options.items():
        canonical = connector.canonical(name)
        option = connector.options.get(canonical)
        if option is not None and not (option.without_format and definition.format):
            yield from _by_version(definition, option, name, value)
            continue
        if name in framework_options(definition):
            continue
        if _EXTERNAL_ID.search(name):
            yield _external_id(definition, name, value)
            continue
        if name in (*_all_role_options(), "arn"):
            yield _wrong_role_option(definition, name, value)
            continue
        if connector.passed_through and name.startswith(connector.passed_through):
            continue
        yield _unknown(definition, name, value)


def framework_options(definition: Definition) -> frozenset[str]:
    """Return the options that RisingWave itself takes, whatever the connector."""
    if definition.connector.kind != "sink":
        return _FRAMEWORK
    in_clause = definition.connector.format_encode
    moved = in_clause.options if in_clause.rule == "required" or definition.format else ()
    return (_FRAMEWORK | _SINK_FRAMEWORK) - set(moved)


def option_values(definition: Definition) -> Problems:
    """Yield a problem for every value that its option cannot have."""
    for name, given in definition.options.items():
        option = definition.connector.options.get(definition.connector.canonical(name))
        if option is None or given.is_placeholder or not isinstance(given.value, str):
            continue
        value = given.value
        if option.type == "boolean" and value.lower() not in ("true", "false"):
            yield _bad_value(option, given, "is neither true nor false", "write 'true' or 'false'")
        elif option.lower_case and value != value.lower():
            fix = f"write {option.name} = '{value.lower()}'"
            yield _bad_value(option, given, "is read in lower case only", fix)
        elif option.type == "integer" and not re.fullmatch(r"[0-9]{1,20}", value):
            yield _bad_value(option, given, "is not a whole number", "write digits only")
        elif option.required and not value.strip():
            yield _bad_value(option, given, "is empty", "give a value")


def plain_secrets(definition: Definition) -> Problems:
    """Yield a problem for every secret whose value stands in the statement.

    RisingWave Cloud can refuse it (``src/connector/src/enforce_secret.rs:20``), and whoever reads
    the sink's definition reads the secret.
    """
    for name, value in definition.options.items():
        option = definition.connector.options.get(definition.connector.canonical(name))
        if option is None or not option.secret or not isinstance(value.value, str):
            continue
        demanded = option.secret == "confidential" or url_carries_secret(value.value)
        yield Problem(
            "secret_required",
            "error" if demanded and definition.names_a_role else "warning",
            name,
            "",
            "is plain text, and RisingWave Cloud can demand a secret there",
            f"run CREATE SECRET first and write {name} = secret NAME",
            value.line,
        )


def url_carries_secret(url: str) -> bool:
    """Tell whether a JDBC URL holds a password or token of its own."""
    return bool(_URL_SECRET.search(url))


def _unknown(definition: Definition, name: str, given: Given) -> Problem:
    connector = definition.connector
    clause_options = connector.format_encode.options
    if name in clause_options:
        clause = "belongs inside ENCODE (…), not in WITH (…)"
        fix = f"move it: ENCODE … ({name} = '…')"
    elif owners := [owner for owner in owners_of(name) if owner != connector.name]:
        clause = f"is not an option of {connector.name} but of {', '.join(owners)}"
        fix = f"leave it out{_instead(connector.name, name)}"
    else:
        known = [*connector.options, *connector.aliases, *sorted(framework_options(definition))]
        near = nearest(name, known)
        clause = f"is not an option of {connector.name}"
        fix = f"did you mean {' or '.join(near)}?" if near else "leave it out"
    return Problem("unknown_option", "error", name, _shown(given), clause, fix, given.line)


def _by_version(definition: Definition, option: Option, name: str, given: Given) -> Problems:
    without = tuple(version for version in VERSIONS if not option.is_read_by(version))
    if not without:
        return
    ignored = definition.connector.kind == "sink"
    since = f"RisingWave {option.since}" if option.since != "main" else "main"
    clause = f"is read from {since} on; " + (
        "an older one silently ignores it" if ignored else "an older one refuses it"
    )
    if option.until:
        clause = f"is read up to RisingWave {option.until}"
    yield Problem(
        "version_dependent", "error", name, "", clause,
        "leave it out, or upgrade RisingWave first", given.line, without,
    )  # fmt: skip


def _wrong_role_option(definition: Definition, name: str, given: Given) -> Problem:
    right = definition.connector.role_options[0]
    owners = ", ".join(owners_of(name)) or "another connector"
    return Problem(
        "sql_wrong_role_option",
        "error",
        name,
        _shown(given),
        f"is the role option of {owners}; {definition.connector.name} does not read it",
        f"write {right} instead",
        given.line,
    )


def _external_id(definition: Definition, name: str, given: Given) -> Problem:
    return Problem(
        "sql_external_id",
        "error",
        name,
        _shown(given),
        f"cannot be used: {definition.connector.name} never sends an external id",
        "leave it out, and take the sts:ExternalId condition out of the role's trust policy",
        given.line,
    )


def _bad_value(option: Option, given: Given, clause: str, fix: str) -> Problem:
    shown = "" if option.secret else str(given.value)
    return Problem("bad_option_value", "error", option.name, shown, clause, fix, given.line)


def _all_role_options() -> tuple[str, ...]:
    others = {other.role_option for other in out_of_scope().values() if other.role_option}
    return ("s3.assume_role", "s3.iam_role_arn", "kinesis.assumerole.arn", *others)


def _instead(connector_name: str, option_name: str) -> str:
    if option_name == "s3.path" and connector_name in ("s3_source", "s3_table"):
        return "; a source takes match_pattern instead"
    return ""


def _shown(given: Given) -> str:
    # An unknown option may hold anything, a password included: its value is never repeated.
    return ""
