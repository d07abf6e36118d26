"""The diagnosis: from an error text, and the live state where it can be asked, to causes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from rwlib.diagnose.causes.candidates import Candidates, Reading
from rwlib.diagnose.causes.fixes import fix_for
from rwlib.diagnose.causes.other import BY_CLASS
from rwlib.diagnose.classify import LineVerdict
from rwlib.diagnose.deciders import CLASS_OF
from rwlib.diagnose.facts import Facts
from rwlib.diagnose.grouping import Group, Groups
from rwlib.diagnose.ids import UNRELATED
from rwlib.diagnose.live import Answers, Settled, unasked
from rwlib.diagnose.model import RANK, Cause, Diagnosis, LiveFacts
from rwlib.diagnose.reader import read_text
from rwlib.diagnose.stream import open_source, read_blocks
from rwlib.masking import mask

if TYPE_CHECKING:
    from rwlib.target import Target

_EXCERPT: Final = 600
_RIGHT_NOW: Final = "it looks right now: it was mended since, or the error met something else"


def diagnose(
    source: str | Path | bytes | Iterable[str | bytes] | None = None,
    *,
    target: Target | None = None,
    live: LiveFacts | None = None,
    target_file: str = "",
) -> list[Diagnosis]:
    """Say what each distinct error of a text is, why it happened, and what to do.

    Nothing is sent anywhere, and everything returned is masked. A log is streamed: memory does
    not grow with its size.

    Parameters
    ----------
    source
        An error text, lines of text, or the path of a log file, plain or gzip; a string that
        names an existing file is read as that file. None or an empty text: only the live state
        is looked at.
    target
        What the message is compared with: bucket, prefix, role, Workload Identity.
    live
        Read-only checks of the account; only those are asked that decide between the causes.
    target_file
        Where the target stands, for the commands that a fix names.

    Returns
    -------
    One `Diagnosis` per distinct error, consequences last; empty when the text is about none of
    this.

    Raises
    ------
    InputError
        The file cannot be read.
    """
    answers = Answers(live) if live else None
    if source is None or source in ("", b""):
        return _live_only(target, answers, target_file) if answers else []
    workload = target.workload_identity_arn if target else ""
    groups = Groups(workload)
    stream = open_source(source)
    try:
        for block in read_blocks(stream):
            groups.add(block)
    finally:
        stream.close()
    return [_diagnosis(group, target, answers, target_file) for group in groups]


def classify_line(line: str) -> str:
    """Return the class of one line, or of one error's lines; ``unrelated`` when it has none."""
    read = read_text(line)
    if read is None or "\n" in line:
        groups = Groups()
        for block in read_blocks(open_source(line.encode("utf-8", "surrogateescape"))):
            groups.add(block)
        first = next(iter(groups), None)
        if first:
            return first.found.verdict.error_class
    return read[0].error_class if read else UNRELATED


def _diagnosis(
    group: Group, target: Target | None, answers: Answers | None, target_file: str
) -> Diagnosis:
    classified = group.found
    reading = Reading(classified.facts, classified.verdict, target, target_file)
    candidates = BY_CLASS[reading.error_class](reading)
    causes, excluded = _settle(candidates, reading, answers)
    every = [cause for cause, _, _ in candidates.ranked()]
    return Diagnosis(
        error_class=reading.error_class,
        caller=_masked(reading.caller),
        action=_masked(reading.action),
        resource=_masked(reading.resource),
        causes=causes,
        not_looked_at=answers.open_checks(every) if answers else unasked(every),
        excluded=excluded,
        count=group.count,
        first_line=group.first_line,
        last_line=group.last_line,
        first_time=group.first_time,
        last_time=group.last_time,
        excerpt=_excerpt(classified.facts, classified.verdict),
        details=_details(reading),
    )


def _settle(
    candidates: Candidates, reading: Reading, answers: Answers | None
) -> tuple[tuple[Cause, ...], tuple[tuple[str, str], ...]]:
    """Lay the live answers over the causes that the text allows."""
    excluded = dict(candidates.excluded)
    causes: list[Cause] = []
    confirmed: set[str] = set()
    for name, confidence, evidence in candidates.ranked():
        cause = Cause(name, confidence, evidence, fix_for(name, reading))
        settled = answers.settle(name, reading.action) if answers else None
        if settled is None:
            causes.append(cause)
            continue
        seen = settled.evidence
        if settled.verdict == "confirmed":
            confirmed.add(name)
            causes.append(_by_hand(cause, settled).with_confidence("certain", *seen))
        elif confidence == "certain":
            # The text is sure of what happened then, the check of what is so now.
            causes.append(cause.with_confidence("likely", _RIGHT_NOW, *seen))
        else:
            excluded[name] = "; ".join(seen) or "its check passes"
    own_deny = answers.settle("unknown", reading.action) if answers else None
    if own_deny and own_deny.verdict == "confirmed" and "unknown" not in candidates.found:
        # The role's own policies deny it: no cause of the table, but what stops the request.
        confirmed.add("unknown")
        fix = fix_for("unknown", replace(reading, verdict=LineVerdict("explicit_deny", "")))
        causes.append(Cause("unknown", "likely", own_deny.evidence, fix))
    if confirmed:
        causes = _confirmed_first(causes, confirmed)
    if not causes:
        why = "every cause that the text allows is ruled out by a check"
        causes = [Cause("unknown", "possible", (why,), fix_for("unknown", reading))]
    return tuple(causes), tuple(excluded.items())


def _by_hand(cause: Cause, settled: Settled) -> Cause:
    """Put what a person has to do in place of a step that would refuse."""
    if not settled.by_hand:
        return cause
    return replace(cause, fix=replace(cause.fix, how=settled.by_hand))


def _confirmed_first(causes: list[Cause], confirmed: set[str]) -> list[Cause]:
    """Where a check confirmed a cause, the open ones are no more than possible."""
    causes = [
        cause
        if cause.id in confirmed or cause.confidence == "certain"
        else cause.with_confidence("possible")
        for cause in causes
    ]
    return sorted(causes, key=lambda cause: (RANK[cause.confidence], cause.id not in confirmed))


def _live_only(target: Target | None, answers: Answers, target_file: str) -> list[Diagnosis]:
    """Find the causes that the checks confirm, with no error text at all."""
    by_class: dict[str, list[Cause]] = {}
    for name, error_class in CLASS_OF.items():
        settled = answers.settle(name)
        if settled is None or settled.verdict == "excluded":
            continue
        reading = Reading(Facts(""), LineVerdict(error_class, ""), target, target_file)
        cause = Cause(name, "certain", settled.evidence, fix_for(name, reading))
        by_class.setdefault(error_class, []).append(_by_hand(cause, settled))
    return [
        Diagnosis(
            error_class=error_class,
            caller=None,
            action=None,
            resource=None,
            causes=tuple(causes),
            not_looked_at=answers.open_checks(CLASS_OF),
            count=0,
        )
        for error_class, causes in by_class.items()
    ]


def _masked(text: str | None) -> str | None:
    return mask(text) if text else None


def _excerpt(facts: Facts, verdict: LineVerdict) -> str:
    text = mask(facts.flat)
    if len(text) <= _EXCERPT:
        return text
    # Around the words that decide: the head of a stack trace says little.
    words = mask(verdict.evidence)[:80]
    at = max(0, text.find(words))
    start = max(0, min(at - 200, len(text) - _EXCERPT))
    cut = text[start : start + _EXCERPT]
    return f"{'… ' if start else ''}{cut}{' …' if start + _EXCERPT < len(text) else ''}"


def _details(reading: Reading) -> dict[str, str]:
    facts = reading.facts
    known = {
        "side": facts.side,
        "layer": reading.denial.layer if reading.denial else None,
        "whose_caller": reading.caller_kind if reading.caller else None,
        "region_given": facts.region_given,
        "region_expected": facts.region_expected,
        "request_id": facts.request_id,
        "bucket": facts.bucket,
        "key": facts.key,
        "connector": facts.connector,
        "accounts": ", ".join(facts.accounts),
    }
    return {name: mask(value) for name, value in known.items() if value}
