"""Who has solved which lab, for one learner and for a class."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import secrets
import stat
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from rwlib.errors import InputError
from rwlib.labs.learner_folder import Workplace, write_state
from rwlib.labs.model import Lab, all_labs
from rwlib.labs.seal import TRUST_WORDS, Trust, class_key, sealed, trust_of

FORMAT = 2
_READ = (1, FORMAT)
_LARGEST = 1_000_000
_LONGEST_TRAIL = 500
_CLOCK_STEPS = 3.0
"""Minutes by which a clock is set back without a word about it: laptops wake up so."""
_WHY: Mapping[str, str] = {
    "edited": "changed after it was signed, begun without the key, or signed with another one",
    "another": "another learner's results were put into this place",
    "put_back": "an earlier file was put back in place of the latest",
    "removed": "the file was removed, and begun anew",
    "unreadable": "the file before could not be read, and is kept beside it",
}
_MOST = 1_000_000
_LONGEST_NAME = 60
_LONGEST_TITLE = 200
_WIDEST_NAME = 28
_LAB_FOLDER = re.compile(r"\d\d_")
# Joiners are letters' companions in Persian and Hindi; every other character without a shape of its
# own could hide, or turn round, what stands beside it on the trainer's screen.
_JOINERS = "\u200c\u200d"
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
        """Minutes from the start to the first pass; None where there are no two such times."""
        if not self.passed or not self.started:
            return None
        taken = _minutes(self.started, self.passed)
        return taken if taken >= 0 else None

    def doubt(self, at: str) -> str:
        """Say why these times or numbers cannot be, at a time; nothing where they can."""
        latest = (datetime.fromisoformat(at) + _CLOCKS_DIFFER).isoformat()
        known = [each for each in (self.started, self.changed, self.passed, self.seen) if each]
        if any(_minutes(latest, each) > 0 for each in known):
            return "a time that has not come yet"
        if self.passed and not (self.started and self.checks):
            return "passed without a start or without a check"
        if self.passed and _minutes(self.started, self.passed) < 0:
            return "passed before it was started"
        if self.after_change > self.checks:
            return "more tries than checks"
        return ""

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


_CLOCKS_DIFFER = timedelta(days=1)
"""How far the clock of a learner's machine may be ahead without a word about it."""


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
    notes
        What a trainer should know of where the results come from.
    count
        How often the results were written; ``trail`` has a mark for each of the last times. Of two
        files of one learner the one that the other's trail leads to is the newer.
    """

    name: str
    scores: Mapping[int, Score] = field(default_factory=dict)
    id: str = ""
    trust: Trust = "unsigned"
    notes: tuple[str, ...] = ()
    count: int = 0
    trail: tuple[str, ...] = ()

    def of(self, number: int) -> Score:
        """Return the result in one lab."""
        return self.scores.get(number, Score(number))

    @property
    def passed(self) -> int:
        """Number of labs that were passed; labs that this version does not know do not count."""
        return sum(1 for lab in all_labs() if self.of(lab.number).passed)

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

    @property
    def name(self) -> str:
        """The file's name as it can be shown: a name on disk may be any bytes."""
        return _shown(os.fsencode(self.file.name).decode("utf-8", "replace"), _LONGEST_NAME)


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
    happened. The same goes for one that was written before the latest, and for none where there
    was one. A file that cannot be read is put aside, and new results are begun.

    Parameters
    ----------
    change
        Gives the fields that change, from the score as it stands.
    changes
        Fields of `Score` with their new values, or with functions of the old ones.
    """
    from rwlib.runs import exclusive

    key = class_key()
    file = place.results_file
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with exclusive(file.stem, folder=file.parent):
        learner, kept = _before(place, key)
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
            "count": learner.count + 1,
            "trail": [*learner.trail[1 - _LONGEST_TRAIL :], secrets.token_hex(4)],
            "written": score.seen,
            **kept,
            "labs": {str(each): _plain_score(scores[each]) for each in sorted(scores)},
        }
        write_state(file, json.dumps(sealed(written, key), indent=2) + "\n")
        latest = {name: written[name] for name in ("id", "count", "trail")}
        write_state(_latest_file(place), json.dumps(latest) + "\n")
    return score


def _latest_file(place: Workplace) -> Path:
    """Where a learner's folder remembers which results were written last."""
    return place.results_file.with_name(".written")


def _before(place: Workplace, key: bytes | None) -> tuple[Learner, dict[str, Any]]:
    """Return the results that are gone on with, and what stays known of how they came about."""
    file = place.results_file
    latest = _latest(place)
    why: set[str] = set()
    try:
        data: Mapping[str, Any] = _data(file) if file.exists() else {}
        learner = _learner(file, data) if data else Learner(place.learner)
    except InputError as error:
        if error.reason == "cannot_be_read":
            raise
        file.replace(file.with_name(f"unreadable results, {now()[:19].replace(':', '.')}.json"))
        data, learner, why = {}, Learner(place.learner), {"unreadable"}
    if data:
        if key is not None and trust_of(data, key) != "signed":
            why.add("edited")
        if learner.name.casefold() != place.learner.casefold():
            why.add("another")
        if not _leads_to(latest, learner):
            why.add("put_back")
    elif latest.count and not why:
        why.add("removed")
    if not data:
        # What is begun anew in a place where results were goes on with their id and count.
        learner = replace(learner, id=latest.id, count=latest.count, trail=latest.trail)
    kept: dict[str, Any] = {}
    if why or data.get("altered"):
        kept["altered"] = str(data.get("altered", "")) or now()
        kept["why"] = sorted(why | {str(each) for each in data.get("why", ())})
    back = max(_minutes(now(), str(data.get("written") or now())), float(data.get("back", 0)))
    return learner, {**kept, **({"back": back} if back >= _CLOCK_STEPS else {})}


def _latest(place: Workplace) -> Learner:
    """Return what was written last in a place, as far as it is known; without scores."""
    try:
        found = json.loads(_latest_file(place).read_text(encoding="utf-8"))
        return Learner(
            place.learner,
            id=_text(found["id"]),
            count=_count(found["count"]),
            trail=_marks(found["trail"]),
        )
    except (OSError, ValueError, KeyError, TypeError):
        return Learner(place.learner)


def _leads_to(old: Learner, new: Learner) -> bool:
    """Whether results are what became of others, as far as both trails tell."""
    if not old.trail:
        return True
    if new.count < old.count or new.id != old.id:
        return False
    behind = new.count - old.count
    then = new.trail[: len(new.trail) - behind]
    common = min(len(then), len(old.trail))
    return common == 0 or then[-common:] == old.trail[-common:]


def seed_of(place: Workplace, number: int) -> int | None:
    """Return the seed that a learner's results name for a lab; None where nothing tells it."""
    try:
        return read_results(place.results_file).of(number).seed
    except InputError:
        return None


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
        kind = file.stat().st_mode
        if stat.S_ISDIR(kind):
            raise _not_results(file, "it is a folder that cannot be looked through")
        # What waits for a writer or never ends, such as a pipe or a device, is not opened.
        if not stat.S_ISREG(kind):
            raise _not_results(file, "it is not a regular file")
        with file.open("rb") as given:
            content = given.read(_LARGEST + 1)
    except OSError as error:
        broken = file.is_symlink() and not file.exists()
        why = "it is a link to nowhere" if broken else error.strerror
        raise InputError(
            "results", str(file), f"cannot be read: {why}", reason="cannot_be_read"
        ) from error
    if len(content) > _LARGEST:
        raise _not_results(file, f"it is larger than {_LARGEST // 1_000_000} MB")
    try:
        data = json.loads(content)  # of UTF-8, 16 and 32, with a mark at the beginning or without
    except UnicodeDecodeError as error:
        raise _not_results(file, "it is not text in UTF-8") from error
    except (ValueError, RecursionError) as error:
        raise _not_results(file, "it is not whole, or not JSON") from error
    if not isinstance(data, dict) or not {"format", "learner", "labs"} <= data.keys():
        raise _not_results(file)
    if data["format"] not in _READ:
        raise _not_results(file, "it has another format, perhaps of a newer version")
    return data


def _not_results(file: Path, why: str = "") -> InputError:
    text = "is not a learner's results.json"
    return InputError("results", str(file), f"{text}: {why}" if why else text)


def _learner(file: Path, data: Mapping[str, Any], key: bytes | None = None) -> Learner:
    try:
        scores = {int(number): _score(int(number), each) for number, each in data["labs"].items()}
        name = _shown(_text(data["learner"]), _LONGEST_NAME)
        learner_id = _text(data.get("id", ""))
        count, trail = _count(data.get("count", 0)), _marks(data.get("trail", []))
        trust = trust_of(data, key)
        return Learner(name or "(no name)", scores, learner_id, trust, _notes(data), count, trail)
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
        raise _not_results(file) from error


def _score(number: int, each: Mapping[str, Any]) -> Score:
    seed = each.get("seed")
    return Score(
        number,
        started=_time(each["started"]),
        passed=_time(each["passed"]),
        checks=_count(each["checks"]),
        resets=_count(each.get("resets", 0)),
        missed=_titles(each.get("missed", [])),
        after_change=_count(each.get("after_change", 0)),
        changed=_time(each.get("changed", "")),
        last=_titles(each.get("last", [])),
        seed=None if seed is None else _whole(seed),
        hints=_count(each.get("hints", 0)),
        solution=_shown(_text(each.get("solution", "")), _LONGEST_NAME),
        answers={_text(name): _yes(right) for name, right in each.get("answers", {}).items()},
        seen=_time(each.get("seen", "")),
    )


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is not a text")
    value.encode()  # half a character of two is refused here, not on the trainer's screen
    return value


def _whole(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or abs(value) >= 2**63:
        raise TypeError("not a whole number")
    return value


def _count(value: Any) -> int:
    if not 0 <= _whole(value) <= _MOST:
        raise ValueError("not a number of checks")
    return int(value)


def _yes(value: Any) -> bool:
    if not isinstance(value, bool):
        raise TypeError(f"{value!r} is not true or false")
    return value


def _time(value: Any) -> str:
    moment = _text(value)
    if moment and datetime.fromisoformat(moment).tzinfo is None:
        raise ValueError(f"{moment} has no time zone")
    return moment


def _marks(value: Any) -> tuple[str, ...]:
    marks = _titles(value)
    if len(marks) > _LONGEST_TRAIL or not all(marks):
        raise ValueError("not a trail")
    return marks


def _notes(data: Mapping[str, Any]) -> tuple[str, ...]:
    """Say how the results came about, where that is to be known."""
    known = data.get("why", [])
    if not isinstance(known, list):
        raise TypeError("not a list")
    found = [_WHY[each] for each in known if isinstance(each, str) and each in _WHY]
    back = data.get("back", 0)
    if isinstance(back, bool) or not isinstance(back, int | float) or not 0 <= back <= _MOST:
        raise ValueError("not a number of minutes")
    if back:
        found.append(f"the clock was set back by {back:.0f} minutes while a lab was open")
    return tuple(found)


def _titles(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise TypeError("not a list")
    return tuple(_shown(_text(title), _LONGEST_TITLE) for title in value)


def _shown(text: str, longest: int) -> str:
    """Return a text in one line, without what a terminal or a page obeys instead of showing."""
    plain = "".join(
        "\N{REPLACEMENT CHARACTER}"
        if unicodedata.category(each) in ("Cc", "Cf", "Cs", "Zl", "Zp") and each not in _JOINERS
        else each
        for each in " ".join(text.split())
    )
    return plain if len(plain) <= longest else f"{plain[: longest - 1]}…"


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
            files += sorted(_json_files(place))
        else:
            raise InputError(
                "results", str(place), "is neither a file nor a folder", reason="does_not_exist"
            )
    if not files:
        names = ", ".join(map(str, paths))
        raise InputError("results", names, "holds no results.json; start a lab first")
    return list(dict.fromkeys(files))


def _json_files(place: Path) -> Iterator[Path]:
    """Give what may be results below a folder, linked folders too, each folder once."""
    been: set[tuple[int, int]] = set()
    closed: list[Path] = []
    for folder, inner, names in os.walk(
        place, followlinks=True, onerror=lambda error: closed.append(Path(error.filename))
    ):
        try:
            here = Path(folder).stat()
        except OSError:
            continue  # gone meanwhile: a class is at work here
        if (here.st_dev, here.st_ino) in been:
            inner.clear()
            continue
        been.add((here.st_dev, here.st_ino))
        # A lab's folder holds a sandbox's state; only a learner may be called sandbox too.
        if _LAB_FOLDER.match(Path(folder).name):
            inner[:] = [each for each in inner if each != "sandbox"]
        inner[:] = [each for each in inner if not each.startswith(".")]
        for name in names:
            file = Path(folder, name)
            if file.suffix.lower() == ".json" and name not in _OTHERS and name[0] != ".":
                yield file
    yield from (each for each in closed if each.exists())


def read_class(
    paths: Sequence[Path], key: bytes | None = None
) -> tuple[list[Learner], list[Unreadable]]:
    """Read the results of a class, best first, and say which files could not be read.

    Who has a seat in a served class and has started nothing is one of the class too.

    Raises
    ------
    InputError
        A place does not exist, or there are no results in any.
    """
    learners, unreadable = [], []
    seated = _seated(paths)
    try:
        files = find_results(paths)
    except InputError as error:
        if not seated or error.reason == "does_not_exist":
            raise
        files = []
    for file in files:
        try:
            learner = read_results(file, key)
        except InputError as error:
            unreadable.append(Unreadable(file, error.hint))
            continue
        seat = _seat_beside(file)
        if seat and seat != learner.name:
            unreadable.append(
                Unreadable(file, f"holds the results of {learner.name}, not {seat}'s")
            )
            continue
        learners.append(learner)
    begun = {each.name for each in learners}
    waiting = [Learner(name, trust="nothing yet") for name in seated if name not in begun]
    return [*merge(learners), *waiting], unreadable


def _seated(paths: Sequence[Path]) -> list[str]:
    """Return who has a seat in the served classes among places, and no results there."""
    found = set()
    for place in paths:
        for folder in (place, *sorted(place.glob("*"))) if place.is_dir() else ():
            results = folder / "results.json"
            if not os.path.lexists(results) and (seat := _seat_beside(results)):
                found.add(_shown(seat, _LONGEST_NAME))
    return sorted(found)


def _seat_beside(file: Path) -> str:
    """Return whose folder of a served class a file is in; nothing where it is in none."""
    try:
        found = json.loads((file.parent / "seat.json").read_text(encoding="utf-8"))
        return _text(found["learner"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def merge(learners: Iterable[Learner]) -> list[Learner]:
    """Return one entry for each learner, best first.

    Results are one learner's where their ids and names are the same; results without an id go by
    the name. Of several files of one learner the newest counts where the others led to it. Where
    they did not, one lab's better result counts - a pass is better than none, an earlier one than a
    later one - with all the help that any of them tells of: nobody gains by putting an earlier file
    back. Two learners of one name keep two entries, with the beginning of their ids behind the
    name. What is not signed never replaces what is. One id under two names is a copy, and both are
    told so.
    """
    found: dict[tuple[str, str, str], list[Learner]] = defaultdict(list)
    for learner in learners:
        trusted = "signed" if learner.trust == "signed" else ""
        found[learner.id, learner.name, trusted].append(learner)
    told = _told_apart([_of_files(files) for files in found.values()])
    return sorted(told, key=lambda each: (-each.passed, _checks(each), each.name))


def _of_files(files: Sequence[Learner]) -> Learner:
    """Make one learner of all files of the learner."""
    newest = max(files, key=lambda each: each.count)
    others = [each for each in files if each is not newest and each.scores != newest.scores]
    trusts = {each.trust for each in files}
    trust = newest.trust if len(trusts) == 1 else "unsigned"
    notes = tuple(dict.fromkeys(note for each in files for note in each.notes))
    if all(each.trail and _leads_to(each, newest) for each in others):
        older = ("an earlier file of these results is there too; the newest counts",)
        return replace(newest, trust=trust, notes=notes + (older if others else ()))
    scores: dict[int, Score] = {}
    for score in (score for each in files for score in each.scores.values()):
        other = scores.get(score.number)
        scores[score.number] = score if other is None else _with_help_of_both(score, other)
    forked = newest.trail and any(each.trail for each in others)
    two = "two files have gone different ways: a folder in use twice, or an earlier file put back"
    return replace(newest, scores=scores, trust=trust, notes=notes + ((two,) if forked else ()))


def _with_help_of_both(one: Score, other: Score) -> Score:
    """Return the better of two results of one lab, with the help that was there for either."""
    better = min(one, other, key=_rank)
    solution = max(one.solution, other.solution, key=lambda how: (how == "applied", how))
    return replace(better, hints=max(one.hints, other.hints), solution=solution)


def _told_apart(learners: Sequence[Learner]) -> Iterator[Learner]:
    """Give learners of one name a sign of their own, and note whose results are a copy."""
    names = Counter(each.name for each in learners)
    same = defaultdict(set)
    for each in learners:
        same[each.id].add(each.name)
    for each in learners:
        name = each.name
        if names[name] > 1:
            name = f"{name} ({', '.join(filter(None, [_shown(each.id[:4], 4), each.trust]))})"
        others = sorted(same[each.id] - {each.name}) if each.id else []
        note = f"the same results as {', '.join(others)}: one is a copy"
        yield replace(each, name=name, notes=(*each.notes, *((note,) if others else ())))


def doubts(learner: Learner, at: str = "") -> list[str]:
    """Return what does not fit in a learner's results, for the trainer to ask about."""
    at = at or now()
    found = list(learner.notes)
    for number in sorted(learner.scores):
        if why := learner.scores[number].doubt(at):
            found.append(f"lab {number}: {why}")
    return found


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

    @property
    def stuck_count(self) -> int:
        """How many are stuck."""
        return len(self.stuck)


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
    writer.writerow([*heads, "id", "notes"])
    for learner in learners:
        notes = "; ".join(doubts(learner))
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
                    notes,
                ]
            )
    for each in unreadable:
        writer.writerow([_plain(each.name), "", _plain(each.reason), "cannot be read"])
    return out.getvalue()


def _plain(name: str) -> str:
    """Keep a spreadsheet from taking a name for a formula."""
    return f"'{name}" if name.startswith(("=", "+", "-", "@", "\t", "\r")) else name


def as_json(learners: Sequence[Learner], unreadable: Sequence[Unreadable] = ()) -> str:
    """Return a class's scores as JSON."""
    rows: list[dict[str, Any]] = [
        {
            "learner": learner.name,
            "id": learner.id,
            "seal": learner.trust,
            "passed": learner.passed,
            "notes": doubts(learner),
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
            doubts={each.name: found for each in learners if (found := doubts(each, at))},
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
    shown = {each.name: _shown(each.name, _WIDEST_NAME) for each in learners}
    width = max([len("learner"), *map(_columns, shown.values())])
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
        passed = f"{learner.passed}/{len(labs)}"
        line = f"{_padded(shown[learner.name], width)}  {row}  {passed:<6}{seal}"
        lines.append(line.rstrip())
    for each in unreadable:
        lines.append(f"{each.name}: {each.reason}")
    for learner in learners:
        lines += [f"{learner.name}: {each}" for each in doubts(learner, at)]
    for summary in summarise(learners, at):
        if summary.stuck:
            what = f": {summary.now_missed[0][0]}" if summary.now_missed else ""
            lines.append(f"Stuck in lab {summary.lab.number}: {', '.join(summary.stuck)}{what}")
    return "\n".join(lines)


def _columns(text: str) -> int:
    """Return how many columns of a terminal a text takes: some letters take two, some none."""
    return sum(
        0
        if unicodedata.combining(each) or each in _JOINERS
        else 2
        if unicodedata.east_asian_width(each) in "WF"
        else 1
        for each in text
    )


def _padded(text: str, width: int) -> str:
    return text + " " * (width - _columns(text))
