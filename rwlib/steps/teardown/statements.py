"""What Step 5 made in RisingWave: named, and dropped on request."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from rwlib.errors import ServiceError
from rwlib.steps.changes import SQL_SUBJECTS, Change, ledger_of_target
from rwlib.steps.teardown.work import Work

if TYPE_CHECKING:
    from rwlib.steps.step5_sql import Connection

_KINDS = {str(subject): kind for kind, subject in SQL_SUBJECTS.items()}


def take_back_sql(work: Work, connect: Callable[[], Connection] | None, drop: bool) -> None:
    """Drop what runs for this target made in RisingWave, the last first; else name it.

    Raises
    ------
    ServiceError
        RisingWave refused to drop something; what was dropped before it stays dropped.
    """
    made = _made(work)
    if not made:
        return
    if not drop or connect is None:
        for kind, name in made:
            work.keep(f"{kind} {name} in RisingWave: --drop-sql drops it")
        return
    from rwlib.sql import identifier
    from rwlib.steps.step5_sql import Refusal, existing

    connection = connect()
    found: dict[str, set[str]] = {}
    for kind, name in made:
        if name not in found.setdefault(kind, existing(connection, kind)):
            continue
        change = Change(
            "delete",
            SQL_SUBJECTS[kind],
            name,
            after=f"DROP {kind.upper()} {identifier(name)}",
        )
        if work.apply:
            work.ledger.intend(change)
            try:
                connection.execute(change.after)
            except Refusal as error:
                work.ledger.abandoned(change)
                first = str(error).strip().splitlines()[0]
                raise ServiceError(f"dropping {kind} {name}: RisingWave says {first}") from None
            work.ledger.done(change)
            change = change.done()
        work.result.changes.append(change)


def _made(work: Work) -> list[tuple[str, str]]:
    """Return kind and name of what was made and not dropped, the last first."""
    path = work.ledger.path
    places = (*work.ledger.places, *((path.parent,) if path else ()))
    made: dict[tuple[str, str], bool] = {}
    for entry in ledger_of_target(places, work.target.name):
        kind = _KINDS.get(entry.get("resource", ""))
        if kind is None:
            continue
        key = (kind, str(entry["name"]))
        if entry["action"] == "create" and entry["phase"] in ("intended", "done"):
            made.pop(key, None)
            made[key] = True
        elif entry["phase"] == "abandoned" and entry["action"] == "delete":
            continue  # RisingWave refused to drop it
        elif entry["phase"] != "intended":
            made.pop(key, None)
    return list(reversed(made))
