"""One notebook's guide: its inputs, what AWS shows, and the panels that follow both.

The guide is the only writer of the state. Panels show it and hand it what a person does.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from rwlib.environment import EndpointSwitch, describe_endpoint
from rwlib.errors import InputError, RunbookError, UnansweredError
from rwlib.runbook import Runbook
from rwlib.steps import VERIFY, State, Step, StepState
from rwlib.target import Target, field_problems, parameter_values
from rwlib.verify import check_of_refusal
from rwlib.waiting import StoppedError
from rwlib.widgets.fields import label_of
from rwlib.widgets.form import open_account
from rwlib.widgets.kept_inputs import keep_inputs, use_kept_inputs
from rwlib.widgets.panel import is_guided
from rwlib.widgets.step_states import closed_states, pending_changes, step_states
from rwlib.widgets.stopping import WaitLine, put_below, take_out

if TYPE_CHECKING:
    from pathlib import Path

    from rwlib.aws import Aws, Call
    from rwlib.verify import Check


FILL_IN = "Fill in the form first"
_ASKING = "asking who the calls are made as there"
LATE = 1.0
"""Seconds after a look in which an edit was made before the click that asked for it."""

_LOOK_AGAIN = "press Preview to see what AWS shows now"
_NOT_LOOKED = "not looked at: press Preview"


class Guide:
    """What one notebook knows, and what its clicks do.

    Parameters
    ----------
    parameters
        The notebook's ``globals()``, or a target's values.
    step
        The step of this notebook: 1 to 5, 6 for the verification, 0 for an overview.
    acting
        The steps that can be applied on this page; this notebook's own when none are given.
    tolerant
        Go on when looking fails, as taking back must: what was made can be removed also when the
        bucket is gone.
    guided
        True when a person can click; found out when it is not given.
    """

    def __init__(
        self,
        parameters: Mapping[str, Any],
        *,
        step: int = 0,
        acting: tuple[int, ...] = (),
        tolerant: bool = False,
        guided: bool | None = None,
    ) -> None:
        self.guided = is_guided() if guided is None else guided
        self.step = step
        self.acting = acting or (step,)
        self.tolerant = tolerant
        self.switch = EndpointSwitch.from_environment() if self.guided else None
        if self.switch:
            self.switch.follow()
        if self.guided:
            use_kept_inputs()
        self.problem, self.unread, self.failure, self.halted = "", "", "", ""
        self.blamed: dict[str, InputError] = {}
        self._given = {name: parameters[name] for name in Target.model_fields if name in parameters}
        self.values = self._read(parameters)
        self.states: tuple[StepState, ...] = closed_states(FILL_IN)
        self.confirmed = False
        self.has_panels = False
        self.written = 0
        self.begun = 0
        self.revision = 0
        self.refused_check: Check | None = None
        self.line = WaitLine() if self.guided else None
        self.home: Any = None
        self._writing: tuple[int, ...] = ()
        self._asked = -LATE
        self._runbook: Runbook | None = None
        self._caller: tuple[tuple[str, ...], str, str] | None = None
        self._account: tuple[tuple[str, ...], Aws | RunbookError] | None = None
        self._run_dir: Path | None = None
        self._listeners: list[Callable[[], None]] = []
        if self.guided:
            self.attend(self.look)

    def attend(self, do: Callable[[], object], box: Any = None, control: Any = None) -> str:
        """Do what may have to wait; who sits before the page sees it and can stop it.

        Parameters
        ----------
        box, control
            Where it is said: below that control of the box; at the page's beginning by default.

        Returns
        -------
        str
            What is to be said when it was stopped; empty when it was not.
        """
        line, place = self.line, box if box is not None else self.home
        if line is None:
            do()
            return ""

        def show(widget: Any) -> None:
            if place is not None:
                put_below(place, control, widget)
                return
            from IPython.display import display

            display(widget)  # type: ignore[no-untyped-call]

        try:
            with line.watching(show):
                do()
        except KeyboardInterrupt:
            return self._stopped()
        finally:
            if place is not None:
                take_out(place, line.box)
            else:
                line.hide()
        return ""

    def _stopped(self) -> str:
        """Note that a person stopped what was done; what stands there is not known now."""
        said = f"Stopped. {self._written_so_far()}"
        self._halt(said)
        return said

    def _written_so_far(self) -> str:
        """Say what was written before the end, and what may have been."""
        from rwlib.aws import STOPPED

        book = self._runbook
        if book is None or not self._writing:
            return f"Nothing was written; {_LOOK_AGAIN}"
        steps = book.steps.values()
        said = [each.sentence for step in steps for each in step.changes if each.applied]
        open_ = [c for c in book.aws.calls if c.writes and c.outcome == STOPPED]
        names = " and ".join(f"{c.service} {c.operation.replace('_', ' ')}" for c in open_)
        if not names and self._writing[-1] > 3:
            names = "what was asked of RisingWave"
        said += [f"{names} was on its way and may have taken effect"] if names else []
        return f"{'. '.join(said or ['Nothing was written'])}; {_LOOK_AGAIN}"

    def _halt(self, sentence: str) -> None:
        """Show that nothing is known of what stands there, and why."""
        if self._runbook is not None and self._runbook.aws.knows_caller:
            arn = self._runbook.aws.caller_identity.arn  # nobody is asked for that again
            self._caller = (self._caller_key(), arn, "")
        numbers = self._writing
        self._writing = ()
        self._begin()
        self.halted = sentence
        self.states = closed_states(_NOT_LOOKED)
        for number in numbers:
            self._set(number, State.FAIL, sentence)
        self.tell()

    def _read(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """Read the parameters; guided, a file that cannot be used is said, not raised."""
        try:
            return parameter_values(parameters)
        except RunbookError as error:
            if not self.guided:
                raise
            self.unread = str(error)
            return {}

    @property
    def runbook(self) -> Runbook:
        """The runbook of the inputs as they are.

        Raises
        ------
        InputError
            An input is missing or cannot be used.
        """
        if self._runbook is None:
            self._runbook = Runbook.start(self.values, run_dir=self._run_dir, tolerant=self.guided)
            self._run_dir = self._runbook.run_dir
        return self._runbook

    @property
    def errors(self) -> dict[str, InputError]:
        """What is wrong with the inputs, by field."""
        return field_problems(self.values)

    @property
    def state(self) -> StepState:
        """The state of this notebook's step."""
        return self.state_of(self.step)

    def state_of(self, step: int) -> StepState:
        """Return the state of a step, that of the first for an overview."""
        return next((each for each in self.states if each.number == step), self.states[0])

    @property
    def runbook_is_open(self) -> bool:
        """True when AWS was reached with the inputs as they are."""
        return self._runbook is not None

    @property
    def waits(self) -> bool:
        """True when there is nothing to show yet: an input is missing, or AWS said no."""
        problem = self.problem and not self.tolerant
        return bool(self.errors or problem) or self._runbook is None

    @property
    def is_writing(self) -> bool:
        """True while something is written: what stands there is known again when it is done."""
        return any(each.state is State.ACTIVE for each in self.states)

    @property
    def blockers(self) -> tuple[str, ...]:
        """Why there is nothing to show, or why Apply cannot be clicked, one sentence each."""
        return self.blockers_of(self.step)

    def blockers_of(self, step: int) -> tuple[str, ...]:
        """Return why a step's Apply cannot be clicked, one sentence each."""
        errors = self.errors
        if errors:
            missing = f"{FILL_IN}: {', '.join(label_of(name) for name in errors)}"
            return (self.unread, missing) if self.unread else (missing,)
        if self.problem or self.halted:
            return (self.problem or self.halted,)
        if self._runbook is None:
            return ("The inputs changed: press Preview",)
        if step in self.runbook.refused:
            return (f"Nothing can be written: {self.runbook.refused[step]}",)
        state = self.state_of(step)
        if state.state is State.INIT:
            return (f"Step {step} {state.sentence}",)
        if 1 <= step <= 4 and self.runbook.plan_problem and self.pending(step).get(step):
            return (f"Nothing can be written: {self.runbook.plan_problem}",)
        return ()

    def listen(self, listener: Callable[[], None]) -> None:
        """Call a panel's function after every change of the state."""
        self._listeners.append(listener)

    def tell(self) -> None:
        """Let every panel show the state."""
        for listener in self._listeners:
            listener()

    def edit(self, values: Mapping[str, Any], *, came: float | None = None) -> None:
        """Take edited inputs: what was previewed counts no more.

        Makes no call, but for an edit that came with the click that asked for the last look.

        Parameters
        ----------
        came
            When the edit came, as ``time.monotonic`` says it; now by default.
        """
        self.values, self.unread = dict(values), ""
        self._begin()
        errors = self.errors
        self.states = closed_states(FILL_IN if errors else "inputs changed, press Preview")
        keep_inputs(self.values)
        late = (time.monotonic() if came is None else came) - self._asked < LATE
        self._asked = -LATE
        if late and not errors:
            self.attend(self.look)
            return
        self.tell()

    def _begin(self) -> None:
        """Forget what was found; what is shown from here on belongs to what is found next."""
        self._runbook, self.confirmed = None, False
        self.problem, self.failure, self.halted, self.blamed = "", "", "", {}
        self.refused_check = None
        self.revision += 1

    def look_as_asked(self) -> None:
        """Look because a person pressed Preview.

        A browser holds back what was typed last while the kernel is busy with what was typed
        before, but not a click (`ipywidgets`, ``msg_throttle``): the last letters can come after
        the click that was made after them. So an edit that comes with it is looked at too.
        """
        self.look()
        self._asked = time.monotonic()

    def look(self) -> None:
        """Read AWS and RisingWave Cloud again and find out how far every step is."""
        self._begin()
        if self.errors:
            self.states = closed_states(FILL_IN)
            self.tell()
            return
        try:
            look_at(self.runbook)
            self.states = step_states(self.runbook)
            self._blame_refused()
            self.confirmed = self._previewed()
        except RunbookError as error:
            self._failed(error)
        self.tell()

    def _blame_refused(self) -> None:
        """Say at its field which input a step refuses."""
        for error in self.runbook.refused.values():
            if isinstance(error, InputError):
                self.blamed.setdefault(error.field, error)

    def _failed(self, error: RunbookError) -> None:
        self.problem = str(error)
        started = self._runbook is not None
        self.states = (
            step_states(self.runbook, self.problem) if started else closed_states(self.problem)
        )
        if isinstance(error, InputError):
            self.blamed = {error.field: error}
            self.refused_check = check_of_refusal(error)
        if self.refused_check is not None:
            self._set(VERIFY, State.FAIL, f"1 check fails: {self.refused_check.title}")

    def _previewed(self) -> bool:
        """Take the preview as seen: it stands on the page; the step waits for the one click."""
        found = False
        for step in self.acting:
            if self.state_of(step).state is not State.READY or step not in self.runbook.steps:
                continue
            if pending_changes(self.runbook.steps[step]):
                said = "nothing is written before you press Apply"
                self._set(step, State.CONFIGURED, said)
                found = True
        return found

    def _set(self, step: int, state: State, sentence: str) -> None:
        self.states = tuple(
            StepState(each.number, state, sentence) if each.number == step else each
            for each in self.states
        )

    def write(
        self, numbers: Iterable[int] = (), progress: Callable[[Call], None] = lambda call: None
    ) -> list[Step]:
        """Write what was previewed; guided, where a click stands for the parameter.

        Parameters
        ----------
        numbers
            The steps to do, in their order; this notebook's own when none are given.
        progress
            Called after every call that is made.
        """
        if self._runbook is None:  # a click that was on its way while the inputs were edited
            return []
        chosen = tuple(numbers) or (self.step,)
        runbook = self.runbook
        self.confirmed = False
        self.written += 1
        self._writing = chosen
        self._set(chosen[-1], State.ACTIVE, "writing what was previewed")
        self.tell()
        done: list[Step] = []
        failure = ""
        try:
            runbook.target = runbook.target.model_copy(update={"apply": True})
            runbook.aws.calls = _Watched(runbook.aws.calls, progress)
            runbook.aws.forget()
            done += [runbook.run_step(number) for number in chosen]
        except UnansweredError as error:
            # Who does not answer would not answer a look either.
            self._halt(f"{error}. {self._written_so_far()}")
            self.failure = self.halted
            return done
        except RunbookError as error:
            failure = str(error)
        finally:
            runbook.target = runbook.target.model_copy(update={"apply": False})
        self._writing = ()
        failure = failure or _refused_by_risingwave(done)
        ran = _checks_of_refused(runbook, done)
        self.look()
        if ran and self._runbook is not None:
            self._runbook.checks += ran
        if failure:
            # What stands there now is shown all the same.
            self.failure = failure
            self._set(chosen[-1], State.FAIL, failure)
            self.tell()
        return done

    def pending(self, last: int = 0) -> dict[int, list[str]]:
        """Return what the steps up to one would still change, by step."""
        numbers = [number for number in self.runbook.steps if number <= (last or self.step)]
        found = {number: pending_changes(self.runbook.steps[number]) for number in numbers}
        return {number: sentences for number, sentences in found.items() if sentences}

    @property
    def planned(self) -> bool:
        """True when what is judged is a plan: a step up to this one would still change something.

        A later step's changes do not touch what this one is judged by.
        """
        return self.planned_for(self.step)

    def planned_for(self, step: int) -> bool:
        """Return whether what a step is judged by is a plan."""
        if step in self.runbook.steps:
            return bool(self.pending(step))
        situation = self.runbook.situation
        return situation is not None and situation.planned

    def judge(self) -> list[Check]:
        """Judge every hop from what AWS shows now; everything is read again."""
        self._begin()
        try:
            runbook = self.runbook
            look_at(runbook)
            checks = runbook.verify_live()
            self.states = step_states(runbook)
            self._blame_refused()
            self.confirmed = self._previewed()
            return checks
        except RunbookError as error:
            self._failed(error)
            return []
        finally:
            self.tell()

    @property
    def place(self) -> Any:
        """Where the calls go, in words."""
        return describe_endpoint(self.caller[0])

    @property
    def caller(self) -> tuple[str, str]:
        """Who asks, also before the form is filled in, and why that is not known."""
        if self._runbook:
            return self._runbook.aws.caller_identity.arn, ""
        key = self._caller_key()
        if self._caller is None or self._caller[0] != key:
            try:
                self._caller = (key, self.account(*key[:2]).caller_identity.arn, "")
            except RunbookError as error:
                self._caller = (key, "", str(error))
            except StoppedError:
                self._caller = (key, "", "Stopped before AWS said who asks; press Preview")
        return self._caller[1], self._caller[2]

    def account(self, aws_profile: str = "", operator_role_arn: str = "") -> Aws:
        """Open a session before the target is complete, one for all that ask on this page.

        Raises
        ------
        RunbookError
            There are no credentials, or AWS refuses them.
        """
        key = (aws_profile, operator_role_arn, os.environ.get("AWS_ENDPOINT_URL", ""))
        if self._account is None or self._account[0] != key:
            try:
                self._account = (key, open_account(aws_profile, operator_role_arn))
            except RunbookError as error:
                self._account = (key, error)
        found = self._account[1]
        if isinstance(found, RunbookError):
            raise found
        return found

    def _caller_key(self) -> tuple[str, ...]:
        given = [str(self.values.get(name) or "") for name in ("aws_profile", "operator_role_arn")]
        return (*given, os.environ.get("AWS_ENDPOINT_URL", ""))

    def close(self) -> None:
        """Show nothing of an earlier look until the next one; makes no call."""
        self._begin()
        self._caller = (self._caller_key(), "", _ASKING)
        self.states = closed_states(_ASKING)
        self.tell()

    def begin_again(self) -> None:
        """Read the inputs and the accounts as if this were the first look."""
        if self.switch:
            self.switch.follow()
        use_kept_inputs()
        self.begun += 1
        self.unread, self._caller, self._account = "", None, None
        self.values = self._read(self._given)
        self.attend(self.look)

    def choose_place(self, place: str) -> None:
        """Go to the sandbox or to AWS; its own inputs come along."""
        if self.switch is None:
            return
        self.switch.choose(place)
        self._run_dir = None
        self.values = self._read({})
        self.close()  # before the first call: the banner is never older than the choice
        self._caller = self._account = None
        self.attend(self.look)


def _refused_by_risingwave(done: Iterable[Step]) -> str:
    """Say what a statement was refused for, in RisingWave's words; empty where none was."""
    said = []
    for change in (each for step in done for each in step.changes):
        if change.writes and not change.applied:
            why = "; ".join(change.notes) or "it was not run"
            said.append(f"{change.resource} {change.name} was not created: {why}")
    return ". ".join(said)


def _checks_of_refused(runbook: Runbook, done: Iterable[Step]) -> list[Check]:
    """Return the verdicts on statements that RisingWave refused, each with its cause."""
    from rwlib.verify import check_execution

    changes = [each for step in done if step.number == 5 for each in step.changes]
    if not any(each.writes and not each.applied for each in changes):
        return []
    return check_execution(
        runbook.aws,
        runbook.risingwave,
        runbook.target,
        runbook.sql,
        changes,
        known=runbook.checks,
    )


def look_at(runbook: Runbook) -> None:
    """Find out what is there and judge the plan, the SQL included; writes nothing."""
    from rwlib.verify import check_sql_options

    situation = runbook.look()
    runbook.checks += check_sql_options(runbook.target, situation, runbook.sql)


class _Watched(list["Call"]):
    """A list of calls that tells about each one as it is made."""

    def __init__(self, calls: Iterable[Call], told: Callable[[Call], None]) -> None:
        super().__init__(calls)
        self._told = told

    def append(self, call: Call) -> None:
        super().append(call)
        self._told(call)
