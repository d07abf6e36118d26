"""Lines into records: which lines of a log belong to one error.

A record starts where a line starts like a log entry (time, level, a client's ``ERROR:``). Its
continuation lines - numbered causes, stack frames, XML bodies, opendal's debug form, wrapped
text - carry no start of their own.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from rwlib.diagnose.patterns import any_of, byte_finder
from rwlib.diagnose.tables import is_row

_TIME: Final = any_of(
    r"\d{4}[-/]\d\d[-/]\d\d[T ]\d\d:\d\d(?::\d\d)?[.,\d]*(?:Z|[+-]\d\d:?\d\d)?",
    r"\d\d:\d\d:\d\d[.,\d]*",
    r"[A-Z][a-z]{2} +\d{1,2} \d\d:\d\d:\d\d",
    r"\d{1,2}/[A-Z][a-z]{2}/\d{4}[: ]\d\d:\d\d:\d\d[ +\d]*",
    r"\d{2}/\d\d/\d\d \d\d:\d\d:\d\d",
    r"\d{10}(?:\d{3})?\b",
)
_LEVEL: Final = (
    r"(?:TRACE|DEBUG|INFO|NOTICE|WARN(?:ING)?|ERROR|SEVERE|CRITICAL|FATAL|PANIC|LOG|E|W)"
)
# What a collector writes before every line, continuation lines included.
_COLLECTOR: Final = byte_finder(
    r"\d{4}-\d\d-\d\dT[\d:.]+(?:Z|[+-]\d\d:\d\d) (?:stdout|stderr) [FP] ",
    r"\[?(?:pod/)?[\w./-]{1,80}\]? +\| ?|\[pod/[\w./-]+\] ",
    r"[A-Z][a-z]{2} +\d{1,2} \d\d:\d\d:\d\d [\w.-]+ [\w./@-]+(?:\[\d+\])?: ",
    anchored=True,
)
_START: Final = byte_finder(
    rf"[\[(\"']?(?:{_TIME})",
    rf"\[?{_LEVEL}\b(?:\]|:|\s|\[)",
    r"[IWEF]\d{4} \d\d:\d\d:\d\d|(?:time|ts|level|timestamp|lvl)=|\{\s*\"",
    r"psql:|(?:db|SQL) [Ee]rror|[\w]+[=-][>#] |\$ |>>> ",
    r"\d{1,3}(?:\.\d{1,3}){3} - |[\w.-]+@[\w.-]+[:$#]",
    "\u2577",
    anchored=True,
)
# What most lines of most logs begin with, so that they need not be asked everything else.
_PLAIN_START: Final = re.compile(
    rb"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d[\d.,]*Z? {1,2}\[?(?:INFO|WARN|ERROR|DEBUG|TRACE)\b"
)
_CONTINUED: Final = byte_finder(
    r"\s|$|[<}\])|^]|-{5,}",
    "\u2502|\u2575",
    r"Caused by|\d{1,3}: |at |\.\.\. \d+ |Suppressed:|Backtrace|stack backtrace|note: ",
    r"HINT|DETAIL|CONTEXT|Hint|Detail|LINE \d|STATEMENT|Context:|Source:",
    r"status code:|resource:|on resource|because |with an explicit",
    anchored=True,
)
# After a time of its own, a line that goes on with an indented or tagged text is a continuation.
_TIMED_CONTINUATION: Final = byte_finder(
    rf"[\[(\"']?(?:{_TIME})[\])\"']?"
    r"(?=\s{2,}\d{1,3}: |\s+</?\w+[ />]|\s+Caused by(?: these|:)|\s+at [\w.$]+\()",
    anchored=True,
)
_LEADING_TIME: Final = byte_finder(rf"[\[(\"'{{]{{0,2}}(?:time=|ts=)?\"?({_TIME})", anchored=True)
_NAMED_TIME: Final = byte_finder(
    r"\"(?:@?timestamp|time|ts|eventTime)\" ?: ?\"?([^\",}]{8,40})",
)


def strip_collector(line: bytes) -> bytes:
    """Return the line without what a log collector wrote before it."""
    match = _COLLECTOR.match(line)
    return line[match.end() :] if match else line


def starts_record(line: bytes) -> bool:
    """Tell whether a line is the first of a log entry."""
    if _PLAIN_START.match(line):
        return True
    if is_row(line):
        return True
    line = strip_collector(line)
    return bool(_START.match(line)) and not _TIMED_CONTINUATION.match(line)


def continues_record(line: bytes) -> bool:
    """Tell whether a line belongs to the one before it, whatever that is."""
    if is_row(line):
        return False
    line = strip_collector(line)
    return bool(_CONTINUED.match(line) or _TIMED_CONTINUATION.match(line))


@dataclass(frozen=True)
class Record:
    """One error's lines: the text, the number of its first line, and its time as written."""

    text: str
    line: int
    time: str | None = None


def split_block(block: bytes, first_line: int) -> list[Record]:
    """Split the lines between two log entries into the errors that stand there one by one.

    Parameters
    ----------
    block
        Whole lines, starting with a log entry or at the beginning of a text.
    first_line
        Number of the block's first line.
    """
    time = time_of(block)
    records: list[Record] = []
    lines: list[bytes] = []
    start = first_line
    for number, raw in enumerate(block.split(b"\n"), first_line):
        line = _without_time_of_continuation(strip_collector(raw.rstrip(b"\r")))
        if lines and not continues_record(raw):
            records.append(Record(_decode(lines), start, time))
            lines, start = [], number
        lines.append(line)
    if any(lines):
        records.append(Record(_decode(lines), start, time))
    return records


def _without_time_of_continuation(line: bytes) -> bytes:
    match = _TIMED_CONTINUATION.match(line)
    return line[match.end() :] if match else line


def _decode(lines: list[bytes]) -> str:
    return b"\n".join(lines).decode("utf-8", "replace").strip("\n")


def leading_time(block: bytes) -> int:
    """Return how long the time is that a log entry begins with; 0 without one."""
    match = _LEADING_TIME.match(block[:60])
    return match.end() if match else 0


def time_of(block: bytes) -> str | None:
    """Return the time of a log entry as it is written, or None."""
    head = strip_collector(block[:400])
    match = _LEADING_TIME.match(head) or _LEADING_TIME.match(block[:60])
    if match:
        return match[1].decode("ascii", "replace").strip()
    named = _NAMED_TIME.search(block[:4000])
    return named[1].decode("utf-8", "replace") if named else None
