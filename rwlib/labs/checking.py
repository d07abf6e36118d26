"""The check of a lab: RisingWave's real retry, the evaluation of live documents, and the guards."""

from __future__ import annotations

from collections.abc import Sequence

from rwlib.environment import only_sandbox
from rwlib.errors import RunbookError
from rwlib.labs.guards import lost, strangers_let_in, too_much_granted, widened
from rwlib.labs.model import LabProbe
from rwlib.labs.result import Finding, Result
from rwlib.labs.retry import attempt, fits
from rwlib.labs.setup_calls import LabSetup
from rwlib.labs.snapshot import World, read_world
from rwlib.sandbox import WORKLOAD_IDENTITY_ARN

_WORKS = "RisingWave works when it tries again"
# Verdicts about what the account does. How a policy is called and written is the learner's matter.
_JUDGED = frozenset(
    {
        *("role_exists", "trust_principal", "trust_conditions", "trust_deny", "trust"),
        *("boundary", "allowed_principal", "bucket_exists", "bucket_owner", "bucket_policy"),
        *("block_public_access", "kms", "requests_allowed", "requests_refused", "simulation"),
        *("scp", "redshift_trust"),
    }
)


def check(setup: LabSetup, before: World) -> Result:
    """Check a lab against its sandbox's real state.

    RisingWave tries first; then the documents are judged as they stand. Nothing in AWS is changed;
    one more row goes through RisingWave.

    Parameters
    ----------
    before
        What stood when the lab was started, from `read_world`.
    """
    from botocore.exceptions import ClientError

    try:
        return Result(setup.lab.number, tuple(_findings(setup, before)))
    except (ClientError, RunbookError) as error:
        # The learner has deleted the bucket, or shut even the account out of it.
        unread = Finding("What the lab is about is there, and can be read", False, (str(error),))
        return Result(setup.lab.number, (Finding(_WORKS, False), unread))


def _findings(setup: LabSetup, before: World) -> list[Finding]:
    lab = setup.lab
    tried = attempt(setup, run_statement=not lab.own_sql)
    works = tried.works and (not lab.own_sql or fits(setup, tried.name))
    said = tuple(tried.lines)
    if tried.works and not works:
        said = (f"sink {tried.name} does not write to this bucket and prefix with this role",)
    findings = [Finding(_WORKS, works, () if works else said)]
    now = read_world(setup)
    verdicts = _verdicts(setup)
    findings.append(_finding("Every hop of the way is right", verdicts))
    for title, found in (
        ("Nobody else may assume the role", strangers_let_in(setup, now)),
        ("The role may do no more than it needs", too_much_granted(setup, now)),
        ("Nothing was opened on the way", widened(setup, before, now)),
        ("What was there before is still there", lost(before, now, lab.may_change)),
    ):
        findings.append(_finding(title, found))
    findings += [_probe(setup, probe) for probe in lab.must]
    return findings


def _finding(title: str, wrong: Sequence[str]) -> Finding:
    return Finding(title, not wrong, tuple(wrong))


def _verdicts(setup: LabSetup) -> list[str]:
    """Name the hops that the runbook's own verification finds wrong, without giving away why."""
    from rwlib.runbook import Runbook

    with only_sandbox(setup.endpoint.environment()):
        book = Runbook(
            setup.target,
            setup.connections.aws(),
            cloud=setup.cloud,
            workload_identity_arn=WORKLOAD_IDENTITY_ARN,
        )
        checks = book.verify_live()
    wrong = [each for each in checks if each.id in _JUDGED and each.status in ("fail", "unknown")]
    return list(dict.fromkeys(f"look again at: {each.hop}" for each in wrong))


def _probe(setup: LabSetup, probe: LabProbe) -> Finding:
    answer = ask(setup, probe)
    title = probe.title[0].upper() + probe.title[1:]
    passed = answer.partition(":")[0] == probe.answer
    return Finding(title, passed, () if passed else (f"{probe.call} was answered {answer}",))


def ask(setup: LabSetup, probe: LabProbe) -> str:
    """Make a real call as a session of a role; return ``ok``, or the error's code and text."""
    from botocore.exceptions import ClientError

    from rwlib.errors import ServiceError

    service, operation = probe.call.split(".")
    try:
        credentials = setup.endpoint.credentials_for(setup.fill(probe.role_arn))
    except ServiceError as error:
        return f"NoSuchEntity: {error}"
    client = setup.connections.client_with(service, credentials)
    try:
        getattr(client, operation)(**setup.fill(dict(probe.parameters)))
    except ClientError as error:
        return f"{error.response['Error']['Code']}: {error.response['Error']['Message']}"
    return "ok"
