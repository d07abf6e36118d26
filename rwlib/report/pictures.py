"""The chain from RisingWave to the bucket, and the map of what is allowed, as pictures.

Both are made from a report's plain values, so that notebooks and ``report.html`` show the same.
They read without colour, in light and dark, and each has its text.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from rwlib.verify import HOPS, Hop, status_words

WORDS = {
    "pass": "pass",
    "fail": "fail",
    "unknown": "unknown",
    "manual": "by hand",
    "": "no verdict",
}
MARKS = {"pass": "✓", "fail": "✗", "unknown": "?", "manual": "✎", "": "·"}
_WORST = ("fail", "unknown", "manual", "pass")

# Where a hop of another version's report goes: to the policies.
_NEW = Hop("", 3)

WIDTH, HEIGHT = 740, 286
_BOX = (220, 108)
_PLACES = ((10, 14), (260, 14), (510, 14), (10, 166), (260, 166), (510, 166))


@dataclass(frozen=True)
class Box:
    """One box of the chain.

    Parameters
    ----------
    verdict
        The worst of its checks' verdicts; empty when none was made.
    why
        Title of the check that decided it.
    planned
        True where a plan was judged: it says what would be.
    """

    title: str
    name: str
    detail: str
    verdict: str
    why: str
    planned: bool = False

    @property
    def words(self) -> str:
        """The verdict as a person reads it."""
        if self.verdict in ("pass", "fail"):
            return status_words(self.verdict, planned=self.planned)
        return WORDS[self.verdict]

    @property
    def text(self) -> str:
        """The hop in one line."""
        why = f" ({self.why})" if self.why and self.verdict != "pass" else ""
        return f"{self.title}: {self.name}, {self.detail}: {self.words}{why}"


def chain(report: Mapping[str, Any]) -> tuple[Box, ...]:
    """Return the hops from RisingWave to the KMS key, each with its verdict."""
    boxes: list[list[Mapping[str, Any]]] = [[] for _ in _PLACES]
    for check in report["checks"]:
        # Painted where it refuses; what another version's report does not say is at its own hop.
        for hop in check.get("hops") or [check["hop"]]:
            box = HOPS.get(hop, _NEW).box
            if box is not None:
                boxes[box].append(check)
    target, bucket = report["target"], report["bucket"]
    workload = report["workload_identity_arn"]
    policy = target.get("policy_name") or "policy"
    boundary = target.get("permissions_boundary_arn", "").rpartition("/")[2]
    key = bucket.get("kms_key_arn") or target.get("kms_key_arn") or ""
    names = (
        ("RisingWave Cloud", ", ".join(target["connectors"]), "SQL of Step 5"),
        ("Workload Identity", _last(workload), f"account {_account(workload)}"),
        ("Your role", target["role_name"], f"account {_account(report['role_arn'])}"),
        ("Policies", policy, f"boundary {boundary}" if boundary else "no boundary"),
        ("Bucket", f"{bucket['name']}/{target['prefix']}", bucket["region_name"]),
        ("Encryption", _last(key) if key else "no KMS key of its own", "KMS" if key else "SSE-S3"),
    )
    return tuple(
        Box(title, name, detail, *_worst(checks))
        for (title, name, detail), checks in zip(names, boxes, strict=True)
    )


def _worst(checks: Sequence[Mapping[str, Any]]) -> tuple[str, str, bool]:
    for status in _WORST:
        for check in checks:
            if check["status"] == status:
                return status, str(check["title"]), bool(check.get("planned"))
    return "", "", False


def chain_text(hops: Sequence[Box]) -> str:
    """Return the chain as lines of text, for readers without pictures."""
    return "\n".join(f"{number}. {hop.text}" for number, hop in enumerate(hops, 1))


def chain_svg(hops: Sequence[Box], *, standalone: bool = False) -> str:
    """Return the chain as one SVG.

    Parameters
    ----------
    standalone
        Bring the colours along, for a picture that is shown outside the runbook's own pages.
    """
    own = " rw-chain-alone" if standalone else ""
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
        f'role="img" class="rw-chain{own}" font-family="system-ui, DejaVu Sans, sans-serif" '
        f'width="{WIDTH}" height="{HEIGHT}">'
    )
    parts = [head, "<title>The chain from RisingWave Cloud to the bucket</title>"]
    parts.append(f"<desc>{escape(chain_text(hops))}</desc>")
    if standalone:
        parts.append(f"<style>{_COLOURS}</style>")
    parts.append(f'<rect class="rw-paper" width="{WIDTH}" height="{HEIGHT}" rx="6"/>')
    parts += [_arrow(number, label) for number, label in enumerate(_LABELS)]
    parts += [_box(hop, *place) for hop, place in zip(hops, _PLACES, strict=True)]
    return "".join([*parts, "</svg>"])


_LABELS = ("runs as", "assumes", "is allowed by", "for", "with")
_COLOURS = (
    ".rw-chain-alone{--rw-ink:#1c2430;--rw-soft:#566170;--rw-line:#8a95a3;--rw-back:#fff;"
    "--rw-panel:#f5f7fa;--rw-pass:#14692f;--rw-fail:#a61b1b;--rw-unknown:#6a5200;"
    "--rw-manual:#1f4f99}.rw-chain-alone .rw-paper{fill:var(--rw-back)}"
    "@media (prefers-color-scheme:dark){.rw-chain-alone{--rw-ink:#e6eaf0;--rw-soft:#a3adbb;"
    "--rw-line:#6b7686;--rw-back:#12161d;--rw-panel:#1b212b;--rw-pass:#63d083;"
    "--rw-fail:#ff8f8f;--rw-unknown:#e2c15a;--rw-manual:#8fb8ff}}"
)


def _box(hop: Box, x: int, y: int) -> str:
    width, height = _BOX
    colour = f"var(--rw-{hop.verdict})" if hop.verdict else "var(--rw-soft)"
    # A failed hop differs by its line as well: thick and broken.
    dash = ' stroke-dasharray="7 4"' if hop.verdict == "fail" else ""
    line = 3 if hop.verdict == "fail" else 1.5
    verdict = f"{MARKS[hop.verdict]} {hop.words}"
    return (
        f"<g><title>{escape(hop.text)}</title>"
        f'<rect x="{x}" y="{y}" width="{width}" height="{height}" rx="8" fill="var(--rw-panel)" '
        f'stroke="{colour}" stroke-width="{line}"{dash}/>'
        + _line(x + 12, y + 24, 14, "var(--rw-ink)", hop.title, bold=True)
        + _line(x + 12, y + 47, 13, "var(--rw-ink)", _short(hop.name, 26))
        + _line(x + 12, y + 67, 13, "var(--rw-soft)", _short(hop.detail, 26))
        + _line(x + 12, y + 93, 14, colour, verdict, bold=True)
        + "</g>"
    )


def _arrow(number: int, label: str) -> str:
    width, height = _BOX
    x, y = _PLACES[number]
    end_x, end_y = _PLACES[number + 1]
    if end_y == y:
        middle = y + height // 2
        tip = f"M{x + width} {middle}H{end_x - 3}m-7 -5l7 5l-7 5"
        words = ""
    else:
        gap = y + height + (end_y - y - height) // 2
        tip = (
            f"M{x + width // 2} {y + height}V{gap}H{end_x + width // 2}V{end_y - 3}m-5 -7l5 7l5 -7"
        )
        words = _line(WIDTH // 2, gap - 6, 12, "var(--rw-soft)", label, anchor="middle")
    title = f"<title>{escape(label)}</title>"
    path = f'<path d="{tip}" fill="none" stroke="var(--rw-soft)" stroke-width="1.5"/>'
    return f"<g>{title}{path}{words}</g>"


def _line(
    x: int, y: int, size: int, colour: str, text: str, *, bold: bool = False, anchor: str = "start"
) -> str:
    weight = ' font-weight="600"' if bold else ""
    return (
        f'<text x="{x}" y="{y}" font-size="{size}" fill="{colour}" text-anchor="{anchor}"{weight}>'
        f"{escape(text)}</text>"
    )


def _short(text: str, longest: int) -> str:
    """Shorten in the middle: the beginning and the end tell names apart."""
    if len(text) <= longest:
        return text
    tail = longest // 2
    return f"{text[: longest - tail - 1]}…{text[-tail:]}"


def _last(arn: str) -> str:
    return arn.rpartition("/")[2] or arn


def _account(arn: str) -> str:
    return (arn.split(":") + [""] * 5)[4] or "not known"


COLUMNS = ("List", "Read", "Write", "Delete", "Settings")
_VERBS = {
    "s3:ListBucket": "List",
    "s3:GetObject": "Read",
    "s3:PutObject": "Write",
    "s3:DeleteObject": "Delete",
    "s3:DeleteBucket": "Delete",
    "s3:PutBucketPolicy": "Settings",
    "kms:Decrypt": "Read",
    "kms:GenerateDataKey": "Write",
    "glue:UpdateTable": "Write",
}


@dataclass(frozen=True)
class Cell:
    """What was found for one kind of request on one place.

    Parameters
    ----------
    found, wanted
        ``allowed`` or ``refused``.
    requests
        The requests it sums up, one line each; those that are wrong stand alone.
    """

    found: str
    wanted: str
    requests: tuple[str, ...]

    @property
    def right(self) -> bool:
        """True when it is as it should be."""
        return self.found == self.wanted

    @property
    def text(self) -> str:
        """The cell in words."""
        if self.right:
            return f"✓ {self.found}"
        if self.found == "depends":
            return f"? depends, should be {self.wanted}"
        return f"✗ {self.found}, should be {self.wanted}"


def access_map(report: Mapping[str, Any]) -> dict[str, dict[str, Cell]]:
    """Return what is allowed as a grid: a place, then a kind of request."""
    grid: dict[str, dict[str, list[Mapping[str, Any]]]] = {}
    for request in report["requests"]:
        row = grid.setdefault(_place(request, report["target"]), {})
        row.setdefault(_column(request["action"]), []).append(request)
    # What is granted beyond the need has a row of its own, with the request that proves it.
    for grant in report.get("grants", ()):
        proof = grant["witness"]
        row = grid.setdefault(_beyond(grant), {})
        row.setdefault(_column(proof["action"]), []).append(
            {
                "action": proof["action"],
                "title": f"{grant['title']} ({grant['id']})",
                "is": "allowed",
                "should_be": "allowed" if _tolerated(grant) else "refused",
            }
        )
    return {
        place: {column: _cell(requests) for column, requests in row.items()}
        for place, row in grid.items()
    }


def _tolerated(grant: Mapping[str, Any]) -> bool:
    return bool(grant["accepted"]) or grant["kind"] == "unused"


def _beyond(grant: Mapping[str, Any]) -> str:
    """Name the row of a grant beyond the need by what it reaches."""
    places = [each.removeprefix("arn:aws:s3:::") for each in grant["resources"]]
    shown = "every resource" if "*" in places else ", ".join(places[:2])
    if len(places) > 2:
        shown += f" and {len(places) - 2} more"
    if grant["accepted"]:
        return f"{shown}, not needed but accepted"
    return f"{shown}, beyond the need" if grant["kind"] == "outside" else f"{shown}, not used"


def _cell(requests: Sequence[Mapping[str, Any]]) -> Cell:
    wrong = [each for each in requests if each["is"] != each["should_be"]]
    shown = wrong or requests
    lines = tuple(f"{each['action']}: {each['title']}" for each in shown)
    return Cell(shown[0]["is"], shown[0]["should_be"], lines)


def _place(request: Mapping[str, Any], target: Mapping[str, Any]) -> str:
    bucket, prefix = target["bucket"], target["prefix"]
    group = str(request["id"]).partition(".")[0]
    known = {
        "bucket": f"{bucket}, the bucket itself",
        "root": f"{bucket}/, its root",
        "beside": f"{bucket}/{prefix}-other/, a sibling of the prefix",
        "other": "another bucket",
        "kms": "the KMS key",
        "glue": "the Glue catalog",
    }
    return known.get(
        group, f"{bucket}/{prefix}/, the prefix" if prefix else f"{bucket}/, all of it"
    )


def _column(action: str) -> str:
    if action in _VERBS:
        return _VERBS[action]
    verb = action.partition(":")[2]
    starts = {"Get": "Read", "List": "List", "Put": "Write", "Create": "Write", "Delete": "Delete"}
    return next((column for start, column in starts.items() if verb.startswith(start)), "Settings")


def access_text(grid: Mapping[str, Mapping[str, Cell]]) -> str:
    """Return the map as lines of text."""
    return "\n".join(
        f"{place}: " + ", ".join(f"{column.lower()} {cell.text}" for column, cell in row.items())
        for place, row in grid.items()
    )
