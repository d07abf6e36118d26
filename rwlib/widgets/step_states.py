"""How far each step has come, found out by looking at AWS and RisingWave Cloud.

No click is remembered: whoever comes back next week sees what is true then. A step opens when
the one before it is done.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from rwlib.steps import STEPS, TITLES, VERIFY, State, StepState

if TYPE_CHECKING:
    from rwlib.runbook import Runbook
    from rwlib.steps import Step
    from rwlib.verify import Check


NOTEBOOKS = {
    1: "01_create_s3_policy.ipynb",
    2: "02_create_role.ipynb",
    3: "03_configure_trust_policy.ipynb",
    4: "04_register_allowed_principal.ipynb",
    5: "05_use_role_in_risingwave.ipynb",
    VERIFY: "06_verify_setup.ipynb",
}


def step_links(acting: tuple[int, ...]) -> dict[int, str]:
    """Return where each step's card leads: to its section, or to its notebook beside this one."""
    if len(acting) > 1:
        return {number: f"#{anchor_of(number)}" for number in NOTEBOOKS}
    return dict(NOTEBOOKS)


def anchor_of(number: int) -> str:
    """Return the id of a step's section on the page that has them all."""
    return f"rw-section-{number}"


def next_link(number: int) -> str:
    """Return the link to the notebook after a step's, empty after the last."""
    following = NOTEBOOKS.get(number + 1, "")
    if not following:
        return ""
    title = TITLES[number + 1]
    what = title if number + 1 == VERIFY else f"Step {number + 1}, {title}"
    return f'<a class="rw-next" href="{following}">Next: {what}</a>'


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
    states: list[StepState] = []
    before = ""
    for number in STEPS:
        refusal = str(runbook.refused.get(number, "") or problem)
        state = _step_state(runbook.steps[number], runbook.checks, before, problem, refusal)
        states.append(state)
        if state.state is not State.SUCCESS and not before:
            before = f"opens when Step {number} is done"
    # Whether the SQL was run is RisingWave's to say, so the verification does not wait for it.
    waits = next((each for each in states[:4] if each.state is not State.SUCCESS), None)
    refused = [each for each in states[:4] if each.number in runbook.refused]
    if refused and _looked(runbook):
        # What a step refuses to write keeps nobody from reading what is there.
        waits = None
    states.append(_verification(runbook, waits, problem, refused))
    return tuple(states)


def _step_state(
    step: Step, checks: Iterable[Check], before: str, problem: str, refusal: str
) -> StepState:
    number = step.number
    if step.status == "failed":
        return StepState(number, State.FAIL, refusal or "it failed; look at its notebook")
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
    return StepState(number, State.SUCCESS, "AWS shows it as asked for")


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
    if check.needs_person:
        return StepState(4, State.READY, "a person adds the role in the console")
    return StepState(4, State.SUCCESS, "a person says that it is listed; nobody looked")


def _looked(runbook: Runbook) -> bool:
    """True where what stands there was judged, and not a plan."""
    return runbook.situation is not None and not runbook.situation.planned


def _verification(
    runbook: Runbook, waits: StepState | None, problem: str, refused: Iterable[StepState]
) -> StepState:
    failed = [each for each in runbook.checks if each.status == "fail"]
    if (waits is not None and not (failed and _looked(runbook))) or problem:
        sentence = f"opens when Step {waits.number} is done" if waits else problem
        return StepState(VERIFY, State.INIT, sentence)
    if failed:
        return StepState(VERIFY, State.FAIL, f"{len(failed)} checks fail: {failed[0].title}")
    open_ones = [each for each in runbook.checks if each.reason == "depends_on_context"]
    if open_ones:
        text = "1 check depends" if len(open_ones) == 1 else f"{len(open_ones)} checks depend"
        said = f"no check fails, {text} on what only RisingWave's request shows"
        return StepState(VERIFY, State.UNDECIDED, f"{said}: {open_ones[0].title}")
    blind = sum(each.status == "unknown" for each in runbook.checks)
    rest = f", {blind} could not be looked at" if blind else ""
    for each in refused:
        said = f"no check fails{rest}; Step {each.number} cannot be done: {each.sentence}"
        return StepState(VERIFY, State.UNDECIDED, said)
    return StepState(VERIFY, State.SUCCESS, f"no check fails{rest}")
