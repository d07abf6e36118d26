"""A block of log lines into the errors that stand in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from rwlib.diagnose.classify import LineVerdict, classify
from rwlib.diagnose.facts import Facts
from rwlib.diagnose.normalise import flatten
from rwlib.diagnose.patterns import finder
from rwlib.diagnose.records import Record, split_block
from rwlib.diagnose.structured import event_text
from rwlib.diagnose.tables import joined_rows
from rwlib.masking import mask

# How many lines a sentence may be wrapped over, and how long an error is read.
_WRAPPED: Final = 6
_LONGEST: Final = 24_000
_COMPARED: Final = ("caller", "action", "resource")


@dataclass(frozen=True)
class Found:
    """One error: what it is, what it says, and where its record begins."""

    verdict: LineVerdict
    facts: Facts
    line: int
    time: str | None

    @property
    def identity(self) -> dict[str, str | None]:
        """Who, what and on what, as far as the text says."""
        denial = self.facts.denial
        return {
            "caller": denial.caller if denial else None,
            "action": self.facts.action,
            "resource": denial.resource if denial else None,
        }


def read_text(text: str, workload_identity_arn: str = "") -> tuple[LineVerdict, Facts] | None:
    """Read a text as one error; None when it is about none of this."""
    worded = event_text(text)
    flat = flatten((text if worded is None else worded)[:_LONGEST])
    facts = Facts(flat)
    verdict = classify(facts, workload_identity_arn)
    if verdict is None:
        return None
    # Read again with its secrets masked: no span that is kept or quoted holds part of one.
    masked = mask(flat)
    if masked != flat:
        facts = Facts(masked)
        verdict = classify(facts, workload_identity_arn) or LineVerdict(verdict.error_class, "")
    return verdict, facts


def read_block(block: bytes, first_line: int, workload_identity_arn: str = "") -> list[Found]:
    """Return the errors of one log entry, or of lines pasted one after the other.

    A sentence that is wrapped over lines is read as a whole, errors that repeat or only announce
    each other are one.
    """
    if b"PRIVATE KEY" in block:
        # A key stands on lines of its own, which are no records.
        block = mask(block.decode("utf-8", "replace")).encode()
    records = split_block(joined_rows(block), first_line)
    single = [read_text(record.text, workload_identity_arn) for record in records]
    found: list[Found] = []
    position = 0
    while position < len(records):
        read, used = _read_wrapped(records, single, position, workload_identity_arn)
        if read:
            verdict, facts = read
            found.append(Found(verdict, facts, records[position].line, records[position].time))
        position += used
    return _without_echoes(found)


def _read_wrapped(
    records: Sequence[Record],
    single: Sequence[tuple[LineVerdict, Facts] | None],
    position: int,
    workload: str,
) -> tuple[tuple[LineVerdict, Facts] | None, int]:
    """Read a record together with the following lines where that says more than it alone."""
    best, used = single[position], 1
    text = records[position].text
    if best and not best[0].weak and not _open_ended(best[1].flat):
        return best, used
    unbroken = True
    for count in range(2, _WRAPPED + 1):
        last = position + count - 1
        if last >= len(records):
            break
        following = single[last]
        stands_alone = following is not None and not following[0].weak
        goes_on = _open_ended(flatten(text[-400:]))
        if stands_alone and not goes_on:
            break
        text = f"{text}\n{records[last].text}"
        joined = read_text(text, workload)
        unbroken = unbroken and goes_on
        if joined is None or not (unbroken or joined[1].denials):
            # Words of two lines that have nothing to do with each other.
            continue
        if _weight(joined) > _weight(best) or (
            stands_alone and _weight(joined) >= _weight(following)
        ):
            best, used = joined, count
    return best, used


_OPEN_END: Final = finder(
    r"\b(?:is|are|was|be|been|has|have|not|no|must|can|cannot|may|will|does|did|that|which|than)$",
    r"\b(?:to|the|an?|in|on|at|as|from|with|by|for|of|and|or|because|when|calling|your|you|this|failed|included|exceed)$",
    r"\b(?:allows?|explicit|deny|based|User|perform|authorized|resource|role|operation|policy)$",
    r"[:,(]$|\bis not authorized .*[:-]$|calling the \w+$",
    r"User:? \S+$|perform:? \S+$|on resource:? \S+$",
)


def _open_ended(flat: str) -> bool:
    """Tell whether a refusal stops before it has said everything."""
    return _OPEN_END.search(flat[-300:]) is not None


def _weight(read: tuple[LineVerdict, Facts] | None) -> int:
    if read is None:
        return 0
    verdict, facts = read
    denial = facts.denial
    said = 0
    if denial:
        said = 1 + sum(map(bool, (denial.caller, denial.resource, denial.layer, denial.explicit)))
    return (1 if verdict.weak else 10) + said


def _without_echoes(found: list[Found]) -> list[Found]:
    """Within one log entry, drop what only announces or repeats a better error of it."""
    strong = [each for each in found if not each.verdict.weak]
    kept: list[Found] = []
    for each in strong or found[:1]:
        twin = next((other for other in kept if _same(other, each)), None)
        if twin is None:
            kept.append(each)
        elif _weight((each.verdict, each.facts)) > _weight((twin.verdict, twin.facts)):
            kept[kept.index(twin)] = Found(each.verdict, each.facts, twin.line, twin.time)
    return kept


def _same(one: Found, other: Found) -> bool:
    if one.verdict.error_class != other.verdict.error_class:
        return False
    first, second = one.identity, other.identity
    return all(
        first[name] == second[name] or None in (first[name], second[name]) for name in _COMPARED
    )
