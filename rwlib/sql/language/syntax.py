"""The statements of Step 5 as data: what the parser returns and the checker reads."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from rwlib.sql.language.data_types import DataType
from rwlib.sql.language.option_values import OptionValue

CreateKind = Literal["sink", "source", "table", "secret", "connection"]


@dataclass(frozen=True)
class SqlOption:
    """One ``name = value`` of a list in parentheses.

    Attributes
    ----------
    written_as
        ``string``, ``number``, ``boolean``, ``secret``, ``connection``, or the kind of string that
        RisingWave's parser takes and its frontend then refuses.
    source
        The value as it stands in the text.
    """

    name: str
    value: OptionValue
    line: int
    written_as: str
    source: str = field(default="", compare=False)


@dataclass(frozen=True)
class FormatEncodeClause:
    """``FORMAT … ENCODE … (…) [KEY ENCODE …]``."""

    format: str
    encode: str
    options: tuple[SqlOption, ...]
    key_encode: str
    line: int


@dataclass(frozen=True)
class Column:
    """One column of a definition: its type, and the whole of what follows its name."""

    name: str
    definition: str
    primary_key: bool = False
    type: DataType | None = None
    line: int = 0


@dataclass(frozen=True)
class CreateStatement:
    """A ``CREATE`` of something that can hold connector options, or of a secret.

    Attributes
    ----------
    from_name
        What a sink reads, or empty.
    query
        The text of a sink's or table's ``AS`` query, or empty.
    credential
        What stands after ``AS`` in ``CREATE SECRET``; None when nothing does.
    credential_as
        How it was written: ``string``, ``quoted``, or what only the parser takes.
    replacing
        ``CREATE OR REPLACE`` or ``REPLACE`` where one of them begins the statement, else empty.
    variables
        psql's variables that stand for names in it.
    long_names
        Names of more parts than a database, a schema and a name, each with its line.
    """

    kind: CreateKind
    name: str
    text: str
    line: int
    if_not_exists: bool = False
    from_name: str = ""
    query: str = ""
    into_table: str = ""
    columns: tuple[Column, ...] = ()
    primary_key: tuple[str, ...] = ()
    options: tuple[SqlOption, ...] = ()
    format_encode: FormatEncodeClause | None = None
    engine: str = ""
    credential: str | None = None
    credential_as: str = ""
    replacing: Literal["", "CREATE OR REPLACE", "REPLACE"] = ""
    variables: tuple[str, ...] = ()
    long_names: tuple[tuple[str, int], ...] = ()

    def option(self, name: str) -> OptionValue | None:
        """Return the value of an option, or None."""
        return next((option.value for option in self.options if option.name == name), None)


@dataclass(frozen=True)
class DropStatement:
    """``DROP KIND [IF EXISTS] NAME [CASCADE]``."""

    kind: str
    name: str
    text: str
    line: int
    if_exists: bool = False
    cascade: bool = False


@dataclass(frozen=True)
class ShowCreateStatement:
    """``SHOW CREATE KIND NAME``."""

    kind: str
    name: str
    text: str
    line: int


@dataclass(frozen=True)
class SetStatement:
    """``SET NAME = VALUE``."""

    name: str
    value: str
    text: str
    line: int


@dataclass(frozen=True)
class OtherStatement:
    """A statement that carries no connector options.

    Attributes
    ----------
    explained
        What stands behind ``EXPLAIN``: read, and never run.
    """

    keyword: str
    text: str
    line: int
    explained: ParsedStatement | None = None


ParsedStatement: TypeAlias = (
    "CreateStatement | DropStatement | ShowCreateStatement | SetStatement | OtherStatement"
)
