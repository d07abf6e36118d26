"""How far each step has come, found out by looking at AWS and RisingWave Cloud.

No click is remembered: whoever comes back next week sees what is true then. A step opens when
the one before it is done.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from rwlib.runbook import STEPS
from rwlib.target import Target, field_errors

if TYPE_CHECKING:
    from rwlib.checks import Check
    from rwlib.runbook import Runbook, Step

VERIFY = 6
TITLES = {
    **{1: "Policy", 2: "Role", 3: "Trust policy", 4: "Allowed Principal", 5: "SQL"},
    VERIFY: "Verify",
}


class State(StrEnum):
    """The states of a step, in the order of its life.

    ``INIT`` not open yet, ``READY`` open, ``CONFIGURED`` previewed and not written, ``ACTIVE``
    being written, ``SUCCESS`` there as asked, ``FAIL`` something stands in the way.
    """

    INIT = "init"
    READY = "ready"
    CONFIGURED = "configured"
    ACTIVE = "active"
    SUCCESS = "success"
    FAIL = "fail"

    @property
    def face(self) -> str:
        """A mark that tells the state without colour."""
        return {
            State.INIT: "·",
            State.READY: "○",
            State.CONFIGURED: "◐",
            State.ACTIVE: "…",
            State.SUCCESS: "✓",
            State.FAIL: "✗",
        }[self]

    @property
    def word(self) -> str:
        """The state in a word or two."""
        return {
            State.INIT: "not open",
            State.READY: "to do",
            State.CONFIGURED: "previewed",
            State.ACTIVE: "working",
            State.SUCCESS: "done",
            State.FAIL: "failed",
        }[self]


@dataclass(frozen=True)
class StepState:
    """One step on the progress line.

    Parameters
    ----------
    number
        1 to 5, and 6 for the verification.
    sentence
        Why the step is in this state, and what comes next.
    """

    number: int
    state: State
    sentence: str

    @property
    def title(self) -> str:
        """The step in a word or two."""
        return TITLES[self.number]


def closed_states(sentence: str) -> tuple[StepState, ...]:
    """Return the line of a target whose inputs are not complete: nothing is open."""
    return tuple(StepState(number, State.INIT, sentence) for number in TITLES)


def step_states(runbook: Runbook, problem: str = "") -> tuple[StepState, ...]:
    """Return the state of every step after `Runbook.look`.

    Parameters
    ----------
    problem
        Why looking ended early, as the error says it; the step that raised it fails.
    """
    found: list[StepState] = []
    before = ""
    for number in STEPS:
        state = _step_state(runbook.steps[number], runbook.checks, before, problem)
        found.append(state)
        if state.state is not State.SUCCESS and not before:
            before = f"opens when Step {number} is done"
    # Whether the SQL was run is RisingWave's to say, so the verification does not wait for it.
    waits = next((each for each in found[:4] if each.state is not State.SUCCESS), None)
    found.append(_verification(runbook, waits, problem))
    return tuple(found)


def _step_state(step: Step, checks: Iterable[Check], before: str, problem: str) -> StepState:
    number = step.number
    if step.status == "failed":
        return StepState(number, State.FAIL, problem or "it failed; look at its notebook")
    if before:
        return StepState(number, State.INIT, before)
    if problem:
        return StepState(number, State.INIT, problem)
    if number == 4:
        return _allowed_principal(step, checks)
    pending = pending_changes(step)
    if number == 5 and not step.changes:
        return StepState(5, State.READY, "the SQL is written; run it in RisingWave")
    if number == 5 and not pending:
        return StepState(5, State.SUCCESS, "RisingWave has what the SQL creates")
    if pending:
        text = "1 change" if len(pending) == 1 else f"{len(pending)} changes"
        return StepState(number, State.READY, f"{text} to preview and apply")
    return StepState(number, State.SUCCESS, "AWS shows it as asked")


def pending_changes(step: Step) -> list[str]:
    """Return the sentences of the changes that a step would still make."""
    return [each.sentence for each in step.changes if each.writes and not each.applied]


def _allowed_principal(step: Step, checks: Iterable[Check]) -> StepState:
    check = next((each for each in checks if each.id == "allowed_principal"), None)
    if pending_changes(step):
        return StepState(4, State.READY, "the role is not in the list yet")
    if check is None or check.status == "unknown":
        why = check.evidence[0] if check else "not looked at"
        return StepState(4, State.READY, f"could not be looked at: {why}")
    if check.status == "fail":
        return StepState(4, State.FAIL, check.evidence[0])
    if check.status == "pass":
        return StepState(4, State.SUCCESS, "RisingWave Cloud lists the role")
    if check.fix:
        return StepState(4, State.READY, "a person adds the role in the console")
    return StepState(4, State.SUCCESS, "a person says that it is listed; nobody looked")


def _verification(runbook: Runbook, waits: StepState | None, problem: str) -> StepState:
    failed = [each for each in runbook.checks if each.status == "fail"]
    looked = runbook.situation is not None and not runbook.situation.planned
    if (waits is not None and not (failed and looked)) or problem:
        sentence = f"opens when Step {waits.number} is done" if waits else problem
        return StepState(VERIFY, State.INIT, sentence)
    if failed:
        return StepState(VERIFY, State.FAIL, f"{len(failed)} checks fail: {failed[0].title}")
    blind = sum(each.status == "unknown" for each in runbook.checks)
    rest = f", {blind} could not be looked at" if blind else ""
    return StepState(VERIFY, State.SUCCESS, f"no check fails{rest}")


def all_errors(values: Mapping[str, object]) -> dict[str, str]:
    """Say what is wrong with every field at once; empty when the values make a target.

    `rwlib.target.field_errors` stops at the first; a form shows each one under its own field.
    """
    found: dict[str, str] = {}
    trial = dict(values)
    for _ in Target.model_fields:
        error = field_errors(trial)
        name, message = next(iter(error.items()), ("", ""))
        if not error or name in found:
            break
        found[name] = message
        if name not in _STAND_IN:
            break
        trial[name] = _STAND_IN[name]
    return found


# Values that pass, put in place of a wrong one to see what is wrong with the others.
_STAND_IN: dict[str, object] = {
    **{name: info.default for name, info in Target.model_fields.items()},
    "workload_identity_arn": "arn:aws:iam::123456789012:role/stand-in",
    "bucket": "stand-in",
    "connectors": ["s3_source"],
}
