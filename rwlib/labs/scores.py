"""Who has solved which lab, for one learner and for a class."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rwlib.errors import InputError
from rwlib.labs.learner_folder import Workplace
from rwlib.labs.model import all_labs

FORMAT = 1


@dataclass(frozen=True)
class Score:
    """One learner's result in one lab; ``minutes`` from the start to the first pass."""

    number: int
    started: str = ""
    passed: str = ""
    checks: int = 0
    resets: int = 0
    missed: tuple[str, ...] = ()

    @property
    def minutes(self) -> float | None:
        """Minutes from the start to the first pass; None when it was not passed."""
        if not self.passed or not self.started:
            return None
        taken = datetime.fromisoformat(self.passed) - datetime.fromisoformat(self.started)
        return round(taken.total_seconds() / 60, 1)

    @property
    def word(self) -> str:
        """How far it has come, in a word."""
        return "passed" if self.passed else "open" if self.started else "not started"


@dataclass(frozen=True)
class Learner:
    """One learner's results."""

    name: str
    scores: Mapping[int, Score] = field(default_factory=dict)

    def of(self, number: int) -> Score:
        """Return the result in one lab."""
        return self.scores.get(number, Score(number))

    @property
    def passed(self) -> int:
        """Number of labs that were passed."""
        return sum(1 for score in self.scores.values() if score.passed)


def now() -> str:
    """Return the time as results have it."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def record(place: Workplace, number: int, **changes: Any) -> Score:
    """Write a change of one lab's result into the learner's file."""
    from rwlib.report import write_text
    from rwlib.runs import exclusive

    file = place.results_file
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with exclusive(file.stem, folder=file.parent):
        learner = read_results(file) if file.exists() else Learner(place.learner)
        old = learner.of(number)
        values: dict[str, Any] = {
            "started": old.started,
            "passed": old.passed,
            "checks": old.checks,
            "resets": old.resets,
            "missed": old.missed,
        }
        for name, value in changes.items():
            values[name] = value(values[name]) if callable(value) else value
        score = Score(number, **values)
        scores = {**learner.scores, number: score}
        data = {
            "format": FORMAT,
            "learner": place.learner,
            "labs": {
                str(each.number): {
                    "started": each.started,
                    "passed": each.passed,
                    "checks": each.checks,
                    "resets": each.resets,
                    "missed": list(each.missed),
                }
                for each in sorted(scores.values(), key=lambda each: each.number)
            },
        }
        write_text(file, json.dumps(data, indent=2) + "\n")
    return score


def read_results(file: Path) -> Learner:
    """Read a learner's results.

    Raises
    ------
    InputError
        The file holds something else.
    """
    try:
        data = json.loads(file.read_text(encoding="utf-8"))
        if data["format"] != FORMAT:
            raise ValueError(f"format {data['format']}")
        scores = {
            int(number): Score(
                int(number),
                str(each["started"]),
                str(each["passed"]),
                int(each["checks"]),
                int(each.get("resets", 0)),
                tuple(str(title) for title in each.get("missed", ())),
            )
            for number, each in data["labs"].items()
        }
        for score in scores.values():
            _ = score.minutes
        return Learner(str(data["learner"]), scores)
    except OSError as error:
        raise InputError(
            "results", str(file), f"cannot be read: {error.strerror}", reason="cannot_be_read"
        ) from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError("results", str(file), "is no results.json of a learner") from error


def find_results(paths: Sequence[Path]) -> list[Path]:
    """Return the result files among files and folders; folders are looked through.

    Raises
    ------
    InputError
        A place does not exist, or there are no results in any.
    """
    found: list[Path] = []
    for place in paths:
        if place.is_file():
            found.append(place)
        elif place.is_dir():
            found += sorted(place.rglob("results.json"))
        else:
            raise InputError(
                "results", str(place), "is neither a file nor a folder", reason="does_not_exist"
            )
    if not found:
        names = ", ".join(map(str, paths))
        raise InputError("results", names, "holds no results.json; start a lab first")
    return found


def merge(learners: Iterable[Learner]) -> list[Learner]:
    """Return one entry for each learner, best first; of two results of one lab the better counts.

    A pass is better than none, and an earlier pass than a later one.
    """
    found: dict[str, Learner] = {}
    for learner in learners:
        known = found.get(learner.name)
        scores = dict(known.scores) if known else {}
        for number, score in learner.scores.items():
            other = scores.get(number)
            if other is None or _rank(score) < _rank(other):
                scores[number] = score
        found[learner.name] = Learner(learner.name, scores)
    return sorted(found.values(), key=lambda each: (-each.passed, _checks(each), each.name))


def _rank(score: Score) -> tuple[bool, str, int]:
    return (not score.passed, score.passed or score.started, -score.checks)


def _checks(learner: Learner) -> int:
    return sum(score.checks for score in learner.scores.values())


def as_csv(learners: Sequence[Learner]) -> str:
    """Return a class's scores as CSV: a row for each learner and lab."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(
        ["learner", "lab", "title", "status", "checks", "resets", "minutes", "planned", "passed"]
    )
    for learner in learners:
        for lab in all_labs():
            score = learner.of(lab.number)
            minutes = "" if score.minutes is None else score.minutes
            writer.writerow(
                [
                    _plain(learner.name),
                    lab.number,
                    lab.title,
                    score.word,
                    score.checks,
                    score.resets,
                    minutes,
                    lab.minutes,
                    score.passed,
                ]
            )
    return out.getvalue()


def _plain(name: str) -> str:
    """Keep a spreadsheet from taking a name for a formula."""
    return f"'{name}" if name[:1] in "=+-@\t\r" else name


def as_json(learners: Sequence[Learner]) -> str:
    """Return a class's scores as JSON."""
    rows = [
        {
            "learner": learner.name,
            "passed": learner.passed,
            "labs": {
                str(lab.number): {
                    "status": learner.of(lab.number).word,
                    "checks": learner.of(lab.number).checks,
                    "minutes": learner.of(lab.number).minutes,
                }
                for lab in all_labs()
            },
        }
        for learner in learners
    ]
    return json.dumps(rows, indent=2)


def as_html(learners: Sequence[Learner]) -> str:
    """Return a class's scores as one page that opens without a network."""
    from rwlib.report import template

    labs = all_labs()
    misses: dict[int, dict[str, int]] = {}
    for learner in learners:
        for score in learner.scores.values():
            for title in score.missed:
                counts = misses.setdefault(score.number, {})
                counts[title] = counts.get(title, 0) + 1
    return str(
        template("score.html.j2").render(
            labs=labs, learners=learners, misses=misses, written=now()[:16].replace("T", " ")
        )
    )


def as_text(learners: Sequence[Learner]) -> str:
    """Return a class's scores as a table for a terminal."""
    labs = all_labs()
    width = max([len("learner"), *(len(each.name) for each in learners)])
    marks = {"passed": "✓", "open": "…", "not started": "·"}
    lines = [f"{'learner':<{width}}  {' '.join(f'{lab.number:>2}' for lab in labs)}  passed"]
    for learner in learners:
        row = " ".join(f"{marks[learner.of(lab.number).word]:>2}" for lab in labs)
        lines.append(f"{learner.name:<{width}}  {row}  {learner.passed}/{len(labs)}")
    return "\n".join(lines)
