"""What two policy patterns have in common and where they differ, decided exactly.

Every pattern is a small automaton. `cells` walks all automata at once and finds each combination
of patterns that some text matches, with the shortest such text. Containment, overlap and
difference are questions about those combinations, so none is decided by trying samples.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import chain
from typing import NamedTuple

from rwlib.errors import RunbookError
from rwlib.evaluate.patterns import Part, Values, Wild, arn_fields, fill, parse

_PREFERRED = "xzqwkvyjabcdefghilmnoprstu0123456789-_~"
_LARGEST = 200_000


class PatternToken(NamedTuple):
    """One place of a pattern: which characters fit, and whether any number of them does."""

    characters: frozenset[str]
    negated: bool = False
    many: bool = False

    def fits(self, character: str) -> bool:
        """Tell whether the character may stand here."""
        return (character in self.characters) is not self.negated


ANY = PatternToken(frozenset(), negated=True, many=True)


class PatternTooLargeError(RunbookError):
    """The patterns differ in more ways than can be looked at."""


@lru_cache(maxsize=4096)
def text_tokens(text: str, variables: bool = True) -> tuple[PatternToken, ...]:
    """Return the automaton of a ``StringLike`` pattern; variables of the request match nothing."""
    parts = fill(parse(text, variables), {})
    return () if parts is None else tuple(_tokens(parts, ""))


def arn_tokens(
    text: str, values: Values | None = None, *, variables: bool = True
) -> tuple[PatternToken, ...] | None:
    """Return the automaton of a ``Resource`` pattern, as `rwlib.evaluate.patterns.arn_glob` reads.

    The first five fields keep their wildcards to themselves, except for a ``*`` that ends one.
    None where a variable has no value: such a pattern matches nothing.
    """
    if text == "*":
        return (ANY,)
    parts = fill(parse(text, variables), values or {})
    if parts is None:
        return None
    if not any(isinstance(part, Wild) for part in parts):
        return literal_tokens("".join(str(part) for part in parts))
    fields = arn_fields(parts)
    tokens: list[PatternToken] = []
    for number, field in enumerate(fields):
        if number:
            tokens.append(PatternToken(frozenset(":")))
        if number >= 5:
            tokens.extend(_tokens(field, ""))
            continue
        kept = [part for part in field if part != ""]
        tokens.extend(_tokens(kept, ":"))
        if kept[-1:] == [Wild.MANY]:
            tokens[-1] = ANY
    return tuple(tokens)


def literal_tokens(text: str) -> tuple[PatternToken, ...]:
    """Return the automaton of one text."""
    return tuple(map(_one, text))


@lru_cache(maxsize=256)
def _one(character: str) -> PatternToken:
    return PatternToken(frozenset(character))


def _tokens(parts: Iterable[Part], excluded: str) -> Iterator[PatternToken]:
    for part in parts:
        if isinstance(part, Wild):
            yield PatternToken(frozenset(excluded), negated=True, many=part is Wild.MANY)
        else:
            yield from literal_tokens(part)


class PatternMachine:
    """All automata side by side in one integer: a bit for each place of each pattern.

    Of each pattern ``spans`` has all its bits, and ``finals`` the one of a text that it matches.
    """

    def __init__(self, patterns: Sequence[Sequence[PatternToken]]) -> None:
        self.finals: list[int] = []
        self.spans: list[int] = []
        self.skips = 0
        start, offset = 0, 0
        for pattern in patterns:
            start |= 1 << offset
            for place, token in enumerate(pattern):
                if token.many:
                    self.skips |= 1 << (offset + place)
            size = len(pattern) + 1
            self.spans.append(((1 << size) - 1) << offset)
            self.finals.append(1 << (offset + size - 1))
            offset += size
        self.start = self._closed(start)
        self._places: dict[PatternToken, int] = {}
        offset = 0
        for pattern in patterns:
            for place, token in enumerate(pattern):
                self._places[token] = self._places.get(token, 0) | (1 << (offset + place))
            offset += len(pattern) + 1
        self.named = frozenset[str]().union(*(token.characters for token in self._places))
        """The characters that some pattern names."""

    def _closed(self, state: int) -> int:
        while True:
            more = state | ((state & self.skips) << 1)
            if more == state:
                return state
            state = more

    def alphabet(self) -> list[tuple[str, int, int]]:
        """Return one character for each way in which characters are told apart."""
        named = self.named
        fresh = next(
            character
            for character in chain(_PREFERRED, map(chr, range(0x100, 0x1000)))
            if character not in named
        )
        ranks = {character: rank for rank, character in enumerate(_PREFERRED)}
        ordered = sorted(named, key=lambda each: (ranks.get(each, len(ranks)), each))
        found: dict[tuple[int, int], str] = {}
        for character in [fresh, *ordered]:
            found.setdefault(self.effect(character), character)
        return [(character, moves, loops) for (moves, loops), character in found.items()]

    def effect(self, character: str) -> tuple[int, int]:
        """Return the places that a character moves on from, and those that it stays in."""
        moves = loops = 0
        for token, places in self._places.items():
            if token.fits(character):
                if token.many:
                    loops |= places
                else:
                    moves |= places
        return moves, loops

    def step(self, state: int, moves: int, loops: int) -> int:
        """Read one character."""
        return self._closed(((state & moves) << 1) | (state & loops))


def cells(
    inside: Sequence[Sequence[PatternToken]], beside: Sequence[Sequence[PatternToken]] = ()
) -> dict[frozenset[int], str]:
    """Find every combination of the patterns ``beside`` that a text inside all others matches.

    Parameters
    ----------
    inside
        Automata that a text must match, every one of them.
    beside
        Automata that a text may match or not.

    Returns
    -------
    For each possible set of indexes into ``beside``, the shortest text that matches exactly those.

    Raises
    ------
    PatternTooLargeError
        There are more combinations than can be looked at.
    """
    machine = PatternMachine([*inside, *beside])
    needed, free = machine.finals[: len(inside)], machine.finals[len(inside) :]
    must = sum(needed)
    spans = machine.spans[: len(inside)]
    steps = machine.alphabet()
    texts: dict[frozenset[int], str] = {}
    seen = {machine.start}
    waiting = deque([(machine.start, "")])
    while waiting:
        state, text = waiting.popleft()
        if state & must == must:
            key = frozenset(index for index, final in enumerate(free) if state & final)
            texts.setdefault(key, text)
        for character, moves, loops in steps:
            after = machine.step(state, moves, loops)
            if after in seen or not all(after & span for span in spans):
                continue
            if len(seen) > _LARGEST:
                raise PatternTooLargeError(
                    "the policies' patterns are too many and too intertwined to be compared"
                )
            seen.add(after)
            waiting.append((after, text + character))
    return texts


def may_overlap(pattern: Sequence[PatternToken], other: Sequence[PatternToken]) -> bool:
    """Tell quickly whether two patterns might have a text in common, by how they begin."""
    for left, right in zip(pattern, other, strict=False):
        if left.many or right.many:
            return True
        if not left.negated and not right.negated and not left.characters & right.characters:
            return False
    return len(pattern) == len(other) or any(
        token.many for token in (*pattern[len(other) :], *other[len(pattern) :])
    )
