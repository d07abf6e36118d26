"""Whether the SQL that was run works: refused, failing, or has written its first file."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from rwlib.cloud import sink_failures
from rwlib.connectors import connector_profile
from rwlib.steps import Change, Connection, existing
from rwlib.target import connector_options
from rwlib.verify.check import Check
from rwlib.verify.kinds import title_of
from rwlib.verify.reasons import REASONS
from rwlib.waiting import rest, waiting_for

if TYPE_CHECKING:
    from rwlib.aws import Aws
    from rwlib.sql import ConnectorSql
    from rwlib.target import Target


def check_execution(
    aws: Aws,
    connection: Connection,
    target: Target,
    sql: Sequence[ConnectorSql],
    changes: Sequence[Change],
    *,
    known: Sequence[Check] = (),
    limit: float = 120.0,
    sleep: Callable[[float], None] = rest,
    clock: Callable[[], float] = time.monotonic,
) -> list[Check]:
    """Say for each connector whether it works: refused, failing, or has written its first file.

    A sink that RisingWave accepted may still fail at its first checkpoint, so it is looked at
    until a file is there, an event says that it failed, or ``limit`` seconds are over. What
    RisingWave says goes through the diagnosis, with the checks made before as its live facts.

    Parameters
    ----------
    known
        Checks of the other hops.
    limit
        Seconds.
    """
    refused = {each.name: each.notes[0] for each in changes if each.refused}
    checks = []
    for each in sql:
        statement = each.statements[-1]
        title = title_of("runs", kind=statement.kind, name=statement.name)
        check_id = f"runs_{each.connector}"
        stopped = next((text for name, text in refused.items() if name in _names(each)), "")
        if stopped:
            checks.append(_failed(check_id, title, stopped, target, known))
        elif refused:
            earlier = ("not run: an earlier statement was refused",)
            checks.append(
                Check(check_id, "SQL", title, "unknown", earlier, reason="statement_not_run")
            )
        elif statement.kind != "sink":
            seen = ("RisingWave read the place when it was created",)
            checks.append(Check(check_id, "SQL", title, "pass", seen))
        else:
            started = clock()
            while True:
                check = _look_at_sink(aws, connection, target, each, check_id, title, known)
                # Only a file can still come: a refusal is an answer.
                if check.reason != "no_file_yet" or clock() - started >= limit:
                    checks.append(check)
                    break
                with waiting_for("Waiting for the first file that RisingWave writes"):
                    sleep(2.0)
    return checks


def _failed(check_id: str, title: str, text: str, target: Target, known: Sequence[Check]) -> Check:
    """Return the verdict on what RisingWave refused, with the most probable cause."""
    from rwlib.diagnose import diagnose
    from rwlib.masking import mask
    from rwlib.verify.known import CheckedFacts

    said = tuple(line for line in mask(text).splitlines() if line.strip())
    causes = [
        cause
        for each in diagnose(text.splitlines(), target=target, live=CheckedFacts(known))
        for cause in each.causes
    ]
    if not causes:
        failed = next((each for each in known if each.status == "fail"), None)
        fix = (
            f"mend what fails first ({failed.hop}: {failed.title}); then run it again"
            if failed is not None
            else f"mend what RisingWave names ({_innermost(said)}), in sql_options or in the "
            "cluster; then run it again"
        )
        return Check(check_id, "SQL", title, "fail", said, fix, "statement_refused")
    top = causes[0]
    named = (f"{top.confidence}: {top.id}", *top.evidence)
    fix = f"{top.fix.summary} {top.fix.how}"
    return Check(check_id, "SQL", title, "fail", (*named, *said), fix, "statement_refused")


def _innermost(lines: Sequence[str]) -> str:
    """Return the last of the errors that RisingWave numbers from the outside to the inside.

    ``Caused by these errors (recent errors listed first):`` (thiserror-ext's report, which
    RisingWave's frontend prints).
    """
    last = lines[-1].strip() if lines else "it gave no reason"
    return re.sub(r"^\d+: ", "", last)


def _names(each: ConnectorSql) -> set[str]:
    return {statement.name for statement in each.statements}


def _look_at_sink(
    aws: Aws,
    connection: Connection,
    target: Target,
    each: ConnectorSql,
    check_id: str,
    title: str,
    known: Sequence[Check],
) -> Check:
    name = each.statements[-1].name
    if name not in existing(connection, "sink"):
        return Check(
            check_id, "SQL", title, "fail", (REASONS["sink_missing"].title,),
            "apply it with `rwlib run --apply`", "sink_missing", 5,
        )  # fmt: skip
    failures = sink_failures(connection.rows, name)
    if failures:
        return _failed(check_id, title, failures[0].error, target, known)
    option = connector_profile(each.connector).folder_option
    table = str(connector_options(target, each.connector).get(option) or "")
    folder = "/".join(part for part in (target.prefix, table) if part)
    return _first_file(aws, target.bucket, f"{folder}/" if folder else "", check_id, title)


def _first_file(aws: Aws, bucket: str, prefix: str, check_id: str, title: str) -> Check:
    from botocore.exceptions import ClientError

    from rwlib.aws import error_message

    about = f"objects {bucket}"
    aws.forget(about)
    try:
        answer = aws.read(
            "s3", "list_objects_v2", about=about, Bucket=bucket, Prefix=prefix, MaxKeys=3
        )
    except ClientError as error:
        reason = (f"no failure is known; its files cannot be looked at: {error_message(error)}",)
        return Check(check_id, "SQL", title, "unknown", reason, reason="not_readable")
    files = answer.get("Contents", [])
    if not files:
        why = (f"no failure is known, and there is no file yet under {prefix}",)
        return Check(
            check_id, "SQL", title, "unknown", why, "verify again after a checkpoint", "no_file_yet"
        )
    return Check(
        check_id, "SQL", title, "pass", tuple(f"s3://{bucket}/{file['Key']}" for file in files)
    )
