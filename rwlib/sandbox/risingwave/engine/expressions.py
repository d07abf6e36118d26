"""RisingWave's expressions in SQLite's words, and the types of what a query selects.

SQLite knows no booleans, numerics or times. Columns keep them as it can (see `queries`), and what a
cast or a selected expression gives is read here from the text.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from rwlib.sandbox.risingwave.engine.kinds import is_defined, type_name
from rwlib.sql.language import Token, tokenize

NUMBERS = "rw_numeric"
TIMES = "rw_time"
CAST = "rw_cast"
_TIMED = ("date", "timestamp", "timestamptz")
_LITERALS = ("DATE", "TIME", "TIMESTAMP", "TIMESTAMPTZ")
_TYPE_WORDS = ("PRECISION", "VARYING", "WITH", "WITHOUT", "TIME", "ZONE")
_NO_ALIAS = ("NULL", "TRUE", "FALSE", "END")
_AFTER_ITEMS = ("FROM", "WHERE", "GROUP", "HAVING", "ORDER", "LIMIT", "UNION", "EXCEPT",
                "INTERSECT", "OFFSET", "WINDOW")  # fmt: skip
_NO_FUNCTION = ("SELECT", "IN", "AND", "OR", "NOT", "WHERE", "FROM", "BY", "ON", "VALUES", "AS",
                "WHEN", "THEN", "ELSE", "HAVING", "LIKE", "BETWEEN", "DISTINCT",
                "OVER")  # fmt: skip
_CONSTRUCTORS = {("ROW", "("): "json_array", ("ARRAY", "["): "", ("MAP", "{"): "json_array"}
_COMPARING = frozenset({"=", "<", ">", "<>", "!=", "<=", ">="})
_CALCULATING = frozenset("+-*/%")
_LOGICAL = ("AND", "OR", "NOT", "IS", "LIKE", "ILIKE", "IN", "BETWEEN", "EXISTS")
_SAME_AS_ARGUMENT = ("min", "max", "coalesce", "nullif", "first_value", "last_value", "abs")
_OF_FUNCTION = {
    "count": "int8",
    "row_number": "int8",
    "rank": "int8",
    "length": "int4",
    "now": "timestamptz",
    "version": "varchar",
}
_SUMS = {"int2": "int8", "int4": "int8", "int8": "numeric"}
_AVERAGES = {"float4": "float8", "float8": "float8"}


def collation_of(kind: str) -> str:
    """Name the order in which SQLite compares a type's texts; empty for its own."""
    return NUMBERS if kind == "numeric" else TIMES if kind in _TIMED else ""


def translated(
    text: str, names: Mapping[str, str] | None = None, *, exact_numbers: bool = False
) -> str:
    """Write what SQLite says otherwise: casts, typed literals, keys of JSON objects.

    Parameters
    ----------
    names
        The types of the columns that it may name.
    exact_numbers
        Write decimal numbers as texts, so that a numeric column gets every digit of them, and rows,
        arrays and maps as JSON, which a column of such a type reads.
    """
    tokens, names = tokenize(text)[:-1], names or {}
    bodies = [text[token.start : token.end] for token in tokens]
    before = [""] * len(tokens)
    after = [""] * len(tokens)
    for index, token in enumerate(tokens):
        arrow = _after_arrow(tokens, index)
        if token.kind in ("escaped", "dollar", "national") or (token.kind == "string" and arrow):
            bodies[index] = _quoted(f'$."{token.value}"' if arrow else token.value)
        elif (
            token.is_word("PG_CATALOG")
            and _symbol(tokens, index + 1, ".")
            and _symbol(tokens, index + 3, "(")
        ):
            # SQLite's functions are in no schema.
            bodies[index] = bodies[index + 1] = ""
        elif exact_numbers and _is_decimal(token):
            bodies[index] = _quoted(token.value)
    if exact_numbers:
        _construct(tokens, bodies)
    for start, end in _items(tokens):
        inner = _without_alias(tokens, start, end, {})
        if inner - start == 1 and _is_decimal(tokens[start]):
            bodies[start] = _quoted(tokens[start].value)
    _wrap_casts(tokens, names, bodies, before, after)
    pieces: list[str] = []
    at = 0
    for index, token in enumerate(tokens):
        pieces += [text[at : token.start], before[index], bodies[index], after[index]]
        at = token.end
    return "".join([*pieces, text[at:]])


def _wrap_casts(
    tokens: list[Token],
    names: Mapping[str, str],
    bodies: list[str],
    before: list[str],
    after: list[str],
) -> None:
    """Write casts as calls of a function of our own."""
    for cast in _casts(tokens):
        for index in cast.blank:
            bodies[index] = ""
        opening, closing = _wrapping(cast.kind)
        if (
            cast.kind == "varchar"
            and _type_of(tokens, cast.start, cast.last + 1, {}, names) == "bool"
        ):
            opening, closing = "CASE ", " WHEN 1 THEN 'true' WHEN 0 THEN 'false' END"
        elif cast.kind == "numeric" and _is_decimal(tokens[cast.last]):
            bodies[cast.last] = _quoted(tokens[cast.last].value)
        before[cast.start] = opening + before[cast.start]
        after[cast.last] += closing


def _construct(tokens: list[Token], bodies: list[str]) -> None:
    """Write ``ROW(…)``, ``ARRAY[…]`` and ``MAP {…}`` as JSON arrays, a map as pairs.

    Source: RisingWave's documentation, "Array", "Struct" and "Map".
    """
    enclosing: list[str] = []
    for index, token in enumerate(tokens):
        before = tokens[index - 1].value.upper() if index else ""
        follows = tokens[index + 1].value if index + 1 < len(tokens) else ""
        if token.kind != "symbol":
            if (token.name.upper(), follows) in _CONSTRUCTORS and token.is_name:
                bodies[index] = _CONSTRUCTORS[token.name.upper(), follows]
        elif token.value in "([{":
            inner = before == "ARRAY" or (enclosing[-1:] == ["["] and before in ("[", ","))
            enclosing.append("" if token.value == "[" and not inner else token.value)
            if enclosing[-1] == "[":
                bodies[index] = "json_array("
            elif token.value == "{":
                bodies[index] = "(" if follows == "}" else "(json_array("
        elif token.value in ")]}":
            opened = enclosing.pop() if enclosing else ""
            if opened in ("[", "{"):
                bodies[index] = "))" if opened == "{" and before != "{" else ")"
        elif enclosing[-1:] == ["{"]:
            if token.value == ":":
                bodies[index] = ","
            elif token.value == ",":
                bodies[index] = "),json_array("


def selected(text: str, count: int, names: Mapping[str, str]) -> list[tuple[str, str]]:
    """Give the names and types of what a query selects, empty where the text does not say.

    Parameters
    ----------
    count
        How many columns it gives.
    names
        The types of the columns that it may name.
    """
    tokens = tokenize(text)[:-1]
    casts = {cast.end: (cast.start, cast.kind) for cast in _casts(tokens)}
    items = _items(tokens)
    columns: list[tuple[str, str]] = []
    for start, end in items:
        inner = _without_alias(tokens, start, end, casts)
        name = "" if inner < end else _name_of(tokens, start, end, casts)
        columns.append((name, _type_of(tokens, start, inner, casts, names)))
    nothing = ("", "")
    stars = [
        place
        for place, (start, end) in enumerate(items)
        if end > start and tokens[end - 1].is_symbol("*")
    ]
    if not stars:
        return columns if len(columns) == count else [nothing] * count
    left, right = columns[: stars[0]], columns[stars[-1] + 1 :]
    return [*left, *[nothing] * (count - len(left) - len(right)), *right]


def calculates(text: str, names: Mapping[str, str]) -> str:
    """Name a numeric column that is calculated with, which SQLite would do with floats."""
    tokens = tokenize(text)
    for index, token in enumerate(tokens[:-1]):
        if not token.is_name or names.get(token.name) != "numeric":
            continue
        first = index
        while first > 1 and tokens[first - 1].is_symbol("."):
            first -= 2
        if _is_operator(tokens[index + 1]):
            return token.name
        star = first > 1 and tokens[first - 1].is_symbol("*") and _ends_operand(tokens[first - 2])
        if first and (_is_operator(tokens[first - 1], without="*") or star):
            return token.name
    return ""


@dataclass
class _Cast:
    """``start`` to ``end`` is the whole expression; ``last`` the token before the closing."""

    start: int
    last: int
    end: int
    kind: str
    blank: list[int]


def _casts(tokens: list[Token]) -> list[_Cast]:
    casts: list[_Cast] = []
    starts: dict[int, int] = {}
    for index, token in enumerate(tokens):
        if token.is_symbol("::") and index:
            end, kind = _type_at(tokens, index + 1)
            start = starts.get(index - 1, _operand(tokens, index - 1))
            starts[end - 1] = start
            blank = list(range(index, end))
            casts.append(_Cast(start, index - 1, end - 1, kind, blank))
        elif token.is_word("CAST") and _symbol(tokens, index + 1, "("):
            close = _closing(tokens, index + 1)
            depth = 0
            for place in range(index + 2, close):
                depth += tokens[place].is_symbol("(") - tokens[place].is_symbol(")")
                if depth == 0 and tokens[place].is_word("AS"):
                    end, kind = _type_at(tokens, place + 1)
                    casts.append(_Cast(index, close, close, kind, [index, *range(place, close)]))
                    starts[close] = index
                    break
        elif (
            token.is_word(*_LITERALS)
            and index + 1 < len(tokens)
            and tokens[index + 1].kind == "string"
        ):
            casts.append(_Cast(index, index + 1, index + 1, type_name(token.value), [index]))
            starts[index + 1] = index
    return casts


def _type_at(tokens: list[Token], index: int) -> tuple[int, str]:
    """Read a type's name; give the place after it, and the type."""
    words = [tokens[index].name] if index < len(tokens) else [""]
    index += 1
    while index < len(tokens) and tokens[index].is_word(*_TYPE_WORDS):
        words.append(tokens[index].name)
        index += 1
    if _symbol(tokens, index, "("):
        index = _closing(tokens, index) + 1
    brackets = ""
    while _symbol(tokens, index, "[") and _symbol(tokens, index + 1, "]"):
        brackets += "[]"
        index += 2
    return index, type_name(" ".join(words) + brackets)


def _operand(tokens: list[Token], index: int) -> int:
    """Give where the operand that ends here begins."""
    if tokens[index].is_symbol(")"):
        depth = 0
        while index >= 0:
            depth += tokens[index].is_symbol(")") - tokens[index].is_symbol("(")
            if depth == 0:
                break
            index -= 1
        if index > 0 and tokens[index - 1].is_name and not tokens[index - 1].is_word(*_NO_FUNCTION):
            index -= 1
    while index > 1 and tokens[index - 1].is_symbol(".") and tokens[index - 2].is_name:
        index -= 2
    return max(index, 0)


def _closing(tokens: list[Token], index: int) -> int:
    depth = 0
    for place in range(index, len(tokens)):
        depth += tokens[place].is_symbol("(") - tokens[place].is_symbol(")")
        if depth == 0:
            return place
    return len(tokens) - 1


def _wrapping(kind: str) -> tuple[str, str]:
    if not is_defined(kind):
        return "", ""
    collation = collation_of(kind)
    if collation:
        return f"(CAST({CAST}(", f", '{kind}') AS TEXT) COLLATE {collation})"
    return f"{CAST}(", f", '{kind}')"


def _items(tokens: list[Token]) -> list[tuple[int, int]]:
    """Give the selected expressions of the outermost query, each from its first token to after."""
    depth = 0
    start = -1
    items: list[tuple[int, int]] = []
    for index, token in enumerate(tokens):
        depth += token.is_symbol("(") - token.is_symbol(")")
        if depth or token.is_symbol(")"):
            continue
        if start < 0:
            if token.is_word("SELECT"):
                start = index + 1
        elif token.is_word("DISTINCT", "ALL") and start == index:
            start += 1
        elif token.is_symbol(","):
            items.append((start, index))
            start = index + 1
        elif token.is_word(*_AFTER_ITEMS) or token.is_symbol(";"):
            return [*items, (start, index)]
    return [*items, (start, len(tokens))] if 0 <= start < len(tokens) else items


def _without_alias(
    tokens: list[Token], start: int, end: int, casts: Mapping[int, tuple[int, str]]
) -> int:
    """Give the place after a selected expression, without the name that it is given."""
    if end - start < 2 or not tokens[end - 1].is_name or end - 1 in casts:
        return end
    previous = tokens[end - 2]
    if previous.is_word("AS"):
        return end - 2
    if tokens[end - 1].is_word(*_NO_ALIAS) or not (_ends_operand(previous) or end - 2 in casts):
        return end
    return end if previous.is_word(*_LOGICAL) else end - 1


def _name_of(
    tokens: list[Token], start: int, end: int, casts: Mapping[int, tuple[int, str]]
) -> str:
    """Name a column that has no alias as PostgreSQL does: after its column, function or type."""
    if start >= end:
        return ""
    first = tokens[start]
    cast = casts.get(end - 1)
    if cast is not None and cast[0] == start:
        own = first.is_name and not first.is_word("CAST", *_LITERALS, *_NO_ALIAS)
        inner = first.name if own else ""
        return inner or cast[1]
    if first.is_word("TRUE", "FALSE") and end - start == 1:
        return "bool"
    if first.is_word("CASE"):
        return "case"
    if first.is_name and not first.is_word("NOT"):
        if _symbol(tokens, start + 1, "("):
            close = _closing(tokens, start + 1)
            if close == end - 1 or tokens[close + 1].is_word("OVER", "FILTER"):
                return first.name
        elif all(tokens[at].is_symbol(".") or tokens[at].is_name for at in range(start, end)) and (
            not any(tokens[at].is_word(*_LOGICAL) for at in range(start, end))
        ):
            return tokens[end - 1].name
    return "?column?"


def _type_of(
    tokens: list[Token],
    start: int,
    end: int,
    casts: Mapping[int, tuple[int, str]],
    names: Mapping[str, str],
) -> str:
    if start >= end:
        return ""
    first = tokens[start]
    cast = casts.get(end - 1)
    if cast is not None and cast[0] == start:
        return cast[1] if is_defined(cast[1]) else ""
    if end - start == 1 and (alone := _type_of_one(first)) is not None:
        return alone
    if first.is_name and all(
        tokens[place].is_symbol(".") if (place - start) % 2 else tokens[place].is_name
        for place in range(start, end)
    ):
        return names.get(tokens[end - 1].name, "")
    if _is_truth(tokens, start, end):
        return "bool"
    if any(_after_arrow(tokens, place) for place in range(start, end)):
        last = [place for place in range(start, end) if _after_arrow(tokens, place)][-1]
        return "varchar" if tokens[last - 1].is_symbol("->>") else "jsonb"
    if first.is_symbol("(") and _closing(tokens, start) == end - 1:
        return _type_of(tokens, start + 1, end - 1, casts, names)
    if first.is_name and _symbol(tokens, start + 1, "("):
        close = _closing(tokens, start + 1)
        if close == end - 1 or (close + 1 < end and tokens[close + 1].is_word("OVER", "FILTER")):
            return _type_of_call(tokens, start, close, casts, names)
    return ""


def _type_of_one(token: Token) -> str | None:
    """Return the type of an expression of one token; None for a name, which may be a column's."""
    if token.kind == "number":
        return "numeric" if _is_decimal(token) else ""
    if token.is_word("TRUE", "FALSE"):
        return "bool"
    return "timestamptz" if token.is_word("CURRENT_TIMESTAMP") else None


def _type_of_call(
    tokens: list[Token],
    start: int,
    close: int,
    casts: Mapping[int, tuple[int, str]],
    names: Mapping[str, str],
) -> str:
    name = tokens[start].name
    if name in _OF_FUNCTION:
        return _OF_FUNCTION[name]
    stop = next((at for at in range(start + 2, close) if tokens[at].is_symbol(",")), close)
    first = start + 2 + (start + 2 < stop and tokens[start + 2].is_word("DISTINCT"))
    argument = _type_of(tokens, first, stop, casts, names)
    if name in _SAME_AS_ARGUMENT:
        return argument
    if name == "sum":
        return _SUMS.get(argument, argument)
    if name == "avg" and argument:
        return _AVERAGES.get(argument, "numeric")
    return "bool" if name in ("bool_and", "bool_or") else ""


def _is_truth(tokens: list[Token], start: int, end: int) -> bool:
    """Tell whether an expression is a condition, by its operators outside of parentheses."""
    if tokens[start].is_word("CASE"):
        return False
    depth = 0
    for index in range(start, end):
        token = tokens[index]
        depth += token.is_symbol("(") - token.is_symbol(")")
        if depth:
            continue
        if token.kind == "symbol" and token.value in _COMPARING:
            return True
        if token.is_word(*_LOGICAL):
            return True
    return False


def _after_arrow(tokens: list[Token], index: int) -> bool:
    return _symbol(tokens, index - 1, "->") or _symbol(tokens, index - 1, "->>")


def _is_operator(token: Token, without: str = "") -> bool:
    return token.kind == "symbol" and token.value in _CALCULATING and token.value != without


def _ends_operand(token: Token) -> bool:
    return token.is_name or token.kind in ("number", "string") or token.is_symbol(")")


def _is_decimal(token: Token) -> bool:
    return token.kind == "number" and "." in token.value and "e" not in token.value.lower()


def _symbol(tokens: list[Token], index: int, symbol: str) -> bool:
    return 0 <= index < len(tokens) and tokens[index].is_symbol(symbol)


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
