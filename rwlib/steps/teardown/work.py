"""How a thing is taken back: previewed, recorded, called, and kept where it is in use."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from rwlib.aws import Aws, error_code, error_message, is_missing, refused
from rwlib.steps.changes import Change, Ledger, ledger_history
from rwlib.target import Target


@dataclass
class TearDown:
    """What is taken back, in the order AWS needs, and what is kept and why."""

    changes: list[Change] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain JSON values."""
        return {"changes": [each.to_dict() for each in self.changes], "kept": self.kept}


@dataclass
class Work:
    """One tear-down on its way: what it works with, and what it has come to."""

    aws: Aws
    target: Target
    runs_dir: Path
    ledger: Ledger
    apply: bool
    sleep: Callable[[float], None]
    result: TearDown = field(default_factory=TearDown)

    def do(self, change: Change, *calls: tuple[str, dict[str, Any]], about: str) -> None:
        """Preview or make one change; what is gone already counts as done."""
        if not self.apply:
            self.result.changes.append(change)
            return
        self.ledger.intend(change)
        try:
            for operation, parameters in calls:
                self._call(operation, parameters, about)
        except ClientError as error:
            self.ledger.abandoned(change)
            if error_code(error) != "DeleteConflict":
                raise refused(error, f"deleting {change.name}") from error
            self.result.kept.append(f"{change.resource} {change.name}: {error_message(error)}")
            return
        self.ledger.done(change)
        self.result.changes.append(change.done())

    def _call(self, operation: str, parameters: dict[str, Any], about: str) -> None:
        """Make one writing call; what was detached a moment ago may still be in the way."""
        for pause in (0.5, 1.0, 2.0, 4.0, 0.0):
            try:
                self.aws.write("iam", operation, about=about, **parameters)
                return
            except ClientError as error:
                if is_missing(error):
                    return
                if error_code(error) != "DeleteConflict" or not pause:
                    raise
            self.sleep(pause)

    def created_here(self, name: str, *, tagged: bool = False) -> bool:
        """True when a run's ledger says that this runbook created it, and did not delete it.

        A run can stop between the call and its "done"; what it made then shows its tag. What has
        no tags (an attachment, an entry in a list) is ours from the moment it was intended, unless
        the run learned that somebody else made it.
        """
        created = False
        for entry in ledger_history(self.runs_dir, name):
            made = ("done",) if tagged else ("intended", "done")
            if entry["action"] == "create":
                created = entry["phase"] in made or (created and entry["phase"] == "intended")
            elif entry["action"] == "delete" and entry["phase"] == "done":
                created = False
        return created
