"""Write the parts of a statement as SQL."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from rwlib.errors import InputError
from rwlib.sql.connectors import Option
from rwlib.sql.language.option_values import OptionValue, SecretRef
from rwlib.sql.writing.inputs import Inputs
from rwlib.sql.writing.quoting import identifier, object_name, split_name, string_literal

_INDENT = "    "


@dataclass(frozen=True)
class Statement:
    """One SQL statement to run, in its order.

    Attributes
    ----------
    kind
        ``secret``, ``sink``, ``source``, ``table``, ``connection`` or ``set``.
    placeholders
        What a person must still fill in, by option: the text that stands in the statement now.
    notes
        What to know before running it, one sentence each.
    """

    sql: str
    kind: str
    name: str
    placeholders: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def create_secret(
    secret_name: str, option: Option, value: str | None, placeholder: str
) -> Statement:
    """Return ``CREATE SECRET`` with a value that is none of a secret's, or a placeholder.

    The secret is kept when it exists: whoever replaced the placeholder once is not undone.
    """
    text = placeholder if value is None else value
    credential = string_literal(text, field=f"sql_options.{option.name}")
    sql = (
        f"CREATE SECRET IF NOT EXISTS {object_name(secret_name)}\n"
        f"{_INDENT}WITH (backend = 'meta') AS {credential};"
    )
    if value is not None:
        note = (
            f"An existing secret {secret_name} is kept: DROP SECRET it first to change its value."
        )
        return Statement(sql, "secret", secret_name, notes=(note,))
    note = f"Put the real value in place of {placeholder} where nothing records it."
    if option.secret == "enforced":
        note = f"Give {option.name} in sql_options, or put the value in place of {placeholder}."
    return Statement(sql, "secret", secret_name, {option.name: placeholder}, (note,))


def secret_name_for(name: str, option_name: str) -> str:
    """Return the name of an option's secret: beside the object, in the same schema."""
    parts = split_name(name, field="sql_options.name")
    own = f"{parts[-1]}_{option_name.replace('.', '_')}"
    return ".".join(f'"{part}"' if "." in part else part for part in (*parts[:-1], own))


def new_name(inputs: Inputs) -> str:
    """Return the name to create, after ``IF NOT EXISTS`` where that is wanted."""
    name = object_name(inputs.name, field="sql_options.name")
    return f"IF NOT EXISTS {name}" if inputs.if_not_exists else name


def plain_name(inputs: Inputs) -> str:
    """Return the name to create as it is spoken of, without quotes."""
    return ".".join(split_name(inputs.name, field="sql_options.name"))


def column_list(inputs: Inputs) -> tuple[str, dict[str, str]]:
    """Return the columns in parentheses, and the placeholder they are when none were given.

    Raises
    ------
    InputError
        The primary key names a column that is none.
    """
    asked: dict[str, str] = {}
    columns = [f"{identifier(column.name)} {column.type}" for column in inputs.columns]
    if not columns:
        columns = ["id bigint", "name varchar"]
        asked["columns"] = ", ".join(columns)
    if inputs.connector.kind == "table":
        names = {column.name for column in inputs.columns} or {"id", "name"}
        for key in inputs.primary_key:
            if key not in names:
                raise InputError("sql_options.primary_key", key, "is not one of the columns")
        if inputs.primary_key:
            columns.append(f"PRIMARY KEY ({', '.join(map(identifier, inputs.primary_key))})")
    return f"({', '.join(columns)})", asked


def with_clause(options: Mapping[str, OptionValue]) -> str:
    """Return ``WITH (…)``, one option on a line; every value is a quoted text or a secret."""
    lines = (f"{_INDENT}{name} = {_render(name, value)}" for name, value in options.items())
    return "WITH (\n" + ",\n".join(lines) + "\n)"


def _render(option: str, value: OptionValue) -> str:
    if isinstance(value, SecretRef):
        return f"secret {value.name}"
    return string_literal(str(value), field=f"sql_options.{option}")
