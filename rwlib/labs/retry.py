"""Let RisingWave try: the statement, a row, a checkpoint, and what it says of them."""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from dataclasses import dataclass

from rwlib.labs.model import CLUSTER_ID
from rwlib.labs.setup_calls import LabSetup

_ROW = "INSERT INTO orders SELECT * FROM orders LIMIT 1"


@dataclass(frozen=True, repr=False)
class Attempt:
    """What came of one try.

    Parameters
    ----------
    statement
        The SQL that was run, empty when the sink was there already.
    answer
        What RisingWave answered to it.
    refused
        True when the answer is a refusal.
    failures
        Errors of the sink since, and lines of the meta node's log.
    files
        Objects that were written.
    """

    name: str
    statement: str = ""
    answer: str = ""
    refused: bool = False
    failures: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    rows: int = 0

    def __repr__(self) -> str:
        return "\n".join(self.lines)

    @property
    def works(self) -> bool:
        """RisingWave accepted the statement and has written, or read, since."""
        return not self.refused and not self.failures and bool(self.files or self.rows)

    @property
    def lines(self) -> list[str]:
        """What a person would see, in order."""
        found = [self.answer] if self.answer else []
        if self.failures:
            times = f" ({len(self.failures)} tries)" if len(self.failures) > 1 else ""
            found.append(f"after the next checkpoint{times}: {self.failures[0]}")
        if self.works:
            found.append(
                f"wrote {', '.join(self.files)}" if self.files else f"read {self.rows} rows"
            )
        elif not self.refused and not self.failures:
            found.append("nothing was written or read")
        return found


def statement_of(setup: LabSetup) -> str:
    """Return the SQL of the lab: its own, or Step 5's for the target."""
    if setup.lab.statement:
        return str(setup.fill(setup.lab.statement)).strip()
    from rwlib.sql import statements_for

    made = statements_for(setup.target, setup.role_arn, setup.region_name)
    return made[0].statements[-1].sql.strip()


def attempt(setup: LabSetup, *, run_statement: bool = True) -> Attempt:
    """Let RisingWave try once, and say what came of it.

    Parameters
    ----------
    run_statement
        Run the lab's statement when what it creates is not there; without it, only what the
        learner created is tried.
    """
    from rwlib.sql import parse_statements
    from rwlib.sql.language import CreateStatement

    text = statement_of(setup)
    (parsed,) = parse_statements(text)
    assert isinstance(parsed, CreateStatement)
    name = parsed.name.strip('"')
    if parsed.kind == "source":
        return _read(setup, name, text)
    there = sinks(setup)
    connector = next(str(each.value) for each in parsed.options if each.name == "connector")
    fitting = [each for each in there if fits(setup, each, connector=connector)]
    if not run_statement:
        if not there:
            return Attempt(name, answer="there is no sink", refused=True)
        return _checkpoint(setup, (fitting or there)[0])
    if name in there:
        return _checkpoint(setup, name)
    if fitting:
        # The learner's own, to the same place with the same role: as good as the lab's.
        tried = _checkpoint(setup, fitting[0])
        if tried.works:
            return tried
    answer, refused = _execute(setup, text)
    if refused:
        return Attempt(name, text, answer, True)
    tried = _checkpoint(setup, name)
    return Attempt(name, text, answer, False, tried.failures, tried.files)


def as_tried(setup: LabSetup, sink_name: str) -> LabSetup:
    """Return the set-up for the sink that was tried: its path may be written another way."""
    if "s3.path" not in setup.target.sql_options or sink_name not in sinks(setup):
        return setup
    path = sink_options(setup, sink_name).get("s3.path", "")
    if path.strip("/") != setup.target.prefix:
        return setup
    found = copy(setup)
    options = {**setup.target.sql_options, "s3.path": path}
    found.target = setup.target.model_copy(update={"sql_options": options})
    return found


def sinks(setup: LabSetup) -> list[str]:
    """Name the sinks of the cluster."""
    return [sink.name for sink in setup.cloud.sinks(CLUSTER_ID)]


def fits(setup: LabSetup, sink_name: str, *, connector: str = "") -> bool:
    """Whether a sink goes to the lab's bucket and prefix with the lab's role, without keys."""
    options = sink_options(setup, sink_name)
    return (
        (not connector or options.get("connector") == connector)
        and options.get("s3.bucket_name") == setup.target.bucket
        and options.get("s3.path", "").strip("/") == setup.target.prefix
        and options.get("s3.assume_role") == setup.role_arn
        and not options.get("s3.credentials.access")
    )


def unfit_options(setup: LabSetup) -> list[str]:
    """Say which options of the lab's statement are not as the bucket, its place and the role are.

    Lines such as ``s3.region_name is 'us-east-1'; the bucket's is 'eu-central-1'``.
    """
    from rwlib.sql import parse_statements
    from rwlib.sql.language import CreateStatement

    (parsed,) = parse_statements(statement_of(setup))
    assert isinstance(parsed, CreateStatement)
    wanted = {
        "s3.region_name": ("the bucket's", setup.region_name),
        "s3.bucket_name": ("the task's", setup.target.bucket),
        "s3.path": ("the task's", setup.target.prefix),
        "s3.assume_role": ("the role's", setup.role_arn),
    }
    written = {option.name: str(option.value) for option in parsed.options}
    return [
        f"{name} is '{written[name]}'; {whose} is '{value}'"
        for name, (whose, value) in wanted.items()
        if name in written and written[name].strip("/") != value
    ]


def sink_options(setup: LabSetup, sink_name: str) -> Mapping[str, str]:
    """Return the options of a sink, as its definition has them."""
    from rwlib.sql import parse_statements
    from rwlib.sql.language import CreateStatement

    rows = setup.cloud.query_sql(CLUSTER_ID, f'SHOW CREATE SINK "{sink_name}"').rows
    (parsed,) = parse_statements(str(rows[0][1]))
    assert isinstance(parsed, CreateStatement)
    return {option.name: str(option.value) for option in parsed.options}


def _read(setup: LabSetup, name: str, text: str) -> Attempt:
    _execute(setup, f'DROP SOURCE IF EXISTS "{name}"')
    answer, refused = _execute(setup, text)
    if refused:
        return Attempt(name, text, answer, True)
    from rwlib.cloud import SqlError

    try:
        rows = setup.cloud.query_sql(CLUSTER_ID, f'SELECT * FROM "{name}"').rows
    except SqlError as error:
        return Attempt(name, text, answer, False, (error.text,))
    return Attempt(name, text, answer, False, rows=len(rows))


def _checkpoint(setup: LabSetup, sink_name: str) -> Attempt:
    before, events, log = written(setup), _events(setup, sink_name), _log(setup)
    _execute(setup, _ROW)
    _execute(setup, "FLUSH")
    new = [text for number, text in _events(setup, sink_name).items() if number not in events]
    logged = _log(setup)[len(log) :]
    files = tuple(sorted(set(written(setup)) - set(before)))
    return Attempt(sink_name, failures=(*new, *logged), files=files)


def _execute(setup: LabSetup, text: str) -> tuple[str, bool]:
    from rwlib.cloud import SqlError

    try:
        return setup.cloud.execute_sql(CLUSTER_ID, text), False
    except SqlError as error:
        return error.text, True


def written(setup: LabSetup) -> list[str]:
    """List the objects under the prefix; none where the account itself may not look any more."""
    from botocore.exceptions import ClientError

    try:
        found = setup.client("s3").list_objects_v2(
            Bucket=setup.target.bucket, Prefix=f"{setup.target.prefix}/"
        )
    except ClientError:
        return []
    return [entry["Key"] for entry in found.get("Contents", [])]


def _events(setup: LabSetup, sink_name: str) -> dict[str, str]:
    from rwlib.cloud import sink_failures

    found = sink_failures(lambda sql: setup.cloud.query_sql(CLUSTER_ID, sql).rows, sink_name)
    return {failure.event_id: failure.error for failure in found}


def _log(setup: LabSetup) -> list[str]:
    """Return the meta node's log, which RisingWave Cloud shows on the cluster's page."""
    found = setup.endpoint.switch("GET", f"clusters/{CLUSTER_ID}/log")
    return [str(line) for line in found["lines"]]
