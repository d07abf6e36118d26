"""Who has solved which lab, for one learner and for a class."""

from __future__ import annotations

import csv
import io
import json
import secrets
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rwlib.errors import InputError
from rwlib.labs.learner_folder import Workplace
from rwlib.labs.model import Lab, all_labs
from rwlib.labs.seal import TRUST_WORDS, Trust, class_key, sealed, trust_of

FORMAT = 2
_READ = (1, FORMAT)
_LARGEST = 1_000_000
# What a learner's folder holds besides results.
_OTHERS = frozenset({"lab.json", "address.json", "seat.json", "class.json"})
STUCK_CHECKS = 3
"""Checks after the first change, all of them failed, from which on a learner is called stuck."""


@dataclass(frozen=True)
class Score:
    """One learner's result in one lab.

    Parameters
    ----------
    started, passed
        Times of the first start and of the first pass.
    checks
        Checks until now; ``after_change`` counts those after the learner's first change, so that
        a check of the untouched lab, which every notebook makes, is no try.
    missed
        What any check refused; ``last`` what the latest one did.
    hints
        How many hints were opened before the pass.
    solution
        ``shown`` or ``applied`` when the solution was used before the pass.
    answers
        Questions of the lab and whether the first answer was right; scored apart.
    seen
        Time of the latest event.
    """

    number: int
    started: str = ""
    passed: str = ""
    checks: int = 0
    resets: int = 0
    missed: tuple[str, ...] = ()
    after_change: int = 0
    changed: str = ""
    last: tuple[str, ...] = ()
    seed: int | None = None
    hints: int = 0
    solution: str = ""
    answers: Mapping[str, bool] = field(default_factory=dict)
    seen: str = ""

    @property
    def minutes(self) -> float | None:
        """Minutes from the start to the first pass; None when it was not passed."""
        if not self.passed or not self.started:
            return None
        return _minutes(self.started, self.passed)

    @property
    def word(self) -> str:
        """How far it has come, in a word."""
        return "passed" if self.passed else "open" if self.started else "not started"

    @property
    def helped(self) -> bool:
        """Whether the solution was there before the pass."""
        return bool(self.solution)

    def is_stuck(self, planned: int, at: str) -> bool:
        """Whether the learner seems to need help, at a time.

        Started, not passed, and either several tries have failed or the lab's time is over while
        the learner is still at it.
        """
        if self.passed or not self.started:
            return False
        if self.after_change >= STUCK_CHECKS:
            return True
        busy = bool(self.seen) and _minutes(self.seen, at) <= 2 * planned
        return busy and _minutes(self.started, at) > planned


def _minutes(start: str, end: str) -> float:
    taken = datetime.fromisoformat(end) - datetime.fromisoformat(start)
    return round(taken.total_seconds() / 60, 1)


@dataclass(frozen=True)
class Learner:
    """One learner's results.

    Parameters
    ----------
    id
        Tells two learners of one name apart; empty in results that older versions wrote.
    trust
        What the seal on the results is worth.
    """

    name: str
    scores: Mapping[int, Score] = field(default_factory=dict)
    id: str = ""
    trust: Trust = "unsigned"

    def of(self, number: int) -> Score:
        """Return the result in one lab."""
        return self.scores.get(number, Score(number))

    @property
    def passed(self) -> int:
        """Number of labs that were passed."""
        return sum(1 for score in self.scores.values() if score.passed)

    @property
    def answered(self) -> tuple[int, int]:
        """Questions that were answered right, and all that were answered."""
        given = [right for score in self.scores.values() for right in score.answers.values()]
        return sum(given), len(given)


@dataclass(frozen=True)
class Unreadable:
    """A file among a class's results that is none, or is broken."""

    file: Path
    reason: str


def now() -> str:
    """Return the time as results have it."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def record(
    place: Workplace,
    number: int,
    change: Callable[[Score], Mapping[str, Any]] | None = None,
    **changes: Any,
) -> Score:
    """Write a change of one lab's result into the learner's file, and sign it where there is a key.

    A file whose seal does not fit is gone on with and marked: it is never signed as if nothing had
    happened.

    Parameters
    ----------
    change
        Gives the fields that change, from the score as it stands.
    changes
        Fields of `Score` with their new values, or with functions of the old ones.
    """
    from rwlib.report import write_text
    from rwlib.runs import exclusive

    key = class_key()
    file = place.results_file
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with exclusive(file.stem, folder=file.parent):
        altered = ""
        learner = Learner(place.learner, id=secrets.token_hex(8))
        if file.exists():
            data = _data(file)
            learner = _learner(file, data)
            altered = str(data.get("altered", ""))
            if key is not None and trust_of(data, key) != "signed":
                altered = altered or now()
        old = learner.of(number)
        values = {each.name: getattr(old, each.name) for each in fields(Score)}
        for name, value in changes.items():
            values[name] = value(values[name]) if callable(value) else value
        values.update(change(old) if change else {})
        score = Score(**{**values, "number": number, "seen": now()})
        scores = {**learner.scores, number: score}
        written = {
            "format": FORMAT,
            "learner": place.learner,
            "id": learner.id or secrets.token_hex(8),
            "labs": {str(each): _plain_score(scores[each]) for each in sorted(scores)},
        }
        if altered:
            written["altered"] = altered
        write_text(file, json.dumps(sealed(written, key), indent=2) + "\n")
    return score


def record_check(
    place: Workplace, number: int, missed: Sequence[str], *, changed: bool, seed: int
) -> Score:
    """Write that a check was made, and what it refused; nothing refused is a pass.

    Parameters
    ----------
    changed
        Whether the lab is another than at its start: a check of the untouched lab is no try.
    """
    at = now()

    def tries(score: Score) -> Mapping[str, Any]:
        begun = score.changed or (at if changed else "")
        return {
            "checks": score.checks + 1,
            "after_change": score.after_change + bool(begun and not score.passed),
            "changed": begun,
            "missed": tuple(dict.fromkeys([*score.missed, *missed])),
            "last": tuple(missed),
            "passed": score.passed or ("" if missed else at),
            "seed": seed,
        }

    return record(place, number, tries)


def record_change(place: Workplace, number: int) -> Score:
    """Write that the learner has changed something that no policy shows, such as the SQL."""
    return record(place, number, changed=lambda known: known or now())


def record_hint(place: Workplace, number: int, count: int) -> Score:
    """Write how many hints are open; those opened after the pass do not count."""
    return record(
        place,
        number,
        lambda score: {"hints": score.hints if score.passed else max(score.hints, count)},
    )


def record_solution(place: Workplace, number: int, *, applied: bool) -> Score:
    """Write that the solution was shown or applied before the pass."""

    def used(score: Score) -> Mapping[str, Any]:
        if score.passed:
            return {}
        return {"solution": "applied" if applied or score.solution == "applied" else "shown"}

    return record(place, number, used)


def record_answer(place: Workplace, number: int, question: str, right: bool) -> Score:
    """Write the answer to a question; the first one counts."""
    return record(place, number, lambda score: {"answers": {question: right, **score.answers}})


def _plain_score(score: Score) -> dict[str, Any]:
    found = {each.name: getattr(score, each.name) for each in fields(Score)}
    del found["number"]
    return {
        name: list(value)
        if isinstance(value, tuple)
        else dict(value)
        if isinstance(value, Mapping)
        else value
        for name, value in found.items()
    }


def read_results(file: Path, key: bytes | None = None) -> Learner:
    """Read a learner's results.

    Parameters
    ----------
    key
        The class's key, against which the seal is held.

    Raises
    ------
    InputError
        The file holds something else.
    """
    return _learner(file, _data(file), key)


def _data(file: Path) -> Mapping[str, Any]:
    try:
        if file.stat().st_size > _LARGEST:
            raise ValueError("too long")
        data = json.loads(file.read_text(encoding="utf-8-sig"))
        if data["format"] not in _READ:
            raise ValueError(f"format {data['format']}")
    except OSError as error:
        raise InputError(
            "results", str(file), f"cannot be read: {error.strerror}", reason="cannot_be_read"
        ) from error
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise InputError("results", str(file), "is not a learner's results.json") from error
    return dict(data)


def _learner(file: Path, data: Mapping[str, Any], key: bytes | None = None) -> Learner:
    try:
        scores = {int(number): _score(int(number), each) for number, each in data["labs"].items()}
        for score in scores.values():
            _ = score.minutes
            for moment in (score.started, score.passed, score.seen):
                if moment and datetime.fromisoformat(moment).tzinfo is None:
                    raise ValueError(f"{moment} has no time zone")
        learner_id = str(data.get("id", ""))
        return Learner(str(data["learner"]), scores, learner_id, trust_of(data, key))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError("results", str(file), "is not a learner's results.json") from error


def _score(number: int, each: Mapping[str, Any]) -> Score:
    seed = each.get("seed")
    return Score(
        number,
        started=str(each["started"]),
        passed=str(each["passed"]),
        checks=int(each["checks"]),
        resets=int(each.get("resets", 0)),
        missed=tuple(str(title) for title in each.get("missed", ())),
        after_change=int(each.get("after_change", 0)),
        changed=str(each.get("changed", "")),
        last=tuple(str(title) for title in each.get("last", ())),
        seed=None if seed is None else int(seed),
        hints=int(each.get("hints", 0)),
        solution=str(each.get("solution", "")),
        answers={str(name): bool(right) for name, right in each.get("answers", {}).items()},
        seen=str(each.get("seen", "")),
    )


def find_results(paths: Sequence[Path]) -> list[Path]:
    """Return the result files among files and folders, whatever they are called.

    Folders are looked through for JSON files; what a lab keeps beside the results is left out.

    Raises
    ------
    InputError
        A place does not exist, or there are no results in any.
    """
    files: list[Path] = []
    for place in paths:
        if place.is_file():
            files.append(place)
        elif place.is_dir():
            files += sorted(
                file
                for file in place.rglob("*")
                if file.suffix.lower() == ".json"
                and file.name not in _OTHERS
                and not file.name.startswith(".")
                and not _is_of_a_lab(file, place)
                and file.is_file()
            )
        else:
            raise InputError(
                "results", str(place), "is neither a file nor a folder", reason="does_not_exist"
            )
    if not files:
        names = ", ".join(map(str, paths))
        raise InputError("results", names, "holds no results.json; start a lab first")
    return list(dict.fromkeys(files))


def _is_of_a_lab(file: Path, place: Path) -> bool:
    """Whether a file is part of a sandbox's state or of a run, not a result."""
    inner = file.relative_to(place).parts[:-1]
    return any(part == "sandbox" or part.startswith(".") for part in inner)


def read_class(
    paths: Sequence[Path], key: bytes | None = None
) -> tuple[list[Learner], list[Unreadable]]:
    """Read the results of a class, best first, and say which files could not be read.

    Raises
    ------
    InputError
        A place does not exist, or there are no results in any.
    """
    learners, unreadable = [], []
    for file in find_results(paths):
        try:
            learners.append(read_results(file, key))
        except InputError as error:
            unreadable.append(Unreadable(file, error.hint))
    return merge(learners), unreadable


def merge(learners: Iterable[Learner]) -> list[Learner]:
    """Return one entry for each learner, best first; of two results of one lab the better counts.

    A pass is better than none, and an earlier pass than a later one. Learners are one where their
    ids are; results without an id go by the name. Two learners of one name keep two entries, with
    the beginning of their ids behind the name. What is not signed never replaces what is.
    """
    found: dict[tuple[str, str], Learner] = {}
    for learner in learners:
        trusted = "signed" if learner.trust == "signed" else ""
        who = (learner.id or f"name {learner.name}", trusted)
        known = found.get(who)
        scores = dict(known.scores) if known else {}
        for number, score in learner.scores.items():
            other = scores.get(number)
            if other is None or _rank(score) < _rank(other):
                scores[number] = score
        trust = learner.trust if known is None or known.trust == learner.trust else "unsigned"
        found[who] = Learner(learner.name, scores, learner.id, trust)
    names = Counter(each.name for each in found.values())
    told = [
        Learner(
            f"{each.name} ({', '.join(filter(None, [each.id[:4], each.trust]))})",
            each.scores,
            each.id,
            each.trust,
        )
        if names[each.name] > 1
        else each
        for each in found.values()
    ]
    return sorted(told, key=lambda each: (-each.passed, _checks(each), each.name))


def _rank(score: Score) -> tuple[bool, str, int]:
    return (not score.passed, score.passed or score.started, -score.checks)


def _checks(learner: Learner) -> int:
    return sum(score.checks for score in learner.scores.values())


@dataclass(frozen=True)
class LabSummary:
    """Where a class stands in one lab."""

    lab: Lab
    started: int
    passed: int
    stuck: tuple[str, ...]
    missed: tuple[tuple[str, int], ...]
    now_missed: tuple[tuple[str, int], ...]
    """What the latest checks of those who have not passed refuse, most frequent first."""
    minutes: float | None


def summarise(learners: Sequence[Learner], at: str = "") -> list[LabSummary]:
    """Say for each lab who has passed, who is stuck, and on what."""
    at = at or now()
    summaries = []
    for lab in all_labs():
        scores = [(each.name, each.of(lab.number)) for each in learners]
        taken = sorted(score.minutes for _, score in scores if score.minutes is not None)
        summaries.append(
            LabSummary(
                lab,
                sum(1 for _, score in scores if score.started),
                sum(1 for _, score in scores if score.passed),
                tuple(name for name, score in scores if score.is_stuck(lab.minutes, at)),
                tuple(Counter(t for _, score in scores for t in score.missed).most_common()),
                tuple(
                    Counter(
                        t for _, score in scores if not score.passed for t in score.last
                    ).most_common()
                ),
                taken[len(taken) // 2] if taken else None,
            )
        )
    return summaries


def as_csv(learners: Sequence[Learner], unreadable: Sequence[Unreadable] = ()) -> str:
    """Return a class's scores as CSV: a row for each learner and lab, one for a broken file."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    heads = ["learner", "lab", "title", "status", "checks", "resets", "minutes", "planned"]
    heads += ["passed", "tries", "hints", "solution", "seed", "answers_right", "answers", "seal"]
    writer.writerow([*heads, "id"])
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
                    score.after_change,
                    score.hints,
                    _plain(score.solution),
                    "" if score.seed is None else score.seed,
                    sum(score.answers.values()),
                    len(score.answers),
                    learner.trust,
                    _plain(learner.id),
                ]
            )
    for each in unreadable:
        writer.writerow([_plain(each.file.name), "", _plain(each.reason), "cannot be read"])
    return out.getvalue()


def _plain(name: str) -> str:
    """Keep a spreadsheet from taking a name for a formula."""
    return f"'{name}" if name[:1] in "=+-@\t\r" else name


def as_json(learners: Sequence[Learner], unreadable: Sequence[Unreadable] = ()) -> str:
    """Return a class's scores as JSON."""
    rows: list[dict[str, Any]] = [
        {
            "learner": learner.name,
            "id": learner.id,
            "seal": learner.trust,
            "passed": learner.passed,
            "labs": {
                str(lab.number): {
                    "status": learner.of(lab.number).word,
                    "checks": learner.of(lab.number).checks,
                    "minutes": learner.of(lab.number).minutes,
                    "tries": learner.of(lab.number).after_change,
                    "hints": learner.of(lab.number).hints,
                    "solution": learner.of(lab.number).solution,
                    "seed": learner.of(lab.number).seed,
                    "answers": dict(learner.of(lab.number).answers),
                }
                for lab in all_labs()
            },
        }
        for learner in learners
    ]
    rows += [{"file": str(each.file), "problem": each.reason} for each in unreadable]
    return json.dumps(rows, indent=2)


def as_html(
    learners: Sequence[Learner],
    unreadable: Sequence[Unreadable] = (),
    *,
    refresh: int = 0,
    at: str = "",
) -> str:
    """Return a class's scores as one page that opens without a network.

    Parameters
    ----------
    refresh
        Seconds after which a browser asks again; 0 for a page that is done.
    """
    from rwlib.report import template

    at = at or now()
    stuck = {
        (learner.name, lab.number)
        for learner in learners
        for lab in all_labs()
        if learner.of(lab.number).is_stuck(lab.minutes, at)
    }
    return str(
        template("score.html.j2").render(
            labs=all_labs(),
            learners=learners,
            summaries=summarise(learners, at),
            stuck=stuck,
            unreadable=unreadable,
            words=TRUST_WORDS,
            refresh=refresh,
            written=at[:19].replace("T", " "),
        )
    )


def as_text(
    learners: Sequence[Learner], unreadable: Sequence[Unreadable] = (), at: str = ""
) -> str:
    """Return a class's scores as a table for a terminal."""
    labs = all_labs()
    at = at or now()
    width = max([len("learner"), *(len(each.name) for each in learners)])
    marks = {"passed": "✓", "open": "…", "not started": "·"}
    lines = [f"{'learner':<{width}}  {' '.join(f'{lab.number:>2}' for lab in labs)}  passed"]
    for learner in learners:
        cells = [
            "!"
            if learner.of(lab.number).is_stuck(lab.minutes, at)
            else "*"
            if learner.of(lab.number).passed and learner.of(lab.number).helped
            else marks[learner.of(lab.number).word]
            for lab in labs
        ]
        row = " ".join(f"{cell:>2}" for cell in cells)
        seal = "" if learner.trust in ("signed", "unsigned") else f"  {learner.trust}"
        if learner.trust == "signed":
            seal = "  signed"
        lines.append(
            f"{learner.name:<{width}}  {row}  {f'{learner.passed}/{len(labs)}':<6}{seal}".rstrip()
        )
    for each in unreadable:
        lines.append(f"{each.file.name}: {each.reason}")
    for summary in summarise(learners, at):
        if summary.stuck:
            what = f": {summary.now_missed[0][0]}" if summary.now_missed else ""
            lines.append(f"Stuck in lab {summary.lab.number}: {', '.join(summary.stuck)}{what}")
    return "\n".join(lines)
