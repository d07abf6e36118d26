"""Write the SQL of Step 5 for one connector.

Pure: no network, no AWS. The order of the options is fixed, so that the same inputs always give
the same text.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from rwlib.errors import InputError
from rwlib.sql.connectors import engine_options, load_connector
from rwlib.sql.rules.options import option_values
from rwlib.sql.rules.problems import Definition, Given
from rwlib.sql.writing.inputs import Inputs, read_inputs, refusal
from rwlib.sql.writing.quoting import split_name, string_literal
from rwlib.sql.writing.rendering import Statement, column_list, new_name, plain_name, with_clause
from rwlib.sql.writing.writer import Location, Writer


def build_statements(
    connector: str,
    *,
    role_arn: str,
    bucket: str,
    prefix: str,
    region_name: str,
    options: Mapping[str, object] | None = None,
    name: str | None = None,
    from_name: str | None = None,
    version: str | None = None,
) -> list[Statement]:
    """Return the statements that make one connector use the role, secrets first.

    Nothing is run, and no secret's value is ever written: a password stands as
    ``'<your-password>'`` until a person replaces it where nothing is recorded.

    Parameters
    ----------
    connector
        One of `connector_names`.
    role_arn, bucket, prefix, region_name
        The role of Step 2, the bucket, the prefix its policy covers, and the bucket's real region.
    options
        ``WITH`` options by name, and the keys of `rwlib.sql.writing.inputs.RESERVED`. A secret that
        exists is given as ``secret NAME`` or ``{"secret": "NAME"}``; null leaves an option out.
    name, from_name
        The same as the keys ``name`` and ``from``.
    version
        The version of RisingWave that will run them; without it the newest release.

    Returns
    -------
    list of Statement
        In the order to run them.

    Raises
    ------
    InputError
        An option, value or combination that RisingWave would refuse, ignore, or use outside the
        prefix; a secret in plain text. The error names the option and the next move.
    """
    chosen = dict(options or {})
    for key, value in (("name", name), ("from", from_name)):
        if value is not None:
            chosen[key] = value
    inputs = read_inputs(connector, chosen)
    where = Location(role_arn, bucket, prefix, region_name)
    if inputs.connector.name == "iceberg_table":
        return _engine_table(inputs, where, version)
    return Writer(inputs, where, version).statements()


def _engine_table(inputs: Inputs, where: Location, version: str | None) -> list[Statement]:
    """Return the connection, the setting that selects it, and the table that uses it."""
    of_table = {name: v for name, v in inputs.options.items() if name in engine_options()}
    of_connection = {name: v for name, v in inputs.options.items() if name not in of_table}
    table_options = {name: Given(value) for name, value in of_table.items()}
    for problem in option_values(Definition(inputs.connector, table_options)):
        raise refusal(problem)
    statements: list[Statement] = []
    connection = inputs.connection
    if not connection:
        *schema, name = split_name(inputs.name, field="sql_options.name")
        connection = ".".join(f'"{part}"' for part in (*schema, f"{name}_connection"))
        own = replace(
            inputs,
            connector=load_connector("iceberg_connection"),
            name=connection,
            options=of_connection,
        )
        statements = Writer(own, where, version).statements()
    elif given := sorted([*of_connection, *inputs.secrets]):
        hint = f"already says {', '.join(given)}; leave {'it' if len(given) == 1 else 'them'} out"
        raise InputError("sql_options.connection", connection, hint)
    parts = split_name(connection, field="sql_options.connection")
    if (len(parts) > 2 and inputs.connection) or any("." in part for part in parts[-2:]):
        # SET takes schema.connection, cut at its dots (session_config/mod.rs:556-567).
        hint = "is not of the form schema.connection, the only one an Iceberg table can name"
        raise InputError("sql_options.connection", connection, hint)
    qualified = ".".join(parts[-2:] if len(parts) > 1 else ("public", *parts))
    setting = f"SET iceberg_engine_connection = {string_literal(qualified)};"
    columns, asked = column_list(inputs)
    options = f" {with_clause(of_table)}" if of_table else ""
    table = f"CREATE TABLE {new_name(inputs)} {columns}{options} ENGINE = iceberg;"
    notes = ("The table's files are written through the connection's role.",)
    return [
        *statements,
        Statement(setting, "set", "iceberg_engine_connection"),
        Statement(table, "table", plain_name(inputs), asked, notes),
    ]
