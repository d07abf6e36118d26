"""Read a query, and the expressions in it, the way RisingWave's parser does.

Nothing is built: what is read stays text. The rules are those of ``parse_query`` and
``parse_expr`` in ``src/sqlparser/src/parser.rs`` and of ``parser_v2/expr.rs``.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum, auto

from rwlib.sql.language.cursor import RESERVED, Cursor
from rwlib.sql.language.data_types import read_data_type
from rwlib.sql.language.tokens import SqlSyntaxError, Token

_NO_ALIAS = """
WITH EXPLAIN ANALYZE SELECT WHERE GROUP SORT HAVING ORDER TOP LATERAL VIEW LIMIT OFFSET FETCH
UNION EXCEPT INTERSECT CLUSTER
"""
_NO_COLUMN_ALIAS = frozenset((*_NO_ALIAS.split(), "FROM"))
_NO_ALIAS_OF_A_TABLE = """
ON JOIN INNER CROSS FULL LEFT RIGHT NATURAL ASOF USING OUTER SET RETURNING EMIT WINDOW
"""
_NO_TABLE_ALIAS = frozenset((*_NO_ALIAS.split(), *_NO_ALIAS_OF_A_TABLE.split()))
_UNITS = ("YEAR", "MONTH", "DAY", "HOUR", "MINUTE", "SECOND")
_STRINGS = ("string", "escaped", "dollar", "national", "hex")
_QUERY_WORDS = ("SELECT", "VALUES", "WITH")


class _Power(IntEnum):
    """How tightly an operator binds, the loosest first."""

    ZERO = auto()
    OR = auto()
    XOR = auto()
    AND = auto()
    NOT = auto()
    IS = auto()
    COMPARE = auto()
    LIKE = auto()
    BETWEEN = auto()
    OTHER = auto()
    PLUS = auto()
    TIMES = auto()
    EXPONENT = auto()
    AT = auto()
    COLLATE = auto()
    SIGN = auto()
    INDEX = auto()
    CAST = auto()


_WORD_POWERS = {
    **{"OR": _Power.OR, "XOR": _Power.XOR, "AND": _Power.AND},
    **dict.fromkeys(("IS", "ISNULL", "NOTNULL"), _Power.IS),
    **dict.fromkeys(("IN", "BETWEEN"), _Power.BETWEEN),
    **dict.fromkeys(("LIKE", "ILIKE", "SIMILAR"), _Power.LIKE),
    **dict.fromkeys(("ALL", "ANY", "SOME"), _Power.OTHER),
}
_SYMBOL_POWERS = {
    **dict.fromkeys(("=", "<", "<=", "<>", "!=", ">", ">="), _Power.COMPARE),
    **dict.fromkeys(("+", "-"), _Power.PLUS),
    **dict.fromkeys(("*", "/", "%"), _Power.TIMES),
    **{"^": _Power.EXPONENT, "[": _Power.INDEX, "::": _Power.CAST, "|": _Power.OTHER},
}
_PUNCTUATION = frozenset(("(", ")", ",", ".", ":", ";", "\\", "[", "]", "{", "}", "=>"))


def read_query(cursor: Cursor) -> str:
    """Move past a query and return it as it was written."""
    start = cursor.at
    _query(cursor)
    return cursor.text(start)


def read_expression(cursor: Cursor) -> str:
    """Move past an expression and return it as it was written."""
    start = cursor.at
    _expression(cursor)
    return cursor.text(start)


def read_function(cursor: Cursor) -> None:
    """Move past the call of a function."""
    _function(cursor)


# Queries ----------------------------------------------------------------------------------------


def _query(cursor: Cursor) -> None:
    cursor.deeper()
    if cursor.word("WITH"):
        cursor.word("RECURSIVE")
        _list(cursor, _common_table)
    _body(cursor, 0)
    ordered = cursor.words("ORDER", "BY")
    if ordered:
        _list(cursor, _order_item)
    limited = skipped = False
    for _ in range(2):
        if not limited and cursor.word("LIMIT"):
            limited = not cursor.word("ALL")
            if limited:
                _expression(cursor)
        if not skipped and cursor.word("OFFSET"):
            skipped = True
            _number(cursor)
            if cursor.symbol("::"):
                cursor.need_word("BIGINT")
            cursor.word("ROW", "ROWS")
    if cursor.word("FETCH"):
        if limited:
            last = cursor.tokens[cursor.at - 1]
            raise cursor.error("Cannot specify both LIMIT and FETCH", last)
        _fetch(cursor, ordered)
    cursor.higher()


def _common_table(cursor: Cursor) -> None:
    cursor.name(reserved=False)
    if not cursor.peek().is_word("AS"):
        cursor.names(optional=True)
    cursor.need_word("AS")
    if cursor.symbol("("):
        _query(cursor)
        cursor.need_symbol(")")
        return
    token = cursor.peek()
    if cursor.name(reserved=False).lower() != "changelog":
        raise cursor.error(f"Expected 'changelog' but found '{token.shown}'", token)
    cursor.need_word("FROM")
    cursor.object_name()


def _body(cursor: Cursor, binding: int) -> None:
    if cursor.word("SELECT"):
        _select(cursor)
    elif cursor.symbol("("):
        _query(cursor)
        cursor.need_symbol(")")
    elif cursor.word("VALUES"):
        _list(cursor, _row)
    else:
        raise cursor.expected(
            "SELECT, VALUES, or a subquery in the query body", nearest=_QUERY_WORDS
        )
    while True:
        if cursor.peek().is_word("UNION", "EXCEPT"):
            own = 10
        elif cursor.peek().is_word("INTERSECT"):
            own = 20
        else:
            return
        if binding >= own:
            return
        cursor.at += 1
        cursor.word("ALL")
        if cursor.word("CORRESPONDING") and cursor.word("BY"):
            cursor.names()
        _body(cursor, own)


def _select(cursor: Cursor) -> None:
    if cursor.word("DISTINCT"):
        if cursor.word("ON"):
            _in_parentheses(cursor, lambda inner: _list(inner, _expression))
    else:
        cursor.word("ALL")
    _list(cursor, _select_item)
    if cursor.word("FROM"):
        _list(cursor, _joined)
    while cursor.words("LATERAL", "VIEW"):
        cursor.word("OUTER")
        _expression(cursor)
        cursor.object_name()
        _list(cursor, lambda inner: _alias(inner, _NO_COLUMN_ALIAS))
    if cursor.word("WHERE"):
        _expression(cursor)
    if cursor.words("GROUP", "BY"):
        _list(cursor, _group_item)
    if cursor.word("HAVING"):
        _expression(cursor)
    if cursor.word("WINDOW"):
        _list(cursor, _named_window)


def _select_item(cursor: Cursor) -> None:
    if not _wildcard_or_expression(cursor):
        _alias(cursor, _NO_COLUMN_ALIAS)


def _wildcard_or_expression(cursor: Cursor) -> bool:
    """Move past ``*``, ``a.b.*``, ``(x).*`` or an expression; tell whether it was a wildcard."""
    if cursor.symbol("*"):
        _except(cursor)
        return True
    start = cursor.at
    token, following = cursor.peek(), cursor.peek(1)
    if token.is_name and following.is_symbol("."):
        cursor.name()
        if _star_after_dots(cursor):
            return True
    elif token.is_symbol("(") and cursor.after_parentheses().is_symbol("."):
        cursor.at += 1
        _expression(cursor)
        if cursor.symbol(")") and _star_after_dots(cursor):
            return True
    cursor.at = start
    _expression(cursor)
    return False


def _star_after_dots(cursor: Cursor) -> bool:
    while cursor.symbol("."):
        if cursor.symbol("*"):
            _except(cursor)
            return True
        if not cursor.peek().is_name:
            raise cursor.expected("an identifier or a '*' after '.'")
        cursor.name()
    return False


def _except(cursor: Cursor) -> None:
    if cursor.word("EXCEPT"):
        if not cursor.peek().is_symbol("("):
            raise cursor.expected("EXCEPT should be followed by (")
        _in_parentheses(cursor, lambda inner: _list(inner, _expression))


def _group_item(cursor: Cursor) -> None:
    if cursor.words("GROUPING", "SETS") or cursor.word("CUBE", "ROLLUP"):
        _in_parentheses(cursor, lambda inner: _list(inner, _grouped))
    else:
        _expression(cursor)


def _grouped(cursor: Cursor) -> None:
    if not cursor.symbol("("):
        _expression(cursor)
    elif not cursor.symbol(")"):
        _list(cursor, _expression)
        cursor.need_symbol(")")


def _joined(cursor: Cursor) -> bool:
    """Move past a table and its joins; tell whether anything is joined."""
    _table_factor(cursor)
    joined = False
    while True:
        if cursor.word("CROSS"):
            if not cursor.word("JOIN"):
                raise cursor.expected("JOIN after CROSS", nearest=("JOIN",))
            _table_factor(cursor)
            joined = True
            continue
        natural = cursor.word("NATURAL")
        asof = not natural and cursor.word("ASOF")
        inner = _join_type(cursor, natural, asof)
        if inner is None:
            return joined
        needs_condition = asof or inner
        _table_factor(cursor)
        if not natural:
            if cursor.word("ON"):
                _expression(cursor)
            elif cursor.word("USING"):
                cursor.names()
            elif needs_condition:
                raise cursor.expected("join constraint after INNER JOIN", nearest=("ON", "USING"))
        joined = True


def _join_type(cursor: Cursor, natural: bool, asof: bool) -> bool | None:
    """Move past the words of a join; tell whether it is an inner one, None where none follows."""
    if cursor.peek().is_word("INNER", "JOIN"):
        cursor.word("INNER")
        cursor.need_word("JOIN")
        return True
    if cursor.peek().is_word("LEFT", "RIGHT", "FULL"):
        if asof and not cursor.peek().is_word("LEFT"):
            raise cursor.expected("LEFT after ASOF. RIGHT or FULL are not supported")
        cursor.at += 1
        cursor.word("OUTER")
        cursor.need_word("JOIN")
        return False
    if cursor.peek().is_word("OUTER"):
        raise cursor.expected("LEFT, RIGHT, or FULL")
    if natural or asof:
        raise cursor.expected(f"a join type after {'NATURAL' if natural else 'ASOF'}")
    return None


def _table_factor(cursor: Cursor) -> bool:
    """Move past what stands for a table; tell whether it is joined tables in parentheses."""
    if cursor.word("LATERAL"):
        if not cursor.peek().is_symbol("("):
            raise cursor.expected("subquery after LATERAL")
        _in_parentheses(cursor, _query)
        _table_alias(cursor)
        return False
    if cursor.symbol("("):
        return _in_table_parentheses(cursor)
    cursor.relation_name()
    if cursor.peek().is_symbol("("):
        _arguments(cursor)
        cursor.words("WITH", "ORDINALITY")
    elif cursor.peek().is_word("FOR") and cursor.peek(1).is_word("SYSTEM_TIME", "SYSTEM_VERSION"):
        _as_of(cursor)
    _table_alias(cursor)
    return False


def _in_table_parentheses(cursor: Cursor) -> bool:
    start = cursor.at
    if cursor.peek().is_word(*_QUERY_WORDS):
        _query(cursor)
        cursor.need_symbol(")")
        _table_alias(cursor)
        return False
    if cursor.peek().is_symbol("("):
        try:
            _query(cursor)
            cursor.need_symbol(")")
        except SqlSyntaxError:
            cursor.at = start
        else:
            _table_alias(cursor)
            return False
    cursor.deeper()
    nested = cursor.peek().is_symbol("(")
    joined = _joined(cursor)
    if not joined and not nested:
        raise cursor.expected("joined table")
    cursor.need_symbol(")")
    cursor.higher()
    return True


def _as_of(cursor: Cursor) -> None:
    cursor.at += 1
    is_time = cursor.word("SYSTEM_TIME") or not cursor.word("SYSTEM_VERSION")
    cursor.need_word("AS", "OF")
    token = cursor.peek()
    if token.kind in ("number", "string"):
        cursor.at += 1
    elif is_time and token.kind == "word" and token.name in ("now", "proctime"):
        cursor.at += 1
        cursor.need_symbol("(")
        cursor.need_symbol(")")
        if token.name == "now" and cursor.symbol("-"):
            _interval(cursor)  # the word INTERVAL is refused here, and a unit is demanded
            if not cursor.tokens[cursor.at - 1].is_word(*_UNITS):
                raise cursor.expected("a unit of time", nearest=_UNITS)
    else:
        raise cursor.expected("proctime(), now(), number or string")


def _alias(cursor: Cursor, refused: frozenset[str]) -> bool:
    if cursor.word("AS"):
        if not cursor.peek().is_name:
            raise cursor.expected("an identifier after AS")
        cursor.name()
        return True
    token = cursor.peek()
    if token.is_name and not (token.kind == "word" and token.value.upper() in refused):
        cursor.name()
        return True
    return False


def _table_alias(cursor: Cursor) -> None:
    if _alias(cursor, _NO_TABLE_ALIAS):
        cursor.names(optional=True)


def read_orderings(cursor: Cursor) -> None:
    """Move past a list of expressions to order by."""
    _list(cursor, _order_item)


def _order_item(cursor: Cursor) -> None:
    _expression(cursor)
    cursor.word("ASC", "DESC")
    if not cursor.words("NULLS", "FIRST"):
        cursor.words("NULLS", "LAST")


def _fetch(cursor: Cursor, ordered: bool) -> None:
    if not cursor.word("FIRST", "NEXT"):
        raise cursor.expected("FIRST or NEXT")
    if not cursor.word("ROW", "ROWS"):
        _number(cursor)
        if not cursor.word("ROW", "ROWS"):
            raise cursor.expected("ROW or ROWS")
    if cursor.words("WITH", "TIES"):
        if not ordered:
            last = cursor.tokens[cursor.at - 1]
            raise cursor.error("WITH TIES cannot be specified without ORDER BY clause", last)
    elif not cursor.word("ONLY"):
        raise cursor.expected("one of ONLY or WITH TIES")


def _named_window(cursor: Cursor) -> None:
    cursor.name()
    cursor.need_word("AS")
    _in_parentheses(cursor, _window)


def _window(cursor: Cursor) -> None:
    if cursor.words("PARTITION", "BY"):
        _list(cursor, _expression)
    if cursor.words("ORDER", "BY"):
        _list(cursor, _order_item)
    if cursor.peek().is_symbol(")"):
        return
    if not cursor.word("ROWS", "RANGE", "GROUPS", "SESSION"):
        raise cursor.expected("ROWS, RANGE, or GROUPS")
    if cursor.word("BETWEEN"):
        _frame_bound(cursor)
        cursor.need_word("AND")
        _frame_bound(cursor)
    elif cursor.words("WITH", "GAP"):
        _expression(cursor)
    else:
        _frame_bound(cursor)
    if cursor.word("EXCLUDE") and not (
        cursor.words("CURRENT", "ROW")
        or cursor.word("GROUP", "TIES")
        or cursor.words("NO", "OTHERS")
    ):
        raise cursor.expected("CURRENT ROW, GROUP, TIES, or NO OTHERS")


def _frame_bound(cursor: Cursor) -> None:
    if cursor.words("CURRENT", "ROW"):
        return
    if not cursor.word("UNBOUNDED"):
        _expression(cursor)
    if not cursor.word("PRECEDING", "FOLLOWING"):
        raise cursor.expected("PRECEDING or FOLLOWING")


def _row(cursor: Cursor) -> None:
    _in_parentheses(cursor, lambda inner: _list(inner, _expression))


# Expressions ------------------------------------------------------------------------------------


def _expression(cursor: Cursor, power: _Power = _Power.ZERO) -> str:
    """Move past an expression; tell what it is where that matters (``query`` or empty)."""
    cursor.deeper()
    what = _prefix(cursor)
    while (following := _following_power(cursor)) > power:
        _infix(cursor, following)
        what = ""
    cursor.higher()
    return what


def _prefix(cursor: Cursor) -> str:
    what = "" if _typed_literal(cursor) else _operand(cursor)
    if cursor.word("COLLATE"):
        cursor.object_name()
        what = ""
    return what


def _typed_literal(cursor: Cursor) -> bool:
    """Move past ``DATE '…'`` or ``INTERVAL '…' …``, if one stands there."""
    token = cursor.peek()
    if token.kind != "word" or token.value.upper() in RESERVED:
        return False
    start = cursor.at
    if cursor.word("INTERVAL"):
        try:
            _interval(cursor)
        except SqlSyntaxError:
            cursor.at = start
            return False
        return True
    try:
        data_type = read_data_type(cursor)
        if data_type.outer.known:
            cursor.string()
            return True
    except SqlSyntaxError:
        pass
    cursor.at = start
    return False


def _operand(cursor: Cursor) -> str:
    token = cursor.peek()
    if token.kind in (*_STRINGS, "number", "parameter"):
        cursor.at += 1
        return ""
    if token.kind == "quoted":
        return _name_or_call(cursor)
    if token.kind in ("word", "variable"):
        return _word_operand(cursor, token)
    if token.kind == "symbol":
        if token.value in ("+", "-"):
            cursor.at += 1
            _expression(cursor, _Power.SIGN)
            return ""
        if token.value == "|":
            cursor.at += 1
            _list(cursor, lambda inner: inner.name())
            cursor.need_symbol("|")
            _expression(cursor)
            return ""
        if token.value == "(":
            return _parenthesized(cursor)
        if _is_custom_operator(token):
            cursor.at += 1
            _expression(cursor, _Power.OTHER)
            return ""
    raise cursor.expected("an expression")


def _word_operand(cursor: Cursor, token: Token) -> str:
    word = token.value.upper() if token.kind == "word" else ""
    following = cursor.peek(1)
    reader = _WORD_READERS.get(word)
    if reader is not None:
        cursor.at += 1
        reader(cursor)
    elif word == "ARRAY" and following.is_symbol("("):
        cursor.at += 1
        _in_parentheses(cursor, _query)
    elif word == "ARRAY" and following.is_symbol("["):
        cursor.at += 1
        _array(cursor, 0, [])
    elif word == "MAP" and following.is_symbol("{"):
        cursor.at += 1
        _map(cursor)
    elif word in ("LEFT", "RIGHT", "AGGREGATE"):
        _function(cursor)
    elif word == "OPERATOR" and following.is_symbol("("):
        cursor.at += 1
        _qualified_operator(cursor)
        _expression(cursor, _Power.OTHER)
    elif word in ("ALL", "ANY", "SOME"):
        cursor.at += 1
        _quantified(cursor)
    else:
        return _name_or_call(cursor)
    return ""


def _name_or_call(cursor: Cursor) -> str:
    start = cursor.at
    cursor.name(reserved=False)
    if cursor.peek().is_symbol("(") or cursor.peek().is_symbol("."):
        cursor.at = start
        cursor.object_name()
        if cursor.peek().is_symbol("("):
            cursor.at = start
            _function(cursor)
    return ""


def _parenthesized(cursor: Cursor) -> str:
    cursor.need_symbol("(")
    what = ""
    if cursor.peek().is_word("SELECT", "WITH"):
        _query(cursor)
        what = "query"
        count = 0
    else:
        count = _list(cursor, _expression)
    cursor.need_symbol(")")
    if count == 1:
        while cursor.symbol("."):
            cursor.name()
    return what


def _quantified(cursor: Cursor) -> None:
    cursor.need_symbol("(")
    token = cursor.peek()
    if _expression(cursor) == "query":
        raise cursor.error("ANY/SOME/ALL(Subquery) is not implemented", token)
    cursor.need_symbol(")")


def _function(cursor: Cursor) -> None:
    if cursor.word("AGGREGATE"):
        cursor.need_symbol(":")
    cursor.object_name()
    _arguments(cursor)
    if cursor.words("WITHIN", "GROUP"):
        cursor.need_symbol("(")
        cursor.need_word("ORDER", "BY")
        _order_item(cursor)
        cursor.need_symbol(")")
    if cursor.word("FILTER"):
        cursor.need_symbol("(")
        cursor.need_word("WHERE")
        _expression(cursor)
        cursor.need_symbol(")")
    if cursor.word("OVER"):
        if cursor.peek().is_symbol("("):
            _in_parentheses(cursor, _window)
        else:
            cursor.name()


def _arguments(cursor: Cursor) -> None:
    cursor.need_symbol("(")
    if cursor.symbol(")"):
        return
    if not cursor.word("DISTINCT"):
        cursor.word("ALL")
    _list(cursor, _argument)
    if cursor.words("ORDER", "BY"):
        _list(cursor, _order_item)
    cursor.words("IGNORE", "NULLS")
    cursor.need_symbol(")")


def _argument(cursor: Cursor) -> None:
    cursor.word("VARIADIC")
    if cursor.peek(1).is_symbol("=>"):
        cursor.name()
        cursor.need_symbol("=>")
    if cursor.word("SECRET"):
        cursor.object_name()
        cursor.words("AS", "FILE")
    else:
        _wildcard_or_expression(cursor)


def _case(cursor: Cursor) -> None:
    if not cursor.peek().is_word("WHEN"):
        _expression(cursor)
    while True:
        cursor.need_word("WHEN")
        _expression(cursor)
        cursor.need_word("THEN")
        _expression(cursor)
        if not cursor.peek().is_word("WHEN"):
            break
    if cursor.word("ELSE"):
        _expression(cursor)
    cursor.need_word("END")


def _cast(cursor: Cursor) -> None:
    cursor.need_symbol("(")
    _expression(cursor)
    cursor.need_word("AS")
    read_data_type(cursor)
    cursor.need_symbol(")")


def _exists(cursor: Cursor) -> None:
    _in_parentheses(cursor, _query)


def _extract(cursor: Cursor) -> None:
    cursor.need_symbol("(")
    token = cursor.peek()
    if not token.is_name and token.kind != "string":
        raise cursor.expected("date/time field")
    cursor.at += 1
    cursor.need_word("FROM")
    _expression(cursor)
    cursor.need_symbol(")")


def _substring(cursor: Cursor) -> None:
    cursor.need_symbol("(")
    _expression(cursor)
    if cursor.symbol(",") or cursor.word("FROM"):
        _expression(cursor)
    if cursor.symbol(",") or cursor.word("FOR"):
        _expression(cursor)
    cursor.need_symbol(")")


def _position(cursor: Cursor) -> None:
    cursor.need_symbol("(")
    _expression(cursor, _Power.BETWEEN)
    cursor.need_word("IN")
    _expression(cursor, _Power.BETWEEN)
    cursor.need_symbol(")")


def _overlay(cursor: Cursor) -> None:
    cursor.need_symbol("(")
    _expression(cursor)
    cursor.need_word("PLACING")
    _expression(cursor)
    cursor.need_word("FROM")
    _expression(cursor)
    if cursor.word("FOR"):
        _expression(cursor)
    cursor.need_symbol(")")


def _trim(cursor: Cursor) -> None:
    cursor.need_symbol("(")
    cursor.word("BOTH", "LEADING", "TRAILING")
    named = cursor.word("FROM")
    _expression(cursor)
    if not named and cursor.word("FROM"):
        named = True
        _expression(cursor)
    if cursor.symbol(","):
        _expression(cursor)
    cursor.need_symbol(")")


def _row_constructor(cursor: Cursor) -> None:
    cursor.need_symbol("(")
    if not cursor.symbol(")"):
        _list(cursor, _expression)
        cursor.need_symbol(")")


def _interval(cursor: Cursor) -> None:
    cursor.string()
    seconds = cursor.peek().is_word("SECOND")
    if cursor.word(*_UNITS) and seconds:
        if cursor.symbol("("):
            cursor.integer()
            if cursor.symbol(","):
                cursor.integer()
            cursor.need_symbol(")")
        return
    _precision(cursor)
    if cursor.word("TO"):
        seconds = cursor.peek().is_word("SECOND")
        if not cursor.word(*_UNITS):
            raise cursor.expected("date/time field")
        if seconds:
            _precision(cursor)


def _precision(cursor: Cursor) -> None:
    if cursor.symbol("("):
        cursor.integer()
        cursor.need_symbol(")")


def _array(cursor: Cursor, depth: int, deepest: list[int]) -> None:
    cursor.deeper()
    cursor.need_symbol("[")
    if deepest and depth > deepest[0]:
        raise cursor.expected("]")
    if cursor.peek().is_symbol("["):
        _list(cursor, lambda inner: _array(inner, depth + 1, deepest))
    else:
        if deepest and depth < deepest[0]:
            raise cursor.expected("[")
        deepest[:] = [depth]
        if not cursor.peek().is_symbol("]"):
            _list(cursor, _expression)
    cursor.need_symbol("]")
    cursor.higher()


def _map(cursor: Cursor) -> None:
    cursor.need_symbol("{")
    if cursor.symbol("}"):
        return
    _list(cursor, _map_entry)
    cursor.need_symbol("}")


def _map_entry(cursor: Cursor) -> None:
    _expression(cursor)
    cursor.need_symbol(":")
    _expression(cursor)


def _qualified_operator(cursor: Cursor) -> None:
    cursor.need_symbol("(")
    if cursor.peek().is_name:
        cursor.name(reserved=False)
        cursor.need_symbol(".")
    token = cursor.peek()
    if token.kind != "symbol" or token.value in _PUNCTUATION - {"=>"}:
        raise cursor.expected("an operator")
    cursor.at += 1
    cursor.need_symbol(")")


def _not(cursor: Cursor) -> None:
    _expression(cursor, _Power.NOT)


def _nothing(cursor: Cursor) -> None:
    """TRUE, FALSE and NULL stand alone."""


_WORD_READERS: dict[str, Callable[[Cursor], None]] = {
    **dict.fromkeys(("TRUE", "FALSE", "NULL"), _nothing),
    **dict.fromkeys(("CAST", "TRY_CAST"), _cast),
    "CASE": _case,
    "EXISTS": _exists,
    "EXTRACT": _extract,
    "SUBSTRING": _substring,
    "POSITION": _position,
    "OVERLAY": _overlay,
    "TRIM": _trim,
    "INTERVAL": _interval,
    "NOT": _not,
    "ROW": _row_constructor,
}


# Operators --------------------------------------------------------------------------------------


def _following_power(cursor: Cursor) -> _Power:
    token = cursor.peek()
    if token.kind == "symbol":
        if token.value in _SYMBOL_POWERS:
            return _SYMBOL_POWERS[token.value]
        return _Power.OTHER if _is_custom_operator(token) else _Power.ZERO
    if token.kind != "word":
        return _Power.ZERO
    word = token.value.upper()
    if word == "AT":
        zoned = cursor.peek(1).is_word("TIME") and cursor.peek(2).is_word("ZONE")
        return _Power.AT if zoned else _Power.ZERO
    if word == "NOT":
        if cursor.peek(1).is_word("BETWEEN", "IN"):
            return _Power.BETWEEN
        if cursor.peek(1).is_word("LIKE", "ILIKE", "SIMILAR"):
            return _Power.LIKE
        return _Power.ZERO
    if word == "OPERATOR":
        return _Power.OTHER if cursor.peek(1).is_symbol("(") else _Power.ZERO
    return _WORD_POWERS.get(word, _Power.ZERO)


def _infix(cursor: Cursor, power: _Power) -> None:
    token = cursor.peek()
    cursor.at += 1
    if token.is_symbol("::"):
        read_data_type(cursor)
    elif token.is_symbol("["):
        _index(cursor)
    elif token.kind == "symbol" or token.is_word("AND", "OR", "XOR"):
        _expression(cursor, power)
    elif token.is_word("OPERATOR"):
        _qualified_operator(cursor)
        _expression(cursor, power)
    elif token.is_word("IS"):
        _is(cursor)
    elif token.is_word("AT"):
        cursor.need_word("TIME", "ZONE")
        _expression(cursor, power)
    elif token.is_word("ALL", "ANY", "SOME"):
        _quantified(cursor)
    elif token.is_word("NOT", "IN", "BETWEEN", "LIKE", "ILIKE", "SIMILAR"):
        cursor.at -= 1
        cursor.word("NOT")
        _comparison(cursor)
    else:
        raise cursor.error(f"No infix parser for token {token.shown}", token)


def _comparison(cursor: Cursor) -> None:
    if cursor.word("IN"):
        cursor.need_symbol("(")
        if cursor.peek().is_word("SELECT", "WITH"):
            _query(cursor)
        else:
            _list(cursor, _expression)
        cursor.need_symbol(")")
    elif cursor.word("BETWEEN"):
        _expression(cursor, _Power.BETWEEN)
        cursor.need_word("AND")
        _expression(cursor, _Power.BETWEEN)
    elif cursor.word("LIKE", "ILIKE") or cursor.words("SIMILAR", "TO"):
        _expression(cursor, _Power.LIKE)
        if cursor.word("ESCAPE") and len(cursor.string()) > 1:
            last = cursor.tokens[cursor.at - 1]
            raise cursor.error("Escape string must be empty or one character", last)
    else:
        raise cursor.expected("IN, BETWEEN or SIMILAR TO after NOT")


def _is(cursor: Cursor) -> None:
    cursor.word("NOT")
    if cursor.word("TRUE", "FALSE", "UNKNOWN", "NULL"):
        return
    if cursor.words("DISTINCT", "FROM"):
        _expression(cursor)
    elif cursor.word("JSON"):
        cursor.word("VALUE", "ARRAY", "OBJECT", "SCALAR")
        if cursor.word("WITH", "WITHOUT"):
            cursor.need_word("UNIQUE")
            cursor.word("KEYS")
    else:
        raise cursor.expected(
            "[NOT] { TRUE | FALSE | UNKNOWN | NULL | DISTINCT FROM | JSON } after IS",
            nearest=("TRUE", "FALSE", "UNKNOWN", "NULL", "DISTINCT", "JSON"),
        )


def _index(cursor: Cursor) -> None:
    while True:
        if not cursor.peek().is_symbol(":"):
            _expression(cursor)
        if cursor.symbol(":") and not cursor.peek().is_symbol("]"):
            _expression(cursor)
        cursor.need_symbol("]")
        if not cursor.symbol("["):
            return


def _is_custom_operator(token: Token) -> bool:
    """Tell whether a symbol is an operator that has no meaning of its own in the grammar."""
    if token.kind != "symbol" or not token.value.isascii():
        return False
    return (
        token.value not in _PUNCTUATION
        and token.value not in _SYMBOL_POWERS
        and all(character in "+-*/<>=~!@#%^&|`?" for character in token.value)
    )


# Small things -----------------------------------------------------------------------------------


def _list(cursor: Cursor, read: Callable[[Cursor], object]) -> int:
    """Move past things separated by commas and return how many they are."""
    read(cursor)
    count = 1
    while cursor.symbol(","):
        read(cursor)
        count += 1
    return count


def _in_parentheses(cursor: Cursor, read: Callable[[Cursor], object]) -> None:
    cursor.need_symbol("(")
    read(cursor)
    cursor.need_symbol(")")


def _number(cursor: Cursor) -> None:
    if cursor.peek().kind != "number":
        raise cursor.expected("a number")
    cursor.at += 1
