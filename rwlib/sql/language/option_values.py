"""What an option of a statement may have as its value, beside plain text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias


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
