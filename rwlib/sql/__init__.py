"""Step 5 - SQL that makes RisingWave use the role, and a checker for SQL that exists.

Everything here is pure: it imports no boto3 and touches nothing. What the connectors take is data
(`rwlib.sql.connectors`, ``rwlib/data``), each option with its line in RisingWave's source.
"""

from rwlib.sql.checker import FINDINGS, Finding, check_sql
from rwlib.sql.connectors import (
    Connector,
    Option,
    OutOfScope,
    connector_names,
    load_connector,
    out_of_scope,
)
from rwlib.sql.parser import parse_statement, parse_statements
from rwlib.sql.prefixes import listed_prefix
from rwlib.sql.statements import Statement, build_statements
from rwlib.sql.targets import ConnectorSql, statements_for
from rwlib.sql.tokens import SqlSyntaxError, tokenize

__all__ = [
    "FINDINGS",
    "Connector",
    "ConnectorSql",
    "Finding",
    "Option",
    "OutOfScope",
    "SqlSyntaxError",
    "Statement",
    "build_statements",
    "check_sql",
    "connector_names",
    "listed_prefix",
    "load_connector",
    "out_of_scope",
    "parse_statement",
    "parse_statements",
    "statements_for",
    "tokenize",
]
