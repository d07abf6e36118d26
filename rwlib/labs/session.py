"""A lab as the notebook and the command line hold it: start, symptom, check, reset, solution."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from rwlib.display import Shown, show_checks, show_facts
from rwlib.environment import enter_sandbox, notebook_path
from rwlib.errors import CheckFailedError, InputError
from rwlib.labs import terraform
from rwlib.labs.checking import ask, check, live_checks
from rwlib.labs.documents import layer_text
from rwlib.labs.guards import read_history, who_may_assume
from rwlib.labs.learner_folder import (
    GIVEN,
    ServedLab,
    Serving,
    Workplace,
    as_through_tls,
    make_folder,
    serve,
    workplace,
)
from rwlib.labs.model import (
    CLUSTER_ID,
    DEFAULT_SEED,
    Lab,
    draw_faults,
    draw_round,
    find_lab,
    shared,
)
from rwlib.labs.questions import LAYERS, When, choice_of, choices, question_of
from rwlib.labs.result import Finding, Result
from rwlib.labs.retry import Attempt, attempt, statement_of
from rwlib.labs.scores import (
    now,
    record,
    record_answer,
    record_change,
    record_check,
    record_hint,
    record_solution,
    seed_of,
)
from rwlib.labs.seat import Seat, own_seat
from rwlib.labs.setup_calls import LabSetup
from rwlib.labs.solution import solution_code
from rwlib.labs.texts import LabTexts, texts_of
from rwlib.labs.trail import events_of, show_trail
from rwlib.labs.views import show_rows, show_solution, show_symptom, show_text, show_trust

_NO_CHANGES = "No changes. Your infrastructure matches the configuration."
SETTING_UP = 700.0
"""Seconds that another kernel may take to set a lab up; the first start compiles moto."""
_READING = ("SELECT", "SHOW", "DESCRIBE", "EXPLAIN", "WITH", "VALUES")


class OpenLab:
    """A started lab with its running sandbox.

    Parameters
    ----------
    started
        What `rwlib.labs.learner_folder.Workplace.remembered` knows of it.
    seat
        The learner's seat in a class, which checks and keeps the score then.
    """

    def __init__(
        self,
        place: Workplace,
        lab: Lab,
        served: ServedLab,
        started: Mapping[str, Any],
        seat: Seat | None = None,
    ) -> None:
        self.place = place
        self._seat = seat
        self.lab = lab
        self._served = served
        self._started = dict(started)
        self.setup = LabSetup(served.endpoint, lab)
        self.setup.variables["statement"] = statement_of(self.setup)

    # What the learner needs to know ------------------------------------------------------------

    @property
    def seed(self) -> int:
        """What the lab was drawn from."""
        return int(self._started["seed"])

    @property
    def bucket(self) -> str:
        """Name of the bucket."""
        return self.setup.target.bucket

    @property
    def prefix(self) -> str:
        """Prefix in the bucket."""
        return self.setup.target.prefix

    @property
    def role_name(self) -> str:
        """Name of the role that RisingWave assumes."""
        return self.setup.target.role_name

    @property
    def role_arn(self) -> str:
        """ARN of that role, with its path as it stands."""
        self._look_again()
        return self.setup.role_arn

    @property
    def policy_arn(self) -> str:
        """ARN of the role's permissions policy."""
        return str(self.setup.variables["policy_arn"])

    @property
    def cluster_id(self) -> str:
        """Id of the RisingWave Cloud cluster."""
        return CLUSTER_ID

    @property
    def cloud(self) -> Any:
        """RisingWave Cloud's management API, a `rwlib.cloud.client.Cloud`."""
        return self.setup.cloud

    @property
    def environment(self) -> dict[str, str]:
        """The environment that points any AWS SDK and this package at the lab's sandbox."""
        return self.setup.endpoint.environment(region=self.setup.region_name)

    def _catch_up(self) -> None:
        """Take over what another kernel has done with the lab: a reset, a check, a next round."""
        known = self.place.remembered(self.lab) if self._seat is None else None
        if known is None or "began" not in known:
            return
        old, self._started = self._started, known
        if any(old.get(name) != known.get(name) for name in ("seed", "round")):
            self.lab = drawn_lab(find_lab(self.lab.number), self.seed, known)
            self.setup = LabSetup(self._served.endpoint, self.lab)
            self.setup.variables["statement"] = statement_of(self.setup)

    def _look_again(self) -> None:
        self._catch_up()
        self.setup.look_again()
        self.setup.variables["statement"] = statement_of(self.setup)

    def sql(self, text: str) -> Shown:
        """Run a statement in RisingWave and show its rows, its answer, or its refusal."""
        from rwlib.cloud import SqlError

        if not text.lstrip().upper().startswith(_READING):
            self._noted(changed=True)
        try:
            if text.lstrip().upper().startswith(_READING):
                return show_rows(self.setup.cloud.query_sql(CLUSTER_ID, text).rows)
            return show_text(self.setup.cloud.execute_sql(CLUSTER_ID, text))
        except SqlError as error:
            return show_text(error.text)

    def symptom(self) -> Shown:
        """Let RisingWave run the lab's statement, and show what it says; real, made now."""
        self._look_again()
        tried = _as_told(self.lab, attempt(self.setup))
        answers = [
            (probe, ask(self.setup, probe))
            for probe in self.lab.must[:1]
            if probe.role_arn == "$role_arn"
        ]
        return show_symptom(statement_of(self.setup), tried, answers)

    def try_again(self) -> Attempt:
        """Let RisingWave try again: the statement if it was refused, a row, a checkpoint."""
        self._look_again()
        return _as_told(self.lab, attempt(self.setup))

    def trail(self, reads: bool = False) -> Shown:
        """Show the account's CloudTrail: who has called what, and what was refused, and why.

        Parameters
        ----------
        reads
            Also the calls that only read and were answered.
        """
        return show_trail(events_of(self.setup.endpoint.calls()), reads=reads)

    def terraform_plan(self) -> Shown:
        """Show what Terraform's next apply would change; changes nothing."""
        lines = [each.line for each in terraform.plan(self.setup)]
        if gone := terraform.forgotten(self.setup, self.role_name):
            lines.append(gone)
        return show_text("\n".join(lines) or _NO_CHANGES)

    def terraform_apply(self) -> Shown:
        """Make IAM what the Terraform configuration says."""
        lines = [each.applied_line for each in terraform.apply(self.setup)]
        return show_text("\n".join(lines) or _NO_CHANGES)

    def verdict(self) -> Shown:
        """Show what the runbook's verification cannot pass, with its reasons; changes nothing."""
        return show_checks(each for each in live_checks(self.setup) if each.status != "pass")

    def who_may_assume(self) -> Shown:
        """Show whom the role's trust policy lets in, by evaluating it as it stands."""
        self._look_again()
        return show_trust(who_may_assume(self.setup))

    def look(self, layer: str) -> Shown:
        """Show what stands at a layer, with the calls that read and write it; changes nothing.

        Parameters
        ----------
        layer
            A letter or a name of `rwlib.labs.questions.LAYERS`, as in the question before the
            repair.

        Raises
        ------
        InputError
            It is none of them.
        """
        name = choice_of(layer, "layer")
        self._look_again()
        return show_text(f"{LAYERS[name]}\n\n{layer_text(self.setup, name)}")

    def put_policy(self, document: Mapping[str, Any], policy_arn: str = "") -> Shown:
        """Make a document the default version of a policy, of the role's own when none is named.

        A managed policy keeps five versions. At the limit the oldest one goes, and this says so:
        with the plain call, as on AWS, the sixth ends in ``LimitExceeded``.
        """
        made, removed = self.setup.put_policy_version(policy_arn or self.policy_arn, document)
        text = f"Version {made} is the default now."
        if removed:
            text += (
                f" IAM keeps five versions of a policy, so {removed}, the oldest, was deleted "
                "first; `CreatePolicyVersion` by itself would have ended in LimitExceeded."
            )
        return show_text(text)

    def wait_until_steady(
        self,
        times: int = 3,
        limit: float = 180.0,
        *,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> Shown:
        """Let RisingWave try until it works several times in a row, with growing pauses.

        Parameters
        ----------
        times
            Successes in a row: IAM answers from many places, and one success proves little.
        limit
            Seconds after which it is called wrong, not slow.
        """
        started, pause, row, lines = clock(), 1.0, 0, []
        while True:
            works = attempt(self.setup).works
            row = row + 1 if works else 0
            lines.append(f"{clock() - started:5.1f} s  {'works' if works else 'refused'}")
            if row >= times:
                return show_text("\n".join([*lines, f"{times} successes in a row"]))
            if clock() - started > limit:
                return show_text("\n".join([*lines, "this is not slow, this is wrong"]))
            sleep(pause)
            pause = 1.0 if works else min(pause * 1.6, 15.0)

    # Check, reset, solution ----------------------------------------------------------------------

    @property
    def round(self) -> int:
        """Which round of a closing lab this is, the first being 1; 0 in other labs."""
        return int(self._started.get("round", 0))

    def next_round(self) -> OpenLab:
        """Go on to the next round of a closing lab, in a world of its own.

        After the last round the first one that is not solved comes again.

        Raises
        ------
        InputError
            The lab has no rounds.
        """
        if not self.lab.rounds:
            raise InputError("lab", self.lab.number, "has no rounds; a closing lab has")
        if self._seat is not None:
            self._started.update(self._seat.next_round(self.lab.number))
        else:
            self._catch_up()
            self._begin_round(self._following())
        self._take_round()
        return self

    def _following(self) -> int:
        won, last = self._started["won"], self.lab.rounds
        later = [number for number in range(self.round + 1, last + 1) if number not in won]
        return next(iter(later or [n for n in range(1, last + 1) if n not in won]), last)

    def _begin_round(self, number: int) -> None:
        more = {"round": number, "won": self._started["won"], "begun": now()}
        lab = draw_round(find_lab(self.lab.number), self.seed, number)
        with _alone(self.place, lab):
            self._started = _set_up(self.place, lab, self._served, self.seed, more)

    def _take_round(self) -> None:
        self.lab = draw_round(find_lab(self.lab.number), self.seed, self.round)
        self.setup = LabSetup(self._served.endpoint, self.lab)
        self.setup.variables["statement"] = statement_of(self.setup)

    def check(self, required: bool = False) -> Result:
        """Check the sandbox's state and put the result on the score sheet; changes nothing in AWS.

        See `rwlib.labs.checking.check` for what is looked at.

        Parameters
        ----------
        required
            Raise when the lab is not solved.

        Raises
        ------
        CheckFailedError
            Names what is not as it should be.
        """
        result = self._seat.check(self.lab.number) if self._seat else self._checked()
        wrong = [finding for finding in result.findings if not finding.passed]
        if wrong and required:
            first = wrong[0]
            evidence = f": {first.evidence[0]}" if first.evidence else ""
            raise CheckFailedError(f"lab {self.lab.number} is not solved. {first.title}{evidence}")
        return result

    def _checked(self) -> Result:
        self._catch_up()
        tries = self._started.get("tries", 0) + 1
        result, changed = self._judged(tries)
        self._started["tries"] = 0 if result.passed else tries
        self.place.remember(self.lab, self._started)
        missed = [each.title for each in result.findings if not each.passed]
        record_check(self.place, self.lab.number, missed, changed=changed, seed=self.seed)
        return result

    def _judged(self, tries: int) -> tuple[Result, bool]:
        """Give the result, and whether anything was changed since the lab began."""
        self._look_again()
        began, objects = self._started["began"], self._started["objects"]
        try:
            history = read_history(self.setup, began, objects)
        except IndexError as error:
            folder = self.place.folder(self.lab)
            raise self.place.unreadable(self.lab, folder, "its history is not whole") from error
        result = check(self.setup, history, tries)
        if self.lab.rounds:
            result = self._with_rounds(result)
        return result, len(history.states) > 1

    def _with_rounds(self, result: Result) -> Result:
        """Add how many rounds are solved; the lab is when all are."""
        won = set(self._started["won"]) | ({self.round} if result.passed else set())
        self._started["won"] = sorted(won)
        open_rounds = [n for n in range(1, self.lab.rounds + 1) if n not in won]
        told = [f"{len(won)} of {self.lab.rounds} are; go on with lab.next_round()"]
        if self.round not in won:
            told = [f"{len(won)} of {self.lab.rounds} are, and this is round {self.round}"]
        title = f"All {self.lab.rounds} rounds are solved"
        last = Finding(title, not open_rounds, tuple(told) if open_rounds else ())
        return Result(result.number, (*result.findings, last))

    def question(self, when: When) -> Shown:
        """Show the question before the repair, or the one after it.

        Raises
        ------
        InputError
            The lab has none.
        """
        return show_text("\n".join([question_of(self.lab, when).text, "", *choices()]))

    def answer(self, when: When, choice: str) -> Shown:
        """Answer a question; the first answer goes on the score sheet, apart from the repair.

        Raises
        ------
        InputError
            The lab has no such question, or there is no such choice.
        """
        question = question_of(self.lab, when)
        right = choice_of(choice) == question.right
        self._noted(answer=when, right=right)
        said = "Right." if right else "Not quite."
        return show_text(f"{said} {question.why}".strip())

    @property
    def texts(self) -> LabTexts:
        """The lab's texts, told of the names and the fault that its seed has drawn."""
        return texts_of(self.lab, notebook_path(f"labs/{self.lab.file_name}"))

    def tasks(self) -> Shown:
        """Show what happened and the tasks, in the names that the seed has drawn."""
        found = self.texts
        return show_text(f"{found.story}\n\n{found.tasks}")

    def hint(self, number: int = 1) -> Shown:
        """Show a hint, told of what the seed has drawn; the score sheet notes it.

        Raises
        ------
        InputError
            There is no such hint.
        """
        hints = self.texts.hints
        if not 1 <= number <= len(hints):
            raise InputError("hint", number, f"is not there; there are 1 to {len(hints)}")
        self.hint_opened(number)
        return show_text(hints[number - 1])

    def hint_opened(self, number: int) -> None:
        """Put on the score sheet that a hint was opened."""
        self._noted(hint=number)

    def _noted(
        self,
        *,
        changed: bool = False,
        hint: int = 0,
        solution: str = "",
        answer: str = "",
        right: bool = False,
    ) -> None:
        """Put what only this side sees on the score sheet."""
        number = self.lab.number
        if self._seat is not None:
            what: dict[str, Any] = {"changed": changed}
            what |= {"hint": hint} if hint else {}
            what |= {"solution": solution} if solution else {}
            what |= {"question": answer, "right": right} if answer else {}
            self._seat.note(number, **what)
            return
        if changed:
            record_change(self.place, number)
        if hint:
            record_hint(self.place, number, hint)
        if solution:
            record_solution(self.place, number, applied=solution == "applied")
        if answer:
            record_answer(self.place, number, answer, right)

    def reset(self) -> OpenLab:
        """Put the lab back to its beginning; the score sheet keeps what it has."""
        if self._seat is not None:
            self._started.update(self._seat.reset(self.lab.number))
            if self.lab.rounds:
                self._take_round()
            self.setup = LabSetup(self._served.endpoint, self.lab)
            self.setup.variables["statement"] = statement_of(self.setup)
            return self
        if self.lab.rounds:
            self._started["won"] = []
            self._begin_round(1)
            self._take_round()
        else:
            with _alone(self.place, self.lab):
                self._started = _set_up(self.place, self.lab, self._served, self.seed, {})
            self.setup = LabSetup(self._served.endpoint, self.lab)
            self.setup.variables["statement"] = statement_of(self.setup)
        record(self.place, self.lab.number, resets=lambda count: count + 1)
        return self

    def solution(self, apply: bool = False) -> Shown:
        """Show the calls that solve the lab; with ``apply`` make them."""
        self._catch_up()
        code = self.repair_code()
        self._noted(solution="applied" if apply else "shown")
        if apply:
            self.setup.make(self.lab.repair)
            while self.lab.rounds and self.round < self.lab.rounds:
                if self._seat is not None:
                    self._seat.check(self.lab.number)
                else:
                    self._judged(1)
                    self.place.remember(self.lab, self._started)
                self.next_round()
                self.setup.make(self.lab.repair)
        return show_solution(code, applied=apply)

    def repair_code(self) -> str:
        """Return the calls that solve the lab, as code; makes none."""
        return solution_code(self.setup, self.lab.repair)

    @property
    def is_served_here(self) -> bool:
        """Whether no sandbox of the lab was running, so that this process serves its state."""
        return self._served.is_own

    def close(self) -> None:
        """Let the sandbox go; one that this process serves is stopped, its state is kept."""
        self._served.close()

    def __enter__(self) -> OpenLab:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return self._shown().text

    def _repr_html_(self) -> str:
        return self._shown().html

    def _shown(self) -> Shown:
        return show_facts(
            {
                "Lab": f"{self.lab.number} - {self.lab.title}",
                "Learner": self.place.learner,
                "Sandbox": self.setup.endpoint.url,
                "Role": self.role_arn,
                "Place": f"s3://{self.bucket}/{self.prefix}",
                "Cluster": self.cluster_id,
                **({"Round": f"{self.round} of {self.lab.rounds}"} if self.lab.rounds else {}),
                **(
                    {"Seed": f"{self.seed}: lab.tasks() and lab.hint(1) say it in these names"}
                    if self.seed != DEFAULT_SEED
                    else {}
                ),
            }
        )


def _as_told(lab: Lab, tried: Attempt) -> Attempt:
    """Leave out what nobody has kept."""
    if not lab.silent or tried.works:
        return tried
    told = "nothing is written, and nobody has kept RisingWave's log"
    return replace(tried, answer="", failures=(told,))


def start_lab(
    number: int | str,
    learner: str = "",
    *,
    seed: int | None = None,
    home: Path | str | None = None,
    again: bool = False,
    how: Serving = "child",
    environment: bool = True,
    secret: str = "",
) -> OpenLab:
    """Start a lab, or go on with it where it was left.

    The lab gets a sandbox of its own. No account is touched, and with ``environment`` this
    process talks to the sandbox alone from now on: real credentials leave its environment.

    Parameters
    ----------
    learner
        Whose folder and score sheet; ``me`` when not given.
    seed
        What a last lab draws its faults from, and any other lab its names, its place and the
        variant of its fault.
    again
        Start at the beginning even when the lab was started before.
    secret
        What a sandbox that is served here wants to see of everybody.

    Raises
    ------
    InputError
        There is no such lab, or the learner's name cannot be used.
    """
    plain = find_lab(number)
    if (seat := own_seat()) is not None:
        opened = _at_seat(seat, plain, seat.open(plain.number, seed=seed, again=again))
        if environment:
            _enter(opened)
        return opened
    place = workplace(learner, home)
    with _alone(place, plain):
        opened = _begun_or_gone_on_with(place, plain, seed, again, how, secret)
    if environment:
        _enter(opened)
    return opened


@contextmanager
def _alone(place: Workplace, lab: Lab) -> Iterator[None]:
    """Keep another kernel from setting the same lab up meanwhile."""
    from rwlib.runs import exclusive

    folder = place.folder(lab)
    make_folder(folder)
    with exclusive("lab", folder=folder, timeout=SETTING_UP):
        yield


def _begun_or_gone_on_with(
    place: Workplace, plain: Lab, seed: int | None, again: bool, how: Serving, secret: str
) -> OpenLab:
    import os

    from rwlib.sandbox import forget_state

    known = None if again or os.environ.get(GIVEN) else place.remembered(plain)
    if known is not None and seed is not None and known["seed"] != seed:
        known = None
    unfinished: Mapping[str, Any] = {}
    if known is not None and "began" not in known:
        # Killed while it was set up, or of an earlier version, whose sandbox kept no history.
        unfinished, known = known, None
    if known is None and not os.environ.get(GIVEN):
        # Whatever is there is not gone on with, and may be unreadable.
        forget_state(place.folder(plain) / "sandbox")
    before = known or unfinished
    chosen = int(before["seed"]) if before else DEFAULT_SEED if seed is None else seed
    lab = drawn_lab(plain, chosen, before)
    served = serve(place, lab, how, secret)
    try:
        if known is None:
            more = {"round": 1, "won": [], "begun": now()} if plain.rounds else {}
            more |= {name: unfinished[name] for name in ("round", "won") if name in unfinished}
            known = _set_up(place, lab, served, chosen, more)
        else:
            known = {**known, "url": served.endpoint.url}
            place.remember(lab, known)
        return OpenLab(place, lab, served, known)
    except BaseException:
        served.close()
        raise


def _enter(opened: OpenLab) -> None:
    """Point this process at a lab's sandbox alone."""
    import os

    import boto3

    enter_sandbox(opened.environment, os.environ)
    boto3.setup_default_session()  # one made before has other credentials


def _at_seat(seat: Seat, plain: Lab, found: Mapping[str, Any]) -> OpenLab:
    """Give a lab that the class's server has opened."""
    from rwlib.sandbox import Endpoint

    lab = drawn_lab(plain, int(found["seed"]), found)
    served = ServedLab(Endpoint(str(found["url"]), secret=seat.token), None)
    place = Workplace(seat.learner, Path(seat.home))
    return OpenLab(place, lab, served, found, seat)


def drawn_lab(plain: Lab, seed: int, known: Mapping[str, Any]) -> Lab:
    """Give a lab with what the seed draws, as far as it has come."""
    if plain.rounds:
        return draw_round(plain, seed, int(known.get("round", 1)))
    return draw_faults(plain, seed)


def open_lab(
    number: int | str,
    learner: str = "",
    *,
    home: Path | str | None = None,
    how: Serving = "here",
    secret: str = "",
) -> OpenLab:
    """Open a lab that was started before; leaves this process's environment alone.

    Raises
    ------
    InputError
        It was not started.
    """
    plain = find_lab(number)
    if (seat := own_seat()) is not None:
        return _at_seat(seat, plain, seat.open(plain.number, started=True))
    place = workplace(learner, home)
    known = place.require(plain)
    if "began" not in known:
        raise place.unreadable(plain, place.folder(plain), "its set-up was interrupted")
    lab = drawn_lab(plain, known["seed"], known)
    served = serve(place, lab, how, secret)
    try:
        return OpenLab(place, lab, served, known)
    except BaseException:
        served.close()
        raise


def reset_lab(
    number: int | str,
    learner: str = "",
    *,
    home: Path | str | None = None,
    how: Serving = "here",
    secret: str = "",
) -> OpenLab:
    """Put a lab back to its beginning, also one whose state cannot be read any more.

    The score sheet keeps what it has, and so does the lab its seed where results tell it.

    Raises
    ------
    InputError
        It was not started.
    """
    plain = find_lab(number)
    if (seat := own_seat()) is not None:
        return _at_seat(seat, plain, seat.reset(plain.number))
    place = workplace(learner, home)
    try:
        opened = open_lab(number, learner, home=home, how=how, secret=secret)
    except InputError as error:
        if error.reason != "cannot_be_read":
            raise
    else:
        try:
            return opened.reset()
        except BaseException:
            opened.close()
            raise
    opened = start_lab(
        number,
        learner,
        seed=seed_of(place, plain.number),
        home=home,
        again=True,
        how=how,
        environment=False,
        secret=secret,
    )
    record(place, plain.number, resets=lambda count: count + 1)
    return opened


def _set_up(
    place: Workplace, lab: Lab, served: ServedLab, seed: int, more: Mapping[str, Any]
) -> dict[str, Any]:
    """Make the lab's world and its faults in an emptied sandbox, and remember how it stands."""
    # Until it is done: who is killed meanwhile is not left with half a world.
    place.remember(lab, {"url": served.endpoint.url, "seed": seed, **more})
    served.endpoint.reset()
    as_through_tls(served.endpoint)
    setup = LabSetup(served.endpoint, lab)
    base = shared()["base"] if lab.base else ()
    faults = [call for fault in lab.faults for call in fault.breaks]
    setup.make([{"pace": 0}, *shared()["world"], *base, *lab.prepare])
    served.endpoint.keep_history()
    setup.make([*faults, {"pace": 0.25}])
    began = len(served.endpoint.history()["states"]) - 1
    objects = setup.contents()
    known = {"url": served.endpoint.url, "seed": seed, "began": began, "objects": objects}
    known |= more
    place.remember(lab, known)
    record(place, lab.number, started=lambda known: known or now(), seed=seed)
    return known
