"""What was approved is what is written: a plan's state, and whether it is still the same.

A plan remembers what it would change, and the role on which that rests. Before a run of an approved
plan writes anything, it looks again; where something appeared, disappeared or changed in between,
it stops.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rwlib.errors import ConflictError
from rwlib.steps import Step, canonical, ledger_history
from rwlib.verify import Situation

APPROVED = "RWLIB_APPROVED"
"""The variable with the state of an approved plan, as JSON; set for one run."""

_ROLE = ("the role", "its trust policy", "its policies")


def planned_state(steps: Iterable[Step], situation: Situation | None) -> dict[str, Any]:
    """Return what the previewed steps would do, and what was found, as comparable values."""
    changes = [change for step in steps for change in step.changes if change.writes]
    state: dict[str, Any] = {
        "time": datetime.now(UTC).isoformat(timespec="microseconds"),
        "the changes": _hash(
            [[each.action, each.resource, each.name, each.before, each.after] for each in changes]
        ),
    }
    if situation is not None:
        policies = sorted([name, canonical(document)] for name, document in situation.identity)
        state |= {
            "the role": situation.role_id,
            "its trust policy": _hash(canonical(situation.trust_policy)),
            "its policies": _hash(policies),
            "its permissions boundary": _hash([situation.boundary_arn, situation.boundary]),
            "attached": sorted(situation.attached),
        }
    return state


def require_approved(
    steps: Iterable[Step], situation: Situation, role_arn: str, run_dir: Path | None
) -> None:
    """Refuse to go on where an approved plan is not what would be done now.

    What other targets of the same batch have made since then is no difference: a role that two of
    them share is planned by both and created by the first.

    Raises
    ------
    ConflictError
        Something appeared, disappeared or changed; nothing was written.
    """
    text = os.environ.get(APPROVED, "")
    if not text:
        return
    approved: Mapping[str, Any] = json.loads(text)
    now = planned_state(steps, situation)
    differing = [
        part
        for part in now
        if part not in ("time", "attached") and now[part] != approved.get(part, now[part])
    ]
    if not differing or _made_beside(role_arn, run_dir, approved, now, differing):
        return
    raise ConflictError(
        f"{' and '.join(differing)} differ from the plan that was approved; nothing was written: "
        "look at what changed in AWS since, and plan again"
    )


def _made_beside(
    role_arn: str,
    run_dir: Path | None,
    approved: Mapping[str, Any],
    now: Mapping[str, Any],
    differing: list[str],
) -> bool:
    """True when the difference is what other targets of this batch made of a shared role."""
    batch = run_dir.parent if run_dir else None
    if batch is None or set(differing) - {*_ROLE, "the changes"}:
        return False

    def made_since(name: str) -> bool:
        return any(
            entry.get("phase") == "done" and str(entry.get("time", "")) > approved["time"]
            for entry in ledger_history(batch, name)
        )

    appeared = set(now.get("attached", ())) - set(approved.get("attached", ()))
    gone = set(approved.get("attached", ())) - set(now.get("attached", ()))
    return made_since(role_arn) and all(map(made_since, appeared)) and not gone


def _hash(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, sort_keys=True, default=list)
    return hashlib.sha256(text.encode()).hexdigest()
