"""Read statements the way RisingWave's parser reads them.

``CREATE SINK / SOURCE / TABLE / SECRET / CONNECTION`` become `CreateStatement`; ``DROP``, ``SHOW
CREATE`` and ``SET`` have a class each; every other statement is read and kept as its text.
Grammar: ``src/sqlparser/src/parser.rs`` and ``src/sqlparser/src/ast/statement.rs`` at v3.0.3 and
at main 448c6570. It knows no option names: what they may be is in `rwlib.sql.connectors`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from itertools import pairwise
from typing import Any, Literal

from rwlib.sql.language.clauses import (
    read_columns,
    read_includes,
    read_options,
    read_sink_format,
    read_source_format,
    read_value,
    read_with,
)
from rwlib.sql.language.cursor import Cursor
from rwlib.sql.language.maintenance import (
    read_aggregate,
    read_alter,
    read_close,
    read_database,
    read_declare,
    read_describe,
    read_dropped_functions,
    read_fetch,
    read_index,
    read_named,
    read_set_value,
    read_user,
)
from rwlib.sql.language.maintenance import read_function as create_function
from rwlib.sql.language.queries import read_expression, read_function, read_query
from rwlib.sql.language.syntax import (
    CreateKind,
    CreateStatement,
    DropStatement,
    OtherStatement,
    ParsedStatement,
    SetStatement,
    ShowCreateStatement,
    SqlOption,
)
from rwlib.sql.language.tokens import SqlSyntaxError, Token, tokenize
from rwlib.sql.language.versions import DEFAULT_VERSION

_Replacing = Literal["", "CREATE OR REPLACE", "REPLACE"]

_CREATED = (
    *("SINK", "SOURCE", "TABLE", "SECRET", "CONNECTION", "VIEW", "MATERIALIZED", "INDEX"),
    *("SCHEMA", "DATABASE", "USER", "SUBSCRIPTION", "FUNCTION", "AGGREGATE"),
)
_DROPPED = (
    *("SINK", "SOURCE", "TABLE", "SECRET", "CONNECTION", "VIEW", "INDEX"),
    *("SCHEMA", "DATABASE", "USER", "SUBSCRIPTION"),
)
_SHOWN_CREATED = ("TABLE", "VIEW", "INDEX", "SOURCE", "SINK", "SUBSCRIPTION", "FUNCTION")
_SHOWN_OF_SCHEMA = (
    *("TABLES", "SOURCES", "SINKS", "SUBSCRIPTIONS", "VIEWS", "SECRETS", "CONNECTIONS"),
    "FUNCTIONS",
)
_SHOWN_OF_ALL = ("DATABASES", "SCHEMAS", "CLUSTER", "JOBS", "PROCESSLIST")
_ALTERED = (
    *("DATABASE", "FRAGMENT", "SCHEMA", "TABLE", "INDEX", "MATERIALIZED", "VIEW", "SINK"),
    *("SUBSCRIPTION", "SOURCE", "FUNCTION", "CONNECTION", "USER", "SECRET", "SYSTEM"),
    *("DEFAULT", "COMPACTION"),
)
# Statements whose rest carries no options: held to balanced parentheses only.
_REST_UNREAD = (
    *("ABORT", "BEGIN", "CANCEL", "COMMENT", "COMMIT", "COPY", "DEALLOCATE", "DISCARD"),
    *("EXECUTE", "GRANT", "KILL", "PREPARE", "REVOKE", "ROLLBACK", "START", "USE", "WAIT"),
)
_READ_TO_THEIR_END: dict[str, Callable[[Cursor], None]] = {
    "DECLARE": read_declare,
    "FETCH": read_fetch,
    "CLOSE": read_close,
    "DESCRIBE": read_describe,
    **{
        word: partial(read_named, word=word)
        for word in ("TRUNCATE", "REFRESH", "ANALYZE", "VACUUM")
    },
}
_NAMES_ONLY = ("CANCEL", "COMMENT", "DISCARD", "KILL", "USE", "WAIT")
_AMONG_NAMES = (",", ".", "(", ")", "=", "-")
_NOTHING_FOLLOWS = ("BACKUP", "FLUSH", "RECOVER", "ABORT")
_STATEMENTS = (
    *("CREATE", "DROP", "SHOW", "SET", "ALTER", "EXPLAIN", "SELECT", "WITH", "VALUES", "INSERT"),
    *("UPDATE", "DELETE", "REPLACE", *_REST_UNREAD, *_READ_TO_THEIR_END, *_NOTHING_FOLLOWS),
)
_EXPLAIN_OPTIONS = (
    *("backfill", "verbose", "trace", "type", "logical", "physical", "distsql", "format"),
    "duration_secs",
)


def parse_statements(text: str, *, version: str = DEFAULT_VERSION) -> list[ParsedStatement]:
    """Return the statements of a text in order.

    Parameters
    ----------
    version
        One of `rwlib.sql.language.versions.VERSIONS`: whose parser reads the text.

    Raises
    ------
    SqlSyntaxError
        The first place that RisingWave's parser would refuse.
    """
    statements, errors = parse_leniently(text, version=version)
    if errors:
        raise errors[0]
    return statements


def parse_leniently(
    text: str, *, psql: bool = False, version: str = DEFAULT_VERSION
) -> tuple[list[ParsedStatement], list[SqlSyntaxError]]:
    """Return what can be read, and one error for each statement that cannot.

    With ``psql``, the text is a person's file: lines that begin with a backslash between
    statements are left out, a variable such as ``:'name'`` may stand for a value or a name, and a
    missing ``FORMAT`` is left for the reader of the statement to judge.
    """
    found = read_each(text, psql=psql, version=version).values()
    statements = [one for one in found if not isinstance(one, SqlSyntaxError)]
    return statements, [one for one in found if isinstance(one, SqlSyntaxError)]


def read_each(
    text: str, *, psql: bool = False, version: str = DEFAULT_VERSION
) -> dict[int, ParsedStatement | SqlSyntaxError]:
    """Return each statement, or its error, by the place in the text where it begins."""
    try:
        tokens = tokenize(text, version=version)
    except SqlSyntaxError as error:
        return {0: error}
    found: dict[int, ParsedStatement | SqlSyntaxError] = {}
    for own in _split(_with_variables(tokens) if psql else tokens, psql=psql):
        cursor = Cursor(text, own, version=version, psql=psql)
        try:
            found[own[0].start] = _Parser(cursor).statement()
        except SqlSyntaxError as error:
            found[own[0].start] = error
    return found


def _split(tokens: list[Token], *, psql: bool) -> list[list[Token]]:
    """Return the tokens of each statement, ended by an ``end`` token."""
    statements: list[list[Token]] = []
    own: list[Token] = []
    skipped_line = 0
    for token in tokens:
        if token.line == skipped_line and token.kind != "end":
            continue
        if psql and not own and token.is_symbol("\\"):
            skipped_line = token.line
        elif token.kind != "end" and not token.is_symbol(";"):
            own.append(token)
        elif own:
            shown = token.value if token.kind == "symbol" else ""
            end = Token("end", shown, token.line, token.column, token.start, token.start)
            statements.append([*own, end])
            own = []
    return statements


def _with_variables(tokens: list[Token]) -> list[Token]:
    """Join a colon and the name right behind it to one of psql's variables."""
    joined: list[Token] = []
    for token in tokens:
        before = joined[-1] if joined else None
        if (
            before is not None
            and before.is_symbol(":")
            and before.end == token.start
            and token.kind in ("word", "quoted", "string")
        ):
            place = (before.line, before.column, before.start, token.end)
            joined[-1] = Token("variable", token.value, *place)
        else:
            joined.append(token)
    return joined


class _Parser:
    """Reads one statement, from its first word to its end."""

    def __init__(self, cursor: Cursor) -> None:
        self.cursor = cursor
        self.replacing: _Replacing = ""

    def statement(self) -> ParsedStatement:
        """Read the statement.

        Raises
        ------
        SqlSyntaxError
            RisingWave's parser would refuse it, or something follows its end.
        """
        try:
            found = self._statement()
            if self.cursor.peek().kind != "end":
                raise self._unexpected_end()
        except SqlSyntaxError as error:
            error.advice = error.advice or self._misspelt_condition()
            raise
        return found

    def _misspelt_condition(self) -> str:
        """Advise ``IF NOT EXISTS`` where a part of it is read as a name instead."""
        tokens = self.cursor.tokens
        for token, second in pairwise(tokens):
            if token.is_word("IF") and second.is_word("NOT", "EXIST", "EXISTS"):
                if self.cursor.peek().kind == "symbol":
                    return ""
                dropped = tokens[0].is_word("DROP")
                return f"write IF {'' if dropped else 'NOT '}EXISTS and then the name"
        return ""

    def _unexpected_end(self) -> SqlSyntaxError:
        words = ("WITH", "FORMAT", "ENGINE", "FROM", "AS", "INCLUDE", "CASCADE")
        error = self.cursor.expected("end of statement", nearest=words)
        for ahead in (0, -1):  # DROP and others are read as an alias first
            token = self.cursor.peek(ahead)
            if self.cursor.begins_a_line(ahead) and token.is_word(*_STATEMENTS):
                error.advice = f"put ; before {token.value}, where the next statement begins"
        return error

    def _statement(self) -> ParsedStatement:
        cursor, first = self.cursor, self.cursor.peek()
        readers: dict[str, Callable[[], ParsedStatement]] = {
            "CREATE": self._create,
            "DROP": self._drop,
            "SHOW": self._show,
            "SET": self._set,
            "EXPLAIN": self._explain,
            "INSERT": self._insert,
            "UPDATE": self._update,
            "DELETE": self._delete,
            "ALTER": self._alter,
        }
        word = first.value.upper() if first.kind == "word" else ""
        if word in readers:
            cursor.at += 1
            return readers[word]()
        if word == "REPLACE" and cursor.since("3.1"):
            cursor.at += 1
            if not cursor.word("SINK"):
                raise cursor.expected("SINK after REPLACE", nearest=("SINK",))
            self.replacing = "REPLACE"
            return self._sink()
        if word in ("SELECT", "WITH", "VALUES") or first.is_symbol("("):
            read_query(cursor)
            return self._other()
        if word in ("GRANT", "REVOKE"):
            return self._grant()
        if word in _NAMES_ONLY:
            return self._names_unread()
        if word in _READ_TO_THEIR_END:
            cursor.at += 1
            _READ_TO_THEIR_END[word](cursor)
            return self._other()
        if word in _NOTHING_FOLLOWS:
            cursor.at += 1
            return self._other()
        if word == "COPY":
            self._refuse_copied_file()
        if word in _REST_UNREAD:
            return self._rest_unread()
        raise cursor.expected("statement", nearest=_STATEMENTS)

    def _other(self, explained: ParsedStatement | None = None) -> OtherStatement:
        cursor = self.cursor
        return OtherStatement(cursor.tokens[0].value.upper(), cursor.text(), cursor.line, explained)

    def _refuse_copied_file(self) -> None:
        """Refuse COPY from or to a file, as Redshift, Snowflake and PostgreSQL have it.

        Source: RisingWave's ``Parser::parse_copy``, which takes STDIN and STDOUT alone.
        """
        cursor = self.cursor
        depth = 0
        for token, place in pairwise(cursor.tokens):
            depth += token.is_symbol("(") - token.is_symbol(")")
            if depth or not token.is_word("FROM", "TO"):
                continue
            if place.is_word("STDIN" if token.is_word("FROM") else "STDOUT"):
                return
            cursor.at = cursor.tokens.index(place)
            error = cursor.expected("STDIN or STDOUT")
            error.advice = (
                "read files of S3 with CREATE SOURCE or CREATE TABLE … WITH (connector = 's3'),"
                " or run this in the database whose COPY it is"
            )
            raise error

    def _rest_unread(self) -> OtherStatement:
        cursor = self.cursor
        while cursor.peek().kind != "end":
            if cursor.peek().is_symbol("("):
                cursor.skip_parentheses()
            elif cursor.peek().is_symbol(")"):
                raise self._unexpected_end()
            else:
                cursor.at += 1
        return self._other()

    def _names_unread(self) -> OtherStatement:
        """Move past names, words and values, where no other sign can stand."""
        cursor = self.cursor
        while cursor.peek().kind != "end":
            token = cursor.peek()
            if token.kind == "symbol" and token.value not in _AMONG_NAMES:
                raise self._unexpected_end()
            cursor.at += 1
        return self._other()

    def _grant(self) -> OtherStatement:
        """Read ``GRANT … ON … TO …`` and ``REVOKE … ON … FROM …``, their names unread."""
        cursor = self.cursor
        given = cursor.word("GRANT")
        cursor.at += not given
        words = ("ON", "TO" if given else "FROM")
        found = [token.value.upper() for token in cursor.tokens if token.is_word(*words)]
        statement = self._names_unread()
        if [word for word in words if word not in found]:
            missing = next(word for word in words if word not in found)
            raise cursor.expected(missing)
        return statement

    # CREATE -----------------------------------------------------------------------------------

    def _create(self) -> ParsedStatement:
        cursor = self.cursor
        or_replace = cursor.words("OR", "REPLACE")
        self.replacing = "CREATE OR REPLACE" if or_replace else ""
        cursor.word("TEMP", "TEMPORARY")
        token = cursor.peek()
        readers: dict[str, Callable[[], ParsedStatement]] = {
            "TABLE": self._table,
            "VIEW": self._view,
            "SOURCE": self._source,
            "SINK": self._sink,
            "SUBSCRIPTION": self._subscription,
            "CONNECTION": self._connection,
            "FUNCTION": self._passing(create_function),
            "AGGREGATE": self._passing(read_aggregate),
        }
        if not or_replace:
            readers |= {
                "INDEX": self._index,
                "SCHEMA": self._schema,
                "DATABASE": self._database,
                "USER": self._passing(read_user),
                "SECRET": self._secret,
            }
        if cursor.words("MATERIALIZED", "VIEW"):
            return self._view()
        if not or_replace and cursor.words("UNIQUE", "INDEX"):
            return self._index()
        word = token.value.upper() if token.kind == "word" else ""
        if word in readers:
            cursor.at += 1
            if word == "SINK" and or_replace and cursor.since("3.1"):
                raise cursor.error(
                    "REPLACE SINK should be used instead of CREATE OR REPLACE SINK",
                    token,
                    "write REPLACE SINK",
                )
            return readers[word]()
        what = "an object type after CREATE"
        raise cursor.expected(f"{what} OR REPLACE" if or_replace else what, nearest=_CREATED)

    def _sink(self) -> CreateStatement:
        cursor = self.cursor
        if_not_exists, name = self._new_name()
        into_table = ""
        if cursor.word("INTO"):
            into_table = cursor.relation_name()
            cursor.names(optional=True)
        from_name = query = ""
        if cursor.word("FROM"):
            from_name = cursor.relation_name()
        elif cursor.word("AS"):
            query = read_query(cursor)
        else:
            verb = "REPLACE" if self.replacing == "REPLACE" else "CREATE"
            raise cursor.expected(
                f"FROM or AS after {verb} SINK sink_name", nearest=("FROM", "AS", "INTO")
            )
        self._emit()
        if not cursor.peek().is_word("WITH") and not into_table:
            raise cursor.expected("WITH", nearest=("WITH", "EMIT", "FROM", "WHERE", "GROUP"))
        return self._created(
            "sink",
            name,
            if_not_exists=if_not_exists,
            from_name=from_name,
            query=query,
            into_table=into_table,
            options=read_with(cursor),
            format_encode=read_sink_format(cursor),
        )

    def _source(self) -> CreateStatement:
        cursor = self.cursor
        if_not_exists, name = self._new_name()
        columns = read_columns(cursor)
        read_includes(cursor)
        options = read_with(cursor)
        connector = _connector_text(options)
        if "-cdc" in connector and (columns.columns or columns.constraints):
            raise cursor.error(
                "CDC source cannot define columns and constraints", cursor.tokens[cursor.at - 1]
            )
        clause = read_source_format(cursor, connector, is_source=True, lenient=cursor.psql)
        return self._created(
            "source",
            name,
            if_not_exists=if_not_exists,
            columns=tuple(columns.columns),
            primary_key=columns.key,
            options=options,
            format_encode=clause,
        )

    def _table(self) -> CreateStatement:
        cursor = self.cursor
        if_not_exists, name = self._new_name()
        columns = read_columns(cursor)
        if cursor.word("APPEND"):
            cursor.need_word("ONLY")
        if cursor.words("ON", "CONFLICT") and not cursor.word("OVERWRITE", "IGNORE"):
            for words in ("DO UPDATE IF NOT NULL", "DO UPDATE FULL", "DO NOTHING"):
                if cursor.words(*words.split()):
                    break
        if cursor.words("WITH", "VERSION", "COLUMN"):
            cursor.names()
        read_includes(cursor)
        options = read_with(cursor)
        connector = _connector_text(options)
        webhook = "webhook" in connector
        clause = None
        if connector and not webhook:
            clause = read_source_format(cursor, connector, is_source=False, lenient=cursor.psql)
        query = ""
        if cursor.word("AS"):
            if columns.watermarks:
                raise cursor.error(
                    "Watermarks can't be defined on table created by CREATE TABLE AS",
                    cursor.tokens[cursor.at - 1],
                )
            query = read_query(cursor)
        if cursor.word("FROM"):
            cursor.object_name()
            cursor.need_word("TABLE")
            cursor.string()
        self._validate(webhook)
        return self._created(
            "table",
            name,
            if_not_exists=if_not_exists,
            columns=tuple(columns.columns),
            primary_key=columns.key,
            options=options,
            format_encode=clause,
            query=query,
            engine=self._engine(),
        )

    def _validate(self, webhook: bool) -> None:
        cursor, token = self.cursor, self.cursor.peek()
        if not cursor.word("VALIDATE"):
            return
        if not webhook:
            raise cursor.error(
                "VALIDATE is only supported for tables created with webhook source", token
            )
        if cursor.word("SECRET"):
            cursor.object_name()
        cursor.need_word("AS")
        read_function(cursor)

    def _engine(self) -> str:
        cursor = self.cursor
        if not cursor.word("ENGINE"):
            return ""
        cursor.need_symbol("=")
        token = cursor.peek()
        engine = cursor.object_name().lower()
        if engine not in ("iceberg", "hummock"):
            raise cursor.error(f"Unsupported engine: {engine}", token, "write ENGINE = iceberg")
        return engine

    def _secret(self) -> CreateStatement:
        cursor = self.cursor
        if_not_exists, name = self._new_name()
        options = read_with(cursor)
        credential: str | None = None
        written_as = ""
        if cursor.word("AS"):
            kind = cursor.peek().kind
            value, written_as = read_value(cursor, secrets=False)
            written_as = kind if kind == "escaped" else written_as
            credential = value if isinstance(value, str) else ""
        return self._created(
            "secret",
            name,
            if_not_exists=if_not_exists,
            options=options,
            credential=credential,
            credential_as=written_as,
        )

    def _connection(self) -> CreateStatement:
        if_not_exists, name = self._new_name()
        options = read_with(self.cursor)
        if not options:
            raise self.cursor.error(
                "connection properties not provided", self.cursor.peek(), "add WITH (type = '…')"
            )
        return self._created("connection", name, if_not_exists=if_not_exists, options=options)

    def _created(self, kind: CreateKind, name: str, **parts: Any) -> CreateStatement:
        cursor = self.cursor
        return CreateStatement(
            kind,
            name,
            text=cursor.text(),
            line=cursor.line,
            replacing=self.replacing,
            variables=tuple(cursor.named_by_variables),
            long_names=tuple(cursor.long_names),
            **parts,
        )

    def _new_name(self) -> tuple[bool, str]:
        if_not_exists = self.cursor.words("IF", "NOT", "EXISTS")
        return if_not_exists, self.cursor.relation_name()

    def _view(self) -> OtherStatement:
        cursor = self.cursor
        materialized = cursor.tokens[cursor.at - 2].is_word("MATERIALIZED")
        self._new_name()
        cursor.names(optional=True)
        read_with(cursor)
        cursor.need_word("AS")
        read_query(cursor)
        if materialized:
            self._emit()
        return self._other()

    def _emit(self) -> None:
        cursor = self.cursor
        if not cursor.word("EMIT"):
            return
        if cursor.word("ON"):
            cursor.need_word("WINDOW", "CLOSE")
        elif not cursor.word("IMMEDIATELY"):
            raise cursor.expected(
                "IMMEDIATELY or ON WINDOW CLOSE after EMIT", nearest=("IMMEDIATELY", "ON")
            )

    def _subscription(self) -> OtherStatement:
        cursor = self.cursor
        self._new_name()
        if not cursor.word("FROM"):
            raise cursor.expected(
                "FROM after CREATE SUBSCRIPTION subscription_name", nearest=("FROM",)
            )
        cursor.object_name()
        cursor.need_word("WITH")
        read_options(cursor)
        return self._other()

    def _index(self) -> OtherStatement:
        cursor = self.cursor
        self._new_name()
        read_index(cursor)
        return self._other()

    def _schema(self) -> OtherStatement:
        cursor = self.cursor
        cursor.words("IF", "NOT", "EXISTS")
        if not cursor.peek().is_word("AUTHORIZATION"):
            cursor.object_name()
        if cursor.word("AUTHORIZATION"):
            cursor.object_name()
        return self._other()

    def _database(self) -> OtherStatement:
        self._new_name()
        read_database(self.cursor)
        return self._other()

    def _passing(self, read: Callable[[Cursor], None]) -> Callable[[], OtherStatement]:
        def reader() -> OtherStatement:
            read(self.cursor)
            return self._other()

        return reader

    # The others -------------------------------------------------------------------------------

    def _explain(self) -> OtherStatement:
        cursor = self.cursor
        analyze = cursor.word("ANALYZE")
        option = cursor.peek(1)
        if cursor.peek().is_symbol("(") and option.is_name and option.name in _EXPLAIN_OPTIONS:
            cursor.skip_parentheses()
        if analyze and cursor.peek().is_word("TABLE", "INDEX", "SINK", "MATERIALIZED", "ID"):
            return self._rest_unread()
        start = cursor.at
        inner = self._statement()
        if isinstance(inner, CreateStatement):
            inner = replace(inner, text=cursor.text(start), line=cursor.tokens[start].line)
        return self._other(inner)

    def _drop(self) -> ParsedStatement:
        cursor = self.cursor
        if cursor.word("FUNCTION", "AGGREGATE"):
            read_dropped_functions(cursor)
            return self._other()
        if cursor.words("MATERIALIZED", "VIEW"):
            kind = "materialized view"
        elif cursor.peek().is_word(*_DROPPED):
            kind = cursor.name()
        else:
            raise cursor.expected(
                "TABLE, VIEW, INDEX, MATERIALIZED VIEW, SOURCE, SINK, SUBSCRIPTION, SCHEMA, "
                "DATABASE, USER, SECRET or CONNECTION after DROP",
                nearest=(*_DROPPED, "MATERIALIZED"),
            )
        if_exists = cursor.words("IF", "EXISTS")
        name = cursor.object_name()
        cascade = cursor.word("CASCADE")
        if not cascade:
            cursor.word("RESTRICT")
        return DropStatement(kind, name, cursor.text(), cursor.line, if_exists, cascade)

    def _show(self) -> ParsedStatement:
        cursor = self.cursor
        if cursor.word("CREATE"):
            return self._show_create()
        first = cursor.peek()
        if cursor.word(*_SHOWN_OF_SCHEMA) or cursor.words("MATERIALIZED", "VIEWS"):
            self._of_schema()
        elif cursor.word("INTERNAL"):
            cursor.need_word("TABLES")
            self._of_schema()
        elif cursor.word("COLUMNS", "INDEXES"):
            cursor.need_word("FROM")
            cursor.object_name()
            self._filter()
        elif cursor.word(*_SHOWN_OF_ALL):
            self._filter()
        elif cursor.word("TRANSACTION"):
            cursor.need_word("ISOLATION", "LEVEL")
        elif cursor.word("SUBSCRIPTION"):
            cursor.need_word("CURSORS")
        elif cursor.word("CURSORS"):
            pass
        elif first.is_word("MATERIALIZED"):
            cursor.at += 1
            raise cursor.expected("VIEWS after MATERIALIZED", nearest=("VIEWS",))
        else:  # SHOW and a variable: RisingWave reads whatever follows as its name
            cursor.at = len(cursor.tokens) - 1
        return self._other()

    def _of_schema(self) -> None:
        if self.cursor.word("FROM"):
            self.cursor.name()
        self._filter()

    def _filter(self) -> None:
        if self.cursor.word("LIKE"):
            self.cursor.string()
        elif self.cursor.word("WHERE"):
            read_expression(self.cursor)

    def _show_create(self) -> ShowCreateStatement:
        cursor = self.cursor
        if cursor.word("MATERIALIZED"):
            if not cursor.word("VIEW"):
                raise cursor.expected("VIEW after MATERIALIZED", nearest=("VIEW",))
            kind = "materialized view"
        elif cursor.peek().is_word(*_SHOWN_CREATED):
            kind = cursor.name()
        else:
            raise cursor.expected(
                "TABLE, MATERIALIZED VIEW, VIEW, INDEX, FUNCTION, SOURCE, SUBSCRIPTION or SINK",
                nearest=(*_SHOWN_CREATED, "MATERIALIZED"),
            )
        return ShowCreateStatement(kind, cursor.object_name(), cursor.text(), cursor.line)

    def _set(self) -> ParsedStatement:
        cursor = self.cursor
        if not cursor.word("LOCAL"):
            cursor.word("SESSION")
        if cursor.words("TIME", "ZONE"):
            if cursor.word("INTERVAL"):
                cursor.string()
                cursor.words("HOUR", "TO", "MINUTE")
            elif cursor.peek().is_name:
                cursor.name()
            else:
                read_value(cursor, secrets=False)
            return self._other()
        if cursor.peek().is_word("CHARACTERISTICS", "TRANSACTION"):
            return self._rest_unread()
        name = cursor.name()
        if not cursor.symbol("=") and not cursor.word("TO"):
            raise cursor.expected("'=' or 'TO' after config parameter", nearest=("TO",))
        start = cursor.at
        read_set_value(cursor)
        value = cursor.tokens[start].value if cursor.at == start + 1 else cursor.text(start)
        return SetStatement(name, value, cursor.text(), cursor.line)

    def _alter(self) -> OtherStatement:
        if read_alter(self.cursor):
            return self._other()
        if self.cursor.words("DEFAULT", "PRIVILEGES") or self.cursor.word("FRAGMENT"):
            return self._names_unread()
        if self.cursor.since("3.1") and self.cursor.words("COMPACTION", "GROUP"):
            return self._names_unread()
        raise self.cursor.expected("an object type after ALTER", nearest=_ALTERED)

    def _insert(self) -> OtherStatement:
        cursor = self.cursor
        cursor.need_word("INTO")
        cursor.object_name()
        cursor.names(optional=True)
        read_query(cursor)
        return self._returning()

    def _update(self) -> OtherStatement:
        cursor = self.cursor
        cursor.object_name()
        cursor.need_word("SET")
        while True:
            if cursor.peek().is_symbol("("):
                cursor.names()
            else:
                cursor.name()
            cursor.need_symbol("=")
            if not cursor.word("DEFAULT"):
                read_expression(cursor)
            if not cursor.symbol(","):
                break
        return self._where()

    def _delete(self) -> OtherStatement:
        self.cursor.need_word("FROM")
        self.cursor.object_name()
        return self._where()

    def _where(self) -> OtherStatement:
        if self.cursor.word("WHERE"):
            read_expression(self.cursor)
        return self._returning()

    def _returning(self) -> OtherStatement:
        if self.cursor.word("RETURNING"):
            return self._rest_unread()
        return self._other()


def _connector_text(options: tuple[SqlOption, ...]) -> str:
    return next((option.source for option in options if option.name == "connector"), "")
