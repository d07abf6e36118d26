"""The statements of Step 5 as data: what the parser returns and the checker reads."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

CreateKind = Literal["sink", "source", "table", "secret", "connection"]


@dataclass(frozen=True)
class SecretRef:
    """The value of an option written as ``secret NAME``."""

    name: str
    as_file: bool = False


@dataclass(frozen=True)
class ConnectionRef:
    """The value of ``connection = NAME``."""

    name: str


@dataclass(frozen=True)
class VariableRef:
    """A psql variable (``:name``, ``:'name'``): psql puts its value there before it sends."""

    name: str


OptionValue: TypeAlias = "str | SecretRef | ConnectionRef | VariableRef"


@dataclass(frozen=True)
class SqlOption:
    """One ``name = value`` of a list in parentheses.

    Attributes
    ----------
    written_as
        ``string``, ``number``, ``boolean``, ``secret``, ``connection``, or the kind of string that
        RisingWave's parser takes and its frontend then refuses.
    """

    name: str
    value: OptionValue
    line: int
    written_as: str


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
    """One column of a definition; what follows its type is kept as text."""

    name: str
    definition: str
    primary_key: bool = False


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
    """A statement that carries no connector options."""

    keyword: str
    text: str
    line: int


ParsedStatement: TypeAlias = (
    "CreateStatement | DropStatement | ShowCreateStatement | SetStatement | OtherStatement"
)
