"""A batch in one page, one table, one JSON document and one JUnit file, written row by row."""

from __future__ import annotations

import csv
import io
import json
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Set
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, TextIO
from xml.sax.saxutils import escape, quoteattr

from rwlib.batch.progress import BAD, duration
from rwlib.batch.results import GONE, NOT_RUN
from rwlib.batch.rows import folder_name
from rwlib.verify import HOPS, status_words

_QUIET = ("done", "unchanged", "as before", "first look")
# What a status is in JUnit's words; what was not done is no pass.
_KINDS = {
    "failed": "failure",
    "changed": "failure",
    "error": "error",
    "not reached": "error",
    NOT_RUN: "error",
    "manual": "skipped",
    GONE: "skipped",
}

Result = Mapping[str, Any]
Results = Callable[[], Iterable[Result]]


def write_summary(folder: Path, head: Mapping[str, Any], results: Results) -> None:
    """Write ``summary.html``, ``summary.csv``, ``summary.json`` and ``junit.xml``.

    Parameters
    ----------
    head
        What is said about the whole: ``name``, ``started``, ``counts`` and so on.
    results
        Gives the answers anew at each call, so that they are never all in memory.
    """
    seen: set[str] = set()
    filled: set[str] = set()
    accounts: set[str] = set()
    for result in results():
        seen |= set(result["hops"])
        filled |= {name for name, shown in _cells(result).items() if shown}
        accounts |= {str(result.get("account_id") or "")} - {""}
    hops = [hop for hop in HOPS if hop in seen] + sorted(seen - set(HOPS))
    one_account = len(accounts) < 2
    if one_account:
        # It is said once, above the table.
        filled.discard("account")
    account = "".join(accounts) if one_account else ""
    page = partial(_write_html, filled=filled, account=account)
    for name, write in (
        ("summary.csv", _write_csv),
        ("summary.json", _write_json),
        ("junit.xml", _write_junit),
        ("summary.html", page),
    ):
        with _whole(folder / name) as file:
            write(file, head, hops, results)


@contextmanager
def _whole(path: Path) -> Iterator[TextIO]:
    """Write a file whole: who reads it meanwhile sees the old one."""
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with part.open("w", encoding="utf-8", newline="") as file:
            yield file
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def evidence_place(result: Result) -> str:
    """Return where a target's evidence is, seen from the batch's folder; empty for none."""
    if result.get("evidence"):
        return str(result["evidence"])
    return folder_name(result["name"]) if result.get("manifest") else ""


def _write_csv(file: TextIO, head: Result, hops: list[str], results: Results) -> None:
    writer = csv.writer(file, lineterminator="\n")
    fields = ("status", "exit_code", "account_id", "role_arn", "reads", "writes", "seconds")
    writer.writerow(["row", "name", *fields, "changes", *hops, "problem", "not_seen", "evidence"])
    for result in results():
        cells = [
            result["row"],
            result["name"],
            *(result.get(name, "") for name in fields),
            len(result["changes"]),
            *(result["hops"].get(hop, "") for hop in hops),
            result["problem"],
            "; ".join(result.get("not_seen", ())),
            evidence_place(result),
        ]
        writer.writerow([_harmless(cell) for cell in cells])


def _harmless(cell: Any) -> Any:
    """Keep a spreadsheet from taking a text for a formula."""
    return f"'{cell}" if isinstance(cell, str) and cell[:1] in tuple("=+-@\t\r") else cell


def _write_json(file: TextIO, head: Result, hops: list[str], results: Results) -> None:
    file.write(json.dumps({**head, "hops": hops}, indent=2)[:-2] + ',\n  "targets": [')
    comma = ""
    for result in results():
        entry = {**result, "evidence": evidence_place(result)}
        file.write(f"{comma}\n    {json.dumps(entry)}")
        comma = ","
    file.write("\n  ]\n}\n")


def _write_junit(file: TextIO, head: Result, hops: list[str], results: Results) -> None:
    counts = Counter(_KINDS.get(result["status"], "passed") for result in results())
    suite = {
        "name": head["name"],
        "tests": counts.total(),
        "failures": counts["failure"],
        "errors": counts["error"],
        "skipped": counts["skipped"],
        "time": head["seconds"],
        "timestamp": head["started"],
    }
    attributes = " ".join(f"{key}={quoteattr(str(value))}" for key, value in suite.items())
    file.write(f'<?xml version="1.0" encoding="UTF-8"?>\n<testsuite {attributes}>\n')
    for result in results():
        case = {
            "classname": head["name"],
            "name": result["name"],
            "time": result.get("seconds", 0),
        }
        attributes = " ".join(
            f"{key}={quoteattr(_printable(str(value)))}" for key, value in case.items()
        )
        file.write(f"  <testcase {attributes}>")
        kind = _KINDS.get(result["status"])
        if kind:
            said = _printable(_said(result))
            file.write(f"<{kind} message={quoteattr(said)}>{escape(said)}</{kind}>")
        if not_seen := result.get("not_seen"):
            text = escape(_printable("\n".join(not_seen)))
            file.write(f"<system-out>could not be looked at: {text}</system-out>")
        file.write("</testcase>\n")
    file.write("</testsuite>\n")


def _said(result: Result) -> str:
    """Say in a sentence why a target is no pass."""
    status = str(result["status"])
    said = str(result.get("problem") or result.get("headline") or status)
    return f"changed since the last look: {said}" if status == "changed" else said


def _printable(text: str) -> str:
    """Leave out what XML 1.0 cannot hold."""
    return "".join(
        character
        for character in text
        if character in "\t\n" or (character >= " " and not "\ud800" <= character <= "\udfff"
                                   and character not in "\ufffe\uffff")
    )  # fmt: skip


def _cells(result: Result) -> dict[str, Any]:
    """Return what stands in the columns of the page that are left out where all are empty."""
    hops = result["hops"].values()
    quiet = result["status"] in _QUIET
    if not quiet:
        said = result["problem"] or result.get("headline")
    else:
        # What nobody saw is said, also where nothing is wrong.
        said = result.get("headline") if {"manual", "unknown"} & set(hops) else ""
    return {
        "said": "documents" if result.get("documents") else said,
        "changes": result["changes"],
        "account": result.get("account_id"),
        "seconds": result.get("seconds"),
    }


def _write_html(
    file: TextIO,
    head: Result,
    hops: list[str],
    results: Results,
    *,
    filled: Set[str],
    account: str,
) -> None:
    from rwlib.report import template

    page = template("batch.html.j2")
    planned = head.get("mode") in ("plan", "preview")
    words = {each: status_words(each, planned=planned) for each in ("pass", "fail")}
    words |= {"unknown": "could not be looked at", "manual": "a person says so"}
    rows = (
        {**result, "evidence": evidence_place(result), "said": _cells(result)["said"]}
        for result in results()
    )
    buffer = io.StringIO()
    for part in page.generate(
        head=head,
        hops=hops,
        rows=rows,
        filled=filled,
        account=account,
        words=words,
        bad=BAD,
        duration=duration,
    ):
        buffer.write(part)
        if buffer.tell() > 1 << 16:
            file.write(buffer.getvalue())
            buffer = io.StringIO()
    file.write(buffer.getvalue())
