"""How a thing is taken back: previewed, recorded, looked at again, called, or kept."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import ClientError

from rwlib.aws import Aws, error_code, error_message, is_missing, refused
from rwlib.steps.changes import Change, Ledger
from rwlib.target import Target

StillSame = Callable[[], str]


class _NotTheSameError(Exception):
    """What was to be taken back is not what it was; the text says why."""


@dataclass
class TearDown:
    """What is taken back, in the order AWS needs, and what is kept and why.

    Parameters
    ----------
    left
        What is this runbook's, or lets RisingWave in, and is there still.
    """

    changes: list[Change] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain JSON values."""
        changes = [each.to_dict() for each in self.changes]
        return {"changes": changes, "kept": self.kept, "left": self.left}


@dataclass
class Work:
    """One tear-down on its way: what it works with, and what it has come to."""

    aws: Aws
    target: Target
    ledger: Ledger
    apply: bool
    sleep: Callable[[float], None]
    result: TearDown = field(default_factory=TearDown)

    def keep(self, text: str, left: str = "") -> None:
        """Name what is kept; ``left`` names it when that is not as it should end."""
        self.result.kept.append(text)
        if left:
            self.result.left.append(left)

    def do(
        self,
        change: Change,
        *calls: tuple[str, dict[str, Any]],
        about: str,
        same: StillSame,
        resource_id: str = "",
    ) -> bool:
        """Preview or make one change; what is gone already counts as done.

        Parameters
        ----------
        same
            Reads, directly before every call, whether the thing is what it was; says why not.
        """
        if not self.apply:
            self.result.changes.append(change)
            return True
        facts = {"id": resource_id} if resource_id else {}
        self.ledger.intend(change, **facts)
        try:
            for operation, parameters in calls:
                self._call(operation, parameters, about, same)
        except _NotTheSameError as error:
            self.ledger.abandoned(change)
            self.keep(f"{change.resource} {change.name}: {error}", f"{change.name}: {error}")
            return False
        except ClientError as error:
            self.ledger.abandoned(change)
            if error_code(error) != "DeleteConflict":
                raise refused(error, f"deleting {change.name}") from error
            text = f"{change.resource} {change.name}: {error_message(error)}"
            self.keep(text, text)
            return False
        self.ledger.done(change, **facts)
        self.result.changes.append(change.done())
        return True

    def _call(
        self, operation: str, parameters: dict[str, Any], about: str, same: StillSame
    ) -> None:
        """Make one writing call; what was detached a moment ago may still be in the way."""
        for pause in (0.5, 1.0, 2.0, 4.0, 0.0):
            if why := same():
                raise _NotTheSameError(why)
            try:
                self.aws.write("iam", operation, about=about, **parameters)
                return
            except ClientError as error:
                if is_missing(error):
                    return
                if error_code(error) != "DeleteConflict" or not pause:
                    raise
            self.sleep(pause)

    def created_here(self, name: str, resource_id: str = "") -> bool:
        """True when a ledger says that this runbook made it, and did not take it back.

        For what has neither tags nor an id of its own (an attachment, an entry in a list): it is
        ours from the moment it was intended, unless the run learned that somebody else made it.

        Parameters
        ----------
        resource_id
            Id of the role that it is about; an entry about a former role of that name says
            nothing about this one.
        """
        created = before = False
        for entry in self.ledger.history(name):
            known = entry.get("id", "")
            if resource_id and known and known != resource_id:
                continue
            if entry["action"] == "create" and entry["phase"] == "intended":
                before, created = created, True
            elif entry["action"] == "create":
                created = entry["phase"] == "done" or before
            elif entry["action"] == "delete" and entry["phase"] == "done":
                created = before = False
        return created
