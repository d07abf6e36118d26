"""The values that a condition key can have, as far as policies can tell them apart.

For one key, the lines of the policies that look at it divide all its possible values into few
classes: two values of one class make the same lines true. `cells` gives one value of each class.
Text is divided exactly: the policies' patterns are run side by side as automata, and every set of
patterns that some text matches together is found. Numbers, dates and addresses are divided at the
values that the policies name.
Source for what an operator compares: IAM User Guide, "Condition operators".
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from itertools import chain, product
from math import prod
from typing import NamedTuple

from rwlib.evaluate.conditions import Test, holds
from rwlib.evaluate.containment import PatternMachine, PatternToken
from rwlib.evaluate.model import ABSENT_WORD, Unknown
from rwlib.evaluate.operators import OPERATORS, moment, network, number
from rwlib.evaluate.patterns import (
    Part,
    Template,
    Values,
    Variable,
    Wild,
    fill,
    text_of,
    variables_of,
)

_MOST_STATES = 6000
_MOST_CELLS = 200
_LONGEST_VALUE = 160


class ValueCell(NamedTuple):
    """One value (or none, or several) that stands for its whole class, and its words.

    ``excludes`` tells that the words say what the value must not be.
    """

    values: tuple[str, ...]
    words: str
    excludes: bool = False


ABSENT = ValueCell((), ABSENT_WORD)


@dataclass(frozen=True, slots=True)
class Uses:
    """Where the policies look at a key: in lines of its own, and as a variable elsewhere.

    Each of ``inserted`` holds the texts that make one pattern with the variable match.
    """

    tests: tuple[Test, ...]
    inserted: tuple[tuple[tuple[str, ...], bool], ...] = ()


def cells(key: str, uses: Uses, about: Unknown, values: Values) -> tuple[ValueCell, ...] | None:
    """Return one value of each class of a key's values; None where they cannot be told apart.

    Parameters
    ----------
    values
        The known keys, which fill in the variables of the policies.
    """
    kinds = {_kind(test) for test in uses.tests} - {"null"}
    if uses.inserted:
        kinds.add("text")
    # What no value of the key can be read as is compared with nothing, whatever the value is.
    readable = {kind for kind in kinds if _can_be_read(kind, about)}
    classes = _divided(readable, uses, about, values)
    if classes is None or len(classes) > _MOST_CELLS:
        return None
    if about.many:
        classes = _together(uses.tests, key, classes, values)
        if classes is None:
            return None
    return (*classes, ABSENT) if about.optional else tuple(classes)


def _divided(kinds: set[str], uses: Uses, about: Unknown, values: Values) -> list[ValueCell] | None:
    """Divide a key's values at what operators of these kinds tell apart."""
    if about.kind == "number" and about.like:
        return [ValueCell((text,), text) for text in about.like]
    if kinds <= {about.kind} and about.kind != "text":
        return _OF_VALUES[about.kind](uses, about)
    if about.kind == "ip" or (about.kind == "text" and kinds <= {"text", "bytes"}):
        return _texts(uses, about, values)
    if about.kind != "text" or about.like or len(kinds) > 1:
        return None
    (kind,) = kinds
    classes = _OF_VALUES[kind](uses, about)
    if any(test.set_operator for test in uses.tests):
        # For a set operator an empty text is no value at all.
        classes.append(ValueCell(("",), "empty"))
    return classes


def _can_be_read(kind: str, about: Unknown) -> bool:
    """Tell whether some value of a key can be read as what an operator compares."""
    if kind in ("text", "bytes", about.kind):
        return True
    if about.kind != "text":
        return (about.kind, kind) == ("number", "date")
    begins: _Steps = (("one", kind), ("many", kind if kind == "ip" else _ANY))
    found = [_witnesses((_Pattern("", begins),), (_pattern(_glob_parts(e)),)) for e in about.like]
    return not found or any(met is None or any(fits for fits, _ in met) for met in found)


def _kind(test: Test) -> str:
    operator = test.operator
    if operator.family == "null":
        return "null"
    if operator.family != "plain":
        return "text"
    name = operator.name
    for start, kind in (("Numeric", "number"), ("Date", "date"), ("Binary", "bytes")):
        if name.startswith(start):
            return kind
    return "ip"


def _literals(test: Test) -> list[str]:
    return [
        text_of(tuple(part for part in template if not isinstance(part, tuple)))
        for template in test.templates
    ]


# Text ---------------------------------------------------------------------------------------------

_ANY, _NO_COLON = "any", "no colon"
_OF_KIND = {
    "ip": frozenset("0123456789abcdefABCDEF.:/"),
    "octets": frozenset("0123456789."),
    "number": frozenset("0123456789+-.eE"),
    "date": frozenset("0123456789+-.:TZtz "),
}


_Steps = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class _Pattern:
    """A pattern as an automaton: for each place a character, a class, or a star of a class."""

    shown: str
    steps: _Steps
    ignore_case: bool = False

    def tokens(self) -> Iterator[PatternToken]:
        """Yield what each place takes."""
        for what, text in self.steps:
            if what == "is":
                cases = {text, text.lower(), text.upper()} if self.ignore_case else {text}
                yield PatternToken(frozenset(each for each in cases if len(each) == 1))
            elif text in _OF_KIND:
                yield PatternToken(_OF_KIND[text], many=what == "many")
            else:
                excluded = frozenset(":" if text == _NO_COLON else "")
                yield PatternToken(excluded, negated=True, many=what == "many")


@dataclass(frozen=True, slots=True)
class _Addresses:
    """The IPv4 addresses of a network, as they are written: each number within a range.

    A place is the number of the dots read, and one more than what was read of the number.
    """

    shown: str
    ranges: tuple[tuple[int, int], ...]

    def step(self, place: int, character: str) -> int:
        """Read one character; -1 where no address is left."""
        dots, read = divmod(place, _FIELD)
        if place < 0:
            return -1
        if character == "." and read and dots < 3 and read - 1 >= self.ranges[dots][0]:
            return (dots + 1) * _FIELD
        if character in "0123456789" and read != 1:  # no number begins with a zero
            value = max(read - 1, 0) * 10 + int(character)
            if value <= self.ranges[dots][1]:
                return dots * _FIELD + value + 1
        return -1

    def accepts(self, place: int) -> bool:
        """Tell whether what was read is an address of the network."""
        return place > 3 * _FIELD + self.ranges[3][0]


_Automaton = _Pattern | _Addresses
_FIELD = 1000


def _addresses_of(net: ipaddress.IPv4Network, shown: str) -> _Addresses:
    ends = zip(net.network_address.packed, net.broadcast_address.packed, strict=True)
    return _Addresses(shown, tuple(ends))


def _pattern(parts: Sequence[Part], *, arn: bool = False, ignore_case: bool = False) -> _Pattern:
    steps: list[tuple[str, str]] = []
    colons = 0
    for part in parts:
        where = _NO_COLON if arn and colons < 5 else _ANY
        if isinstance(part, Wild):
            steps.append(("many" if part is Wild.MANY else "one", where))
            continue
        for character in part:
            colons += character == ":"
            steps.append(("is", character))
    return _Pattern(text_of(tuple(parts)), tuple(steps), ignore_case)


def _patterns(test: Test, values: Values) -> Iterator[_Pattern]:
    for template in test.templates:
        parts = fill(template, values) if test.operator.variables else None
        if parts is None:
            if variables_of(template):
                continue
            parts = tuple(part for part in template if not isinstance(part, tuple))
        family, name = test.operator.family, test.operator.name
        if name == "Bool":
            text = text_of(parts)
            if text.lower() in ("true", "false"):
                yield _pattern((text,), ignore_case=True)
        elif family == "string":
            yield _pattern((text_of(parts),), ignore_case=name.endswith("IgnoreCase"))
        elif family == "like":
            yield _pattern(parts)
        elif text_of(parts).count(":") >= 5 or any(isinstance(part, Wild) for part in parts):
            literal = "".join(part for part in parts if not isinstance(part, Wild))
            if literal.count(":") >= 5:
                yield _pattern(parts, arn=True)


def _texts(uses: Uses, about: Unknown, values: Values) -> list[ValueCell] | None:
    patterns: list[_Automaton] = []
    for test in uses.tests:
        kind = _kind(test)
        if kind == "text":
            patterns += _patterns(test, values)
        elif kind == "bytes":
            patterns += [_pattern((text,)) for each in _literals(test) for text in _encodings(each)]
        elif kind == about.kind == "ip":
            nets = ((network(text), text) for text in _literals(test))
            patterns += [_addresses_of(net, text) for net, text in nets if net and net.version == 4]
    patterns = list(dict.fromkeys(patterns))
    shown = len(patterns)
    for texts, ignore_case in uses.inserted:
        patterns += [_pattern((text,), ignore_case=ignore_case) for text in texts]
    patterns = list(dict.fromkeys(patterns))
    domain: list[_Automaton] = [_pattern(_glob_parts(text)) for text in about.like]
    if about.kind == "ip":
        domain = [_addresses_of(_ANYWHERE, "")]
    # For a set operator an empty text is no value at all.
    apart = any(test.set_operator for test in uses.tests)
    found = _witnesses(tuple(patterns), tuple(domain), apart, "*?" if about.plain else "")
    if found is None:
        return None
    result = []
    for vector, text in found.items():
        named = [each.shown for each, fits in zip(patterns, vector, strict=False) if fits]
        others = list(dict.fromkeys(each.shown for each in patterns[:shown]))
        words = " and ".join(dict.fromkeys(named)) if named else _other_than(others)
        result.append(ValueCell((text,), words, excludes=not named and bool(others[:4])))
    return result


_ANYWHERE = ipaddress.IPv4Network("0.0.0.0/0")
_SIXTY_FOUR = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"


def _encodings(text: str) -> list[str]:
    """Return every base64 text of the bytes that one stands for: the last bits may be any."""
    padding = text.count("=")
    same = OPERATORS["binaryequals"].compare
    if not padding or same is None:
        return [text]
    head, tail = text[: -padding - 1], text[-padding:]
    others = [f"{head}{each}{tail}" for each in _SIXTY_FOUR]
    return [text, *(each for each in others if each != text and same(each, text))]


def _glob_parts(text: str) -> tuple[Part, ...]:
    wild = {"*": Wild.MANY, "?": Wild.ONE}
    return tuple(wild.get(character, character) for character in text)


def _other_than(texts: Sequence[str]) -> str:
    return f"other than {' or '.join(texts[:4])}" if texts else "present"


@lru_cache(maxsize=512)
def _witnesses(
    patterns: tuple[_Automaton, ...],
    domain: tuple[_Automaton, ...],
    empty_apart: bool = False,
    without: str = "",
) -> Mapping[tuple[bool, ...], str] | None:
    """Find a shortest text for every set of patterns that one text matches together."""
    every = [*patterns, *domain]
    machine = PatternMachine(
        [tuple(each.tokens()) if isinstance(each, _Pattern) else () for each in every]
    )
    nets = [(index, each) for index, each in enumerate(every) if isinstance(each, _Addresses)]
    alphabet = _alphabet(machine, bool(nets), without)

    def alive(index: int, places: int, numbers: tuple[int, ...]) -> bool:
        read = next((n for (at, _), n in zip(nets, numbers, strict=True) if at == index), None)
        return bool(places & machine.spans[index]) if read is None else read >= 0

    def matched(places: int, numbers: tuple[int, ...]) -> list[bool]:
        found = [bool(places & final) for final in machine.finals]
        for (index, each), read in zip(nets, numbers, strict=True):
            found[index] = each.accepts(read)
        return found

    start = (machine.start, (0,) * len(nets))
    seen = {start}
    todo = [(start, "")]
    witnesses: dict[tuple[bool, ...], str] = {}
    within = range(len(patterns), len(every))
    for (places, numbers), text in todo:
        fits = matched(places, numbers)
        if not domain or any(fits[len(patterns) :]):
            vector = fits[: len(patterns)]
            witnesses.setdefault((*vector, empty_apart and not text), text)
        if len(witnesses) > _MOST_CELLS:
            return None
        for character, moves, loops in alphabet:
            after = tuple(
                each.step(read, character) for (_, each), read in zip(nets, numbers, strict=True)
            )
            following = (machine.step(places, moves, loops), after)
            again = following in seen and not (empty_apart and not text)
            if again or (domain and not any(alive(each, *following) for each in within)):
                continue
            if len(seen) >= _MOST_STATES:
                return None
            seen.add(following)
            todo.append((following, text + character))
    return witnesses


def _alphabet(machine: PatternMachine, addresses: bool, without: str) -> list[tuple[str, int, int]]:
    """Return one character for each way in which patterns and addresses tell them apart."""
    letters = machine.named | (_OF_KIND["octets"] if addresses else frozenset())
    found: dict[tuple[object, ...], tuple[str, int, int]] = {}
    for character in [_fresh(letters), *sorted(letters - set(without))]:
        effect = machine.effect(character)
        alone = character if addresses and character in _OF_KIND["octets"] else ""
        found.setdefault((*effect, alone), (character, *effect))
    return list(found.values())


def _fresh(letters: Collection[str]) -> str:
    """Return a character that is none of these, in no case."""
    return next(each for each in map(chr, range(0x2190, 0x2FFF)) if each not in letters)


def inserted_texts(test: Test, key: str, values: Values) -> tuple[tuple[str, ...], bool] | None:
    """Return the texts that a variable's key must have for a line on a known key to match.

    They are parts of the known value. None where they cannot be listed.
    """
    actual = values.get(test.key, ())
    if any(len(text) > _LONGEST_VALUE for text in actual):
        return None
    ignore_case = test.operator.name.endswith("IgnoreCase") or test.operator.name == "Bool"
    nothing = _fresh(set("".join(actual)))
    otherwise = holds(test, {**values, key: (nothing,)})
    texts = [
        text for text in _parts_of(actual) if holds(test, {**values, key: (text,)}) is not otherwise
    ]
    return tuple(texts), ignore_case


def could_be(about: Unknown, text: str) -> bool:
    """Tell whether a text can be the value of a key, as far as its kind says."""
    if about.kind == "ip":
        return network(text) is not None
    read = {"number": number, "date": moment}.get(about.kind)
    return read is None or read(text) is not None


def could_match(
    template: Template, texts: Sequence[str], about: Unknown, variables: Mapping[str, Unknown]
) -> bool:
    """Tell whether a policy's value can match a key, whatever its unknown variables stand for.

    Parameters
    ----------
    texts
        What the key is like, as patterns; where there are none, ``about`` tells its kind.
    variables
        What is known of the template's unknown variables; others may be any text.
    """
    choices: list[list[_Steps]] = []
    for part in template:
        if isinstance(part, Variable):
            choices.append(_could_stand_for(variables.get(part.key), part.default))
        else:
            choices.append([_pattern((part,), ignore_case=True).steps])
    if prod(map(len, choices)) > _MOST_CELLS:
        return True
    domain = [_pattern(_glob_parts(text)).steps for text in texts] or _could_stand_for(about, None)
    for chosen in product(*choices):
        pattern = _Pattern("", tuple(chain.from_iterable(chosen)), ignore_case=True)
        for steps in domain:
            met = _witnesses((pattern,), (_Pattern("", steps, ignore_case=True),))
            if met is None or any(fits for fits, _ in met):
                return True
    return False


def _could_stand_for(about: Unknown | None, default: str | None) -> list[_Steps]:
    """Return patterns of what a variable may stand for, or of what a key's value may be."""
    if about is None:
        return [(("many", _ANY),)]
    likes = [_pattern(_glob_parts(text)).steps for text in about.like]
    found = likes or [(("many", about.kind if about.kind in _OF_KIND else _ANY),)]
    return found if default is None else [*found, _pattern((default,)).steps]


def _parts_of(texts: Iterable[str]) -> Iterator[str]:
    seen = set()
    for text in texts:
        for begin in range(len(text)):
            for end in range(begin + 1, len(text) + 1):
                part = text[begin:end]
                if part not in seen:
                    seen.add(part)
                    yield part
    if "" not in seen:
        yield ""


def parts_that_fit(resource: str, fits: Callable[[str], bool]) -> tuple[str, ...] | None:
    """Return the parts of a resource's name that make a pattern with a variable match it."""
    if len(resource) > _LONGEST_VALUE:
        return None
    return tuple(text for text in _parts_of([resource]) if fits(text))


# Numbers, dates and addresses -------------------------------------------------------------------


def _named(uses: Uses, kind: str) -> list[str]:
    return list(
        dict.fromkeys(
            text for test in uses.tests if _kind(test) == kind for text in _literals(test)
        )
    )


def _between(points: Sequence[Decimal], step: Decimal) -> list[Decimal]:
    found: list[Decimal] = []
    for index, point in enumerate(points):
        before = points[index - 1] if index else point - step * 2
        found += [(before + point) / 2, point]
    return [*found, points[-1] + step] if points else [Decimal(0)]


def _numbers(uses: Uses, about: Unknown) -> list[ValueCell]:
    named = {value: text for text in _named(uses, "number") if (value := number(text)) is not None}
    points = sorted(named)
    found = [
        ValueCell((format(value, "f"),), _place(value, points, named, "below", "above"))
        for value in _between(points, Decimal(1))
    ]
    if about.kind != "number":
        found.append(ValueCell(("no number",), "not a number"))
    return found


def _place(
    value: Decimal, points: Sequence[Decimal], named: dict[Decimal, str], below: str, above: str
) -> str:
    if value in named:
        return named[value]
    lower = [each for each in points if each < value]
    upper = [each for each in points if each > value]
    words = [f"{above} {named[lower[-1]]}"] if lower else []
    words += [f"{below} {named[upper[0]]}"] if upper else []
    return " and ".join(words) or "present"


def _dates(uses: Uses, about: Unknown) -> list[ValueCell]:
    named = {value: text for text in _named(uses, "date") if (value := moment(text)) is not None}
    points = sorted(named)
    chosen = _between(points, Decimal(86400))
    if about.kind == "date":
        # Some moment that there can be, wherever the policies' own are: they may be no dates.
        earliest = Decimal(int(about.since.timestamp() if about.since else 0))
        later = (each for each in chosen if not about.since or each >= earliest)
        chosen = sorted({earliest, *later})
    found = []
    for value in chosen:
        text = _iso(value) if about.kind == "date" else format(value, "f")
        if text is not None:
            found.append(ValueCell((text,), _place(value, points, named, "before", "after")))
    if about.kind != "date":
        found.append(ValueCell(("no date",), "not a date"))
    return found


def _iso(seconds: Decimal) -> str | None:
    try:
        when = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(
            seconds=int(seconds), microseconds=int((seconds % 1) * 1_000_000)
        )
    except OverflowError:
        return None
    return when.isoformat().replace("+00:00", "Z")


def _addresses(uses: Uses, about: Unknown) -> list[ValueCell]:
    named = {text: net for text in _named(uses, "ip") if (net := network(text)) is not None}
    classes: list[ValueCell] = []
    versions = (4,) if about.kind == "ip" else (4, 6)
    for version in versions:
        size = 2 ** (32 if version == 4 else 128)
        make = ipaddress.IPv4Address if version == 4 else ipaddress.IPv6Address
        nets = {text: net for text, net in named.items() if net.version == version}
        points = {0}
        for net in nets.values():
            points.add(int(net.network_address))
            points.add(int(net.broadcast_address) + 1)
        for point in sorted(points):
            if point >= size:
                continue
            address = make(point)
            inside = [text for text, net in nets.items() if address in net]
            inside.sort(key=lambda text: nets[text].prefixlen, reverse=True)
            words = inside[0] if inside else f"outside {' and '.join(list(nets)[:4])}"
            outside = bool(nets) and not inside
            classes.append(ValueCell((str(address),), words if nets else "present", outside))
    if about.kind != "ip":
        classes.append(ValueCell(("no address",), "not an address"))
    return classes


_OF_VALUES: dict[str, Callable[[Uses, Unknown], list[ValueCell]]] = {
    "number": _numbers,
    "date": _dates,
    "ip": _addresses,
}


# Several values -----------------------------------------------------------------------------------


def _together(
    tests: Sequence[Test], key: str, single: Sequence[ValueCell], values: Values
) -> list[ValueCell] | None:
    """Return the sets of values that the lines can tell apart, for a key with several values."""

    def state(texts: tuple[str, ...]) -> tuple[object, ...]:
        with_texts = {**values, key: texts}
        return (
            tuple(holds(test, with_texts) for test in tests),
            len(texts) > 1,
            any(texts),
        )

    by_state = {state(each.values): each for each in single}
    todo = list(by_state.values())
    for each in todo:
        for other in single:
            if other.values[0] in each.values:
                continue
            both = ValueCell((*each.values, *other.values), f"{each.words} with {other.words}")
            which = state(both.values)
            if which not in by_state:
                if len(by_state) >= _MOST_CELLS:
                    return None
                by_state[which] = both
                todo.append(both)
    return list(by_state.values())
