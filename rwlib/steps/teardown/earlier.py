"""Take away what earlier runs for a target made and it does not ask for any more."""

from __future__ import annotations

from collections.abc import Callable

from rwlib.aws import Aws, read_role
from rwlib.steps.changes import Change, ChangeSubject, Ledger, ledger_of_target
from rwlib.steps.left_over import left_over_policies
from rwlib.steps.ownership import claim_key, claims_on, is_ours
from rwlib.steps.teardown.policy import detach, take_back_policy
from rwlib.steps.teardown.work import Work
from rwlib.target import Target
from rwlib.waiting import rest


def remove_left_over(
    aws: Aws,
    target: Target,
    *,
    ledger: Ledger | None = None,
    apply: bool = False,
    sleep: Callable[[float], None] = rest,
) -> tuple[list[Change], list[str]]:
    """Detach and delete the policies that only this target claims and does not ask for.

    Returns
    -------
    tuple
        The changes, and sentences about what is kept because others use it.
    """
    work = Work(aws, target, ledger or Ledger(), apply, sleep)
    if read_role(aws, target.role_name) is None:
        return [], []
    for policy in left_over_policies(aws, target, ledger):
        detach(work, target.role_name, policy)
        take_back_policy(work, policy)
    return work.result.changes, work.result.kept


def name_former_roles(work: Work) -> None:
    """Name the roles that runs for this target made under other names, and that are there still.

    They are taken back by a tear-down that gives the name: what stands on them, this target's
    fields don't say.
    """
    target = work.target
    made = dict.fromkeys(
        str(entry["name"])
        for entry in ledger_of_target(work.ledger.places, target.name)
        if entry.get("resource") == ChangeSubject.ROLE and entry.get("action") == "create"
    )
    for arn in made:
        name = arn.rpartition("/")[2]
        if name == target.role_name or f"::{work.aws.account_id}:" not in arn:
            continue
        refused: dict[str, str] = {}
        role = read_role(work.aws, name, refused)
        if refused:
            text = f"IAM role {arn}, which an earlier run made: not looked at: {refused['role']}"
            work.keep(text, text)
        if role is None or role["Arn"] != arn or not is_ours(role, work.ledger, target.tags):
            continue
        if claim_key(target.name) in {claim.key for claim in claims_on(role)}:
            text = (
                f"IAM role {arn}: an earlier run made it for this target; tear down with "
                f"role_name {name} to take it back"
            )
            work.keep(text, text)
