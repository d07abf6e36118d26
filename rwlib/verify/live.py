"""Let RisingWave itself assume the role and list the prefix, with a source that is dropped again.

Creating an S3 source makes RisingWave assume the role and list the place at once (RisingWave's
source `fs` enumerator). What it answers tells the side of STS from the side of S3. Writing and KMS
are not tried, so nothing is said about them.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rwlib.diagnose import diagnose
from rwlib.errors import RunbookError
from rwlib.sql import parse_statements, statements_for
from rwlib.steps import Change, ChangeSubject, Connection, Ledger, Refusal
from rwlib.verify.check import Check, Status
from rwlib.verify.kinds import CHECKS, title_of
from rwlib.verify.probes import required_probes
from rwlib.waiting import in_the_end

if TYPE_CHECKING:
    from rwlib.target import Target
    from rwlib.verify.situation import Situation

# By class, what a refusal says about assuming the role. Where S3 answered, it was assumed.
_STS = frozenset(
    {
        "assume_role_denied", "sts_region_disabled", "sts_region_mismatch", "web_identity_denied",
        "invalid_role_arn", "invalid_client_token", "expired_token",
        "no_base_credentials", "config_load_not_permitted", "role_not_applied",
    }
)  # fmt: skip
_S3 = frozenset(
    {
        "s3_access_denied", "explicit_deny", "kms_denied", "no_such_bucket",
        "region_wrong",
    }
)  # fmt: skip


@dataclass(frozen=True)
class LiveSource:
    """The temporary source: its name is the target's own, so that a left-over is found again."""

    name: str
    sql: str

    @classmethod
    def of(cls, target: Target, role_arn: str, region_name: str) -> LiveSource:
        """Build the source for a target; it lists the prefix and nothing beside it."""
        place = f"{role_arn} {target.bucket} {target.prefix} {region_name}"
        name = f"rwlib_live_{hashlib.sha256(place.encode()).hexdigest()[:12]}"
        pattern = f"{target.prefix}/*" if target.prefix else "*"
        as_source = target.model_copy(
            update={"connectors": ["s3_source"], "sql_options": {"match_pattern": pattern}}
        )
        (written,) = statements_for(as_source, role_arn, region_name)
        statement = written.statements[-1]
        sql = statement.sql.replace(f"SOURCE {statement.name} ", f"SOURCE {name} ", 1)
        return cls(name, sql)

    def is_ours(self, definition: str) -> bool:
        """Tell whether a definition that RisingWave shows is this very source's."""
        same: bool = _meaning(definition) == _meaning(self.sql)
        return same


def _meaning(sql: str) -> Any:
    """Return what a CREATE statement says, whatever its layout; its text where it is none."""
    try:
        (statement,) = parse_statements(sql)
        return statement.name.lower(), {  # type: ignore[union-attr]
            str(option.name).lower(): option.value
            for option in statement.options  # type: ignore[union-attr]
        }
    except (RunbookError, ValueError, AttributeError):
        return re.sub(r"\s+", " ", sql).strip().rstrip(";").lower()


def needs_listing(target: Target, situation: Situation) -> bool:
    """Tell whether the target's connectors list anything, so that a listing must succeed."""
    return any(
        probe.action == "s3:ListBucket"
        for probe in required_probes(
            target,
            account_id=situation.account_id,
            region_name=situation.bucket.region_name,
        )
    )


def check_live(
    connection: Connection, target: Target, situation: Situation, *, ledger: Ledger | None = None
) -> list[Check]:
    """Say whether RisingWave can assume the role and list the prefix, by letting it do so.

    A source is created and dropped again whatever happens; what it intends is in the ledger
    first. A source of its name that an interrupted run left is dropped only when its definition
    is the same.

    Returns
    -------
    ``live_assume``, and ``live_list`` where the connectors list at all.
    """
    ledger = ledger or Ledger()
    lists = needs_listing(target, situation)
    source = LiveSource.of(target, situation.role_arn, situation.bucket.region_name)
    found = _definition(connection, source.name)
    if found is not None and not source.is_ours(found):
        why = f"a source {source.name} that this runbook did not create is in the way"
        return _rows(lists, "unknown", why, f"rename or drop it: DROP SOURCE {source.name}")
    if found is not None:
        _drop(connection, source, ledger)
    answer = ""
    left: list[str] = []
    with _dropped(connection, source, ledger, left):
        ledger.intend(Change("create", ChangeSubject.SOURCE, source.name, after=source.sql))
        try:
            connection.execute(source.sql)
        except Refusal as error:
            answer = str(error)
            ledger.abandoned(Change("create", ChangeSubject.SOURCE, source.name))
        else:
            ledger.done(Change("create", ChangeSubject.SOURCE, source.name))
    rows = _judged(answer, lists, source, target)
    if left:
        note = f"source {source.name} could not be dropped: {left[0]}"
        rows[0] = Check(
            rows[0].id, rows[0].hop, rows[0].title, "fail", (*rows[0].evidence, note),
            f"DROP SOURCE {source.name}", "live_source_left",
        )  # fmt: skip
    return rows


@contextmanager
def _dropped(
    connection: Connection, source: LiveSource, ledger: Ledger, left: list[str]
) -> Iterator[None]:
    """Drop the source on every way out, an interrupt included."""
    try:
        yield
    finally:
        in_the_end(lambda: _drop_ours(connection, source, ledger, left))


def _drop_ours(connection: Connection, source: LiveSource, ledger: Ledger, left: list[str]) -> None:
    try:
        found = _definition(connection, source.name)
        if found is not None and source.is_ours(found):
            _drop(connection, source, ledger)
    except (RunbookError, Refusal) as error:
        left.append(str(error))


def _drop(connection: Connection, source: LiveSource, ledger: Ledger) -> None:
    removal = Change("delete", ChangeSubject.SOURCE, source.name, before=source.sql)
    ledger.intend(removal)
    connection.execute(f"DROP SOURCE IF EXISTS {source.name}")
    ledger.done(removal)


def _definition(connection: Connection, name: str) -> str | None:
    rows = connection.rows(f"SELECT definition FROM rw_catalog.rw_sources WHERE name = '{name}'")
    return str(rows[0][0]) if rows else None


def _judged(answer: str, lists: bool, source: LiveSource, target: Target) -> list[Check]:
    """Tell the side of STS from the side of S3 by the class of RisingWave's answer."""
    if not answer:
        made = f"RisingWave created {source.name}, which assumes the role and lists; it is dropped"
        return _rows(lists, "pass", made)
    found = next(iter(diagnose(answer, target=target)), None)
    error_class = found.error_class if found else ""
    said = found.excerpt if found and found.excerpt else " ".join(answer.split())[:600]
    caller = (found.caller or "") if found else ""
    action = (found.action or "") if found else ""
    fix = (
        f"{found.causes[0].fix.summary}: {found.causes[0].fix.how}"
        if found and found.causes
        else ""
    )
    if error_class in _STS or action.lower().startswith("sts:assumerole"):
        rows = [_row("live_assume", "fail", said, fix)]
        return rows + ([_row("live_list", "unknown", "the role was not assumed")] if lists else [])
    if error_class in _S3 or ":assumed-role/" in caller:
        rows = [_row("live_assume", "pass", f"S3 answered a session of the role: {said}")]
        return rows + ([_row("live_list", "fail", said, fix)] if lists else [])
    return _rows(lists, "unknown", said, "see what RisingWave says; it is neither STS nor S3")


def _rows(lists: bool, status: Status, evidence: str, fix: str = "") -> list[Check]:
    chosen = ("live_assume", "live_list") if lists else ("live_assume",)
    return [_row(check_id, status, evidence, fix) for check_id in chosen]


def _row(check_id: str, status: Status, evidence: str, fix: str = "") -> Check:
    kept = fix if status != "pass" else ""
    reason = {"fail": "live_refused", "unknown": "live_undecided"}.get(status, "")
    return Check(
        check_id, CHECKS[check_id].hop, title_of(check_id), status, (evidence,), kept, reason
    )
