"""The targets of a batch, read one after the other from YAML, CSV or JSON Lines.

Every row is checked before anything is done for any of them. Of a row that was checked only its
name and what it writes are remembered.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rwlib.batch.row_files import Row, read_rows, short
from rwlib.errors import InputError, RunbookError
from rwlib.target import Target, input_notes

OWN_FILES = frozenset({"manifest.json", "junit.xml", "plan"})
"""Names in a batch's folder that no target's folder may have; so may none like summary.*."""

# What rows that share a role must agree about; each has a policy of its own.
_OF_THE_ROLE = (
    "workload_identity_arn", "cluster_id", "role_path", "permissions_boundary_arn",
    "max_session_duration", "tags",
)  # fmt: skip
_PLACE = "arn:aws:iam::111122223333:role/example"


@dataclass
class Known:
    """What is remembered of the rows before: who has a folder, and who writes what."""

    folders: dict[str, int] = field(default_factory=dict)
    policies: dict[tuple[str, ...], int] = field(default_factory=dict)
    roles: dict[tuple[str, ...], tuple[int, dict[str, str]]] = field(default_factory=dict)

    def same_role(self, row: int, target: Target) -> tuple[int, str] | None:
        """Return the row before that asks for the same role otherwise, and in which field."""
        asked = {name: short(getattr(target, name)) for name in _OF_THE_ROLE}
        other, before = self.roles.setdefault((*_account(target), target.role_name), (row, asked))
        differing = (name for name in _OF_THE_ROLE if before[name] != asked[name])
        name = next(differing, "")
        return (other, name) if name else None


def read_targets(
    path: str | Path, common: Mapping[str, Any] | None = None
) -> Iterator[tuple[int, Target]]:
    """Yield each row's number and target; a row's value goes before a common one.

    Raises
    ------
    InputError
        The file or a row cannot be used; the message names the row and the field.
    """
    file = Path(path)
    for row in read_rows(file):
        try:
            yield row.number, Target(**{**(common or {}), **row.values})
        except InputError as error:
            raise _in_row(file, row.number, error) from None


def count_targets(
    path: str | Path, common: Mapping[str, Any] | None = None, *, sandbox: bool = False
) -> int:
    """Check every row and return how many there are; nothing is kept and nothing is called.

    Raises
    ------
    InputError
        The file has no row, or one that cannot be used: two rows with one name or one policy,
        a secret in ``sql_options``. The message names the first of them and counts the others.
    """
    file = Path(path)
    known = Known()
    first: InputError | None = None
    bad = count = 0
    for row in read_rows(file):
        count += 1
        try:
            check_row(row, common or {}, known)
        except InputError as error:
            bad += 1
            first = first or _in_row(file, row.number, error)
    if first is not None:
        more = f" ({bad - 1} more rows cannot be used)" if bad > 2 else ""
        more = more or (" (one more row cannot be used)" if bad == 2 else "")
        raise InputError(first.field, first.given, f"{first.hint}{more}")
    if not count:
        raise InputError("targets", str(path), "holds no target; write one in each row")
    return count


def row_notes(path: str | Path, common: Mapping[str, Any]) -> Iterator[str]:
    """Yield what is read otherwise than it may have been meant, one sentence for each row's.

    A file or a row that cannot be read ends it: whoever reads the targets says why.
    """
    with suppress(InputError):
        for row in read_rows(Path(path)):
            for note in input_notes({**common, **row.values}):
                yield f"row {row.number}: {note}"


def check_row(row: Row, common: Mapping[str, Any], known: Known) -> Target:
    """Check one row, by itself and against those before it.

    Raises
    ------
    InputError
        It cannot be used.
    """
    from rwlib.steps import check_statements

    target = Target(**{**common, **row.values})
    try:
        check_statements(target, _PLACE, target.region_name or "us-east-1")
    except InputError:
        raise
    except RunbookError as error:
        raise InputError("sql_options", "", f"cannot be used: {error}") from None
    folder = folder_name(target.name)
    if folder in OWN_FILES or folder.startswith((".", "summary.", "state.", "plan-")):
        raise InputError("name", target.name, "is a name of the batch's own files; choose another")
    other = known.folders.setdefault(folder.casefold(), row.number)
    if other != row.number:
        raise InputError(
            "name", target.name, f"is also the name of row {other}; give each row its own name"
        )
    policy = (*_account(target), target.policy_name)
    other = known.policies.setdefault(policy, row.number)
    if other != row.number:
        raise InputError(
            "policy_name",
            target.policy_name,
            f"is also the policy_name of row {other}, and the two would overwrite each other's "
            "policy; "
            "give each its own",
        )
    shared = known.same_role(row.number, target)
    if shared is not None:
        other, name = shared
        raise InputError(
            name,
            getattr(target, name),
            f"differs from row {other}, which has the same role {target.role_name}; write the same "
            "in both, or give each its own role_name",
        )
    return target


def _account(target: Target) -> tuple[str, str]:
    return target.operator_role_arn, target.aws_profile


def folder_name(name: str) -> str:
    """Return the name of a target's folder."""
    return re.sub(r"[^\w.@+=,-]", "-", name)


def _in_row(path: Path, number: int, error: InputError) -> InputError:
    return InputError(f"{path.name} row {number}, {error.field}", error.given, error.hint)
